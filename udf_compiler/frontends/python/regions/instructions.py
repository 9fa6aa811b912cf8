"""Interprets instructions on a state, one function each, by Python's own operators on symbolic values.

The instructions are those of CPython 3.13; `versions` translates those of other versions.
"""

# Long: one short function for each instruction of CPython, in one table.

from __future__ import annotations

import operator
from collections.abc import Callable
from itertools import pairwise
from types import CellType
from typing import Any

from sparkweld.errors import SparkWeldError
from sparkweld.ir.json_texts import BOOL
from sparkweld.ir.types import I64
from udf_compiler.frontends.python import lists, sums
from udf_compiler.frontends.python.instances import is_instance
from udf_compiler.frontends.python.json_kinds import decide as is_class_of_json
from udf_compiler.frontends.python.json_values import TracedJson, plain, scalar_of, unpacked
from udf_compiler.frontends.python.maps import TracedMap, no_key
from udf_compiler.frontends.python.maps import contains as contains_key
from udf_compiler.frontends.python.new_lists import listed, without_none
from udf_compiler.frontends.python.numbers import make_bool, truth
from udf_compiler.frontends.python.operands import make_int
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.record_dicts import TracedRecord
from udf_compiler.frontends.python.records import is_rows
from udf_compiler.frontends.python.regions import sets, stored
from udf_compiler.frontends.python.regions.bucket_changes import assigned, extend
from udf_compiler.frontends.python.regions.bucket_changes import read as read_bucket
from udf_compiler.frontends.python.regions.calls import CALLS
from udf_compiler.frontends.python.regions.code import PART_ENDS, TOTAL, Code, Instruction, code_of, names_of
from udf_compiler.frontends.python.regions.counts import equal as equal_dicts
from udf_compiler.frontends.python.regions.definitions import captured_cell
from udf_compiler.frontends.python.regions.distinct import Distinct
from udf_compiler.frontends.python.regions.equivalents import ELEMENTS
from udf_compiler.frontends.python.regions.expressions import elements_of
from udf_compiler.frontends.python.regions.gathering import pop_element, record
from udf_compiler.frontends.python.regions.groups import Bucket
from udf_compiler.frontends.python.regions.growing import METHODS, Growing, current, held, readable
from udf_compiler.frontends.python.regions.helpers import function_of
from udf_compiler.frontends.python.regions.iteration import Run, end_runs, has_runs, iteration
from udf_compiler.frontends.python.regions.list_calls import of_iterator
from udf_compiler.frontends.python.regions.list_changes import (
    fresh,
    grown,
    indexed,
    item,
    joins_table,
    snapshot,
    table_of,
    value_of,
)
from udf_compiler.frontends.python.regions.machine import (
    Machine,
    attribute,
    check_exceptions,
    check_growing,
    decide,
    look_into,
    pop,
    pop_any,
    pop_formatted,
    pop_parts,
    pop_read,
    pop_undecided,
)
from udf_compiler.frontends.python.regions.mappings import Mapping, constant, made, recorded
from udf_compiler.frontends.python.regions.matching import MATCHING
from udf_compiler.frontends.python.regions.overwritten import whole
from udf_compiler.frontends.python.regions.results import is_json
from udf_compiler.frontends.python.regions.seen import Seen, numbers_of
from udf_compiler.frontends.python.regions.state import UNSET, Caught, Cell, Expression, Method, State, check_kept, reachable
from udf_compiler.frontends.python.regions.stored import Cells, Line, Table, line, write
from udf_compiler.frontends.python.regions.strings import TO_STR, convert_value, format_value, join_parts, percent, with_text
from udf_compiler.frontends.python.regions.tables import contains, displayed_set, is_part, lookup, set_item, subscript
from udf_compiler.frontends.python.regions.unordered import elements_of_set
from udf_compiler.frontends.python.row_lists import TracedElement
from udf_compiler.frontends.python.undecided import Undecided, holds_undecided
from udf_compiler.frontends.python.values import TracedScalar, is_scalar, is_string
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.exceptions import as_python, check_exception
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place, of_python
from udf_compiler.frontends.tracing.values import Traced


def step(machine: Machine, instruction: Instruction, state: State) -> None:
    """Runs one instruction; refuses an unknown one (SW280)."""
    run = _TABLE.get(instruction.name)
    if run is None:
        refuse("SW280", what=instruction.name)
    explorer().keys = None
    state.next += 1
    run(machine, instruction, state)


