"""Compares kernels over array columns, in and out and in every Spark representation, with the plugin off and on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf
from pyspark.sql.types import ArrayType, BooleanType, DoubleType, IntegerType, LongType, StringType
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.helpers.differential import check
from udf_compiler.frontends.tracing.lower import BY_VALUE

ON_HEAP = {"spark.sql.columnVector.offheap.enabled": "false"}
OFF_HEAP = {"spark.sql.columnVector.offheap.enabled": "true"}
#: `make nightly` repeats with the other vectors what does not depend on them: test_parquet reads both kinds.
OTHER_HEAP = pytest.param(OFF_HEAP, marks=pytest.mark.nightly)
ANY_HEAP = pytest.mark.parametrize("conf", [ON_HEAP, OTHER_HEAP], ids=["on-heap", "off-heap"])
ELEMENTS = {
    "boolean": pa.bool_(), "tinyint": pa.int8(), "smallint": pa.int16(), "int": pa.int32(), "bigint": pa.int64(),
    "float": pa.float32(), "double": pa.float64(),
}  # fmt: skip


def lists(type_: pa.DataType, rows: int, nulls: bool = True, longest: int = 9, seed: int = 3) -> pa.Array:
    """Returns arrays of lengths up to `longest`, some empty, some NULL; NaN and infinity among floats."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, longest + 1, rows)
    total = int(lengths.sum())
    if pa.types.is_boolean(type_):
        values = rng.random(total) < 0.5
    elif pa.types.is_floating(type_):
        values = rng.choice([0.5, -0.0, 1.5, -2.25, 1e10, np.nan, np.inf, 0.1], total)
    else:
        values = rng.integers(-100, 100, total)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    made = [values[a:b].tolist() for a, b in zip(ends[:-1], ends[1:], strict=True)]
    missing = rng.random(rows) < 0.1 if nulls else np.zeros(rows, bool)
    return pa.array([None if gone else items for gone, items in zip(missing, made, strict=True)], pa.list_(type_))


@udf(IntegerType())
def size(xs):
    return -1 if xs is None else len(xs)


@udf(DoubleType())
def total(xs):
    if xs is None:
        return None
    found = 0.0
    for x in xs:
        found += x
    return found


@pytest.mark.each_value_once  # ColumnCheck reads all combinations
@pytest.mark.parametrize("conf", [ON_HEAP, OFF_HEAP], ids=["on-heap", "off-heap"])
@pytest.mark.parametrize("dictionary", [True, False], ids=["dictionary", "plain"])
def test_parquet(spark, parquet, conf, dictionary):
    columns = {name: lists(type_, 6000) for name, type_ in ELEMENTS.items()}
    frame = parquet({"id": np.arange(6000), **columns}, dictionary=dictionary, row_group_size=2500)
    query = lambda: frame.select("id", *(f(c).alias(f"{c}{i}") for c in columns for i, f in enumerate((size, total))))  # noqa: E731
    check(spark, query, conf=conf)


def test_rows_filters_and_caches(spark, parquet):
    frame = parquet({"id": np.arange(3000), "xs": lists(pa.float64(), 3000)})
    shuffled = frame.repartition(2, "id").sortWithinPartitions("id")
    check(spark, lambda: shuffled.select("id", size("xs"), total("xs")).orderBy("id"))
    check(spark, lambda: frame.filter(F.col("xs").isNotNull() & (F.col("id") > 100)).select("id", "xs", total("xs")))
    check(spark, lambda: frame.select("id", total("xs").alias("t"), "xs").filter(F.col("t") > 1.0))


def test_null_elements_run_in_python(spark, parquet):
    made = pa.array([[1.0, 2.0], None, [], [3.0, None], [None]] * 10, pa.list_(pa.float64()))
    frame = parquet({"xs": made})
    check(spark, lambda: frame.select(size("xs")), deopt=True)
    good = frame.filter(~F.exists("xs", lambda x: x.isNull()))
    check(spark, lambda: good.select(size("xs"), total("xs")))


