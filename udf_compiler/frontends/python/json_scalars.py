"""Writes numbers and strings of the row, and constants, as JSON."""

from __future__ import annotations

import json
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import F64, STR
from udf_compiler.frontends.python.operands import as_text
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.strings import float_is_decided, text_of
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.values import raw

#: The most digits of a constant int: functions of JSON read no longer numbers.
_MOST = 10**200


def json_of(x: Any, call: str) -> Value:
    """Returns the JSON of a bool, number, string or None; refuses others (SW262)."""
    if is_scalar(x) and x.kind in ("bool", "int", "float", "str") and not x.numpy:
        return json_of_scalar(x)
    if (x is None or type(x) in (bool, int, float, str)) and not (type(x) is int and abs(x) >= _MOST):
        return as_text(json.dumps(x, ensure_ascii=False))
    refuse("SW262", call=call, what=raw(x))


def json_of_scalar(x: Any, ascii: bool = False, nan: bool = True) -> Value:
    """Returns the JSON of a bool, number or string of the row. Without `nan`, a float that is not finite raises ValueError."""
    run, loop = explorer(), explorer().loop
    if x.kind == "str":
        return loop.emit(StrCall("json_quote", (int(ascii),)), x.value)
    if x.kind == "bool":
        return loop.select(x.value, loop.const("true", STR), loop.const("false", STR))
    if x.kind == "int":
        return text_of(loop, x)
    finite = loop.call("isfinite", x.value)
    if not nan:
        run.raise_if(loop.call("logical_not", finite), lambda: in_place(ValueError("Out of range float values")))
    run.guard(float_is_decided(loop, x), local=True)
    sign = loop.call("greater", x.value, loop.const(0.0, F64))
    infinite = loop.select(sign, loop.const("Infinity", STR), loop.const("-Infinity", STR))
    other = loop.select(loop.call("isnan", x.value), loop.const("NaN", STR), infinite)
    return loop.select(finite, text_of(loop, x), other)
