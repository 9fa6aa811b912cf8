"""Compares scalar Python functions with the plugin off and on: inside pandas UDFs, and as plain UDFs by both wire formats."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf

from tests.helpers.differential import check
from tests.helpers.lines import LINE
from tests.helpers.scalars import VALUES
from tests.helpers.transpiled import functions

ROWS = 3000
CODES = {1: 0.5, 2: 1.5, 7: -1.0}
NAMES = {"a": "first", "abc": "second", "é": "accent"}


def column(values, type, nulls):
    random = np.random.default_rng(len(values))
    drawn = [values[i] for i in random.integers(0, len(values), ROWS)]
    return pa.array([None if nulls and random.random() < 0.2 else v for v in drawn], type)


TAME = [-7, -2, -1, 0, 1, 2, 3, 7, 10, 25, 100, 999]
WORDS = [w for w in VALUES["str"] if w != "nan"]
TABLE = {
    "k": column(TAME, pa.int64(), False),
    "i": column(TAME, pa.int32(), False),
    "n": column(TAME, pa.int64(), True),
    "m": column(TAME, pa.int64(), True),
    "x": column([v / 4 for v in TAME] + [0.0, -0.0, 2.675, 1e10, float("nan"), float("inf")], pa.float64(), False),
    "y": column([v / 4 for v in TAME] + [float("nan")], pa.float64(), True),
    "f": column([v / 4 for v in TAME], pa.float32(), True),
    "b": column([True, False], pa.bool_(), True),
    "s": column(WORDS, pa.string(), True),
    "t": column(WORDS, pa.string(), False),
    "wild": column(VALUES["i64"], pa.int64(), True),
}


def succeeds(spark, query, ulp=0):
    """Checks that the outcome is rows, and that kernels produced them."""
    assert check(spark, query, ulp=ulp).kernel_batches


@pytest.fixture
def table(parquet):
    return parquet(TABLE)


def tier(v):
    if v < 0:
        return "none"
    elif v < 10:
        return "low"
    return "high"


def tax(v):
    owed, low = 0.0, 0.0
    for limit, rate in ((3, 0.1), (10, 0.2)):
        if v <= limit:
            return owed + (v - low) * rate
        owed += (limit - low) * rate
        low = limit
    return owed + (v - low) * 0.3


def ratio(a, b):
    try:
        return a / b
    except ZeroDivisionError:
        return None


def digits(v):
    total, v = 0, abs(v)
    while v > 0:
        total += v % 10
        v //= 10
    return total


PANDAS = {
    "k -> double": [lambda k: k.apply(tax), lambda k: pd.Series(np.vectorize(tax)(k)),
                    lambda k: pd.Series([tax(v) for v in k]), lambda k: k.apply(lambda v: v * 2 if v > 5 else v / 2),
                    lambda k: k.map(lambda v: CODES.get(v, 0.0))],
    "k -> long": [lambda k: k.apply(digits), lambda k: k.map(lambda v: max(0, min(v, 50))),
                  lambda k: pd.Series([v % 7 for v in k]), lambda k: k.apply(lambda v: None if v < 0 else v)],
    "k -> string": [lambda k: k.apply(tier), lambda k: k.apply(lambda v: f"<{v:04d}>")],
    "x -> double": [lambda x: x.apply(lambda v: round(v, 2)), lambda x: x.map(lambda v: v if v == v else -1.0),
                    lambda x: pd.Series(v * 2 if v > 0 else 0.0 for v in x), lambda x: x.apply(abs)],
    "x -> boolean": [lambda x: x.apply(lambda v: v > 1), lambda x: x.apply(math.isnan)],
    "y -> double": [lambda y: y.apply(lambda v: 0.0 if pd.isna(v) else v + 1),
                    lambda y: y.map(lambda v: v * 2, na_action="ignore")],
    "s -> string": [lambda s: s.apply(lambda v: f"Dear {v.strip()}" if v else "nobody"),
                    lambda s: s.map(lambda v: NAMES.get(v, v))],
    "t -> long": [lambda t: t.apply(len), lambda t: t.apply(lambda v: max((len(w) for w in v.split()), default=0))],
}  # fmt: skip


@pytest.mark.nightly(
    "test_batches_whose_dtype_depends_on_their_rows",
    "tests/udf_compiler/frontends/python/test_functions.py::test_pandas_infers_the_same",
)
def test_inside_of_pandas_udfs(spark, table):
    made = []
    for form, group in PANDAS.items():
        name, returns = form.split(" -> ")
        made += [pandas_udf(f, returns)(name).alias(f"{name}{len(made)}_{at}") for at, f in enumerate(group)]
    succeeds(spark, lambda: table.select(*made), ulp=1)
    rows = pandas_udf(lambda r: r.apply(lambda row: row["a"] / row["b"] if row["b"] > 0 else 0.0, axis=1), "double")
    succeeds(spark, lambda: table.select(rows(F.struct(F.col("x").alias("a"), F.col("k").alias("b"))).alias("r")))
    both = pandas_udf(lambda a, b: pd.Series([ratio(v, w) for v, w in zip(a, b)], dtype=float), "double")  # noqa: B905
    succeeds(spark, lambda: table.select(both("x", "y").alias("r"), both(F.col("x") * 2, F.col("k").cast("double")).alias("q")))


def test_batches_whose_dtype_depends_on_their_rows(spark, table):
    """An int column with NULLs is float64, and ints beside floats are float64 only where a batch has both."""
    halves = pandas_udf(lambda n: n.apply(lambda v: 0 if v != v else v), "double")
    succeeds(spark, lambda: table.select(halves("n").alias("r")))
    mixed = pandas_udf(lambda k: k.apply(lambda v: v if v > 5 else v / 2), "long")
    succeeds(spark, lambda: table.where("k > 5").select(mixed("k").alias("r")))


def test_errors_in_python_are_raised_with_kernels(spark, table):
    inverse = pandas_udf(lambda k: k.apply(lambda v: 10 / v), "double")
    check(spark, lambda: table.select(inverse("k").alias("r")), deopt=True)
    succeeds(spark, lambda: table.where("k > 0").select(inverse("k").alias("r")))
    check(spark, lambda: table.select(udf(lambda v: v + 1, "long")("n").alias("r")), deopt=True)
    check(spark, lambda: table.select(udf(lambda v: v * v if v is not None else 0, "long")("wild").alias("r")), deopt=True)


PLAIN = {
    "n -> double": [lambda n: None if n is None else n / 4, lambda n: None if n is None else CODES.get(n, 0.25),
                    lambda n: tax(n) if n is not None else -1.0],
    "n -> long": [lambda n: digits(n) if n is not None else None, lambda n: n if n is not None and n > 5 else 0],
    "n -> string": [lambda n: tier(n) if n is not None else None, lambda n: "-" if n is None else f"{n:03d}!"],
    "n -> boolean": [lambda n: n is None, lambda n: n is not None and n > 3],
    "y -> double": [lambda y: y, lambda y: 0.0 if y is None else y * 2, lambda y: None if y is None else round(y, 1)],
    "f -> double": [lambda f: f, lambda f: None if f is None else max(f, 0.5)],
    "b -> boolean": [lambda b: not b, lambda b: b],
    "s -> string": [lambda s: s, lambda s: None if s is None else s.strip().upper(), lambda s: NAMES.get(s, "other")],
    "s -> int": [lambda s: -1 if s is None else len(s), lambda s: 0 if s is None else s.find("a")],
    "k -> float": [lambda k: k / 4, lambda k: k * 1.1],
    "k -> int": [lambda k: k + 1, lambda k: k // 3],
}  # fmt: skip

#: Results of another class than the declared type: NULL by pickle, converted or raised by Arrow.
MISMATCHED = {
    "k -> double": [lambda k: k, lambda k: k > 3, lambda k: 1 if k > 3 else 0.5],
    "x -> long": [lambda x: 1.5, lambda x: 2 if x > 1 else 3.75],
    "k -> boolean": [lambda k: k],
    "k -> string": [lambda k: k, lambda k: k > 3],
    "k -> byte": [lambda k: k % 100],
}  # fmt: skip


def plain(form, arrow):
    name, returns = form.split(" -> ")
    return [udf(f, returns, useArrow=arrow)(name) for f in {**PLAIN, **MISMATCHED}[form]]


@pytest.mark.gate_cases("False")
@pytest.mark.parametrize("arrow", [True, False])
def test_plain_udfs(spark, table, arrow):
    made = [c.alias(f"r{at}") for at, c in enumerate(c for form in PLAIN for c in plain(form, arrow))]
    succeeds(spark, lambda: table.select(*made))


@pytest.mark.nightly("test_plain_udfs", "tests/udf_compiler/boundary/test_declared_types.py::test_results_of_every_kind")
@pytest.mark.parametrize("arrow", [True, False])
def test_plain_udfs_that_return_another_class(spark, table, arrow):
    for form in MISMATCHED:
        made = [c.alias(f"r{at}") for at, c in enumerate(plain(form, arrow))]
        succeeds(spark, lambda made=made: table.select(*made))


def test_an_int_that_is_too_large_for_its_type(spark, table):
    """By pickle it wraps; by Arrow it raises."""
    succeeds(spark, lambda: table.select(udf(lambda k: k * 1000, "byte", useArrow=False)("k").alias("r")))
    check(spark, lambda: table.select(udf(lambda k: k * 1000, "byte", useArrow=True)("k").alias("r")), deopt=True)


@pytest.mark.gate_cases("True")
@pytest.mark.parametrize("arrow", [True, False])
def test_chains_and_filters(spark, table, arrow):
    half = udf(lambda v: None if v is None else v / 2, "double", useArrow=arrow)
    kind = udf(lambda v: "none" if v is None else "big" if v > 3 else "small", "string", useArrow=arrow)
    succeeds(spark, lambda: table.select(kind(half("n")).alias("r"), half(half("n")).alias("q")))
    succeeds(spark, lambda: table.where(kind("n") == "big").select(half("n").alias("r")))


@pytest.mark.gate_cases("False")
@pytest.mark.parametrize("arrow", [True, False])
def test_functions_that_the_transpiler_accepts(spark, table, arrow):
    """They compile over rows without NULLs; tests/udf_compiler/frontends/python/test_transpiled.py covers None."""
    scope: dict = {"__name__": "__main__"}
    columns = []
    for at, (source, of) in enumerate(functions()):
        exec(source if source.startswith("def") else f"f = {source}", scope)
        names, sample = (("k", "i"), (3, 2)) if of == "number" else (("t", "t"), ("abc", "a"))
        columns.append(udf(scope["f"], declared(scope["f"], sample), useArrow=arrow)(*names).alias(f"r{at}"))
    succeeds(spark, lambda: table.where("i != 0").select(*columns))


def declared(function, sample):
    """Returns the return type that a result has."""
    return {bool: "boolean", str: "string"}.get(type(function(*sample)), "long")


def test_refused_functions_run_as_they_are(spark, table):
    def numbered(k):
        seen = []
        return k.apply(lambda v: seen.append(v) or len(seen))

    check(spark, lambda: table.select(pandas_udf(numbered, "long")("k").alias("r")), refused="SW295")
    # Pickled, as by default before 4.2, a result of another class is NULL.
    how = {"refused": "SW298"} if LINE >= (4, 2) else {}
    check(spark, lambda: table.select(udf(lambda v: 0 if v > 3 else "x", "double")("k").alias("r")), **how)
