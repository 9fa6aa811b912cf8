"""Draws ONNX graphs of a few nodes over four columns, and compares an output with ONNX Runtime."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from hypothesis import reject
from hypothesis import strategies as st
from pyspark.sql.types import FloatType, LongType

from tests.helpers.compiled import Compared, no_fault
from tests.helpers.models import compare

INSTALLED = all(map(importlib.util.find_spec, ("onnx", "onnxruntime")))
_ROWS, _WIDTH, _ML = 120, 4, "ai.onnx.ml"
_ODD = (np.inf, -np.inf, np.nan, 0.0, -0.0, 1e30, 1e-40, 0.5, 1.0)
#: 32-bit sums of other orders, relative to the largest result.
_NEAR = 1e-4
#: ONNX Runtime computes logistic functions below this as 0: the error is small, but not in relation to such a result.
_LEAST = 1e-6

Draw = Callable[[Any], Any]


@dataclass
class _Graph:
    """The nodes and constants so far; `at` is the last tensor, [rows, width]."""

    rng: np.random.Generator
    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    at: str = "x"
    width: int = _WIDTH

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.asarray(value)
        return name

    def node(self, operator: str, *inputs: str, outputs: int = 1, **attributes: Any) -> list[str]:
        names = [f"t{len(self.nodes)}_{k}" for k in range(outputs)]
        domain, _, name = operator.rpartition(":")
        made = importlib.import_module("onnx.helper").make_node(name, list(inputs), names, domain=domain, **attributes)
        self.nodes.append(made)
        return names

    def then(self, operator: str, *inputs: str, width: int | None = None, **attributes: Any) -> None:
        [self.at] = self.node(operator, self.at, *inputs, **attributes)
        self.width = self.width if width is None else width

    def numbers(self, *shape: int) -> np.ndarray:
        return self.rng.choice([*self.rng.normal(size=9), 0.5, -1.0, 0.25], shape).astype(np.float32)  # type: ignore[no-any-return]


_KINDS = "arithmetic activation dense scaler columns clip imputer norm softmax where reduce join".split()


def _step(graph: _Graph, draw: Draw) -> None:
    width = graph.width
    kind = draw(st.sampled_from(_KINDS))
    if kind == "arithmetic":
        graph.then(draw(st.sampled_from(("Add", "Sub", "Mul", "Div"))), graph.constant(graph.numbers(1, width)))
    elif kind == "activation":
        graph.then(draw(st.sampled_from(("Relu", "Sigmoid", "Tanh", "Neg", "Abs"))))
    elif kind == "dense":
        units = draw(st.integers(1, 5))
        weights = graph.constant(graph.numbers(width, units))
        if draw(st.booleans()):
            graph.then("Gemm", weights, graph.constant(graph.numbers(units)), width=units)
        else:
            graph.then("MatMul", weights, width=units)
    elif kind == "scaler":
        offset, scale = (graph.numbers(width).tolist() for _ in range(2))
        graph.then(f"{_ML}:Scaler", offset=offset, scale=scale)
    elif kind == "columns":
        chosen = graph.rng.integers(0, width, draw(st.integers(1, 4)))
        graph.then("Gather", graph.constant(chosen), axis=1, width=len(chosen))
    elif kind == "clip":
        graph.then("Clip", graph.constant(np.float32(-1)), graph.constant(np.float32(draw(st.sampled_from((0.0, 1.5))))))
    elif kind == "imputer":
        graph.then(f"{_ML}:Imputer", imputed_value_floats=[0.5], replaced_value_float=draw(st.sampled_from((float("nan"), 0.0))))
    elif kind == "norm":
        graph.then(f"{_ML}:Normalizer", norm=draw(st.sampled_from(("L1", "L2"))))
    elif kind == "softmax":
        graph.then("Softmax", axis=1)
    elif kind == "where":
        [mask] = graph.node("Greater", graph.at, graph.constant(np.float32(0.25)))
        [graph.at] = graph.node("Where", mask, graph.at, graph.constant(np.float32(draw(st.sampled_from((0.0, 2.0))))))
    elif kind == "reduce":
        name = draw(st.sampled_from(("Sum", "Mean", "Max", "Min")))
        if name == "Sum":  # an argument from version 13 on
            graph.then("ReduceSum", graph.constant(np.int64([1])), width=1)
        else:
            graph.then(f"Reduce{name}", axes=[1], width=1)
    else:
        graph.then("Concat", "x", axis=1, width=width + _WIDTH)


def _trees(graph: _Graph, draw: Draw, leaves: str) -> dict[str, Any]:
    """Returns the attributes of a few complete trees of depth 2, whose leaves have weights of all outputs or of one."""
    modes = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GT", "BRANCH_GTE")
    outputs, count = draw(st.integers(1, 3)), draw(st.integers(1, 5))
    made: dict[str, list[Any]] = {name: [] for name in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids",
                                                         "falsenodeids", "missing_value_tracks_true")}  # fmt: skip
    weights: dict[str, list[Any]] = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    for tree in range(count):
        for number in range(7):
            leaf = number > 2
            row = (tree, number, int(graph.rng.integers(0, graph.width)), float(graph.numbers(1)[0]),
                   "LEAF" if leaf else draw(st.sampled_from(modes)), 0 if leaf else 2 * number + 1, 0 if leaf else 2 * number + 2,
                   int(not leaf and graph.rng.integers(0, 2)))  # fmt: skip
            for name, value in zip(made, row, strict=True):
                made[name].append(value)
            for output in range(outputs) if leaf else ():
                weight = float(graph.rng.choice([0.0, 0.25, 0.5, -0.5, *graph.numbers(2)]))
                for name, value in zip(weights, (tree, number, output, weight), strict=True):
                    weights[name].append(value)
    return {**{f"nodes_{k}": v for k, v in made.items()}, **{f"{leaves}_{k}": v for k, v in weights.items()}}


def _end(graph: _Graph, draw: Draw) -> tuple[str, bool, bool]:
    """Draws the last node; returns (the output, whether it has one axis, whether it is a label)."""
    kind = draw(st.sampled_from(("column", "argmax", "linear", "regressor", "classifier")))
    if kind == "argmax":
        return graph.node("ArgMax", graph.at, axis=1, keepdims=0)[0], True, True
    if kind == "regressor":
        attributes = _trees(graph, draw, "target")
        targets = max(attributes["target_ids"]) + 1
        return graph.node(f"{_ML}:TreeEnsembleRegressor", graph.at, n_targets=targets, **attributes)[0], False, False
    if kind in ("linear", "classifier"):
        transform = draw(st.sampled_from(("NONE", "LOGISTIC", "SOFTMAX")))
        if kind == "linear":
            given = {"coefficients": graph.numbers(3 * graph.width).tolist(), "intercepts": graph.numbers(3).tolist(),
                     "classlabels_ints": [3, 1, 2]}  # fmt: skip
            made = graph.node(f"{_ML}:LinearClassifier", graph.at, outputs=2, post_transform=transform, **given)
        else:
            attributes = _trees(graph, draw, "class")
            count = max(attributes["class_ids"]) + 1
            labels = [7, 5, 9][:count] if count > 1 else [7, 5]
            attributes |= {"post_transform": transform, "classlabels_int64s": labels}
            made = graph.node(f"{_ML}:TreeEnsembleClassifier", graph.at, outputs=2, **attributes)
        return (made[0], True, True) if draw(st.booleans()) else (made[1], False, False)
    return graph.node("Identity", graph.at)[0], False, False


def compare_graph(draw: Draw) -> tuple[str, Compared]:
    """Draws a graph, and compares a column of its output, or its labels, over rows with odd values and ties."""
    helper, runtime = importlib.import_module("onnx.helper"), importlib.import_module("onnxruntime")
    graph = _Graph(np.random.default_rng(draw(st.integers(0, 2**32 - 1))))
    for _ in range(draw(st.integers(0, 4))):
        _step(graph, draw)
    output, flat, label = _end(graph, draw)
    arrays = [importlib.import_module("onnx.numpy_helper").from_array(v, name) for name, v in graph.constants.items()]
    info = helper.make_tensor_value_info
    results = [info(output, 7 if label else 1, [None] if flat else [None, None])]
    whole = helper.make_graph(graph.nodes, "g", [info("x", 1, [None, _WIDTH])], results, arrays)
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid(_ML, 3)]
    data = helper.make_model(whole, opset_imports=opsets, ir_version=8).SerializeToString()

    def function(d: pd.DataFrame) -> pd.Series:
        made = runtime.InferenceSession(data).run(None, {"x": d.to_numpy(dtype=np.float32)})[0]
        return pd.Series(made if flat else made[:, -1])

    table = graph.numbers(_ROWS, _WIDTH).astype(np.float64)
    for row, value in enumerate(_ODD):
        table[row, graph.rng.integers(0, _WIDTH)] = value
    batch = pa.RecordBatch.from_arrays([pa.array(column) for column in table.T], list("abcd"))
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    usual = runtime.InferenceSession(data, options).run(None, {"x": table[len(_ODD) :].astype(np.float32)})[0]
    if np.abs(usual).max() < _LEAST:
        reject()
    near = {} if label else {"rtol": _NEAR, "atol": _NEAR * float(np.abs(usual[np.isfinite(usual)]).max(initial=1.0))}
    scored = compare(function, batch, LongType() if label else FloatType(), **near)
    no_fault(scored.refused)
    source = " -> ".join(node.op_type for node in graph.nodes)
    return source, Compared(1, int(scored.rows > 0), int(scored.flagged > 0), int(scored.raised > 0), scored.refused)