@pytest.mark.gate_cases("arrow")
@pytest.mark.parametrize("arrow", [True, False], ids=["arrow", "pickled"])
def test_of_plain_udfs_only_the_rows_with_such_elements_do(spark, parquet, arrow):
    made = [[1.0, None, 2.0] if i % 50 == 7 else [0.5] * (i % 5) if i % 9 else None for i in range(2000)]
    frame = parquet({"id": np.arange(2000), "xs": pa.array(made, pa.list_(pa.float64()))}, row_group_size=1000)
    known = udf(lambda xs: None if xs is None else len(xs), "int", useArrow=arrow)
    what = check(spark, lambda: frame.select("id", known("xs"), "xs"))
    assert what.guarded_rows == 40


@pytest.mark.nightly(
    "test_series_of_arrays",
    "tests/udf_compiler/frontends/python/test_lists.py::test_null_elements_of_floats_are_nan_in_ndarrays",
)
@ANY_HEAP
def test_of_floats_they_are_nan_in_pandas(spark, parquet, conf):
    made = [[1.0, None, 2.0] if i % 50 == 7 else [None] * (i % 3) if i % 11 == 0 else [0.5] * (i % 5) if i % 9 else None
            for i in range(2000)]  # fmt: skip
    columns = {"id": np.arange(2000), "xs": pa.array(made, pa.list_(pa.float64())), "ys": pa.array(made, pa.list_(pa.float32()))}
    frame = parquet(columns, row_group_size=700)

    @pandas_udf(DoubleType())
    def known(s: pd.Series) -> pd.Series:
        return s.map(lambda v: -1.0 if v is None else float(np.isnan(v).sum() * 100 + np.nan_to_num(v).sum()))

    check(spark, lambda: frame.select("id", known("xs"), known("ys"), "xs"), conf=conf)
    check(spark, lambda: frame.orderBy(F.desc("id")).select("id", known("xs"), known("ys")), conf=conf)
    both = lambda: frame.select("id", known("xs"), size("xs"))  # noqa: E731
    check(spark, both, conf=conf, deopt=None)
    check(spark, lambda: frame.repartition(2).localCheckpoint().select("id", known("xs")).orderBy("id"), conf=conf)


def test_long_arrays_and_no_rows(spark, parquet):
    frame = parquet({"xs": pa.array([[0.1] * 100_000, [], [1e16, 1.0, -1e16] * 1000], pa.list_(pa.float64()))})
    compensated = udf(lambda xs: sum(xs), "double")
    check(spark, lambda: frame.select(size("xs"), total("xs"), compensated("xs")))
    check(spark, lambda: frame.filter("size(xs) > 1000000").select(size("xs")), deopt=None)


def test_errors_are_those_of_python(spark, parquet):
    frame = parquet({"xs": lists(pa.int32(), 500, nulls=False)})
    third = udf(lambda xs: xs[2], "int")
    check(spark, lambda: frame.select(third("xs")), deopt=True)
    check(spark, lambda: frame.filter("size(xs) > 2").select(third("xs")))


def test_values_that_kernels_cannot_represent_are_refused(spark, parquet):
    frame = parquet({"n": pa.array([[[b"a"]], [], None], pa.list_(pa.list_(pa.binary())))})
    check(spark, lambda: frame.select(size("n")), refused="SW101")


WORDS = ["new", "sale", "", " Red ", "é", "日本語", "a longer text than a view of eight", "x,y", "NEW"]


def tags(rows: int, missing: bool = False, seed: int = 4) -> pa.Array:
    """Returns arrays of strings, some empty, some NULL; `missing`: some with a NULL element."""
    rng = np.random.default_rng(seed)
    made = [[WORDS[k] for k in rng.integers(0, len(WORDS), rng.integers(0, 7))] for _ in range(rows)]
    for row in range(0, rows, 11):
        made[row] = None
    for row in range(5, rows if missing else 0, 50):
        made[row] = ["a", None]
    return pa.array(made, pa.list_(pa.string()))


@udf(StringType())
def joined(xs):
    return None if xs is None else "|".join(xs)


@udf(ArrayType(StringType()))
def cleaned(xs):
    return None if xs is None else [x.strip().lower() for x in xs if x.strip()]


@udf(ArrayType(StringType()))
def ends(xs):
    return xs if not xs else sorted(xs)[:1] + xs[::-1]


