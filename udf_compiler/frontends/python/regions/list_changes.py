"""Interprets changes of lists that the function has made: which lists they are, and what becomes of their other names."""

from __future__ import annotations

from functools import reduce
from itertools import groupby
from types import BuiltinFunctionType, FunctionType
from typing import Any

from sparkweld.ir.types import BOOL, I64
from udf_compiler.frontends.python.builtin_calls import is_builtin
from udf_compiler.frontends.python.instances import is_instance
from udf_compiler.frontends.python.json_results import collected
from udf_compiler.frontends.python.json_values import TracedJson
from udf_compiler.frontends.python.list_operators import widened
from udf_compiler.frontends.python.lists import as_list, is_list
from udf_compiler.frontends.python.nested_lists import TracedLists, kind_of_lists, lists_of
from udf_compiler.frontends.python.new_lists import element_value, kind_of, list_of
from udf_compiler.frontends.python.of_text import element as of_text
from udf_compiler.frontends.python.operands import make_int
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.record_dicts import TracedRecord
from udf_compiler.frontends.python.record_parts import ListRow
from udf_compiler.frontends.python.records import TracedRecords, as_records
from udf_compiler.frontends.python.regions.code import code_of
from udf_compiler.frontends.python.regions.equivalents import EQUIVALENT, equivalent
from udf_compiler.frontends.python.regions.gathering import element
from udf_compiler.frontends.python.regions.growing import METHODS, Growing, current, held
from udf_compiler.frontends.python.regions.iteration import Walk, reads_json
from udf_compiler.frontends.python.regions.list_kinds import check_shared
from udf_compiler.frontends.python.regions.machine import Machine, check_growing, decide
from udf_compiler.frontends.python.regions.mappings import Mapping
from udf_compiler.frontends.python.regions.readers import only_reads, takes_elements
from udf_compiler.frontends.python.regions.sorting import sorted_by
from udf_compiler.frontends.python.regions.state import Method, State, within
from udf_compiler.frontends.python.regions.stored import Table, line_at
from udf_compiler.frontends.python.undecided import Undecided, holds_undecided
from udf_compiler.frontends.python.values import MAX, MIN, TracedScalar, is_scalar
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import current as session
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn, in_place

#: Methods and functions of strings, lists and patterns that return a new list, if a list.
_NEW_LISTS = frozenset("split rsplit splitlines findall copy".split())


def makes_list(function: Any) -> bool:
    """Whether a list that the function returns is a new one, which a function of user code may not return."""
    if type(function) is Method:
        return function.name in _NEW_LISTS and not is_instance(function.owner)
    module = str(function.__module__) if type(function) is FunctionType else ""
    if is_builtin(function, sorted) or (module.startswith("udf_compiler.") and module.endswith(".re_")):
        return True
    own = type(function) is BuiltinFunctionType or issubclass(type(function), StandIn) or module.startswith("udf_compiler.")
    return own and getattr(function, "__name__", "") in _NEW_LISTS


def fresh(machine: Machine, made: Any) -> Any:
    """Returns a new list of the row as one that a function that changes lists may change; anything else unchanged."""
    made = as_list(made) if machine.changes else made
    return Growing(widened(made)) if machine.changes and is_list(made) and not made.numpy else made


def grown(machine: Machine, s: State, items: list[Any], value: Any = None, owner: Any = None) -> Growing:
    """Makes a list of known length a list of the row, `value` if given, for all names and objects that refer to it.

    `owner`: a list of the row that remains the same object.

    Refuses lists that outlive the call (SW256), those with elements of several classes or large ints, and those that an unrolled
    loop goes over (SW282).
    """
    if machine.outer is None or id(items) in machine.outer:
        refuse("SW256", call="a list")
    parts = (part for x in (*s.stack, *s.variables.values()) for part in within(x))
    large = any(type(x) is int and not MIN <= x <= MAX for x in items)
    if value is None and not large:
        value = _of_known(machine, s, items)
    if any(type(part) is Walk and part.items is items for part in parts) or value is None:
        refuse("SW282", what="a list that it changes, in a loop over it or with elements of several classes,")
    made = Growing(value)
    changed = s.mapped(lambda x: x, machine.outer, {id(items): made, id(owner): owner})
    s.stack[:], s.variables = changed.stack, changed.variables
    return made


def _of_known(machine: Machine, s: State, items: list[Any]) -> Any:
    """Returns a list of known length as one of the row; None for elements of several classes."""
    loop, kind = explorer().loop, kind_of(list(map(of_text, items)))
    if kind is not None:
        return list_of(loop, kind, [element_value(loop, of_text(x)) for x in items])
    nested = kind_of_lists(items)
    if nested is None:
        return None
    check_shared(s, items, nested, machine.outer or {})
    return lists_of(loop, nested, items, lambda x: element_value(loop, of_text(x)))


