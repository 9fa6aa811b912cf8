"""Compares plain UDFs of Spark ML's vectors with PySpark's worker: dense rows, NULLs, sparse rows, and vectors as results."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa
import pytest
from pyspark.ml.linalg import DenseVector, SparseVector, Vector, Vectors, VectorUDT
from pyspark.sql.types import ArrayType, BooleanType, DoubleType, IntegerType, StringType

from sparkweld.contract.constants import ARROW_BATCHED, SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker
from tests.helpers.lines import VECTOR

FLOATS = pa.list_(pa.float64())


def batch(*vectors):
    """Returns columns `v`, `w` of vectors, where the second is the first in reverse, and the arrays `xs` of the first."""
    v = pa.array(vectors, VECTOR)
    xs = [None if vector is None else vector[3] for vector in vectors]
    return pa.record_batch({"v": v, "w": pa.array(vectors[::-1], VECTOR), "xs": pa.array(xs, FLOATS)})


def dense(*numbers):
    return 1, None, None, list(numbers)


# Sums and products of these are exact in any order.
BATCH = batch(dense(0.25, 0.5, 4.0), dense(3.0, -1.0, 0.5), dense(8.0, 2.0, -0.0), dense(-1.0, 0.0, 16.0))
ODD = batch(dense(1.0), dense(), None, dense(math.nan, 1.0, 2.0), dense(math.inf, 0.0, 1.0), dense(2.0, 2.0))
SPARSE = batch(dense(0.5, 0.25), (0, 2, [1], [0.75]), dense(1.0, 2.0), (0, 2, [], []))
CENTRES = [Vectors.dense([0.5, -0.5, 0.0]), Vectors.dense([-1.0, 1.0, 0.25])]
NAMES = ["low", "middle", "high"]


def second(v, w, xs):
    return None if v is None else round(float(v[1]), 3)


def products(v, w, xs):
    return float(v.dot(w) + v.squared_distance(w) - w.dot(xs) + v.squared_distance(np.array(xs)))


def norms(v, w, xs):
    return float(v.norm(1) + v.norm(np.inf) + np.linalg.norm(w) ** 2) / float(CENTRES[1].norm(2))


def nearest(v, w, xs):
    apart = [float(v.squared_distance(centre)) for centre in CENTRES]
    return float(apart.index(min(apart))) + float(CENTRES[0].dot(v)) + len(CENTRES[1]) + float(CENTRES[1][2])


def builtins(v, w, xs):
    return float(max(v) - min(w) + len(v) + sum(v) + v.size) if v else -1.0


def of_array(v, w, xs):
    return float(v.values[0] + v.toArray()[-1] + v.array.sum() + v.argmax() + v.mean() + np.argmax(w) + np.sum(w) + v[1:].sum())


def looped(v, w, xs):
    total = 0.0
    for number in v:
        if number > 0.0:
            total += float(number) * 2
    return total + sum(float(x * 0.5) for x in w)


def operators(v, w, xs):
    made = (v - w) * 2 + 1 / (v + 0.5 + np.array([1.0, 2.0, 3.0])) - (3 - w) / 2
    return float((-made)[0] + made.values[1])


DOUBLES = [second, products, norms, nearest, builtins, of_array, looped, operators]


@pytest.mark.nightly_cases("products", "nearest", "looped", "operators")
@pytest.mark.parametrize("function", DOUBLES)
def test_numbers_of_vectors(function):
    compared = compare_with_worker(function, [BATCH], DoubleType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared
    for odd in (ODD, SPARSE):
        assert not compare_with_worker(function, [odd], DoubleType(), ARROW_BATCHED, kernel=True).refused


def name(v, w, xs):
    return NAMES[int(np.argmax(v.toArray()))] if v[0] < 5.0 else "none"


def numbers(v, w, xs):
    return v.toArray().tolist() if isinstance(v, DenseVector) else [0.0]


def same(v, w, xs):
    return v == w or v != w and isinstance(v, Vector) and not isinstance(v, SparseVector | np.ndarray | list)


def position(v, w, xs):
    return int(v.toArray().argmin()) if type(v) is DenseVector and hasattr(v, "toArray") else None


@pytest.mark.parametrize(
    ("function", "returns"),
    [(name, StringType()), (numbers, ArrayType(DoubleType())), (same, BooleanType()), (position, IntegerType())],
)
def test_other_results(function, returns):
    compared = compare_with_worker(function, [BATCH], returns, ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared
    assert not compare_with_worker(function, [SPARSE], returns, ARROW_BATCHED, kernel=True).refused


@pytest.mark.parametrize(
    "function",
    [
        lambda v, w, xs: Vectors.dense(xs), lambda v, w, xs: DenseVector(np.array(xs) * 2), lambda v, w, xs: v - w,
        lambda v, w, xs: None if v is None else Vectors.dense(v[0], 2.0, float(w[1])), lambda v, w, xs: -v / 3,
        lambda v, w, xs: Vectors.dense([x * 2 for x in xs]) if v[0] > 0.5 else v, lambda v, w, xs: Vectors.dense([1, 2]),
    ],
)  # fmt: skip
def test_vectors_as_results(function):
    compared = compare_with_worker(function, [BATCH], VectorUDT(), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared
    for odd in (ODD, SPARSE):
        assert not compare_with_worker(function, [odd], VectorUDT(), ARROW_BATCHED, kernel=True).refused


def test_sparse_rows_run_in_python():
    compared = compare_with_worker(second, [SPARSE], DoubleType(), ARROW_BATCHED, kernel=True)
    assert compared.flagged == 1 and compared.decided == 1 and not compared.raised


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (lambda v, w, xs: float((v // 2)[0]), "SW222"),  # Python raises: the class has no such operator
        (lambda v, w, xs: float((np.array(xs) + v)[0]), "SW222"), (lambda v, w, xs: float(v.prod()), "SW222"),
        (lambda v, w, xs: float(Vectors.sparse(2, [0], [1.0])[0]), "SW263"), (lambda v, w, xs: {v: 1.0}[v], "SW222"),
        (lambda v, w, xs: v.toArray(), "SW293"),
    ],
)  # fmt: skip
def test_other_uses_are_refused(function, code):
    assert compare_with_worker(function, [BATCH], DoubleType(), ARROW_BATCHED).refused == code


def test_results_that_are_no_vectors_are_refused():
    assert compare_with_worker(lambda v, w, xs: v.toArray(), [BATCH], VectorUDT(), ARROW_BATCHED).refused == "SW226"


def test_other_kinds_of_udfs_take_no_vectors():
    assert compare_with_worker(lambda v, w, xs: xs.map(len) * 1.0, [BATCH], DoubleType(), SCALAR_PANDAS).refused == "SW101"
