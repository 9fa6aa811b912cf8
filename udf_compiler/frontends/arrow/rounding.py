"""Lowers pyarrow.compute.round, half to even, to whole numbers or to decimals."""

from __future__ import annotations

import platform
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.types import F64
from udf_compiler.frontends.arrow.arithmetic import Rule, as_result, elementwise, whole
from udf_compiler.frontends.arrow.array import TracedArrow
from udf_compiler.frontends.tracing.session import refuse

#: The most digits: Arrow's table of powers of ten is of float32, which holds these exactly.
_MOST_DIGITS = 10


def round_(x: Any, ndigits: int = 0, round_mode: str = "half_to_even") -> TracedArrow:
    """Rounds half to even; refuses (SW262) other modes, and digits for which kernels cannot have Arrow's bits."""
    # Elsewhere, the compiler of Arrow may fuse the multiplication and the subtraction of the whole part.
    most = _MOST_DIGITS if platform.machine() in ("x86_64", "AMD64") else 0
    if type(ndigits) is not int or abs(ndigits) > most or round_mode != "half_to_even":
        refuse("SW262", call="pc.round", what=f"ndigits={ndigits}, round_mode={round_mode!r}")
    return elementwise("round", 1, _to_digits(ndigits) if ndigits else whole("rint"), as_result)(x)


def _to_digits(ndigits: int) -> Rule:
    """Returns the rule of Arrow (Round::Call in scalar_round.cc): the number times a power of ten, rounded, is divided by it.

    A number whose product is whole stays as it is. Guards products and results that overflow, for which Arrow raises.
    """

    def rule(columns: tuple[TracedArrow, ...]) -> Value:
        (x,), loop = columns, columns[0].loop
        if x.value.type.is_int and ndigits > 0:
            return x.value
        if x.value.type != F64:
            refuse("SW254", call="pc.round", type=str(x.value.type))
        power = loop.const(10.0 ** abs(ndigits), F64)
        scaled = loop.call("multiply" if ndigits > 0 else "divide", x.value, power)
        nearest = loop.call("rint", scaled)
        rounded = loop.call("divide" if ndigits > 0 else "multiply", nearest, power)
        not_finite = loop.call("logical_not", loop.call("isfinite", x.value))
        x.guard(loop.call("logical_or", not_finite, loop.call("isfinite", rounded)))
        kept = loop.call("logical_or", not_finite, loop.call("equal", nearest, scaled))
        return loop.select(kept, x.value, rounded)

    return rule


__all__ = ["round_"]