def indexed(machine: Machine, s: State, items: Any, key: Any) -> tuple[Any, Any]:
    """Returns a list that the function changes at an index, and the index; a list of the row for an index of the row."""
    bounds = (key.start, key.stop) if isinstance(key, slice) else (key,)
    if type(items) is not list or not any(map(is_scalar, bounds)):
        return items, key
    if isinstance(key, slice):
        plain = all(x is None or type(x) is int or (is_scalar(x) and x.kind == "int" and not x.numpy) for x in bounds)
        return (items, slice(0, 0)) if not items and plain else (grown(machine, s, items), key)
    if not items and key.kind == "int" and not key.numpy:
        return items, 0  # no index is within an empty list
    return grown(machine, s, items), key


def changed(machine: Machine, s: State, function: Any, args: list[Any], kwargs: dict[str, Any]) -> tuple[Any] | None:
    """Calls a method that changes a list of the row; returns its result in a tuple, or None for other calls.

    A list of known length becomes one of the row for an index of the row. Refuses changes in generator expressions (SW282), which
    have a copy of the function's variables.
    """
    if type(function) is not Method or type(function.owner) not in (list, Growing) or function.name not in METHODS:
        return None
    if machine.is_expression:
        refuse("SW282", what="a list that a generator expression changes")
    owner = function.owner
    if function.name == "append" and len(args) == 1 and not kwargs and joins_table(machine, s, owner, args[0]):
        return (None,)
    if function.name == "append":
        args[:] = [snapshot(machine, s, element(machine, s, x), owner) for x in args]
    holds = len(args) == 1 and (type(args[0]) in (TracedRecord, ListRow) or holds_undecided(args[0]) or is_list(args[0]))
    if type(owner) is list and function.name == "append" and holds:
        if machine.outer is None or id(owner) in machine.outer:
            refuse("SW256", call="a list")
        owner.append(args[0])
        return (None,)
    if type(owner) is list and function.name == "extend" and len(args) == 1 and not kwargs:
        owner = _with_list(machine, s, owner, as_records(as_list(current(args[0]))))
    if function.name in ("pop", "insert") and args:
        owner, args[0] = indexed(machine, s, owner, args[0])
    if type(owner) is not Growing:
        return None
    check_growing((*args, *kwargs.values()) if function.name != "extend" else ())
    if function.name == "sort" and not args and kwargs.get("key") is not None and kwargs.keys() <= {"key", "reverse"}:
        owner.check()
        owner.value = sorted_by(machine, owner.value, **kwargs)
        return (None,)
    return (as_python(getattr(owner, function.name), *args, **kwargs),)


def _with_list(machine: Machine, s: State, items: list[Any], more: Any) -> list[Any] | Growing:
    """Returns a list of known length, which a list of the row extends, as a list of the row; itself for other elements."""
    if not (is_list(more) and not more.numpy) and type(more) not in (TracedRecords, TracedLists):
        return items
    return grown(machine, s, items, more[:0] if not items else None)


def joins_table(machine: Machine, s: State, items: Any, x: Any) -> bool:
    """Appends a list that the function has made to a table of lists; returns False for anything else.

    An empty list becomes a table. The list becomes a row of it for all names and objects that refer to it.
    """
    row = _row(machine, x) if machine.stores else None
    if machine.stores and type(x) is list and not x:
        machine.unknown.add(s.next)  # the list may grow in a loop of which this pass has seen no round
        explorer().guard(explorer().loop.const(False, BOOL))
        raise in_place(IndexError("an empty list"))
    empty = type(items) is list and not items and machine.outer is not None and id(items) not in machine.outer
    if row is None or not (empty or (type(items) is Growing and type(items.value) is Table)):
        return False
    if empty:
        items = grown(machine, s, items, Table.empty(explorer().loop, row.kind, (s.next, 0)), x)
    items.check_free()
    items.value = items.value.appended(row)
    _become_line(machine, s, items, x)
    return True


def _row(machine: Machine, x: Any) -> TracedScalar | None:
    """Returns a list that the function has made, and of which no other list has a copy, as one of the row; None for others."""
    if type(x) is list and machine.outer is not None and id(x) not in machine.outer:
        large = any(type(y) is int and not MIN <= y <= MAX for y in x)
        kind = None if large else kind_of(x)
        if kind is None or kind[1]:
            return None
        return list_of(explorer().loop, kind, [element_value(explorer().loop, of_text(y)) for y in x])
    own = type(x) is Growing and not x.frozen and not x.lent
    found: Any = current(x) if own else None
    return found if is_list(found) and not found.numpy else None


