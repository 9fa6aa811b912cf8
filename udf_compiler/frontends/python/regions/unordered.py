"""Proves that the order of a set's elements does not change the result of the call that takes a loop over them.

Python's order depends on hashes, the kernel's is that of the values. ``sorted(f(x) for x in set(xs))`` and ``sum`` of ints do not
depend on it, as long as equal results are the same. Floats are not: 0.0 equals -0.0, and their sums depend on the order.
"""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType, MethodType, ModuleType
from typing import Any

from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.builtin_calls import is_builtin
from udf_compiler.frontends.python.regions import sets
from udf_compiler.frontends.python.regions.code import Code, Instruction, code_of, names_of
from udf_compiler.frontends.python.regions.definitions import shared_value
from udf_compiler.frontends.python.regions.distinct import Distinct
from udf_compiler.frontends.python.regions.growing import Growing
from udf_compiler.frontends.python.regions.machine import Machine, is_of_user
from udf_compiler.frontends.python.regions.mappings import Mapping
from udf_compiler.frontends.python.regions.seen import Seen
from udf_compiler.frontends.python.regions.state import UNSET, Expression, Local, State, Unordered
from udf_compiler.frontends.python.regions.versions import is_of_comprehension
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.session import refuse

_KINDS = ("list<str>", "list<i64>")
_SCALARS = ("str", "int")
#: Methods by which the loop could hand the order on to a list, set or dict.
_CHANGES = frozenset("append extend insert add update setdefault pop remove discard clear sort reverse".split())
_AFTER = ("END_FOR", "POP_TOP", "SWAP", "STORE_FAST", "STORE_FAST_STORE_FAST", "JUMP_FORWARD")


_TAKERS: tuple[Callable[..., Any], ...] = (sum, any, all, min, max, len, sorted, set, frozenset)


def elements_of_set(machine: Machine, s: State, x: Distinct | Seen) -> Any:
    """Returns the elements of a set, for the loop that begins now, and marks the call that takes its results.

    Refuses (SW282) a loop whose results may depend on the order.
    """
    made: Any = sets.as_distinct(x)
    if type(made) is Distinct and made.items.kind not in _KINDS and lists.is_list(made.items):
        refuse("SW282", what="an iterator over a set of floats")
    place = _place(machine, s)
    if place is None:
        refuse("SW282", what="an iterator over a set, whose order only Python knows,")
    if place >= 0:
        known = next((f for f in _TAKERS if is_builtin(s.stack[place], f)), None)
        if known is None:
            refuse("SW282", what="an iterator over a set, whose order only Python knows,")
        s.stack[place] = Unordered(known, s.stack[place])
    return made.items if type(made) is Distinct else []


def check_unordered(taker: Unordered, made: Any) -> Any:
    """Returns the result of such a call; refuses (SW282) one that may depend on the order of the elements."""
    function = taker.function
    kind = made.kind if is_scalar(made) and not made.numpy else type(made).__name__
    if function in (any, all, len):
        return made
    if function is sum:
        fits = kind in ("int", "bool")
    elif function in (min, max):
        fits = kind in (*_SCALARS, "NoneType")
    elif function is sorted:
        fits = (lists.is_list(made) and kind in _KINDS) or (type(made) is list and not made)
    else:
        fits = type(made) is Seen or (type(made) is Distinct and made.items.kind in _KINDS) or (type(made) is set and not made)
    return made if fits else refuse("SW282", what=f"{function.__name__} of a loop over a set, whose order only Python knows,")


def _place(machine: Machine, s: State) -> int | None:
    """Returns the place on the stack of the function that takes the results; -1 for a set comprehension, None for other uses."""
    decoded, at = code_of(machine.function.__code__), s.next
    code = decoded.instructions
    held = [n for n in reversed(range(len(s.stack))) if s.stack[n] is not UNSET][:2]
    if held and type(s.stack[held[0]]) is Expression and code[at].name == "CALL" and code[at].arg == 0:
        body: CodeType = s.stack[held[0]].code
        refused = _hands_on(machine, s, code_of(body).instructions, {*body.co_varnames})
        return held[1] if not refused and len(held) > 1 and _is_call(decoded, at + 1) else None
    own = set[str]()
    while code[at].name == "LOAD_FAST_AND_CLEAR":
        own |= {*names_of(code[at])}
        at += 1
    begin = next((n for n in range(at, len(code)) if code[n].name == "FOR_ITER"), None)
    if begin is None:
        return None
    end, built = code[begin].value, {i.name for i in code[at:begin]}
    own = own or {name for i in code[begin:end] for name in names_of(i) if is_of_comprehension(name)}
    if not own or _hands_on(machine, s, code[begin:end], own):
        return None
    after = next(n for n in range(end, len(code)) if code[n].name not in _AFTER)
    if "BUILD_SET" in built:
        return -1
    return held[0] if "BUILD_LIST" in built and held and _is_call(decoded, after) else None


def _is_call(code: Code, at: int) -> bool:
    """Whether the instruction calls a function of one argument, perhaps with a default."""
    following = code.following(at, 3)
    if following[0].name == "CALL":
        return following[0].arg == 1
    names = [i.name for i in following]
    return names == ["LOAD_CONST", "LOAD_CONST", "CALL_KW"] and following[1].value == ("default",)


def _hands_on(machine: Machine, s: State, code: tuple[Instruction, ...], own: set[str]) -> bool:
    """Whether a loop may change objects, or variables other than its own. A helper may change those that it receives."""
    loaded = [x for i in code for x in _loaded(machine, s, i)]
    if any(type(x) in (list, Growing, Mapping, Seen) for x in loaded) and any(map(_is_of_user, loaded)):
        return True
    for i in code:
        stores = i.name.startswith("STORE_FAST") and not {*(names_of(i)[:1] if "LOAD" in i.name else names_of(i))} <= own
        others = i.name.startswith(("STORE_DEREF", "STORE_GLOBAL", "STORE_SUBSCR", "STORE_ATTR", "DELETE_"))
        if stores or others or (i.name == "LOAD_ATTR" and i.value in _CHANGES):
            return True
    return False


def _loaded(machine: Machine, s: State, i: Instruction) -> list[Any]:
    """Returns the objects that an instruction loads from variables and globals."""
    if i.name == "LOAD_GLOBAL":
        return [machine.function.__globals__.get(i.value)]
    if i.name == "LOAD_DEREF":
        return [shared_value(machine, s, i.value)]
    return [s.variables.get(name) for name in names_of(i)] if i.name.startswith("LOAD_FAST") else []


def _is_of_user(x: Any) -> bool:
    """Whether `x` is a function, an object or a module of user code, whose calls may change objects."""
    if is_of_user(x) or type(x) in (Local, ModuleType):
        return True
    module = type(x).__module__.partition(".")[0]
    return module not in ("builtins", "udf_compiler", "sparkweld") or isinstance(x, MethodType)
