"""Compares datetimes in constant time zones, of zoneinfo, pytz and datetime.timezone, with PySpark's worker."""

from __future__ import annotations

import datetime
import random
from datetime import timedelta, timezone
from functools import cache
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
import pytz
from pyspark.sql.types import BooleanType, DateType, DoubleType, IntegerType, StringType, TimestampType

from sparkweld.ir.time_formats import microseconds
from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import PythonEvalType
from udf_compiler.frontends.python import zone_tables

ARROW_BATCHED = PythonEvalType.SQL_ARROW_BATCHED_UDF

UTC = timezone.utc
BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
EASTERN, FIXED, NAMED = pytz.timezone("US/Eastern"), pytz.FixedOffset(90), pytz.timezone("Etc/GMT+3")
KOLKATA = timezone(timedelta(hours=5, minutes=30))


@cache
def _times() -> pa.RecordBatch:
    """Returns datetimes around changes of the clocks, and others of two centuries."""
    found = []
    made = random.Random(5)
    for zone in (BERLIN, NEW_YORK):
        for year in (1893, 1916, 1945, 1981, 2007, 2024, 2037, 2050, 2100):
            days = [datetime.datetime(year, 1, 1, tzinfo=UTC) + timedelta(days=day) for day in range(366)]
            for day, following in zip(days, days[1:], strict=False):
                if day.astimezone(zone).utcoffset() != following.astimezone(zone).utcoffset():
                    found += [(day + timedelta(hours=h, minutes=made.randrange(60))).replace(tzinfo=None) for h in range(-5, 30)]
    found += [datetime.datetime(1890, 2, 1) + timedelta(seconds=made.randrange(69 * 10**8)) for _ in range(200)]
    mixed = made.sample(found, len(found))
    return pa.record_batch([pa.array(found, pa.timestamp("us")), pa.array(mixed, pa.timestamp("us"))], ["a", "b"])


def same_objects(a, b):
    zone = (FIXED.localize(a) if b.month == 7 else a.replace(tzinfo=BERLIN)).tzinfo
    return zone is FIXED if b.month == 7 else zone is BERLIN and zone is ZoneInfo("Europe/Berlin")


