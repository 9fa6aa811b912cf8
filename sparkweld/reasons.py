"""Creates refusals from reason codes: reads reasons.json and fills in the parameters of a message.

Codes are stable. SW1xx are for types and schema, SW2xx and SW6xx for function bodies, SW3xx for plans, SW4xx for the
environment. SW5xx are bugs of SparkWeld. SW7xx are for the user's options and lint findings, SW8xx for models, SW9xx for
approximations under a certificate.
"""

from __future__ import annotations

import json
import string
from functools import cache
from pathlib import Path
from typing import Any, TypedDict

from sparkweld.errors import InternalError, Refusal

REASONS_FILE = Path(__file__).with_name("reasons.json")


#: What a reason is about. Programs branch on a reason's category and traits, never on its code.
CATEGORIES = {
    "types": "column types, result types and settings",
    "purity": "state that outlives a row, and sources of randomness",
    "function": "what the function computes",
    "plan": "what the plan around the function computes",
    "environment": "the compile service, the libraries and the machine",
    "bug": "a bug of SparkWeld",
    "job": "options of the user, and faults of a job that lint finds",
    "model": "a fitted model",
    "spark_ml": "a model or function of pyspark.ml",
    "approximation": "cascades, rankings, and kernels that were turned off",
}

#: What else a program must know about a reason.
TRAITS = {
    "annotated_call": "the function calls annotated functions, but cannot be a pipeline",
    "any_columns": "holds for the function whatever its columns are",
    "argument": "concerns the expression of an argument, which Spark can compute before the function",
    "bare_array": "the function returns an ndarray where PySpark requires a Series",
    "changes_argument": "a copy of the changed argument may avoid it",
    "constant_call_raises": "a call raises for every row",
    "every_row": "all rows run in Python, as they may with columns of other types than the function expects",
    "expression": "concerns an expression beside the UDF, not the UDF",
    "fault_of_job": "a fault of the job, with or without the plugin",
    "files": "depends on files and modules, which may change",
    "interpret": "interpreting the function's bytecode on a path may avoid it",
    "loop_over_rows": "says no more than that a loop over rows is not compiled",
    "many_blocks": "paths of a region do not merge: fewer classes and lengths may avoid it",
    "many_paths": "the function has more than a few paths",
    "mixed_numbers": "floats in place of integers on some paths may avoid it",
    "no_annotation": "an aggregate function has no annotation; its own reason says more",
    "not_row_local": "a row of the result needs more than its own row",
    "outside_state": "the function reads state outside of it",
    "path_limit": "a limit of paths, iterations or values, which a region does not have",
    "raises": "the function raises while it is traced",
    "reads_other_rows": "the function combines rows",
    "recursion": "the depth of a recursion depends on the row",
    "region_may_decide": "a region may support the operation, or no row may take the path",
    "temporary": "depends on the state of the service, or on a time limit that the session may set",
    "too_much_work": "every other way to compile the function would cost as much again",
    "whole_batches": "the function compiles where the kernel gets the batches of Spark",
    "undefined_yet": "the module may still define the name",
    "writes_output": "the function prints or logs, which may be left out",
}


class _Texts(TypedDict):
    title: str
    category: str
    message: str
    hint: str


class Reason(_Texts, total=False):
    """An entry of reasons.json; `narrows`: code -> parameter -> the values for which the entry replaces that code."""

    traits: list[str]
    narrows: dict[str, dict[str, list[str]]]


@cache
def reasons() -> dict[str, Reason]:
    """Returns the table of reasons.json, by code."""
    return json.loads(REASONS_FILE.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@cache
def _narrowing() -> dict[tuple[str, str, str], str]:
    """Maps (code, parameter, value) to the reason that replaces that code for this value of the parameter.

    So a reason with a hint of its own, such as for one module, is an entry of the table and needs no program.
    """
    return {
        (code, parameter, value): narrow
        for narrow, entry in reasons().items()
        for code, parameters in entry.get("narrows", {}).items()
        for parameter, values in parameters.items()
        for value in values
    }


def category(code: str) -> str:
    """Returns the category of a reason: a key of CATEGORIES."""
    return reasons()[code]["category"]


def has(code: str, trait: str) -> bool:
    """Whether a reason has a trait, a key of TRAITS."""
    if trait not in TRAITS:
        raise InternalError(f"{trait} is no trait of a reason")
    return trait in reasons()[code].get("traits", ())


def refusal(code: str, place: str = "", **params: Any) -> Refusal:
    """Returns the refusal `code`, with the ``<params>`` of its message and hint filled in; a reason that narrows it, if one does.

    Raises InternalError for an unknown code or a missing parameter.
    """
    if code not in reasons():
        raise InternalError(f"reason code {code} is not in {REASONS_FILE.name}")
    keys = [(code, parameter, str(value)) for parameter, value in params.items()]
    code = next((_narrowing()[key] for key in keys if key in _narrowing()), code)
    entry = reasons()[code]
    return Refusal(code, entry["title"], _fill(entry["message"], params, code), _fill(entry["hint"], params, code), place)


class _Params(string.Template):
    delimiter = "<"
    pattern = r"<(?:(?P<escaped><)|(?P<named>[a-z_]+)>|(?P<braced>(?!))|(?P<invalid>(?!)))"  # type: ignore[assignment]


def _fill(text: str, params: dict[str, Any], code: str) -> str:
    try:
        return _Params(text).substitute(params)
    except KeyError as missing:
        raise InternalError(f"reason {code} requires the parameter {missing}") from None
