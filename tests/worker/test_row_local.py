"""Compares UDFs that are declared row-local, and take distinct rows, with the originals in PySpark's worker, batch by batch."""

from __future__ import annotations

import datetime
from functools import partial

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.ml.functions import predict_batch_udf
from pyspark.serializers import CPickleSerializer
from pyspark.sql.types import (
    ArrayType,
    DateType,
    DoubleType,
    FloatType,
    LongType,
    MapType,
    StringType,
    StructType,
)

from sparkweld.annotations import Rows, row_local, splittable
from sparkweld.errors import Refusal
from sparkweld.worker import row_local as workers
from sparkweld.worker.counts import counts
from tests.helpers.answers import compile_fused
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from tests.helpers.lines import PythonEvalType, of_worker_conversions
from tests.worker import test_arrow

pytestmark = of_worker_conversions

#: The rows of each call, by functions that are pickled by name.
CALLS: list[int] = []
N, BATCH = 6000, 1500
RNG = np.random.default_rng(12)
SOME = RNG.random(N) < 0.1
POOL = np.array([f"{'x' * (k % 40)} é{k}" for k in range(40)], object)
REPEATED = RNG.choice(POOL, N)
NEW = np.array([f"{'y' * (k * 7 % 31)}{k}" for k in range(N)], object)
TEXTS = {
    "repeated": pa.array(REPEATED), "repeated or NULL": pa.array(REPEATED, mask=SOME), "new": pa.array(NEW),
    "half": pa.array(np.where(SOME, NEW, REPEATED)), "all NULL": pa.nulls(N, pa.string()), "few rows": pa.array(NEW[:50]),
    "a slice": pa.array(REPEATED).slice(5, 5000),
}  # fmt: skip
INTS = RNG.integers(-3, 4, N)
FLOATS = RNG.choice(np.array([0.0, -0.0, np.nan, 1.5, np.inf]), N)
NUMBERS = {
    "long": {"all": pa.array(INTS), "some NULL": pa.array(INTS, mask=SOME), "large": pa.array(INTS + (1 << 60))},
    "double": {"all": pa.array(FLOATS), "some NULL": pa.array(FLOATS, mask=SOME)},
    "boolean": {"all": pa.array(INTS > 0), "some NULL": pa.array(INTS > 0, mask=SOME)},
    "date": {"some NULL": pa.array((INTS + 99).astype("datetime64[D]"), mask=SOME)},
}
VECTOR = ArrayType(FloatType())
STRUCT = StructType().add("n", LongType())
PANDAS, EACH, ARROW = (
    getattr(PythonEvalType, f"SQL_SCALAR_{kind}_UDF", 0) for kind in ("PANDAS", "PANDAS_ITER", "ARROW")
)  # fmt: skip
worker = partial(test_arrow.worker, confs=test_arrow.CONFS)


@pytest.fixture(autouse=True)
def _fresh():
    workers._kept.clear()
    CALLS.clear()
    counts.told(16)
    yield
    workers._kept.clear()


def compiled(function, returns, *inputs):
    """Returns the group of a UDF of columns of these Spark types."""
    entry = udf(0, *(column(f"c{i}", t) for i, t in enumerate(inputs)), returns=returns.simpleString())
    entry["evalType"] = kind_of(function)
    made = request(python_step(r=entry), pandas=test_arrow.CONFS)
    (group,) = compile_fused({**made, "op": "fuse"}, [payload(function, returns)])["fused"]
    return group


def kind_of(function):
    return getattr(function, "kind", PANDAS)


def check(function, returns, arrays, *inputs, most=N):
    """Compares the results over batches of arrays, joined to at most `most` rows. Returns the rows of the calls."""
    command = bytes.fromhex(compiled(function, returns, *inputs)["payloads"][0])
    rows = len(arrays[0])
    pieces = [worker([payload(function, returns)], kind_of(function), [[a.slice(i, BATCH) for a in arrays]])
              for i in range(0, rows, BATCH)]  # fmt: skip
    wanted = next((piece for piece in pieces if isinstance(piece, tuple)), None) or pa.concat_arrays(pieces)
    CALLS.clear()
    starts = pa.array(np.arange(rows) % BATCH == 0)
    joined = [[x.slice(i, most) for x in (*arrays, starts)] for i in range(0, rows, most)]
    got = worker([command], PythonEvalType.SQL_SCALAR_ARROW_UDF, joined, {"sparkweld_starts": len(arrays)})
    assert got == wanted if isinstance(wanted, tuple) else repr(got.to_pylist()) == repr(wanted.to_pylist()), (got, wanted)
    assert isinstance(got, tuple) or got.type == wanted.type
    return list(CALLS)


