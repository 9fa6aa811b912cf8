"""Provides stand-ins for pyarrow and pyarrow.compute to compiled functions: tabled functions, types and constants."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from udf_compiler.frontends.arrow import arithmetic, lists, logic, numpy_, rounding, strings
from udf_compiler.frontends.arrow.array import METHODS, ArrayStandIn, TracedArrow
from udf_compiler.frontends.arrow.batch import RecordBatchStandIn, record_batch
from udf_compiler.frontends.arrow.struct import StructArrayStandIn, struct_field
from udf_compiler.frontends.pandas.calls.numpy_ import has_traced
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn, module_stand_in

#: Type factories and constant constructors: pure functions of their arguments.
_PURE = frozenset("int8 int16 int32 int64 float16 float32 float64 bool_ date32 string utf8 null scalar array".split())


class Function(StandIn):
    """A function of pyarrow.compute: its rule for columns, pyarrow itself for constants."""

    __slots__ = ("__name__", "_rule", "stands_for")
    what = "function of pyarrow.compute"

    def __init__(self, name: str, rule: Callable[..., TracedArrow]) -> None:
        self.__name__, self.stands_for = name, getattr(pc, name)
        self._rule = rule

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        call = f"pc.{self.__name__}"
        run_prototype(call, inspect.signature(self.stands_for).bind, *args, **kwargs)  # most arguments are positional-only
        if kwargs.pop("memory_pool", None) is not None or kwargs.pop("options", None) is not None:
            refuse("SW262", call=call, what="the argument memory_pool= or options=")
        if not has_traced([args, kwargs]):
            return run_prototype(call, self.stands_for, *args, **kwargs)
        try:
            inspect.signature(self._rule).bind(*args, **kwargs)
        except TypeError as error:
            refuse("SW262", call=call, what=str(error))
        return self._rule(*args, **kwargs)


#: Aggregate functions that compiled functions of groups may call.
_AGGREGATES = ("sum", "mean", "min", "max", "any", "all", "variance", "stddev", "count")


def _aggregate(name: str) -> Callable[..., TracedArrow]:
    def rule(*args: Any, **kwargs: Any) -> TracedArrow:
        groups = current().groups
        if groups is None:
            refuse("SW250", call=f"pc.{name}")
        return Function(name, groups.compute_function(name))(*args, **kwargs)  # type: ignore[no-any-return]

    return rule


_RULES: dict[str, Callable[..., TracedArrow]] = {
    **arithmetic.FUNCTIONS, **logic.FUNCTIONS, **strings.FUNCTIONS, **lists.FUNCTIONS,
    "round": rounding.round_, "struct_field": struct_field,
}  # fmt: skip
FUNCTIONS: dict[str, Function] = {name: Function(name, rule) for name, rule in _RULES.items()}
AGGREGATES = {name: Function(name, _aggregate(name)) for name in _AGGREGATES}


def _compute_attribute(name: str) -> Function:
    if name in AGGREGATES and current().groups is not None:
        return AGGREGATES[name]
    if name not in FUNCTIONS:
        _refuse_function(name)
    return FUNCTIONS[name]


COMPUTE = module_stand_in(pc, "pc", _compute_attribute)


def _refuse_function(name: str) -> NoReturn:
    """Refuses a function of pyarrow.compute that has no rule: row-local ones by SW251, others by SW250."""
    known = pc.get_function(name) if name in pc.list_functions() else None
    refuse("SW251" if known is None or known.kind == "scalar" else "SW250", call=f"pc.{name}")


_MEMBERS = {
    "compute": COMPUTE, "Array": ArrayStandIn, "RecordBatch": RecordBatchStandIn, "StructArray": StructArrayStandIn,
    "record_batch": record_batch,
}  # fmt: skip


def _attribute(name: str) -> Any:
    if name in _MEMBERS:
        return _MEMBERS[name]
    if name in ("DataType", "Scalar", "types"):
        return getattr(pa, name)
    if name not in _PURE:
        refuse("SW251", call=f"pa.{name}")
    return _pure(name)


def _pure(name: str) -> Callable[..., Any]:
    function, call = getattr(pa, name), f"pa.{name}"

    def constant(*args: Any, **kwargs: Any) -> Any:
        if has_traced([args, kwargs]):
            if name == "array":
                return numpy_.array(*args, **kwargs)
            refuse("SW259", call=call)
        return run_prototype(call, function, *args, **kwargs)

    return constant


ARROW = module_stand_in(pa, "pa", _attribute)
_BY_OBJECT: dict[int, Any] = {id(pa): ARROW} | {id(getattr(pa, name)): member for name, member in _MEMBERS.items()}
_BY_OBJECT |= {id(getattr(pc, name)): function for name, function in {**FUNCTIONS, **AGGREGATES}.items()}


def stand_in(obj: Any) -> Any:
    """Returns the stand-in for a module, function, type or constant of pyarrow; None when the function may not use it."""
    if isinstance(obj, pa.DataType | pa.Scalar):
        return obj
    if id(obj) in _BY_OBJECT:
        return _BY_OBJECT[id(obj)]
    name = getattr(obj, "__name__", None)
    return _pure(name) if name in _PURE and getattr(pa, name) is obj else None


def _method(name: str) -> Callable[[TracedArrow], Any]:
    def bound(array: TracedArrow) -> Any:
        return lambda *args, **kwargs: FUNCTIONS[name](array, *args, **kwargs)

    return bound


METHODS.update({name: _method(name) for name in ("cast", "fill_null", "is_null", "is_valid", "is_nan")})
METHODS["to_numpy"] = lambda array: partial(numpy_.to_numpy, array)
