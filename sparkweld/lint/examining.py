"""Examines a declared UDF for faults: by the compiler's proofs, and by runs on synthetic rows.

Runs in the process that holds the functions. A function runs on rows only after the compiler has proved it pure.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pandas as pd
from pyspark import cloudpickle

from sparkweld.api.verdict import Trial, Verdict, answer_of, examine, named, told
from sparkweld.contract.constants import (
    GROUPED_AGG_ARROW,
    GROUPED_AGG_PANDAS,
    GROUPED_MAP_PANDAS,
    SCALAR_ARROW,
    SCALAR_ARROW_ITERATOR,
    SCALAR_PANDAS,
    SCALAR_PANDAS_ITERATOR,
)
from sparkweld.contract.replies import RefusalRecord
from sparkweld.contract.requests import State
from sparkweld.errors import Refusal
from sparkweld.ir import Program, evaluate
from sparkweld.ir.ops import Optional
from sparkweld.ir.types import LISTS, Items
from sparkweld.lint.findings import INFO, WARNING, Finding, Udf
from sparkweld.lint.reading import function_at, series_diff, unrepeatable_call
from sparkweld.lint.sources import Source
from sparkweld.lint.stubs import COGROUPED, WITH_STATE, Declared, UnknownType
from sparkweld.reasons import has, refusal

#: Eval types whose functions receive a whole group, so they may read other rows.
GROUPS = frozenset((GROUPED_MAP_PANDAS, GROUPED_AGG_PANDAS, 209, GROUPED_AGG_ARROW))

#: Eval types that Spark's plan leaves to Python.
_OF_SPARK = frozenset((COGROUPED, WITH_STATE, 209))

KINDS = {
    SCALAR_PANDAS: "pandas_udf", SCALAR_PANDAS_ITERATOR: "pandas_udf iterator", GROUPED_AGG_PANDAS: "pandas_udf aggregate",
    SCALAR_ARROW: "arrow_udf", SCALAR_ARROW_ITERATOR: "arrow_udf iterator",
}  # fmt: skip

#: Names of sources of non-determinism, in the messages of those refusals.
_UNREPEATABLE = re.compile(r"\b(random|uuid|uuid1|uuid4|time|secrets|urandom|today|now|utcnow|perf_counter|Generator)\b")

#: The line and the file in the place of a refusal.
_PLACE = re.compile(r", line (\d+) of (.+)$")

#: A severity, and a refusal or its record in a compiler's reply.
_Fault = tuple[str, Refusal | RefusalRecord]


def examined(declared: Declared, udf: Udf, source: Source) -> Udf:
    """Returns a UDF with its verdict and findings, unless its result type is unknown. `source`: that of the linted file."""
    left = _left_to_spark(declared, udf.name)
    if left is not None:
        return refused(udf, left)
    if isinstance(declared.return_type, UnknownType):
        return replace(udf, verdict=f"not examined ({declared.return_type.text})")
    asked = declared.function, declared.return_type, declared.eval_type
    verdict = examine(*asked, keys=declared.keys, likelihood=_likelihood)
    faults = [*_own(source, udf, declared, verdict), *_of_integers(declared, verdict), *_of_chains(declared)]
    line = _line(verdict)
    if declared.windowed and declared.eval_type == GROUPED_AGG_PANDAS and verdict.compiled is not None:
        over = examine(*asked, windowed=True).refusal
        if over is not None:
            line = f"not compiled over its window ({over.code} {over.title}); in agg(): {line}"
            faults.append((INFO, over))
    findings = tuple(_finding(source, udf, *fault) for fault in faults)
    local = None if declared.eval_type in GROUPS else verdict.row_local
    return replace(udf, row_local=local, verdict=line, findings=findings)


def refused(udf: Udf, why: Refusal) -> Udf:
    """Returns a UDF that Spark runs whatever its code is."""
    finding = Finding(INFO, why.code, why.title, why.message, why.hint, udf.line)
    return replace(udf, verdict=f"not compiled ({why.code} {why.title})", findings=(finding,))


def _left_to_spark(declared: Declared, name: str) -> Refusal | None:
    """Returns why Spark's plan leaves a UDF to Python, whatever its code is."""
    if not declared.deterministic:
        return refusal("SW302", udf=name)
    if declared.eval_type in _OF_SPARK:
        return refusal("SW301", udf=name, type=str(declared.eval_type))
    return refusal("SW367", udf=name) if declared.pinned else None


#: Sample rows of the types of columns that are tried.
_SAMPLES: dict[Any, list[Any]] = {
    "double": [0.0, 1.0, 2.5, -3.0, 100.0],
    "long": [0, 1, 2, -3, 100],
    "boolean": [True, False, True, False, True],
    "string": ["abc", "12.5", "a@b.com, x", "2024-01-31", "http://a.com/b?c=1"],
    "date": [0, 1, 365, 11_016, 19_753],
    "timestamp": [0, 1, 86_400_000_000, 951_782_400_000_000, 1_706_659_200_000_000],
    "array<double>": [(1.0,), (1.0, 2.0, 3.0), (0.5, -0.5), (0.0, 0.0, 0.0), (7.0, 9.0)],
    "array<string>": [("a",), ("a", "b", "c"), ("12", "x"), ("", "A b", "c"), ("1",)],
}


