"""Compares fused functions over Arrow arrays with the original pandas UDF in PySpark's worker, for each Spark batch."""

from __future__ import annotations

import html
import textwrap
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyspark.worker
import pytest
from pyspark.serializers import CPickleSerializer
from pyspark.sql.types import (
    BooleanType,
    ByteType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    StringType,
)
from scipy.special import erf

from sparkweld.annotations import Rows, annotate
from sparkweld.worker.arrow import Repeats, array_of_numbers, numbers_of, same
from sparkweld.worker.counts import counts
from tests.helpers.answers import compile_fused
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from tests.helpers.lines import PythonEvalType, of_worker_conversions

pytestmark = of_worker_conversions

CONFS = {"spark.sql.execution.pandas.convertToArrowArraySafely": "true", "spark.sql.session.timeZone": "America/Los_Angeles"}
N = 1200
RNG = np.random.default_rng(8)
SOME = RNG.random(N) < 0.1
NO_ROWS = np.zeros(0, bool)


def texts(values, mask=None):
    return pa.array(np.asarray(values, object), pa.string(), mask=mask)


DISTINCT = [f"Caf\u00e9 <b>{k}</b> &amp; \ufb01" for k in range(N)]
FEW = RNG.choice(np.array(["a <b>", " \u00c9", "", "x &amp; y"], object), N)
TEXTS = {
    "distinct": texts(DISTINCT), "few": texts(FEW), "distinct or NULL": texts(DISTINCT, SOME), "few or NULL": texts(FEW, SOME),
    "all NULL": texts(FEW, np.ones(N, bool)), "one": texts(DISTINCT[:1]), "one NULL": texts([""], np.ones(1, bool)),
    "no rows": texts([]), "empty": texts([""] * N), "a slice": texts(DISTINCT, SOME).slice(3, 900),
}  # fmt: skip
INTS = pa.array(RNG.integers(-9, 9, N))
NUMBERS = {
    "integers": INTS, "some NULL": pa.array(RNG.integers(-9, 9, N), mask=SOME), "all NULL": pa.array([None] * N, pa.int64()),
    "no rows": INTS.slice(0, 0), "one": INTS.slice(5, 1), "large": pa.array(np.full(N, 1 << 60)),
}  # fmt: skip

letters, bytes_too = (
    annotate(lambda t, half=half: half if t == "" else t + "!", (Rows(container="list", dtype="str"),),
             returns=Rows(container="list"), elementwise=True, check=False)
    for half in ("\ud800", "\udc80")
)  # fmt: skip
short = annotate(lambda s: s[:-1] if len(s) > 700 else s * 2.0, (Rows(),), returns=Rows(), check=False)
dear = annotate(lambda s: s * 1.0, (Rows(),), returns=Rows(), check=False)


def _raising(s):
    if len(s) >= 500:
        raise ValueError("a batch")
    return s * 2.0


raising = annotate(_raising, (Rows(),), returns=Rows(), check=False)
too_short = annotate(lambda s: s * 2.0 if len(s) < 500 else pd.Series([1.0]), (Rows(),), returns=Rows(), check=False)
no_series = annotate(lambda s: s * 2.0 if len(s) < 500 else 1.0, (Rows(),), returns=Rows(), check=False)


OF_TEXTS = [
    (lambda s: s.map(textwrap.dedent, na_action="ignore"), StringType()),
    (lambda s: s.map(html.unescape), StringType()),  # raises for NULL
    (lambda s: s.map(lambda t: textwrap.dedent(t), na_action="ignore"), StringType()),
    (lambda s: s.str.strip().str.lower().map(textwrap.dedent, na_action="ignore").str.slice(0, 12), StringType()),
    (lambda s: s.map(html.escape).str.len(), DoubleType()),
    (lambda s: s.map(html.escape).str.len(), IntegerType()),
    (lambda s: s.map(html.escape).str.len(), StringType()),
    (lambda s: s.map(textwrap.dedent, na_action="ignore") == "x", BooleanType()),
    (lambda s: s.map(textwrap.dedent, na_action="ignore"), DoubleType()),  # not numbers
    (lambda s: s.map(textwrap.dedent, na_action="ignore"), DateType()),
    (lambda s: s.map(letters), StringType()),  # half of a surrogate pair
    (lambda s: s.map(letters).str.slice(0, 12), StringType()),
    (lambda s: s.map(bytes_too).str.slice(0, 12), StringType()),  # half of a surrogate pair, which represents a byte
    (lambda s: s.map(letters, na_action="ignore").map(textwrap.dedent, na_action="ignore").str.strip(), StringType()),
]
OF_NUMBERS = [
    (lambda i: erf(i + 1) * 2, DoubleType()),
    (lambda i: dear(i) * 2, IntegerType()),  # too large for some
    (lambda i: dear(i) * 100, ByteType()),
    (lambda i: dear(i) * 2, DecimalType(10, 2)),
    (lambda i: dear(i) * 2, StringType()),
    (lambda i: short(i + 0.0), DoubleType()),
    (lambda i: raising(i + 0.0), DoubleType()),
    (lambda i: too_short(i + 0.0), DoubleType()),
    (lambda i: no_series(i + 0.0), DoubleType()),
]


def worker(commands, eval_type, batches, named=None, confs=CONFS):
    """Returns the results of PySpark's own worker for batches of arrays, or the class and message of its exception.

    `commands`: those of a chain, innermost first. `named`: arguments by name -> their number; the others precede them.
    """
    args = list(range(len(batches[0]) - len(named or {})))
    info = SimpleNamespace(udfs=commands, args=args, kwargs=named or {}, result_id=1)
    try:
        run, *_ = pyspark.worker.read_udfs(CPickleSerializer(), [info], eval_type, pyspark.worker.RunnerConf(confs), None)
        made = run(0, (pa.RecordBatch.from_arrays(arrays, [f"_{i}" for i in range(len(arrays))]) for arrays in batches))
        return pa.concat_arrays([batch.column(0) for batch in made])
    except Exception as error:  # noqa: BLE001 - compared with the exception of the other side
        return type(error), str(error)


