"""Implements the searches of the module bisect in a constant sorted sequence, by counting the elements before the position."""

from __future__ import annotations

import bisect
from collections.abc import Callable
from typing import Any

from sparkweld.ir.types import I64
from udf_compiler.frontends.python.numbers import compare
from udf_compiler.frontends.python.operands import as_text, is_number, is_text, make_int
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import module_stand_in
from udf_compiler.frontends.tracing.values import Traced, raw

#: The most elements: each is a comparison.
_MOST = 256


def _search(real: Callable[..., Any], right: bool) -> Callable[..., Any]:
    """Returns bisect_left or bisect_right, for a value of the row without further arguments."""
    call = f"bisect.{real.__name__}"

    def search(*args: Any, **kwargs: Any) -> Any:
        if not any(isinstance(x, Traced) for x in (*args, *kwargs.values())):
            return as_python(real, *args, **kwargs)
        items: Any = unwrapped(args[0]) if len(args) == 2 and not kwargs else None
        if type(items) not in (list, tuple) or len(items) > _MOST or not is_scalar(args[1]):
            refuse("SW262", call=call, what="anything but a value of the row in a list of constants")
        return _position(items, args[1], right, call)

    return search


def _position(items: Any, x: Any, right: bool, call: str) -> Any:
    """Returns the number of elements before `x`: those with ``a < x``, or for `right` those without ``x < a``."""
    numbers, texts = is_number(x) and all(map(is_number, items)), is_text(x) and all(type(a) is str for a in items)
    if not (numbers or texts) or x.numpy:
        refuse("SW262", call=call, what=f"{raw(x)} among these elements")
    if not all(a <= b for a, b in zip(items, items[1:], strict=False)):  # also false of NaN
        refuse("SW262", call=call, what="elements that are not sorted")
    loop = explorer().loop
    total = loop.const(0, I64)
    for a in items:
        first, second = (x, a) if right else (a, x)
        less = compare("less", first, second) if numbers else loop.call("less", as_text(first), as_text(second))
        before = loop.call("logical_not", less) if right else less
        total = loop.call("add", total, loop.cast(before, I64))
    return make_int(total, (0, len(items)))


_LEFT, _RIGHT = _search(bisect.bisect_left, right=False), _search(bisect.bisect_right, right=True)
_FUNCTIONS = {"bisect": _RIGHT, "bisect_right": _RIGHT, "bisect_left": _LEFT}


def _attribute(name: str) -> Any:
    return _FUNCTIONS[name] if name in _FUNCTIONS else refuse("SW263", name=f"bisect.{name}")


#: Ids of the module and its functions -> their stand-ins.
STAND_INS: dict[int, Any] = {
    id(bisect): module_stand_in(bisect, "bisect", _attribute), id(bisect.bisect_left): _LEFT, id(bisect.bisect_right): _RIGHT,
}  # fmt: skip