def _likelihood(trial: Trial) -> float:
    """Returns the share of sample rows for which a compiled function has a result: with columns of wrong types, most raise."""
    program = trial.answer.program
    if program is None or any(kind not in _SAMPLES for kind in trial.types) or len(program.inputs) != len(trial.types):
        return 1.0
    columns = {}
    for i, kind in zip(program.inputs, trial.types, strict=True):
        samples, element = _SAMPLES[kind], i.type.element if i.type.kind in LISTS else None
        columns[i.name] = np.empty(len(samples), object)
        columns[i.name][:] = samples if element is None else [Items(element.kind, values) for values in samples]
    try:
        found = _run(program, columns)
    except (TypeError, ValueError, KeyError, AttributeError):  # of another form than columns of plain values
        return 1.0
    return 1 - found.count("raises") / max(len(found), 1)


def _line(verdict: Verdict) -> str:
    if verdict.fault:
        return f"not examined ({verdict.fault})"
    if verdict.compiled is not None:
        return str(verdict).splitlines()[1].strip().replace(": row-local, ", ": ")
    if verdict.refusal is not None and not has(verdict.refusal.code, "raises"):
        return f"not compiled ({verdict.refusal.code} {verdict.refusal.title})"
    return "not compiled for likely types of its columns"


def _finding(source: Source, udf: Udf, severity: str, entry: Refusal | RefusalRecord) -> Finding:
    here = source.is_file(udf.file)
    place = _PLACE.search(entry.place)
    own = place is not None and here and place.group(2) == source.path.name
    line = int(place.group(1)) if place is not None and own else udf.line
    message = entry.message if own or place is None or not here else f"{entry.message} That is at {entry.place}."
    bare = here and has(entry.code, "bare_array")
    diff = series_diff(source, function_at(source, udf.line, udf.name)) if bare else ()
    return Finding(severity, entry.code, entry.title, message, entry.hint, line, diff)


def _own(source: Source, udf: Udf, declared: Declared, verdict: Verdict) -> list[_Fault]:
    """Returns the refusals, as faults of the job or as remarks."""
    found = verdict.refusal
    if verdict.compiled is not None:
        reads_batch = verdict.compiled.answer.reads_batch
        return [] if reads_batch is None else [(WARNING, reads_batch)]
    if found is None:
        return [(INFO, one) for one in _by_types(verdict)]
    if has(found.code, "raises"):  # as for columns of other types than the job's
        types = next(named(trial.types) for trial in verdict.trials if found in trial.refusals)
        return [(INFO, replace(found, message=f"For {types}: {found.message}"))]
    rest: list[_Fault] = []
    for trial in verdict.trials:
        if found in trial.refusals:
            rest = [(INFO, one) for one in trial.refusals if one != found]
            break
    if has(found.code, "outside_state") and _UNREPEATABLE.search(found.message) and declared.deterministic:
        called = unrepeatable_call(source, udf)
        what = f"it calls {called}" if called else told(found)[0].partition(": ")[2].rstrip(".")
        return [(WARNING, refusal("SW704", found.place, function=verdict.name, what=what)), *rest]
    of_group = declared.eval_type in GROUPS and has(found.code, "reads_other_rows")
    fault = has(found.code, "fault_of_job") and not of_group
    return [(WARNING if fault else INFO, found), *rest]


def _by_types(verdict: Verdict) -> list[RefusalRecord]:
    """Returns why a function is refused for the likely types of its columns, without those for which it raises."""
    found: dict[str, RefusalRecord] = {}
    for trial in verdict.trials:
        one = trial.refusals[0]
        if not any(has(one.code, trait) for trait in ("raises", "constant_call_raises", "every_row")):
            found.setdefault(one.code, replace(one, message=f"For {named(trial.types)}: {one.message}"))
    return list(found.values())[:2]


def _of_integers(declared: Declared, verdict: Verdict) -> list[_Fault]:
    """Finds faults of integer columns: results that change with a NULL elsewhere in the batch, and literals that NumPy rejects.
    """
    tried = verdict.compiled
    if tried is None or declared.eval_type != SCALAR_PANDAS:
        return []
    types = tuple("integer" if kind in ("double", "long") else kind for kind in tried.types)
    if types == tried.types:
        return []

    payload = cloudpickle.dumps((declared.function, declared.return_type))
    trials = [
        Trial(types, answer_of(payload, verdict.name, declared.return_type, declared.eval_type, types, state))
        for state in get_args(State)
    ]
    return _compared(verdict.name, *trials)


