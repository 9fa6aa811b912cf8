"""Compares kernels of functions that `mlflow.pyfunc.spark_udf` creates with the functions, and checks refusals."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import types
import warnings
from typing import Any

import catboost
import lightgbm
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as statsmodels
import xgboost
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    StringType,
    StructType,
)
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from tests.helpers.kinds import codes, run

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
with warnings.catch_warnings():  # of its own type hints
    warnings.simplefilter("ignore")
    mlflow = importlib.import_module("mlflow.pyfunc")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"),
]

ROWS = 80
RANDOM = np.random.default_rng(11)
X = pd.DataFrame({"a": RANDOM.normal(size=ROWS), "b": RANDOM.normal(size=ROWS), "c": RANDOM.normal(size=ROWS)})
FLAG = (X.a + X.b > 0).astype("int32")
WORD = np.where(FLAG == 1, "yes", "no")
CITY = X.assign(city=RANDOM.choice(["Bonn", "Kiel", "Ulm"], ROWS))
LINE = LinearRegression().fit(X, X.a - X.b)
BARE = LinearRegression().fit(X.to_numpy(), X.a - X.b)
TREE = DecisionTreeRegressor(max_depth=3).fit(X, X.a - X.b)
INTEGERS = DecisionTreeClassifier(max_depth=3).fit(X, FLAG)
LONGS = DecisionTreeClassifier(max_depth=3).fit(X, FLAG.astype("int64"))
BOOLS = DecisionTreeClassifier(max_depth=3).fit(X, FLAG == 1)
WORDS = DecisionTreeClassifier(max_depth=3).fit(X, WORD)
MIXED = ColumnTransformer([("n", StandardScaler(), ["a", "b"]), ("c", OneHotEncoder(handle_unknown="ignore"), ["city"])])
PIPELINE = make_pipeline(MIXED, LogisticRegression()).fit(CITY, WORD)
FEW: dict[str, Any] = {"n_estimators": 6}
GBM = lightgbm.LGBMRegressor(**FEW, verbosity=-1).fit(X, X.a)
GBM_CLASSES = lightgbm.LGBMClassifier(**FEW, verbosity=-1).fit(X, WORD)
CAT_CLASSES = catboost.CatBoostClassifier(iterations=6, verbose=0, allow_writing_files=False).fit(X, FLAG)
RESULTS = statsmodels.OLS(X.a + FLAG, X).fit()
XGB = xgboost.XGBRegressor(**FEW).fit(X, X.a)
XGB_CLASSES = xgboost.XGBClassifier(**FEW).fit(X, FLAG)
SPARK = types.SimpleNamespace(conf=types.SimpleNamespace(get=lambda key: "local[2]"))
PICKLED = {"serialization_format": "cloudpickle"}
#: MLflow 3 has added this format.
HAS_SKOPS = hasattr(importlib.import_module("mlflow.sklearn"), "SERIALIZATION_FORMAT_SKOPS")


def made(tmp_path, model, result_type, schema=None, *, spark=SPARK, flavour=None, given=None, **options):
    """Returns the function that `spark_udf` creates for a saved model. `schema`: names and types of its signature's columns."""
    root = type(model).__module__.partition(".")[0]
    flavour = flavour or (root if root in ("lightgbm", "xgboost", "catboost", "statsmodels") else "sklearn")
    signature = None
    if schema is not None:
        signature = mlflow.ModelSignature(schema if not isinstance(schema, dict) else columns_of(schema))
    path = str(tmp_path / "model")
    options = {**(PICKLED if flavour == "sklearn" else {}), "pip_requirements": [], **options}
    getattr(sys.modules["mlflow"], flavour).save_model(model, path, signature=signature, **options)
    return mlflow.spark_udf(spark, path, result_type=result_type, **(given or {})).__wrapped__.func


def columns_of(schema):
    from mlflow.types import ColSpec, Schema

    specs = [ColSpec(type.rstrip("?"), name, required=not type.endswith("?")) for name, type in schema.items()]
    return Schema(specs)


def reply_of(function, columns, returns, struct=True, nulls=(), folder="/"):
    """Returns the reply for typed columns, as fields of a struct or side by side."""
    read = [column(name, type) for name, type in columns.items()]
    if struct:
        read = [{"op": "CreateNamedStruct", "names": list(columns), "args": read, "type": "struct", "nullable": False}]
    declared = returns.jsonValue()
    step = python_step(r=udf(0, *read, returns=declared, evalType=204))
    asked = request(step, inputs=columns, nullable_state=nulls)
    asked["python"]["files"] = {"folder": str(folder), "jobFiles": str(folder), "limit": 10**8}
    return compile_pipeline(asked, [payload(function, returns)])


