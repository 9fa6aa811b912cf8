"""Defines tensors of PyTorch that have values for each row: the rows' values, and PyTorch's own tensor of a few sample rows."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL, F32, F64, I32, I64, Type
from udf_compiler.frontends.networks.tensors import Accuracy, Tensor
from udf_compiler.frontends.tracing.lower import cast as lowered
from udf_compiler.frontends.tracing.session import refuse

#: Rows of the samples: no usual number of features, so that a tensor whose axes are in another order has another shape.
SAMPLES = 5
#: dtype of NumPy -> the type of the IR.
KINDS: dict[np.dtype, Type] = {t.dtype: t for t in (F32, F64, I64, I32, BOOL)}


def library() -> Any:
    """Returns the module torch, which the function has imported."""
    return sys.modules["torch"]


@dataclass(frozen=True, eq=False)
class RowTensor:
    """A tensor. `rows`: its values of a row; None for a constant, which is `sample`.

    `batched`: the first axis is the batch's rows, and `rows` has the other axes. In functions of single rows, no axis is.
    `sample`: PyTorch's own tensor for sample rows. `fresh`: no other tensor or array shares its memory.
    """

    rows: Tensor | None
    batched: bool
    sample: Any
    fresh: bool = False

    @property
    def values(self) -> Tensor:
        assert self.rows is not None
        return self.rows

    @property
    def loop(self) -> LoopBuilder:
        return self.values.loop

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a row's values."""
        return self.values.shape

    @property
    def grid(self) -> np.ndarray:
        """The values of a row as an array of objects."""
        return grid_of(self.values.columns, self.shape)

    def array(self) -> np.ndarray:
        """Returns the values of a constant."""
        assert self.rows is None
        made: np.ndarray = self.sample.detach().cpu().numpy()
        return made


def constant(sample: Any) -> RowTensor:
    """Returns a tensor that does not depend on the rows."""
    return RowTensor(None, False, sample)


def is_traced(x: Any) -> bool:
    """Whether an operand has values of the rows."""
    return isinstance(x, RowTensor) and x.rows is not None


def grid_of(columns: Sequence[Value], shape: tuple[int, ...]) -> np.ndarray:
    """Returns values as an array of objects."""
    made = np.empty(len(columns), object)
    made[:] = list(columns)
    return made.reshape(shape)


@dataclass(frozen=True)
class Step:
    """One operation. `call`: the user's term for it; `expected`: PyTorch's own result for the sample rows."""

    call: str
    expected: Any

    @property
    def type(self) -> Type:
        """The type of the result."""
        return type_of(self.expected.dtype, self.call)

    def refuse(self, what: str) -> NoReturn:
        """Refuses (SW843) the operation."""
        refuse("SW843", call=self.call, what=what)

    def without_bounds(self) -> Callable[[], Accuracy]:
        """Returns the bounds of approximate results that have none: whatever decides by them is refused."""

        def bounds() -> Accuracy:
            self.refuse("approximate results, by which a later operation decides")

        return bounds

    def axis(self, x: RowTensor, dim: Any) -> int:
        """Returns the axis of a row's values that `dim` names. Refuses that of the rows."""
        if type(dim) is not int:
            self.refuse("dim that is not one constant number")
        rank = len(x.shape) + x.batched
        found = (dim + rank if dim < 0 else dim) - x.batched
        if not 0 <= found < len(x.shape):
            self.refuse("the axis of the batch's rows")
        return found


def type_of(dtype: Any, call: str) -> Type:
    """Returns the IR's type of a dtype of PyTorch. Refuses SW843."""
    torch = library()
    known = {torch.float32: F32, torch.float64: F64, torch.int64: I64, torch.int32: I32, torch.bool: BOOL}
    return known[dtype] if dtype in known else refuse("SW843", call=call, what=f"tensors of {dtype}")


def cast(value: Value, to: Type) -> Value:
    """Converts a value; rows whose floats an integer does not hold run in Python."""
    return lowered(value.loop, value, to)


def is_constant(x: Any) -> bool:
    """Whether an object is a dtype or a device of PyTorch, which never change."""
    return type(x).__module__ == "torch" and type(x).__name__ in ("dtype", "device")
