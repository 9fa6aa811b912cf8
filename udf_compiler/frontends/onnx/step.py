"""Defines a step of an evaluation: a node, and what its translator reads of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from sparkweld.ir import LoopBuilder
from udf_compiler.frontends.networks.tensors import Tensor
from udf_compiler.frontends.onnx.reading import Node
from udf_compiler.frontends.onnx.values import Across, Maps, Sizes
from udf_compiler.frontends.tracing.session import refuse

#: An argument or a result of a node; None is an optional one that is left out.
Argument = Tensor | Across | Maps | Sizes | np.ndarray | None


@dataclass(frozen=True)
class Step:
    """A node of the graph that is translated. `call`: the user's call. `required`: the outputs that something reads."""

    loop: LoopBuilder
    node: Node
    call: str
    required: frozenset[str]

    def attribute(self, name: str, default: Any = None) -> Any:
        return self.node.attributes.get(name, default)

    def requires(self, at: int) -> bool:
        """Whether something reads output number `at`."""
        return at < len(self.node.outputs) and self.node.outputs[at] in self.required

    def refuse(self, what: str) -> NoReturn:
        """Refuses (SW837) the node."""
        refuse("SW837", call=self.call, what=f"the operator {self.node.operator} with {what}")

    def tensor(self, argument: Argument, what: str = "an argument") -> Tensor:
        """Returns an argument with a row of the batch each. Refuses other arguments."""
        if not isinstance(argument, Tensor):
            self.refuse(f"{what} that is not a tensor of the batch's rows")
        return argument

    def constant(self, argument: Argument, what: str) -> np.ndarray:
        """Returns a constant argument. Refuses other arguments."""
        if not isinstance(argument, np.ndarray):
            self.refuse(f"{what} that depends on the rows")
        return argument

    def exact(self, x: Tensor) -> Tensor:
        """Refuses a tensor of approximate values, by which the operator decides."""
        if not x.exact:
            self.refuse("approximate values, by which it decides")
        return x

    def alone(self, x: Tensor) -> Tensor:
        """Refuses a tensor that has not exactly one axis beside the rows."""
        if len(x.shape) != 1:
            self.refuse(f"a tensor of {len(x.shape) + 1} axes")
        return x


#: Returns the results of a node from its arguments.
Operator = Callable[..., "list[Argument]"]