def advance(machine: Machine, code: Code, state: State) -> None:
    """Runs one instruction, or continues at the handler of an exception that it raises."""
    at = state.next
    try:
        step(machine, code.instructions[at], state)
    except (SparkWeldError, RecursionError):
        raise
    except Exception as error:
        handler = code.handlers[at]
        if handler is None:
            raise
        check_exception(error)
        state.stack = [*state.stack[: handler.depth], *([at] if handler.lasti else []), Caught(error)]
        state.next = handler.target


def _nothing(machine: Machine, i: Instruction, s: State) -> None:
    pass


def _load_fast(machine: Machine, i: Instruction, s: State) -> None:
    code = machine.function.__code__
    for name in names_of(i):
        if name in code.co_cellvars or name in code.co_freevars:  # for a function that it defines
            s.stack.append(Cell(name))
            continue
        value = s.variables.get(name, UNSET)
        if value is UNSET:
            raise in_place(UnboundLocalError(f"cannot access local variable {name!r}"))
        if type(value) is Run:
            s.variables[name], value = Run(None), value.begun()
        s.stack.append(value)


def _load_and_clear(machine: Machine, i: Instruction, s: State) -> None:
    s.stack.append(s.variables.pop(i.value, UNSET))


def _store_fast(machine: Machine, i: Instruction, s: State) -> None:
    for name in names_of(i):
        _assign(s, name, s.stack.pop())


def _assign(s: State, name: str, value: Any) -> None:
    check_kept(value)
    if value is UNSET:
        s.variables.pop(name, None)
    else:
        s.variables[name] = value


def _store_load(machine: Machine, i: Instruction, s: State) -> None:
    first, second = names_of(i)
    _assign(s, first, s.stack.pop())
    s.stack.append(s.variables[second])


def _delete_fast(machine: Machine, i: Instruction, s: State) -> None:
    s.variables.pop(i.value, None)


def _load_const(machine: Machine, i: Instruction, s: State) -> None:
    s.stack.append(None if i.name == "RETURN_CONST" else i.value)


def _builtins_of(scope: dict[str, Any]) -> dict[str, Any]:
    found = scope.get("__builtins__", {})
    return found if isinstance(found, dict) else vars(found)


def _load_global(machine: Machine, i: Instruction, s: State) -> None:
    scope = machine.function.__globals__
    builtins_ = _builtins_of(scope)
    if i.value not in scope and i.value not in builtins_:
        raise in_place(NameError(f"name {i.value!r} is not defined"))
    s.stack.append(function_of(scope[i.value] if i.value in scope else builtins_[i.value]))
    if i.arg & 1:
        s.stack.append(UNSET)


def _import_name(machine: Machine, i: Instruction, s: State) -> None:
    """Imports a module as the function's own `__import__` does, which returns stand-ins."""
    level, names = pop(s, 2)
    scope = machine.function.__globals__
    s.stack.append(_builtins_of(scope)["__import__"](i.value, scope, None, names, level))


def _import_from(machine: Machine, i: Instruction, s: State) -> None:
    s.stack.append(attribute(s.stack[-1], i.value))


def _load_deref(machine: Machine, i: Instruction, s: State) -> None:
    captured = captured_cell(machine, i.value)
    if captured is not None and i.value in s.variables and captured == CellType():
        captured = None  # the state has the value, which is one of the row
    if captured is None and i.value not in s.variables:
        raise in_place(UnboundLocalError(f"cannot access local variable {i.value!r}"))
    s.stack.append(s.variables[i.value] if captured is None else function_of(captured.cell_contents))


def _load_attr(machine: Machine, i: Instruction, s: State) -> None:
    (x,) = pop_any(s, 1)
    name = i.value
    if type(x) in (Line, Bucket) and name not in METHODS:
        x = current(x)
    if i.arg & 1:
        waits = is_scalar(x) or type(x) in (list, Growing, Distinct, Seen, Mapping) or isinstance(x, Traced)
        waits = waits or (is_instance(x) and id(x) not in (machine.outer or {}))
        bound = Method(x, name) if waits else attribute(x, name)
        if is_instance(x):
            attribute(x, name)  # which may raise, before the arguments do
        s.stack += [bound, UNSET]
    elif type(x) in (Mapping, TracedMap) or (name == "count" and (is_scalar(x) or type(x) in (list, Growing))):  # a key of `max`
        s.stack.append(Method(x, name))
    else:
        found = attribute(current(x), name)
        if machine.outer is not None and id(x) in machine.outer and type(found) in (dict, list, set, tuple):
            _outlives(machine.outer, found, attribute(x, name))
        s.stack.append(found)


