"""Models a pyarrow Array symbolically: one value a row, its NULL condition separate, in Arrow's own types."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

import numpy as np
import pyarrow as pa

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.arrow import ARROW_TYPES, IR_TYPES
from sparkweld.ir.ops import Fits
from sparkweld.ir.types import BOOL, DATE, F32, F64, I32, STR, Type
from udf_compiler.frontends.pandas.dates import days
from udf_compiler.frontends.tracing.class_stand_ins import class_stand_in
from udf_compiler.frontends.tracing.constants import ConstantDate
from udf_compiler.frontends.tracing.integer_checks import between, within
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import Traced, raw


def _no_array(*args: Any, **kwargs: Any) -> NoReturn:
    refuse("SW251", call="pa.Array")


#: The stand-in for pyarrow.Array, the class of columns.
ArrayStandIn = class_stand_in(pa.Array, "pa.Array", _no_array)

#: Name of a method of an Array -> the method of one. `modules` fills it, because methods are functions of pyarrow.compute.
METHODS: dict[str, Callable[[TracedArrow], Any]] = {}


def name_of(type: Type) -> str:
    """Returns Arrow's name for the type of a column."""
    return f"list<{ARROW_TYPES[type.element]}>" if type.is_list else str(ARROW_TYPES[type])


class TracedArrow(Traced):
    """A symbolic Array over the rows of `loop`.

    `value` is plain and arbitrary where NULL; `valid` is None when no row is NULL.
    """

    __slots__ = ("loop", "shared", "valid", "value")
    what = "Array"
    exact = False  # the real class is a subclass such as DoubleArray

    loop: LoopBuilder
    value: Value
    valid: Value | None

    def __init__(self, loop: LoopBuilder, value: Value, valid: Value | None = None) -> None:
        self.loop, self.value, self.valid, self.shared = loop, value, valid, True

    @staticmethod
    def of(loop: LoopBuilder, value: Value) -> TracedArrow:
        """Returns the Array of a column's value, nullable or not."""
        return TracedArrow(loop, loop.value_of(value), loop.is_valid(value) if value.type.nullable else None)

    @property  # type: ignore[override]
    def stands_for(self) -> type:
        """The class that it represents: a Scalar in the loop over groups, else an Array."""
        groups = current().groups
        return pa.Scalar if groups is not None and self.loop is groups.loop else pa.Array

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return ArrayStandIn  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        groups = current().groups
        if groups is not None and self.loop is groups.loop:
            return groups.arrow_attribute(self, name)
        if name in METHODS:
            return METHODS[name](self)
        if name == "type":
            return type_of(self)
        refuse("SW251", call=f"Array.{name}")

    def whole(self) -> Value:
        """Returns the value together with its NULLs."""
        return self.value if self.valid is None else self.loop.optional(self.value, self.valid)

    def guard(self, condition: Value) -> None:
        """Flags the rows that are not NULL and for which the condition is False."""
        self.loop.guard(condition if self.valid is None else self.loop.call("logical_or", condition, self.null()))

    def null(self) -> Value:
        """Returns the condition that the row is NULL."""
        return self.loop.const(False, BOOL) if self.valid is None else self.loop.call("logical_not", self.valid)

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        refuse("SW252", call=f"{name} of an Array", error="TypeError: pyarrow Arrays have no operators")

    def _unary(self, name: str) -> Any:
        refuse("SW252", call=f"{name} of an Array", error="TypeError: pyarrow Arrays have no operators")

    def _in_place(self, name: str, other: Any) -> NoReturn:
        refuse("SW252", call=f"{name}= of an Array", error="TypeError: pyarrow Arrays have no operators")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        refuse("SW251", call=f"np.{ufunc.__name__} of an Array")

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        refuse("SW251", call=f"np.{getattr(function, '__name__', 'function')} of an Array")


#: An argument of a compute function: a column or a constant.
Operand: TypeAlias = "TracedArrow | pa.Scalar"


def operand(x: Any, call: str) -> Operand:
    """Returns an argument as pyarrow takes it; refuses constant arrays (SW257) and types that kernels do not support (SW254)."""
    if isinstance(x, Traced):
        if type(x) is not TracedArrow:
            refuse("SW262", call=call, what=raw(x))
        return x
    if isinstance(x, pa.Array | pa.ChunkedArray | list | tuple | np.ndarray):
        refuse("SW257", call=call, shape=f"({len(x)},)")
    if type(x) is ConstantDate:
        x = datetime.date.fromordinal(x.toordinal())
    scalar = x if isinstance(x, pa.Scalar) else run_prototype(call, pa.scalar, x)
    if scalar.type not in IR_TYPES and not pa.types.is_null(scalar.type):
        refuse("SW254", call=call, type=str(scalar.type))
    return scalar


