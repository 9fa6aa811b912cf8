"""Translates CPython 3.11 to 3.12: directed conditional jumps, and instructions that later became variants of others."""

from __future__ import annotations

from collections.abc import Sequence

from udf_compiler.frontends.python.regions.versions import cpython312
from udf_compiler.frontends.python.regions.versions.assemble import Emit, Raw, Rule, Version

#: A condition -> the opposite one.
OPPOSITE = {"TRUE": "FALSE", "FALSE": "TRUE", "NONE": "NOT_NONE", "NOT_NONE": "NONE"}


def jump_if(condition: str, n: int, target: int | None) -> tuple[Emit, ...]:
    """Returns a conditional jump; one that goes back jumps over an unconditional one, as in later versions."""
    test = (Emit("TO_BOOL"),) if condition in ("TRUE", "FALSE") else ()
    if target is not None and target <= n:
        return *test, Emit(f"POP_JUMP_IF_{OPPOSITE[condition]}", to=n + 1), Emit("JUMP_BACKWARD", to=target)
    return *test, Emit(f"POP_JUMP_IF_{condition}", to=target)


def conditional(raws: Sequence[Raw], n: int) -> tuple[Emit, ...]:
    """Translates POP_JUMP_IF_TRUE, POP_JUMP_FORWARD_IF_TRUE and the like."""
    return jump_if(raws[n].name.partition("_IF_")[2], n, raws[n].target)


def keep_or_pop(raws: Sequence[Raw], n: int) -> tuple[Emit, ...]:
    """Translates JUMP_IF_TRUE_OR_POP and JUMP_IF_FALSE_OR_POP."""
    condition = raws[n].name.removeprefix("JUMP_IF_").removesuffix("_OR_POP")
    return Emit("COPY", 1), *jump_if(condition, n, raws[n].target), Emit("POP_TOP")


def nothing(raws: Sequence[Raw], n: int) -> tuple[Emit, ...]:
    return ()


def attribute(raws: Sequence[Raw], n: int) -> tuple[Emit, ...]:
    """Translates LOAD_ATTR and LOAD_METHOD, which differ by a bit in later versions."""
    return (Emit("LOAD_ATTR", int(raws[n].name == "LOAD_METHOD"), raws[n].value),)


def intrinsic(name: str) -> Rule:
    return lambda raws, n: (Emit("CALL_INTRINSIC_1", text=name),)


RULES: dict[str, Rule] = {
    **cpython312.RULES,
    **{f"POP_JUMP_{way}_IF_{condition}": conditional for way in ("FORWARD", "BACKWARD") for condition in OPPOSITE},
    **dict.fromkeys(("JUMP_IF_TRUE_OR_POP", "JUMP_IF_FALSE_OR_POP"), keep_or_pop),
    "PRECALL": nothing, "LOAD_ATTR": attribute, "LOAD_METHOD": attribute,
    "UNARY_POSITIVE": intrinsic("INTRINSIC_UNARY_POSITIVE"), "LIST_TO_TUPLE": intrinsic("INTRINSIC_LIST_TO_TUPLE"),
}  # fmt: skip

VERSION = Version(RULES, ends_loops=False, inlines=False)
