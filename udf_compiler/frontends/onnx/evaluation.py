"""Evaluates a graph on tensors of the batch's rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sparkweld.ir import LoopBuilder
from udf_compiler.frontends.networks.tensors import Tensor
from udf_compiler.frontends.onnx import arithmetic, dense, shapes, trees
from udf_compiler.frontends.onnx.reading import Graph, folded
from udf_compiler.frontends.onnx.step import Argument, Operator, Step
from udf_compiler.frontends.tracing.session import refuse

#: Operator, after its domain where that is not ONNX's own -> the translator.
OPERATORS: dict[str, Operator] = {**arithmetic.OPERATORS, **dense.OPERATORS, **shapes.OPERATORS, **trees.OPERATORS}
#: Operators whose results differ between calls, also for constants.
_RANDOM = frozenset("RandomNormalLike RandomUniformLike Bernoulli Multinomial Dropout".split())


class Evaluation:
    """The values of a graph for inputs. Each output is computed when it is requested, from the nodes on which it depends.

    So a supported output of a model compiles beside an unsupported one that the function does not use.
    """

    def __init__(self, graph: Graph, given: Mapping[str, Tensor], loop: LoopBuilder, call: str) -> None:
        self._graph, self._loop, self._call = graph, loop, call
        self._known: dict[str, Argument] = {**graph.constants, **given}

    def result(self, output: str) -> Argument:
        """Returns the value of an output. Refuses SW837 an operator without a translator, and what a translator refuses."""
        nodes = self._graph.required((output,))
        required = frozenset({output}).union(*(node.inputs for node in nodes))
        for node in nodes:
            if not all(name in self._known for name in required.intersection(node.outputs)):
                step = Step(self._loop, node, self._call, required)
                made = self._results(step, [self._value(name) if name else None for name in node.inputs])
                self._known |= {name: x for name, x in zip(node.outputs, made, strict=False) if x is not None}
        return self._value(output)

    def _value(self, name: str) -> Argument:
        if name not in self._known:
            refuse("SW837", call=self._call, what=f"the value {name}, which its operator's translation lacks or computes later")
        return self._known[name]

    def _results(self, step: Step, arguments: list[Argument]) -> list[Argument]:
        if arguments and all(a is None or isinstance(a, np.ndarray) for a in arguments):
            if step.node.operator in _RANDOM:
                step.refuse("random results")
            return list(folded(step.node, arguments))  # type: ignore[arg-type]
        if step.node.operator not in OPERATORS:
            refuse("SW837", call=self._call, what=f"the operator {step.node.operator}")
        made = OPERATORS[step.node.operator](step, *arguments)
        if any(isinstance(x, Tensor) and 0 in x.shape for x in made):
            step.refuse("a result without values")
        return made
