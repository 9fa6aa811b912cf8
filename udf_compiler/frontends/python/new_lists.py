"""Converts Python lists of individually known elements to lists of the row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import MakeList
from sparkweld.ir.types import BOOL, DATE, I32, I64, TS, Items, Type, of_dtype
from udf_compiler.frontends.python import list_maps, numbers
from udf_compiler.frontends.python.listed import is_held
from udf_compiler.frontends.python.lists import MIXED_ELEMENTS, NUMPY_ELEMENTS, as_list, is_list, present
from udf_compiler.frontends.python.of_text import element
from udf_compiler.frontends.python.operands import as_int
from udf_compiler.frontends.python.path_explorer import Node, explorer, leaves
from udf_compiler.frontends.python.path_trees import with_results
from udf_compiler.frontends.python.result_kinds import kind_of_time, value_as
from udf_compiler.frontends.python.values import SCALARS, TracedScalar, is_scalar
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.utf8 import is_utf8
from udf_compiler.frontends.tracing.values import raw

#: The most elements of a repeated list: more take memory that a kernel should not ask for.
_MOST_REPETITIONS = 1 << 16

#: Class of the elements, and NumPy's dtype or "" -> kind of the list.
_KINDS = {
    **{(kind, ""): f"list<{SCALARS[kind]}>" for kind in ("bool", "int", "float", "str")},
    ("bool", "bool"): "list<bool>", ("float", "float32"): "list<f32>", ("float", "float64"): "list<f64>",
    **{("int", f"int{bits}"): f"list<i{bits}>" for bits in (8, 16, 32, 64)},
}  # fmt: skip


def kind_of(items: Sequence[Any]) -> tuple[str, str] | None:
    """Returns the kind of a list of these elements and its `numpy`; None where kernels support no such list."""
    found = {(x.kind, x.numpy) if is_scalar(x) else (type(x).__name__, "") for x in items}
    if len(found) == 2 and current().of_columns and len({kind for kind, _ in found}) == 1:  # whose types may be the same
        (of,) = {_KINDS.get(key) for key in found} if len({_KINDS.get(key) for key in found}) == 1 else (None,)
        return None if of is None else (of, MIXED_ELEMENTS)
    if len(found) != 1:
        return None
    key = found.pop()
    return (_KINDS[key], NUMPY_ELEMENTS if key[1] else "") if key in _KINDS else None


def element_value(loop: LoopBuilder, x: Any) -> Value:
    """Returns a number or string as an element, a NumPy scalar in its dtype, a date in days, a datetime in microseconds.

    Refuses a string that is not valid UTF-8 (SW262).
    """
    x = x.element if is_held(x) else x
    time = kind_of_time(x)
    if time:
        return loop.cast(loop.cast(value_as(loop, x, DATE), I32) if time == "date" else value_as(loop, x, TS), I64)
    if is_scalar(x):
        return loop.cast(x.value, of_dtype(np.dtype(x.numpy))) if x.numpy else x.value  # type: ignore[arg-type]
    if type(x) is str and not is_utf8(x):
        refuse("SW262", call="a string", what="a lone surrogate")
    return loop.const(x, SCALARS[type(x).__name__])


def list_of(loop: LoopBuilder, kind: tuple[str, str], elements: Sequence[Value]) -> TracedScalar:
    """Returns a list of individually known elements."""
    type_ = Type(kind[0])
    made = loop.emit(MakeList(type_), *elements) if elements else loop.const(Items(type_.element.kind), type_)
    return TracedScalar(kind[0], made, numpy=kind[1])


def listed(x: Any) -> Any:
    """Returns a list of the row for a split, and for a list or tuple with values of the row; anything else unchanged."""
    x = as_list(x)
    if type(x) in (list, tuple):
        x = type(x)(map(element, x))
    if type(x) not in (list, tuple) or not any(map(is_scalar, x)) or (kind := kind_of(x)) is None:
        return x
    return list_of(explorer().loop, kind, [element_value(explorer().loop, item) for item in x])


def like(known: TracedScalar, x: Any) -> TracedScalar | None:
    """Returns `x` as a list of the row, as the operand beside the list `known`; None if `x` is not a list."""
    if is_list(x):
        return x  # type: ignore[no-any-return]
    if type(x) is not list:
        return None
    x = _without_none(x)
    kind = kind_of(x) if x else (known.kind, known.numpy)
    return None if kind is None else list_of(explorer().loop, kind, [element_value(explorer().loop, item) for item in x])


def _without_none(x: list[Any]) -> list[Any]:
    """Returns a list without its elements that are None: rows with such a list run in Python, as those of a column do."""
    if not any(item is None for item in x):
        return x
    explorer().guard(explorer().loop.const(False, BOOL))
    return [item for item in x if item is not None]


def without_none(x: Any) -> Any:
    """Returns a list with values of the row without its elements that are None, which are guarded; anything else unchanged."""
    known = type(x) is not list or current().of_columns or not any(map(is_scalar, x))
    return x if known else _without_none(x)


def with_lists(loop: LoopBuilder, tree: Node) -> Node:
    """Returns the tree with lists of the row instead of Python's; an empty one takes the kind of the others if they share it."""
    values = [leaf.value for leaf in leaves(tree) if leaf.error is None]
    kinds = {(x.kind, x.numpy) if is_list(x) else kind_of(x) for x in values if is_list(x) or (type(x) is list and x)}
    if not any(type(x) is list for x in values) or len(kinds) != 1:
        return tree
    (kind,) = kinds
    if kind is None:
        return tree

    def of_row(x: Any) -> Any:
        return list_of(loop, kind, [element_value(loop, item) for item in x]) if type(x) is list else x

    return with_results(tree, of_row)


def number_binary(name: str, a: Any, b: Any) -> Any:
    """Evaluates an operator with a Python number of the row; ``[x] * n`` makes a list of the row."""
    items, count = (a, b) if type(a) is list else (b, a)
    if name == "mul" and type(items) is list and len(items) == 1 and is_scalar(count) and count.kind in ("int", "bool"):
        return _repeated(items, as_int(count))
    return numbers.binary(name, a, b)


def _repeated(items: list[Any], count: Value) -> Any:
    """Returns a list of one element as one of the row that repeats it. Leaves rows with None, and guards many repetitions."""
    run, loop = explorer(), explorer().loop
    if items[0] is None:
        run.leave("make a list of None")
        return []
    kind = kind_of(items)
    if kind is None:
        refuse("SW262", call="a list * ...", what=raw(items[0]))
    few = loop.call("less_equal", count, loop.const(_MOST_REPETITIONS, I64))
    run.guard(few)
    count = loop.select(few, count, loop.const(0, I64))  # a row that runs in Python costs no repetitions
    return TracedScalar(kind[0], present(list_maps.repeated(loop, element_value(loop, items[0]), count)), numpy=kind[1])


def index_of(items: Sequence[Any], sought: Any) -> int:
    """Returns ``items.index(sought)``. Guards a NaN, which Python finds only as the same object."""
    if is_scalar(sought) and sought.kind == "float":
        explorer().guard(explorer().loop.call("equal", sought.value, sought.value))
    for at, item in enumerate(items):
        if item == sought:
            return at
    raise in_place(ValueError("list.index(x): x not in list"))
