"""Compares functions that only return the generator of another function with PySpark's worker."""

from __future__ import annotations

import functools

import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, StructField, StructType

from sparkweld.contract.constants import MAP_PANDAS
from tests.helpers.compiled import compare_with_worker
from udf_compiler.function.delegation import generator_behind

ROWS = StructType([StructField("a", DoubleType())])
BATCHES = [pa.record_batch({"a": pa.array([1.5, None, -0.0])}), pa.record_batch({"a": pa.array([2.0])})]
FACTOR = 3


def _scaled(frames, factor=2.0, *, shift=0.0):
    for frame in frames:
        frame["a"] = frame["a"] * factor + shift
        yield frame


def _scaled_last(factor, frames):
    yield from _scaled(frames, factor)


def _unlike(frames, seen=None):
    count = 0
    for frame in frames:
        count += 1
        yield frame * count


def _listed(*frames):
    for frame in frames[0]:
        yield frame + 1


def _by_name(*, frames):
    for frame in frames:
        yield frame + 1


def _nested():
    factor = 5.0
    return lambda frames: _scaled(frames, factor, shift=FACTOR)


def _unassigned():
    def function(frames):
        return _scaled(frames, later)

    if FACTOR < 0:
        later = 1.0
    return function


def _of_a_statement(frames):
    frames = iter(frames)
    return _scaled(frames)


def _of_a_branch(frames):
    return _scaled(frames) if FACTOR else _scaled(frames, 3.0)


@pytest.mark.parametrize(
    "function",
    [
        lambda frames: _scaled(frames),
        lambda frames: _scaled(frames, FACTOR),
        lambda frames: _scaled(frames, shift=1, factor=FACTOR),
        lambda frames: _scaled(factor=2, frames=frames),
        lambda frames, by=4.0: _scaled(frames, by),
        lambda frames, *, by=4.0: _scaled(frames, by, shift=by),
        _nested(),
    ],
)
def test_a_call_that_returns_a_generator(function):
    assert isinstance(generator_behind(function), functools.partial)
    compared = compare_with_worker(function, BATCHES, ROWS, MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 2, 0)


def test_the_place_of_the_batches():
    made = generator_behind(lambda frames: _scaled_last(FACTOR, frames))
    assert (made.func, made.args, made.keywords) == (_scaled_last, (FACTOR,), {})


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (lambda frames: _unlike(frames), "SW361"),
        (lambda frames: _unlike(frames, seen=frames), "SW210"),
        (lambda frames: _scaled(frames, frames), "SW210"),
        (lambda frames: _listed(frames), "SW210"),
        (lambda frames: _by_name(frames=frames), "SW210"),
        (lambda frames: _scaled(_scaled(frames)), "SW210"),
        (lambda frames: _scaled(frames, FACTOR + 1), "SW210"),
        (lambda frames: _scaled([]), "SW210"),
        (_of_a_statement, "SW210"),
        (_of_a_branch, "SW210"),
        (_unassigned(), "SW210"),
    ],
)
def test_what_is_refused(function, code):
    if code == "SW210":
        assert generator_behind(function) is function
    assert compare_with_worker(function, BATCHES, ROWS, MAP_PANDAS).refused == code


def test_a_wrong_call_stays_the_users():
    wrong = lambda frames: _scaled(frames, 1.0, 2.0, 3.0)  # noqa: E731
    assert generator_behind(wrong) is wrong
