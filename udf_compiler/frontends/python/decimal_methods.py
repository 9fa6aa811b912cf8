"""Lowers the methods and formats of Python's Decimal of a row, and represents the module decimal in compiled functions."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import I64
from udf_compiler.frontends.python import decimals
from udf_compiler.frontends.python.decimal_arguments import rounding_of, scale_of
from udf_compiler.frontends.python.decimal_texts import DecimalFloat, DecimalText
from udf_compiler.frontends.python.decimals import new, parts_of, quantized
from udf_compiler.frontends.python.durations import number_op
from udf_compiler.frontends.python.operands import as_int, as_text, make_bool, span_of
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import DECIMALS, is_scalar
from udf_compiler.frontends.tracing.class_stand_ins import ClassStandIn, class_stand_in
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.stand_ins import module_stand_in
from udf_compiler.frontends.tracing.values import Traced, raw


def attribute(x: Any, name: str) -> Any:
    """Returns ``x.name`` of a Decimal; refuses unsupported attributes (SW251)."""
    if name not in _METHODS:
        refuse("SW251", call=f"Decimal.{name}")

    def called(*args: Any, **kwargs: Any) -> Any:
        check_form(partial(_METHODS[name], x), args, kwargs, f"Decimal.{name}")
        return _METHODS[name](x, *args, **kwargs)

    return called


def _quantize(x: Any, exp: Any, rounding: Any = None, context: Any = None) -> Any:
    scale = scale_of(exp)
    return quantized(x, scale, rounding_of(rounding, context, "Decimal.quantize"))


def _to_integral(x: Any, rounding: Any = None, context: Any = None) -> Any:
    made = quantized(x, 0, rounding_of(rounding, context, "Decimal.to_integral_value"))
    return new(parts_of(made)[0], 0, decimals.is_loose(x))


def _sign(fn: str) -> Callable[[Any], Any]:
    return lambda x: make_bool(explorer().loop.call(fn, x.value, explorer().loop.const(0, I64)))


_METHODS: dict[str, Callable[..., Any]] = {
    "quantize": _quantize, **dict.fromkeys(("to_integral_value", "to_integral", "to_integral_exact"), _to_integral),
    "is_zero": _sign("equal"), "is_signed": _sign("less"), "is_finite": lambda x: True, "is_nan": lambda x: False,
    "is_infinite": lambda x: False, "is_snan": lambda x: False, "is_qnan": lambda x: False,
    "copy_abs": lambda x: decimals.unary("abs", x), "conjugate": lambda x: x,
}  # fmt: skip


def fixed(x: Any, separator: str, digits: int | None, kind: str) -> Value:
    """Returns ``format(x, ".2f")`` and similar, half to even; all decimals without a number of digits.

    `kind`: "f", "%", or "" for the format of ``str(x)``. Refuses (SW602) formats that may have an exponent.
    """
    loop = explorer().loop
    if kind == "%":
        if digits is None:
            refuse("SW602", spec="the format '%' of a Decimal without a number of digits")
        number, scale = parts_of(x)
        x = new(number_op("mul", number, 100), scale)
    elif kind == "" and digits is not None:
        refuse("SW602", spec=f"the format '.{digits}' of a Decimal")
    elif kind == "":
        decimals.guard_plain(x)
    made = decimals.text_of(loop, x, separator) if digits is None else _rounded_text(x, digits, separator)
    return loop.emit(StrCall("concat"), made, as_text("%")) if kind == "%" else made


def _rounded_text(x: Any, digits: int, separator: str) -> Value:
    """Returns the string of a Decimal that is rounded half to even. A negative one that becomes zero keeps its sign."""
    loop, number = explorer().loop, decimals.rounded(x, digits, decimal.ROUND_HALF_EVEN)
    made = decimals.text_of(loop, new(number, digits), separator)
    if digits >= DECIMALS[x.kind] or span_of(parts_of(x)[0])[0] >= 0:
        return made
    zero = loop.const(0, I64)
    signed = loop.call("logical_and", loop.call("equal", as_int(number), zero), loop.call("less", x.value, zero))
    return loop.select(signed, loop.emit(StrCall("concat"), as_text("-"), made), made)


def refuse_ufunc(ufunc: Any, inputs: Any) -> Any:
    refuse("SW262", call=f"np.{ufunc.__name__}", what="a Decimal")


def refuse_hash(x: Any) -> int:
    refuse("SW601")


#: What Decimal() takes of the row.
_GIVEN = ("int", "bool", "str", "float", *DECIMALS)


def _new(value: Any = "0", context: Any = None) -> Any:
    """Implements ``Decimal(value)`` with a value of the row."""
    decimals.check_context()
    if context is not None or not is_scalar(value) or value.numpy or value.kind not in _GIVEN:
        refuse("SW262", call="decimal.Decimal", what="a context" if context is not None else raw(value))
    if value.kind in ("str", "float"):
        return (DecimalText if value.kind == "str" else DecimalFloat)(value)
    return value if value.kind in DECIMALS else new(number_op("add", value, 0), 0)


class _DecimalMeta(ClassStandIn):
    """The metaclass of the stand-in of Decimal, whose objects are ordinary constants."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if any(issubclass(type(x), Traced) for x in (*args, *kwargs.values())):
            check_form(_new, args, kwargs, "decimal.Decimal")
            return _new(*args, **kwargs)
        return as_python(Decimal, *args, **kwargs)

    def __getattr__(cls, name: str) -> Any:
        refuse("SW263", name=f"decimal.Decimal.{name}")


CLASS = class_stand_in(Decimal, "decimal.Decimal", kind=_DecimalMeta)

_ERRORS = {name: x for name, x in vars(decimal).items() if isinstance(x, type) and issubclass(x, ArithmeticError)}


def _attribute(name: str) -> Any:
    if name == "Decimal":
        return CLASS
    if name.startswith("ROUND_"):
        return getattr(decimal, name)
    return _ERRORS[name] if name in _ERRORS else refuse("SW263", name=f"decimal.{name}")


MODULE = module_stand_in(decimal, "decimal", _attribute)

_BY_OBJECT: dict[int, Any] = {id(decimal): MODULE, id(Decimal): CLASS, **{id(x): x for x in _ERRORS.values()}}


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of the module decimal or of one of its classes, or None."""
    return _BY_OBJECT.get(id(obj))


__all__ = ["CLASS", "MODULE", "attribute", "fixed", "refuse_hash", "refuse_ufunc", "stand_in"]