#: Function, type, and whether some rows run in Python.
EVERY, SOME = False, True
FUNCTIONS = [
    (lambda a, b: a.replace(tzinfo=UTC).astimezone(BERLIN).hour, IntegerType(), EVERY),
    (lambda a, b: a.replace(tzinfo=UTC).astimezone(BERLIN).isoformat(), StringType(), EVERY),
    (lambda a, b: a.replace(tzinfo=UTC).astimezone(BERLIN).strftime("%Y %H:%M %z %Z %%Z"), StringType(), EVERY),
    (lambda a, b: a.replace(tzinfo=UTC).astimezone(BERLIN), TimestampType(), EVERY),
    (lambda a, b: a.replace(tzinfo=UTC).astimezone(BERLIN).date(), DateType(), EVERY),
    (lambda a, b: a.replace(tzinfo=UTC).astimezone(BERLIN).weekday(), IntegerType(), EVERY),
    (lambda a, b: bool(a.replace(tzinfo=UTC).astimezone(BERLIN).dst()), BooleanType(), EVERY),
    (lambda a, b: str(a.replace(tzinfo=UTC).astimezone(BERLIN)), StringType(), EVERY),
    (lambda a, b: f"{a.replace(tzinfo=UTC).astimezone(BERLIN):%H}h {b.replace(tzinfo=KOLKATA)}", StringType(), EVERY),
    (lambda a, b: a.replace(tzinfo=UTC).astimezone(BERLIN).replace(tzinfo=None), TimestampType(), SOME),
    (lambda a, b: a.replace(tzinfo=UTC).astimezone(BERLIN).replace(hour=2, minute=30), TimestampType(), SOME),
    (lambda a, b: (a.replace(tzinfo=UTC).astimezone(BERLIN) + timedelta(hours=5)).isoformat(" "), StringType(), EVERY),
    (lambda a, b: (timedelta(hours=5) + a.replace(tzinfo=BERLIN)).isoformat(), StringType(), EVERY),
    (lambda a, b: a.replace(tzinfo=BERLIN).utcoffset().total_seconds(), DoubleType(), EVERY),
    (lambda a, b: a.replace(tzinfo=BERLIN).tzname(), StringType(), SOME),
    (lambda a, b: a.replace(tzinfo=BERLIN).astimezone(NEW_YORK).isoformat(timespec="minutes"), StringType(), EVERY),
    (lambda a, b: a.replace(tzinfo=BERLIN).astimezone(BERLIN).isoformat(), StringType(), EVERY),
    (lambda a, b: a.replace(tzinfo=BERLIN).timestamp(), DoubleType(), EVERY),
    (lambda a, b: a.replace(tzinfo=BERLIN) < b.replace(tzinfo=NEW_YORK), BooleanType(), EVERY),
    (lambda a, b: a.replace(tzinfo=BERLIN) < b.replace(tzinfo=BERLIN), BooleanType(), EVERY),
    (lambda a, b: a.replace(tzinfo=BERLIN) == b, BooleanType(), EVERY),
    (lambda a, b: bool(a.replace(tzinfo=BERLIN)), BooleanType(), EVERY),
    (lambda a, b: (a.replace(tzinfo=BERLIN) - b.replace(tzinfo=NEW_YORK)).total_seconds(), DoubleType(), EVERY),
    (lambda a, b: (a.replace(tzinfo=BERLIN) - b.replace(tzinfo=BERLIN)).total_seconds(), DoubleType(), EVERY),
    (lambda a, b: (a.replace(tzinfo=UTC) - b.replace(tzinfo=BERLIN)).days, IntegerType(), EVERY),
    (lambda a, b: max(a.replace(tzinfo=NEW_YORK), b.replace(tzinfo=BERLIN)), TimestampType(), EVERY),
    (lambda a, b: datetime.datetime.fromtimestamp(a.timestamp(), tz=BERLIN).isoformat(), StringType(), EVERY),
    (lambda a, b: datetime.datetime.fromtimestamp(int(a.timestamp()), ZoneInfo("Asia/Tokyo")).hour, IntegerType(), EVERY),
    (lambda a, b: datetime.datetime(a.year, a.month, 1, tzinfo=BERLIN).isoformat(), StringType(), EVERY),
    (lambda a, b: a.replace(tzinfo=BERLIN).tzinfo is None, BooleanType(), EVERY),
    (lambda a, b: EASTERN.localize(a).isoformat(), StringType(), EVERY),
    (lambda a, b: EASTERN.localize(a), TimestampType(), EVERY),
    (lambda a, b: (EASTERN.localize(a) + timedelta(days=40)).isoformat(), StringType(), EVERY),
    (lambda a, b: EASTERN.normalize(EASTERN.localize(a) + timedelta(days=40)).isoformat(), StringType(), EVERY),
    (lambda a, b: (EASTERN.localize(a) + timedelta(days=40)).astimezone(EASTERN).isoformat(), StringType(), SOME),
    (lambda a, b: a.replace(tzinfo=EASTERN).astimezone(EASTERN).isoformat(), StringType(), SOME),
    (lambda a, b: EASTERN.localize(a, is_dst=True).utcoffset().total_seconds(), DoubleType(), EVERY),
    (lambda a, b: EASTERN.localize(a).dst().total_seconds(), DoubleType(), SOME),
    (lambda a, b: a.replace(tzinfo=EASTERN).isoformat(), StringType(), EVERY),
    (lambda a, b: a.replace(tzinfo=EASTERN).astimezone(pytz.utc).isoformat(), StringType(), EVERY),
    (lambda a, b: pytz.utc.localize(a).astimezone(EASTERN).strftime("%a %H:%M:%S%z %Z"), StringType(), EVERY),
    (lambda a, b: pytz.UTC.localize(a).astimezone(pytz.timezone("Asia/Tokyo")).isoformat(), StringType(), EVERY),
    (lambda a, b: (EASTERN.localize(a) - pytz.utc.localize(b)).total_seconds(), DoubleType(), EVERY),
    (lambda a, b: EASTERN.localize(a) == pytz.utc.localize(b), BooleanType(), EVERY),
    (lambda a, b: EASTERN.localize(a) != EASTERN.localize(b), BooleanType(), EVERY),
    (lambda a, b: a.replace(tzinfo=KOLKATA).astimezone(UTC).isoformat(), StringType(), EVERY),
    (lambda a, b: a.astimezone(timezone(timedelta(hours=-3))).strftime("%H %Z"), StringType(), EVERY),
    (lambda a, b: a.astimezone(FIXED).isoformat() + NAMED.localize(b).strftime("%H %Z"), StringType(), EVERY),
    (same_objects, BooleanType(), EVERY),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(FUNCTIONS)))
def test_zones(number):
    function, returns, some = FUNCTIONS[number]
    compared = compare_with_worker(function, [_times()], returns, ARROW_BATCHED, kernel=True)
    assert not compared.refused, compared.reason
    assert (compared.decided, compared.flagged) == (1, int(some))


