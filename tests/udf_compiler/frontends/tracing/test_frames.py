"""Checks that the instruction of a frame is found while it calls Python or C, before and after CPython specializes it."""

from __future__ import annotations

import dis
import sys

import pytest

from udf_compiler.frontends.tracing.frames import CALLS, METHOD_LOADS, instruction, offset_of


class Spy:
    """Records the instruction and the offset at which its user is."""

    def __init__(self):
        self.seen = []

    def record(self, *_, **__):
        frame = sys._getframe(1)
        while frame.f_globals is not USER:
            frame = frame.f_back
        self.seen.append((instruction(frame.f_code, frame.f_lasti), offset_of(frame)))
        return ""

    __call__ = __str__ = __add__ = __format__ = method = __getattr__ = record


USER = {}
USES = {
    "lambda x: x()": CALLS, "lambda x: x(1, b=2)": CALLS, "lambda x: x.method()": CALLS, "lambda x: record(x)": CALLS,
    "lambda x: record(a=x)": CALLS, "lambda x: str(x)": CALLS, "lambda x: format(x, '>8')": CALLS,
    "lambda x: '{}'.format(x)": CALLS, "lambda x: x + 1": {"BINARY_OP", "BINARY_ADD"}, "lambda x: x.other": METHOD_LOADS,
    "lambda x: f'{x:>8}'": {"FORMAT_WITH_SPEC", "FORMAT_VALUE"},
}  # fmt: skip


@pytest.mark.parametrize("source", USES)
def test_the_instruction_of_a_frame(source):
    spy = Spy()
    function = eval(source, USER)
    USER["record"] = spy.record
    for _ in range(100):
        function(spy)
    [(name, offset)] = set(spy.seen)
    assert name in USES[source]
    assert next(i.opname for i in dis.get_instructions(function) if i.offset == offset) == name
