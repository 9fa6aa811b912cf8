"""Lowers computations of the elements of a one-dimensional ndarray of the row, alone or with arrays of equal length; and masks.

In the loop over its elements, an element is a column value as in `trace`. Promotion, wrap-around and functions are therefore
those of arrays.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from sparkweld.ir import LoopBuilder, ProgramBuilder, Type, Value
from sparkweld.ir.ops import Arg, Call, ListCall
from sparkweld.ir.ops.regions import LIBM
from sparkweld.ir.types import BOOL, F32, F64, I64, STR, Items, list_of
from udf_compiler.frontends.python.list_maps import kept, mapped
from udf_compiler.frontends.python.numpy_scalars import typed
from udf_compiler.frontends.python.operands import is_number, make_int
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar, array_of_vector, is_scalar
from udf_compiler.frontends.tracing.lower import constant_of, type_of
from udf_compiler.frontends.tracing.lower import is_number as is_constant
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.stand_ins import of_python
from udf_compiler.frontends.tracing.values import raw, symbol

#: The longest array in Spark.
LONGEST = 2**31 - 1

#: The most elements of a constant array: a program should not carry more.
_LONGEST_CONSTANT = 4096


def is_ndarray(x: object) -> bool:
    """Whether `x` is an ndarray of the row."""
    return is_scalar(x) and x.is_ndarray  # type: ignore[attr-defined]


def elementwise(function: Callable[..., Any], args: Sequence[Any], call: str) -> TracedScalar:
    """Evaluates ``function(*args)`` for numbers, arrays of the row and constant arrays, all arrays of equal lengths.

    `function` receives symbolic arrays of single elements instead. Functions of libm are approximate, as those of columns are.
    Refuses other arguments (SW222), and functions of libm in a loop or of float32 (SW286).
    """
    known = [_operand(x, call) for x in args]
    if function in (np.power, operator.pow) and is_scalar(known[1]) and known[1].kind == "float":
        refuse("SW222", call=f"{call} with an exponent of the row", kind="ndarray")  # NumPy takes the root for 0.5
    lists = [x for x in known if isinstance(x, Value) and x.type.is_list]
    row = typed([x for x in known if is_scalar(x)], lists, call)
    guard_lengths(lists)

    def of(block: LoopBuilder, elements: Sequence[Value], numbers: Sequence[Value]) -> Value:
        at, given = iter(elements), iter(numbers)
        arrays = [next(at) if isinstance(x, Value) else next(given) if is_scalar(x) else x for x in known]
        made = current().dispatch.of_arrays(function, block, arrays)
        return refuse("SW222", call=call, kind="ndarray") if made is None else made

    return _array(mapped(explorer().loop, lists, row, list_of(_type_of(of, lists, row, call)), of))


def refuse_in_place(x: TracedScalar, name: str) -> NoReturn:
    refuse("SW256", call=f"ndarray {symbol(name)}= ...")


def masked(x: TracedScalar, mask: Any) -> TracedScalar:
    """Returns ``x[mask]`` for an array of bools as long as `x`."""
    if not is_ndarray(mask) or mask.value.type.element != BOOL:
        refuse("SW222", call=f"[...] with {raw(mask)}", kind="ndarray")
    guard_lengths([x.value, mask.value])
    return _array(kept(explorer().loop, x.value, mask.value))


def _array(made: Value) -> TracedScalar:
    loop = explorer().loop
    explorer().guard(loop.is_valid(made))
    return TracedScalar(made.type.kind, loop.value_of(made), numpy="ndarray")


def array_of(x: TracedScalar, call: str) -> TracedScalar:
    """Returns ``np.array(x)`` of a list or an ndarray of the row; refuses strings (SW222).

    Python's numbers become int64, float64 or bool. NumPy makes an array of floats of an empty list, which a guard excludes
    where the elements are others.
    """
    loop, element = explorer().loop, x.value.type.element
    if element == STR:
        refuse("SW222", call=f"{call} of strings", kind="list")
    if x.is_ndarray:
        return array_of_vector(x)
    wide = element if x.numpy or element == BOOL else F64 if element.is_float else I64
    if wide != F64:
        explorer().guard(loop.call("logical_not", is_empty(x)))
    if wide == element:
        return TracedScalar(x.kind, x.value, numpy="ndarray")
    return _array(mapped(loop, [x.value], [], list_of(wide), lambda block, elements, row: block.cast(elements[0], wide)))


def holds_none(x: Any) -> bool:
    """Whether `x` is None, or a list, tuple or dict with None among its values."""
    if type(x) is dict:
        x = [*x.values()]
    return x is None or (type(x) in (list, tuple) and any(map(holds_none, x)))


def leave_none() -> NoReturn:
    """Leaves the rows of this path to Python: None among numbers makes an array of objects, for which most functions raise."""
    explorer().leave("pass None to NumPy")
    raise of_python(TypeError("None in place of a number"))


#: Comparisons that NumPy also does with None.
_COMPARES = ("==", "!=", "np.equal", "np.not_equal")


def _operand(x: Any, call: str) -> Any:
    """Returns an operand as a list of the loop, a number of the row, or a constant; refuses others (SW222)."""
    if is_scalar(x) and x.is_list:
        return array_of(x, call).value
    if is_scalar(x):
        return x if is_number(x) else refuse("SW222", call=f"{call} with {raw(x)}", kind="ndarray")
    if holds_none(x) and call not in _COMPARES:
        leave_none()
    x = constant_of(x)
    if is_constant(x):
        return x
    if isinstance(x, list | tuple) and x and all(type(v) in (int, float, bool) for v in x):
        x = np.asarray(x)
    if type(x) is not np.ndarray or x.ndim != 1 or not 0 < x.size <= _LONGEST_CONSTANT:
        refuse("SW222", call=f"{call} with {raw(x)}", kind="ndarray")
    element = type_of(x.dtype, call)
    if x.size == 1:
        return x[0]
    return explorer().loop.const(Items(element.kind, tuple(x.tolist())), list_of(element))


def guard_lengths(lists: Sequence[Value]) -> None:
    """Guards rows with unequal lengths: NumPy raises, or broadcasts an array of one element."""
    loop = explorer().loop
    first, *others = (loop.emit(ListCall("length", x.type), x) for x in lists)
    for other in others:
        explorer().guard(loop.call("equal", first, other))


def _type_of(of: Callable[..., Value], lists: Sequence[Value], row: Sequence[Value], call: str) -> Type:
    """Returns the type of the results, by a first trace."""
    block = ProgramBuilder("region", ()).loop("block")
    types = [*(x.type.element for x in lists), *(x.type for x in row)]
    args = [block.emit(Arg(number, type)) for number, type in enumerate(types)]
    made = of(block, args[: len(lists)], args[len(lists) :])
    inexact = {let.op.fn: let.op.bound for let in block.body if isinstance(let.op, Call) and let.op.bound is not None}
    if inexact and (explorer().inside or made.type == F32 or not inexact.keys() <= LIBM.keys()):
        refuse("SW286", call=call)
    for fn, bound in inexact.items():
        if current().exact:
            refuse("SW232", op=fn, bound=bound)
        current().keep(fn, str(bound))
    return made.type


def call(fn: str, x: TracedScalar) -> Value:
    """Applies a function of lists to an array."""
    return explorer().loop.emit(ListCall(fn, x.value.type), x.value)


def length(x: TracedScalar) -> TracedScalar:
    """Returns ``len(x)`` of an array or a list."""
    return make_int(call("length", x), (0, LONGEST))


def is_empty(x: TracedScalar) -> Value:
    """Returns whether an array has no element."""
    return explorer().loop.call("equal", call("length", x), explorer().loop.const(0, I64))


__all__ = [
    "array_of",
    "call",
    "elementwise",
    "guard_lengths",
    "is_empty",
    "is_ndarray",
    "leave_none",
    "length",
    "masked",
    "refuse_in_place",
]
