"""Lowers the operators and protocols of lists of a row: ``a + b``, ``a == b``, ``a != b``; refuses the others."""

from __future__ import annotations

from typing import Any, NoReturn

from sparkweld.ir.types import F64, I64, list_of
from udf_compiler.frontends.python.list_maps import mapped
from udf_compiler.frontends.python.lists import as_list, call, guard_ordered, is_list, of_list, present, refuse_list
from udf_compiler.frontends.python.new_lists import like
from udf_compiler.frontends.python.operands import make_bool
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.values import raw


def _with_stranger(name: str, known: TracedScalar, other: Any) -> bool:
    """Applies an operator to a list and a value that is not a list."""
    if name in ("eq", "ne"):
        return name == "ne"
    if name == "mul" or (is_scalar(other) and other.numpy):
        refuse_list(known, f"{name} with {raw(other)}")
    raise in_place(TypeError(f"unsupported operand type(s) for {name}: 'list'"))


def widened(x: Any) -> Any:
    """Returns a list of the row with elements of Python's width, int64 or float64; anything else unchanged."""
    if not is_list(x) or x.numpy:
        return x
    element_type = x.value.type.element
    wide = F64 if element_type.is_float else I64 if element_type.is_int else element_type
    if wide == element_type:
        return x
    made = mapped(explorer().loop, [x.value], [], list_of(wide), lambda block, elements, row: block.cast(elements[0], wide))
    return of_list(present(made))


#: Classes whose values equal no list.
_STRANGERS = (type(None), bool, int, float, str, bytes, tuple, dict, set, frozenset)


def binary(name: str, a: Any, b: Any) -> Any:
    """Evaluates ``a + b``, ``a == b`` or ``a != b`` of lists; refuses other operators (SW222)."""
    known, other = (a, b) if is_list(a) else (b, a)
    if type(other) in _STRANGERS or (is_scalar(other) and not other.is_list):
        return _with_stranger(name, known, other)
    x, y = (like(known, as_list(side)) for side in (a, b))
    if x is not None and y is not None and x.kind != y.kind and not x.numpy and not y.numpy:
        x, y = widened(x), widened(y)
    if x is None or y is None or (x.kind, x.numpy) != (y.kind, y.numpy) or name not in ("add", "eq", "ne"):
        refuse_list(known, f"{name} of {raw(a)} and {raw(b)}")
    if name == "add":
        return TracedScalar(x.kind, call("concat", x, y.value), numpy=x.numpy)
    guard_ordered(x)  # a NaN object in both lists equals itself
    same = call("equal", x, y.value)
    return make_bool(same if name == "eq" else explorer().loop.call("logical_not", same))


def unary(name: str, x: TracedScalar) -> NoReturn:
    refuse_list(x, f"unary {name}")


def iterate(x: TracedScalar) -> NoReturn:
    refuse("SW223")


def refuse_in_place(x: TracedScalar, name: str) -> NoReturn:
    refuse_list(x, f"{name}=")  # other names may refer to it


def refuse_hash(x: TracedScalar) -> NoReturn:
    refuse_list(x, "hash()")


def refuse_format(x: TracedScalar, spec: str) -> NoReturn:
    refuse_list(x, "format()")


def refuse_round(x: TracedScalar, ndigits: Any = None) -> NoReturn:
    refuse_list(x, "round()")


def refuse_whole(x: TracedScalar, fn: str) -> NoReturn:
    refuse_list(x, f"{fn}()")
