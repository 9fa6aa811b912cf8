"""Checks `predict_batch_udf`: the compiled inner function, against PySpark's own wrapper on the same batch."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql.types import DoubleType, StringType, StructType
from sklearn.linear_model import LinearRegression, LogisticRegression

from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import column, payload, python_step, request, udf
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
