"""Builds edge-value arrays of every type and compares arrays, distinguishing NaN, -0.0 and NULL."""

from __future__ import annotations

import numpy as np

from sparkweld.ir.ops import Array, Optional
from sparkweld.ir.types import Items, Type
from tests.helpers.strings import TEXTS, random_texts


def special_values(type: Type) -> np.ndarray:
    """Returns the edge values of a non-nullable type."""
    if type.kind == "bool":
        return np.array([False, True])
    if type.kind == "str":
        return np.array(TEXTS, object)
    if type.is_list:
        return _special_lists(type)
    dtype = type.dtype
    if dtype.kind == "i":
        low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
        small = [0, 1, -1, 2, -2, 3, 5, 7, -7, 8, 10, 31, 32, 63, 64, -64, 100, 127, -128]
        return np.array([low, low + 1, high, high - 1, low // 2, high // 2 + 1, *small], dtype)
    f = np.finfo(dtype)
    positive = [
        0.0, f.smallest_subnormal, f.smallest_normal / 3, f.smallest_normal, 1e-30, 1e-9, 0.1, 0.5 - f.epsneg, 0.5, 0.75,
        1 - f.epsneg, 1.0, 1 + f.eps, 1.5, 2.0, 2.5, 3.0, np.pi, 10.0, 88.7, 100.0, 127.5, 128.0, 255.0, 709.7, 745.2,
        1000.0, 32768.0, 2.0**31 - 1, 2.0**31, 2.0**53, 2.0**63, 1e18, 1e30, f.max / 2, f.max, np.inf, np.nan,
    ]  # fmt: skip
    values = np.array(positive, np.float64 if dtype.itemsize == 8 else np.float32)
    return np.concatenate([values, -values]).astype(dtype)


def _special_lists(type: Type) -> np.ndarray:
    """Returns lists of length 0 and 1, of lengths that select other NumPy summation paths, and permutations of NaN and zeros."""
    rng = np.random.default_rng(11)
    kind, specials = type.element.kind, special_values(type.element)
    lists = [specials[:0], *(specials[i : i + 1] for i in range(len(specials))), specials, specials[::-1]]
    if type.element.is_view:
        ordinary = random_texts(rng, 3000)
    else:
        drawn = rng.normal(0, 1e3, 3000) if type.element.is_float else rng.integers(-100, 100, 3000)
        ordinary = drawn.astype(type.element.dtype)
    lists += [ordinary[:n] for n in (2, 7, 8, 9, 15, 16, 127, 128, 129, 136, 255, 256, 257, 1000, 3000)]
    lists += [rng.choice(specials, n) for n in (2, 2, 3, 3, 5, 8, 20)]
    return np.array([Items(kind, tuple(part.tolist())) for part in lists], object)


def extremes(type: Type, rows: int, at: int = 0) -> Array:
    """Returns `rows` values of a type: every pair of specials of argument positions 0 and 1 meets, then random values.

    `at` is the argument position; different positions vary at different speed. A nullable type is NULL in a third of its
    rows.
    """
    plain = type.plain()
    specials = special_values(plain)
    rng = np.random.default_rng(7 + at)
    index = np.arange(rows)
    cross = len(specials) ** (1 if type.is_view else 2)
    values = specials[(index // len(specials) ** at) % len(specials)]
    values = np.where(index < cross, values, _random(plain, rows, rng))
    if not type.nullable:
        return values
    return Optional(values, rng.random(rows) > 1 / 3)


def _random(type: Type, rows: int, rng: np.random.Generator) -> np.ndarray:
    if type.kind == "bool":
        return rng.random(rows) > 0.5
    if type.kind == "str":
        return random_texts(rng, rows)
    if type.is_list:
        values = _random(type.element, 4 * rows, rng).tolist()
        starts, lengths = rng.integers(0, 3 * rows + 1, rows), np.minimum(rng.geometric(0.15, rows) - 1, rows)
        lists = [Items(type.element.kind, tuple(values[s : s + n])) for s, n in zip(starts, lengths, strict=True)]
        return np.array(lists, object)
    dtype = type.dtype
    if dtype.kind == "i":
        bits = rng.integers(0, dtype.itemsize * 8, rows)
        return (rng.integers(np.iinfo(np.int64).min, np.iinfo(np.int64).max, rows) >> (63 - bits)).astype(dtype)
    exponents = rng.normal(0, 8, rows) if dtype.itemsize == 4 else rng.normal(0, 20, rows)
    return (rng.normal(0, 1, rows) * 2.0**exponents).astype(dtype)


def take(array: Array, rows: slice) -> Array:
    """Returns a slice of an array's rows."""
    return Optional(array.values[rows], array.valid[rows]) if isinstance(array, Optional) else array[rows]


def ulp_distance(got: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Returns the number of floats between two floats of one dtype, elementwise; 0 when both are NaN, huge when one is."""
    signed = np.int64 if got.dtype.itemsize == 8 else np.int32
    first, second = (_ordered(array.view(signed).astype(np.int64), np.int64(np.iinfo(signed).min)) for array in (got, expected))
    distance = np.where(first > second, first - second, second - first).view(np.uint64).astype(np.float64)
    nan = np.isnan(got), np.isnan(expected)
    return np.where(nan[0] & nan[1], 0.0, np.where(nan[0] | nan[1], np.inf, distance))


def _ordered(bits: np.ndarray, low: np.int64) -> np.ndarray:
    """Maps bit patterns to integers that order like the floats; both zeros map to 0."""
    return np.where(bits < 0, low - bits, bits)


def difference(got: Array, expected: Array, ulp: int = 0, *, ignore_zero_sign: bool = False) -> str | None:
    """Returns None when equal (any NaN payload, floats within `ulp`), else a message about the first row that differs."""
    if isinstance(got, Optional) != isinstance(expected, Optional):
        return "one is nullable, the other is not"
    if isinstance(got, Optional) and isinstance(expected, Optional):
        if not np.array_equal(got.valid, expected.valid):
            return f"validity differs at row {int(np.flatnonzero(got.valid != expected.valid)[0])}"
        valid = expected.valid
        return difference(got.values[valid], expected.values[valid], ulp, ignore_zero_sign=ignore_zero_sign)
    if got.dtype != expected.dtype or got.shape != expected.shape:
        return f"{got.dtype}{got.shape} against {expected.dtype}{expected.shape}"
    if got.dtype.kind != "f":
        wrong = got != expected
    else:
        distance = ulp_distance(got, expected)
        signs = (got == 0) & (expected == 0) & (np.signbit(got) != np.signbit(expected))
        wrong = (distance > ulp) | (signs & (not ignore_zero_sign))
    if not wrong.any():
        return None
    at = int(np.flatnonzero(wrong)[0])
    return f"row {at} is {got[at]!r} instead of {expected[at]!r} ({int(np.count_nonzero(wrong))} rows differ)"
