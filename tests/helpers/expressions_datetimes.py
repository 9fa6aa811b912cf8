"""Generates plain UDFs of dates and times: strings near formats, timestamps, numbers of seconds, and what people compute of them.

`datetime_functions()` draws the source of a function and the kind of its result. Its arguments are a string `s`, timestamps `a`
and `b`, a float `x` and an int `n`. `datetime_batches(format)` are rows for it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from sparkweld.ir.time_formats import written_items
from tests.helpers.time_strings import FORMATS, near

_ROWS = 60
_PARSED = tuple(format for format in FORMATS if format)
_WRITTEN = tuple(format for format in FORMATS if "'" not in format and written_items(format) is not None)
_TIME = (
    "a", "b", "datetime.strptime({s}, {f})", "datetime.strptime({s}, {f})", "datetime.fromisoformat({s})", "({t} + {d})",
    "({t} - {d})", "datetime.fromtimestamp({n})", "datetime.fromtimestamp({n}, timezone.utc)",
    "{t}.replace(hour=0, minute={n})", "{t}.replace(tzinfo=timezone.utc)", "{t}.replace(tzinfo=None)",
    "datetime(2020, {n}, {n})", "datetime(1899, 12, 30)", "datetime.combine({y}, time(5, 30))", "max({t}, {t})",
    "({t} if {c} else {t})", "datetime.utcfromtimestamp({n})", "{t}.astimezone(timezone.utc)",
    "datetime({n}, 2, 29, 23, {n}, {n})", "{t}.replace(day=1)", "datetime.min", "datetime(2024, 5, 6)",
)  # fmt: skip
_DAY = (
    "{t}.date()", "{t}.date()", "datetime.strptime({s}, {f}).date()", "date.fromisoformat({s})", "date({n}, {n}, 28)",
    "({y} + {d})", "({y} - {d})", "{y}.replace(day={n})", "date(2020, 2, 29)", "min({y}, {y})", "({y} if {c} else {y})",
    "{y}.replace(month=1, day=1)",
)  # fmt: skip
_SPAN = (
    "({t} - {t})", "({y} - {y})", "timedelta(days={n})", "timedelta(hours={n}, minutes=3)", "timedelta({n}, {n})",
    "timedelta(1)", "timedelta(weeks={n})", "timedelta(milliseconds={n})", "({d} + {d})", "-{d}", "abs({d})", "({d} * 3)",
    "({d} // 7)", "({d} % {d})",
)  # fmt: skip
_NUMBER = (
    "x", "n", "n", "0", "1", "7", "x / 1000", "n % 12", "n % 12 + 1", "2.5", "{t}.year", "{t}.month", "{t}.day", "{t}.hour",
    "{t}.microsecond", "{t}.weekday()", "{t}.isoweekday()", "{t}.isocalendar()[1]", "{t}.timestamp()", "{t}.toordinal()",
    "{y}.year", "{y}.month", "{y}.toordinal()", "{y}.isocalendar()[0]", "{d}.days", "{d}.seconds", "{d}.microseconds",
    "{d}.total_seconds()", "{d}.total_seconds() / 3600", "({d} / timedelta(hours=1))", "({d} // timedelta(days=1))",
    "({n} - {n})", "-{n}", "len({s})", "int({t}.strftime('%Y%m%d'))", "({y} - {y}).days // 365", "{t}.second",
)  # fmt: skip
_TEXT = (
    "s", "s", "s", "s.strip()", "s.split(' ')[0]", "s[:10]", "'2024-02-29'", "s.replace('/', '-')", "{t}.strftime({g})",
    "{y}.strftime({g})", "{t}.isoformat()", "str({t})", "{y}.isoformat()", "str({y})", "{t}.isoformat(' ')",
    "{t}.isoformat(timespec='minutes')", "s.split('.')[0]", "s.upper()", "str({d})",
)  # fmt: skip
_TEST = (
    "({t} < {t})", "({t} >= {t})", "({t} == {t})", "({y} <= {y})", "({y} != {y})", "({d} > timedelta(hours=2))",
    "({d} == {d})", "({n} > 0)", "bool({d})", "({t}.weekday() < 5)", "({t} != {y})", "s.startswith('2')",
    "isinstance({t}, date)", "({t}.tzinfo is None)",
)  # fmt: skip
_TEMPLATES = {"t": _TIME, "y": _DAY, "d": _SPAN, "n": _NUMBER, "s": _TEXT, "c": _TEST}
_SIMPLEST = {"t": "a", "y": "a.date()", "d": "timedelta(1)", "n": "n", "s": "s", "c": "(n > 0)"}
_ERRORS = ("ValueError", "(ValueError, TypeError)", "Exception", "OverflowError", "")
_CHAIN = """    for layout in {formats}:
        try:
            a = datetime.strptime(s, layout)
            break
        except {error}:
            continue
    else:
        return None
