"""Runs one function traced and by pandas itself, and compares every bit of the results."""

from __future__ import annotations

import datetime
import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.errors import Refusal
from sparkweld.ir import Input, LoopBuilder, Program, ProgramBuilder, Value, evaluate
from sparkweld.ir.ops import Optional
from sparkweld.ir.types import DTYPES, Type, parse_type
from udf_compiler.frontends.pandas import datetimes
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.batch_dependent import BATCH_DEPENDENT, plain_value, present
from udf_compiler.frontends.pandas.dates import DATES
from udf_compiler.frontends.pandas.datetimes import DATETIMES, TIMEDELTAS
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.microseconds import MICROSECONDS, SPANS
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.stand_ins import stand_in
from udf_compiler.frontends.pandas.strings import STRINGS, some_string, text_series
from udf_compiler.frontends.pandas.trace import trace
from udf_compiler.frontends.tracing.lower import BY_VALUE

_TRACED = {
    "np": stand_in(np),
    "pd": stand_in(pd),
    "math": stand_in(__import__("math")),
    "date": stand_in(datetime.date),
    "datetime": stand_in(datetime.datetime),
    "timedelta": stand_in(datetime.timedelta),
    "type": stand_in(type),
}
_REAL = {"np": np, "pd": pd, "math": __import__("math"), "date": datetime.date}
_REAL |= {"datetime": datetime.datetime, "timedelta": datetime.timedelta}
_NAMES = "abcdefgh"

