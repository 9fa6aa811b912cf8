"""Calls functions of PyTorch on tensors of the rows: PyTorch runs on the samples, and a translator on the rows' values."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

from udf_compiler.frontends.models.labels import keep
from udf_compiler.frontends.pandas.row_counts import RowCount
from udf_compiler.frontends.torch import activations, elementwise, layers, shapes
from udf_compiler.frontends.torch.elementwise import converted
from udf_compiler.frontends.torch.shapes import Extremes, item, largest
from udf_compiler.frontends.torch.values import SAMPLES, RowTensor, Step, constant, is_traced, type_of
from udf_compiler.frontends.tracing.exceptions import unwatched
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import check_size, refuse

BOUND = "the rounding of sums, which PyTorch adds in an order of its own, and of functions such as exp"
#: Functions that may run on constants alone: PyTorch computes them when the function is planned.
_OF_CONSTANTS: dict[str, Callable[..., Any]] = {**elementwise.FUNCTIONS, **shapes.FUNCTIONS}
#: Name of a function or a method -> its translator.
FUNCTIONS: dict[str, Callable[..., Any]] = {**_OF_CONSTANTS, **activations.FUNCTIONS, **layers.FUNCTIONS}
#: Conversions between dtypes.
_CONVERSIONS = ("float", "double", "long", "int", "bool", "to", "type", "type_as")
#: Names of the translated functions and methods.
NAMES = frozenset((*FUNCTIONS, *_CONVERSIONS, "max", "min"))


def called(name: str, real: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], call: str) -> Any:
    """Returns the result of a function for tensors and constants. Refuses SW252 where PyTorch raises, SW843 and SW262."""
    with unwatched():
        if any(map(_is_unset, (*args, *kwargs.values()))):
            refuse("SW843", call=call, what="parameters with random numbers: load their state before")
        expected = run_prototype(call, real, *map(sampled, args), **{k: sampled(v) for k, v in kwargs.items()})
        if not any(map(_has_rows, (*args, *kwargs.values()))):
            if name not in _OF_CONSTANTS and name not in _CONVERSIONS and not _is_nan(expected):
                refuse("SW843", call=call, what="constants only")
            return Extremes(*map(constant, expected)) if isinstance(expected, tuple) else constant(expected)
        made = _translated(name, args, kwargs, expected, call)
    for tensor in made if isinstance(made, Extremes) else (made,):
        _check(tensor, call)
    return made


def _translated(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], expected: Any, call: str) -> Any:
    if name in _CONVERSIONS:
        return converted(Step(call, expected), args[0])
    if name in ("max", "min"):
        return _extreme(name, args, kwargs, expected, call)
    translator = FUNCTIONS[name]
    try:
        bound = _signature(translator).bind(None, *args, **kwargs)
    except TypeError as error:
        refuse("SW262", call=call, what=f"this form ({error})")
    if bound.arguments.get("inplace"):
        refuse("SW256", call=call)
    return translator(Step(call, expected), *args, **kwargs)


@cache
def _signature(translator: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(translator)


def _extreme(name: str, args: tuple[Any, ...], kwargs: dict[str, Any], expected: Any, call: str) -> Any:
    """Implements max and min of two tensors, of a tensor, and the values and positions of max along an axis."""
    if len(args) == 2 and isinstance(args[1], RowTensor):
        return FUNCTIONS[f"{name}imum"](Step(call, expected), *args)
    if not isinstance(expected, tuple):
        return FUNCTIONS[f"a{name}"](Step(call, expected), *args, **kwargs)
    values, indices = (Step(call, x) for x in expected)
    if name == "min":
        values.refuse("positions of the least values")
    return largest(values, indices, *args, **kwargs)


def item_of(x: RowTensor, key: Any) -> RowTensor:
    """Returns ``x[key]``."""
    call = "a tensor [...]"
    with unwatched():
        expected = run_prototype(call, lambda: x.sample[key])
        if x.rows is None:
            return constant(expected)
        made = item(Step(call, expected), x, key)
    _check(made, call)
    return made


def sampled(x: Any) -> Any:
    """Returns an argument with the samples of its tensors."""
    if isinstance(x, RowTensor):
        return x.sample
    if type(x) is RowCount:
        return SAMPLES
    if type(x) in (list, tuple):
        return type(x)(sampled(part) for part in x)
    return x


def _is_unset(x: Any) -> bool:
    """Whether a tensor has no values: the parameter of a new layer."""
    return isinstance(x, RowTensor) and x.rows is None and x.sample.device.type == "meta"


def _is_nan(x: Any) -> bool:
    """Whether all values are NaN, which no order of additions changes."""
    return bool(x.is_floating_point() and x.isnan().all())


def _has_rows(x: Any) -> bool:
    if type(x) in (list, tuple):
        return any(map(_has_rows, x))
    return is_traced(x)


def _check(made: RowTensor, call: str) -> None:
    """Refuses (SW843) a result of another shape or dtype than PyTorch's."""
    shape = (SAMPLES, *made.shape) if made.batched else made.shape
    if tuple(made.sample.shape) != shape or made.values.type != type_of(made.sample.dtype, call):
        refuse("SW843", call=call, what=f"a result of {made.sample.dtype} and shape {tuple(made.sample.shape)}")
    check_size(made.loop)


def given_out(x: RowTensor, call: str) -> RowTensor:
    """Notes that values of a tensor leave PyTorch: approximate ones are within a bound."""
    if x.rows is not None and not x.rows.exact:
        keep("torch", BOUND, call)
    return replace(x, fresh=False)