@pytest.mark.each_value_once  # ColumnCheck reads all combinations
@pytest.mark.parametrize("conf", [ON_HEAP, OFF_HEAP], ids=["on-heap", "off-heap"])
@pytest.mark.parametrize("dictionary", [True, False], ids=["dictionary", "plain"])
def test_strings_in_parquet(spark, parquet, conf, dictionary):
    frame = parquet({"id": np.arange(5000), "xs": tags(5000)}, dictionary=dictionary, row_group_size=2500)
    check(spark, lambda: frame.select("id", size("xs"), joined("xs"), cleaned("xs"), ends("xs")), conf=conf)


@pytest.mark.nightly("test_rows_filters_and_caches", "test_strings_in_parquet")
def test_strings_in_rows_filters_and_results_of_results(spark, parquet):
    frame = parquet({"id": np.arange(3000), "xs": tags(3000), "s": pa.array([" ".join(WORDS[i % 9 :]) for i in range(3000)])})
    shuffled = frame.repartition(2, "id").sortWithinPartitions("id")
    check(spark, lambda: shuffled.select("id", joined("xs"), cleaned("xs")).orderBy("id"))
    parts = udf(lambda s: s.split(), "array<string>")
    check(spark, lambda: frame.select("id", parts("s").alias("p"), "xs").select(joined("p"), cleaned("p"), joined("xs")))
    check(spark, lambda: frame.filter("size(xs) > 2").select("id", ends("xs")).filter(F.col("id") % 3 == 0))
    check(spark, lambda: frame.select(F.explode(ends("xs")).alias("x")).groupBy("x").count().orderBy("x"))
    known = udf(lambda s: s[-1] if s else None, "string", useArrow=False)
    check(spark, lambda: frame.select(known(cleaned("xs")), parts("s")[1]))


@pytest.mark.gate_cases("arrow")
@pytest.mark.parametrize("arrow", [True, False], ids=["arrow", "pickled"])
def test_arrays_with_a_null_string_run_in_python(spark, parquet, arrow):
    frame = parquet({"id": np.arange(2000), "xs": tags(2000, missing=True)}, row_group_size=1000)
    count = udf(lambda xs: None if xs is None else sum(x is not None for x in xs), "int", useArrow=arrow)
    what = check(spark, lambda: frame.select("id", count("xs"), "xs"))
    assert what.guarded_rows == 40


def test_strings_that_raise(spark, parquet):
    frame = parquet({"xs": tags(500)})
    first = udf(lambda xs: xs[0].upper(), "string")
    check(spark, lambda: frame.select(first("xs")), deopt=True)
    check(spark, lambda: frame.filter("size(xs) > 0").select(first("xs")))


@pytest.mark.nightly("test_series_of_arrays", "test_strings_in_parquet")
def test_strings_in_pandas_udfs(spark, parquet):
    @pandas_udf("long")
    def count(s: pd.Series) -> pd.Series:
        return s.str.len().fillna(0).astype("int64")

    @pandas_udf("string")
    def last(s: pd.Series) -> pd.Series:
        return s.map(lambda xs: xs[-1] if xs is not None and len(xs) else None)

    @pandas_udf("array<string>")
    def some(s: pd.Series) -> pd.Series:
        return s.apply(lambda xs: None if xs is None else [x.upper() for x in xs if x in ("new", "sale")])

    @pandas_udf("array<string>")
    def behind(s: pd.Series) -> pd.Series:
        return s.map(lambda xs: xs if xs is None else xs[1:])

    @pandas_udf("string")
    def line(s: pd.Series) -> pd.Series:
        return s.str[:3].str.join("/")

    @pandas_udf("array<string>")
    def pieces(s: pd.Series) -> pd.Series:
        return s.str.lower().str.split(",")

    @pandas_udf("array<string>")
    def words(s: pd.Series) -> pd.Series:
        return s.str.split().map(lambda xs: None if xs is None else sorted(xs))

    frame = parquet({"id": np.arange(2000), "xs": tags(2000)})
    check(spark, lambda: frame.select("id", count("xs"), last("xs"), some("xs"), behind("xs")))
    check(spark, lambda: frame.select("id", line("xs"), pieces(joined("xs")), words(line("xs"))))


RNG = np.random.default_rng(5)
X = RNG.normal(size=(300, 16))
LABELS = X @ RNG.normal(size=16) > 0
FOREST = RandomForestClassifier(n_estimators=5, max_depth=4, random_state=0).fit(X, LABELS)
PIPELINE = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, LABELS)
CENTRE, WEIGHTS = X.mean(axis=0), RNG.integers(-3, 4, 16).astype(float)


