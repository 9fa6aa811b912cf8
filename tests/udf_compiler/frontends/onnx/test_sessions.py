"""Compares sessions of ONNX Runtime with kernels: converted models of all families, and each operator's options."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from pyspark.sql.types import DoubleType, FloatType, LongType, StringType
from sklearn import ensemble, linear_model, neural_network, pipeline, preprocessing, svm, tree

from tests.helpers.kinds import compile_udf
from tests.helpers.lines import PythonEvalType
from tests.helpers.models import compare, frame, numbers
from udf_compiler.frontends.onnx.session import Model

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
convert = pytest.importorskip("skl2onnx").to_onnx

TABLE = frame(numbers()).to_numpy(np.float32)
ODD = numbers(odd=True, seed=2)
PLAIN = numbers(seed=4)
TARGET = TABLE * [10, 1, 0.1, 0.01] @ [1.0, -2.0, 0.5, 0.0]
TWO = (TARGET > 0.1).astype(int)
THREE = np.digitize(TARGET, [-1, 1]) * 10
NAMES = np.array(["low", "middle", "high"])[np.digitize(TARGET, [-1, 1])]
#: Versions of the operators that all tested versions of ONNX Runtime have.
OPSET = {"": 18, "ai.onnx.ml": 3}
#: 32-bit sums in another order.
SINGLE = {"rtol": 1e-4, "atol": 1e-5}


def converted(model, target, **options):
    """Returns the bytes of a fitted model, whose probabilities are a matrix."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = model.fit(TABLE, target)
        if hasattr(fitted, "classes_"):
            options = {"zipmap": False, **options}
        chosen = {id(fitted): options} if options else None
        return convert(fitted, TABLE[:1], options=chosen, target_opset=OPSET).SerializeToString()


def output(data, at=0, column=None):
    """Returns a function that scores a frame by a session that it creates."""

    def scored(d):
        session = runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
        made = session.run(None, {session.get_inputs()[0].name: d.to_numpy(dtype=np.float32)})[at]
        return pd.Series(made if column is None else made[:, column])

    return scored


REGRESSORS = [
    tree.DecisionTreeRegressor(max_depth=4),
    ensemble.RandomForestRegressor(7, max_depth=4),
    ensemble.ExtraTreesRegressor(5, max_depth=4),
    ensemble.GradientBoostingRegressor(n_estimators=9),
    linear_model.LinearRegression(),
    linear_model.Ridge(),
    svm.LinearSVR(max_iter=50),
    neural_network.MLPRegressor(hidden_layer_sizes=(6,), max_iter=20),
    neural_network.MLPRegressor(hidden_layer_sizes=(6, 5), activation="tanh", max_iter=20),
    neural_network.MLPRegressor(hidden_layer_sizes=(6, 5, 4), activation="logistic", max_iter=20),
    pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.Ridge()),
    pipeline.make_pipeline(preprocessing.MinMaxScaler(), ensemble.RandomForestRegressor(5, max_depth=3)),
    pipeline.make_pipeline(preprocessing.MaxAbsScaler(), preprocessing.PolynomialFeatures(2), linear_model.Ridge()),
]


@pytest.mark.parametrize("model", REGRESSORS, ids=repr)
def test_regressors(model):
    scored = compare(output(converted(model, TARGET), column=0), ODD, FloatType(), **SINGLE)
    assert scored.rows > 100, scored


CLASSIFIERS = [
    tree.DecisionTreeClassifier(max_depth=4),
    ensemble.RandomForestClassifier(7, max_depth=4),
    ensemble.GradientBoostingClassifier(n_estimators=5),
    linear_model.LogisticRegression(),
    neural_network.MLPClassifier((6,), max_iter=20),
    pipeline.make_pipeline(preprocessing.StandardScaler(), linear_model.LogisticRegression()),
    pipeline.make_pipeline(preprocessing.Normalizer(), linear_model.LogisticRegression()),
]


@pytest.mark.each_value_once
@pytest.mark.parametrize("target", [TWO, THREE, NAMES], ids=["two", "three", "names"])
@pytest.mark.parametrize("model", CLASSIFIERS, ids=repr)
def test_classifiers(model, target):
    data = converted(model, target)
    label = StringType() if target.dtype.kind == "U" else LongType()
    assert compare(output(data), PLAIN, label).rows > 100
    for at in range(len(np.unique(target))):
        assert compare(output(data, 1, at), ODD, FloatType(), **SINGLE).rows > 100


