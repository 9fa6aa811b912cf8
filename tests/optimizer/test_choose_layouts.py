"""Checks which automata tests of patterns get: that of their groups if some op reads them, else one without groups."""

from __future__ import annotations

from sparkweld.ir import Program
from sparkweld.ir.ops import RegexCall
from sparkweld.ir.types import STR
from sparkweld.optimizer.choose_layouts import choose_layouts
from tests.helpers.kernels import program
from udf_compiler.frontends.regex import compile_regex

PATTERN = r"(\w+)=(\d+)"
FOUND = compile_regex(PATTERN, 0, "search", (0, 1, 2)).encode()


def of(*calls: RegexCall) -> Program:
    def body(loop, columns):
        for number, call in enumerate(calls):
            loop.append(f"{number}", loop.emit(call, columns["s"]))

    return program({"s": STR}, body)


def tables_of(made: Program) -> list[str]:
    return [let.op.tables for let in made.loops[0].body if isinstance(let.op, RegexCall)]


def test_a_test_beside_its_groups_shares_their_automaton() -> None:
    given = of(RegexCall("test", PATTERN, FOUND), RegexCall("group", PATTERN, FOUND, index=2))
    assert choose_layouts(given) is given


def test_a_test_alone_ends_at_the_first_match() -> None:
    other = compile_regex(PATTERN, 0, "match", (0, 1, 2)).encode()
    tables = tables_of(choose_layouts(of(RegexCall("test", PATTERN, FOUND), RegexCall("group", PATTERN, other, index=2))))
    assert tables == [compile_regex(PATTERN, 0, "search").encode(), other]