def fused(function, returns, array, spark_type):
    """Returns the command of the fused function."""
    made = request(python_step(r=udf(0, column("c", spark_type), returns=returns.simpleString())), pandas=CONFS)
    (group,) = compile_fused({**made, "op": "fuse"}, [payload(function, returns)])["fused"]
    return bytes.fromhex(group["payloads"][0])


def batches_of(array, rows):
    return [array.slice(start, rows) for start in range(0, max(len(array), 1), rows)]


def check(function, returns, columns, spark_type, rows):
    """Compares all columns; returns the number of rows for which the original ran."""
    command, plain, ran = fused(function, returns, columns, spark_type), payload(function, returns), 0
    for name, array in columns.items():
        pieces = [worker([plain], PythonEvalType.SQL_SCALAR_PANDAS_UDF, [[cut]]) for cut in batches_of(array, rows)]
        wanted = next((piece for piece in pieces if isinstance(piece, tuple)), None) or pa.concat_arrays(pieces)
        counts.original_rows = 0
        starts = pa.array(np.arange(len(array)) % rows == 0)
        got = worker([command], PythonEvalType.SQL_SCALAR_ARROW_UDF, [[array, starts]], {"sparkweld_starts": 1})
        assert got == wanted if isinstance(wanted, tuple) else got.equals(wanted), f"{name}: {got} for {wanted}"
        ran += counts.original_rows
    return ran


@pytest.mark.parametrize("number", range(len(OF_TEXTS)))
def test_strings(number):
    check(*OF_TEXTS[number], TEXTS, "string", 500)


@pytest.mark.parametrize("number", range(len(OF_NUMBERS)))
def test_numbers(number):
    columns = NUMBERS if number < 5 else {"integers": INTS, "no rows": INTS.slice(0, 0), "one": INTS.slice(0, 1)}
    check(*OF_NUMBERS[number], columns, "long", 500)


DOUBLES = pa.array(np.where(SOME, np.nan, RNG.normal(size=N)))
OF_DOUBLES = [
    (lambda x: erf(x) * 2, DoubleType()),
    (lambda x: erf(x) * 2, FloatType()),
    (lambda x: erf(x) > 0, BooleanType()),
    (lambda x: (erf(x.fillna(0)) * 9).astype("int64"), LongType()),
    (lambda x: (erf(x.fillna(0)) * 9).astype("int64"), DoubleType()),
    (lambda x: erf(x.astype("float32")), FloatType()),
]


@pytest.mark.parametrize("number", range(len(OF_DOUBLES)))
def test_doubles(number):
    columns = {
        "NaN": DOUBLES, "no rows": DOUBLES.slice(0, 0), "a slice": DOUBLES.slice(3, 901),
        "all NULL": NUMBERS["all NULL"].cast("double"),
        "NaN or NULL": pa.array(DOUBLES.to_numpy(), mask=np.roll(SOME, 1)), "all NaN": pa.array(np.full(N, np.nan)),
    }  # fmt: skip
    assert check(*OF_DOUBLES[number], columns, "double", 500) == 0


def test_numbers_are_not_copied():
    """Arrays of other types, or with NULLs, are not taken for numbers without NULLs."""
    cut = INTS.slice(3, 100)
    assert numbers_of(cut).ctypes.data == INTS.buffers()[1].address + 24 and np.array_equal(numbers_of(cut), cut.to_pandas())
    others = [NUMBERS["some NULL"], TEXTS["few"], INTS.cast(pa.bool_()), INTS.cast(pa.timestamp("us")), INTS.cast(pa.date64())]
    assert [numbers_of(array) for array in others] == [None] * len(others)
    column = np.arange(5.0)
    assert array_of_numbers(column).buffers()[1].address == column.ctypes.data
    assert array_of_numbers(np.array([1, np.nan], "float32")).equals(pa.array([1, None], pa.float32()))


def test_few_batches_are_the_originals():
    assert check(*OF_TEXTS[0], {name: a for name, a in TEXTS.items() if len(a)}, "string", 500) == 0
    assert check(*OF_NUMBERS[0], {name: a for name, a in NUMBERS.items() if len(a)}, "long", 5000) == 0
    assert check(*OF_NUMBERS[5], {"integers": INTS}, "long", 500) == 0  # as one batch it breaks its promise, in three it does not


def test_strings_are_looked_up_while_they_repeat():
    repeats = Repeats()
    few, distinct = TEXTS["few or NULL"], TEXTS["distinct"]
    found = repeats.of(few)
    assert len(found.dictionary) == 5 and found.dictionary.null_count == 1
    assert found.dictionary.take(found.indices).equals(few)
    assert [repeats.of(distinct) for _ in range(3)] == [None] * 3 and repeats.of(few) is None
    repeats.again()
    assert repeats.of(few.slice(0, 100)) is None and repeats.of(few) is not None


def test_arguments_are_the_same_memory():
    batch = pa.RecordBatch.from_arrays([INTS, TEXTS["distinct or NULL"]], ["a", "b"])
    args, again = ([batch.column(0), batch.column(1)] for _ in range(2))
    assert same(args, again) and not same(args, again[::-1]) and not same(args, again[:1])
    assert not same(args, [batch.slice(1).column(0), batch.column(1)]) and not same([pd.Series([1])], [pd.Series([1])])