def of_batch(data, at=0, names=None):
    """Returns a function of one column for each input of the session."""

    def scored(d):
        session = runtime.InferenceSession(data)
        feed = {node.name: d[[node.name]].to_numpy() for node in session.get_inputs()}
        return pd.Series(session.run(names, feed)[at].ravel())

    return scored


@pytest.mark.parametrize("kind", ["LGBMClassifier", "LGBMRegressor", "XGBClassifier", "XGBRegressor"])
def test_boosters(kind):
    tools = pytest.importorskip("onnxmltools")
    from onnxmltools.convert.common.data_types import FloatTensorType

    library = "lightgbm" if kind.startswith("LGBM") else "xgboost"
    options = {"n_estimators": 5, "max_depth": 3} | ({"verbose": -1} if library == "lightgbm" else {})
    for target in (TWO, np.digitize(TARGET, [-1, 1])) if "Classifier" in kind else (TARGET,):
        model = getattr(pytest.importorskip(library), kind)(**options).fit(TABLE, target)
        types = [("x", FloatTensorType([None, TABLE.shape[1]]))]
        more = {"zipmap": False} if library == "lightgbm" else {}
        data = getattr(tools, f"convert_{library}")(model, initial_types=types, target_opset=15, **more).SerializeToString()
        if "Regressor" in kind:
            assert compare(output(data, 0, 0), ODD, FloatType(), **SINGLE).rows > 100
            continue
        assert compare(output(data), PLAIN, LongType()).rows > 100
        for at in range(len(np.unique(target))):
            assert compare(output(data, 1, at), ODD, FloatType(), **SINGLE).rows > 100


def test_lists_of_dictionaries():
    model = linear_model.LogisticRegression().fit(TABLE, TWO)
    data = convert(model, TABLE[:1]).SerializeToString()

    def listed(d):
        session = runtime.InferenceSession(data)
        return pd.Series([row[1] for row in session.run(None, {"X": d.to_numpy(dtype=np.float32)})[1]])

    def counted(d):
        session = runtime.InferenceSession(data)
        return pd.Series(len(session.run(None, {"X": d.to_numpy(dtype=np.float32)})[1]), d.index)

    assert compare(listed, PLAIN, DoubleType(), **SINGLE).rows > 100
    assert compare(counted, PLAIN, LongType()).refused