"""


@st.composite
def datetime_functions(draw) -> tuple[str, str, str]:
    """Returns the source of `f`, the kind of its result ("t", "y", "n", "s" or "c"), and a format of its strings."""
    formats = draw(st.lists(st.sampled_from(_PARSED), min_size=1, max_size=3, unique=True))
    gives = draw(st.sampled_from("ttyynnsc"))

    def expression(kind: str, depth: int) -> str:
        if kind == "f":
            return repr(draw(st.sampled_from(formats)))
        if kind == "g":
            return repr(draw(st.sampled_from(_WRITTEN)))
        if depth == 0:
            return _SIMPLEST[kind]
        template = draw(st.sampled_from(_TEMPLATES[kind]))
        made = ""
        at = 0
        while at < len(template):
            if template[at] == "{":
                made += expression(template[at + 1], depth - 1)
                at += 3
            else:
                made += template[at]
                at += 1
        return made

    lines = ["from datetime import date, datetime, time, timedelta, timezone", "def f(s, a, b, x, n):"]
    if draw(st.integers(0, 3)):
        lines.append("    if s is None or a is None or b is None or x is None or n is None:\n        return None")
    body = f"    return {expression(gives, draw(st.integers(1, 3)))}"
    how = draw(st.integers(0, 4))
    if how == 1:
        lines.append(_CHAIN.format(formats=formats, error=draw(st.sampled_from(_ERRORS[:3]))).rstrip())
    if how in (2, 3):
        error = draw(st.sampled_from(_ERRORS))
        body = f"    try:\n    {body}\n    except {error}:\n        return None"
    return "\n".join([*lines, body]) + "\n", gives, formats[0]


@cache
def datetime_batches(format: str, zone: str | None) -> tuple[pa.RecordBatch, ...]:
    """Returns batches of strings near a format with and without NULLs, one row, and ordinary rows."""
    random = np.random.default_rng(8)

    def batch(rows: int, nulls: float, year: int) -> pa.RecordBatch:
        length = 365 * 86_400 * 10**6
        columns = [pa.array([near(format, random) for _ in range(rows)], pa.string(), mask=random.random(rows) < nulls)]
        for _ in range(2):
            times = random.integers(-year * length, year * length, rows)
            times = np.where(random.random(rows) < 0.5, times // 10**6 * 10**6, times)
            columns.append(pa.array(times, pa.timestamp("us", zone), mask=random.random(rows) < nulls))
        seconds = random.choice((0.0, -0.5, 1.5, 1e9 + 0.1234565, 43_000.25, -1e11, 3e11, np.nan, 1e18), rows)
        seconds = np.where(random.random(rows) < 0.5, random.uniform(-2e9, 2e9, rows), seconds)
        columns.append(pa.array(seconds, pa.float64(), mask=random.random(rows) < nulls))
        numbers = np.where(random.random(rows) < 0.7, random.integers(-3, 70, rows), random.integers(-(2**40), 2**40, rows))
        columns.append(pa.array(numbers, pa.int64(), mask=random.random(rows) < nulls))
        return pa.RecordBatch.from_arrays(columns, ["s", "a", "b", "x", "n"])

    return batch(_ROWS, 0.15, 1900), batch(_ROWS, 0.0, 300), batch(1, 0.0, 60), batch(_ROWS, 0.0, 60)