def _outlives(outer: dict[int, Any], found: Any, again: Any) -> None:
    """Notes that what an attribute of a captured object holds, such as the value of a broadcast, outlives the call, too."""
    if found is again:
        outer.update(reachable(found))


def _load_closure(machine: Machine, i: Instruction, s: State) -> None:
    s.stack.append(Cell(i.value))


def _push_null(machine: Machine, i: Instruction, s: State) -> None:
    """Pushes an empty slot below `arg` values."""
    s.stack.insert(len(s.stack) - i.arg, UNSET)


def _copy(machine: Machine, i: Instruction, s: State) -> None:
    s.stack.append(s.stack[-i.arg])


def _swap(machine: Machine, i: Instruction, s: State) -> None:
    s.stack[-i.arg], s.stack[-1] = s.stack[-1], s.stack[-i.arg]


_BINARY = {
    "+": "add", "-": "sub", "*": "mul", "/": "truediv", "//": "floordiv", "%": "mod", "**": "pow", "@": "matmul", "&": "and_",
    "|": "or_", "^": "xor", "<<": "lshift", ">>": "rshift",
}  # fmt: skip


def _binary(machine: Machine, i: Instruction, s: State) -> None:
    a, b = pop_any(s, 2)
    symbol = i.text
    if type(a) is Growing and symbol == "+=":
        a.extend(b)
        s.stack.append(a)
        return
    if type(a) is Bucket and symbol == "+=":
        extend(a, b)
        s.stack.append(a)
        return
    if Seen in (type(a), type(b)) or Distinct in (type(a), type(b)):
        s.stack.append(sets.operate(machine, symbol, a, b))
        return
    a, b = current(a), current(b)
    if symbol.endswith("=") and lists.is_list(lists.as_list(a)):
        lists.refuse_list(lists.as_list(a), symbol)  # other names may refer to the list
    name = _BINARY[symbol.removesuffix("=")]
    if name == "mod" and type(a) is str:
        s.stack.append(percent(a, b))
        return
    in_place = symbol.endswith("=") and type(a) is list
    found = as_python(getattr(operator, f"i{name.rstrip('_')}" if in_place else name), a, b)
    made = grown(machine, s, a, lists.as_list(found)) if in_place and found is not a else fresh(machine, found)
    s.stack.append(made)


_COMPARISONS = {"<": operator.lt, "<=": operator.le, "==": operator.eq, "!=": operator.ne, ">": operator.gt, ">=": operator.ge}


def _compare(machine: Machine, i: Instruction, s: State) -> None:
    a, b = pop_read(s, 2)
    if Seen in (type(a), type(b)) or Distinct in (type(a), type(b)):
        s.stack.append(sets.compare(machine, str(i.value), a, b))
        return
    if type(a) is type(b) is Mapping and i.value in ("==", "!="):
        same = equal_dicts(machine, a, b)
        s.stack.append(same if i.value == "==" else _truth_of_not(same))
        return
    s.stack.append(as_python(_COMPARISONS[str(i.value)], a, b))


def _is(machine: Machine, i: Instruction, s: State) -> None:
    a, b = pop_read(s, 2)
    same = _identical(machine, a, b)
    s.stack.append(_truth_of_not(same) if i.arg else same)


def _identical(machine: Machine, a: Any, b: Any) -> Any:
    """Evaluates ``a is b``; a value or record of the row can only be compared with None and the two bools."""
    records = (TracedRecord, TracedElement, tuple)
    if all(type(x) in records or is_instance(x) for x in (a, b)):
        refuse("SW603", at="", function=machine.function.__name__)
    if type(a) is bool:
        a, b = b, a
    if type(b) is bool and type(a) is TracedJson:
        if not is_class_of_json(a, BOOL):
            return False
        a = scalar_of(a, BOOL)
    if type(b) is bool and is_scalar(a):
        if a.kind != "bool" or a.numpy:
            return False
        return a if b else _truth_of_not(a)
    if any(is_scalar(x) or type(x) is TracedJson for x in (a, b)) and a is not None and b is not None:
        refuse("SW603", at="", function=machine.function.__name__)
    return a is b


def _equal(a: Any, b: Any) -> bool:
    return bool(a == b)