def _compared(name: str, dense: Trial, nullable: Trial) -> list[_Fault]:
    if not dense.compiled and "OverflowError" in dense.refusals[0].message:
        first = dense.refusals[0]
        also = " With a NULL in the batch the column is float64 and it works." if nullable.compiled else ""
        what = first.message.rstrip(".")
        return [(WARNING, refusal("SW702", first.place, function=name, what=what, also=also))]
    if dense.compiled and not nullable.compiled and has(nullable.refusals[0].code, "constant_call_raises"):
        first = nullable.refusals[0]
        what = f"with one in the batch, {first.message.rstrip('.')}"
        return [(WARNING, refusal("SW701", first.place, function=name, what=what))]
    one_program, other_program = dense.answer.program, nullable.answer.program
    if one_program is None or other_program is None:
        return []
    difference = _difference(one_program, other_program)
    if difference is None:
        return []
    row, ordinary, one, other = difference
    what = f"for ({row}) it returns {one}, and {other} when another row of the batch has a NULL in the column"
    return [(WARNING if ordinary else INFO, refusal("SW701", "", function=name, what=what))]


def _difference(dense: Program, nullable: Program) -> tuple[str, bool, Any, Any] | None:
    """Returns a row without NULLs on which the two programs differ, ordinary rows first: (row, is ordinary, result, result)."""
    ordinary = np.array([0, 1, 2, 3, -1, -2, -7, 10, 60, 99, 100, 255, 300, 1000], np.int32)
    extreme = np.array([2**31 - 1, -(2**31), 2**30, 65_536], np.int32)
    rng = np.random.default_rng(7)
    for pool in (ordinary, extreme):
        columns = {i.name: rng.permutation(np.resize(pool, 28)) for i in dense.inputs}
        results = [_run(program, columns) for program in (dense, nullable)]
        for row in range(28):
            one, other = (result[row] for result in results)
            if "raises" not in (one, other) and one != other:
                values = ", ".join(str(columns[i.name][row]) for i in dense.inputs)
                return values, pool is ordinary, one, other
    return None


def _run(program: Program, columns: dict[str, np.ndarray]) -> list[Any]:
    """Returns the results of a program as Python values, None for NULL; "raises" where a guard sends the batch to Python."""
    rows = len(next(iter(columns.values()), []))
    given: dict[str, Any] = {}
    for i in program.inputs:
        if i.type.kind != "str" and i.type.kind not in LISTS:
            values = np.asarray(columns[i.name]).astype(i.type.dtype)
        else:
            values = columns[i.name] if columns[i.name].dtype == object else np.full(rows, "", object)
        given[i.name] = Optional(values, np.ones(rows, np.bool_)) if i.type.nullable else values
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = evaluate(program, given, rows)
    array = next(iter(result.columns.values()))
    values, valid = (array.values, array.valid) if isinstance(array, Optional) else (array, np.ones(rows, np.bool_))
    plain = [getattr(value, "item", lambda value=value: value)() if v else None for value, v in zip(values, valid, strict=True)]
    return ["raises" if flagged else value for value, flagged in zip(plain, result.flagged, strict=True)]


def _of_chains(declared: Declared) -> list[_Fault]:
    """Finds mismatches in f(g(x)): a worker passes g's Series to f unchanged, whatever return type g declares."""
    found: list[_Fault] = []
    for inner in declared.inside:
        dtype = _result_dtype(inner)
        wanted = _KINDS.get(inner.return_type.typeName())
        if dtype is not None and wanted is not None and dtype.kind not in wanted:
            name = getattr(inner.function, "__name__", "the inner UDF")
            outer = getattr(declared.function, "__name__", "the outer UDF")
            type = inner.return_type.typeName()
            found.append((WARNING, refusal("SW703", "", function=outer, inner=name, dtype=dtype, type=type)))
    return found


_KINDS = {
    "boolean": "b", "byte": "iu", "short": "iu", "integer": "iu", "long": "iu", "float": "f", "double": "f", "string": "OUT",
}  # fmt: skip


def _result_dtype(declared: Declared) -> np.dtype | None:
    """Returns the dtype of a compiled function's result on a few ordinary rows; the function is pure, so it may run."""
    verdict = examine(declared.function, declared.return_type, declared.eval_type)
    if declared.eval_type != SCALAR_PANDAS or verdict.compiled is None:
        return None
    samples: dict[Any, Any] = {"double": [1.0, 2.5], "long": [1, 2], "string": ["a", "b"], "boolean": [True, False]}
    if not all(kind in samples for kind in verdict.compiled.types):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = declared.function(*(pd.Series(samples[kind]) for kind in verdict.compiled.types))
    except Exception:  # noqa: BLE001 - user code on synthetic rows; no finding follows from it
        return None
    return getattr(made, "dtype", None)
