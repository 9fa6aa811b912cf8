"""Traces pandas Series of numbers: lowers operators and ufuncs to IR by the rules of pandas/core/ops and pandas/core/arraylike.

Three rules differ from NumPy's. NumPy scalars count as Python scalars in arithmetic (not in comparisons). A zero divisor of
// and % on integers turns the whole batch to float64 (guarded). Comparisons with None or NaN are constant.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from sparkweld.errors import InternalError
from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL
from udf_compiler.frontends.pandas.array import TracedArray, into_array
from udf_compiler.frontends.pandas.columns import ColumnLike, SeriesOperand, defers
from udf_compiler.frontends.pandas.kind import SeriesKind
from udf_compiler.frontends.pandas.missing import PRESENT, Missing
from udf_compiler.frontends.pandas.row_counts import RowCount
from udf_compiler.frontends.tracing.lower import (
    Operand,
    constant_of,
    given,
    is_number,
    kind_of,
    operator_call,
    run_prototype,
    ufunc_call,
)
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.values import BINARY, MIRRORED, REFLECTED, UNARY, Traced, raw, series_class, symbol

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.batch_dependent import BatchDependent

_COMPARISONS = frozenset("eq ne lt le gt ge".split())
_LOGICAL = frozenset("and or xor".split())

#: pandas/_libs/ops_dispatch.pyx: ufuncs that run the Series operator when called without keyword arguments.
_OPERATORS = {
    "add": "add", "subtract": "sub", "multiply": "mul", "divide": "truediv", "floor_divide": "floordiv", "remainder": "mod",
    "power": "pow", "divmod": "divmod", "equal": "eq", "not_equal": "ne", "less": "lt", "less_equal": "le", "greater": "gt",
    "greater_equal": "ge", "bitwise_and": "and", "bitwise_or": "or", "bitwise_xor": "xor",
}  # fmt: skip
_UNARY_OPERATORS = {"negative": "neg", "positive": "pos", "absolute": "abs"}


class _Numbers(SeriesKind):
    """Values of a NumPy dtype that the IR supports."""

    name = "numeric"

    def check_numeric(self, call: str) -> None:
        pass

    def is_missing(self, series: TracedSeries) -> Value:
        loop, value = series.loop, series.value
        return loop.call("isnan", value) if value.type.is_float else loop.const(False, BOOL)

    def binary(self, series: TracedSeries, name: str, other: Any, reflected: bool, call: str) -> Any:
        return binary(series, name, other, reflected, call)

    def unary(self, series: TracedSeries, name: str, call: str) -> TracedSeries:
        run_prototype(call, UNARY[name], pd.Series(np.ones(1, series.dtype)))
        if series.value.type == BOOL and name != "abs":  # pandas: -s is ~s and +s a copy for bool
            return series.new(series.value if name == "pos" else series.loop.call("logical_not", series.value))
        ufunc = {"neg": np.negative, "pos": np.positive, "invert": np.invert, "abs": np.absolute}[name]
        return series.new(ufunc_call(series.loop, ufunc, (series.value,), call)[0])


NUMBERS = _Numbers()


class TracedSeries(ColumnLike):
    """A Series over the rows of `loop`: one value per row, index 0 to n-1. `kind`: what its elements are.

    `missing` defines the elements of a Series of strings where NULL. `batch_dependent` describes a dtype that depends on the
    batch. `has_nat`: every batch has a missing value in it. `nat_objects`: the missing values of a date Series are NaT. Otherwise
    they are None, or as `missing` defines. `viewed`: another Series or array may be a view of its memory.
    """

    __slots__ = (
        *("_dtype", "batch_dependent", "has_nat", "kind", "known_name", "loop", "missing", "nat_objects", "shared", "value"),
        "viewed",
    )
    what = "Series"
    stands_for = pd.Series
    visible = frozenset({"dtype"})
    operator_rank = 1

    #: The kinds of constants that no Series of numbers may meet.
    kinds_of_constants: ClassVar[tuple[SeriesKind, ...]] = ()

    loop: LoopBuilder
    value: Value
    kind: SeriesKind
    missing: Missing
    batch_dependent: BatchDependent | None
    has_nat: bool
    nat_objects: bool

    def __init__(
        self,
        loop: LoopBuilder,
        value: Value,
        dtype: Any,
        kind: SeriesKind = NUMBERS,
        shared: bool = False,
        missing: Missing = PRESENT,
        batch_dependent: BatchDependent | None = None,
        has_nat: bool = False,
    ) -> None:
        self.loop, self.value, self._dtype, self.kind, self.shared = loop, value, dtype, kind, shared
        self.missing, self.batch_dependent, self.has_nat, self.nat_objects = missing, batch_dependent, has_nat, False
        self.viewed = False
        self.known_name: str | None = None
        if value.type.kind == "str" and not kind.of_strings:
            raise InternalError(f"a {kind.name} Series of strings")

    @property
    def dtype(self) -> np.dtype:
        """Returns the dtype. Refuses (SW255) one that depends on the batch."""
        return self.kind.dtype(self)  # type: ignore[no-any-return]

    __class__ = property(series_class)  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        return current().dispatch.attribute(self, name)

    def __getitem__(self, key: Any) -> Any:
        if current().groups is not None:
            return current().groups.part(self, key)
        group = current().group
        if group is not None and (type(key) is int or group.has_scalar(key)):
            return group.element_of_label(self, key, "Series[...]")
        if group is not None and isinstance(key, slice):
            return group.rows_at(self, key)
        if isinstance(key, Traced):
            return current().dispatch.item(self, key)
        refuse("SW250", call="Series[...]")

    def __setitem__(self, key: Any, value: Any) -> None:
        current().dispatch.set_item(self, key, value)

    def __iter__(self) -> Any:
        return current().dispatch.rows(self)

    def __round__(self, decimals: int = 0) -> TracedSeries:
        return self.round(decimals)  # type: ignore[no-any-return]

    def twin(self, shared: bool) -> TracedSeries:
        """Returns another Series of the same values."""
        kept = (self.missing, self.batch_dependent, self.has_nat)
        made = TracedSeries(self.loop, self.value, self._dtype, self.kind, shared, *kept)
        made.nat_objects = self.nat_objects
        if shared:
            self.viewed = made.viewed = True
        return made

    def new(self, value: Value) -> TracedSeries:
        """Returns a new Series of a plain value of this loop."""
        return TracedSeries(self.loop, value, value.type.dtype)

    def to_array(self, call: str) -> TracedArray:
        """Returns np.asarray of the Series: a view. Refuses a Series without numbers."""
        self.kind.check_numeric(call)
        plain = self.kind.plain(self, call)
        plain.shared = plain.viewed = True
        return TracedArray(plain.loop, (plain.value,), shared=True)

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        if defers(self, other):
            return NotImplemented
        if isinstance(other, SeriesOperand):
            return other.with_series(self, name, reflected)
        call = f"Series {symbol(name)} ..." if not reflected else f"... {symbol(name)} Series"
        other = constant_of(other)
        return self._owner(other).binary(self, name, other, reflected, call)

    def _owner(self, other: Any) -> SeriesKind:
        """Returns the kind to which an operator with another operand belongs."""
        if isinstance(other, TracedSeries):
            kind = other.kind
            return kind if kind.precedence_as_other > self.kind.precedence else self.kind
        for kind in TracedSeries.kinds_of_constants:
            if kind.precedence > self.kind.precedence and kind.claims(other):
                return kind
        return self.kind

    def _unary(self, name: str) -> TracedSeries:
        return self.kind.unary(self, name, f"{name} of a Series")

    def _in_place(self, name: str, other: Any) -> TracedSeries:
        if self.shared:
            refuse("SW256", call=f"Series {symbol(name)}= ...")
        result = self._binary(name, other, False)
        if not isinstance(result, TracedSeries):
            refuse("SW251", call=f"Series {symbol(name)}= ...")
        self.value, self._dtype, self.kind = result.value, result._dtype, result.kind
        self.missing, self.batch_dependent = result.missing, result.batch_dependent
        self.has_nat, self.nat_objects = result.has_nat, result.nat_objects
        return self

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        call = f"np.{ufunc.__name__}"
        if method != "__call__":
            refuse("SW250", call=f"{call}.{method}")
        if kwargs:
            return into_array(ufunc, inputs, **kwargs)
        if defers(self, *inputs):
            return NotImplemented
        if ufunc.__name__ in _UNARY_OPERATORS:
            return self._unary(_UNARY_OPERATORS[ufunc.__name__])
        if ufunc.__name__ in _OPERATORS:
            name = _OPERATORS[ufunc.__name__]
            if isinstance(inputs[0], TracedSeries):
                return inputs[0]._binary(name, inputs[1], False)
            return self._binary(MIRRORED.get(name, name), inputs[0], name not in MIRRORED)
        operands = tuple(operand(self.loop, x, call) for x in inputs)
        results = tuple(self.new(v) for v in ufunc_call(self.loop, ufunc, operands, call))
        return results if len(results) > 1 else results[0]

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return current().dispatch.call_numpy(function, args, kwargs)


def operand(loop: LoopBuilder, x: Any, call: str) -> Operand:
    """Returns a Series, one-dimensional array or scalar constant as an operand. Refuses others."""
    if isinstance(x, TracedSeries):
        x.kind.check_numeric(call)
        return _of_loop(loop, x.kind.plain(x, call).value, call)
    if isinstance(x, TracedArray) and x.ndim == 1:
        return _of_loop(loop, x.value, call)
    if isinstance(x, Traced) and current().groups is not None:
        refuse("SW383", call=call)
    if current().group is not None and current().group.has_scalar(x):
        return current().group.operand(x, loop, [], call)  # type: ignore[no-any-return]
    x = constant_of(x)
    if isinstance(x, np.ndarray | list | tuple | pd.Series | pd.Index | pd.DataFrame):
        refuse("SW257", call=call, shape=f"{np.shape(x)}")
    if type(x) is RowCount:
        x.refuse()
    if not is_number(x):
        refuse("SW262", call=call, what=raw(x))
    return x


def binary(left: TracedSeries, name: str, other: Any, reflected: bool, call: str) -> Any:
    """Returns ``left op other`` (``other op left`` when reflected) as pandas' Series operators compute it."""
    loop = left.loop
    if name in ("lshift", "rshift"):
        refuse("SW252", call=call, error="TypeError: unsupported operand for a Series")
    if name in _COMPARISONS and _is_missing(other):
        return left.new(loop.const(name == "ne", BOOL))
    right = operand(loop, other, call)
    function = REFLECTED[name] if reflected else BINARY[name]
    kind = (other.dtype,) if (is_series := isinstance(other, TracedSeries)) else kind_of(right)
    expected = _expected(function, left.dtype, is_series, kind, call)
    if name not in _COMPARISONS | _LOGICAL and isinstance(right, np.integer | np.floating):
        right = int(right) if isinstance(right, np.integer) else float(right)  # ops.maybe_prepare_scalar_for_op
    if name in _LOGICAL:
        return _checked((_logical(left, function, right, call),), (expected,), left)[0]
    values = operator_call(loop, function, (left.value, right), call)
    if name in ("floordiv", "mod", "divmod"):
        divisor, value = (left.value, right) if reflected else (right, left.value)
        _guard_divisor(left, name, value, divisor, values, call)
    if name == "divmod":
        return _checked(values, expected, left)
    return _checked(values, (expected,), left)[0]


