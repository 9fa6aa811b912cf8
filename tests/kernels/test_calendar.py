"""Compares date fields in kernels with NumPy over every day of eight centuries, and Spark's date functions with java.time."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from sparkweld.errors import Refusal
from sparkweld.ir import Input, ProgramBuilder, Type, evaluate
from sparkweld.ir.ops import DatePart, StrCall
from sparkweld.ir.ops.calendar import DATE_PARTS, DAY_LIMIT
from sparkweld.ir.types import DATE, I32, I64, STR, TS
from sparkweld.kernels.codegen.llvm_module import optimised_module
from sparkweld.kernels.llvm.target import target_machine
from tests.helpers.answers import expression
from tests.helpers.columns import extremes
from tests.helpers.kernels import check, program
from udf_compiler.frontends.catalyst.expressions import translate
from udf_compiler.frontends.tracing.zones import session_zone

DAY = 86_400 * 10**9


def days_of(first: int, last: int) -> np.ndarray:
    """Returns all days of the years from `first` up to but excluding `last`."""
    ends = np.array([f"{year:04}-01-01" for year in (first, last)], "M8[D]").astype(np.int64)
    return np.arange(*ends).astype(np.int32)


def test_every_day_of_eight_centuries() -> None:
    def parts(loop, columns):
        for part in DATE_PARTS:
            loop.append(part, loop.emit(DatePart(part), columns["days"]))

    p = program({"days": I32}, parts)
    edges = np.array([DAY_LIMIT + d for d in range(-400, 3)], np.int64).astype(np.int32)
    for days in (days_of(1600, 2400), days_of(1, 3), days_of(9998, 10000), edges, -edges, extremes(I32, 5000)):
        check(p, {"days": days}, len(days))


def test_evaluate_is_pythons_calendar() -> None:
    days = np.concatenate([days_of(1, 5), days_of(1899, 1905), days_of(1999, 2030), days_of(9996, 10000)])
    dates = [datetime.date.fromordinal(int(d) + 719163) for d in days]
    wanted = {
        "year": [d.year for d in dates],
        "month": [d.month for d in dates],
        "day": [d.day for d in dates],
        "weekday": [d.weekday() for d in dates],
        "day_of_year": [d.timetuple().tm_yday for d in dates],
        "days_in_month": [31 if d.month == 12 else (d.replace(month=d.month + 1, day=1) - d.replace(day=1)).days for d in dates],
        "iso_year": [d.isocalendar().year for d in dates],
        "iso_week": [d.isocalendar().week for d in dates],
    }
    assert wanted.keys() == set(DATE_PARTS)
    for part, numbers in wanted.items():
        np.testing.assert_array_equal(DatePart(part).evaluate(days), numbers)


DIVISORS = [1, 2, 3, 7, 24, 60, 1000, 1461, 4095, 4096, 4097, 10**6, 10**9, DAY, 2**40, 2**62, 2**63 - 1]


@pytest.mark.parametrize("divisor", DIVISORS)
def test_division_by_constants(divisor: int) -> None:
    def divide(loop, columns):
        for fn in ("floor_divide", "remainder"):
            loop.append(fn, loop.call(fn, columns["x"], loop.const(divisor, I64)))

    rng = np.random.default_rng(divisor % 2**32)
    multiples = (rng.integers(-(2**63) // divisor, (2**63 - 1) // divisor, 20_000) * divisor).astype(np.int64)
    near = multiples + rng.integers(-2, 3, len(multiples))
    x = np.concatenate([extremes(I64, 5000), multiples, near, rng.integers(-(2**63), 2**63 - 1, 20_000)])
    check(program({"x": I64}, divide), {"x": x}, len(x))


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_division_of_small_integers_by_constants(bits: int) -> None:
    type = Type(f"i{bits}")

    def divide(loop, columns):
        for divisor in (1, 2, 3, 7, 60, 100, 2 ** (bits - 1) - 1):
            for fn in ("floor_divide", "remainder"):
                loop.append(f"{fn}{divisor}", loop.call(fn, columns["x"], loop.const(divisor, type)))

    x = extremes(type, 5000)
    check(program({"x": type}, divide), {"x": x}, len(x))


def test_parts_of_times_are_vectorised() -> None:
    def parts(loop, columns):
        nanoseconds = loop.call("multiply", loop.cast(columns["t"], I64), loop.const(1000, I64))
        days = loop.cast(loop.call("floor_divide", nanoseconds, loop.const(DAY, I64)), I32)
        for part in ("year", "month", "iso_week"):
            loop.append(part, loop.emit(DatePart(part), days))
        loop.append("clock", loop.call("remainder", nanoseconds, loop.const(DAY, I64)))

    assembly = target_machine().emit_assembly(optimised_module(program({"t": TS}, parts))[0])
    assert "idiv" not in assembly and ("zmm" in assembly or "ymm" in assembly)


def catalyst(op: str, of: str, values: np.ndarray, zone: str = "UTC", to: str = "integer", **given: object) -> np.ndarray:
    builder = ProgramBuilder("p", [Input("x", DATE if of == "date" else TS)])
    loop = builder.loop("p")
    arg = {"op": "Column", "name": "x", "type": of, "nullable": False}
    with session_zone(zone):
        value = translate(loop, expression({"op": op, "type": to, "nullable": False, "args": [arg], **given}), loop.read)
    loop.append("y", value)
    loop.close()
    result = evaluate(builder.finish(["y"]), {"x": values}, len(values))
    assert not result.flagged.any()
    return np.asarray(result.columns["y"])


def test_sparks_functions_of_dates() -> None:
    days = np.concatenate([days_of(1, 3), days_of(1999, 2030), days_of(9998, 10000)])
    dates = [datetime.date.fromordinal(int(d) + 719163) for d in days]
    wanted = {
        "Year": [d.year for d in dates],
        "Quarter": [(d.month + 2) // 3 for d in dates],
        "Month": [d.month for d in dates],
        "DayOfMonth": [d.day for d in dates],
        "DayOfYear": [d.timetuple().tm_yday for d in dates],
        "DayOfWeek": [d.isoweekday() % 7 + 1 for d in dates],
        "WeekDay": [d.weekday() for d in dates],
        "WeekOfYear": [d.isocalendar().week for d in dates],
    }
    for op, numbers in wanted.items():
        np.testing.assert_array_equal(catalyst(op, "date", days), numbers)


def test_sparks_functions_of_timestamps() -> None:
    rng = np.random.default_rng(3)
    times = rng.integers(-(10**16), 10**16, 2000)
    for zone, of, shift in (("UTC", "timestamp", 0), ("+05:30", "timestamp", 330), ("America/New_York", "timestamp_ntz", 0)):
        local = times + shift * 60 * 10**6
        np.testing.assert_array_equal(catalyst("Hour", of, times, zone), local // (3600 * 10**6) % 24)
        np.testing.assert_array_equal(catalyst("Minute", of, times, zone), local // (60 * 10**6) % 60)
        np.testing.assert_array_equal(catalyst("Second", of, times, zone), local // 10**6 % 60)
        np.testing.assert_array_equal(catalyst("Cast", of, times, zone, to="date", ansi=True), local // (86_400 * 10**6))
    for op, to in (("Hour", "integer"), ("Cast", "date")):
        with pytest.raises(Refusal, match="SW242"):
            catalyst(op, "timestamp", times, "America/New_York", to=to, ansi=True)
    with pytest.raises(Refusal, match="SW323"):
        catalyst("Cast", "timestamp", times, to="long", ansi=True)




def test_digits_of_a_shape() -> None:
    shapes = ["0000-00-00", "00:00", "0" * 18, "x0", "0000-00-00 00:00:00"]

    def parse(loop, columns):
        for at, shape in enumerate(shapes):
            loop.append(f"{at}", loop.emit(StrCall("fixed_digits", (shape,)), columns["s"]))

    texts = ["2024-02-29", "2024-02-2", "2024-02-299", "2024/02/29", "0000-00-00", "12:34", "1２:34", "9" * 18, "x7", ""]
    texts += ["é2024-02-2"]
    texts += ["2024-02-29 12:34:56", "2024-02-29T12:34:56", "-024-02-29", "x", "00"]
    column = np.array(texts * 20, object)
    check(program({"s": STR}, parse), {"s": column}, len(column))
