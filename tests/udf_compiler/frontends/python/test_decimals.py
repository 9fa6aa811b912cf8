"""Compares functions of Decimals with PySpark's worker: conversions, formats, comparisons, arithmetic and results."""

# ruff: noqa: UP031, UP032 -- these are the cases
from __future__ import annotations

import decimal
import json
import math
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql.types import BooleanType, DecimalType, DoubleType, LongType, StringType, StructField, StructType

from sparkweld.contract.constants import ARROW_BATCHED, BATCHED
from tests.helpers.compiled import Compared, compare_with_worker
from tests.helpers.kinds import codes, compile_udf
from tests.helpers.lines import LINE

pytestmark = pytest.mark.skipif(LINE < (4, 1), reason="plain values over Arrow")
S, F, L, B = StringType(), DoubleType(), LongType(), BooleanType()
EDGES = [*"0.00 0.01 -0.01 0.05 -0.05 0.25 -0.25 0.50 1.50 2.50 -2.50 99999999.99 -99999999.99".split()]


def batch(*given: str | None, precision: int = 10, scale: int = 2) -> pa.RecordBatch:
    """Returns the columns d, the strings as decimals, e, the same backwards, and n, ints of both signs."""
    values = [None if x is None else Decimal(x) for x in given]
    of = pa.decimal128(precision, scale)
    numbers = [None if at % 5 == 4 else (at - 3) * 7 for at in range(len(values))]
    return pa.RecordBatch.from_arrays([pa.array(values, of), pa.array(values[::-1], of), pa.array(numbers)], ["d", "e", "n"])


def compared(function: Any, returns: Any, given: pa.RecordBatch | None = None, kernel: bool = False) -> Compared:
    """Compares a function of d, of d and e, or of d and n, by its parameters' names."""
    table = batch(*EDGES, None) if given is None else given
    names = list(function.__code__.co_varnames[: function.__code__.co_argcount])
    return compare_with_worker(function, [table.select(names)], returns, ARROW_BATCHED, kernel=kernel)


