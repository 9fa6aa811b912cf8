"""Evaluates the operators and methods of sets of the row: each is a loop over one set's elements in Python, interpreted."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, NoReturn

from udf_compiler.frontends.python import key_lists, lists
from udf_compiler.frontends.python.key_lists import is_key_kind
from udf_compiler.frontends.python.new_lists import element_value, kind_of, like, list_of
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.records import TracedRecords
from udf_compiler.frontends.python.regions.distinct import Distinct, distinct
from udf_compiler.frontends.python.regions.equivalents import interpreted
from udf_compiler.frontends.python.regions.growing import current
from udf_compiler.frontends.python.regions.machine import Machine
from udf_compiler.frontends.python.regions.seen import Seen
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.constants import ConstantSet, unwrapped
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place


def unknown() -> NoReturn:
    """Refuses (SW282) an operation on a set."""
    refuse("SW282", what="a set, for an operation that depends on more than its elements")


def _both(a, b):  # type: ignore[no-untyped-def]
    made = []
    for x in a:
        if x in b:
            made.append(x)
    return made


def _without(a, b):  # type: ignore[no-untyped-def]
    made = []
    for x in a:
        if x not in b:
            made.append(x)
    return made


def _within(a, b):  # type: ignore[no-untyped-def]
    for x in a:
        if x not in b:
            return False
    return True


def _disjoint(a, b):  # type: ignore[no-untyped-def]
    for x in a:
        if x in b:
            return False
    return True


_BOTH, _WITHOUT, _WITHIN, _DISJOINT = (interpreted(f, "builtins") for f in (_both, _without, _within, _disjoint))

#: Kinds of lists whose equal elements are the same: not floats, of which 0.0 and -0.0 are equal.
_KINDS = ("list<str>", "list<i64>", "list<i32>", "list<i16>", "list<i8>")


def as_distinct(x: Any) -> Any:
    """Returns the set of the row that a function has filled as one made from a list; anything else unchanged."""
    if type(x) is not Seen:
        return x
    return Distinct(key_lists.distinct(x.list_of_row())) if x.items else set()


def call_method(machine: Machine, owner: Distinct | Seen, name: str, args: list[Any]) -> Any:
    """Calls a method of a set of the row; refuses unsupported ones (SW282)."""
    if type(owner) is Seen and name == "add" and len(args) == 1:
        return owner.add(current(args[0]))
    x = as_distinct(owner)
    if name not in _METHODS or len(args) != 1:
        unknown()
    other = as_distinct(args[0])
    if type(x) is not Distinct:
        items = lists.as_list(current(other.items if type(other) is Distinct else other))
        if not lists.is_list(items) and type(items) is not TracedRecords:
            return _of_empty(getattr(set, name), x, set() if type(other) in (list, tuple) and not other else other)
        x = Distinct(like(items, []))
    if x.kind is list:
        unknown()
    return _METHODS[name](machine, x, _elements(other, x, of_method=True))


def operate(machine: Machine, symbol: str, a: Any, b: Any) -> Any:
    """Evaluates ``a & b`` and similar; refuses other operators, and changes of a set (SW282)."""
    a, b = as_distinct(a), as_distinct(b)
    if symbol not in _OPERATORS:
        unknown()
    if type(a) is Distinct:
        return _OPERATORS[symbol](machine, a, _elements(b, a))
    if type(b) is not Distinct:
        return _of_empty(_SYMBOLS[symbol], a, b)
    return _OPERATORS[symbol](machine, Distinct(_elements(a, b)), b.items)


def _of_empty(operation: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """Returns the result of an operation of an empty set with one of constants; refuses other operands (SW282)."""
    first, second = map(unwrapped, (a, b))
    if not all(isinstance(x, set | frozenset) for x in (first, second)) or (first and second):
        unknown()
    made = operation(set(first), set(second))
    return made if not isinstance(made, set) else Distinct(_of_constants(_constants(made))) if made else Seen([])


def _of_constants(items: list[Any]) -> Any:
    """Returns constants as a list of the row; refuses (SW282) those of which kernels have none."""
    kind, loop = kind_of(items), explorer().loop
    return unknown() if kind is None else list_of(loop, kind, [element_value(loop, x) for x in items])


def compare(machine: Machine, symbol: str, a: Any, b: Any) -> Any:
    """Evaluates ``a == b``, ``a <= b`` and similar of two sets; refuses other comparisons (SW282)."""
    a, b = as_distinct(a), as_distinct(b)
    if symbol in ("==", "!=") and (a is None or b is None):
        return symbol == "!="
    if type(a) is not Distinct and type(b) is not Distinct and symbol in _SYMBOLS:
        return _of_empty(_SYMBOLS[symbol], a, b)
    first, second = _elements(a, b), _elements(b, a)
    if symbol in ("==", "!=") and type(first) is TracedRecords:
        same = bool(first.count == second.count) and machine.call(_WITHIN, [first, second], {})
        return same if symbol == "==" else not same
    if symbol in ("==", "!="):
        return (first == second) if symbol == "==" else (first != second)
    if symbol not in ("<=", ">="):
        unknown()
    return machine.call(_WITHIN, [first, second] if symbol == "<=" else [second, first], {})


def _elements(x: Any, other: Any, of_method: bool = False) -> Any:
    """Returns the distinct elements of an operand in order, as a list of the row. `of_method`: it may be any list, too.

    Refuses (SW282) elements of another class than those of the `other` set, and of a class with equal elements that differ.
    """
    if x is None:
        raise in_place(TypeError("'NoneType' object is not iterable"))
    known = x.items if type(x) is Distinct and x.kind is not list else unwrapped(x)
    if type(x) is ConstantSet or isinstance(known, set | frozenset):
        known = _constants(known)
    elif type(x) is not Distinct:
        known = lists.as_list(current(known))
        if not of_method or not (type(known) in (list, tuple) or _is_list(known)) or (is_scalar(known) and known.numpy):
            unknown()
        known = distinct(known).items if _is_list(known) else _constants(known)
    made: Any = known if _is_list(known) else _like(other.items, known) if type(other) is Distinct else None
    if made is None or not _is_kind(made.kind) or (type(other) is Distinct and other.items.kind != made.kind):
        unknown()
    return made


def _is_list(x: Any) -> bool:
    """Whether `x` is a list of the row, or one of tuples that are keys."""
    return lists.is_list(x) or (type(x) is TracedRecords and is_key_kind(x.kind))


def _is_kind(kind: Any) -> bool:
    return kind in _KINDS or (not isinstance(kind, str) and is_key_kind(kind))


def _like(known: Any, x: list[Any]) -> Any:
    """Returns a list of constants as one of the row, as `like` does; only an empty one beside a list of tuples."""
    return like(known, x) if lists.is_list(known) else None if x else known[:0]


def _constants(items: Any) -> list[Any]:
    if len({type(x) for x in items}) > 1 or not all(type(x) in (str, int) for x in items):
        unknown()
    return sorted({*items})


def _loop(function: Any, made: bool) -> Callable[[Machine, Distinct, Any], Any]:
    def run(machine: Machine, x: Distinct, other: Any) -> Any:
        found = machine.call(function, [x.items, other], {})
        return Distinct(_list(found, x)) if made else found

    return run


def _list(found: Any, x: Distinct) -> Any:
    found = current(found)
    return found if _is_list(found) else _like(x.items, found)


def _union(machine: Machine, x: Distinct, other: Any) -> Distinct:
    return distinct(x.items + other)


def _difference(machine: Machine, x: Distinct, other: Any) -> Distinct:
    first = _loop(_WITHOUT, True)(machine, x, other)
    return _union(machine, first, _loop(_WITHOUT, True)(machine, Distinct(other), x.items).items)


_OPERATORS: dict[str, Callable[[Machine, Distinct, Any], Any]] = {
    "&": _loop(_BOTH, True), "-": _loop(_WITHOUT, True), "|": _union, "^": _difference,
}  # fmt: skip
#: Operators and comparisons of Python's own sets.
_SYMBOLS: dict[str, Callable[[Any, Any], Any]] = {
    "&": operator.and_, "-": operator.sub, "|": operator.or_, "^": operator.xor, "==": operator.eq, "!=": operator.ne,
    "<=": operator.le, ">=": operator.ge,
}  # fmt: skip
_METHODS: dict[str, Callable[[Machine, Distinct, Any], Any]] = {
    "intersection": _OPERATORS["&"], "difference": _OPERATORS["-"], "union": _union, "symmetric_difference": _difference,
    "isdisjoint": _loop(_DISJOINT, False), "issubset": _loop(_WITHIN, False),
    "issuperset": lambda machine, x, other: machine.call(_WITHIN, [other, x.items], {}),
}  # fmt: skip

