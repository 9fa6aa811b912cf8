"""Represents tensors and functions of PyTorch in compiled functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from udf_compiler.frontends.pandas.row_counts import row_count
from udf_compiler.frontends.torch import conversions
from udf_compiler.frontends.torch.functions import NAMES, called, item_of
from udf_compiler.frontends.torch.shapes import Extremes
from udf_compiler.frontends.torch.values import RowTensor, constant, library
from udf_compiler.frontends.tracing.exceptions import unwatched
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.frontends.tracing.values import Traced, raw

#: Python's operator -> the function.
_OPERATORS = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "pow": "pow", "eq": "eq", "ne": "ne", "lt": "lt", "le": "le",
    "gt": "gt", "ge": "ge", "and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor",
}  # fmt: skip
_UNARY = {"neg": "neg", "abs": "abs", "invert": "bitwise_not"}
#: Functions that return their argument itself.
_SAME = ("dropout", "alpha_dropout")
#: Methods that change their tensor -> the function of the result.
_IN_PLACE = {f"{name}_": name for name in
             "relu sigmoid tanh clamp add sub mul div neg abs square exp sqrt round softmax leaky_relu elu".split()}  # fmt: skip
_CONSTANT = ("dtype", "device", "requires_grad", "is_cuda", "is_sparse", "is_quantized", "layout")


class TracedTensor(Traced):
    """A tensor. `data`: its values; `viewed`: another tensor or array may share its memory."""

    __slots__ = ("data", "viewed")
    what = "tensor"
    of_instances = frozenset(_CONSTANT)

    def __init__(self, data: RowTensor) -> None:
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "viewed", not data.fresh)

    @property  # type: ignore[override]
    def stands_for(self) -> Any:
        return library().Tensor

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        other = _operand(other)
        if name not in _OPERATORS:
            refuse("SW843", call=f"the operator {name} of a tensor", what="no translation")
        operands = (other, self) if reflected else (self, other)
        real = getattr(library(), _OPERATORS[name])
        return call_function(_OPERATORS[name], _of_operator(real, name, reflected), operands, {}, f"{name} of a tensor")

    def _unary(self, name: str) -> Any:
        if name not in _UNARY:
            return self
        return call_function(_UNARY[name], getattr(library(), _UNARY[name]), (self,), {}, f"{name} of a tensor")

    def _in_place(self, name: str, other: Any) -> Any:
        return changed(self, lambda: self._binary(name, other, False), f"{name}= of a tensor")

    def __matmul__(self, other: Any) -> Any:
        return call_function("matmul", library().matmul, (self, other), {}, "@ of a tensor")

    def __rmatmul__(self, other: Any) -> Any:
        return call_function("matmul", library().matmul, (other, self), {}, "@ of a tensor")

    def __getitem__(self, key: Any) -> Any:
        for part in key if type(key) is tuple else (key,):
            if isinstance(part, StandIn):
                refuse("SW843", call="a tensor [...]", what="an index that is not constant")
        object.__setattr__(self, "viewed", True)
        return TracedTensor(item_of(self.data, key))

    def __setitem__(self, key: Any, value: Any) -> None:
        refuse("SW256", call="a tensor [...] = ...")

    def __len__(self) -> int:
        if self.data.batched:
            refuse("SW250", call="len of a tensor")
        return len(self.data.sample)

    def __iter__(self) -> Iterator[Any]:
        if self.data.batched:
            refuse("SW843", call="a loop over a tensor", what="an iteration for each row of the batch")
        return iter([self[at] for at in range(len(self.data.sample))])

    def __float__(self) -> Any:
        refuse("SW843", call="float of a tensor", what="a conversion by Python: use .item()")

    def __array_ufunc__(self, *args: Any, **kwargs: Any) -> Any:
        refuse("SW843", call="a function of NumPy of a tensor", what="a conversion by NumPy: use .numpy()")

    def __array_function__(self, *args: Any, **kwargs: Any) -> Any:
        refuse("SW843", call="a function of NumPy of a tensor", what="a conversion by NumPy: use .numpy()")

    def __getattr__(self, name: str) -> Any:
        with unwatched():
            return self._attribute(name)

    def _attribute(self, name: str) -> Any:
        data: RowTensor = object.__getattribute__(self, "data")
        call = f"tensor.{name}"
        if name in _CONSTANT:
            return getattr(data.sample, name)
        if name == "shape":
            return _shape(data)
        if name == "ndim":
            return data.sample.ndim
        if name == "data":
            return self._called("detach", (), {}, call)
        if name in _READERS:
            return lambda: _READERS[name](self)
        if name in ("size", "dim", "numel"):
            return lambda *dims: _sizes(data, name, dims)
        if name in _IN_PLACE:
            return lambda *args, **kwargs: changed(self, lambda: self._called(_IN_PLACE[name], args, kwargs, call), call)
        if name in NAMES:
            return lambda *args, **kwargs: self._called(name, args, kwargs, call)
        refuse("SW843", call=call, what="no translation")

    def _called(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], call: str) -> Any:
        return call_function(name, getattr(library().Tensor, name), (self, *args), kwargs, call)


class StackedTensor(Traced):
    """A tensor of arrays whose length the layer knows that receives it."""

    __slots__ = ("data",)
    what = "tensor of arrays"

    def __init__(self, data: conversions.Stacked) -> None:
        object.__setattr__(self, "data", data)

    @property  # type: ignore[override]
    def stands_for(self) -> Any:
        return library().Tensor

    def of_width(self, width: int, call: str) -> TracedTensor:
        return TracedTensor(self.data.of_width(width, call))

    def __getattr__(self, name: str) -> Any:
        data: conversions.Stacked = object.__getattribute__(self, "data")
        if name in ("float", "double"):
            dtype = library().float32 if name == "float" else library().float64
            return lambda: StackedTensor(data.astype(dtype, f"tensor.{name}"))
        if name in ("to", "type"):
            return lambda given: self if str(given) == "cpu" else StackedTensor(data.astype(given, "tensor.to"))
        if name == "unsqueeze" and not data.batched and data.axes == 0:
            return lambda dim: StackedTensor(replace(data, axes=1)) if dim == 0 else _of_unknown_length(name)
        return _of_unknown_length(name)


def _of_unknown_length(name: str) -> NoReturn:
    refuse("SW843", call=f"tensor.{name}", what="arrays whose length is not known before a layer receives them")


def _of_operator(real: Callable[..., Any], name: str, reflected: bool) -> Callable[..., Any]:
    """Returns PyTorch's operator of two operands, the first of which may be a number."""
    method = f"__{'r' if reflected else ''}{name}__"
    if reflected and hasattr(library().Tensor, method):
        return lambda a, b: getattr(b, method)(a)
    return real


