"""Translates CPython 3.10 to 3.11: blocks of handlers, an instruction for each operator, and calls without a slot for `self`."""

from __future__ import annotations

import dis
import inspect
from collections.abc import Mapping, Sequence
from types import CodeType

from udf_compiler.frontends.python.regions.versions import cpython311
from udf_compiler.frontends.python.regions.versions.assemble import Emit, Handler, Raw, Rule, Version

_OPERATORS = {
    "ADD": "+", "SUBTRACT": "-", "MULTIPLY": "*", "TRUE_DIVIDE": "/", "FLOOR_DIVIDE": "//", "MODULO": "%", "POWER": "**",
    "MATRIX_MULTIPLY": "@", "AND": "&", "OR": "|", "XOR": "^", "LSHIFT": "<<", "RSHIFT": ">>",
}  # fmt: skip

#: A handler finds six values on the stack: the exception that was handled before, and then the one to handle.
_PROLOGUE = (
    Emit("PUSH_EXC_INFO"), Emit("LOAD_CONST"), Emit("LOAD_CONST"), Emit("SWAP", 3), Emit("COPY", 1), Emit("COPY", 1),
)  # fmt: skip
_VALUES_OF_HANDLER = 6


def _rotation(count: int) -> Rule:
    """ROT_TWO and the like: the top moves below others."""
    return lambda raws, n: tuple(Emit("SWAP", distance) for distance in range(count, 1, -1))


def _rotate(raws: Sequence[Raw], n: int) -> Sequence[Emit]:
    return _rotation(raws[n].arg)(raws, n)


def _operator(text: str) -> Rule:
    return lambda raws, n: (Emit("BINARY_OP", text=text),)


def _as(*emits: Emit) -> Rule:
    return lambda raws, n: emits


def _call(raws: Sequence[Raw], n: int) -> tuple[Emit, ...]:
    """CALL_FUNCTION, CALL_FUNCTION_KW and CALL_FUNCTION_EX: the slot for `self` is put below the arguments.

    The iterator of a generator expression is in that slot, as later versions have it.
    """
    name, arg = raws[n].name, raws[n].arg
    if name == "CALL_FUNCTION" and arg == 1 and raws[n - 1].name == "GET_ITER":
        return (Emit("CALL", 0),)
    loaded = _called(raws, n) if name == "CALL_FUNCTION_KW" else None
    if loaded is not None and raws[loaded].name == "LOAD_ATTR":
        return (Emit("CALL_KW", arg),)
    values = {"CALL_FUNCTION": arg, "CALL_FUNCTION_KW": arg + 1, "CALL_FUNCTION_EX": 1 + (arg & 1)}[name]
    called = {"CALL_FUNCTION": "CALL", "CALL_FUNCTION_KW": "CALL_KW", "CALL_FUNCTION_EX": "CALL_FUNCTION_EX"}[name]
    return Emit("PUSH_NULL", values), Emit(called, arg)


def _called(raws: Sequence[Raw], n: int) -> int | None:
    """Returns the instruction that loads the function of CALL_FUNCTION_KW; None where its arguments have branches."""
    missing, at = raws[n].arg + 1, n - 1
    while missing > 0 and at > 0:
        raw = raws[at]
        if raw.target is not None:
            return None
        missing -= dis.stack_effect(raw.opcode, raw.arg if raw.opcode >= dis.HAVE_ARGUMENT else None)
        at -= 1
    return at if missing == 0 else None


def _attribute(raws: Sequence[Raw], n: int) -> tuple[Emit, ...]:
    """LOAD_ATTR, also of methods that are called with keywords, for which later versions load a method."""
    calls = (m for m in range(n + 1, len(raws)) if raws[m].name == "CALL_FUNCTION_KW")
    return (Emit("LOAD_ATTR", int(any(_called(raws, m) == n for m in calls)), raws[n].value),)


def _call_method(raws: Sequence[Raw], n: int) -> tuple[Emit, ...]:
    return (Emit("CALL", raws[n].arg),)


def _jump(raws: Sequence[Raw], n: int) -> tuple[Emit, ...]:
    target = raws[n].target
    return (Emit("JUMP_BACKWARD" if target is not None and target <= n else "JUMP_FORWARD", to=target),)


