"""Compares Decimals of strings and floats, rounded to constant decimals, with PySpark's worker."""

from __future__ import annotations

import decimal
import random
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_HALF_DOWN, ROUND_HALF_UP, ROUND_UP, Decimal, InvalidOperation

import pyarrow as pa
import pytest
from pyspark.sql.types import DecimalType, DoubleType, StringType

from sparkweld.contract.constants import ARROW_BATCHED
from sparkweld.ir.ops.string_functions import parse_decimal
from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import LINE

pytestmark = pytest.mark.skipif(LINE < (4, 1), reason="plain values over Arrow")
MODES = (ROUND_HALF_UP, ROUND_HALF_DOWN, decimal.ROUND_HALF_EVEN, ROUND_UP, ROUND_DOWN, ROUND_CEILING, decimal.ROUND_FLOOR)
D, S = DoubleType(), StringType()
RANDOM = random.Random(3)
FLOATS = [0.0, 1.5, 2.675, 0.5, 1e6, 123456.785, -3.005, 0.1 + 0.2, 99.995, 12.345678901234567, 4.0, -2.5, None]
FLOATS += [round(RANDOM.uniform(-1000, 1000), RANDOM.randint(0, 5)) for _ in range(40)]
FLOATS += [RANDOM.uniform(-1e5, 1e5) * 1.1 for _ in range(40)]
#: The string has an exponent, the result is a negative zero, or a NaN; the float is a tie.
OTHER_FLOATS = [1e22, 1e-7, -0.0, -0.001, float("nan"), float("inf"), 0.125, -0.375]
TEXTS = "1.005 -2.5 2.5 3.500000000000000000000000001 +7 5. .5 00012.3450 0 -1 0.0000000000000000000001".split()
OTHER_TEXTS = [
    "-0", "-0.00", "-0.0001", "92233720368547758.1", "12345678901234567890", "1e3", "1_0.5", " 1.5", "٣.5", "nan", "", "abc",
]  # fmt: skip


def half_up(x):
    return float(Decimal(str(x)).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)) if x is not None else None


def half_even(x):
    return None if x is None else str(Decimal(str(x)).quantize(Decimal("0.1")))


def rounded(x):
    return None if x is None else float(round(Decimal(str(x)), 2))


def down(x):
    return None if x is None else Decimal(str(x)).quantize(Decimal(".01"), ROUND_DOWN) + 1


def of_float(x):
    return None if x is None else float(Decimal(x).quantize(Decimal("1.00")))


def of_float_half_up(x):
    return None if x is None else str(Decimal(x).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP))


def exact(x):
    return None if x is None else float(Decimal(x))


def half_down(t):
    return float(Decimal(t).quantize(Decimal("1"), ROUND_HALF_DOWN))


def parsed(t):
    try:
        return str(Decimal(t).quantize(Decimal("0.001"), rounding=ROUND_CEILING))
    except InvalidOperation:
        return None


def up(t):
    return Decimal(t).quantize(Decimal("0.01"), rounding=ROUND_UP)


def floats(values):
    return pa.record_batch({"x": pa.array(values, pa.float64())})


def strings(values):
    return pa.record_batch({"t": values})


def decided(function, batches, returns, kernel=True):
    """Returns how many of the batches, of a row each or of all, no row left to Python."""
    compared = compare_with_worker(function, batches, returns, ARROW_BATCHED, kernel=kernel)
    assert not compared.refused, compared.reason
    return compared.decided - compared.flagged


@pytest.mark.parametrize(
    ("function", "returns"),
    [(half_up, D), (half_even, S), (rounded, D), (down, DecimalType(18, 2)), (of_float, D), (of_float_half_up, S), (exact, D)],
)
def test_floats(function, returns):
    assert decided(function, [floats(FLOATS)], returns) == 1


@pytest.mark.parametrize(("function", "returns"), [(half_down, D), (parsed, S), (up, DecimalType(18, 2))])
def test_strings(function, returns):
    assert decided(function, [strings(TEXTS)], returns) == 1


@pytest.mark.parametrize(("function", "count"), [(half_up, 2), (half_even, 2), (of_float_half_up, 1)])
def test_floats_that_run_in_python(function, count):
    """Of text, the two ties are decided; of the float itself, the small number with an exponent is."""
    values = [x for x in OTHER_FLOATS if x == x and abs(x) < 1e300]
    assert decided(function, [floats([x]) for x in values], StringType() if function is not half_up else D) == count


def test_a_nan_keeps_running_in_python():
    assert decided(half_even, [floats([float("nan")])], S) == 0


def test_strings_that_run_in_python():
    assert decided(parsed, [strings([t]) for t in OTHER_TEXTS], S) == 0


def test_the_digits_of_a_string():
    """Each rounding of the parsed number is that of the whole string."""
    for _ in range(3000):
        sign, whole = RANDOM.choice(["", "-", "+"]), RANDOM.randrange(10 ** RANDOM.randint(1, 9))
        text = f"{sign}{whole}.{RANDOM.choice(['', '5', '05', '50'])}{''.join(RANDOM.choices('0059', k=RANDOM.randint(0, 12)))}"
        decimals = RANDOM.randint(0, 6)
        found = parse_decimal(text, decimals)
        if found is None:
            assert Decimal(text) == 0 and text[0] == "-"
            continue
        unit, known = Decimal(1).scaleb(-decimals), Decimal(found).scaleb(-decimals - 2)
        for mode in MODES:
            assert known.quantize(unit, mode) == Decimal(text).quantize(unit, mode), (text, decimals, mode)


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (lambda t: str(Decimal(t)), "SW259"),
        (lambda t: float(Decimal(t)), "SW251"),
        (lambda t: float(Decimal(t) + 1), "SW251"),
        (lambda t: str(Decimal(t).normalize()), "SW251"),
        (lambda t: str(Decimal(t).quantize(Decimal("1e2"))), "SW262"),
        (lambda x: str(Decimal(x).quantize(Decimal("0.1"), ROUND_UP)), "SW262"),
        (lambda x: str(round(Decimal(x))), "SW262"),
        (lambda x: int(Decimal(x)), "SW251"),
    ],
)
def test_refused(function, code):
    batch = strings(["1.5"]) if "t" in function.__code__.co_varnames else floats([1.5])
    compared = compare_with_worker(function, [batch], S, ARROW_BATCHED)
    assert compared.refused == code, compared.reason
