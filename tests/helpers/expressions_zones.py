"""Draws plain UDFs of datetimes in constant time zones of zoneinfo, pytz and datetime, near changes of their offsets.

`zone_functions()` draws the source of ``f(a, b, x, n)`` and the kind of its result; `zone_batches(zone)` has rows for it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st

from tests.helpers.templates import Grammar

_ZONES = ("ZoneInfo({name})", "ZoneInfo({name})", "pytz.timezone({name})", "pytz.timezone({name})", "pytz.utc",
    "pytz.FixedOffset(-90)", "timezone.utc", "timezone(timedelta(hours=5, minutes=30))", "ZoneInfo('UTC')",
    "timezone(timedelta(seconds=-3723))")  # fmt: skip
_NAMES = ("Europe/Berlin", "US/Eastern", "America/New_York", "Europe/Dublin", "Australia/Lord_Howe", "Asia/Kolkata",
    "America/St_Johns", "Africa/Casablanca", "Pacific/Apia", "Europe/Amsterdam", "America/Sao_Paulo", "Asia/Tehran",
    "Africa/Monrovia", "Antarctica/Troll", "Asia/Gaza", "Europe/London", "America/Caracas", "Etc/GMT+5", "EST",
    "Asia/Pyongyang")  # fmt: skip
#: {t}: aware; {l}: naive; {z}: a zone, Z or Y; {p}: a zone of pytz, or any zone that has its methods; {d}: a span.
_AWARE = (
    "{l}.replace(tzinfo={z})", "{z}.localize({l})", "{z}.localize({l}, is_dst=True)", "{z}.localize({l}, is_dst=None)",
    "{t}.astimezone({z})", "{t}.astimezone({z})", "datetime.fromtimestamp({n}, {z})", "datetime.fromtimestamp({n}, tz={z})",
    "({t} + {d})", "({t} - {d})", "{z}.normalize({t})", "{z}.normalize({t} + {d})", "{t}.replace(hour=2, minute=30)",
    "{t}.replace(day=1)", "{t}.replace(tzinfo={z})", "datetime(2024, 3, 31, 2, 30, tzinfo={z})", "{t}.astimezone(timezone.utc)",
    "max({t}, {t})", "({t} if {c} else {t})", "{t}.replace(microsecond=0)", "{l}.replace(tzinfo=timezone.utc).astimezone({z})",
    "pytz.utc.localize({l}).astimezone({z})", "datetime.combine({l}.date(), time(2, 30), tzinfo={z})", "{l}.astimezone({z})",
    "min({t}, {t})",
)  # fmt: skip
_NAIVE = ("a", "b", "a", "b", "{t}.replace(tzinfo=None)", "({l} + {d})", "datetime({n}, 10, 27, 2, 30)",
    "datetime(2024, 11, 3, 1, n % 60)")
_SPAN = ("timedelta(hours={n})", "timedelta(days=1)", "timedelta(minutes=30)", "({t} - {t})", "{t}.utcoffset()", "{t}.dst()",
    "-{d}", "({d} + {d})")
_NUMBER = (
    "n", "x", "0", "1", "{t}.hour", "{t}.day", "{t}.year", "{t}.minute", "{t}.timestamp()", "int({t}.timestamp())",
    "{t}.weekday()", "{t}.utcoffset().total_seconds()", "{t}.toordinal()", "({t} - {t}).total_seconds()", "{d}.total_seconds()",
    "{t}.dst().total_seconds()", "{t}.date().toordinal()", "({d} // timedelta(hours=1))", "{t}.second", "{t}.isocalendar()[1]",
    "int(x)",
)  # fmt: skip
_TEXT = (
    "{t}.isoformat()", "str({t})", "{t}.strftime('%Y-%m-%d %H:%M:%S %z')", "{t}.strftime('%H:%M %Z')", "{t}.tzname()",
    "format({t}, '%d.%m %z')", "{t}.isoformat(' ')", "{t}.isoformat(timespec='minutes')", "f'{a}'", "str({t}.utcoffset())",
    "str({t}.tzinfo)", "{t}.strftime('%%z')", "{t}.date().isoformat()", "str({d})", "{t}.isoformat()[-6:]", "{t}.tzinfo.key",
)  # fmt: skip
_TEST = (
    "({t} < {t})", "({t} == {t})", "({t} >= {t})", "({t} != {t})", "({t}.utcoffset() == {t}.utcoffset())", "bool({t}.dst())",
    "({n} > 1)", "({t}.date() == {t}.date())", "({t}.tzinfo is None)", "({l} == {t})", "({t}.tzinfo is {z})", "({t} < {l})",
    "({d} < {d})",
)  # fmt: skip
_FORMS = {"t": _AWARE, "l": _NAIVE, "d": _SPAN, "n": _NUMBER, "s": _TEXT, "c": _TEST}
_LEAVES = {"z": ("Z", "Z", "Y"), "t": ("a.replace(tzinfo=Z)", "b.replace(tzinfo=timezone.utc)",
    "a.replace(tzinfo=timezone.utc).astimezone(Z)"), "l": ("a", "b"), "d": ("timedelta(1)", ), "n": ("n",
    "x"), "s": ("a.isoformat()", ), "c": ("(n > 0)", )}  # fmt: skip

_GRAMMAR = Grammar(_FORMS, _LEAVES)


@st.composite
def zone_functions(draw: st.DrawFn) -> tuple[str, str, str]:
    """Returns the source of `f`, the kind of its result ("t", "l", "d", "n", "s" or "c"), and the zone of its rows."""
    name = draw(st.sampled_from(_NAMES))
    zones = [draw(st.sampled_from(_ZONES)).format(name=repr(at)) for at in (name, draw(st.sampled_from(_NAMES)))]
    if "." not in zones[0]:
        zones[0] = draw(st.sampled_from(_ZONES[1:3])).format(name=repr(name))
    gives = draw(st.sampled_from("ttlnnssc"))

    body = f"    return {_GRAMMAR.filled(draw, f'{{{gives}}}', draw(st.integers(1, 4)))}\n"
    if not draw(st.integers(0, 3)):
        error = draw(st.sampled_from(("ValueError", "Exception", "OverflowError", "(AttributeError, TypeError)")))
        body = f"    try:\n    {body}    except {error}:\n        return None\n"
    head = "import pytz\nfrom zoneinfo import ZoneInfo\nfrom datetime import date, datetime, time, timedelta, timezone\n"
    head += f"Z = {zones[0]}\nY = {zones[1]}\n"
    test = "    if a is None or b is None or x is None or n is None:\n        return None\n" if draw(st.integers(0, 4)) else ""
    return f"{head}def f(a, b, x, n):\n{test}{body}", gives, name


@cache
def zone_batches(name: str) -> tuple[pa.RecordBatch, ...]:
    """Returns batches of times near the changes of a zone and elsewhere, numbers of seconds and small numbers."""
    import pytz

    random = np.random.default_rng(12)
    zone = pytz.timezone(name)
    epoch = np.datetime64(0, "us")
    changes = [int((np.datetime64(t, "us") - epoch).astype(int)) for t in getattr(zone, "_utc_transition_times",
    []) if t.year > 1800]
    changes = changes or [0]

    def times(rows: int, wide: bool) -> np.ndarray:
        near = random.choice(changes, rows) + random.choice((-3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 2, 3, 5.5, 9),
        rows) * 3_600_000_000
        near = near + random.choice((0, 0, -1, 1, 1_800_000_000), rows)
        far = random.integers(-4_000_000_000 if wide else -2_400_000_000, 6_000_000_000 if wide else 4_000_000_000,
        rows) * 1_000_000
        return np.where(random.random(rows) < 0.7, near, far).astype(np.int64)

    def batch(rows: int, nulls: float, wide: bool) -> pa.RecordBatch:
        columns = [pa.array(times(rows, wide), pa.timestamp("us"), mask=random.random(rows) < nulls) for _ in range(2)]
        seconds = np.where(random.random(rows) < 0.3, random.uniform(-2e9, 5e9, rows), times(rows, wide) / 1e6)
        if wide:
            seconds = np.where(random.random(rows) < 0.1, np.nan, seconds)
        columns.append(pa.array(seconds, pa.float64(), mask=random.random(rows) < nulls))
        numbers = np.where(random.random(rows) < 0.5, random.integers(-30, 70, rows), times(rows, wide) // 1_000_000)
        numbers = np.where(random.random(rows) < 0.2, random.integers(1850, 2200, rows), numbers)
        columns.append(pa.array(numbers, pa.int64(), mask=random.random(rows) < nulls))
        return pa.RecordBatch.from_arrays(columns, ["a", "b", "x", "n"])

    return batch(60, 0.1, True), batch(80, 0.0, False), batch(1, 0.0, False)