def _become_line(machine: Machine, s: State, items: Growing, x: Any) -> None:
    """Makes the last row of a table of the list `x` for all that refers to it."""
    if not is_named(s, x):
        return
    last = line_at(items, make_int(explorer().loop.call("subtract", items.value.count.value, explorer().loop.const(1, I64))))
    changed = s.mapped(lambda y: y, machine.outer or {}, {id(x): last, id(items): items})
    s.stack[:], s.variables = changed.stack, changed.variables


def table_of(machine: Machine, s: State, items: list[Any]) -> Growing | None:
    """Returns a display of lists that the function has made as a table of them; None for another one."""
    rows = [row for x in items if (row := _row(machine, x)) is not None] if machine.stores else []
    if not rows or len(rows) < len(items) or any(row.kind != rows[0].kind for row in rows):
        return None
    if len({id(x) for x in items}) < len(items) or any(is_named(s, x) for x in items):
        refuse("SW282", what="a list in a list that has a second name,")
    table = Table.empty(explorer().loop, rows[0].kind, (s.next, 0))
    for row in rows:
        table = table.appended(row)
    return Growing(table)


def snapshot(machine: Machine, s: State, x: Any, owner: Any) -> Any:
    """Returns a list of the row that a list takes as an element, as a value: the function may not change it any more.

    A Python list remains one as the element of a Python list, or is a row of a table (`Session.list_rows`). Anything else is
    unchanged.
    """
    if session().list_rows and type(x) is list and x:
        return ListRow(x) if not is_named(s, x) else refuse("SW282", what="a list in a list that has a second name,")
    kind = owner.value.kind if type(owner) is Growing and type(owner.value) is TracedLists else None
    if type(x) is list and kind is not None and id(x) in (machine.outer or ()):
        return _of_known(machine, s, x) if x else []
    if type(x) is list and kind is not None:
        inner = str(kind.inner)
        if not x and not inner and is_named(s, x):
            refuse("SW282", what="an empty list that is an element of another one and has a second name,")
        if x or inner:
            x = grown(machine, s, x, None if x else list_of(explorer().loop, (inner, ""), ()), owner)
    return held(x)


def value_of(machine: Machine, s: State, x: Any) -> Any:
    """Returns a list that a dict takes as a value of the row: the function may not change it any more. Else returns `x`.

    A Python list that another object refers to remains one.
    """
    if type(x) is Mapping:
        x.check_owned()
    if type(x) is not list or not x or machine.outer is None or id(x) in machine.outer:
        return held(x)
    made = None if is_named(s, x) or kind_of(list(map(of_text, x))) is None else _of_known(machine, s, x)
    return x if made is None else made


def item(machine: Machine, s: State, key: Any, value: Any) -> tuple[Any, Any]:
    """Returns the key and value of an item that joins a dict. In a loop over JSON, values of JSON become numbers and strings."""
    if not reads_json(s.stack):
        return decide(s, key), value_of(machine, s, decide(s, value))
    key = decide(s, key)
    if key is None or type(key) is TracedJson:
        key = collected(key, "string")
    return key, collected(value) if value is None or type(value) in (Undecided, TracedJson) else value_of(machine, s, value)


def is_named(s: State, x: Any) -> bool:
    """Whether some object of the state is or holds `x`."""
    return any(part is x for y in (*s.stack, *s.variables.values()) for part in within(y))


def _consumes(function: Any) -> bool:
    """Whether a function reads an iterator to its end at once."""
    return (takes_elements(function) or only_reads(function)) and not any(is_builtin(function, f) for f in EQUIVALENT)


def check_snapshot(machine: Machine, s: State, function: Any, args: list[Any], shares: bool, is_late: bool = False) -> None:
    """Refuses (SW282) an iterator that reads a list or a variable which the function may change before the iterator ends.

    Python reads them as the iterator advances. `shares`: an argument is a function that reads variables which may be
    assigned again. `is_late`: the function is a generator.
    """
    code = code_of(machine.function.__code__)
    defined = equivalent(function, args) is not None and not is_builtin(function, reduce)
    reads = is_builtin(function, reversed) or (is_builtin(function, groupby) and not code.collects)
    late = is_late or defined or reads or is_builtin(function, groupby)
    if not late or (reads and not code.changes_lists):
        return
    (following,) = code.following(s.next)
    consumes = following.name == "CALL" and following.arg == 1 and any(map(_consumes, s.stack[-2:]))
    if shares and not consumes:
        refuse("SW282", what="an iterator with a function whose variables it changes")
    held = (type(part) for x in args for part in within(x))
    if not consumes and following.name != "UNPACK_SEQUENCE" and any(kind in (list, Growing, Mapping) for kind in held):
        refuse("SW282", what="an iterator over a list that it changes")