def _contains(machine: Machine, i: Instruction, s: State) -> None:
    x, container = map(current, pop_undecided(s, 2))
    check_exceptions((x, container))
    x = decide(s, x)
    if holds_undecided(container):
        parts = (decide(s, part) for part in container)
        s.stack.append(any(part is x or as_python(_equal, part, x) for part in parts) != bool(i.arg))
        return
    container = decide(s, container)
    look_into(container)
    if type(container) in (Mapping, TracedMap):
        found = container.contains(x) if type(container) is Mapping else contains_key(container, x)
        s.stack.append(_truth_of_not(found) if i.arg else found)
        return
    if type(container) is str and is_scalar(x) and x.kind == "str":
        found = is_part(x, container)
    else:
        found = contains(container, x)
        found = as_python(operator.contains, container, x) if found is None else found
    s.stack.append(not found if i.arg else found)


def _not(machine: Machine, i: Instruction, s: State) -> None:
    (x,) = pop_read(s, 1)
    s.stack.append(_truth_of_not(_truth(x)))


def _truth_of_not(x: Any) -> Any:
    """Returns ``not x`` of a bool."""
    return make_bool(explorer().loop.call("logical_not", x.value)) if is_scalar(x) else not x


def _to_bool(machine: Machine, i: Instruction, s: State) -> None:
    (x,) = pop_read(s, 1)
    s.stack.append(_truth(x))


def _truth(x: Any) -> Any:
    """Returns ``bool(x)``; a number's is a symbolic bool, which does not fork yet."""
    return make_bool(truth(x)) if is_scalar(x) and x.kind in ("bool", "int", "float") else as_python(bool, x)


def _unary(function: Callable[[Any], Any]) -> Callable[[Machine, Instruction, State], None]:
    def run(machine: Machine, i: Instruction, s: State) -> None:
        (x,) = pop(s, 1)
        s.stack.append(as_python(function, x))

    return run


def _intrinsic(machine: Machine, i: Instruction, s: State) -> None:
    if i.text == "INTRINSIC_STOPITERATION_ERROR" and type(s.stack[-1]) is Caught and type(s.stack[-1].error) is not StopIteration:
        return  # a generator re-raises other exceptions unchanged
    known: dict[str, Callable[[Any], Any]] = {"INTRINSIC_UNARY_POSITIVE": operator.pos, "INTRINSIC_LIST_TO_TUPLE": tuple}
    if i.text not in known:
        refuse("SW280", what=i.text)
    (x,) = pop(s, 1)
    s.stack.append(as_python(known[i.text], x))


def _subscript(machine: Machine, i: Instruction, s: State) -> None:
    container, key = pop_any(s, 2)
    if type(container) is Growing and type(container.value) is Table and not isinstance(key, slice):
        s.stack.append(line(container, current(key)))
        return
    container, key = container if type(container) is Line else readable(container), current(key)
    if type(container) is Mapping:
        s.stack.append(container.item(key))
        return
    look_into(container)
    known = unwrapped(container)
    found = lookup(known, key, no_key)
    if found is not None:
        s.stack.append(found[0])
        return
    if isinstance(key, slice):
        s.stack.append(fresh(machine, as_python(operator.getitem, container, key)))
        return
    of_known_length = not is_scalar(known) and not is_rows(known) and isinstance(known, list | tuple | str)
    is_position = of_known_length and is_scalar(key)
    s.stack.append(subscript(known, key) if is_position else as_python(operator.getitem, container, key))


def _store_subscript(machine: Machine, i: Instruction, s: State) -> None:
    x, container, key = pop_undecided(s, 3)
    check_exceptions((x, container, key))
    if type(container) is Mapping:
        if _assigns_list(machine, s, container, key, x):
            return
        key, x = item(machine, s, key, x)
    else:
        x, container, key = (decide(s, part) for part in (x, container, key))
    if isinstance(key, slice):
        x = current(x)
        container, key = indexed(machine, s, container, key)
    check_growing((x, key))
    if _assigns_in_place(machine, s, container, key, x):
        return
    if type(container) in (Mapping, Growing):
        container.set(key, x)
        return
    if type(container) is list and (is_scalar(key) or id(container) in (machine.outer or ())):
        if machine.outer is None or id(container) in machine.outer:
            refuse("SW256", call="[...] = ... of a list")
        set_item(container, key, x)
        return
    as_python(operator.setitem, container, key, x)


def _store_slice(machine: Machine, i: Instruction, s: State) -> None:
    start, stop = pop_read(s, 2)
    s.stack.append(slice(start, stop))
    _store_subscript(machine, i, s)