#: A function, the type of its result, and whether it leaves a row of EDGES to Python.
CASES = [
    (lambda d: None if d is None else float(d) * 1.2, F, 0), (lambda d: float(d or 0), F, 0), (lambda d: str(d), S, 0),
    (lambda d: f"{d}", S, 0), (lambda d: f"{d or 0:,.2f} EUR", S, 0), (lambda d: f"{d or 0:.1f}", S, 0),
    (lambda d: "" if d is None else f"{d:,.2f} EUR", S, 0), (lambda d: "" if d is None else f"{d:.1f}", S, 0),
    (lambda d: "" if d is None else f"{d:>14,.3f}|{d:f}|{d:012.3f}|{d:,}|{d:+.4f}", S, 0),
    (lambda d: "" if d is None else f"{d:.0%}", S, 0), (lambda d: "" if d is None else "%.3f, %d, %s" % (d, d, d), S, 0),
    (lambda d: "" if d is None else "{:.2f}/{}".format(d, d), S, 0), (lambda d: None if d is None else int(d), L, 0),
    (lambda d: None if d is None else round(d), L, 0),
    (lambda d: None if d is None else math.floor(d) * 1000 + math.ceil(d), L, 0),
    (lambda d: None if d is None else math.trunc(d), L, 0), (lambda d: None if d is None else math.sqrt(abs(d)), F, 0),
    (lambda d: bool(d), B, 0), (lambda d: "big" if d is not None and d > 100 else "small", S, 0),
    (lambda d: d is not None and d > 2.5, B, 0), (lambda d: d is not None and d >= Decimal("2.505"), B, 0),
    (lambda d: d is not None and 0 < d <= 50, B, 0), (lambda d: d is not None and d == 2.5, B, 0),
    (lambda d: d is not None and d != 0.1, B, 0), (lambda d: d == "1.50", B, 0),
    (lambda d: d is not None and d < math.inf, B, 0), (lambda d: d in (Decimal("1.5"), Decimal("2.5")), B, 0),
    (lambda d, e: d is not None and e is not None and d < e, B, 0),
    (lambda d, n: d is not None and n is not None and d < n, B, 0),
    (lambda d: isinstance(d, Decimal) and not isinstance(d, (int, float)), B, 0), (lambda d: type(d) is Decimal, B, 0),
    (lambda d: None if d is None else str(d + Decimal("0.005") - 1), S, 0), (lambda d: None if d is None else str(-d), S, 0),
    (lambda d: None if d is None else str(d * Decimal("0.255")), S, 0), (lambda d: None if d is None else str(d * -3), S, 1),
    (lambda d, e: None if d is None or e is None else str(d * e), S, 0), (lambda d, n: str(d * n) if d and n else "", S, 0),
    (lambda d: None if d is None else str(d // 3), S, 1), (lambda d: None if d is None else str(d % Decimal("0.05")), S, 1),
    (lambda d: None if d is None else "/".join(map(str, divmod(abs(d), Decimal("0.07")))), S, 0),
    (lambda d: None if d is None else str(max(d, Decimal("0"))), S, 0),
    (lambda d, e: float(min(d, e)) if d and e else 0.0, F, 0),
    (lambda d, e: None if d is None or e is None else float(sum([d, e, 1])), F, 0),
    (lambda d: None if d is None else str(round(abs(d), 1)), S, 0), (lambda d: None if d is None else float(round(d, 1)), F, 1),
    (lambda d: None if d is None else str(d.quantize(Decimal("0.0001"))), S, 0),
    (lambda d: None if d is None else str(abs(d).to_integral_value(rounding=ROUND_HALF_UP)), S, 0),
    (lambda d: d is not None and (d.is_zero() or d.is_signed()) and d.is_finite() and not d.is_nan(), B, 0),
    (lambda n: None if n is None else str(Decimal(n) + Decimal("0.10")), S, 0), (lambda d: d, DecimalType(10, 2), 0),
    (lambda d: d, DecimalType(9, 2), 1), (lambda d: d, DecimalType(18, 4), 0), (lambda d: d, DecimalType(10, 1), 0),
    (lambda d: Decimal("3.14159"), DecimalType(6, 2), 0),
    (lambda d: None if d is None else d * Decimal("0.255"), DecimalType(12, 2), 0),
    (lambda d: d if d else None, DecimalType(12, 0), 0),
    (lambda n: None if n is None else Decimal(n) * Decimal("1.5"), DecimalType(5, 2), 0),
]  # fmt: skip


@pytest.mark.parametrize("at", range(0, len(CASES), 6))
def test_functions(at):
    for function, returns, flagged in CASES[at : at + 6]:
        found = compared(function, returns, kernel=function is CASES[at][0])
        assert (found.refused, found.flagged) == ("", flagged), (function.__code__.co_firstlineno, found)


#: Functions of quotients of d, e and n, and the type of their results.
QUOTIENTS = [
    (lambda d: float(d / 100), F), (lambda d: d / 100, DecimalType(18, 6)), (lambda d: f"{d / 40:.3f}", S),
    (lambda d: int(d / -100), L), (lambda d: float(d / Decimal("1.25")), F),
    (lambda d: str(round(d * Decimal("0.19") / 100, 1)), S), (lambda d: d / 100 > 1, B), (lambda d: float(d / 12), F),
    (lambda d: (d / Decimal("1.19")).quantize(Decimal("0.01"), ROUND_HALF_UP), DecimalType(18, 2)), (lambda d: round(d / 7), L),
    (lambda d: int(d / -7), L), (lambda d: d / 3 >= Decimal("0.33"), B), (lambda d: d / 3 > 0.3, B),
    (lambda d: bool(d / 3) and d / 3 == d, B), (lambda d, e: float(d / e) if e else None, F),
    (lambda d, e: str(round((d - e) / e * 100, 2)) if e else None, S), (lambda d, e: bool(e) and d / e < 1, B),
    (lambda d, n: str((d / n).quantize(Decimal("0.0001"))) if n else None, S), (lambda d, n: float(100 / d) if d else None, F),
    (lambda d, e: (d / e / 1000).quantize(Decimal("0.000001")) if e else None, DecimalType(18, 6)),
]  # fmt: skip


def test_quotients():
    known = batch(*EDGES, "33.33", "12345678.90", "-7.77", "0.07", "100.00", "-300.00")
    small = batch("0.5", "-99.9", "3.3", "12.0", "0.0", "0.7", "-6.4", precision=4, scale=1)
    for function, returns in QUOTIENTS:
        for table in (known, small):
            found = compared(function, returns, table)
            assert found.decided == 1 and not found.refused, (function.__code__.co_firstlineno, found)


#: A numerator or divisor around the limits within which a quotient is the float that Python's has.
LIMITS = ["9007199254740.991", "9007199254740.993", "68719476.736", "68719476.737", "0.001", "999999999999.999", "-3.000"]


def test_quotients_at_the_limits():
    above, below = batch(*LIMITS, precision=18, scale=3), batch(*LIMITS[::-1], precision=18, scale=3)
    pairs = [pa.RecordBatch.from_arrays([above["d"].take(pa.array([at] * 7)), below["d"]], ["d", "e"]) for at in range(7)]
    found = [compared(lambda d, e: float(d / e), F, pair) for pair in pairs]
    assert [x.decided for x in found] == [1] * 7 and [x.flagged for x in found] == [1] * 7
    found = [compared(lambda d, e: str((d / e).quantize(Decimal("0.0000001"))), S, pair) for pair in pairs]
    assert [x.decided for x in found] == [1] * 7


STRUCT = StructType([StructField("a", DecimalType(12, 3)), StructField("b", S), StructField("c", DecimalType(7, 1))])


def test_fields_of_structs():
    table = batch("1.50", "-0.01", None, "12345.67", "0.25")
    for function in (lambda d: (d, str(d), d), lambda d: None if d is None else {"a": d / 4, "b": f"{d:.1f}", "c": d * 2}):
        found = compared(function, STRUCT, table, kernel=True)
        assert (found.refused, found.decided, found.flagged) == ("", 1, 0), found
    found = compared(lambda d: (d, "", d), STRUCT, batch("1.50", "1234567.89"))
    assert (found.refused, found.flagged, found.raised) == ("", 1, 1)


def test_fields_of_arguments():
    table = batch("1.50", "-0.01", None, "12345.67", "0.25")
    rows = pa.RecordBatch.from_arrays([pa.StructArray.from_arrays([table["d"], table["n"]], ["d", "n"])], ["s"])
    for function in (
        lambda s: json.dumps(s.asDict(), default=str), lambda s: json.dumps({"d": s["d"], "n": s.n}, default=float),
        lambda s: f"{s.d}/{s.n}", lambda s: "" if s["d"] is None or s["n"] is None else str(s["d"] * (s["n"] * s["n"] + 1)),
    ):  # fmt: skip
        found = compared(function, S, rows)
        assert (found.refused, found.decided, found.flagged) == ("", 1, 0), found


MODES = [name for name in vars(decimal) if name.startswith("ROUND_") and name != "ROUND_05UP"]


@pytest.mark.parametrize("mode", MODES)
def test_roundings(mode):
    one, tenth = Decimal("1"), Decimal("0.1")
    rounding = getattr(decimal, mode)
    found = compared(lambda d: None if not d else str(d.quantize(tenth, rounding)), S)
    assert found.decided and not found.refused
    found = compared(lambda d: None if not d else int(d.quantize(one, rounding=rounding)), L)
    assert found.decided and not found.refused


def test_scales_and_limits():
    large = batch("999999999999999999", "-999999999999999999", "9007199254740993", "0", precision=18, scale=0)
    small = batch("0.000000000000000001", "-0.999999999999999999", "0.000001", "0.000000999", "0", precision=18, scale=18)
    found = compared(lambda d: float(d), F, large)
    assert (found.decided, found.flagged) == (1, 0)  # a cast rounds to the nearest
    found = compared(lambda d: f"{d} {d:,f}", S, large)
    assert (found.decided, found.flagged) == (1, 0)
    assert compared(lambda d: str(d * d), S, large).flagged == 1
    assert compared(lambda d: float(d), F, small).flagged == 1  # more digits than a float has
    assert compared(lambda d: str(d), S, small).flagged == 1  # 1E-18
    found = compared(lambda d: f"{abs(d):.6f} {d:f}", S, small)
    assert (found.decided, found.flagged) == (1, 0)


#: A function of d: decimal(10,2) and x: double, the type of its result, and the code of its refusal.
REFUSED = [
    (lambda d, x: d, "decimal(19,2)", "SW104"), (lambda d, x: d, "double", "SW298"), (lambda d, x: d, "string", "SW298"),
    (lambda d, x: 0, "decimal(10,2)", "SW298"), (lambda d, x: Decimal(x), "decimal(10,2)", "SW293"),
    (lambda d, x: str(d.normalize()), "string", "SW251"), (lambda d, x: str(d.quantize(Decimal("1E+1"))), "string", "SW262"),
    (lambda d, x: str(d * Decimal("1E+2")), "string", "SW262"), (lambda d, x: float(d**2), "double", "SW262"),
    (lambda d, x: f"{d:_}", "string", "SW602"), (lambda d, x: f"{d:.3}", "string", "SW602"),
    (lambda d, x: f"{d:e}", "string", "SW602"), (lambda d, x: str(d / 100), "string", "SW602"),
    (lambda d, x: str(d / 3), "string", "SW259"), (lambda d, x: d / 0, "double", "SW262"),
    (lambda d, x: d / 3, "decimal(10,2)", "SW293"), (lambda d, x: float(d / 3 * 2), "double", "SW262"),
    (lambda d, x: d / x, "double", "SW261"), (lambda d, x: float((d / 3).sqrt()), "double", "SW251"),
    (lambda d, x: float(d / 3 + 1), "double", "SW262"), (lambda d, x: {Decimal("1.5"): 1}.get(d, 2), "long", "SW601"),
    (lambda d, x: decimal.getcontext().prec, "long", "SW263"),
    (lambda d, x: str(d.quantize(Decimal("0.1"), rounding=decimal.ROUND_05UP)), "string", "SW262"),
]  # fmt: skip


def test_functions_that_are_refused():
    for function, returns, code in REFUSED:
        found = codes(compile_udf(function, ARROW_BATCHED, {"d": "decimal(10,2)", "x": "double"}, returns))
        assert found == [code], (function.__code__.co_firstlineno, found)
    assert codes(compile_udf(lambda d: str(d), ARROW_BATCHED, {"d": "decimal(19,2)"}, "string")) == ["SW101"]


def test_pickled_results():
    inputs = {"d": "decimal(10,2)"}
    assert compile_udf(lambda d: d or 0, BATCHED, inputs, "decimal(10,2)")["status"] == "ok"  # an int is NULL
    assert codes(compile_udf(lambda d: [d], BATCHED, inputs, "decimal(10,2)")) == ["SW293"]


def test_another_context_is_refused():
    with decimal.localcontext() as context:
        context.prec = 10
        assert codes(compile_udf(lambda d: float(d), ARROW_BATCHED, {"d": "decimal(10,2)"}, "double")) == ["SW262"]
