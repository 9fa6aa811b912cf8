"""Checks `predict_batch_udf`: the compiled inner function, against PySpark's own wrapper on the same batch."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql.types import ArrayType, DoubleType, FloatType, LongType, StringType, StructType
from sklearn.linear_model import LinearRegression, LogisticRegression

from sparkweld.contract.constants import SCALAR_PANDAS_ITERATOR
from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from tests.helpers.compiled import compare_with_worker
from tests.helpers.kinds import run

X = np.random.default_rng(0).normal(size=(40, 3))
LABEL = np.where(X[:, 0] > 0, "yes", "no")
CLASSIFIER = LogisticRegression().fit(X, LABEL)
LINE = LinearRegression().fit(X, X[:, 0] - X[:, 1])
LARGE = LinearRegression().fit(X[:, :2], X[:, 0] - X[:, 1])


def probability():
    return lambda x: CLASSIFIER.predict_proba(x)[:, 1]


def method():
    return LINE.predict


def column_of_one():
    return lambda x: LINE.predict(x).reshape(-1, 1)


def two():
    return lambda a, b: LARGE.predict(np.column_stack([a, b])) + a


def doubled():
    return lambda a: a * 2


def text():
    return CLASSIFIER.predict


def named():
    return lambda x: {"line": LINE.predict(x), "p": CLASSIFIER.predict_proba(x)[:, 1]}


def rows_of_dicts():
    return lambda x: [{"line": 1.0, "p": 2.0}]


PARTS = StructType().add("line", DoubleType()).add("p", DoubleType())
NAMES = "abc"


def reply_of(make, returns, struct, columns, **options):
    wrapper = predict_batch_udf(make, return_type=returns, batch_size=7, **options).func
    read = [column(name) for name in NAMES[:columns]]
    if struct:
        read = [{"op": "CreateNamedStruct", "names": list(NAMES[:columns]), "args": read, "type": "struct", "nullable": False}]
    declared = returns.jsonValue() if isinstance(returns, StructType) else "string" if returns == StringType() else "double"
    step = python_step(r=udf(0, *read, returns=declared, evalType=204))
    outputs = ["r"]
    if isinstance(returns, StructType):
        outputs = step["udfs"][0]["fields"] = [f"r{i}" for i in range(len(returns.fields))]
    inputs = dict.fromkeys(NAMES[:columns], "double")
    return wrapper, compile_pipeline(request(step, inputs=inputs, outputs=outputs), [payload(wrapper, returns)])


@pytest.mark.parametrize(
    "make, returns, struct, columns, options",
    [
        (probability, DoubleType(), True, 3, {}),
        (probability, DoubleType(), True, 3, {"input_tensor_shapes": [[3]]}),
        (method, DoubleType(), True, 3, {}),
        (column_of_one, DoubleType(), True, 3, {}),
        (two, DoubleType(), False, 2, {}),
        (two, DoubleType(), True, 2, {}),
        (doubled, DoubleType(), False, 1, {}),
        (doubled, DoubleType(), False, 1, {"input_tensor_shapes": [[1]]}),
        (doubled, DoubleType(), False, 1, {"input_tensor_shapes": {0: [1]}}),
        (text, StringType(), True, 3, {}),
        (named, PARTS, True, 3, {}),
    ],
)
def test_predictions(make, returns, struct, columns, options):
    wrapper, reply = reply_of(make, returns, struct, columns, **options)
    got, flagged = run(reply, {name: X[:, i] for i, name in enumerate(NAMES[:columns])})
    assert not flagged.any()
    series = [pd.Series(X[:, i], name=name) for i, name in enumerate(NAMES[:columns])]
    batch = pd.DataFrame(dict(zip(NAMES, series, strict=False))) if struct else tuple(series) if columns > 1 else series[0]
    pieces = list(wrapper(iter([batch])))
    assert len(pieces) == 6
    wanted = pd.concat(pieces)
    frame = wanted if isinstance(wanted, pd.DataFrame) else wanted.to_frame()
    for mine, name in zip(got, frame, strict=True):
        theirs = frame[name].tolist()
        assert mine == theirs if isinstance(theirs[0], str) else np.allclose(mine, theirs, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    "make, returns, struct, columns, options, code",
    [
        (probability, DoubleType(), False, 3, {}, "SW252"),
        (probability, DoubleType(), True, 3, {"input_tensor_shapes": [[4]]}, "SW252"),
        (probability, DoubleType(), True, 3, {"input_tensor_shapes": [[1], [2]]}, "SW252"),
        (rows_of_dicts, PARTS, True, 3, {}, "SW825"),
    ],
)
def test_refusals(make, returns, struct, columns, options, code):
    _, reply = reply_of(make, returns, struct, columns, **options)
    assert [r["code"] for r in reply["refusals"]] == [code]


def weighted():
    return lambda x, y: x[:, 0] * 2 + x[:, 1] + y


def differences():
    return lambda x: x[:, 0] * 2 - x[:, 2]


def of_a_column_of_arrays(values, make=differences, type="double", **options):
    """Compares the wrapper with a worker for a column of arrays, and a second one of numbers if the function takes two."""
    function = predict_batch_udf(make, return_type=DoubleType(), batch_size=100, **options).func
    columns = {"xs": pa.array(values, pa.list_(pa.type_for_alias(type)))}
    if make is weighted:
        columns["y"] = pa.array([float(i) for i in range(len(values))])
    return compare_with_worker(function, [pa.record_batch(columns)], DoubleType(), SCALAR_PANDAS_ITERATOR, kernel=True)


def test_columns_of_arrays():
    rows = X[:5].tolist()
    for given in (rows, [[*rows[0][:2], None], *rows[1:]]):
        compared = of_a_column_of_arrays(given, make=weighted, input_tensor_shapes=[[3], None])
        assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 0)
    compared = of_a_column_of_arrays(rows, input_tensor_shapes={0: [3]})
    assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 0)
    compared = of_a_column_of_arrays([[1, 2, 3], [4, 5, 6]], type="int64", input_tensor_shapes=[[3]])
    assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 0)


WEIGHTS = np.array([[1.0, -2.0], [0.5, 4.0], [-3.0, 2.0]])


def dense():
    return lambda x: np.maximum(x @ WEIGHTS, 0)


def whole_numbers():
    return lambda x: (x * 2).astype(np.int64)


def single():
    return lambda x: x.astype(np.float32) * np.float32(0.1)


@pytest.mark.parametrize(("make", "type", "refused"), [
    (dense, DoubleType(), ""), (dense, FloatType(), ""), (whole_numbers, LongType(), ""), (whole_numbers, DoubleType(), ""),
    (single, FloatType(), ""), (single, DoubleType(), ""), (dense, LongType(), "SW226"), (differences, DoubleType(), "SW825"),
])  # fmt: skip
def test_arrays_as_results(make, type, refused):
    rows = pa.record_batch({"xs": pa.array([[1.0, -2.0, 4.0], [0.5, 0.0, -0.0], [3.0, 1e9, 2.0]], pa.list_(pa.float64()))})
    function = predict_batch_udf(make, return_type=ArrayType(type), batch_size=2, input_tensor_shapes=[[3]]).func
    compared = compare_with_worker(function, [rows], ArrayType(type), SCALAR_PANDAS_ITERATOR, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == (refused, 0 if refused else 1, 0)


@pytest.mark.parametrize("rows", [[[1.0, 2.0, 3.0], [1.0, 2.0]], [[1.0, 2.0], [3.0, 4.0]], [None, [1.0, 2.0, 3.0]],
                                  [[1.0, 2.0, 3.0], None], [[], []]])  # fmt: skip
def test_arrays_of_other_lengths_run_in_python(rows):
    compared = of_a_column_of_arrays(rows, input_tensor_shapes=[[3]])
    assert (compared.refused, compared.flagged, compared.raised) == ("", 1, 1)


@pytest.mark.parametrize("options", [{}, {"input_tensor_shapes": [[1, 3]]}, {"input_tensor_shapes": [[]]}])
def test_arrays_without_one_length(options):
    assert of_a_column_of_arrays(X[:5].tolist(), **options).refused == "SW262"