def test_sessions_of_files(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_bytes(converted(linear_model.LinearRegression(), TARGET))
    name, unread = str(path), str(tmp_path / "other.onnx")

    def of_file(d):
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        session = runtime.InferenceSession(name, sess_options=options, providers=["CPUExecutionProvider"])
        source, result = session.get_inputs()[0].name, session.get_outputs()[0].name
        return pd.Series(session.run([result], {source: d.to_numpy().astype(np.float32)})[0][:, 0])

    def of_missing(d):
        return pd.Series(runtime.InferenceSession(unread).run(None, {"X": d.to_numpy().astype(np.float32)})[0][:, 0])

    files = {"folder": str(tmp_path), "jobFiles": str(tmp_path), "limit": 1 << 20}
    assert compare(of_file, PLAIN, FloatType(), files=files, **SINGLE).rows > 100
    assert compare(of_file, PLAIN, FloatType()).refused == "SW805"
    assert compare(of_missing, PLAIN, FloatType(), files=files).refused == "SW860"


def test_an_output_is_one_object():
    """A change in place shows wherever the function reads the output again. Outputs requested twice are refused."""
    data = converted(linear_model.LinearRegression(), TARGET)

    def changed(d):
        made = runtime.InferenceSession(data).run(None, {"X": d.to_numpy(dtype=np.float32)})
        first = made[0]
        first += 1
        return pd.Series(made[-1][:, 0])

    def twice(d):
        made = runtime.InferenceSession(data).run(["variable"] * 2, {"X": d.to_numpy(dtype=np.float32)})
        return pd.Series(made[1][:, 0])

    assert compare(changed, PLAIN, FloatType(), **SINGLE).rows > 100
    assert compare(twice, PLAIN, FloatType()).refused == "SW837"


@pytest.mark.parametrize("keys", [list("dbca"), [3, -1, 2, 0]], ids=["strings", "integers"])
def test_dictionaries_are_in_the_order_of_their_keys(keys):
    helper, kind = onnx.helper, "strings" if isinstance(keys[0], str) else "int64s"
    zipped = helper.make_node("ZipMap", ["x"], ["y"], domain="ai.onnx.ml", **{f"classlabels_{kind}": keys})
    given, made = helper.make_tensor_value_info("x", 1, [None, 4]), helper.make_empty_tensor_value_info("y")
    opsets = [helper.make_opsetid(*entry) for entry in OPSET.items()]
    graph = helper.make_graph([zipped], "g", [given], [made])
    data = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()

    def least(d):
        made = runtime.InferenceSession(data).run(None, {"x": d.to_numpy(dtype=np.float32)})[0]
        return pd.Series([list(row.values())[0] for row in made])

    assert compare(least, ODD, DoubleType()).rows > 100


def test_what_the_library_rejects():
    """ONNX Runtime raises for 64-bit floats, other shapes and unknown names, so the function stays with Python."""
    data = converted(linear_model.LinearRegression(), TARGET)

    def wide(d):
        return pd.Series(runtime.InferenceSession(data).run(None, {"X": d.to_numpy()})[0][:, 0])

    def narrow(d):
        return pd.Series(runtime.InferenceSession(data).run(None, {"X": d[["a"]].to_numpy(dtype=np.float32)})[0][:, 0])

    def unnamed(d):
        return pd.Series(runtime.InferenceSession(data).run(["y"], {"X": d.to_numpy(dtype=np.float32)})[0][:, 0])

    def on_gpu(d):
        session = runtime.InferenceSession(data, providers=["CUDAExecutionProvider", "CPUExecutionProvider"])
        return pd.Series(session.run(None, {"X": d.to_numpy(dtype=np.float32)})[0][:, 0])

    assert [compare(f, PLAIN, FloatType()).refused for f in (wide, narrow, unnamed)] == ["SW252"] * 3
    assert compare(on_gpu, PLAIN, FloatType()).refused == "SW840"
    assert compare(output(b"no model", 0, 0), PLAIN, FloatType()).refused == "SW252"


def test_outputs_that_are_changed():
    """The list has the array that the function has changed, as in Python."""
    data, sums = converted(ensemble.RandomForestClassifier(5, max_depth=3), THREE), converted(linear_model.Ridge(), TARGET)

    def replaced(d):
        found = runtime.InferenceSession(data).run(None, {"X": d.to_numpy(dtype=np.float32)})
        labels = found[0]
        labels[labels == 10] = 7
        return pd.Series(found[0])

    def doubled(d):
        found = runtime.InferenceSession(sums).run(None, {"X": d.to_numpy(dtype=np.float32)})
        made = found[-1]
        made *= 2
        [again] = found
        return pd.Series(again[:, 0])

    assert compare(replaced, PLAIN, LongType()).rows > 100
    assert compare(doubled, PLAIN, FloatType(), **SINGLE).rows > 100


def test_a_model_is_loaded_once_for_all_paths_of_a_function():
    data = converted(linear_model.Lasso(), TARGET)

    def of_row(a, b, c, d):
        session = runtime.InferenceSession(data)
        b = b * 2 if a > 1 else b
        d = d + 1 if c > 0 else d
        return float(session.run(None, {"X": np.array([[a, b, c, d]], dtype=np.float32)})[0][0][0])

    before = Model.of.cache_info()
    made = compile_udf(of_row, PythonEvalType.SQL_BATCHED_UDF, dict.fromkeys("abcd", "double"), "float")
    after = Model.of.cache_info()
    assert made["status"] == "ok" and after.misses == before.misses + 1 and after.hits > before.hits + 3


def test_exact_results():
    """Where results must be exact, labels compile and probabilities do not."""
    data = converted(ensemble.RandomForestClassifier(5, max_depth=3), THREE)
    assert compare(output(data), PLAIN, LongType(), exact=True).rows > 100
    assert compare(output(data, 1, 0), PLAIN, FloatType(), exact=True).refused == "SW820"
