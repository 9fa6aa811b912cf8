"""Reads the arguments of the methods of Decimal that round."""

from __future__ import annotations

import decimal
from typing import Any

from udf_compiler.frontends.python import decimals
from udf_compiler.frontends.python.decimals import parts_of
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw


def rounding_of(rounding: Any, context: Any, call: str) -> str:
    """Returns a rounding mode. Refuses (SW262) one that is not constant, and a context."""
    if context is not None or (rounding is not None and type(rounding) is not str):
        refuse("SW262", call=call, what="a context" if context is not None else "a rounding that is not constant")
    return decimal.ROUND_HALF_EVEN if rounding is None else rounding


def scale_of(exp: Any) -> int:
    """Returns the number of decimals of an argument of quantize. Refuses (SW262) others than Decimals and ints."""
    known = decimals.is_decimal(exp) and not decimals.is_loose(exp)
    if not known and type(exp) is not int:
        refuse("SW262", call="Decimal.quantize", what=raw(exp))
    return parts_of(exp)[1]