def agree(function, reply, data, struct=True):
    """Checks that the kernel agrees with the function on a batch, and flags no row."""
    [mine], flagged = run(reply, {name: [None if x != x else x for x in data[name].tolist()] for name in data})
    assert not flagged.any()
    series = tuple(data[name] for name in data)
    [theirs] = list(function(iter([data if struct else series if len(series) > 1 else series[0]])))
    assert len(theirs) == len(mine)
    for ours, wanted in zip(mine, theirs.tolist(), strict=True):
        if isinstance(wanted, list):
            assert np.allclose(list(ours.values), wanted, rtol=1e-12, atol=1e-12)
        elif isinstance(wanted, str):
            assert ours == wanted
        else:
            assert np.isclose(ours, wanted, rtol=1e-12, atol=1e-12) and type(ours) is type(wanted)


DOUBLES = dict.fromkeys("abc", "double")
PROBABILITY = {"pyfunc_predict_fn": "predict_proba"}


@pytest.mark.each_value_once
@pytest.mark.parametrize(
    "model, result_type, schema, options",
    [
        (LINE, DoubleType(), DOUBLES, {}),
        (LINE, DoubleType(), None, {}),
        *([(LINE, DoubleType(), None, {"serialization_format": "skops"})] if HAS_SKOPS else []),
        (LINE, FloatType(), DOUBLES, {}),
        (LINE, None, DOUBLES, {}),
        (LINE, ArrayType(DoubleType()), DOUBLES, {}),
        (TREE, DoubleType(), DOUBLES, {}),
        (INTEGERS, IntegerType(), DOUBLES, {}),
        (INTEGERS, LongType(), DOUBLES, {}),
        (INTEGERS, DoubleType(), DOUBLES, {}),
        (INTEGERS, ArrayType(IntegerType()), DOUBLES, {}),
        (INTEGERS, StringType(), DOUBLES, {}),
        (INTEGERS, DoubleType(), DOUBLES, PROBABILITY),
        (INTEGERS, ArrayType(FloatType()), DOUBLES, PROBABILITY),
        (INTEGERS, ArrayType(DoubleType()), None, PROBABILITY),
        (LONGS, LongType(), DOUBLES, {}),
        (LONGS, StringType(), DOUBLES, {}),
        (BOOLS, BooleanType(), DOUBLES, {}),
        (BOOLS, StringType(), DOUBLES, {}),
        (WORDS, StringType(), DOUBLES, {}),
        (GBM, DoubleType(), DOUBLES, {}),
        (GBM.booster_, DoubleType(), None, {}),
        (GBM_CLASSES, StringType(), DOUBLES, {}),
        (CAT_CLASSES, LongType(), DOUBLES, {}),
        (RESULTS, DoubleType(), DOUBLES, {}),
        (RESULTS, DoubleType(), None, {}),
        (XGB, DoubleType(), DOUBLES, {}),
        (XGB.get_booster(), FloatType(), DOUBLES, {}),
        (XGB_CLASSES, LongType(), DOUBLES, {}),
        (GBM, DoubleType(), DOUBLES, {"flavour": "sklearn"}),
    ],
    ids=lambda x: type(x).__name__ if hasattr(x, "predict") else None,
)
@pytest.mark.parametrize("struct", [True, False])
def test_results(tmp_path, model, result_type, schema, options, struct):
    struct = struct or schema is None  # several columns without a signature are named 0, 1, 2
    function = made(tmp_path, model, result_type, schema, **options)
    reply = reply_of(function, DOUBLES, result_type or DoubleType(), struct)
    agree(function, reply, X, struct)
    assert "flavour" in " ".join(reply["udfs"][0]["notes"])
    assert len(reply["files"]) == 2


@pytest.mark.parametrize(
    "model, schema, columns, struct",
    [
        (BARE, None, DOUBLES, False),  # 0, 1, 2
        (LINE, DOUBLES, {"c": "double", "city": "string", "b": "double", "a": "double"}, True),
        (LINE, DOUBLES, {"a": "double", "b": "integer", "c": "float"}, True),
        (LINE, DOUBLES, {"a": "double", "b": "short", "c": "byte"}, False),
        (LINE, {"a": "double", "b": "long", "c": "float"}, {"a": "double", "b": "integer", "c": "float"}, True),
        (LINE, {"a": "double", "b": "boolean", "c": "integer"}, {"a": "double", "b": "boolean", "c": "short"}, True),
        (LINE, {**DOUBLES, "d": "double?"}, DOUBLES, True),
        (LINE, DOUBLES, {**DOUBLES, "d": "string"}, False),
        (PIPELINE, {"a": "double", "b": "double", "city": "string"}, {"city": "string", "a": "double", "b": "double"}, True),
        (PIPELINE, {"a": "double", "b": "double", "city": "string"}, {"a": "double", "b": "double", "city": "string"}, False),
        (PIPELINE, None, {"city": "string", "a": "double", "b": "double"}, True),
        (XGB, {"a": "double", "b": "float", "c": "double"}, {"c": "double", "b": "float", "a": "float"}, True),
    ],
)
def test_signatures(tmp_path, model, schema, columns, struct):
    """Columns are matched by name and position, in the signature's order and types; others are ignored."""
    result_type = StringType() if model is PIPELINE else DoubleType()
    function = made(tmp_path, model, result_type, schema)
    agree(function, reply_of(function, columns, result_type, struct), data_of(columns), struct)