def embeddings(rows: int) -> pa.Array:
    return pa.array(list(np.random.default_rng(9).normal(size=(rows, 16))), pa.list_(pa.float64()))


@pytest.mark.nightly("test_series_of_arrays", "tests/udf_compiler/frontends/python/test_row_arrays.py::test_models_of_one_row")
def test_models_score_arrays_of_features(spark, parquet):
    @pandas_udf(DoubleType())
    def score(s: pd.Series) -> pd.Series:
        return pd.Series(PIPELINE.predict_proba(np.stack(s))[:, 1])

    @pandas_udf(BooleanType())
    def label(s: pd.Series) -> pd.Series:
        return pd.Series(FOREST.predict(np.vstack(s.values)))

    @pandas_udf(DoubleType())
    def weighed(s: pd.Series) -> pd.Series:
        return pd.Series((np.array(s.tolist()) - CENTRE) / 2.0 @ WEIGHTS)

    @pandas_udf(DoubleType())
    def spread(s: pd.Series) -> pd.Series:
        return pd.Series(np.abs(np.stack(s) * 2.0).reshape(-1, 16).max(axis=1))

    frame = parquet({"id": np.arange(5000), "xs": embeddings(5000)})
    check(spark, lambda: frame.select("id", label("xs"), spread("xs")))
    check(spark, lambda: frame.select("id", F.round(score("xs"), 10), F.round(weighed("xs"), 10)))
    rows = embeddings(900).to_pylist()
    for other in ([*rows[0], 0.5], rows[0][:3], None, [*rows[0][:15], None]):
        is_wide = other is not None and len(other) == 16  # its NULL is a NaN
        odd = parquet({"id": np.arange(901), "xs": pa.array([*rows, other], pa.list_(pa.float64()))}, name=str(len(other or "")))
        check(spark, lambda odd=odd: odd.select("id", label("xs")), deopt=not is_wide)
        check(spark, lambda odd=odd: odd.filter("id < 900").select("id", label("xs")))


@ANY_HEAP
def test_series_of_arrays(spark, parquet, conf):
    def series(function, returns):
        return pandas_udf(function, returns)

    def lengths(s: pd.Series) -> pd.Series:
        return s.str.len()

    def firsts(s: pd.Series) -> pd.Series:
        return s.str[0] * 2

    def lasts(s: pd.Series) -> pd.Series:
        return s.str.get(-1)

    def sums(s: pd.Series) -> pd.Series:
        return s.map(lambda v: 0.0 if v is None else v.sum())

    def means(s: pd.Series) -> pd.Series:
        return s.apply(lambda v: None if v is None or len(v) == 0 else np.mean(v) / v.size)

    def squares(s: pd.Series) -> pd.Series:
        return s.apply(lambda v: -1.0 if v is None else sum(x * x for x in v))

    def missing(s: pd.Series) -> pd.Series:
        return s.isna()

    kinds = [(lengths, DoubleType()), (firsts, DoubleType()), (lasts, DoubleType()), (sums, DoubleType()), (means, DoubleType()),
             (squares, DoubleType()), (missing, BooleanType())]  # fmt: skip
    frame = parquet({"id": np.arange(4000), "xs": lists(pa.float64(), 4000)}, row_group_size=1500)
    check(spark, lambda: frame.select("id", *(series(f, t)("xs").alias(f.__name__) for f, t in kinds)), conf=conf)
    ints = parquet({"xs": lists(pa.int32(), 2000, nulls=False), "ys": lists(pa.int64(), 2000, nulls=False)}, name="i")
    total = lambda s: s.map(lambda v: v.sum())  # noqa: E731
    check(spark, lambda: ints.select(*(series(named(f), LongType())(c) for f in (total, lengths) for c in ("xs", "ys"))))


def named(function):
    def wrapped(s: pd.Series) -> pd.Series:
        return function(s)

    return wrapped


