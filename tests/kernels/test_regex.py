"""Compares regex automata in kernels with `evaluate`: the patterns of `test_regex` over its strings and random ones."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from sparkweld.ir import Program, evaluate
from sparkweld.ir.ops import RegexCall, StrCall
from sparkweld.ir.types import STR
from sparkweld.kernels import program_allocates
from tests.helpers.kernels import check, program
from tests.helpers.strings import random_texts
from tests.kernels.test_strings import objects
from tests.udf_compiler.frontends.regex.test_regex import PATTERNS, TEXTS, groups_of, rows
from udf_compiler.frontends.regex import Unsupported, compile_regex

RANDOM = random_texts(np.random.default_rng(17), 100)
#: Patterns in one program.
TOGETHER = 20


def calls_of(pattern: str) -> list[RegexCall]:
    """Returns every function of a pattern, with its permitted groups."""
    calls = [RegexCall("test", pattern, compile_regex(pattern, 0, mode).encode()) for mode in ("search", "match", "fullmatch")]
    groups = groups_of(pattern)
    found = compile_regex(pattern, 0, "search", groups).encode()
    calls += [RegexCall("group", pattern, found, index=index) for index in range(len(groups))]
    last = str(len(groups) - 1)
    calls += [RegexCall("count", pattern, found, limit=limit) for limit in (-1, 1)]
    calls += [RegexCall("reads_little", pattern, found, limit=limit) for limit in (-1, 1)]
    calls += [RegexCall("replace", pattern, found, ("<é", last, ">"), limit) for limit in (-1, 2)]
    calls += [RegexCall("split_part", pattern, found, index=index, limit=limit) for index, limit in ((0, -1), (1, 1), (-1, -1))]
    return [*calls, RegexCall("split_count", pattern, found)]


def compiled() -> list[RegexCall]:
    calls: list[RegexCall] = []
    for pattern in rows(PATTERNS):
        try:
            calls += calls_of(pattern)
        except (Unsupported, re.error):  # Python 3.10 has no atomic groups
            continue
    return calls


CALLS = compiled()


def program_of(calls: list[RegexCall]) -> Program:
    def body(loop, columns):
        for number, call in enumerate(calls):
            loop.append(f"{number}", loop.emit(call, columns["s"]))

    return program({"s": STR}, body)


def _programs():
    """Yields where programs begin. Three of four are nightly: the frontends' test_regex.py compares all automata with `re`."""
    for at, first in enumerate(range(0, len(CALLS), 12 * TOGETHER)):
        yield pytest.param(first, marks=pytest.mark.nightly if at % 4 else [])


@pytest.mark.parametrize("first", list(_programs()))
def test_patterns(first):
    texts = objects([*TEXTS, *RANDOM.tolist()])
    check(program_of(CALLS[first : first + 12 * TOGETHER]), {"s": texts}, len(texts))


def test_many_patterns_were_compiled():
    assert len(CALLS) > 1000


def test_only_replacing_allocates():
    assert [program_allocates(program_of([call])) for call in CALLS[:12]] == [call.fn == "replace" for call in CALLS[:12]]


def test_strings_in_which_searches_read_many_bytes():
    """Each search scans for a y to the end of the string."""
    call = RegexCall("reads_little", r"x[xz]*y|x", compile_regex(r"x[xz]*y|x", 0, "search", (0,), repeated=True).encode())
    texts = ["x" * 60, "x" * 100, "x" * 1000, "xz" * 50, "xy" * 1000, "é" * 30 + "x" * 90, "", *("x" * n for n in range(77, 83))]
    p = program_of([call, replace(call, limit=5)])
    check(p, {"s": objects(texts)}, len(texts))
    result = evaluate(p, {"s": objects(texts)}, len(texts)).columns
    assert set(result["0"].tolist()) == {True, False}
    assert result["1"].all()


def test_groups_of_one_match_with_other_strings_between():
    """Groups of one automaton share the words of its last match, which belongs to one string."""
    found = compile_regex(r"(\w)?(\d+)", 0, "search", (0, 1, 2)).encode()
    test, *groups = [RegexCall("test", "", found), *(RegexCall("group", "", found, index=index) for index in range(3))]

    def body(loop, columns):
        for number, call in enumerate((test, *groups, test, groups[2])):
            for name in ("s", "t"):
                loop.append(f"{number} {name}", loop.emit(call, columns[name]))
            cut = loop.emit(StrCall("slice", (0, 2, 1)), columns["s"])
            loop.append(f"{number} cut", loop.emit(call, cut))

    texts = ["a12", "12", "", "x", "a12", "é7", "a1b2", "1"] * 3
    columns = {"s": objects(texts), "t": objects(["a12", *texts[:-1]])}
    check(program({"s": STR, "t": STR}, body), columns, len(texts))


def test_a_long_text_takes_linear_time():
    texts = objects(["a" * 30_000 + "b", "ab" * 10_000, "1" * 20_000])
    calls = [call for pattern in ("a*b", r"(\d+)-(\d+)", "(?:ab)+") for call in calls_of(pattern) if call.fn in ("test", "group")]
    check(program_of(calls), {"s": texts}, len(texts))
