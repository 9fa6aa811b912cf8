"""Defines what differs between the supported versions of Python, by rules that the compiler and the kernels ask for.

Only this module and `udf_compiler.frontends.python.regions.versions` compare versions. A function's code is that of the driver's
Python, and the compile service runs in the workers' Python. A function is refused (SW411) where their minor versions differ.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PythonRules:
    """The rules of a version.

    - `compensates_floats`, `compensates_ints`: the additions to a float by which ``sum`` updates its correction.
    - `re_modules`: the names of the modules of `re`: its compiler, its constants and its parser.
    - `splits_templates`: a parsed template of `re.sub` is the positions of its groups and its literals, not one list in order.
    - `reads_iso_zones`: ``datetime.fromisoformat`` reads a string that ends with Z.
    - `finds_enum_values`: ``x in Color`` tests for the value of a member, too; before, any other object raises TypeError.
    """

    compensates_floats: bool
    compensates_ints: bool
    re_modules: tuple[str, str, str]
    splits_templates: bool
    reads_iso_zones: bool
    finds_enum_values: bool


def rules_of(version: Sequence[int]) -> PythonRules:
    """Returns the rules of a version of CPython."""
    release = tuple(version[:2])
    return PythonRules(
        compensates_floats=release >= (3, 12),
        compensates_ints=release >= (3, 14),
        re_modules=("re._compiler", "re._constants", "re._parser")
        if release >= (3, 11)
        else ("sre_compile", "sre_constants", "sre_parse"),
        splits_templates=release < (3, 12),
        reads_iso_zones=release >= (3, 11),
        finds_enum_values=release >= (3, 12),
    )


#: The rules of the running Python.
RULES = rules_of(sys.version_info[:2])
