"""Compares fused Arrow UDFs with the originals in PySpark's worker for each Spark batch, NULLs and errors included."""

from __future__ import annotations

from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql.types import BooleanType, ByteType, DateType, DoubleType, FloatType, IntegerType, LongType, StringType
from scipy.special import erf, gammaln

from sparkweld.annotations import Broadcast, Rows, annotate
from sparkweld.contract.constants import SCALAR_ARROW as SCALAR
from sparkweld.contract.constants import SCALAR_ARROW_ITERATOR as ITERATOR
from sparkweld.errors import Refusal
from sparkweld.worker.counts import counts
from tests.helpers.answers import compile_fused
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from tests.helpers.lines import of_worker_conversions
from tests.worker import test_arrow
from tests.worker.test_arrow import batches_of

pytestmark = of_worker_conversions

ARROW = Rows(container="arrow")
N = 5000
RNG = np.random.default_rng(3)
SOME = RNG.random(N) < 0.1
FLOATS = RNG.normal(0, 3, N)
FLOATS[::7] = np.nan
INTS = RNG.integers(-9, 9, N)
WORDS = np.array([" a <b>", "\u00c9t\u00e9 two", "", "x" * 30, "ma\u00df"], object)
TEXTS = {"few": RNG.choice(WORDS, N), "distinct": np.array([f"{WORDS[k % 5]} {k}" for k in range(N)], object)}


def states(values, type):
    """Returns columns with NULLs, without, all NULL, empty, of one row, and a slice of a larger array."""
    some = pa.array(values, type, mask=SOME)
    return {"all": pa.array(values, type), "some NULL": some, "all NULL": pa.nulls(N, type), "no rows": some[:0],
            "one": some[:1], "a slice": some.slice(3, 3000)}  # fmt: skip


COLUMNS = {
    "double": states(FLOATS, pa.float64()), "float": states(FLOATS.astype(np.float32), pa.float32()),
    "long": states(INTS, pa.int64()), "integer": states(INTS.astype(np.int32), pa.int32()),
    "boolean": states(INTS > 0, pa.bool_()), "date": states((INTS + 9000).astype("datetime64[D]"), pa.date32()),
    "string": {f"{kind} {name}": a for kind, v in TEXTS.items() for name, a in states(v, pa.string()).items()},
}  # fmt: skip

same = annotate(lambda x: x, (ARROW,), returns=ARROW, check=False)
zoned = annotate(lambda x: x.cast(pa.timestamp("us")), (ARROW,), returns=ARROW, check=False)
year = annotate(pc.year, (ARROW,), returns=ARROW, check=False)
scaled = annotate(lambda x, by: pc.multiply(x, by), (ARROW, Broadcast()), returns=ARROW, check=False)
RATE = pa.scalar(0.25)
worker = partial(test_arrow.worker, confs={})


def _short(x):
    return x if len(x) < 600 else x[:-1]


def _raising(x):
    if len(x) > 600:
        raise ValueError("a batch")
    return x


def _chunked(x):
    return x if len(x) < 600 else pa.chunked_array([x])


def _other(x):
    return x if len(x) < 600 else x.cast(pa.float32())


BREAKING = [annotate(f, (ARROW,), returns=ARROW, check=False) for f in (_short, _raising, _chunked, _other)]
raising = BREAKING[1]

FUSED = [
    (lambda s: pc.utf8_title(pc.utf8_trim_whitespace(s)), "string", StringType(), 2),
    (lambda s: pc.add(pc.utf8_length(pc.utf8_reverse(s)), 1), "string", LongType(), 3),
    (lambda s: pc.if_else(pc.greater(pc.utf8_length(s), 9), pc.utf8_reverse(s), None), "string", StringType(), None),
    (lambda s: pc.utf8_normalize(s, form="NFKD"), "string", StringType(), 1),
    (lambda s: pc.utf8_title(s), "string", DoubleType(), 1),  # not numbers
    (lambda x: pc.add(pa.array(erf(pc.multiply(x, 0.5).to_numpy(zero_copy_only=False))), x), "double", DoubleType(), 3),
    (lambda x: pa.array(gammaln(x.to_numpy(zero_copy_only=False)), from_pandas=True), "double", FloatType(), None),
    (lambda x: pa.array(erf(x.to_numpy(zero_copy_only=False))), "float", DoubleType(), None),
    (lambda i: pc.multiply(pa.array(erf(i.fill_null(0).to_numpy())), 3), "long", IntegerType(), None),  # not integers
    (lambda i: pc.add(same(i), pc.subtract(i, 1)), "integer", ByteType(), None),
    (lambda i: pc.multiply(same(pc.add(i, 1)), 100), "long", ByteType(), 3),  # too large for some
    (lambda b: pc.and_kleene(same(pc.invert(b)), True), "boolean", BooleanType(), None),
    (lambda b: same(b), "boolean", StringType(), 1),
    (lambda d: same(d), "date", DateType(), 1),
    (lambda d: pc.add(year(zoned(d)), 1), "date", LongType(), 3),  # the intermediate has no type in a kernel
    (lambda x: pc.sqrt(pc.abs(scaled(x, RATE))), "double", DoubleType(), 2),
]