def test_times_outside_the_tables_run_in_python():
    ends = [datetime.datetime(1, 1, 1), datetime.datetime(1850, 1, 1), datetime.datetime(2200, 1, 1), datetime.datetime.max]
    for end in ends:
        columns = [pa.array([end, datetime.datetime(2024, 7, 1)], pa.timestamp("us"))] * 2
        for function, returns, _ in FUNCTIONS[::4]:
            compared = compare_with_worker(function, [pa.record_batch(columns, ["a", "b"])], returns, ARROW_BATCHED)
            assert (compared.refused, compared.flagged) == ("", 1), compared.reason


def test_times_for_which_pytz_raises_run_in_python():
    times = [datetime.datetime(2024, 3, 10, 2, 30), datetime.datetime(2024, 11, 3, 1, 30), datetime.datetime(2024, 7, 1)]
    batch = pa.record_batch([pa.array(times, pa.timestamp("us"))], ["a"])
    strict = lambda a: EASTERN.localize(a, is_dst=None).hour  # noqa: E731
    compared = compare_with_worker(strict, [batch, batch.slice(2)], IntegerType(), ARROW_BATCHED)
    assert (compared.decided, compared.flagged, compared.raised, compared.refused) == (1, 1, 1, "")


def local_of(text):
    try:
        parsed = datetime.datetime.strptime(text, "%Y-%m-%d %H:%M:%S")
    except (ValueError, TypeError):
        return None
    return EASTERN.localize(parsed).astimezone(pytz.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def test_parsed_times():
    texts = ["2024-01-01 12:00:00", "2024-07-04 01:02:03", "x", None, "2024-11-03 01:30:00", "2024-03-10 02:30:00"]
    batch = pa.record_batch([pa.array(texts)], ["s"])
    compared = compare_with_worker(local_of, [batch], StringType(), ARROW_BATCHED, kernel=True)
    assert (compared.decided, compared.flagged, compared.refused) == (1, 0, "")


def kept(a, b):
    last = a.replace(tzinfo=BERLIN)
    for _ in range(b.day):
        last = last + timedelta(days=1)
    return last.hour


REFUSED = [
    (lambda a, b: ZoneInfo(b.strftime("%Z")).key, "SW262"),
    (lambda a, b: a.replace(tzinfo=BERLIN) == b.replace(tzinfo=NEW_YORK), "SW264"),
    (lambda a, b: (EASTERN.localize(a) + timedelta(days=1)).tzname(), "SW264"),
    (lambda a, b: str(EASTERN.localize(a).tzinfo), "SW264"),
    (lambda a, b: a.replace(tzinfo=BERLIN).timetuple().tm_yday, "SW264"),
    (lambda a, b: a.replace(tzinfo=BERLIN), "SW293"),
]


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_refusals(number):
    function, code = REFUSED[number]
    assert compare_with_worker(function, [_times()], StringType(), ARROW_BATCHED).refused == code


def test_a_loop_carries_no_zones():
    assert compare_with_worker(kept, [_times()], IntegerType(), ARROW_BATCHED).refused == "SW282"


ZONES = ["Asia/Gaza", "America/Grand_Turk", "Africa/Casablanca", "Pacific/Apia", "Australia/Lord_Howe", "UTC"]


@pytest.mark.parametrize("name", ZONES)
def test_tables(name):
    """Zones with many changes: the tables agree with the objects at any time within them."""
    made = random.Random(3)
    zone, other = ZoneInfo(name), pytz.timezone(name)
    tables = [(zone_tables._of_local(zone), lambda at: at.replace(tzinfo=zone))]
    tables.append((zone_tables._of_utc(zone), lambda at: at.replace(tzinfo=UTC).astimezone(zone)))
    if other.utcoffset(None) is None:
        tables.append((zone_tables._localized(other, False), other.localize))
        tables.append((zone_tables._of_utc(other), lambda at: at.replace(tzinfo=UTC).astimezone(other)))
    for table, of in tables:
        times = [datetime.datetime(1891, 1, 1) + timedelta(seconds=made.randrange(69 * 10**8)) for _ in range(3000)]
        times += [datetime.datetime(1970, 1, 1) + timedelta(microseconds=int(at) - 1) for at in table.bounds[1:]]
        found = table.evaluate(np.array([microseconds(at) for at in times]))
        assert found.tolist() == [of(at).utcoffset() // timedelta(microseconds=1) for at in times]