def _assigns_list(machine: Machine, s: State, container: Any, key: Any, x: Any) -> bool:
    """Assigns a list to a key of a dict of lists; returns False for anything else."""
    undecided = type(container) is not Mapping or Undecided in (type(key), type(x))
    return not undecided and assigned(machine, s, container, key, x)


def _assigns_in_place(machine: Machine, s: State, container: Any, key: Any, x: Any) -> bool:
    """Assigns an element of a row of a table, or of a list with memory of its own; returns False for another container."""
    if type(container) is Bucket:
        refuse("SW282", what="a list in a dict of lists, to whose elements it assigns,")
    if type(container) is Line:
        container.owner.check_free()
        s.writes += write(container.owner, container.index(key), x)
        return True
    value: Any = container.value if type(container) is Growing else None
    plain = machine.stores and lists.is_list(value) and not value.numpy
    if not (plain or type(value) is Cells) or isinstance(key, slice):
        return False
    container.check_free()
    index = make_int(lists.place(value if plain else value.elements, key))
    if plain:
        container.value = Cells.of(explorer().loop, value, (s.next, 0))
    s.writes += write(container, index, x)
    return True


def _store_attribute(machine: Machine, i: Instruction, s: State) -> None:
    """Assigns an attribute of an object that the function has made; refuses others (SW280)."""
    value, owner = pop(s, 2)
    check_kept(value)
    if not is_instance(owner) or id(owner) in (machine.outer or {}):
        refuse("SW280", what=i.name)
    as_python(setattr, owner, i.value, value)


def _delete_subscript(machine: Machine, i: Instruction, s: State) -> None:
    container, key = pop_any(s, 2)
    check_growing((key,))
    if type(container) is Mapping:
        refuse("SW282", what="a dict of which it deletes a key")
    container, key = indexed(machine, s, container, key)
    if type(container) is Growing:
        container.delete(key)
        return
    if type(container) is not list or machine.outer is None or id(container) in machine.outer:
        refuse("SW256", call="del ...[...]")
    as_python(operator.delitem, container, key)


def _build_map(machine: Machine, i: Instruction, s: State) -> None:
    items = pop_undecided(s, 2 * i.arg)
    check_exceptions(items)
    joining = record(machine, s, items[::2], items[1::2])
    if joining is not None:
        s.stack.append(joining)
        return
    items = [constant(value_of(machine, s, decide(s, x))) for x in items]
    check_growing(items)
    s.stack.append(made(items))


def _build_const_key_map(machine: Machine, i: Instruction, s: State) -> None:
    *values, keys = pop_undecided(s, i.arg + 1)
    check_exceptions(values)
    joining = record(machine, s, keys, values)
    if joining is not None:
        s.stack.append(joining)
        return
    values = [constant(value_of(machine, s, decide(s, x))) for x in values]
    check_growing(values)
    s.stack.append(made([x for pair in zip(keys, values, strict=True) for x in pair]))


def _map_add(machine: Machine, i: Instruction, s: State) -> None:
    key, value = pop_undecided(s, 2)
    check_exceptions((key, value))
    if _assigns_list(machine, s, s.stack[-i.arg], key, value):
        return
    key, value = item(machine, s, key, value)
    check_growing((key, value))
    s.stack[-i.arg].set(key, value)


def _dict_update(machine: Machine, i: Instruction, s: State) -> None:
    (x,) = pop_any(s, 1)
    s.stack[-i.arg].method("update")(x)


def _slice(machine: Machine, i: Instruction, s: State) -> None:
    x, start, stop = pop_read(s, 3)
    s.stack.append(fresh(machine, as_python(operator.getitem, x, slice(start, stop))))


def _build_slice(machine: Machine, i: Instruction, s: State) -> None:
    s.stack.append(slice(*pop(s, i.arg)))


def _build(
    made: Callable[[list[Any]], Any], popped: Callable[[State, int], list[Any]] = pop
) -> Callable[[Machine, Instruction, State], None]:
    def run(machine: Machine, i: Instruction, s: State) -> None:
        s.stack.append(made(popped(s, i.arg)))

    return run


def _build_list(machine: Machine, i: Instruction, s: State) -> None:
    items = pop_undecided(s, i.arg)
    table = table_of(machine, s, items)
    if table is not None:
        s.stack.append(table)
        return
    items = [held(recorded(x, machine.outer)) for x in items]
    check_exceptions(items)
    check_growing(items)
    s.stack.append(items)