def vectors(s):
    CALLS.append(len(s))
    texts = [t or "" for t in s]
    matrix = np.array([[len(t), -0.0, np.nan, hash_of(t)] for t in texts], np.float32)
    return pd.Series(list(matrix))


def hash_of(text):
    return sum((i + 1) * ord(c) for i, c in enumerate(text)) / 7


def lengths(s):
    CALLS.append(len(s))
    return s.str.len()


def days(s):
    CALLS.append(len(s))
    return s.str.len().map(lambda n: None if n != n else datetime.date(2000, 1, 1 + int(n) % 28))


def words(s):
    CALLS.append(len(s))
    return s.map(lambda t: None if t is None else [None, [t], t.split()])


def written(x):
    CALLS.append(len(x))
    return pd.Series([f"{v!r} {x.dtype}" for v in x.tolist()])


@row_local
def both(a, b):
    CALLS.append(len(a))
    return a.fillna("") + b.map(repr)


ROW_LOCAL = [
    (vectors, VECTOR), (lengths, DoubleType()), (days, DateType()), (words, ArrayType(ArrayType(StringType()))),
    (written, StringType()),
]  # fmt: skip
for _function, _ in ROW_LOCAL:
    row_local(_function)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(("function", "returns"), ROW_LOCAL)
def test_strings(function, returns, name, capfd):
    calls = check(function, returns, [TEXTS[name]], "string")
    assert calls and not capfd.readouterr().err
    if name == "repeated":
        # Of each way of the check, then the distinct rows in one call.
        assert calls == [64, 16, 16, 16, 16, 40]
    assert name != "few rows" or calls == [50]


#: The JVM does not join batches with NULLs, except among floats.
JOINED = [(t, name, most) for t, states in NUMBERS.items() for name in states for most in (BATCH, N)
          if most == BATCH or t == "double" or name != "some NULL"]  # fmt: skip


@pytest.mark.parametrize(("spark_type", "name", "most"), JOINED)
def test_numbers(spark_type, name, most, capfd):
    check(written, StringType(), [NUMBERS[spark_type][name]], spark_type, most=most)
    assert not capfd.readouterr().err


def test_several_columns():
    calls = check(both, StringType(), [TEXTS["repeated or NULL"], NUMBERS["double"]["all"]], "string", "double")
    assert calls == [64, 16, 16, 16, 16, 41 * 5] and counts.repeated_rows == N - calls[-1] and counts.original_rows == 0


def test_later_batches_find_earlier_results():
    calls = check(vectors, VECTOR, [pa.array(NEW[np.arange(N) % 2000])], "string", most=3000)
    assert calls == [64, 16, 16, 16, 16, 1500, 500]  # 2,000 distinct rows in calls of at most a batch of Spark; then none


def test_no_call_takes_more_rows_than_a_batch_of_spark(monkeypatch):
    monkeypatch.setattr(workers, "_TRIED_AFTER", 0)
    conversions = lambda arrays: [a.to_pandas() for a in arrays], lambda result, rows: pa.array(result)
    loaded = workers.load(b"digest 0.0 lengths", 0, lambda: lengths, conversions, None)
    starts = pa.array(np.arange(N) % 50 == 0)
    for size in (None, 256, 32):
        loaded.state.checked, loaded.state.order = True, workers.Order()
        loaded.state.order.size, loaded.state.order._left = size, []
        got = loaded(TEXTS["new"], sparkweld_starts=starts)
        assert got.to_pylist() == [len(t) for t in NEW] and max(CALLS) == min(size or 50, 50)
        loaded.state.cache = workers.ResultCache()
        CALLS.clear()