def fused(functions, returns, *columns, kind=SCALAR, conf=None):
    """Returns a group of the reply for a chain of functions, innermost first."""
    functions = functions if isinstance(functions, tuple) else (functions,)
    entry = udf(0, *columns, returns=returns.simpleString(), evalType=kind)
    for blob in range(1, len(functions)):
        entry = udf(blob, entry, returns=returns.simpleString(), evalType=kind)
    made = {**request(python_step(r=entry)), "op": "fuse"}
    made["conf"] = {**made["conf"], **(conf or {})}
    (group,) = compile_fused(made, [payload(f, returns) for f in functions])["fused"]
    return group


def alike(got, wanted):
    """Whether both are the same array, where NaN equals NaN and NULL equals NULL, or the same error."""
    if isinstance(got, tuple) or isinstance(wanted, tuple):
        return got == wanted
    if not pa.types.is_floating(wanted.type):
        return got.equals(wanted)
    values = (a.fill_null(0).to_numpy() for a in (got, wanted))
    return got.type == wanted.type and got.is_null().equals(wanted.is_null()) and np.array_equal(*values, equal_nan=True)


def check(functions, returns, spark_type, arrays, rows=1000, kind=SCALAR):
    """Compares in Spark's batches, also several at once; returns the reply and the number of rows for which the original ran."""
    group = fused(functions, returns, column("c", spark_type), kind=kind, conf={"blockRows": 700})
    command = [bytes.fromhex(group["payloads"][0])]
    plain = [payload(f, returns) for f in (functions if isinstance(functions, tuple) else (functions,))]
    counts.original_rows = 0
    for name, array in arrays.items():
        batches = [[cut] for cut in batches_of(array, rows)]
        wanted = worker(plain, kind, batches)
        starts = pa.array(np.arange(len(array)) % rows == 0, pa.bool_())
        for got in (worker(command, SCALAR, batches), worker(command, SCALAR, [[array, starts]], {"sparkweld_starts": 1})):
            assert alike(got, wanted), f"{name}: {got} for {wanted}"
    return group, counts.original_rows


@pytest.mark.parametrize(("function", "spark_type", "returns", "stages"), FUSED)
def test_fused(function, spark_type, returns, stages):
    group, ran = check(function, returns, spark_type, COLUMNS[spark_type])
    assert stages is None or len(group["stages"]) == stages, group["stages"]
    assert any(line.startswith("call: ") for line in group["stages"])
    assert ran == 0


def test_nulls_that_change_a_dtype_are_the_originals():
    _, ran = check(lambda x: pa.array(erf(x.to_numpy())), DoubleType(), "double", COLUMNS["double"])  # raises for NULL
    assert ran > 0
    _, ran = check(lambda i: pa.array(erf(i.to_numpy(zero_copy_only=False)) + 1), DoubleType(), "long", COLUMNS["long"])
    assert ran > 0


@pytest.mark.parametrize("number", range(len(BREAKING)))
def test_calls_that_break_their_annotations(number, capfd):
    call = BREAKING[number]
    _, ran = check(lambda x: call(pc.add(x, 1.0)), DoubleType(), "double", COLUMNS["double"])
    assert ran > 0 and "breaks its annotation" in capfd.readouterr().err


