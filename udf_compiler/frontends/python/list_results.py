"""Converts lists that a plain UDF returns to a Spark array column: lists of the row unchanged, and new lists of its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sparkweld.ir import LoopBuilder, Type, Value
from sparkweld.ir.ops import MakeList, StrCall
from sparkweld.ir.types import BOOL, F64, I64, STR, Items, list_of
from udf_compiler.frontends.python.conditions import both
from udf_compiler.frontends.python.list_maps import mapped
from udf_compiler.frontends.python.lists import is_list
from udf_compiler.frontends.python.new_lists import element_value
from udf_compiler.frontends.python.path_explorer import Node, leaves
from udf_compiler.frontends.python.result_kinds import kind_of_result, merged, value_as
from udf_compiler.frontends.python.values import SCALARS, is_scalar
from udf_compiler.frontends.tracing.integer_checks import between, within
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw


class Conversion(Protocol):
    """Arrow's conversion of one Python value to the type of the elements."""

    def converts(self, x: Any) -> Value:
        """Returns the condition that pyarrow accepts the value."""
        ...

    def value(self, x: Any) -> Value:
        """Returns the value as one of the type."""
        ...


def list_of_row(
    loop: LoopBuilder, tree: Node, to: Type, return_type: str, place: str, pickled: bool, pruned: Node | None = None,
    convert: Conversion | None = None, none: bool = False,
) -> Value:  # fmt: skip
    """Returns the value of the column; guards join `loop`. Both wire formats convert the accepted results equally.

    Refuses (SW226) elements of another class than the type's, also on the paths of `pruned`, as in `plain.RowResult`. One format
    turns them into NULL. The other may convert them, by `convert`: each number, bool or time to a string, each int to a double.
    Also refuses (SW226) a tuple that is not pickled. PySpark asserts a list where it converts elements for Arrow: strings, and
    all elements of an array declared without NULL. `none`: elements may be None, for which any value is stored. Otherwise a guard
    excludes such rows.
    """
    classes = (list, tuple) if pickled else (list,)
    values = [leaf.value for leaf in leaves(tree) if leaf.error is None]
    others = [leaf.value for leaf in leaves(pruned) if leaf.error is None] if pruned is not None else []
    for x in (*values, *others):
        _check(x, to.element, classes, return_type, place, convert is not None)

    def undecided(x: Any) -> bool:
        return not none and type(x) in classes and any(item is None for item in x)

    if values and all(map(undecided, values)):
        refuse("SW226", at=place, what="a list with None", type=return_type)

    def fits(x: Any) -> Value:
        return loop.const(False, BOOL) if undecided(x) else _fits(loop, x, to.element, convert)

    loop.guard(merged(loop, tree, BOOL, fits))
    value = merged(loop, tree, to, lambda x: _value(loop, () if undecided(x) else x, to, convert))
    if not any(x is None for x in values):
        return value
    return loop.optional(value, merged(loop, tree, BOOL, lambda x: loop.const(x is not None, BOOL)))


#: Kind of a dtype -> the Python class of its values.
_KINDS = {"f": "float", "i": "int", "b": "bool", "O": "str"}

#: Type of elements -> the kinds of values that Arrow converts to it one by one, whatever the others are.
_CONVERTED = {STR: ("str", "int", "bool", "float", "date", "datetime"), F64: ("float", "int")}
#: As above: the kinds of the dtypes of lists of the row.
_CONVERTED_LISTS = {STR: "ib", F64: "i"}
#: The largest magnitude of an int that Arrow converts to a double.
_EXACT = 2**53


def _check(x: Any, element: Type, classes: tuple[type, ...], return_type: str, place: str, converts: bool) -> None:
    own = x.value.type.element.dtype.kind if is_list(x) and not x.numpy else ""
    same = bool(own) and _KINDS[own] == _KINDS[element.dtype.kind]
    if x is None or same or (own and converts and own in _CONVERTED_LISTS.get(element, "")):
        return
    if is_list(x) or is_scalar(x) or type(x) not in classes:
        what = f"a list of {x.value.type.element}" if is_list(x) else raw(x)
        refuse("SW226", at=place, what=what, type=return_type)
    known = {_KINDS[element.dtype.kind], *(_CONVERTED.get(element, ()) if converts else ()), "None"}
    for item in x:
        kind = "None" if item is None else kind_of_result(item)
        if kind not in known or (is_scalar(item) and item.numpy) or type(item).__module__ == "numpy":
            refuse("SW226", at=place, what=f"a list with {raw(item)}", type=return_type)


def _fits(loop: LoopBuilder, x: Any, element: Type, convert: Conversion | None) -> Value:
    """Returns the condition that a list's integers fit the type; otherwise one format raises and the other wraps.

    Also the condition that Arrow accepts the elements that it converts.
    """
    found = loop.const(True, BOOL)
    if x is None or is_list(x):
        own = element if x is None else x.value.type.element
        narrows = own != element and own.is_int and element not in (I64, STR)
        return loop.is_valid(_converted(loop, x.value, element)) if narrows else found
    if convert is not None and element in _CONVERTED:
        for item in x:
            found = both(loop, found, convert.converts(item))
        return found
    if not element.is_int or element == I64:
        return found
    for item in x:
        found = both(loop, found, within(loop, value_as(loop, item, I64), element))
    return found


def _converted(loop: LoopBuilder, x: Value, element: Type) -> Value:
    """Returns a list with its numbers cast to another type, or as Arrow's strings; NULL where an integer does not fit."""

    def of(block: LoopBuilder, elements: Sequence[Value], row: Sequence[Value]) -> Value:
        if element == STR and x.type.element == BOOL:
            return block.select(elements[0], block.const("true", STR), block.const("false", STR))
        if element == STR:
            return block.emit(StrCall("int_to_str"), block.cast(elements[0], I64))
        if element == F64 and x.type.element.is_int:
            block.guard(between(block, block.cast(elements[0], I64), -_EXACT, _EXACT))
        wide = block.cast(elements[0], I64) if element.is_int else elements[0]
        if element.is_int and element != I64:
            block.guard(within(block, wide, element))
        return block.cast(wide, element)

    return mapped(loop, [x], [], list_of(element), of)


def _value(loop: LoopBuilder, x: Any, to: Type, convert: Conversion | None) -> Value:
    if is_list(x):
        same = x.value.type == to
        return x.value if same else loop.value_of(_converted(loop, x.value, to.element))  # type: ignore[no-any-return]
    items: Sequence[Any] = x or ()
    if not items:
        return loop.const(Items(to.element.kind), to)
    if convert is not None and to.element in _CONVERTED:
        return loop.emit(MakeList(to), *(element_value(loop, x) if type(x) is str else convert.value(x) for x in items))
    if to.element == STR:
        return loop.emit(MakeList(to), *(element_value(loop, "" if item is None else item) for item in items))
    return loop.emit(MakeList(to), *(loop.cast(value_as(loop, item, _natural(item, to.element)), to.element) for item in items))


def _natural(item: Any, element: Type) -> Type:
    return element if item is None else SCALARS[kind_of_result(item)]


__all__ = ["list_of_row"]