def test_rows_are_passed_by_length_where_that_is_faster(monkeypatch):
    monkeypatch.setattr(workers, "_TRIED_AFTER", 0)
    clock = [0.0]
    monkeypatch.setattr(workers.time, "perf_counter", lambda: clock[0])

    def padded(s):
        CALLS.append(len(s))
        clock[0] += len(s) * s.str.len().max()
        return s.str.len()

    conversions = lambda arrays: [a.to_pandas() for a in arrays], lambda result, rows: pa.array(result)
    loaded = workers.load(b"digest 0.0 padded", 0, lambda: padded, conversions, None)
    for array in (TEXTS["half"], TEXTS["new"]):
        got = loaded(array, sparkweld_starts=pa.array(np.arange(N) == 0))
        assert got.to_pylist() == [len(t) for t in array.to_pylist()]
    # After the check and the first batch, four trials of 256 rows in one call, and two of eight calls; then 32 rows a call.
    assert loaded.state.order.size == 32 and CALLS[:5] == [64, 16, 16, 16, 16]
    rest = CALLS[6:]
    assert [rest.count(256), rest[:3], set(rest[20:-1])] == [4, [256, 256, 32], {32}] and not loaded.state.order.tries


def test_series():
    """Over rows, the worker passes Series: one call takes the distinct rows."""
    function = CPickleSerializer().loads(bytes.fromhex(compiled(vectors, VECTOR, "string")["payloads"][0]))[0]
    for values in (REPEATED, NEW, np.where(SOME, None, REPEATED)):
        series = pd.Series(values)
        got, calls = function(series), CALLS[-1]
        wanted = vectors(series)
        assert repr(got.map(np.ndarray.tolist).tolist()) == repr(wanted.map(np.ndarray.tolist).tolist())
        assert calls == len(set(values)) and got.index.equals(pd.RangeIndex(N))
    assert counts.repeated_rows == 2 * N - 40 - 41 and counts.original_rows == 0


def test_series_are_ordered_in_one_call(monkeypatch):
    monkeypatch.setattr(workers, "_TRIED_AFTER", 0)
    clock, ordered = [0.0], []
    monkeypatch.setattr(workers.time, "perf_counter", lambda: clock[0])

    def padded(s):
        sizes = s.str.len()
        ordered.append(sizes.is_monotonic_increasing)
        clock[0] += sizes.rolling(64, min_periods=1).max().sum()  # as a model that takes 64 at a time
        return sizes

    loaded = workers.load(b"digest 0.0 padded", 0, lambda: padded, (None, lambda result, rows: pa.array(result)), None)
    for _ in range(7):
        assert loaded(pd.Series(NEW)).tolist() == [len(t) for t in NEW]
    assert ordered[5:] == [False, False, True, False, True, True, True]


def whole(s):
    return s.str.len() - s.str.len().mean()


def picky(s):
    if len(s) < 1000:
        raise ValueError("too few rows")
    return s.str.len()


def short(s):
    return s.str.len()[: max(len(s) - 1, 50)] if len(s) < 1000 else s.str.len()


def refusing(s):
    if (s == POOL[3]).any():
        raise KeyError(POOL[3])
    return s.str.len()


@pytest.mark.parametrize(
    ("function", "warning"),
    [
        (whole, "f runs on the batches of Spark: it is declared row-local, and a row's result depends on the other rows"),
        (picky, "f runs on the batches of Spark: it fails for some rows of a batch: ValueError: too few rows"),
        (short, "f runs on the batches of Spark: it fails for some rows of a batch: TypeError: its result for 64 rows"),
        (refusing, None),
    ],
)
def test_broken_promises(function, warning, capfd):
    for array in (TEXTS["half"], TEXTS["new"]):
        check(row_local(function), DoubleType(), [array], "string", most=3000)
        said = capfd.readouterr().err
        assert said.count("SparkWeld") == (warning is not None) and (warning or "") in said
        workers._kept.clear()


def rounding(s):
    """Returns vectors whose last digits depend on the number of rows, as those of many networks do."""
    CALLS.append(len(s))
    made = np.array([[len(t), hash_of(t), np.nan] for t in s], np.float32)
    return pd.Series(list(made * np.float32(1 + (len(s) % 7) * 3e-7)))