def _jump_unless_match(raws: Sequence[Raw], n: int) -> tuple[Emit, ...]:
    """JUMP_IF_NOT_EXC_MATCH also pops the exception."""
    return Emit("CHECK_EXC_MATCH"), Emit("SWAP", 2), Emit("POP_TOP"), Emit("POP_JUMP_IF_FALSE", to=raws[n].target)


def _make_function(raws: Sequence[Raw], n: int) -> Sequence[Emit]:
    """MAKE_FUNCTION also pops the qualified name."""
    return Emit("POP_TOP"), *cpython311.RULES["MAKE_FUNCTION"](raws, n)


def _global(raws: Sequence[Raw], n: int) -> tuple[Emit, ...]:
    return (Emit("LOAD_GLOBAL", 0, raws[n].value),)


#: MATCH_CLASS pushes whether there is a match, and keeps the subject.
_MATCH_CLASS = (
    Emit("COPY", 3), Emit("SWAP", 3), Emit("SWAP", 2), Emit("MATCH_CLASS"), Emit("COPY", 1), Emit("LOAD_CONST"), Emit("IS_OP", 1),
)  # fmt: skip


def _match_class(raws: Sequence[Raw], n: int) -> Sequence[Emit]:
    return [Emit(e.name, raws[n].arg) if e.name == "MATCH_CLASS" else e for e in _MATCH_CLASS]


def blocks(code: CodeType, raws: Sequence[Raw], index: Mapping[int, int]) -> list[Handler | None]:
    """Returns the handler of each instruction, from the blocks that are open on the way to it."""
    found: list[Handler | None] = [None] * len(raws)
    seen: set[int] = set()
    work: list[tuple[int, int, tuple[Handler | None, ...]]] = [(0, int(bool(code.co_flags & inspect.CO_GENERATOR)), ())]
    while work:
        n, depth, open_ = work.pop()
        if n in seen:
            continue
        seen.add(n)
        found[n] = next((handler for handler in reversed(open_) if handler is not None), None)
        raw = raws[n]
        if raw.name in ("POP_BLOCK", "POP_EXCEPT"):
            open_ = open_[:-1]
        arg = raw.arg if raw.opcode >= dis.HAVE_ARGUMENT else None
        if raw.name == "SETUP_FINALLY" and raw.target is not None:
            work.append((raw.target, depth + _VALUES_OF_HANDLER, (*open_, None)))
            work.append((n + 1, depth, (*open_, Handler(raw.target, depth, False))))
            continue
        if raw.target is not None:
            work.append((raw.target, depth + dis.stack_effect(raw.opcode, arg, jump=True), open_))
        if raw.name not in ("RETURN_VALUE", "RAISE_VARARGS", "RERAISE", "JUMP_FORWARD", "JUMP_ABSOLUTE"):
            work.append((n + 1, depth + dis.stack_effect(raw.opcode, arg, jump=False), open_))
    return found


RULES: dict[str, Rule] = {
    **cpython311.RULES,
    **{f"BINARY_{name}": _operator(text) for name, text in _OPERATORS.items()},
    **{f"INPLACE_{name}": _operator(f"{text}=") for name, text in _OPERATORS.items()},
    **dict.fromkeys(("POP_JUMP_IF_TRUE", "POP_JUMP_IF_FALSE"), cpython311.conditional),
    **dict.fromkeys(("CALL_FUNCTION", "CALL_FUNCTION_KW", "CALL_FUNCTION_EX"), _call),
    **dict.fromkeys(("SETUP_FINALLY", "POP_BLOCK", "GEN_START"), cpython311.nothing),
    "ROT_TWO": _rotation(2), "ROT_THREE": _rotation(3), "ROT_FOUR": _rotation(4), "ROT_N": _rotate,
    "DUP_TOP": _as(Emit("COPY", 1)), "DUP_TOP_TWO": _as(Emit("COPY", 2), Emit("COPY", 2)),
    "CALL_METHOD": _call_method, "LOAD_ATTR": _attribute, "JUMP_ABSOLUTE": _jump, "JUMP_IF_NOT_EXC_MATCH": _jump_unless_match,
    "MAKE_FUNCTION": _make_function, "LOAD_GLOBAL": _global, "MATCH_CLASS": _match_class,
    "POP_EXCEPT": _as(Emit("POP_TOP"), Emit("POP_TOP"), Emit("POP_TOP")),
}  # fmt: skip

VERSION = Version(RULES, blocks, _PROLOGUE, ends_loops=False, inlines=False, made_by=3)