def type_of(x: Operand) -> pa.DataType:
    """Returns the Arrow type of an argument; refuses lists (SW262)."""
    if not isinstance(x, TracedArrow):
        return x.type
    if x.value.type not in ARROW_TYPES:
        refuse("SW262", call="a function of Arrays", what=raw(x))
    return ARROW_TYPES[x.value.type]


def ir_type(arrow: pa.DataType, call: str) -> Type:
    """Returns the IR type of an Arrow type; refuses unsupported ones (SW254)."""
    if arrow not in IR_TYPES:
        refuse("SW254", call=call, type=str(arrow))
    return IR_TYPES[arrow]


def prototype(x: Operand) -> Any:
    """Returns one row of an argument: 1 (or the day after the epoch) for a column; a constant unchanged."""
    return pa.array([1], pa.int32()).cast(type_of(x)) if isinstance(x, TracedArrow) else x


def result_type(call: str, function: Callable[..., Any], args: tuple[Operand, ...], **options: Any) -> Type:
    """Returns the function's result type, computed by pyarrow on one row; an error that pyarrow raises is refused (SW252)."""
    result = run_prototype(call, function, *map(prototype, args), **options)
    return ir_type(result.type, call)


def loop_of(args: tuple[Any, ...], call: str) -> LoopBuilder:
    """Returns the loop of the columns among the arguments; refuses columns of different batches (SW262)."""
    arrays = [a for a in args if isinstance(a, TracedArrow)]
    if any(a.loop is not arrays[0].loop for a in arrays):
        refuse("SW262", call=call, what="a column of another batch")
    return arrays[0].loop


def as_column(loop: LoopBuilder, x: Operand, to: Type, call: str) -> TracedArrow:
    """Returns an argument as a column of type `to`, after pyarrow's own conversion: a safe cast."""
    if isinstance(x, TracedArrow):
        return safe_cast(x, to, call)
    converted = x if pa.types.is_null(x.type) else run_prototype(call, x.cast, ARROW_TYPES[to])
    return constant(loop, converted, to)


def constant(loop: LoopBuilder, scalar: pa.Scalar, type: Type) -> TracedArrow:
    """Returns a scalar of that type, or a NULL of any type, as a column."""
    if not scalar.is_valid:
        return TracedArrow(loop, loop.const(type.zero, type), loop.const(False, BOOL))
    value = scalar.as_py()
    return TracedArrow(loop, loop.const(days(value) if type == DATE else value, type))


#: Integers in this range are exact in the float type. A safe cast accepts no larger ones, even exact ones.
_EXACT_RANGE = {F32: 2**24, F64: 2**53}


def safe_cast(x: TracedArrow, to: Type, call: str) -> TracedArrow:
    """Returns ``cast`` with safe=True; guards the rows for which pyarrow raises because the value does not fit."""
    loop, of = x.loop, x.value.type
    if of == to:
        return x
    if STR in (of, to):
        refuse("SW251", call=f"{call} from {ARROW_TYPES[of]} to {ARROW_TYPES[to]}")
    if DATE in (of, to) and {of, to} != {DATE, I32}:
        refuse("SW252", call=call, error=f"ArrowNotImplementedError: cast from {ARROW_TYPES[of]} to {ARROW_TYPES[to]}")
    if of.is_float and to.is_int:
        x.guard(_is_whole(loop, x.value, to))
    elif of.is_int and to.is_int and to.dtype.itemsize < of.dtype.itemsize:
        x.guard(within(loop, x.value, to))
    elif of.is_int and to.is_float and of.dtype.itemsize >= to.dtype.itemsize:
        x.guard(between(loop, x.value, -_EXACT_RANGE[to], _EXACT_RANGE[to]))
    return TracedArrow(loop, loop.cast(x.value, to), x.valid)


def _is_whole(loop: LoopBuilder, x: Value, to: Type) -> Value:
    return loop.call("logical_and", loop.emit(Fits(to), x), loop.call("equal", loop.call("trunc", x), x))