@pytest.mark.parametrize(("rtol", "holds"), [(0.0, False), (1e-9, False), (1e-5, True)])
def test_a_tolerance_is_declared(rtol, holds, capfd):
    function = row_local(rtol=rtol)(rounding)
    command = bytes.fromhex(compiled(function, VECTOR, "string")["payloads"][0])
    starts = pa.array(np.arange(N) % BATCH == 0)
    got = worker([command], PythonEvalType.SQL_SCALAR_ARROW_UDF, [[TEXTS["half"], starts]], {"sparkweld_starts": 1})
    calls = list(CALLS)
    cuts = [TEXTS["half"].slice(i, BATCH).to_pandas() for i in range(0, N, BATCH)]
    wanted = np.stack([row for cut in cuts for row in rounding(cut)])
    assert np.allclose(np.array(got.to_pylist(), np.float32), wanted, rtol=1e-5, equal_nan=True)
    assert ("depends on the other rows" in capfd.readouterr().err) is not holds
    assert calls[-1] == (len(TEXTS["half"].unique()) if holds else BATCH)


def test_tolerances_in_explain_and_in_exact_plans():
    entry = udf(0, column("s", "string"), returns=VECTOR.simpleString())
    made = {**request(python_step(r=entry), pandas=test_arrow.CONFS), "op": "fuse"}
    blob = payload(row_local(rtol=1e-5)(rounding), VECTOR)
    (group,) = compile_fused(made, [blob])["fused"]
    assert group["stages"][0].endswith("1 out, for distinct rows, floats within 1e-05 of the largest of their row")
    with pytest.raises(Refusal) as refused:
        compile_fused({**made, "conf": {**made["conf"], "exact": True}}, [blob])
    assert refused.value.code == "SW232"


@pytest.mark.parametrize(
    ("a", "b", "rtol", "near"),
    [
        ([1.0, 1e-9], [1.0, 2e-9], 1e-6, True), ([1.0, 1e-9], [1.0, 2e-9], 0.0, False), (1.0, 1.1, 1e-6, False),
        (0.0, -0.0, 0.0, False), ([1.0], [1.0, 1.0], 0.01, False), ("a", "b", 0.01, False), (3, 4, 0.01, False),
        ([float("nan")], [float("nan")], 0.0, True), ([float("nan"), 1.0], [1.0, 1.0], 0.01, False),
        ([None, [1.0]], [None, [1.001]], 0.01, True), ([None, [1.0]], [[1.0], None], 0.01, False),
        (float("inf"), float("inf"), 0.01, True), (float("inf"), 1.0, 0.01, False),
    ],
)  # fmt: skip
def test_near(a, b, rtol, near):
    assert workers._is_near(a, b, rtol) is near


def test_a_reused_buffer_is_not_shared():
    buffer = np.zeros((N, 2), np.float32)

    def reusing(s):
        made = buffer[: len(s)]
        made[:, 0], made[:, 1] = s.str.len(), [ord(t[-1]) for t in s]
        return pd.Series(list(made))

    reusing.__module__ = "__main__"
    check(row_local(reusing), VECTOR, [TEXTS["half"]], "string", most=3000)
    function = CPickleSerializer().loads(bytes.fromhex(compiled(reusing, VECTOR, "string")["payloads"][0]))[0]
    got = function(pd.Series(REPEATED))
    assert [v.tolist() for v in got] == [[len(t), ord(t[-1])] for t in REPEATED]


STARTED: list[str] = []


def each(batches):
    STARTED.append("each")
    for s in batches:
        CALLS.append(len(s))
        yield s.str.len()


def each_later(batches):
    """Returns a batch's rows only after it has requested the next one."""
    STARTED.append("later")
    last = None
    for s in batches:
        if last is not None:
            yield last
        last = s.str.len()
    yield last


