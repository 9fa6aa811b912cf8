"""Interprets ``match`` patterns over tuples and lists of values, one function for each instruction as in `instructions`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.regions.code import Instruction
from udf_compiler.frontends.python.regions.growing import current
from udf_compiler.frontends.python.regions.machine import Machine, decide, pop
from udf_compiler.frontends.python.regions.state import State
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse

_NO_SEQUENCES = (type(None), bool, int, float, str, bytes)


def _match_sequence(machine: Machine, i: Instruction, s: State) -> None:
    """Pushes whether the top is a sequence; refuses (SW280) objects that may be one."""
    x = s.stack[-1] = lists.as_list(current(decide(s, s.stack[-1])))
    is_list = type(x) in (tuple, list) or (lists.is_list(x) and not x.numpy)
    if not is_list and type(x) not in _NO_SEQUENCES and not (is_scalar(x) and not x.is_list):
        refuse("SW280", what="the pattern of a sequence")
    s.stack.append(is_list)


def _get_len(machine: Machine, i: Instruction, s: State) -> None:
    x = s.stack[-1]
    s.stack.append(lists.length(x) if lists.is_list(x) else as_python(len, x))


def _match_class(machine: Machine, i: Instruction, s: State) -> None:
    """Interprets ``case str()``; refuses patterns of attributes (SW280)."""
    x, kind, names = pop(s, 3)
    if i.arg or names:
        refuse("SW280", what="the pattern of a class with attributes")
    s.stack.append(() if as_python(isinstance, x, kind) else None)


MATCHING: dict[str, Callable[[Machine, Instruction, State], Any]] = {
    "MATCH_SEQUENCE": _match_sequence, "GET_LEN": _get_len, "MATCH_CLASS": _match_class,
}  # fmt: skip
