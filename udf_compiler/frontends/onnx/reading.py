"""Reads ONNX files as graphs: nodes in their order of execution, and constants as arrays. Requires the package onnx."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np

#: The domain of the operators of classical models; other operators are named without their domain, which is empty.
_OF_MODELS = "ai.onnx.ml"
_DOMAINS = ("", "ai.onnx", _OF_MODELS)


class Unread(Exception):
    """Raised for an element of a file that no reader supports; the message names it."""


@dataclass(frozen=True)
class Node:
    """A node: ``outputs = operator(inputs)``. An input without a name is an optional one that is left out.

    `opset`: the version of the operator's set. `attributes`: numbers, strings, lists of them, or arrays.
    """

    operator: str
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    original: Any


@dataclass(frozen=True)
class Graph:
    """The nodes in their order of execution, and the arrays by name that are constant."""

    nodes: tuple[Node, ...]
    constants: dict[str, np.ndarray]

    def required(self, outputs: tuple[str, ...]) -> list[Node]:
        """Returns the nodes on which the outputs depend, in their order."""
        wanted, found = set(outputs), []
        for node in reversed(self.nodes):
            if wanted & set(node.outputs):
                found.append(node)
                wanted |= set(node.inputs)
        return found[::-1]


def read(data: bytes) -> Graph:
    """Returns the graph of a serialized model. ONNX Runtime has loaded it before, so it is valid.

    Raises Unread without the package onnx, and for a model with other parts than nodes.
    """
    try:
        library = importlib.import_module("onnx")
    except ImportError:
        raise Unread("no reader, because the driver's Python lacks the package onnx") from None
    model = library.load_model_from_string(data)
    graph = model.graph
    if model.functions or graph.sparse_initializer:
        raise Unread("functions or sparse constants of its own")
    opsets = {entry.domain: entry.version for entry in model.opset_import}
    stored = {}
    for constant in graph.initializer:
        if constant.data_location == library.TensorProto.EXTERNAL:
            raise Unread("constants in another file")
        stored[constant.name] = library.numpy_helper.to_array(constant)
    return Graph(tuple(_node(library, node, opsets) for node in graph.node), stored)


def _node(library: Any, node: Any, opsets: dict[str, int]) -> Node:
    prefix = "" if node.domain in ("", "ai.onnx") else f"{node.domain}."
    opset = opsets.get(node.domain, opsets.get("ai.onnx" if not node.domain else "", 1))
    attributes = {a.name: _attribute(library, a) for a in node.attribute} if node.domain in _DOMAINS else {}
    return Node(f"{prefix}{node.op_type}", opset, tuple(node.input), tuple(node.output), attributes, node)


def _attribute(library: Any, attribute: Any) -> Any:
    value = library.helper.get_attribute_value(attribute)
    if isinstance(value, library.TensorProto):
        return library.numpy_helper.to_array(value)
    if isinstance(value, bytes):
        return value.decode()
    if attribute.type == library.AttributeProto.STRINGS:
        return [v.decode() for v in value]
    if attribute.type in (library.AttributeProto.FLOATS, library.AttributeProto.INTS):
        return list(value)
    if isinstance(value, int | float):
        return value
    raise Unread(f"an operator with a subgraph ({attribute.name})")


def folded(node: Node, arguments: list[np.ndarray | None]) -> list[np.ndarray | None]:
    """Returns the results of a node of constants only, as ONNX Runtime computes them."""
    onnx, runtime = importlib.import_module("onnx"), importlib.import_module("onnxruntime")
    given = {name: value for name, value in zip(node.inputs, arguments, strict=True) if value is not None}
    constants = [onnx.numpy_helper.from_array(value, name) for name, value in given.items()]
    results = [onnx.helper.make_empty_tensor_value_info(name) for name in node.outputs if name]
    graph = onnx.helper.make_graph([node.original], "constants", [], results, constants)
    opsets = [onnx.helper.make_opsetid(node.original.domain, node.opset)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    made = iter(runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {}))
    return [next(made) if name else None for name in node.outputs]
