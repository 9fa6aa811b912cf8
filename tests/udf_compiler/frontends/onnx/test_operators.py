"""Compares each operator with ONNX Runtime in graphs of a few nodes: options, shapes, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pyspark.sql.types import BooleanType, DoubleType, FloatType, LongType, StringType

from tests.helpers.models import batch_of, compare, compiled, numbers

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
NAMES = {np.dtype("float32"): 1, np.dtype("int64"): 7, np.dtype("bool"): 9, np.dtype("float64"): 11}
RESULTS = {1: FloatType(), 7: LongType(), 9: BooleanType(), 11: DoubleType(), 8: StringType()}
ML = "ai.onnx.ml"
WEIGHTS = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)


def node(operator, *inputs, out="y", domain="", **attributes):
    outputs = [out] if isinstance(out, str) else out
    return onnx.helper.make_node(operator, list(inputs), outputs, domain=domain, **attributes)


def model(*nodes, columns=4, to=1, rank=2, opset=18, given=np.float32, **constants):
    """Returns the bytes of a graph from x [rows, columns] to y."""
    info = onnx.helper.make_tensor_value_info
    arrays = [onnx.numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    x = info("x", NAMES[np.dtype(given)], [None, columns])
    graph = onnx.helper.make_graph(list(nodes), "g", [x], [info("y", to, [None] * rank)], arrays)
    opsets = [onnx.helper.make_opsetid("", opset), onnx.helper.make_opsetid(ML, 3)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()


def first(data, given=np.float32, column=0):
    """Returns a function of the first output: a column of it, or all for None."""

    def scored(d):
        made = runtime.InferenceSession(data).run(None, {"x": d.to_numpy(dtype=given)})[0]
        return pd.Series(made if column is None or made.ndim == 1 else made[:, column])

    return scored


def check(*nodes, batch=None, to=1, least=50, column=0, given=np.float32, **options):
    data = model(*nodes, to=to, given=given, **options)
    function, rows = first(data, given, column), numbers(seed=3) if batch is None else batch
    scored = compare(function, rows, RESULTS[to], rtol=1e-4, atol=1e-5)
    assert not scored.refused, compiled(function, rows, RESULTS[to])["refusals"][0]["message"]
    assert scored.rows >= least, scored
    return scored


def refused(*nodes, batch=None, given=np.float32, **options):
    function = first(model(*nodes, given=given, **options), given)
    scored = compare(function, numbers(seed=3) if batch is None else batch, RESULTS[options.get("to", 1)])
    assert scored.refused == "SW837", scored


ODD = numbers(odd=True, seed=2)


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div"])
def test_arithmetic(operator):
    row = np.array([[1.5, -2.0, 0.25, 3.0]], np.float32)
    for constant in (row, row[0], np.float32(2.5), np.ones((1, 1), np.float32)):
        assert not check(node(operator, "x", "c"), c=constant, batch=ODD).kept
        check(node(operator, "c", "x"), c=constant, batch=ODD)
    assert not check(node("Neg", "x", out="n"), node(operator, "x", "n"), batch=ODD).kept
    refused(node(operator, "x", "c"), c=np.ones((1, 1, 4), np.float32), rank=3)


@pytest.mark.parametrize("operator", ["Less", "Greater", "LessOrEqual", "GreaterOrEqual", "Equal"])
def test_comparisons(operator):
    check(node(operator, "x", "c"), c=np.float32(0.1), to=9, batch=ODD)
    choice = node("Where", "m", "x", "c")
    check(node(operator, "x", "c", out="m"), choice, c=np.float32(0.1), batch=ODD)
    check(node(operator, "x", "c", out="m"), node("Where", "m", "c", "d"), c=np.float32(0.1), d=np.float32(2))


def test_logic():
    less, more = node("Less", "x", "c", out="a"), node("Greater", "x", "d", out="b")
    limits = {"c": np.float32(1), "d": np.float32(-1)}
    for operator in ("And", "Or"):
        check(less, more, node(operator, "a", "b"), to=9, **limits)
    check(less, node("Not", "a"), to=9, c=np.float32(1))
    check(node("IsNaN", "x"), to=9, batch=ODD)


@pytest.mark.parametrize("operator", ["Exp", "Log", "Sqrt", "Abs", "Neg", "Relu", "Sigmoid", "Tanh"])
def test_functions(operator):
    small = batch_of(**{name: np.linspace(0.1, 4, 100) for name in "abcd"})
    check(node(operator, "x"), batch=small)
    check(node(operator, "x"), batch=ODD)
    approximate = operator not in ("Abs", "Neg", "Relu")
    if approximate:  # what decides by approximate values is refused or guarded
        refused(node(operator, "x", out="z"), node("Greater", "z", "c"), c=np.float32(0.5), to=9)


def test_matrices_and_their_activations():
    product = node("MatMul", "x", "w", out="m")
    check(node("MatMul", "x", "w"), w=WEIGHTS, batch=ODD)
    check(product, node("Add", "m", "b"), w=WEIGHTS, b=np.float32([1, 2, 3]))
    for name in ("Relu", "Sigmoid", "Tanh", "Softmax"):
        check(product, node(name, "m"), w=WEIGHTS)
    further = [node("Tanh", "m", out="t"), node("Gemm", "t", "v", "b", transB=1)]
    check(product, *further, w=WEIGHTS, v=WEIGHTS[:2, :3], b=np.float32([0.5, 1]))
    check(product, node("ArgMax", "m", axis=1), w=WEIGHTS, to=7)
    check(product, node("Softmax", "m", out="s"), node("ArgMax", "s", axis=1, keepdims=0), w=WEIGHTS, to=7, rank=1)
    refused(node("Gemm", "x", "w", alpha=2.0), w=WEIGHTS)
    refused(node("Softmax", "x", axis=0))


def test_sums_that_nearly_cancel_are_guarded():
    """The order of three 32-bit additions decides which of two scores is larger."""
    weights = np.array([[0.1, 0.1], [0.2, 0.2], [0.3, 0.3], [1e-8, 0]], np.float32)
    data = model(node("MatMul", "x", "w", out="m"), node("ArgMax", "m", axis=1, keepdims=0), w=weights, to=7, rank=1)
    scored = compare(first(data), numbers(seed=3), LongType())
    assert scored.flagged > 100 and not scored.refused


def test_shapes():
    whole = np.int64([-1, 4])
    check(node("Reshape", "x", "s"), s=whole)
    check(node("Reshape", "x", "s", out="r"), node("Flatten", "r"), s=np.int64([-1, 2, 2]))
    check(node("Unsqueeze", "x", "a", out="u"), node("Squeeze", "u", "a"), a=np.int64([1]))
    check(node("Concat", "x", "x", axis=1), column=5)
    check(node("Concat", "x", "x", axis=-1), column=5)
    check(node("Gather", "x", "i", axis=1), i=np.int64([2, 0]))
    check(node("Gather", "x", "i", axis=1), i=np.int64(2), rank=1)
    check(node("Slice", "x", "b", "e", "a"), b=np.int64([1]), e=np.int64([3]), a=np.int64([1]))
    check(node("Identity", "x", out="i"), node("Dropout", "i"))
    check(node("Shape", "x", out="s"), node("ConstantOfShape", "s", out="o"), node("Add", "x", "o"))
    refused(node("Reshape", "x", "s"), s=np.int64([4, -1]))
    refused(node("Transpose", "x"))
    refused(node("Squeeze", "x"))


def test_reductions():
    for operator in ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd"):
        if operator == "ReduceSum":
            check(node(operator, "x", "a"), a=np.int64([1]), batch=ODD)
        else:
            check(node(operator, "x", axes=[1]), opset=13, batch=ODD)
            check(node(operator, "x", axes=[1], keepdims=0), opset=13, rank=1)
        refused(node(operator, "x", axes=[0]), opset=11)


def test_casts_and_limits():
    check(node("Cast", "x", to=11), to=11, batch=ODD)
    check(node("Cast", "x", to=7), to=7)
    assert compare(first(model(node("Cast", "x", to=7), to=7)), ODD, LongType()).flagged > 0
    check(node("Clip", "x", "a", "b"), a=np.float32(-1), b=np.float32(2))
    check(node("Clip", "x", min=-1.0), opset=6)
    check(node("MatMul", "x", "w", out="m"), node("Cast", "m", to=11), w=WEIGHTS, to=11)
    refused(node("MatMul", "x", "w", out="m"), node("Cast", "m", to=7), w=WEIGHTS, to=7)


def test_preparation():
    assert not check(node("Scaler", "x", domain=ML, offset=[1.0, 0.5, 0, 0], scale=[2.0, 1, 1, 1]), batch=ODD).kept
    check(node("Scaler", "x", domain=ML, offset=[1.0], scale=[0.1]), batch=ODD)
    check(node("Imputer", "x", domain=ML, imputed_value_floats=[1.0, 2, 3, 4], replaced_value_float=float("nan")), batch=ODD)
    check(node("Imputer", "x", domain=ML, imputed_value_floats=[1.5], replaced_value_float=0.0), batch=ODD)
    check(node("Binarizer", "x", domain=ML, threshold=0.2), batch=ODD)
    check(node("ArrayFeatureExtractor", "x", "i", domain=ML), i=np.int64([[3, 1]]), batch=ODD)
    check(node("FeatureVectorizer", "x", "x", domain=ML, inputdimensions=[4, 4]), batch=ODD)
    for norm in ("L1", "L2"):
        check(node("Normalizer", "x", domain=ML, norm=norm), batch=ODD)
    refused(node("Normalizer", "x", domain=ML, norm="MAX"))


def test_what_orders_of_operations_decide_is_guarded():
    """Sums, products and norms that overflow in one order, and quotients that the library fuses with a factor."""
    large = batch_of(a=[3e38, 1.0] * 30, b=[3e38, 2.0] * 30, c=[-3e38, 3.0] * 30, d=[-3e38, 4.0] * 30)
    mixed = batch_of(a=[1e30, 1.0] * 30, b=[1e30, 2.0] * 30, c=[1e-30, 3.0] * 30, d=[1e-30, 0.0] * 30)
    assert check(node("ReduceSum", "x", "a"), a=np.int64([1]), batch=large, least=30).flagged == 30
    assert check(node("ReduceProd", "x", axes=[1]), opset=13, batch=mixed, least=30).flagged == 30
    assert check(node("Normalizer", "x", domain=ML, norm="L2"), batch=large, least=30).flagged == 30
    heavy = np.array([[3e38, np.nan]] * 4, np.float32)
    assert check(node("MatMul", "x", "w"), w=heavy, batch=mixed, least=0).flagged == 60
    quotient = node("Div", "one", "x", out="q"), node("Mul", "q", "c", out="y")
    assert check(*quotient, one=np.float32(1), c=np.float32(3)).kept
    for operator in ("Sqrt", "Log"):
        refused(node("MatMul", "x", "w", out="m"), node(operator, "m"), w=WEIGHTS)
    refused(node("MatMul", "x", "w", out="m"), node("Div", "c", "m"), w=WEIGHTS, c=np.float32(2))


def test_a_scaler_of_doubles_subtracts_before_it_rounds():
    scaler = node("Scaler", "x", domain=ML, offset=[1.1] * 4, scale=[0.3] * 4)
    assert not check(scaler, given=np.float64).kept
    whole = batch_of(**{name: np.int64([1, 2**40 + 1, -7, 123456789] * 15) for name in "abcd"})
    assert not check(scaler, given=np.int64, batch=whole).kept


def test_categories():
    codes = batch_of(a=np.arange(60) % 7)
    letters = {"keys_int64s": [0, 3, 3, 5], "values_strings": list("abcd"), "default_string": "?"}
    encoded = node("LabelEncoder", "x", domain=ML, out="e", **letters)
    options = {"columns": 1, "given": np.int64, "batch": codes}
    check(encoded, node("Reshape", "e", "s"), s=np.int64([-1]), to=8, rank=1, column=None, **options)
    check(node("LabelEncoder", "x", domain=ML, keys_int64s=[1, 2], values_floats=[0.5, 1.5]), **options)
    one = node("OneHotEncoder", "x", domain=ML, cats_int64s=[1, 2, 4], out="h")
    check(one, node("Reshape", "h", "s"), s=np.int64([-1, 3]), column=1, **options)
    strict = node("OneHotEncoder", "x", domain=ML, cats_int64s=[1, 2, 4], zeros=0, out="h")
    scored = check(strict, node("Reshape", "h", "s"), s=np.int64([-1, 3]), column=1, least=20, **options)
    assert scored.flagged == scored.raised > 20


def test_tables_of_constants():
    """ArrayFeatureExtractor returns [1, rows], which only a Reshape makes a column. -0.0 is not 0.0."""
    codes = {"columns": 1, "batch": batch_of(a=np.arange(60) % 2), "given": np.int64}
    table = np.float32([-0.0, 1.0])
    check(node("Gather", "t", "x"), t=table, **codes)
    extracted = node("ArrayFeatureExtractor", "t", "x", domain=ML, out="e")
    check(extracted, node("Reshape", "e", "s"), t=table[None], s=np.int64([-1]), rank=1, **codes)
    check(extracted, node("Reshape", "e", "s"), t=table, s=np.int64([-1, 1]), **codes)
    refused(node("ArrayFeatureExtractor", "t", "x", domain=ML), t=table, **codes)
    refused(extracted, node("Reshape", "e", "s"), t=np.float32([[1, 2], [3, 4]]), s=np.int64([-1]), rank=1, **codes)


def test_what_no_operator_translates_is_refused():
    """Values that a translator lacks, empty ones, random ones, nodes out of order, and constants of odd shapes."""
    row = np.float32([1, 2, 3, 4])
    refused(node("Dropout", "x", out=["o", "y"]), to=9)
    refused(node("Slice", "x", "b", "b", "a", out="s"), node("Concat", "s", "x", axis=1), a=np.int64([1]), b=np.int64([2]))
    refused(node("RandomUniformLike", "c", out="r"), node("Add", "x", "r"), c=row)
    refused(node("Add", "r", "x"), node("Neg", "x", out="r"))
    refused(node("Reshape", "x", shape=[-1, 4]), opset=4)
    column = node("Gather", "x", "i", axis=1, out="g"), node("Less", "g", "z", out="m")
    refused(*column, node("Where", "m", "c", "z"), c=row[None], i=np.int64([0]), z=np.float32(0))
    refused(node("Clip", "x", "a"), a=np.float32(np.nan))
    refused(node("Normalizer", "x", domain=ML, norm="L1"), given=np.int64)
    codes = {"columns": 1, "batch": batch_of(a=np.arange(60) % 3), "given": np.int64}
    refused(node("OneHotEncoder", "x", domain=ML, cats_int64s=[1, 2, 1]), rank=3, **codes)


MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE")


@pytest.mark.parametrize("tracks", [0, 1])
@pytest.mark.parametrize("mode", MODES)
def test_modes_of_trees(mode, tracks):
    """Values at a threshold, beside it, and missing ones take ONNX Runtime's side."""
    near = np.float32(0.1)
    values = [near, np.nextafter(near, np.float32(1)), np.nextafter(near, np.float32(-1)), np.nan, np.inf, -np.inf, 0.0]
    batch = batch_of(a=np.array(values * 4, np.float64))
    tree = {
        "nodes_treeids": [0, 0, 0], "nodes_nodeids": [0, 1, 2], "nodes_featureids": [0, 0, 0], "nodes_values": [0.1, 0.0, 0.0],
        "nodes_modes": [mode, "LEAF", "LEAF"], "nodes_truenodeids": [1, 0, 0], "nodes_falsenodeids": [2, 0, 0],
        "nodes_missing_value_tracks_true": [tracks, 0, 0],
    }  # fmt: skip
    leaves = {"target_treeids": [0, 0], "target_nodeids": [1, 2], "target_ids": [0, 0], "target_weights": [1.0, 2.0]}
    base = {"n_targets": 1, "base_values": [0.25]}
    made = node("TreeEnsembleRegressor", "x", domain=ML, **tree, **leaves, **base)
    check(made, columns=1, batch=batch, least=28)
    refused(node("TreeEnsembleRegressor", "x", domain=ML, **tree, **leaves, n_targets=1, aggregate_function="MIN"))


def test_constants_are_folded():
    check(node("Mul", "c", "d", out="e"), node("Add", "x", "e"), c=np.float32(2), d=np.float32([1, 2, 3, 4]))
    value = onnx.numpy_helper.from_array(np.float32([1, 2, 3, 4]))
    check(node("Constant", out="k", value=value), node("Mul", "x", "k"))


def test_a_constant_number_of_rows_is_refused():
    info = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph([node("Relu", "x")], "g", [info("x", 1, [1, 4])], [info("y", 1, [1, 4])])
    data = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 15)], ir_version=8).SerializeToString()
    assert compare(first(data), numbers(seed=3), FloatType()).refused == "SW837"