def data_of(columns):
    whole = CITY.assign(d="d")
    kinds = {"double": "float64", "float": "float32", "long": "int64", "integer": "int32", "short": "int16", "byte": "int8"}
    kinds |= {"boolean": "bool", "string": "object"}
    parts = {name: whole[name] if type == "string" else (whole[name] * 3 // 1) for name, type in columns.items()}
    return pd.DataFrame({name: part.astype(kinds[columns[name]]) for name, part in parts.items()})


def test_missing_values(tmp_path):
    """LightGBM receives NULL as NaN; integers with NULL become floats, which the signature accepts for double."""
    function = made(tmp_path, GBM, DoubleType(), DOUBLES)
    columns = {"a": "double", "b": "integer", "c": "double"}
    data = X.assign(a=X.a.where(X.a > 0), b=(X.b * 2 // 1).where(X.b > 0))
    agree(function, reply_of(function, columns, DoubleType(), nulls=["b"]), data)


def test_long_columns_of_zeros_and_ones(tmp_path):
    """MLflow accepts a long for a double when all values are 0 or 1, and raises for others; old versions raise for all."""
    function = made(tmp_path, TREE, DoubleType(), DOUBLES)
    data = X.assign(b=np.arange(ROWS) % 3)
    reply = reply_of(function, {**DOUBLES, "b": "long"}, DoubleType())
    if importlib.import_module("mlflow").__version__.startswith("2.14."):
        assert codes(reply) == ["SW252"]
        return
    [mine], flagged = run(reply, {name: data[name].tolist() for name in data})
    assert flagged.tolist() == (data.b == 2).tolist()
    [theirs] = list(function(iter([data[data.b < 2]])))
    assert theirs.tolist() == [x for x, flag in zip(mine, flagged, strict=True) if not flag]
    with pytest.raises(Exception, match="Can not safely convert int64"):
        list(function(iter([data])))


def test_tensors(tmp_path):
    from mlflow.types import Schema, TensorSpec

    function = made(tmp_path, BARE, DoubleType(), Schema([TensorSpec(np.dtype("float64"), (-1, 3))]))
    agree(function, reply_of(function, DOUBLES, DoubleType()), X)
    assert codes(reply_of(function, {**DOUBLES, "b": "float", "a": "float", "c": "float"}, DoubleType())) == ["SW252"]
    assert codes(reply_of(function, {"a": "double", "b": "double"}, DoubleType())) == ["SW252"]
    assert codes(reply_of(function, {"a": "double"}, DoubleType())) == ["SW867"]


def test_an_archive(tmp_path, monkeypatch):
    """On a cluster the model is a file of the job; its contents are recorded."""
    import shutil

    from pyspark import SparkFiles

    spark = types.SimpleNamespace(
        conf=types.SimpleNamespace(get=lambda key: "spark://there:7077"),
        sparkContext=types.SimpleNamespace(addFile=lambda path: shutil.copy(path, tmp_path)),
    )
    function = made(tmp_path, TREE, DoubleType(), DOUBLES, spark=spark)
    monkeypatch.setattr(SparkFiles, "_root_directory", str(tmp_path))
    monkeypatch.setattr(SparkFiles, "_is_running_on_worker", True)
    reply = reply_of(function, DOUBLES, DoubleType(), folder=tmp_path)
    agree(function, reply, X)
    [file] = reply["files"]
    assert file["ofJob"] and file["path"].endswith(".zip")


@pytest.mark.parametrize(
    "model, result_type, schema, columns, struct, options, code",
    [
        (LINE, DoubleType(), DOUBLES, {"a": "double", "b": "double"}, True, {}, "SW252"),  # a column is missing
        (LINE, DoubleType(), DOUBLES, {"a": "double", "b": "double"}, False, {}, "SW252"),
        (LINE, DoubleType(), DOUBLES, {"a": "double", "b": "boolean", "c": "double"}, True, {}, "SW252"),
        (LINE, DoubleType(), {**DOUBLES, "b": "float"}, DOUBLES, True, {}, "SW252"),
        (LINE, DoubleType(), {**DOUBLES, "b": "integer"}, {**DOUBLES, "b": "long"}, True, {}, "SW252"),
        (LINE, DoubleType(), None, DOUBLES, False, {}, "SW252"),  # scikit-learn raises for names 0, 1, 2
        (LINE, IntegerType(), DOUBLES, DOUBLES, True, {}, "SW252"),  # the predictions have another type
        (LONGS, IntegerType(), DOUBLES, DOUBLES, True, {}, "SW252"),
        (WORDS, DoubleType(), DOUBLES, DOUBLES, True, {}, "SW252"),
        (LINE, StringType(), DOUBLES, DOUBLES, True, {}, "SW868"),
        (WORDS, ArrayType(StringType()), DOUBLES, DOUBLES, True, {}, "SW868"),
        (LINE, DoubleType(), DOUBLES, {**DOUBLES, "b": "string"}, True, {}, "SW867"),
        (LINE, DoubleType(), {**DOUBLES, "b": "datetime"}, {**DOUBLES, "b": "timestamp"}, True, {}, "SW867"),
        (LINE, DoubleType(), {**DOUBLES, "d": "double?"}, DOUBLES, False, {}, "SW867"),
        (LINE, StructType().add("0", DoubleType()), DOUBLES, DOUBLES, True, {}, "SW104"),
        *(
            (LINE, DoubleType(), DOUBLES, DOUBLES, True, {"given": {name: {"A": "1"}}}, "SW865")
            for name in ("model_config", "extra_env")
            if name in inspect.signature(mlflow.spark_udf).parameters
        ),
        (LINE, DoubleType(), DOUBLES, DOUBLES, True, {"code_paths": [__file__]}, "SW866"),
        (KMeans(2, n_init=1).fit(X), DoubleType(), DOUBLES, DOUBLES, True, {"pyfunc_predict_fn": "score"}, "SW802"),
    ],
)
def test_refusals(tmp_path, model, result_type, schema, columns, struct, options, code):
    function = made(tmp_path, model, result_type, schema, **options)
    assert codes(reply_of(function, columns, result_type, struct)) == [code]


def with_cell(function, name, value):
    """Returns the function with a replaced closure cell."""
    names = function.__code__.co_freevars
    cells = tuple(types.CellType(value) if n == name else c for n, c in zip(names, function.__closure__, strict=True))
    made = types.FunctionType(function.__code__, function.__globals__, function.__name__, function.__defaults__, cells)
    made.__module__, made.__qualname__ = function.__module__, function.__qualname__
    return made


def test_where_the_model_runs(tmp_path, monkeypatch):
    """The model runs only in the worker's own process, by the functions of a verified MLflow."""
    function = made(tmp_path, LINE, DoubleType(), DOUBLES)
    for name, value in {"env_manager": "virtualenv", "is_spark_connect": True, "use_dbconnect_artifact": True}.items():
        if name not in function.__code__.co_freevars:
            continue  # old versions know no such option
        [reason] = reply_of(with_cell(function, name, value), DOUBLES, DoubleType())["refusals"]
        assert reason["code"] == "SW865"
    changed = with_cell(function, "_predict_row_batch", lambda predict, args: predict(args[0]) + 1)
    assert codes(reply_of(changed, DOUBLES, DoubleType())) == ["SW865"]
    monkeypatch.setattr(mlflow, "_convert_array_values", lambda values, type: values)
    assert reply_of(function, DOUBLES, DoubleType())["status"] == "refused"
    monkeypatch.undo()
    monkeypatch.setattr(sys.modules["mlflow"], "__version__", "3.16.0")
    assert codes(reply_of(function, DOUBLES, DoubleType())) == ["SW803"]


def test_a_model_of_another_flavour(tmp_path):
    class Constant(mlflow.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input.iloc[:, 0]

    path = str(tmp_path / "own")
    mlflow.save_model(path, python_model=Constant(), pip_requirements=[])
    function = mlflow.spark_udf(SPARK, path, result_type=DoubleType()).__wrapped__.func
    assert codes(reply_of(function, DOUBLES, DoubleType())) == ["SW866"]


def test_a_file_that_changed(tmp_path):
    """A missing file, or another file than requested, is not read."""
    function = made(tmp_path, LINE, DoubleType(), DOUBLES)
    assert reply_of(function, DOUBLES, DoubleType())["status"] == "ok"
    folder = function.__closure__[function.__code__.co_freevars.index("local_model_path")].cell_contents
    os.unlink(os.path.join(folder, "model.pkl"))
    assert codes(reply_of(function, DOUBLES, DoubleType())) == ["SW860"]
