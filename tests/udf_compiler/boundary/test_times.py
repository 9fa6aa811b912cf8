"""Compares timestamps at the boundary with PySpark's conversions, in time zones with and without transitions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import pytz
from pyspark.sql.types import DateType, LongType, TimestampNTZType, TimestampType

from sparkweld.errors import InternalError, Refusal
from sparkweld.ir import Input, ProgramBuilder, Result, Type, evaluate
from sparkweld.ir.ops import Optional
from sparkweld.ir.types import Items
from tests.helpers.worker import arguments_of, converted
from udf_compiler.boundary import datetime_columns
from udf_compiler.boundary.series import COLUMN_TYPES, Field, column_of_result, frame_of_struct, series_of_column
from udf_compiler.frontends.pandas import datetimes
from udf_compiler.frontends.tracing import zones
from udf_compiler.process.spark_line import LINE

ZONES = ["UTC", "+05:30", "-08:00", "America/New_York", "Europe/Dublin", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Monrovia"]
TYPES = {"timestamp": TimestampType(), "timestamp_ntz": TimestampNTZType(), "date": DateType(), "long": LongType()}
LIMIT = (2**63 - 1) // 1000


def instants() -> np.ndarray:
    """Returns microseconds: the limits, random ones, and those around clock transitions in steps of a quarter of an hour."""
    rng = np.random.default_rng(7)
    edges = [0, 1, -1, LIMIT, -LIMIT, LIMIT + 1, -LIMIT - 1, -62_135_596_800_000_000, 253_402_300_799_999_999]
    spread = rng.integers(-LIMIT, LIMIT, 4000)
    modern = rng.integers(-3_000_000_000, 4_000_000_000, 4000) * 10**6
    changes = ["1883-11-18T17:00", "2024-03-10T07:00", "2024-11-03T06:00", "2037-11-01T06:00", "2040-11-04T06:00"]
    around = np.array(changes, "M8[us]").view(np.int64)[:, None] + np.arange(-16, 17)[None, :] * 900 * 10**6
    return np.concatenate([np.array(edges), spread, modern, around.ravel(), around.ravel() - 1])


def given(microseconds: np.ndarray, spark_type: str, zone: str) -> np.ndarray:
    """Returns the worker's conversion of the instants, as nanoseconds; raises the worker's exceptions."""
    arrow = pa.array(microseconds).cast(pa.timestamp("us", tz=zone if spark_type == "timestamp" else None))
    (series,) = arguments_of(pa.RecordBatch.from_arrays([arrow], ["_0"]), zone)
    return nanoseconds(series, spark_type)


def nanoseconds(series: pd.Series, spark_type: str) -> np.ndarray:
    assert series.dtype == ("M8[ns]" if LINE.nanoseconds or spark_type == "timestamp_ntz" else "M8[us]")
    return series.to_numpy().astype("M8[ns]").view(np.int64)


def enter(microseconds: np.ndarray, spark_type: str, zone: str) -> Result:
    builder = ProgramBuilder("enter", [Input("x", Type("ts"))])
    loop = builder.loop("enter")
    with zones.session_zone(zone):
        series = series_of_column(loop, loop.read("x"), spark_type, True, "dense")
    loop.append("y", series.value)
    loop.close()
    return evaluate(builder.finish(["y"]), {"x": microseconds}, len(microseconds))


@pytest.mark.parametrize("zone", ZONES)
def test_arguments(zone: str) -> None:
    times = instants()
    for spark_type in ("timestamp", "timestamp_ntz"):
        result = enter(times, spark_type, zone)
        np.testing.assert_array_equal(result.columns["y"][~result.flagged], given(times[~result.flagged], spark_type, zone))
        assert 4 <= np.count_nonzero(result.flagged) <= 6
        for time in times[result.flagged] if LINE.converts_by_arrow else ():  # pandas may wrap a local time beyond the limit
            with pytest.raises(pa.ArrowInvalid):
                given(np.array([time]), spark_type, zone)


def returned(series: pd.Series, spark_type: str, zone: str) -> pa.Array:
    return converted(series, TYPES[spark_type], zone)


def leave(nanoseconds: np.ndarray, spark_type: str, zone: str, kind: datetimes.TimeKind = datetimes.DATETIMES) -> Result:
    builder = ProgramBuilder("leave", [Input("x", Type("i64", True))])
    loop = builder.loop("leave")
    with zones.session_zone(zone):
        loop.append("y", column_of_result(loop, datetimes.new(loop, loop.read("x"), kind), spark_type, "f"))
    loop.close()
    nat = nanoseconds == np.iinfo(np.int64).min
    return evaluate(builder.finish(["y"]), {"x": Optional(np.where(nat, 0, nanoseconds), ~nat)}, len(nanoseconds))


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("beside", ["string", "array<double>", "long"])
def test_fields_of_a_struct(zone: str, beside: str) -> None:
    """pandas computes the local times in a struct with strings or arrays, Arrow in others."""
    times = instants()
    builder = ProgramBuilder("enter", [Input("x", Type("ts")), Input("y", COLUMN_TYPES[beside])])
    loop = builder.loop("enter")
    with zones.session_zone(zone):
        fields = [Field("x", loop.read("x"), "timestamp", "dense"), Field("y", loop.read("y"), beside, "dense")]
        loop.append("r", frame_of_struct(loop, fields).series["x"].value)
    loop.close()
    ours, theirs = {"string": ("a", "a"), "array<double>": (Items("f64", (1.0,)), [1.0]), "long": (1, 1)}[beside]
    others = np.array([ours] * len(times), np.int64 if beside == "long" else object)
    result = evaluate(builder.finish(["r"]), {"x": times, "y": others}, len(times))
    assert 4 <= np.count_nonzero(result.flagged) <= 6
    column = pa.array(times[~result.flagged]).cast(pa.timestamp("us", tz=zone))
    struct = pa.StructArray.from_arrays([column, pa.array([theirs] * len(column))], ["x", "y"])
    (frame,) = arguments_of(pa.RecordBatch.from_arrays([struct], ["_0"]), zone)
    np.testing.assert_array_equal(result.columns["r"][~result.flagged], nanoseconds(frame["x"], "timestamp"))


@pytest.mark.parametrize("spark_type", TYPES)
@pytest.mark.parametrize("zone", ZONES)
def test_results(zone: str, spark_type: str) -> None:
    inside = instants()[np.abs(instants()) < LIMIT - 2 * 86_400 * 10**6]
    values = np.concatenate([inside * 1000, [1, -1, 999, 1_700_000_000_123_456_789], [np.iinfo(np.int64).min]])
    series = pd.Series(values.view("M8[ns]"))
    result = leave(values, spark_type, zone)
    fine = np.flatnonzero(~result.flagged)
    wanted = returned(series.iloc[fine], spark_type, zone)
    numbers = np.asarray(wanted.cast(pa.int32() if spark_type == "date" else pa.int64()).fill_null(0))
    ours = result.columns["y"]
    np.testing.assert_array_equal(ours.valid[fine], np.asarray(wanted.is_valid()))
    np.testing.assert_array_equal(np.where(ours.valid, ours.values, 0)[fine], numbers)
    for at in np.flatnonzero(result.flagged):
        with pytest.raises((ValueError, pytz.NonExistentTimeError)):
            returned(series.iloc[[at]], spark_type, zone)
    gaps = zone == "America/New_York" and spark_type == "timestamp"
    assert np.count_nonzero(result.flagged) >= 4 * (spark_type.startswith("timestamp")) + gaps


def test_durations_are_numbers_at_most() -> None:
    values = np.array([86_400 * 10**9, -1, np.iinfo(np.int64).min])
    wanted = returned(pd.Series(values.view("m8[ns]")), "long", "UTC")
    ours = leave(values, "long", "UTC", datetimes.TIMEDELTAS).columns["y"]
    assert [v if ok else None for v, ok in zip(*ours, strict=True)] == wanted.to_pylist()
    for spark_type in ("timestamp", "date"):
        with pytest.raises(Refusal, match="SW109"):
            leave(values, spark_type, "UTC", datetimes.TIMEDELTAS)
        with pytest.raises(NotImplementedError):
            returned(pd.Series(values.view("m8[ns]")), spark_type, "UTC")


@pytest.mark.parametrize("zone", ["Z", "UTC+5", "GMT+05:30", "Nowhere/Land"])
def test_zones_that_a_library_does_not_know(zone: str) -> None:
    with pytest.raises(Refusal, match="SW240"):
        enter(np.array([0]), "timestamp", zone)
    assert not enter(np.array([0]), "timestamp_ntz", zone).flagged.any()


def test_a_timestamp_needs_a_session() -> None:
    loop = ProgramBuilder("p", [Input("x", Type("ts"))]).loop("p")
    with pytest.raises(InternalError, match="outside of a session"):
        series_of_column(loop, loop.read("x"), "timestamp", True, "dense")


def test_other_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datetime_columns.pd, "__version__", "3.0.1")
    with pytest.raises(Refusal, match="SW241"):
        enter(np.array([0]), "timestamp_ntz", "UTC")


def test_zones_are_tables_of_both_libraries() -> None:
    assert zones.zone("UTC").to_local.bounds == zones.zone("+05:30").to_utc.bounds == ()
    new_york = zones.zone("America/New_York")
    assert len(new_york.to_local.bounds) > 200 and len(new_york.to_utc.bounds) > 300  # the gaps have bounds of their own
    assert str(zones.GAP) in new_york.to_utc.values and str(zones.GAP) not in new_york.to_local.values
    assert int(new_york.to_local.values[-1]) // (3600 * 10**6) in (-4, -5)
