"""Stores constant strings, lists and tables in a kernel's module, each once, and working memory on the stack."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from llvmlite import ir

from sparkweld.ir.types import Items, Type
from sparkweld.kernels.functions.strings.memory_access import build_view
from sparkweld.kernels.llvm.integers import Builder

_I8, _I64 = ir.IntType(8), ir.IntType(64)


def integer(value: int) -> ir.Constant:
    return ir.Constant(_I64, int(value))


def constant_bytes(b: Builder, data: bytes) -> ir.Value:
    """Returns the address of these bytes among the module's constants, each stored once."""
    return b.ptrtoint(_constant(b, data), _I64)


def _constant(b: Builder, data: bytes) -> ir.GlobalVariable:
    return _kept_once(b, "data", data, ir.Constant(ir.ArrayType(_I8, len(data)), bytearray(data)))


def _kept_once(b: Builder, what: str, content: bytes, value: ir.Constant) -> ir.GlobalVariable:
    """Returns the module's constant with this content, and creates it from `value` when it is missing."""
    name = f"sparkweld.{what}.{hashlib.sha256(content).hexdigest()[:24]}"
    made = b.module.globals.get(name)
    if made is None:
        made = ir.GlobalVariable(b.module, value.type, name)
        made.linkage, made.global_constant, made.align = "internal", True, 8
        made.initializer = value
    return made


def text(b: Builder, value: str) -> ir.Value:
    """Returns a view of a constant string."""
    data = value.encode()
    return build_view(b, constant_bytes(b, data), integer(len(data)))


def constant_view(b: Builder, value: str | Items) -> ir.Value:
    """Returns a view of a constant string or list."""
    if isinstance(value, str):
        return text(b, value)
    if value.kind == "str":
        return build_view(b, _constant_views(b, value.values), integer(len(value.values)))
    data = np.array(value.values, Type(value.kind).dtype).tobytes()
    return build_view(b, constant_bytes(b, data), integer(len(value.values)))


def _constant_views(b: Builder, texts: Sequence[str]) -> ir.Value:
    """Returns the address of views of these strings; the loader fills in the strings' addresses."""
    words: list[ir.Constant] = []
    for value in texts:
        data = value.encode()
        words += [_constant(b, data).ptrtoint(_I64), integer(len(data))]
    views = ir.Constant(ir.ArrayType(_I64, len(words)), words)
    return b.ptrtoint(_kept_once(b, "views", repr(texts).encode(), views), _I64)


def stack_words(b: Builder, count: int, name: str = "") -> ir.Value:
    """Returns the address of `count` int64 of the calling function's stack, as a value with this name."""
    with b.goto_entry_block():
        return b.ptrtoint(b.alloca(_I64, size=count), _I64, name)
