"""Compares automata of patterns with `re`: existence, spans, groups, counts, replacements, splits; and checks refusals."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sparkweld.errors import VerifyError
from sparkweld.ir.ops import automata
from tests.helpers.pythons import since
from udf_compiler.frontends.regex import Unsupported, compile_regex, overruns
from udf_compiler.frontends.regex.parse import certain_groups, group_bodies, nullable, parse

TEXTS = (
    "", "a", "b", "A", "\n", "a\n", "\na", "ab", "ba", "aab", "abab", "aaa", "a\nb\n", "a b", " a", "a ", "  ", "abc", "abcabc",
    "a1", "1a", "12", "a_b", "é", "É", "aé", "éa", "é a", "ſ", "K", "k", "İ", "ı", "ß", "ẞ", "Σ", "ς", "😀", "a😀b", "٣", "x٣y",
    "\u2003", "\x1c", "\x85", "foo@bar.com", "<b>x</b>", "(a) (b)", "2024-02-29", "$1,234.50", "10 mL", "ZIP 12345-6789",
    "key=value; k2=v2", "a,b,,c", "aXbXc", "line1\nline2\n", "\r\n", "tab\there", "hello world", "Hello, World!",
)  # fmt: skip

PATTERNS = r"""
a | ab | a* | a+ | a? | a*? | a+? | a?? | ab|a | a|ab | (a|ab)(c|bcd)? | [abc] | [^abc] | . | .* | .+ | .*b | .*?b | a.c
^a | a$ | ^a$ | \Aa | a\Z | ^$ | $ | ^ | \Z | (?m)^a | (?m)a$ | (?m)^$ | (?m)$ | a$\n | (?s)a.b | (?s).* | (?m)^.*$
\d | \D | \w | \W | \s | \S | \d+ | \w+ | \s+ | [\d_] | [^\s] | [\w.]+@[\w.]+ | \bfoo\b | \b | a\b | \ba | \Ba | a\B | \B
(?i)a | (?i)k | (?i)s | (?i)[a-z] | (?i)é | (?i)ß | (?i)σ | (?i)İ | (?i:a)b | (?a)\w+ | (?a)\d | (?a:\w)\w | (?x) a  b # c
a{2} | a{2,} | a{,2} | a{1,2}? | (?:ab){2} | (?:ab)+ | (a+)(b+) | (?:a|b)+c | a(?=b)|a | x*y | (a|b)*c | [a-z]+\d*
\d{4}-\d{2}-\d{2} | \$?\d{1,3}(?:,\d{3})*(?:\.\d+)? | <[^>]+> | \(.*?\) | \([^)]*\) | ^\s+|\s+$ | [^a-zA-Z0-9 ]+ | \d+\s*(?:ml|l)
(?P<year>\d{4})-(?P<month>\d\d) | (\d{5})(?:-\d{4})? | ([^@]+)@(.+) | ^(\w+)\s+(\w+)$ | (a)?b | (a)|b | (?:(a)|b)c? | (a??)(a*)
(a*)(b*) | ((a)b?)+?$ | [\u00e0-\u00ff] | \u20ac | [^\x00-\x7f] | \x41 | [a\-z] | [\]] | a|b|c|d | (?:) | (?:a|) | (?:|a)
a(?:|b)c | (?i)straße | \n | \s$ | .$ | (.)$ | ^.*?(\d+) | (\d+)(?!.*\d) | (\w)\1 | (?<=a)b | (?>a+)b
(?<!a)b | (?<=[.!?])\s+ | (?<!^)a | (?<=\d)\w(?=\w) | \w+(?!b)\W | \b(?<=b)c? | (?i)(?<=[A-F])x | (?<=ab)c | (?<!\w)a(?!\w)
(?m)(?<!^)a | a(?!\Z) | (?<!\A)\w+
a++ | (a*)* | (?:a*)+ | (a|b*)*
"""


def rows(table: str) -> list[str]:
    return [cell.strip() for line in table.strip().splitlines() for cell in line.split(" | ")]


def groups_of(pattern: str) -> tuple[int, ...]:
    """Returns the match, and the groups outside any repeat."""
    bodies = group_bodies(parse(pattern, 0).root)
    return (0, *(number for number, (repeated, _) in sorted(bodies.items()) if not repeated))


def assert_same(pattern: str, texts: tuple[str, ...] | list[str]) -> int:
    """Compares all modes; returns the number of compiled ones."""
    compiled = re.compile(pattern)
    done = 0
    for mode in ("search", "match", "fullmatch"):
        automaton = compile_regex(pattern, 0, mode)
        done += 1
        for text in texts:
            wanted = getattr(compiled, mode)(text) is not None
            assert (automaton.find(text) is not None) == wanted, (pattern, mode, text)
    groups = groups_of(pattern)
    automaton = compile_regex(pattern, 0, "search", groups)
    certain = certain_groups(parse(pattern, 0).root)
    for text in texts:
        found = compiled.search(text)
        wanted_spans = None if found is None else [at for group in groups for at in found.span(group)]
        assert automaton.find(text) == wanted_spans, (pattern, text)
        assert (automaton.without_groups().find(text) is not None) == (found is not None), (pattern, text)
        assert found is None or all(found.start(group) >= 0 for group in certain), (pattern, text)
    assert automata.decode(automaton.encode()) == automaton
    if nullable(parse(pattern, 0).root):
        with pytest.raises(Unsupported, match="may match the empty string"):
            compile_regex(pattern, 0, "search", (0,), repeated=True)
        return done + 1
    automaton = compile_regex(pattern, 0, "search", (0,), repeated=True)
    for text in texts:
        assert all_spans(automaton, text) == [m.span() for m in compiled.finditer(text)], (pattern, text)
    return done + 2


def all_spans(automaton: automata.Automaton, text: str) -> list[tuple[int, int]]:
    spans, position = [], 0
    while (found := automaton.find(text, position)) is not None:
        spans.append((found[0], found[1]))
        position = found[1]
    return spans


@pytest.mark.parametrize("pattern", [since((3, 11), p) if "(?>" in p or "++" in p else p for p in rows(PATTERNS)])
def test_patterns(pattern: str) -> None:
    refused = re.search(r"\(\?!\.\*|\(\?<=ab|\(\?m\)\(\?<!\^|\(\?>|\\1|\+\+", pattern)
    refused = refused or pattern in ("(a*)*", "(?:a*)+", "(a|b*)*")
    if refused:
        with pytest.raises(Unsupported):
            assert_same(pattern, TEXTS)
        return
    assert assert_same(pattern, TEXTS) >= 4


@pytest.mark.parametrize(
    ("pattern", "groups", "repeated", "why"),
    [
        (r"(a)\1", (), False, "refers back"),
        (r"a(?=bc)", (), False, "looks ahead"),
        (r"(?<!ab)c", (), False, "looks ahead or behind by other than one character"),
        since((3, 11), r"(?>a+)b", (), False, "atomic"),
        since((3, 11), r"a++b", (), False, "possessive"),
        (r"(a)?(?(1)b|c)", (), False, "tests whether a group matched"),
        (r"(?:a*)*", (), False, "repeats a part that may match the empty string"),
        (r"a{1000}", (), False, "repeats something more than"),
        (r"(?:(?:a{100}){100}){100}", (), False, "steps"),
        (r"(a|b)*c", (0, 1), False, "repeats a group"),
        (r"a*", (0,), True, "may match the empty string"),
        (r"[ab]*a[ab]{14}", (), False, "too large"),
        (r"(?a:\bx)|y\b", (), False, "two kinds"),
    ],
)
def test_not_compiled(pattern: str, groups: tuple[int, ...], repeated: bool, why: str) -> None:
    with pytest.raises(Unsupported, match=why):
        compile_regex(pattern, 0, "search", groups, repeated)


@pytest.mark.parametrize("pattern", [r"a.*b|a", r"<[^>]+>|\([^)]*\)", r"\(.*\)", r"x\d*y|x"])
def test_patterns_that_read_far_behind_a_match(pattern: str) -> None:
    assert overruns(compile_regex(pattern, 0, "search", (0,), repeated=True))


ENDING = [r"\s+", r"<[^>]+>", r"\(.*?\)", r"https?://\S+|www\.\S+", r"[^\w\s]", r"^\s+|\s+$", r"\d+(?:\.\d+)?"]


@pytest.mark.parametrize("pattern", ENDING)
def test_patterns_that_end_behind_a_match(pattern: str) -> None:
    automaton = compile_regex(pattern, 0, "search", (0,), repeated=True)
    assert not overruns(automaton)
    text = "ab <x> (y) 12.5 www.a.b " * 4000 + "<" * 4000 + "(" * 4000
    started = time.perf_counter()
    all_spans(automaton, text)
    assert time.perf_counter() - started < 5


def test_flags_are_those_of_re() -> None:
    for flags in (re.I, re.M, re.S, re.X, re.A, re.I | re.M, re.I | re.A):
        for pattern in (r"^a.b$", r"\w k", "é|K", r"[^a]b"):
            automaton, compiled = compile_regex(pattern, int(flags), "search"), re.compile(pattern, flags)
            for text in TEXTS:
                assert (automaton.find(text) is not None) == (compiled.search(text) is not None), (pattern, flags, text)


@pytest.mark.parametrize("pattern", [r"(a+)+$", r"(a|aa)+$", r"(?:\w+\s?)+!", r"(x+x+)+y"])
def test_patterns_that_backtrack_endlessly_are_linear(pattern: str) -> None:
    text = "ax" * 20_000 + "a" * 20_000
    automaton = compile_regex(pattern, 0, "search")
    started = time.perf_counter()
    automaton.find(text)
    assert time.perf_counter() - started < 5


_ATOMS = ["a", "b", ".", "[ab]", "[^a]", r"\w", r"\s", r"\d", "é", r"\n", " "]
_ASSERTIONS = ["^", "$", r"\b", r"\Z", r"\A", "(?m:^)", "(?m:$)"]


@st.composite
def patterns(draw: st.DrawFn, depth: int = 3) -> str:
    """Draws a compilable pattern, groups included."""
    if depth == 0:
        return draw(st.sampled_from(_ATOMS))
    kind = draw(st.sampled_from(["atom", "sequence", "sequence", "choice", "repeat", "group", "assertion"]))
    inner = patterns(depth=depth - 1)
    match kind:
        case "atom":
            return draw(st.sampled_from(_ATOMS))
        case "assertion":
            return draw(st.sampled_from(_ASSERTIONS)) + draw(inner)
        case "sequence":
            return draw(inner) + draw(inner)
        case "choice":
            return f"(?:{draw(inner)}|{draw(inner)})"
        case "group":
            return f"({draw(inner)})"
    return f"(?:{draw(inner)}){draw(st.sampled_from(['*', '+', '?', '*?', '+?', '??', '{2}', '{1,2}', '{0,2}?']))}"


@settings(max_examples=400, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(patterns(), st.lists(st.text("ab é1\n", max_size=8), min_size=5, max_size=15))
def test_random_patterns(pattern: str, texts: list[str]) -> None:
    try:
        assert_same(pattern, texts)
    except Unsupported:
        pass  # a repeat of a possibly empty pattern, or too large


def test_tables_that_do_not_fit_are_refused() -> None:
    good = compile_regex("ab", 0, "search")
    for wrong in ("{}", "[]", "x", good.encode().replace('"start":', '"start":9')):
        with pytest.raises(VerifyError):
            automata.decode(wrong)
