"""Translates CPython 3.12 to 3.13: jumps that test truth, and formats and keywords that are arguments of instructions."""

from __future__ import annotations

from collections.abc import Sequence

from udf_compiler.frontends.python.regions.versions.assemble import Emit, Raw, Rule, Version


def _tested(raws: Sequence[Raw], n: int) -> tuple[Emit, ...]:
    return Emit("TO_BOOL"), Emit(raws[n].name, to=raws[n].target)


def _format(raws: Sequence[Raw], n: int) -> tuple[Emit, ...]:
    """FORMAT_VALUE: bit 4 for a format on the stack, and the number of a conversion of the value."""
    has_spec, conversion = bool(raws[n].arg & 4), raws[n].arg & 3
    below = (Emit("SWAP", 2),) if has_spec else ()
    convert = (*below, Emit("CONVERT_VALUE", conversion), *below) if conversion else ()
    return *convert, Emit("FORMAT_WITH_SPEC" if has_spec else "FORMAT_SIMPLE")


def _keywords(raws: Sequence[Raw], n: int) -> tuple[Emit, ...]:
    return (Emit("LOAD_CONST", 0, raws[n].value),)


def _call(raws: Sequence[Raw], n: int) -> tuple[Emit, ...]:
    before = [raw.name for raw in raws[max(n - 2, 0) : n] if raw.name != "PRECALL"]
    return (Emit("CALL_KW" if before[-1:] == ["KW_NAMES"] else "CALL", raws[n].arg),)


def _load_global(raws: Sequence[Raw], n: int) -> tuple[Emit, ...]:
    """LOAD_GLOBAL pushes the empty slot below the global: its attribute may be called."""
    null = (Emit("PUSH_NULL"),) if raws[n].arg & 1 else ()
    return *null, Emit("LOAD_GLOBAL", 0, raws[n].value)


def _make_function(raws: Sequence[Raw], n: int) -> tuple[Emit, ...]:
    """MAKE_FUNCTION also sets the attributes, of which the closure is the topmost on the stack."""
    return Emit("MAKE_FUNCTION"), *(Emit("SET_FUNCTION_ATTRIBUTE", bit) for bit in (8, 4, 2, 1) if raws[n].arg & bit)


def _end_loop(raws: Sequence[Raw], n: int) -> tuple[Emit, ...]:
    return Emit("END_FOR"), Emit("POP_TOP")


RULES: dict[str, Rule] = {
    "POP_JUMP_IF_TRUE": _tested, "POP_JUMP_IF_FALSE": _tested, "FORMAT_VALUE": _format, "KW_NAMES": _keywords, "CALL": _call,
    "MAKE_FUNCTION": _make_function, "END_FOR": _end_loop, "LOAD_GLOBAL": _load_global,
}  # fmt: skip

VERSION = Version(RULES)