def _logical(left: TracedSeries, function: Any, right: Operand, call: str) -> Value:
    """Applies pandas' logical_op to bools and integers: NumPy's bitwise op, cast to bool unless both sides are integers."""
    for side in (left.value, right):
        kind = side.type.dtype.kind if isinstance(side, Value) else np.asarray(side).dtype.kind
        if kind == "f":
            refuse("SW262", call=call, what="a float operand")
    value = operator_call(left.loop, function, (left.value, right), call)[0]
    ints = left.value.type.is_int and (right.type.is_int if isinstance(right, Value) else not isinstance(right, bool | np.bool_))
    return value if ints else left.loop.cast(value, BOOL)


def _guard_divisor(
    left: TracedSeries, name: str, value: Operand, divisor: Operand, results: tuple[Value, ...], call: str
) -> None:
    """Guards or refuses zero divisors that change the dtype (pandas/core/ops/missing.py).

    A divisor of 0 makes pandas return float64 for // (±inf, NaN) and for % of integers (NaN). So the dtype would depend on the
    batch, and the row is guarded. float64 // 0 keeps its dtype and is computed.
    """
    loop = left.loop
    kind = divisor.type.dtype.kind if isinstance(divisor, Value) else np.asarray(divisor).dtype.kind
    floordiv = name != "mod" and results[0].type.dtype != np.float64
    mod = name != "floordiv" and results[-1].type.dtype.kind != "f" and kind == "i"
    if not (floordiv or mod):
        return
    if not isinstance(divisor, Value):
        if divisor == 0:
            refuse("SW255", call=call, when="the divisor is 0", advice="Cast to float64 first.")
        return
    decided = loop.call("not_equal", divisor, loop.const(0, divisor.type))
    if not isinstance(value, Value):
        if value != value:
            return  # NaN // 0 is NaN and does not change the dtype
    elif value.type.is_float:
        decided = loop.call("logical_or", decided, loop.call("isnan", value))
    loop.guard(decided)


def _checked(values: tuple[Value, ...], expected: tuple[pd.Series, ...], like: TracedSeries) -> tuple[TracedSeries, ...]:
    results = tuple(like.new(v) for v in values)
    for result, wanted in zip(results, expected, strict=True):
        assert isinstance(wanted, pd.Series) and result.dtype == wanted.dtype, f"{result.dtype} for pandas' {wanted.dtype}"
    return results


@lru_cache(maxsize=1024)
def _expected(function: Callable[..., Any], dtype: np.dtype, is_series: bool, kind: tuple[Any, ...], call: str) -> Any:
    """Returns the result of pandas' operator for prototypes: a Series with another Series, an array or a constant."""
    other = given(kind)
    return run_prototype(call, function, pd.Series(np.ones(1, dtype)), pd.Series(other.copy()) if is_series else other)


def _is_missing(x: Any) -> bool:
    return x is None or (isinstance(x, float | np.floating) and x != x)


def _of_loop(loop: LoopBuilder, value: Value, call: str) -> Value:
    if value.loop is not loop:
        refuse("SW262", call=call, what="a column of another function call")
    return value