def _list_append(machine: Machine, i: Instruction, s: State) -> None:
    x = pop_element(machine, s)
    if joins_table(machine, s, s.stack[-i.arg], x):
        return
    x = snapshot(machine, s, x, s.stack[-i.arg])
    check_growing((x,))
    s.stack[-i.arg].append(x)


def _list_extend(machine: Machine, i: Instruction, s: State) -> None:
    (x,) = pop_read(s, 1)
    check_growing((x,))
    if lists.is_list(lists.as_list(x)):
        s.stack[-i.arg] = _extended(s.stack[-i.arg], lists.as_list(x))
        return
    as_python(s.stack[-i.arg].extend, x)


def _extended(items: Any, more: Any) -> Any:
    """Returns ``[*items, *more]`` of a list under construction, to which no other name refers yet."""
    if type(items) is list:
        return Growing(more if not items else items + more)
    items.extend(more)
    return items


def _build_set(machine: Machine, i: Instruction, s: State) -> None:
    used = {x.name for x in code_of(machine.function.__code__).instructions}
    comprehension = not i.arg and "SET_ADD" in used and "SET_UPDATE" not in used
    if i.arg and "SET_UPDATE" not in used and _adds_later(machine, s):
        made_ = Seen([])
        for x in pop(s, i.arg):
            made_.add(x)
        s.stack.append(made_)
        return
    s.stack.append(Seen([]) if comprehension else displayed_set(pop(s, i.arg)))


def _adds_later(machine: Machine, s: State) -> bool:
    """Whether the next instruction assigns the set to a variable to which the function adds elements."""
    code = code_of(machine.function.__code__).instructions
    if not code[s.next].name.startswith("STORE_FAST"):
        return False
    name, adds = names_of(code[s.next])[0], ("LOAD_ATTR", "add")
    return any(
        x.name.startswith("LOAD_FAST") and names_of(x)[-1] == name and (y.name, y.value) == adds for x, y in pairwise(code)
    )


def _set_add(machine: Machine, i: Instruction, s: State) -> None:
    (x,) = pop(s, 1)
    if type(s.stack[-i.arg]) is not Seen:
        refuse("SW282", what="a set comprehension beside a display of a set")
    s.stack[-i.arg].add(x)


def _set_update(machine: Machine, i: Instruction, s: State) -> None:
    (more,) = pop(s, 1)
    s.stack[-i.arg] = displayed_set([*s.stack[-i.arg], *as_python(list, more)])


def _unpack(machine: Machine, i: Instruction, s: State) -> None:
    (x,) = pop_read(s, 1)
    x = lists.as_list(current(of_iterator(x)))
    if lists.is_list(x) or type(x) is TracedJson:
        s.stack += reversed((unpacked if type(x) is TracedJson else lists.unpacked)(x, i.arg))
        return
    values = as_python(tuple, x)
    if len(values) != i.arg:
        raise in_place(ValueError("not enough values to unpack" if len(values) < i.arg else "too many values to unpack"))
    s.stack += reversed(values)


def _unpack_star(machine: Machine, i: Instruction, s: State) -> None:
    """Unpacks ``first, *rest, last = x``."""
    (x,) = pop_read(s, 1)
    before, after = i.arg & 0xFF, i.arg >> 8
    x = lists.as_list(current(of_iterator(x)))
    if is_string(x):
        x = machine.call(ELEMENTS, [x], {})
    if not lists.is_list(x):
        x = as_python(list, x)
        if len(x) < before + after:
            raise in_place(ValueError("not enough values to unpack"))
        s.stack += reversed([*x[:before], x[before : len(x) - after], *x[len(x) - after :]])
        return
    if x.is_ndarray:
        refuse("SW280", what=i.name)
    run, loop = explorer(), explorer().loop
    short = loop.call("less", lists.call("length", x), loop.const(before + after, I64))
    run.raise_if(short, lambda: ValueError("not enough values to unpack"))
    rest = fresh(machine, lists.to_list(x[before : -after if after else None]))
    s.stack += reversed([*(x[at] for at in range(before)), rest, *(x[at - after] for at in range(after))])


def _format_simple(machine: Machine, i: Instruction, s: State) -> None:
    s.stack[-1] = with_text(s.stack[-1])
    (x,) = pop_formatted(s, 1)
    s.stack.append(format_value(x))


def _format_with(machine: Machine, i: Instruction, s: State) -> None:
    x, spec = pop_formatted(s, 2)
    s.stack.append(format_value(x, spec))


