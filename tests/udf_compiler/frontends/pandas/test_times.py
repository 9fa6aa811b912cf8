"""Compares traced datetimes and timedeltas with pandas bit for bit, including NaT, overflow and changing dtypes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sparkweld.errors import Refusal
from tests.helpers.tracing import check, check_or_refuse, run_real, run_traced, trace_source
from udf_compiler.frontends.pandas.calls import datetime_accessor
from udf_compiler.frontends.pandas.stand_ins import stand_in

pytestmark = pytest.mark.usefixtures("traced_counts")

STATES = ["datetime", "datetime?", "datetime!"]
SPANS = ["timedelta", "timedelta?", "timedelta!"]
COARSE = ["datetime64[us]", "datetime64[us]?", "datetime64[us]!"]


def rows(table: str) -> list[str]:
    return [cell.strip() for line in table.strip().splitlines() for cell in line.split(" || ")]


FIELDS = [f"a.dt.{name}" for name in datetime_accessor.DATETIME_FIELDS]
DATETIMES = """
a.dt.to_period('M').dt.to_timestamp() || a.dt.to_period('Q').dt.to_timestamp() || a.dt.to_period('Y').dt.start_time
a.dt.to_period('D').dt.to_timestamp() || a.dt.to_period('M').dt.year || a.dt.to_period('Q').dt.quarter
a.clip(pd.Timestamp('2000-01-01')) || a.clip(upper=pd.Timestamp('2000-01-01')) || a.dt.isocalendar().week.astype(float)
a.clip(pd.Timestamp('2020-01-01'), datetime(2000, 1, 1)) || a.clip(pd.Timestamp('2000-01-01')).dt.year
a || a.copy() || a.isna() || a.notna() || pd.isna(a) || pd.Series(a) || a.dt.normalize() || a.dt.floor('D') || a.dt.floor('h')
a.dt.ceil('D') || a.dt.round('D') || a.dt.round('15min') || a.dt.floor('15min') || a.dt.ceil('7s') || a.dt.round('s')
a.dt.round('us') || a.dt.round('7ns') || a.dt.floor('3D') || a.dt.isocalendar().week || a.dt.isocalendar().year
a.dt.isocalendar().day || a.dt.isocalendar()['week'].astype('int64') || a.dt.isocalendar().week.astype(int)
a.dt.isocalendar().day.astype('int32') || a.dt.year * 100 + a.dt.month || a.dt.hour.between(9, 17) || a.dt.weekday.isin([5, 6])
a.dt.dayofweek >= 5 || a.dt.hour + a.dt.minute / 60 || np.where(a.dt.month <= 6, 1, 2) || a.dt.year.astype('float64')
a.dt.year.astype(int) || np.sin(2 * np.pi * a.dt.hour / 24) || a.dt.month.map({1: 1.5, 2: 2.5}) || (a.dt.month - 1) // 3 + 1
a.dt.year.fillna(0) || a.dt.hour.where(a.dt.hour > 5, 0) || a > '2020-01-01' || a <= pd.Timestamp('2020-01-01 12:00')
pd.Timestamp('2020-01-01') < a || a == datetime(1970, 1, 1) || a != np.datetime64('1970-01-01') || a >= '01/15/2000'
a.between('2000-01-01', '2020-12-31') || a.between(datetime(1970, 1, 1), '2262-01-01') || a == pd.NaT || a != None || a < pd.NaT
a.isin([pd.Timestamp('1970-01-01'), pd.Timestamp('2020-01-01')]) || a.isin([datetime(1970, 1, 1)])
a.fillna(pd.Timestamp('2000-01-01')) || a.fillna(pd.Timestamp('2000-01-01')).dt.year || a.fillna(datetime(2000, 1, 1)).dt.day
a.where(a > '2000-01-01') || a.where(a > '2000-01-01').dt.year || a.mask(a > '2000-01-01', pd.Timestamp('2000-01-01'))
a.mask(a.isna(), pd.NaT) || a - pd.Timestamp('2000-01-01') || pd.Timestamp('2000-01-01') - a
(a - pd.Timestamp('1970-01-01')).dt.days || a - datetime(2000, 1, 1) || (a - pd.Timestamp('2000-01-01')).dt.total_seconds()
(a - np.datetime64('1970-01-01')) / np.timedelta64(1, 's') || a - np.datetime64('2000-01-01', 'D')
(a - pd.Timestamp('1970-01-01')) // pd.Timedelta('1s') || (a - pd.Timestamp('1970-01-01')) / pd.Timedelta(days=1)
a + pd.Timedelta(days=1) || a - pd.Timedelta('1h') || a + timedelta(hours=5, minutes=30) || pd.Timedelta('1ns') + a
a + np.timedelta64(90, 'm') || a + pd.to_timedelta(a.dt.hour.fillna(0), unit='h') || a.dt.normalize() + pd.Timedelta(hours=12)
a - pd.to_timedelta(1, unit='D') || a.astype('int64') || a.astype(np.int64) // 10**9 || a.astype('datetime64[ns]')
pd.to_datetime(a) || pd.to_datetime(a, errors='coerce').dt.month || a.dt.date || a.dt.date == date(1970, 1, 1)
pd.to_datetime(a.dt.date) || a.dt.date.isna() || a.eq(pd.Timestamp('1970-01-01')) || a.lt('2000-01-01') || a.rename('x')
a.pipe(lambda s: s.dt.year) || a.sub(pd.Timestamp('2000-01-01')) || a.add(pd.Timedelta(days=3)) || a.combine_first(a)
((a.dt.hour >= 22) | (a.dt.hour < 6)).astype(int) || (a.dt.dayofyear - 1) / 365.25 || a.dt.is_month_end & (a.dt.hour > 12)
"""

PAIRS = """
pd.Series(np.where(a > b, a, b)) || pd.Series(np.where(a.isna(), b, a)).dt.year
pd.Series(np.where(a > b, a - b, b - a)).dt.days
a - b || (b - a).dt.days || (a - b).dt.total_seconds() / 3600 || (a - b) / pd.Timedelta(hours=1)
(a - b) / np.timedelta64(1, 'D') || a < b || a >= b || a == b || a != b || a.where(a > b, b) || a.mask(a.isna(), b)
a.fillna(b) || a.combine_first(b) || (a - b) > pd.Timedelta(days=30) || abs(a - b) || a.dt.date == b.dt.date
a.dt.year - b.dt.year || (a.dt.year - b.dt.year) * 12 + (a.dt.month - b.dt.month) || a.between(b, b) || (a - b).abs().dt.days
(a.dt.normalize() - b.dt.normalize()).dt.days || a + (b - b) || (a - b) // pd.Timedelta('1D') || (a - b).dt.days.clip(lower=0)
(a - b).isna()
"""

ZONES = """
a.dt.tz_localize('UTC').dt.tz_convert('America/New_York').dt.hour
pd.to_datetime(a, utc=True).dt.tz_convert('Asia/Kolkata').dt.date
a.dt.tz_localize('UTC').dt.tz_convert('Europe/Berlin').dt.tz_localize(None) || a.dt.tz_localize('UTC').dt.tz_convert(None)
a.dt.tz_localize('Europe/Berlin').dt.tz_convert('UTC').dt.tz_localize(None) || a.dt.tz_localize('Etc/GMT+5').dt.tz_convert(None)
a.dt.tz_localize('UTC').dt.tz_convert('US/Pacific').dt.strftime('%Y-%m-%d %H') || a.dt.tz_localize(None)
a.dt.tz_localize('UTC').dt.tz_convert('Australia/Lord_Howe').dt.day_name()
"""


@pytest.mark.parametrize("source", rows(ZONES))
def test_zones(source: str) -> None:
    traced = [check_or_refuse(f"lambda a: {source}", (x,), ("SW255",), spare=False) for x in STATES]
    assert traced[0], "not traced without NaT"


@pytest.mark.gate_cases("America/St_Johns")
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"])
def test_every_change_of_a_zone(zone: str) -> None:
    """Times around each clock transition in a hundred years convert, both ways; of the others, one in a thousand."""
    every = pd.date_range("1950-01-01", "2050-01-01", freq="30min")
    clock = every.tz_localize("UTC").tz_convert(zone).tz_localize(None)
    moved = np.convolve(np.diff(clock - every, prepend=(clock - every)[:1]).astype(np.int64) != 0, np.ones(97), "same") > 0
    hours = pd.Series(every[moved | (np.arange(len(every)) % 1000 == 0)]) + pd.Timedelta(1)
    local = f"lambda a: a.dt.tz_localize('UTC').dt.tz_convert({zone!r}).dt.tz_localize(None)"
    (got,), flagged = run_traced(trace_source(local, ("datetime",)), {"a": list(hours)})
    wanted = hours.dt.tz_localize("UTC").dt.tz_convert(zone).dt.tz_localize(None)
    assert not flagged.any() and np.array_equal(got, wanted.to_numpy().view(np.int64))
    utc = f"lambda a: a.dt.tz_localize({zone!r}).dt.tz_convert(None)"
    (got,), flagged = run_traced(trace_source(utc, ("datetime",)), {"a": list(hours)})
    wanted = hours.dt.tz_localize(zone, ambiguous="NaT", nonexistent="NaT").dt.tz_convert(None)
    assert np.array_equal(flagged, wanted.isna()) and flagged.any()
    assert np.array_equal(got[~flagged], wanted[~flagged].to_numpy().view(np.int64))


OFFSETS = """
a + pd.DateOffset(months=1) || a - pd.DateOffset(months=3) || pd.DateOffset(years=1) + a || a + pd.DateOffset(years=-1, days=2)
a + pd.DateOffset(days=1) || a + pd.DateOffset(2, weeks=1, hours=3) || a + pd.offsets.Day(3) || a - 2 * pd.offsets.Hour(5)
a + pd.offsets.MonthEnd() || a + pd.offsets.MonthEnd(0) || a - pd.offsets.MonthEnd(1) || a + pd.offsets.MonthEnd(-2)
a + pd.offsets.MonthBegin() || a + pd.offsets.MonthBegin(0) || a - pd.offsets.MonthBegin(2) || a + -pd.offsets.MonthEnd(3)
a + pd.offsets.MonthEnd(13) || (a + pd.DateOffset(months=1)).dt.days_in_month || a.dt.normalize() - pd.offsets.MonthBegin(1)
"""


@pytest.mark.parametrize("source", rows(OFFSETS))
def test_offsets(source: str) -> None:
    traced = [check_or_refuse(f"lambda a: {source}", (x,), ("SW255",), spare=False) for x in STATES]
    assert traced[0], "not traced without NaT"


@pytest.mark.parametrize(
    "source",
    [
        "a + pd.DateOffset(5)", "a + pd.DateOffset(day=5)", "a + pd.DateOffset(months=1, normalize=True)",
        "pd.DateOffset(days=1) * 1.5", "a + pd.offsets.BDay()", "a * pd.DateOffset(months=1)", "pd.DateOffset(months=1) - a",
        "+pd.DateOffset(months=1) + a",
        "a.dt.date + pd.DateOffset(months=1)", "a + pd.DateOffset(months=9999)", "pd.DateOffset(months=1) + 1",
        "a + pd.offsets.QuarterEnd()", "a + pd.DateOffset(days=1.5)",
    ],
)  # fmt: skip
def test_offsets_that_are_refused(source: str) -> None:
    with pytest.raises(Refusal, match="SW275"):
        trace_source(f"lambda a: {source}", ("datetime",))


def test_a_captured_offset() -> None:
    known = {"NEXT": stand_in(pd.DateOffset(months=1))}
    traced = trace_source("lambda a: a + NEXT", ("datetime",), **known)
    (got,), flagged = run_traced(traced, {"a": [pd.Timestamp("2024-01-31 05:00")]})
    assert not flagged.any() and got.tolist() == [pd.Timestamp("2024-02-29 05:00").value]


DURATIONS = """
a || -a || abs(a) || a.abs() || a.dt.days || a.dt.seconds || a.dt.microseconds || a.dt.nanoseconds || a.dt.total_seconds()
a.dt.components.hours || a.dt.components['days'] || a.dt.components.milliseconds || a.dt.components.nanoseconds
a / pd.Timedelta(days=1) || a / np.timedelta64(1, 'h') || a // pd.Timedelta('1min') || a % pd.Timedelta('1D') || a / 2
a / 2.5 || a * 2 || 2 * a || a * 0.5 || a * -1 || a > pd.Timedelta(0) || a <= timedelta(days=1) || a == pd.Timedelta('1D')
a != np.timedelta64(1, 'D') || a + pd.Timedelta('1s') || pd.Timedelta('1s') - a || a - a || a.dt.floor('h') || a.dt.round('s')
a.dt.ceil('D') || a.astype('int64') || a.fillna(pd.Timedelta(0)) || a.fillna(pd.Timedelta(0)).dt.days || a.isna()
pd.Timestamp('1970-01-01') + a || a.where(a > pd.Timedelta(0), pd.Timedelta(0)) || pd.to_timedelta(a)
a.isin([pd.Timedelta('1D')]) || a.dt.days.astype(int) || a / 7 || a * 3.7 || a.dt.total_seconds().round(1)
a.dt.total_seconds() / 86400 || pd.Timedelta(days=2) / a
"""

CONVERSIONS = """
pd.to_datetime(a, unit='s') || pd.to_datetime(a, unit='ms') || pd.to_datetime(a, unit='us') || pd.to_datetime(a, unit='ns')
pd.to_datetime(a, unit='D') || pd.to_timedelta(a, unit='s') || pd.to_timedelta(a, unit='D') || pd.to_timedelta(a, unit='h')
pd.to_timedelta(a, unit='ms') || pd.to_timedelta(a, 'm') || pd.to_datetime(a, unit='s').dt.hour
pd.Timestamp('2000-01-01') + pd.to_timedelta(a, unit='D') || a * pd.Timedelta(days=1)
pd.to_datetime(a) || pd.to_timedelta(a)
"""

DATES = """
pd.to_datetime(a) || pd.to_datetime(a).dt.year || pd.to_datetime(a, errors='coerce')
pd.to_datetime(a, errors='coerce').dt.month || pd.to_datetime(a) - pd.Timestamp('2000-01-01') || pd.to_datetime(a).dt.dayofweek
pd.to_datetime(a).dt.date
"""


@pytest.mark.parametrize("source", [*FIELDS, *rows(DATETIMES)])
def test_datetimes(source: str) -> None:
    traced = [check_or_refuse(f"lambda a: {source}", (x,), ("SW255", "SW262"), spare=False) for x in STATES]
    assert traced[0], "not traced without NaT"


@pytest.mark.parametrize("source", rows(PAIRS))
def test_two_datetimes(source: str) -> None:
    for first, second in zip(("datetime", "datetime?", "datetime!", "datetime"), (*STATES, "datetime!"), strict=True):
        traced = check_or_refuse(f"lambda a, b: {source}", (first, second), ("SW264",), spare=False)
        assert traced or first != "datetime", "not traced without NaT"


#: What Series of microseconds refuse.
UNLIKE = ("SW251", "SW255", "SW262", "SW275")


@pytest.mark.parametrize("source", [*FIELDS, *rows(DATETIMES), *rows(OFFSETS), *rows(ZONES)])
def test_microseconds(source: str) -> None:
    """Spark 3.5 passes timestamps so. Whatever is traced agrees with pandas; tests/fixtures/traced.json counts the rest."""
    for state in COARSE:
        check_or_refuse(f"lambda a: {source}", (state,), UNLIKE, spare=False)


@pytest.mark.parametrize("source", rows(PAIRS))
def test_two_of_microseconds(source: str) -> None:
    for first, second in zip((*COARSE, *COARSE, "datetime?"), (*COARSE, "datetime", "datetime?", *COARSE[:2]), strict=True):
        check_or_refuse(f"lambda a, b: {source}", (first, second), ("SW264", *UNLIKE), spare=False)


@pytest.mark.parametrize("source", rows(DURATIONS))
def test_durations_of_microseconds(source: str) -> None:
    for state in ("timedelta64[us]", "timedelta64[us]?", "timedelta64[us]!"):
        check_or_refuse(f"lambda a: {source}", (state,), UNLIKE, spare=False)


TRACED_OF_MICROSECONDS = """
a || a.dt.year || a.dt.date || a.dt.floor('h') || a.dt.normalize() || a.isna() || a > '2020-01-01' || a + pd.Timedelta(days=1)
(a - pd.Timestamp('2000-01-01')).dt.total_seconds() || (a - pd.Timestamp('1970-01-01')).dt.days || a.dt.strftime('%Y-%m')
pd.to_datetime(a).dt.hour || a.dt.isocalendar().week || a.between('2000-01-01', '2020-12-31')
"""


@pytest.mark.parametrize("source", rows(TRACED_OF_MICROSECONDS))
def test_microseconds_are_traced(source: str) -> None:
    for state in COARSE:
        assert check(f"lambda a: {source}", (state,), spare=False)


@pytest.mark.parametrize("source", rows(DURATIONS))
def test_timedeltas(source: str) -> None:
    traced = [check_or_refuse(f"lambda a: {source}", (x,), ("SW251", "SW255"), spare=False) for x in SPANS]
    assert traced[0], "not traced without NaT"


@pytest.mark.parametrize("source", rows(CONVERSIONS))
def test_numbers_to_times(source: str) -> None:
    traced = [check_or_refuse(f"lambda a: {source}", (x,), ("SW262",), spare=False) for x in ("i64", "i32", "i8", "f64", "f32")]
    assert traced[0]


@pytest.mark.parametrize("source", rows(DATES))
def test_dates_to_datetimes(source: str) -> None:
    for type in ("date", "date?"):
        assert check(f"lambda a: {source}", (type,), spare=False)


def test_floats_of_seconds_are_rounded_as_pandas_rounds_them() -> None:
    rng = np.random.default_rng(3)
    for unit, most in (("s", 4e9), ("ms", 4e12), ("us", 1e15), ("m", 1e8), ("h", 1e6), ("D", 5e4), ("ns", 1e15)):
        wide, thousandths = rng.uniform(-most, most, 20_000), np.round(rng.uniform(0, most, 2000), 3)
        values = np.concatenate([wide, rng.uniform(-10, 10, 2000), thousandths])
        for function in ("to_datetime", "to_timedelta"):
            source, batch = f"lambda a: pd.{function}(a, unit={unit!r})", {"a": list(values)}
            (got,), flagged = run_traced(trace_source(source, ("f64",)), batch)
            wanted = run_real(source, ("f64",), batch, {}).to_numpy().view(np.int64)
            assert not flagged.any() and np.array_equal(got.values, wanted), source


REFUSED = [
    ("a.dt.to_period('h').astype(str)", "datetime", "SW262"),
    ("a.dt.to_period('M') + 1", "datetime", "SW251"),
    ("a.dt + 1", "datetime", "SW251"),
    ("np.exp(a.dt)", "datetime", "SW251"),
    ("a.dt.to_period('M').dt.end_time", "datetime", "SW251"),
    ("a.dt.tz_localize('UTC').fillna(0)", "datetime", "SW276"),
    ("a.dt.tz_localize('UTC') + pd.Timedelta(5)", "datetime", "SW276"),
    ("a.dt.tz_localize('UTC').dt.floor('h')", "datetime", "SW276"),
    ("a.dt.tz_localize('UTC').dt.tz_localize('UTC')", "datetime", "SW276"),
    ("a.dt.tz_localize(5)", "datetime", "SW276"),
    ("a.dt.tz_localize('Nowhere/Land')", "datetime", "SW252"),
    ("a.dt.nonsense", "datetime", "SW261"),
    ("a.dt", "f64", "SW252"),
    ("a.dt.year", "date", "SW252"),
    ("a.dt.floor('ME')", "datetime", "SW252"),
    ("a + a", "datetime", "SW252"),
    ("a * 2", "datetime", "SW252"),
    ("a + 1", "datetime", "SW252"),
    ("a < 1", "datetime", "SW252"),
    ("a < date(2020, 1, 1)", "datetime", "SW264"),
    ("a > '10:00'", "datetime", "SW262"),
    ("a > pd.Timestamp('now')", "datetime", "SW230"),
    ("a > pd.Timestamp.now()", "datetime", "SW230"),
    ("a > pd.Timestamp('2020-01-01', tz='UTC')", "datetime", "SW262"),
    ("a > pd.to_datetime('today')", "datetime", "SW230"),
    ("a > datetime.now()", "datetime", "SW230"),
    ("a - np.datetime64('now')", "datetime", "SW230"),
    ("a.max()", "datetime", "SW250"),
    ("a.astype(str)", "datetime", "SW254"),
    ("a.astype('datetime64[s]')", "datetime", "SW254"),
    ("a.clip(5)", "datetime", "SW262"),
    ("np.where(a > '2020-01-01', a, pd.Timestamp('2020-01-01'))", "datetime", "SW262"),
    ("a.fillna(0)", "datetime?", "SW262"),
    ("a.map({1: 2})", "datetime", "SW251"),
    ("a - pd.NaT", "datetime", "SW262"),
    ("a * np.timedelta64(1, 'h')", "i64", "SW254"),
    ("a // pd.Timedelta(0)", "timedelta", "SW262"),
    ("pd.to_datetime(a, dayfirst=True)", "datetime", "SW262"),
    ("pd.to_datetime(a, errors='ignore', unit='s')", "i64", "SW262"),
]


@pytest.mark.parametrize(("source", "type", "code"), REFUSED)
def test_refusals(source: str, type: str, code: str) -> None:
    with pytest.raises(Refusal, match=code):
        trace_source(f"lambda a: {source}", (type,))


def test_captured_times_are_constants() -> None:
    captured = {"START": pd.Timestamp("2000-01-01"), "STEP": pd.Timedelta(86_400 * 10**9), "NP": np.timedelta64(2, "h")}
    known = {name: stand_in(value) for name, value in captured.items()}
    for source in ("a - START", "a + STEP", "a - NP", "(a - START) / STEP"):
        traced = trace_source(f"lambda a: {source}", ("datetime",), **known)
        batch = {"a": [pd.Timestamp("2020-02-03 04:05:06"), pd.Timestamp("1969-01-01")]}
        (got,), flagged = run_traced(traced, batch)
        wanted = run_real(f"lambda a: {source}", ("datetime",), batch, captured).to_numpy()
        assert not flagged.any() and np.array_equal(got, wanted.view(np.int64) if wanted.dtype.kind in "mM" else wanted)


TEXTS = """
a.dt.to_period('M').astype(str) || a.dt.to_period('Q').astype(str) || a.dt.to_period('D').astype('str')
a.dt.to_period('Y').astype(str)
a.dt.strftime('%Y-%m-%d') || a.dt.strftime('%Y-%m-%d %H:%M:%S') || a.dt.strftime('%Y%m%d') || a.dt.strftime('%m/%d/%Y')
a.dt.strftime('%j') || a.dt.strftime('%d.%m.%Y') || a.dt.strftime('week %V of %G, %A') || a.dt.strftime('%b %d, %y')
a.dt.strftime('%H:%M:%S.%f') || a.dt.strftime('%I:%M %p') || a.dt.strftime('100%% on %F at %T') || a.dt.strftime('%Y-%m')
a.dt.strftime('') || a.dt.strftime('plain') || a.dt.day_name() || a.dt.month_name() || a.dt.day_name().str.lower()
a.dt.strftime('%Y') + '-Q' + a.dt.quarter.astype(str) || a.dt.day_name().isin(['Saturday', 'Sunday']) || a.dt.strftime('%w%u')
"""


@pytest.mark.parametrize("source", rows(TEXTS))
def test_strings_of_datetimes(source: str) -> None:
    traced = [check_or_refuse(f"lambda a: {source}", (x,), ("SW255", "SW262"), spare=False) for x in STATES]
    assert traced[0] or "strftime('')" in source, "not traced without NaT"


FORMATS = ["%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y%m%d", "%m/%d/%Y", "%d.%m.%y", "%Y-%m-%dT%H:%M", "%Y%m%d%H%M%S", "%H:%M %d-%m-%Y"]


def stamps(format: str, rng: np.random.Generator) -> list[str | None]:
    """Returns strings of a format: complete, incomplete, of nonexistent times, with other characters, and unrelated ones."""
    made: list[str | None] = [None, "", "NaT", "nan", "now", "today", " now", "NOW", "None", "-", " ", "é", "٢٠٢٠-01-01"]
    for _ in range(1500):
        limits = ((1950, 0, 1, 1, 0, 0, 0), (2050, 100, 13, 29, 24, 60, 60))
        if rng.random() < 0.3:
            limits = ((0,) * 7, (2400, 100, 15, 34, 27, 62, 63))
        numbers = dict(zip("YymdHMS", map(int, rng.integers(*limits)), strict=True))
        text = format
        for letter, number in numbers.items():
            digits = {"Y": 4}.get(letter, 2 if rng.random() < 0.8 else 1)
            text = text.replace(f"%{letter}", f"{number:0{digits}d}")
        if rng.random() < 0.4:
            at = int(rng.integers(len(text)))
            other = str(rng.choice(list("0159 -/:.TZ\t\x1ca٣é")))
            before, after = text[:at], text[at + 1 :]
            text = (before + other + text[at:], before + other + after, before + after)[rng.integers(3)]
        made.append(text)
    return made


@pytest.mark.parametrize("format", FORMATS)
def test_strings_to_datetimes(format: str) -> None:
    values = stamps(format, np.random.default_rng(len(format)))
    source = f"lambda a: pd.to_datetime(a, format={format!r}, errors='coerce')"
    (got,), flagged = run_traced(trace_source(source, ("str?",)), {"a": values})
    decided = {"a": [v for v, f in zip(values, flagged, strict=True) if not f]}
    wanted = run_real(source, ("str?",), decided, {}).to_numpy().view(np.int64)
    ours = np.where(got.valid, got.values, np.iinfo(np.int64).min)[~flagged]
    assert np.array_equal(ours, wanted) and flagged.mean() < 0.6
    strict = f"lambda a: pd.to_datetime(a, format={format!r})"
    (got,), flagged = run_traced(trace_source(strict, ("str?",)), {"a": values})
    decided = {"a": [v for v, f in zip(values, flagged, strict=True) if not f]}
    wanted = run_real(strict, ("str?",), decided, {}).to_numpy().view(np.int64)  # does not raise
    assert np.array_equal(np.where(got.valid, got.values, np.iinfo(np.int64).min)[~flagged], wanted) and flagged.mean() < 0.8


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("pd.to_datetime(a)", "SW243"),
        ("pd.to_datetime(a, format='%Y-%m-%d %z')", "SW262"),
        ("pd.to_datetime(a, format='%d/%m')", "SW262"),
        ("pd.to_datetime(a, format='%b %Y')", "SW262"),
        ("pd.to_datetime(a, format='ISO8601')", "SW262"),
    ],
)
def test_formats_that_are_refused(source: str, code: str) -> None:
    with pytest.raises(Refusal, match=code):
        trace_source(f"lambda a: {source}", ("str?",))


PARTS = ["dt.year", "dt.month * 100 + a.dt.day", "dt.hour + 0.5", "dt.dayofweek >= 5", "dt.date", "dt.year.fillna(0)"]


@pytest.mark.parametrize("part", PARTS)
def test_parts_of_times_that_may_be_missing_need_no_guard(part: str) -> None:
    """Whether a batch has a NaT is unknown, and the result is the same."""
    source = f"lambda a: a.where(a > '1980-01-01').{part}".replace("+ a.dt", "+ a.where(a > '1980-01-01').dt")
    traced = trace_source(source, ("datetime",))
    assert not traced.program.loops[0].guards
    assert check(source, ("datetime",))
