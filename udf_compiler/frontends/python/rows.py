"""Models structs in plain UDFs: an argument as a pyspark Row, a result as one value for each field.

A Row is a tuple with names (pyspark/sql/types.py): its fields are attributes, and items by name or number. A result is a tuple in
the order of the fields, or a dict by their names. Only the pickled format also accepts a list.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from pyspark.sql import Row

from sparkweld.ir import Value
from udf_compiler.frontends.python.path_explorer import Fork, Leaf, Node, leaves
from udf_compiler.frontends.python.path_trees import with_ends
from udf_compiler.frontends.python.undecided import Undecided, decided
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.values import Traced, raw

_CALL = "a Row"

#: Attributes of every Row, whatever its fields are called.
_OWN = frozenset(dir(Row))


@dataclass(frozen=True, slots=True)
class Struct:
    """A struct argument that is never NULL as a whole: a value for each field."""

    names: tuple[str, ...]
    values: tuple[Value, ...]

    def row(self, values: Sequence[Any]) -> Row:
        """Returns the Row of these field values."""
        made = Row(*values)
        made.__fields__ = list(self.names)
        return made


class TracedStruct(Traced):
    """The Row of a struct. `sources` return the values of its fields; one that may be NULL forks where it is read."""

    __slots__ = ("names", "sources")
    what = "Row"
    stands_for = Row

    def __init__(self, names: Sequence[str], sources: Sequence[Any]) -> None:
        self.names, self.sources = tuple(names), tuple(sources)

    __class__ = Row  # type: ignore[assignment]

    def _more_names(self) -> Any:
        return self.names

    def __getattr__(self, name: str) -> Any:
        if name == "asDict":
            return self._as_dict
        if name in _OWN:
            refuse("SW251", call=f"Row.{name}")
        return self._field(name)

    def __getitem__(self, key: Any) -> Any:
        if type(key) is str:
            return self._field(key)
        if type(key) is slice:
            return tuple(decided(source()) for source in self.sources[key])
        if type(key) is not int:
            refuse("SW262", call=_CALL, what=f"{raw(key)} as an index")
        if not -len(self) <= key < len(self):
            raise in_place(IndexError("tuple index out of range"))
        return decided(self.sources[key]())

    def _field(self, name: str) -> Any:
        if name not in self.names:
            refuse("SW262", call=_CALL, what=f"the field {name!r}, which it does not have,")
        return decided(self.sources[self.names.index(name)]())

    def _as_dict(self, recursive: bool = False) -> dict[str, Any]:
        return dict(zip(self.names, self, strict=True))

    def __iter__(self) -> Iterator[Any]:
        return (decided(source()) for source in self.sources)

    def __len__(self) -> int:
        return len(self.sources)

    def __bool__(self) -> bool:
        return len(self.sources) > 0

    def __contains__(self, name: Any) -> bool:
        if type(name) is not str:
            refuse("SW262", call=_CALL, what=f"{raw(name)} in it")
        return name in self.names  # Row.__contains__ tests names


def is_as_dict(function: Any) -> bool:
    """Whether it is the method asDict of a Row of the function's own."""
    return getattr(function, "__func__", None) is TracedStruct._as_dict


class NullStruct(Exception):
    """The end of a path on which a function returns None for a struct: Python computes these rows."""


def struct_tree(tree: Node) -> Node:
    """Returns the tree in which paths that return None for a struct end as if they raised; the tree itself without any.

    Refuses a function that never returns a struct (SW310).
    """
    ends = [leaf for leaf in leaves(tree) if leaf.error is None]
    if not any(leaf.value is None for leaf in ends):
        return tree
    if all(leaf.value is None for leaf in ends):
        refuse("SW310")
    return with_ends(tree, lambda leaf: Leaf(None, NullStruct(), leaf.guards) if leaf.value is None else leaf)


class NoStruct(Exception):
    """The end of a path whose result the worker does not convert to a struct: Python raises for these rows."""


def fitting_tree(tree: Node, names: Sequence[str], lists: bool) -> Node:
    """Returns the tree in which paths whose result is no struct of these fields end as if they raised.

    The tree itself where no path returns such a struct, or all do. `lists`: lists are accepted as well as tuples.
    """
    ends = [leaf.value for leaf in leaves(tree) if leaf.error is None and leaf.value is not None]
    fits = [_fits(x, names, lists) for x in ends]
    if all(fits) or not any(fits):
        return tree

    def fitting(leaf: Leaf) -> Leaf:
        return leaf if leaf.value is None or _fits(leaf.value, names, lists) else Leaf(None, NoStruct(), leaf.guards)

    return with_ends(tree, fitting)


def field_trees(tree: Node, names: Sequence[str], lists: bool) -> list[Node]:
    """Returns the tree of each field of a struct that `tree` returns. `lists`: lists are accepted as well as tuples.

    Refuses a result that is no tuple or dict of these fields (SW311). The fields of None are None.
    """
    for leaf in leaves(tree):
        if leaf.error is None and leaf.value is not None:
            _check(leaf.value, names, lists)
    return [with_ends(tree, partial(_field_end, at, name)) for at, name in enumerate(names)]


def _field_end(at: int, name: str, leaf: Leaf) -> Node:
    x = _field_of(leaf.value, at, name)
    if type(x) is not Undecided:
        return Leaf(x, None, leaf.guards)
    valid, value = (object.__getattribute__(x, part) for part in ("valid", "value"))
    return Fork(valid.value, leaf.guards, Leaf(value, None, ()), Leaf(None, None, ()))


def _field_of(value: Any, at: int, name: str) -> Any:
    if value is None:
        return None
    return value.get(name) if type(value) is dict else value[at]


def _fits(value: Any, names: Sequence[str], lists: bool) -> bool:
    kinds = (tuple, list) if lists else (tuple,)
    if type(value) is dict and all(type(key) is str for key in value):
        return True
    return type(value) in kinds and len(value) == len(names)


def _check(value: Any, names: Sequence[str], lists: bool) -> None:
    if not _fits(value, names, lists):
        size = f" of {len(value)}" if type(value) in (tuple, list) else ""
        refuse("SW311", what=f"{raw(value)}{size}", fields=", ".join(names))


def struct_of(result: Any, names: Sequence[str]) -> list[Any]:
    """Returns the fields of the original function's result."""
    return [_field_of(result, at, name) for at, name in enumerate(names)]


__all__ = ["Struct", "TracedStruct", "field_trees", "fitting_tree", "struct_of", "struct_tree"]