def _convert(machine: Machine, i: Instruction, s: State) -> None:
    if i.arg == TO_STR:
        s.stack[-1] = with_text(s.stack[-1])
    (x,) = pop_formatted(s, 1)
    s.stack.append(convert_value(x, i.arg))


def _get_iter(machine: Machine, i: Instruction, s: State) -> None:
    (x,) = pop_undecided(s, 1)
    check_exceptions((x,))
    x = read_bucket(decide(s, x) if type(x) is Undecided else x)
    x = elements_of(machine, s, x) if type(x) is Expression else x
    found = iteration(elements_of_set(machine, s, x) if type(x) in (Distinct, Seen) else x, machine.unroll)
    if found is None:
        refuse("SW282", what=f"an iterator over a value of class {type(x).__name__}")
    s.stack.append(found)


def _for_iter(machine: Machine, i: Instruction, s: State) -> None:
    run = explorer()
    before = run.forked
    if has_runs(s.stack[-1]):
        end_runs(s.variables)
    found = s.stack[-1].next()
    if run.walks:
        run.check_round(machine.rounds[i.value], before)
        machine.rounds[i.value] += 1
    if found is None:
        s.next = i.value + 1  # past END_FOR; the next POP_TOP pops the iterator
    else:
        s.stack[-1] = found[1]
        s.stack.append(found[0])


def _send(machine: Machine, i: Instruction, s: State) -> None:
    """Yields the next element of ``yield from``; after the last one, continues at the target with a value above the iterator."""
    if code_of(machine.function.__code__).instructions[i.value].name != "END_SEND":
        refuse("SW280", what="yield from")  # before CPython 3.12
    s.stack.pop()
    _for_iter(machine, i, s)
    if s.next == i.value + 1:
        s.next = i.value
        s.stack.append(None)


def _end_send(machine: Machine, i: Instruction, s: State) -> None:
    del s.stack[-2]


def _jump(machine: Machine, i: Instruction, s: State) -> None:
    s.next = i.value


def _jump_if(wanted: Callable[[Any], bool]) -> Callable[[Machine, Instruction, State], None]:
    def run(machine: Machine, i: Instruction, s: State) -> None:
        (x,) = pop_read(s, 1)
        if as_python(wanted, x):
            s.next = i.value

    return run


def _store_deref(machine: Machine, i: Instruction, s: State) -> None:
    if captured_cell(machine, i.value) is not None:
        refuse("SW280", what="an assignment to a variable of an enclosing function")
    (value,) = pop_any(s, 1)
    check_kept(value)
    s.variables[i.value] = value


def _return(machine: Machine, i: Instruction, s: State) -> None:
    value = _returned(s) if i.name == "RETURN_VALUE" else i.value
    if type(value) is Mapping:
        value.check_owned()
        value = value if value.log is None else value.settled
    value = plain(value)
    s.result = sums.finished(current(s.variables[TOTAL])) if machine.reduction else value


def _end_part(machine: Machine, i: Instruction, s: State) -> None:
    """Ends with the values of some variables. Rows in which one is not set run in Python."""
    if any(name not in s.variables for name in i.value):
        raise in_place(UnboundLocalError("cannot access a local variable"))
    values = [stored.whole(current(x)) for x in map(s.variables.__getitem__, i.value)]
    values = [_elements_of_set(x) if type(x) is Seen else decide(s, x) for x in values]
    settled = [x.settled if type(x) is Mapping and x.log is not None else plain(whole(current(x))) for x in values]
    s.result = (*map(lists.as_list, settled), 0)  # a region has some result


def _elements_of_set(x: Seen) -> Any:
    """Returns the elements of a set as a list, of which only the number is read."""
    found = lists.as_list(listed(numbers_of(current(x.items))))
    if type(found) is list:
        return found if not found else refuse("SW282", what="a set without elements of the row")
    return TracedScalar(found.kind, found.value, numpy=lists.SET_ELEMENTS)


def _returned(s: State) -> Any:
    """Pops a result. Members of JSON in a tuple remain undecided, so that they multiply no paths."""
    x = s.stack[-1]
    if type(x) in (Growing, Line, Bucket):
        (x if type(x) is Growing else x.owner).check_owned()
        s.stack[-1] = x = stored.whole(current(x))
    if type(x) is not tuple or not holds_undecided(x):
        return without_none(lists.as_list(pop_read(s, 1)[0]))
    s.stack.pop()
    return tuple(part if is_json(part) else current(decide(s, part)) for part in x)