def test_iterators_and_maps_of_arrays(spark, parquet):
    @pandas_udf(DoubleType())
    def in_turn(batches: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for s in batches:
            yield s.map(lambda v: float(len(v)))

    def frames(batches):
        for df in batches:
            yield pd.DataFrame({"id": df["id"], "n": df["xs"].map(len)})

    frame = parquet({"id": np.arange(3000), "xs": lists(pa.float64(), 3000, nulls=False)})
    check(spark, lambda: frame.select("id", in_turn("xs")))
    check(spark, lambda: frame.mapInPandas(frames, "id long, n long"))


def test_other_uses_of_series_of_arrays_are_refused(spark, parquet):
    def remainders(s: pd.Series) -> pd.Series:
        return s % 2

    def sides(s: pd.Series) -> pd.Series:
        return pd.Series(np.stack(s).sum(axis=1))

    frame = parquet({"xs": embeddings(20)})
    check(spark, lambda: frame.select(pandas_udf(remainders, DoubleType())("xs")), refused="SW224")
    check(spark, lambda: frame.select(pandas_udf(sides, DoubleType())("xs")), refused="SW225")


@pytest.mark.gate_cases("arrow")
@pytest.mark.parametrize("arrow", [True, False], ids=["arrow", "pickled"])
def test_arrays_as_results(spark, parquet, arrow):
    def kind(function, returns):
        return udf(function, ArrayType(returns), useArrow=arrow)

    tail = kind(lambda xs: None if xs is None else xs[1:], DoubleType())
    same = kind(lambda xs: xs, DoubleType())
    pair = kind(lambda xs, i: [] if not xs else [xs[0], float(i), sum(xs)], DoubleType())
    flags = kind(lambda i: [i % 2 == 0, i > 7], BooleanType())
    numbers = kind(lambda i: [int(i), int(i) * 3], LongType())
    frame = parquet({"id": np.arange(4000), "xs": lists(pa.float64(), 4000)}, row_group_size=1500)
    check(spark, lambda: frame.select("id", tail("xs"), same("xs"), pair("xs", "id"), flags("id"), numbers("id")))
    longer = frame.select("id", pair("xs", "id").alias("p")).filter("id % 3 = 0")
    check(spark, lambda: longer.select("id", "p", F.size("p"), F.element_at("p", 1)).orderBy("id"))
    check(spark, lambda: longer.groupBy(F.size("p")).count())


#: `test_arrays_as_results` converts results of both kinds of functions.
@pytest.mark.nightly(
    "test_arrays_as_results",
    "tests/udf_compiler/frontends/python/test_lists.py::test_functions_that_make_lists",
)
@pytest.mark.parametrize("arrow", [True, pytest.param(False, marks=pytest.mark.nightly)], ids=["arrow", "pickled"])
def test_arrays_that_grow_in_loops(spark, parquet, arrow):
    def kind(function, returns):
        return udf(function, ArrayType(returns), useArrow=arrow)

    def running(xs):
        total, out = 0.0, []
        for x in xs or []:
            total += x
            out.append(total)
        return out

    def split(xs):
        low, high = [], []
        for x in xs:
            if x < 0:
                low.append(x)
            else:
                high.append(x)
        return low if len(low) > len(high) else high

    twice = kind(lambda xs: None if xs is None else [x * 2 for x in xs if x == x], DoubleType())
    narrow = kind(lambda ys: [y * 60 for y in ys], IntegerType())
    counted = kind(lambda i: [k * k for k in range(i % 40)], LongType())
    columns = {"id": np.arange(3000), "xs": lists(pa.float64(), 3000), "ys": lists(pa.int32(), 3000, nulls=False)}
    frame = parquet(columns, row_group_size=1500)
    totals, parts = kind(running, DoubleType()), kind(split, IntegerType())
    check(spark, lambda: frame.select("id", twice("xs"), totals("xs"), narrow("ys"), counted("id"), parts("ys")))
    made = lambda: frame.select("id", twice("xs").alias("a"), counted("id").alias("b"))  # noqa: E731
    check(spark, lambda: made().filter("id % 7 = 1").select("a", F.size("b"), F.element_at("b", -1)))
    tight = kind(lambda ys: [y * 30_000_000 for y in ys], IntegerType())  # some are too large for an integer
    check(spark, lambda: frame.filter("id < 300").select(tight("ys")), deopt=True)
    long = parquet({"xs": pa.array([[0.5] * 200_000, [], [1.0] * 70_000] * 3, pa.list_(pa.float64()))}, name="long")
    check(spark, lambda: long.select(totals("xs")))


WEIGHTS_OF_THREE = np.array([0.5, -1.0, 2.0])


@pytest.mark.nightly(
    "test_series_of_arrays_as_results",
    "tests/udf_compiler/frontends/pandas/test_array_arithmetic.py::test_floats",
)
def test_arithmetic_of_arrays(spark, parquet):
    def each(function, returns=DoubleType()):  # noqa: B008
        return pandas_udf(named(lambda s: s.map(function)), returns)

    def standardized(v):
        return None if v is None or len(v) < 2 or v.std() == 0 else (v - v.mean()) / v.std()

    def decayed(v):
        total = 0.0
        for x in v * 0.5:
            total = total * 0.9 + x
        return total

    frame = parquet({"id": np.arange(3000), "xs": embeddings(3000), "ys": lists(pa.int32(), 3000, nulls=False),
                     "zs": lists(pa.float32(), 3000), "ws": lists(pa.int64(), 3000)}, row_group_size=1500)  # fmt: skip
    doubles = [
        each(lambda v: v * 2 + 1, ArrayType(DoubleType())), each(standardized, ArrayType(DoubleType())), each(decayed),
        each(lambda v: v[v > 0], ArrayType(DoubleType())), each(lambda v: (v[:3] * WEIGHTS_OF_THREE).sum()),
        each(lambda v: np.where(v > 0, v, -v).max()), each(lambda v: np.sqrt((v * v).sum())),
        each(lambda v: [x * 2 for x in v[v > v.mean()]], ArrayType(DoubleType())),
    ]  # fmt: skip
    check(spark, lambda: frame.select("id", *(f("xs") for f in doubles)))
    ints = [
        each(lambda v: v * 30_000_000, ArrayType(IntegerType())), each(lambda v: v[v % 2 == 0], ArrayType(IntegerType())),
        each(lambda v: (v // 7).sum(), LongType()), each(lambda v: v[:2].sum() * 3 if len(v) > 1 else 0, LongType()),
    ]  # fmt: skip
    check(spark, lambda: frame.select("id", *(f("ys") for f in ints)))
    known = [
        each(lambda v: None if v is None or len(v) == 0 else v[0] * 3 + v[-1]), each(lambda v: 0 if v is None else (v > 1).sum()),
        each(lambda v: None if v is None else (v / 3).sum()),
    ]  # fmt: skip
    singles = known[1:] if BY_VALUE else known  # NumPy before 2 multiplies an element as float64 (SW251)
    check(spark, lambda: frame.select("id", *(f("zs") for f in singles), *(f("ws") for f in known)))


def test_series_of_arrays_as_results(spark, parquet):
    @pandas_udf(ArrayType(DoubleType()))
    def heads(s: pd.Series) -> pd.Series:
        return s.map(lambda v: None if v is None else v[:2])

    frame = parquet({"id": np.arange(2000), "xs": embeddings(2000), "ys": lists(pa.float64(), 2000)})
    check(spark, lambda: frame.select("id", heads("xs")))
    check(spark, lambda: frame.select("id", heads("ys")), deopt=True)  # a NaN would be a NULL

    @pandas_udf(ArrayType(DoubleType()))
    def positive(s: pd.Series) -> pd.Series:
        return s.apply(lambda v: [] if v is None else [x * 2 for x in v if x > 0])

    @pandas_udf(ArrayType(LongType()))
    def counted(s: pd.Series) -> pd.Series:
        return s.map(lambda n: [k * k for k in range(n % 9)])

    check(spark, lambda: frame.select("id", positive("xs"), positive("ys"), counted("id")))


SPARKS = ["transform(a, v -> coalesce(v, 0) + 1)", "filter(a, v -> v > 1)", "aggregate(a, 0, (s, v) -> s + coalesce(v, 0))"]


def test_functions_of_spark_over_arrays_with_nulls(spark, parquet):
    """Spark functions read NULL elements: off-heap vectors have no dictionary id for these, and Spark's reader then fails."""
    arrays = [[1, None, 3], [None, None], [2], None, [5, 5, None, 7]] * 50
    frame = parquet({"a": pa.array(arrays, pa.list_(pa.int32())), "x": pa.array(range(250), pa.float64())}, dictionary=True)
    doubled = pandas_udf(lambda x: x * 2.0, "double")
    for function in SPARKS:
        assert len(frame.selectExpr(function).collect()) == 250
    check(spark, lambda: frame.select(*map(F.expr, SPARKS), doubled("x").alias("r")))