def _operand(x: Any) -> Any:
    if isinstance(x, TracedTensor) or type(x) in (int, float, bool):
        return x
    refuse("SW843", call="an operator of a tensor", what=f"{raw(x)} as operand")


def changed(x: TracedTensor, make: Callable[[], Any], call: str) -> TracedTensor:
    """Changes a tensor to the result of an operation. Refuses (SW256) one that may share its memory."""
    if x.viewed:
        refuse("SW256", call=call)
    made = make()
    if made.data.sample.dtype != x.data.sample.dtype or made.data.sample.shape != x.data.sample.shape:
        refuse("SW252", call=call, error="RuntimeError: a result of another dtype or shape")
    object.__setattr__(x, "data", made.data)
    return x


def _shape(data: RowTensor) -> Any:
    sizes = tuple(data.sample.shape)
    return (row_count(data.loop, "tensor.shape[0]"), *sizes[1:]) if data.batched else sizes


def _sizes(data: RowTensor, name: str, dims: tuple[Any, ...]) -> Any:
    if name == "dim":
        return data.sample.dim()
    if name == "numel" and data.batched:
        refuse("SW250", call="tensor.numel")
    if name == "numel":
        return data.sample.numel()
    shape = _shape(data)
    return shape[dims[0]] if len(dims) == 1 and type(dims[0]) is int else shape


def _array(x: TracedTensor) -> Any:
    object.__setattr__(x, "viewed", True)
    return conversions.array_of(x.data)


_READERS: dict[str, Callable[[TracedTensor], Any]] = {
    "numpy": _array,
    "tolist": lambda x: conversions.list_of(x.data),
    "item": lambda x: conversions.number_of(x.data),
}


def constant_tensor(x: Any) -> TracedTensor:
    """Returns the stand-in of a tensor of PyTorch that does not depend on the rows."""
    return TracedTensor(constant(x))


def data_of(x: Any) -> Any:
    """Returns an argument with the data of its tensors."""
    if isinstance(x, TracedTensor):
        return x.data
    if type(x) in (list, tuple):
        return type(x)(data_of(part) for part in x)
    return x


def given_tensors(x: Any) -> Iterator[TracedTensor]:
    """Yields the tensors among arguments."""
    if isinstance(x, TracedTensor):
        yield x
    elif type(x) in (list, tuple):
        for part in x:
            yield from given_tensors(part)


def call_function(name: str, real: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], call: str) -> Any:
    """Calls a function of PyTorch by name on the arguments of user code."""
    if kwargs.get("inplace") is True and isinstance(args[0], TracedTensor):
        x, options = args[0], {**kwargs, "inplace": False}
        return x if name in _SAME else changed(x, lambda: call_function(name, real, args, options, call), call)
    for x in (*args, *kwargs.values()):
        if isinstance(x, Traced) and not isinstance(x, TracedTensor):
            refuse("SW810", call=call, what=raw(x))
    given = tuple(map(data_of, args)), {k: data_of(v) for k, v in kwargs.items()}
    made = called(name, real, *given, call)
    tensors = list(given_tensors((*args, *kwargs.values())))
    if name in _SAME:
        return tensors[0]
    if isinstance(made, Extremes):
        return Extremes(*map(TracedTensor, made))  # type: ignore[arg-type]
    if not made.fresh:
        for tensor in tensors:
            object.__setattr__(tensor, "viewed", True)
    return TracedTensor(made)


def call_named(name: str, args: Sequence[Any], kwargs: dict[str, Any], call: str) -> Any:
    """Calls the function or method of PyTorch that has a name."""
    torch = library()
    real = next(getattr(owner, name) for owner in (torch.nn.functional, torch, torch.Tensor) if hasattr(owner, name))
    return call_function(name, real, tuple(args), kwargs, call)


class Function(StandIn):
    """A function of PyTorch."""

    __slots__ = ("__name__", "label", "stands_for")
    what = "function of PyTorch"

    def __init__(self, real: Any, name: str, label: str) -> None:
        self.stands_for, self.__name__, self.label = real, name, label

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return call_function(self.__name__, self.stands_for, args, kwargs, self.label)
