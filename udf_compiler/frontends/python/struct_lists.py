"""Takes lists that a plain UDF returns for an array of structs apart: the values of each field, and what is NULL.

An element is a tuple in the order of the fields, a dict by their names, a Row or None. The pickled format and table functions
accept a list, too. The only field of a table function over Arrow may be the element itself, if it is no tuple.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sparkweld.contract.spark_types import StructField
from sparkweld.ir import LoopBuilder, Type
from sparkweld.ir.types import BOOL, list_of
from udf_compiler.frontends.python.list_maps import mapped
from udf_compiler.frontends.python.lists import is_list
from udf_compiler.frontends.python.path_explorer import Node, leaves
from udf_compiler.frontends.python.path_trees import with_results
from udf_compiler.frontends.python.record_dicts import TracedRecord
from udf_compiler.frontends.python.records import DICT, TracedRecords, as_records
from udf_compiler.frontends.python.row_lists import TracedElement
from udf_compiler.frontends.python.time_results import tag_of_field
from udf_compiler.frontends.python.values import TracedScalar, is_scalar
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw


@dataclass(frozen=True, slots=True)
class StructLists:
    """An array of structs with these fields, whose values are `elements` of arrays.

    `pickled`: the wire format. `gaps`: whether structs may be NULL. `table`: they are the rows of a table function. Pickled, its
    dicts must have as many keys as there are fields. `tuples`: the rows are tuples; `fixed`: no row is changed after it was
    yielded. Without these, Arrow may convert other values: the worker does so after the last row. `loop`: that of the values,
    None where only kinds are valid.
    """

    loop: LoopBuilder | None
    fields: tuple[StructField, ...]
    elements: Sequence[Type]
    gaps: bool
    pickled: bool
    place: str
    type: str
    table: bool = False
    tuples: bool = False
    fixed: bool = False

    @property
    def _bare(self) -> bool:
        """Whether an element that is no tuple is the only field."""
        return self.table and not self.pickled and len(self.fields) == 1

    def trees(self, tree: Node) -> list[Node]:
        """Returns the trees of the arrays that the result is stored as (`columns_of`); None where the function returns None.

        Refuses (SW226, SW311) other results, and None for a field or an element that is declared not nullable.
        """
        for leaf in leaves(tree):
            if leaf.error is None and leaf.value is not None:
                self._check(leaf.value)
        found = [with_results(tree, of) for at, field in enumerate(self.fields) for of in self._of_field(at, field)]
        return [*found, with_results(tree, self._gone)]

    def _check(self, x: Any) -> None:
        x = as_records(x)
        if self._bare and _is_bare(x):
            return
        if self.table and not self.pickled and not (self.tuples if len(self.fields) == 1 else self.fixed):
            refuse("SW226", at=self.place, what="rows that are no tuples, or that it may change,", type=self.type)
        if type(x) is TracedRecords:
            if not isinstance(x.form, str):
                refuse("SW226", at=self.place, what="a list of objects of a class of its own", type=self.type)
            if self._bare and x.form == DICT:
                refuse("SW226", at=self.place, what="a list of dicts for one column", type=self.type)
            if ((self.table and self.pickled) or x.form != DICT) and x.form and len(x.parts) != len(self.fields):
                self._refuse_size(x, len(x.parts))
            return
        x = unwrapped(x)
        if type(x) not in ((list, tuple) if self.pickled else (list,)):
            refuse("SW226", at=self.place, what=raw(x), type=self.type)
        for element in x:
            known = element is None or type(element) in (TracedRecord, TracedElement)
            classes = (tuple,) if self._bare else (tuple, dict, list) if self.pickled or self.table else (tuple, dict)
            if not known and type(unwrapped(element)) not in classes:
                refuse("SW226", at=self.place, what=f"a list with {raw(element)}", type=self.type)
            named = _is_dict(element) and not (self.table and self.pickled)
            if element is not None and not named and len(_items(element)) != len(self.fields):
                self._refuse_size(element, len(_items(element)))

    def _refuse_size(self, x: Any, size: int) -> None:
        refuse("SW311", what=f"{raw(x)} of {size}", fields=", ".join(field.name for field in self.fields))

    def _of_field(self, at: int, field: StructField) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
        """Returns the functions from a list to the values of a field, and to whether they are NULL, None where none is."""

        def values(x: Any) -> Any:
            x = as_records(x)
            if self._bare and _is_bare(x):
                return x
            if type(x) is not TracedRecords:
                return [None if e is None else _part(e, at, field.name) for e in unwrapped(x)]
            number = _number(x, at, field.name)
            part = None if number is None else x.parts[number]
            of = self.elements[at]
            return self._constants(x, of, of.zero, tag_of_field(field.type)) if part is None else part

        def absent(x: Any) -> Any:
            x = as_records(x)
            if self._bare and _is_bare(x):
                none = [e is None for e in x] if type(x) is list else []
                return self._nullable(none if any(none) else None, field.nullable, f"None for the field {field.name}")
            if type(x) is TracedRecords:
                number = _number(x, at, field.name)
                found = self._constants(x, BOOL, True) if number is None else x.absent[number]
            else:
                none = [e is not None and _part(e, at, field.name) is None for e in unwrapped(x)]
                found = none if any(none) else None
            return self._nullable(found, field.nullable, f"None for the field {field.name}")

        return values, absent

    def _gone(self, x: Any) -> Any:
        x = as_records(x)
        if self._bare and _is_bare(x):
            return None
        if type(x) is TracedRecords:
            found: Any = x.gone
        else:
            none = [e is None for e in unwrapped(x)]
            found = none if any(none) else None
        return self._nullable(found, self.gaps, "a list with None")

    def _nullable(self, found: Any, allowed: bool, what: str) -> Any:
        if found is not None and not allowed:
            refuse("SW226", at=self.place, what=what, type=self.type)
        return found

    def _constants(self, x: TracedRecords, element: Type, value: Any, tag: str = "") -> Any:
        """Returns a list that has a constant for each element."""
        if self.loop is None:
            return []
        lists, to = [x.columns[0].value], list_of(element)
        made = mapped(self.loop, lists, [], to, lambda block, elements, row: block.const(value, element))
        return TracedScalar(to.kind, self.loop.value_of(made), numpy=tag)


def _number(x: TracedRecords, at: int, name: str) -> int | None:
    """Returns the number of the part for a field; None for a key that dicts do not have, and where all elements are None."""
    if x.form not in (DICT, ""):
        return at
    return x.names.index(name) if name in x.names else None


def _is_bare(x: Any) -> bool:
    """Whether the elements of a list are scalars."""
    scalars = (bool, int, float, str, type(None), datetime.date)
    return is_list(x) or (type(x) is list and all(is_scalar(e) or isinstance(e, scalars) for e in x))


def _is_dict(element: Any) -> bool:
    return type(element) is TracedRecord or type(unwrapped(element)) is dict


def _items(element: Any) -> Sequence[Any]:
    if type(element) is TracedRecord:
        return element.names
    return element.values if type(element) is TracedElement else unwrapped(element)


def _part(element: Any, at: int, name: str) -> Any:
    if type(element) is TracedRecord:
        return dict(zip(element.names, element.values_, strict=True)).get(name)
    return unwrapped(element).get(name) if _is_dict(element) else _items(element)[at]