def test_savings_are_compared_with_the_cost_of_arrow():
    few, many = (lambda x: pc.add(same(x), 1.0), lambda x: pc.exp(pc.sin(pc.exp(pc.sin(same(x))))))
    assert fused(few, DoubleType(), column("x"))["saves"] < 0 < fused(many, DoubleType(), column("x"))["saves"]


def test_bytes_that_are_no_text():
    bad = pa.Array.from_buffers(pa.string(), 2, [None, pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"a\xff")])
    check(lambda s: pc.utf8_length(pc.utf8_reverse(pc.utf8_trim_whitespace(s))), LongType(), "string", {"bad": bad})


def test_chains_siblings_and_structs():
    chain = (lambda s: pc.utf8_title(s), lambda s: pc.utf8_length(s))
    group, ran = check(chain, LongType(), "string", COLUMNS["string"])
    assert len(group["stages"]) == 2 and ran == 0
    entry = {"op": "CreateNamedStruct", "names": ["x", "i"], "args": [column("x"), column("i", "long")], "type": "struct"}
    of_struct = lambda s: pc.add(scaled(s.field("x"), 2.0), pc.struct_field(s, "i"))  # noqa: E731
    group = fused(of_struct, DoubleType(), entry)
    struct = pa.StructArray.from_arrays([COLUMNS["double"]["some NULL"], COLUMNS["long"]["some NULL"]], names=["x", "i"])
    for array in (struct, struct.slice(7, 900)):
        wanted, got = (worker([c], SCALAR, [[array]]) for c in (payload(of_struct), bytes.fromhex(group["payloads"][0])))
        assert alike(got, wanted)
    step = python_step(r=udf(0, "a", evalType=SCALAR), q=udf(1, "a", evalType=SCALAR))
    functions = (lambda x: pc.add(scaled(x, 2.0), 1.0), lambda x: pc.subtract(scaled(x, 2.0), 1.0))
    (group,) = compile_fused({**request(step), "op": "fuse"}, [payload(f) for f in functions])["fused"]
    assert group["udfs"] == [0, 1] and sum(line.startswith("call: ") for line in group["stages"]) == 1


def each_text(batches):
    for s in batches:
        yield pc.utf8_title(pc.utf8_trim_whitespace(s))


def each_number(batches):
    rate = 0.5
    for x in batches:
        yield pc.add(pa.array(erf(x.to_numpy(zero_copy_only=False))), rate)


def test_iterators():
    assert check(each_text, StringType(), "string", COLUMNS["string"], kind=ITERATOR)[1] == 0
    assert check(each_number, DoubleType(), "double", COLUMNS["double"], kind=ITERATOR)[1] == 0
    _, ran = check(each_number, IntegerType(), "double", COLUMNS["double"], kind=ITERATOR)  # not integers
    assert ran == 0
    check(lambda batches: (raising(x) for x in batches), DoubleType(), "double", COLUMNS["double"], kind=ITERATOR)


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (lambda x: pc.add(x, 1.0), "SW641"),
        (lambda x: pc.subtract(same(x), pc.mean(x)), "SW250"),
        (lambda x: erf(pc.add(x, 1.0)), "SW645"),
        (lambda x: pc.drop_null(same(x)), "SW250"),
        (lambda x: pa.array(same(x).to_pylist()), "SW251"),
        (lambda x: zoned(same(x)), "SW642"),
        (lambda x: pa.array(erf(x.to_numpy(zero_copy_only=False)), pa.float32()), "SW262"),
        (lambda x: pa.array(erf(x.to_numpy(writable=True))), "SW262"),
        (lambda x: pc.cumulative_sum(same(x)), "SW250"),
        (lambda x: scaled(x, x.to_numpy(zero_copy_only=False)), "SW643"),
    ],
)
def test_refused(function, code):
    with pytest.raises(Refusal) as caught:
        fused(function, DoubleType(), column("a"))
    assert caught.value.code == code, caught.value


def test_settings_and_kinds_that_are_refused():
    large = {"pandas": {"spark.sql.execution.arrow.useLargeVarTypes": "true"}}
    for given, code in (({"conf": large}, "SW110"), ({"kind": 252}, "SW206")):
        with pytest.raises(Refusal) as caught:
            fused(lambda s: pc.utf8_title(s), StringType(), column("s", "string"), **given)
        assert caught.value.code == code