FLOATS = [0.0, -0.0, 1.0, -1.0, 0.5, 1.5, -2.5, 2.0, 3.0, 7.25, -7.0]
FLOATS += [1e-310, 1e300, -1e300, np.inf, -np.inf, np.nan, 2.0**53, 129.0]
EXTREMES: dict[str, list[Any]] = {
    "f64": FLOATS,
    "f32": [*FLOATS[:11], 1e-42, 3e38, -3e38, np.inf, -np.inf, np.nan, 16777217.0, 129.0],
    "bool": [True, False],
    "i8": [0, 1, -1, 2, 3, 7, -7, 127, -128, 100],
    "i16": [0, 1, -1, 2, 3, 7, -7, 32767, -32768, 300],
    "i32": [0, 1, -1, 2, 3, 7, -7, 2**31 - 1, -(2**31), 70000],
    "i64": [0, 1, -1, 2, 3, 7, -7, 2**63 - 1, -(2**63), 2**53 + 1],
    "date": [datetime.date(1970, 1, 1), datetime.date(2024, 2, 29), datetime.date(1, 1, 1), datetime.date(9999, 12, 31)],
}
EXTREMES["date?"] = [*EXTREMES["date"], None]
EXTREMES["str"] = [
    "", "a", "b", "ab", "a,b", "a,b,c", ",", " a b ", "A", "aB c", "12", "-7", "3.5", "é", "ÉA", "ß", "ΑΣ", "😀b", "a\n", "x@y.z",
    "aXbXc", "key=1;k=2", "a1b22", "\u2003x", "hello world", "abcabc", "a" * 70, "0", "007", "1_0", "x1", "(a)", "a.b",
]  # fmt: skip
EXTREMES["str?"] = [*EXTREMES["str"], None]
#: Nanoseconds.
TIMES = [0, 1, -1, 10**9, -(10**9), 951_782_399_999_999_999, 1_709_164_800 * 10**9, -2_203_977_600 * 10**9 + 999]
TIMES += [-(2**63) + 1, 2**63 - 1, 1_703_980_799 * 10**9, 1_577_836_800 * 10**9, 1_561_939_199_500_000_000, 43_200 * 10**9]
EXTREMES["datetime"] = [pd.Timestamp(n) for n in TIMES]
EXTREMES["timedelta"] = [pd.Timedelta(n) for n in [*TIMES, 86_400 * 10**9, -86_400 * 10**9 + 1, 90_061_001_001_001]]
for kind in (MICROSECONDS, SPANS):
    whole = [n for n in (v.value // 1000 * 1000 for v in EXTREMES[kind.exact.name]) if n > -(2**63)]
    EXTREMES[kind.name] = [(pd.Timestamp if kind is MICROSECONDS else pd.Timedelta)(n) for n in whole]
#: "?": may contain NaT; "!": some row of every batch is NaT.
KINDS_OF_TIMES = {kind.name: kind for kind in (DATETIMES, TIMEDELTAS, MICROSECONDS, SPANS)}
DTYPES_OF_TIMES = {name: kind.numpy_dtype for name, kind in KINDS_OF_TIMES.items()}
for kind in DTYPES_OF_TIMES:
    EXTREMES[f"{kind}?"] = EXTREMES[f"{kind}!"] = [*EXTREMES[kind], pd.NaT]


#: Whether each case of the running test was traced; the fixture `traced_counts` compares their number with a stored one.
OUTCOMES: list[bool] = []


@dataclass
class Traced:
    """A traced function as a program, and the shape of its result."""

    program: Program
    kind: str
    notes: list[str] = field(default_factory=list)
    series_kind: str = "numpy"


def make(source: str, extra: dict[str, Any], names: dict[str, Any]) -> Callable[..., Any]:
    """Returns the function of a source text; `np` and `pd` are the stand-ins or the real modules."""
    scope = {**names, **extra}
    if source.startswith("def "):
        exec(source, scope)
        return scope["f"]  # type: ignore[no-any-return]
    return eval(source, scope)  # type: ignore[no-any-return]


def trace_source(source: str, types: Sequence[str], exact: bool = False, **extra: Any) -> Traced:
    """Traces a function of columns of these types (``frame(f64,f64)``: a struct of columns x0, x1)."""
    flat = [t for type in types for t in columns_of(type)]
    builder = ProgramBuilder("f", [Input(_NAMES[i], _input_type(t)) for i, t in enumerate(flat)])
    loop = builder.loop("f")
    notes: list[str] = []
    values, kind, series_kind = trace_into(loop, source, types, exact, notes, **extra)
    for i, value in enumerate(values):
        loop.append(f"r{i}", value)
    loop.close()
    return Traced(builder.finish([f"r{i}" for i in range(len(values))]), kind, notes, series_kind)


def trace_into(
    loop: LoopBuilder, source: str, types: Sequence[str], exact: bool = False, notes: list[str] | None = None, **extra: Any
) -> tuple[list[Value], str, str]:
    """Traces into a loop; returns the values of the result, the result's kind, and the dtype kind of a Series."""
    names = iter(_NAMES)
    args = [_argument(loop, type, names) for type in types]
    result = trace(make(source, extra, _TRACED), args, loop=loop, exact=exact, notes=notes)
    if type_of(result) is TracedSeries:
        if result.kind is STRINGS:
            some_string(result)
            return [result.value], "text", "numpy"
        if result.kind is BATCH_DEPENDENT:
            return [plain_value(result), present(result), result.batch_dependent.plain], "maybe", "numpy"
        return [result.value], "series", result.kind.name
    if type_of(result) is TracedArray:
        return list(result.columns), f"array{result.ndim}", "numpy"
    if type_of(result) is tuple:
        return [r.value for r in result], "tuple", "numpy"
    raise AssertionError(f"no traced result: {type_of(result)}")


def _argument(loop: LoopBuilder, type: str, names: Iterator[str]) -> Any:
    series = []
    for t in columns_of(type):
        value, kind = loop.read(next(names)), t.rstrip("?!")
        if kind == "str":
            series.append(text_series(loop, value, Missing(none=t == "str?")))
        elif kind in DTYPES_OF_TIMES:
            series.append(datetimes.new(loop, value, KINDS_OF_TIMES[kind], has_nat=t.endswith("!")))
        elif kind == "date":
            series.append(TracedSeries(loop, value, object, DATES))
        else:
            series.append(TracedSeries(loop, value, DTYPES[t]))
    return TracedFrame(loop, {f"x{i}": s for i, s in enumerate(series)}) if type.startswith("frame") else series[0]


def _input_type(type: str) -> Type:
    """Returns the input type of a column; datetimes and timedeltas are nanoseconds."""
    return Type("i64", type[-1] in "?!") if type.rstrip("?!") in DTYPES_OF_TIMES else parse_type(type)


def type_of(x: Any) -> type:
    return type(x)


def columns_of(type: str) -> list[str]:
    return type[6:-1].split(",") if type.startswith("frame(") else [type]


def batches(types: Sequence[str], seed: int = 0) -> list[dict[str, list[Any]]]:
    """Returns columns of extremes: every pair for up to two columns, else a sample, and small batches of ordinary rows."""
    rng = np.random.default_rng(seed)
    flat = [t for type in types for t in columns_of(type)]
    pools = [EXTREMES[t] for t in flat]
    if len(flat) <= 2:
        rows = list(itertools.product(*pools))
    else:
        rows = [tuple(p[rng.integers(len(p))] for p in pools) for _ in range(400)]
    tame = [tuple(p[rng.integers(min(len(p), 11))] for p in pools) for _ in range(70)]
    parts = [rows, tame, tame[:1], tame[:7], [r for r in tame if not any(isinstance(v, float) and v != v for v in r)]]
    if any(t.startswith("str") for t in flat):  # small batches in which no string or every string has a property
        parts += [rows[at : at + 2] for at in range(0, min(len(rows), 40), 2)] + [rows[at : at + 1] for at in range(0, 60, 7)]
        parts += [[tuple(None for _ in flat)] * 2] if all(t.endswith("?") for t in flat) else []
        parts += [[r for r in rows if None not in r]]
    made = [{_NAMES[i]: [r[i] for r in part] for i in range(len(flat))} for part in parts if part]
    return [batch for batch in made if _has_nats(flat, batch)]


def _has_nats(flat: Sequence[str], batch: dict[str, list[Any]]) -> bool:
    """Whether every column that must contain a NaT does."""
    return all(pd.NaT in batch[_NAMES[i]] for i, type in enumerate(flat) if type.endswith("!"))


def run_real(source: str, types: Sequence[str], batch: dict[str, list[Any]], extra: dict[str, Any]) -> Any:
    """Returns the function's result for real Series of the batch."""
    names, args = iter(_NAMES), []
    for type in types:
        series = [pd.Series(batch[next(names)], dtype=_dtype_of(t)) for t in columns_of(type)]
        args.append(pd.DataFrame({f"x{i}": s for i, s in enumerate(series)}) if type.startswith("frame") else series[0])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return make(source, extra, _REAL)(*args)


def _dtype_of(type: str) -> Any:
    kind = type.rstrip("?!")
    return object if kind in ("date", "str") else DTYPES_OF_TIMES.get(kind) or DTYPES[kind]


def run_traced(traced: Traced, batch: dict[str, list[Any]]) -> tuple[list[Any], np.ndarray]:
    """Returns the result columns and flagged rows of the program on the batch."""
    columns = {}
    for i in traced.program.inputs:
        values = batch[i.name]
        if i.type.kind == "date":
            days = np.array([0 if v is None else v.toordinal() - 719163 for v in values], np.int32)
            columns[i.name] = Optional(days, np.array([v is not None for v in values])) if i.type.nullable else days
        elif i.type.kind == "str":
            texts = np.array(["" if v is None else v for v in values], object)
            columns[i.name] = Optional(texts, np.array([v is not None for v in values])) if i.type.nullable else texts
        elif i.type.nullable or isinstance(values[0], pd.Timestamp | pd.Timedelta):
            numbers = np.array([0 if v is pd.NaT else v.value for v in values], np.int64)
            columns[i.name] = Optional(numbers, np.array([v is not pd.NaT for v in values])) if i.type.nullable else numbers
        else:
            columns[i.name] = np.array(values, i.type.dtype)
    result = evaluate(traced.program, columns, len(next(iter(batch.values()))))
    return list(result.columns.values()), result.flagged


def check(source: str, types: Sequence[str], spare: bool = True, **extra: Any) -> Traced:
    """Traces and compares over all batches.

    Unless `spare` is False, rows that a guard flags must be the reason for a difference or an exception.
    """
    traced = trace_source(source, types, **extra)
    for batch in batches(types):
        _check_batch(traced, source, types, batch, extra, spare)
    return traced


def check_batch(traced: Traced, source: str, types: Sequence[str], batch: dict[str, list[Any]], **extra: Any) -> bool:
    """Compares on one batch; returns whether no row of it was flagged."""
    _check_batch(traced, source, types, batch, extra, spare=False)
    return not run_traced(traced, batch)[1].any()


def check_or_refuse(source: str, types: Sequence[str], allowed: Sequence[str] = (), **extra: Any) -> Traced | None:
    """Runs `check`; a refusal must be correct: SW252 when pandas raises, SW254 for unsupported dtypes, or one of `allowed`.

    Before NumPy 2, operands are also refused that have other types there (SW251).
    """
    OUTCOMES.append(False)
    try:
        traced = check(source, types, **extra)
        OUTCOMES[-1] = True
        return traced
    except Refusal as refused:
        batch = batches(types)[:2][-1]
        extra.pop("spare", None)
        if refused.code == "SW252":
            try:
                run_real(source, types, batch, extra)
            except Exception:  # noqa: BLE001 - any exception: the refusal announced it
                return None
            raise AssertionError(f"{source} on {types} does not raise: {refused}") from None
        if refused.code == "SW254":  # of the result, or of NumPy's inner loop
            assert not any(f"type {dtype} " in refused.message for dtype in DTYPES.values() if dtype.kind != "O"), str(refused)
            return None
        if refused.code not in allowed and not (BY_VALUE and refused.code == "SW251" and "before NumPy 2" in refused.message):
            raise
        return None


def _check_batch(
    traced: Traced, source: str, types: Sequence[str], batch: dict[str, list[Any]], extra: dict[str, Any], spare: bool
) -> None:
    got, flagged = run_traced(traced, batch)
    if not flagged.any():
        wanted = run_real(source, types, batch, extra)
        difference = compare(got, traced, wanted)
        assert difference is None, f"{source} on {types}: {difference}\n{_rows(batch, difference)}\n{traced.program}"
        return
    try:
        wanted = run_real(source, types, batch, extra)
    except Exception:  # noqa: BLE001 - any exception: a guard announced it
        wanted = None
    needless = spare and wanted is not None and compare(got, traced, wanted) is None
    assert not needless, f"{source} on {types}: a guard flagged rows where the kernel agrees with pandas"
    rest = {name: [v for v, f in zip(values, flagged, strict=True) if not f] for name, values in batch.items()}
    flat = [t for type in types for t in columns_of(type)]
    if any(rest.values()) and _has_nats(flat, rest):
        _, again = run_traced(traced, rest)
        assert not again.any()
        _check_batch(traced, source, types, rest, extra, spare)


def _rows(batch: dict[str, list[Any]], difference: Any) -> str:
    row = difference[0] if isinstance(difference, tuple) else None
    return "" if row is None else str({name: values[row] for name, values in batch.items()})


def compare(got: list[Any], traced: Traced, wanted: Any) -> Any:
    """Returns None, or the difference: `(row, got, wanted)` or a message."""
    if traced.kind in ("text", "maybe"):
        return _compare_text(got[0], wanted) if traced.kind == "text" else _compare_maybe(got, wanted)
    if traced.kind == "series":
        if type(wanted) is not pd.Series:
            return f"pandas gives a {type(wanted).__name__}"
        if traced.series_kind in ("UInt32", *DTYPES_OF_TIMES):
            return _compare_missing(got[0], wanted, traced.series_kind)
        parts = [wanted.to_numpy()]
    elif traced.kind == "tuple":
        parts = [w.to_numpy() if isinstance(w, pd.Series) else w for w in wanted]
    else:
        if type(wanted) is not np.ndarray or f"array{wanted.ndim}" != traced.kind:
            return f"pandas gives a {type(wanted).__name__} of shape {np.shape(wanted)}"
        parts = [wanted] if wanted.ndim == 1 else [wanted[:, j] for j in range(wanted.shape[1])]
    if len(parts) != len(got):
        return f"{len(got)} columns for {len(parts)}"
    for g, w, name in zip(got, parts, traced.program.outputs, strict=True):
        difference = _compare_column(g, w, name)
        if difference is not None:
            return difference
    return None


def _compare_text(got: Any, wanted: Any) -> Any:
    if type(wanted) is not pd.Series or wanted.dtype != object:
        return f"pandas gives {getattr(wanted, 'dtype', type(wanted))}"
    values, valid = got if isinstance(got, Optional) else (got, np.ones(len(got), bool))
    return _first_difference([v if ok else None for v, ok in zip(values, valid, strict=True)], wanted)


def _compare_maybe(got: list[Any], wanted: Any) -> Any:
    """Compares the values where present, and the plain dtype where every row has a value."""
    if type(wanted) is not pd.Series:
        return f"pandas gives a {type(wanted).__name__}"
    values, valid, dense = got
    if np.all(dense) and wanted.dtype != (np.int64 if values.dtype == np.float64 else values.dtype):
        return f"pandas gives {wanted.dtype} for {values.dtype}, dense: {np.all(dense)}"
    return _first_difference([v if ok else None for v, ok in zip(values.tolist(), valid, strict=True)], wanted)


def _first_difference(mine: list[Any], wanted: pd.Series) -> Any:
    for row, (m, w) in enumerate(zip(mine, wanted, strict=True)):
        if m != (None if w is None or w != w else w):
            return (row, m, w)
    return None


def _compare_missing(got: Any, wanted: pd.Series, kind: str) -> Any:
    """Compares integers of a Series of times or UInt32, NULL where it has a missing value."""
    if wanted.dtype != (kind if kind == "UInt32" else DTYPES_OF_TIMES[kind]):
        return f"the result is a {kind} Series, pandas gives {wanted.dtype}"
    values, valid = got if isinstance(got, Optional) else (got, np.ones(len(got), bool))
    theirs = wanted.array.to_numpy(np.int64, na_value=0) if kind == "UInt32" else _nanoseconds(wanted)
    present = wanted.notna().to_numpy()
    bad = np.flatnonzero((valid != present) | (valid & (values != theirs)))
    return None if not len(bad) else (int(bad[0]), values[bad[0]] if valid[bad[0]] else "NaT", wanted[bad[0]])


def _nanoseconds(times: pd.Series) -> np.ndarray:
    return times.to_numpy().astype(f"{times.dtype.kind}8[ns]").view(np.int64)


def _compare_column(got: Any, wanted: np.ndarray, name: str) -> Any:
    if wanted.dtype == object or isinstance(got, Optional):  # dates; a batch of only NaT is datetime64
        days = got.values if isinstance(got, Optional) else got
        valid = got.valid if isinstance(got, Optional) else np.ones(len(days), bool)
        mine = [datetime.date.fromordinal(int(d) + 719163) if v else None for d, v in zip(days, valid, strict=True)]
        for row, (m, w) in enumerate(zip(mine, wanted, strict=True)):
            if m != (None if pd.isna(w) else w):
                return (row, m, w)
        return None
    if got.dtype != wanted.dtype:
        return f"{name} is {got.dtype}, pandas gives {wanted.dtype}"
    if len(got) != len(wanted):
        return f"{len(got)} rows for {len(wanted)}"
    same = got == wanted
    if got.dtype.kind == "f":
        same = (same & (np.signbit(got) == np.signbit(wanted))) | (np.isnan(got) & np.isnan(wanted))
    bad = np.flatnonzero(~same)
    return None if not len(bad) else (int(bad[0]), got[bad[0]], wanted[bad[0]])