def each_half(batches):
    for s in batches:
        yield s[: len(s) // 2].str.len()
        yield s[len(s) // 2 :].str.len()


def each_pair(batches):
    for a, b in batches:
        yield a.str.len() + b


for _function in (each, each_later, each_half, each_pair):
    row_local(_function).kind = EACH


@pytest.mark.parametrize("function", [each, each_later, each_half])
def test_iterators(function, capfd):
    STARTED.clear()
    calls = check(function, DoubleType(), [TEXTS["half"]], "string", most=3000)
    assert not capfd.readouterr().err
    if function is each:
        assert calls[:5] == [64, 16, 16, 16, 16] and len(calls) == 7 and sum(calls[5:]) == len(TEXTS["half"].unique())
        assert STARTED == ["each"] * (1 + N // BATCH)  # once for us
    assert function is not each_later or len(STARTED) > 8


def test_iterators_of_several_columns():
    check(each_pair, DoubleType(), [TEXTS["repeated"], NUMBERS["double"]["all"]], "string", "double", most=3000)


def _predictor(returns, size, **options):
    def make():
        def predict(texts):
            if returns == VECTOR:
                return np.array([[len(t), -0.0, np.nan] for t in texts], np.float32)
            return np.array([len(t) for t in texts], np.float64)

        return predict

    made = row_local(predict_batch_udf(make, return_type=returns, batch_size=size, **options))
    made.func.kind = EACH
    return made.func


@pytest.mark.parametrize("size", [100, 10_000])
@pytest.mark.parametrize("returns", [VECTOR, DoubleType()])
def test_predict_batch_udf(returns, size, capfd):
    for name in ("half", "new"):
        check(_predictor(returns, size), returns, [TEXTS[name]], "string", most=3000)
    assert not capfd.readouterr().err


def title(x):
    CALLS.append(len(x))
    return pa.array([None if v is None else f"{v!r}" for v in x.to_pylist()], pa.string())


row_local(title).kind = ARROW


def test_arrow_udfs():
    for spark_type, arrays in (("string", TEXTS), ("long", NUMBERS["long"])):
        for array in arrays.values():
            calls = check(title, StringType(), [array], spark_type)
            last = [len(array.unique())] if len(array.unique()) <= BATCH else [BATCH] * 4
            assert len(array) < 5000 or calls == [64, 16, 16, 16, 16, *last]
            workers._kept.clear()


def test_the_tasks_of_a_stage_share_a_function(monkeypatch):
    stage = [1]
    monkeypatch.setattr(workers, "_stage", lambda: stage[0])
    command = bytes.fromhex(compiled(vectors, VECTOR, "string")["payloads"][0])
    for number, calls in ((1, [64, 16, 16, 16, 16, 40]), (1, []), (2, [64, 16, 16, 16, 16, 40])):
        CALLS.clear()
        stage[0] = number
        batch = [TEXTS["repeated"], pa.array(np.arange(N) == 0)]
        worker([command], PythonEvalType.SQL_SCALAR_ARROW_UDF, [batch], {"sparkweld_starts": 1})
        assert CALLS == calls
    for number in range(5):
        workers.load(f"{number} 0.0 name".encode(), 0, lambda: None, (None, None), None)
    assert len(workers._kept) == 4


def test_the_group():
    group = compiled(vectors, VECTOR, "string")
    assert group["stages"] == ["call: f, declared row-local, 1 columns in, 1 out, for distinct rows"]
    assert group["repeats"] and group["saves"] == 0 and group["udfs"] == [0] and group["arguments"] == [[0, 0]]
    again = compiled(vectors, VECTOR, "long")
    keys = [CPickleSerializer().loads(bytes.fromhex(g["payloads"][0]))[0].__closure__ for g in (group, again)]
    found = [next(c.cell_contents for c in cells if isinstance(c.cell_contents, bytes)) for cells in keys]
    assert found[0] != found[1] and all(key.endswith(b" 0.0 f") for key in found)  # results may depend on dtypes


def test_an_annotated_function_is_declared():
    @splittable((Rows(dtype="str"),), returns=Rows())
    def counted(s):
        return pd.Series([len(t) for t in s], index=s.index)

    assert compiled(counted, LongType(), "string")["stages"][0].startswith("call: f, declared row-local")


@pytest.mark.parametrize(
    ("spark_type", "returns", "code"),
    [
        ("array<double>", VECTOR, "SW646"), ("timestamp", VECTOR, "SW646"), ("string", STRUCT, "SW645"),
        ("string", ArrayType(STRUCT), "SW645"), ("string", MapType(StringType(), LongType()), "SW645"),
    ],
)  # fmt: skip
def test_refused_types(spark_type, returns, code):
    with pytest.raises(Refusal) as refused:
        compiled(vectors, returns, spark_type)
    assert refused.value.code == code


def test_siblings_stay_apart():
    entries = [udf(0, column("s", "string"), returns="double"), udf(1, column("s", "string"), returns="double")]
    made = request(python_step(r0=entries[0], r1=entries[1]), pandas=test_arrow.CONFS)
    payloads = [payload(function, DoubleType()) for function in (lengths, row_local(whole))]
    groups = compile_fused({**made, "op": "fuse"}, payloads)["fused"]
    assert [group["udfs"] for group in groups] == [[0], [1]]
