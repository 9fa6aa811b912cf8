"""Translates the bytecode of each supported CPython version to one instruction set, that of CPython 3.13.

A module for each older version holds its differences from the next one. Only this table compares versions.
"""

from __future__ import annotations

import sys
from types import CodeType

from udf_compiler.frontends.python.regions.versions import cpython310, cpython311, cpython312
from udf_compiler.frontends.python.regions.versions.assemble import (
    Decoded,
    Handler,
    Instruction,
    Version,
    assemble,
    is_of_comprehension,
)

__all__ = ["KNOWN", "Decoded", "Handler", "Instruction", "decode", "is_known_version", "is_of_comprehension"]

#: The supported versions.
KNOWN: dict[tuple[int, int], Version] = {
    (3, 10): cpython310.VERSION,
    (3, 11): cpython311.VERSION,
    (3, 12): cpython312.VERSION,
    (3, 13): Version({}),
}


def is_known_version() -> bool:
    """Whether the running Python is a supported version."""
    return sys.version_info[:2] in KNOWN


def decode(code: CodeType) -> Decoded:
    """Decodes the instructions and exception handlers of a function of the running Python, which is a known version."""
    return assemble(code, KNOWN[sys.version_info[:2]])