def _raise(machine: Machine, i: Instruction, s: State) -> None:
    if i.arg != 1:
        refuse("SW280", what="raise ... from")
    (error,) = pop(s, 1)
    raise of_python(as_python(error) if isinstance(error, type) else error)


def _reraise(machine: Machine, i: Instruction, s: State) -> None:
    caught = s.stack.pop()
    if type(caught) is not Caught:
        refuse("SW280", what="RERAISE")
    raise caught.error


def _push_exception(machine: Machine, i: Instruction, s: State) -> None:
    s.stack.insert(-1, None)


def _matches(machine: Machine, i: Instruction, s: State) -> None:
    (kind,) = pop(s, 1)
    s.stack.append(isinstance(s.stack[-1].error, kind))


def _pop_top(machine: Machine, i: Instruction, s: State) -> None:
    s.stack.pop()


def _load_assertion(machine: Machine, i: Instruction, s: State) -> None:
    s.stack.append(AssertionError)


_TABLE: dict[str, Callable[[Machine, Instruction, State], None]] = {
    **dict.fromkeys(("RESUME", "NOP", "COPY_FREE_VARS"), _nothing),
    **dict.fromkeys(("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_LOAD_FAST"), _load_fast),
    "LOAD_FAST_AND_CLEAR": _load_and_clear, "STORE_FAST": _store_fast, "STORE_FAST_STORE_FAST": _store_fast,
    "STORE_FAST_LOAD_FAST": _store_load, "DELETE_FAST": _delete_fast, "LOAD_CONST": _load_const, "LOAD_GLOBAL": _load_global,
    "IMPORT_NAME": _import_name, "IMPORT_FROM": _import_from,
    "LOAD_DEREF": _load_deref, "LOAD_ATTR": _load_attr, "PUSH_NULL": _push_null, "LOAD_CLOSURE": _load_closure,
    "POP_TOP": _pop_top,
    "COPY": _copy, "SWAP": _swap, "BINARY_OP": _binary, "COMPARE_OP": _compare, "IS_OP": _is, "CONTAINS_OP": _contains,
    "UNARY_NEGATIVE": _unary(operator.neg), "UNARY_INVERT": _unary(operator.invert), "UNARY_NOT": _not, "TO_BOOL": _to_bool,
    "CALL_INTRINSIC_1": _intrinsic, "BINARY_SUBSCR": _subscript, "BINARY_SLICE": _slice,
    "STORE_ATTR": _store_attribute, "STORE_SUBSCR": _store_subscript, "STORE_SLICE": _store_slice,
    "DELETE_SUBSCR": _delete_subscript, "BUILD_SLICE": _build_slice,
    "BUILD_MAP": _build_map, "BUILD_CONST_KEY_MAP": _build_const_key_map, "MAP_ADD": _map_add, "DICT_UPDATE": _dict_update,
    "BUILD_SET": _build_set, "SET_UPDATE": _set_update, "SET_ADD": _set_add,
    "BUILD_TUPLE": _build(tuple, pop_parts), "BUILD_LIST": _build_list, "BUILD_STRING": _build(join_parts),
    "LIST_APPEND": _list_append,
    "LIST_EXTEND": _list_extend, "UNPACK_SEQUENCE": _unpack, "UNPACK_EX": _unpack_star,
    "FORMAT_SIMPLE": _format_simple, "FORMAT_WITH_SPEC": _format_with,
    "CONVERT_VALUE": _convert,
    **CALLS, **MATCHING, "GET_ITER": _get_iter, "FOR_ITER": _for_iter,
    "GET_YIELD_FROM_ITER": _get_iter, "SEND": _send, "END_SEND": _end_send,
    **dict.fromkeys(("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"), _jump),
    "POP_JUMP_IF_TRUE": _jump_if(bool), "POP_JUMP_IF_FALSE": _jump_if(operator.not_),
    "POP_JUMP_IF_NONE": _jump_if(lambda x: x is None), "POP_JUMP_IF_NOT_NONE": _jump_if(lambda x: x is not None),
    "RETURN_VALUE": _return, "RETURN_CONST": _return, PART_ENDS: _end_part,
    "MAKE_CELL": _nothing, "STORE_DEREF": _store_deref,
    "RETURN_GENERATOR": lambda m, i, s: s.stack.append(None),
    "RAISE_VARARGS": _raise, "RERAISE": _reraise,
    "PUSH_EXC_INFO": _push_exception, "CHECK_EXC_MATCH": _matches, "POP_EXCEPT": _pop_top,
    "LOAD_ASSERTION_ERROR": _load_assertion,
}  # fmt: skip
