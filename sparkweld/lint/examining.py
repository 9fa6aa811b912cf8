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

from sparkweld.api.asking import MAPS
from sparkweld.api.verdict import Trial, Verdict, answer_of, examine, told
from sparkweld.contract.constants import GROUPED_AGG_ARROW, GROUPED_AGG_PANDAS, SCALAR_PANDAS
from sparkweld.contract.replies import RefusalRecord
from sparkweld.contract.requests import State
from sparkweld.errors import Refusal
from sparkweld.ir import Program, evaluate
from sparkweld.ir.ops import Optional
from sparkweld.lint.findings import INFO, WARNING, Finding, Udf
from sparkweld.lint.reading import Source, function_at, series_diff
from sparkweld.lint.stubs import Declared, UnknownType
from sparkweld.reasons import has, refusal

#: Eval types whose functions receive a whole group, so they may read other rows.
GROUPS = frozenset((201, GROUPED_AGG_PANDAS, 209, GROUPED_AGG_ARROW))

#: Names of sources of non-determinism, in the messages of those refusals.
_UNREPEATABLE = re.compile(r"\b(random|uuid|uuid1|uuid4|time|secrets|urandom|today|now|utcnow|perf_counter|Generator)\b")

#: The line and the file in the place of a refusal.
_PLACE = re.compile(r", line (\d+) of (.+)$")

#: A severity, and a refusal or its record in a compiler's reply.
_Fault = tuple[str, Refusal | RefusalRecord]


def examined(declared: Declared, udf: Udf, source: Source) -> Udf:
    """Returns a UDF with its verdict and findings, unless its result type is unknown. `source`: that of the linted file."""
    if declared.eval_type in MAPS and isinstance(declared.return_type, UnknownType):
        return udf
    verdict = examine(declared.function, declared.return_type, declared.eval_type)
    faults = (*_own(declared, verdict), *_of_integers(declared, verdict), *_of_chains(declared))
    findings = tuple(_finding(source, udf, *fault) for fault in faults)
    return replace(udf, row_local=verdict.row_local, verdict=_line(verdict), findings=findings)


def _line(verdict: Verdict) -> str:
    if verdict.fault:
        return f"not examined ({verdict.fault})"
    if verdict.compiled is not None:
        return str(verdict).splitlines()[1].strip()
    if verdict.refusal is not None:
        return f"not compiled ({verdict.refusal.code} {verdict.refusal.title})"
    return "compilation depends on its column types"


def _finding(source: Source, udf: Udf, severity: str, entry: Refusal | RefusalRecord) -> Finding:
    here = source.is_file(udf.file)
    place = _PLACE.search(entry.place)
    line = int(place.group(1)) if place and here and place.group(2) == source.path.name else udf.line
    bare = here and has(entry.code, "bare_array")
    diff = series_diff(source, function_at(source, udf.line, udf.name)) if bare else ()
    return Finding(severity, entry.code, entry.title, entry.message, entry.hint, line, diff)


def _own(declared: Declared, verdict: Verdict) -> list[_Fault]:
    """Returns the refusal, as a fault of the job or as a remark."""
    found = verdict.refusal
    if verdict.compiled is not None:
        reads_batch = verdict.compiled.answer.reads_batch
        return [] if reads_batch is None else [(WARNING, reads_batch)]
    if found is None:
        return []
    outside = has(found.code, "outside_state") and _UNREPEATABLE.search(found.message)
    if outside and declared.deterministic:
        again = refusal("SW704", found.place, function=verdict.name, what=told(found)[0].partition(": ")[2].rstrip("."))
        return [(WARNING, again)]
    of_group = declared.eval_type in GROUPS and has(found.code, "reads_other_rows")
    fault = has(found.code, "fault_of_job") and not of_group
    return [(WARNING if fault else INFO, found)]


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
        values = np.asarray(columns[i.name]).astype(i.type.dtype) if i.type.kind != "str" else np.full(rows, "", object)
        given[i.name] = Optional(values, np.ones(rows, np.bool_)) if i.type.nullable else values
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = evaluate(program, given, rows)
    array = next(iter(result.columns.values()))
    values, valid = (array.values, array.valid) if isinstance(array, Optional) else (array, np.ones(rows, np.bool_))
    plain = [value.item() if v else None for value, v in zip(values, valid, strict=True)]
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
