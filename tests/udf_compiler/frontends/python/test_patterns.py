"""Checks `re` patterns in scalar functions: matches, groups and replacements equal Python's own."""

from __future__ import annotations

import re

import pytest

from sparkweld.errors import Refusal
from tests.helpers.scalars import check

DIGITS, PAIR = re.compile(r"[^0-9]"), re.compile(r"^(?P<key>[^=]*)=(?P<value>.*)$")
TEXTS = ["", "a", "12", "a1b22", "key=1", "k=v=w", "=", "2024-02-29", "(212) 555-0100", "é=ß", "a\n", "aXbX", "x@y.z", "<b>t</b>"]

SOURCES = """DIGITS.sub('', a) ¦ re.sub(r'[^0-9]', '', a) ¦ re.sub('(.)b', r'<\\1>', a, count=1) ¦ DIGITS.search(a) is None
bool(PAIR.match(a)) ¦ PAIR.match(a).group(1) if PAIR.match(a) else None ¦ PAIR.match(a)['value'] if PAIR.match(a) else 'none'
re.search(r'\\d+', a).group() if re.search(r'\\d+', a) else '' ¦ re.fullmatch('[a-z]+', a) is not None ¦ len(re.findall('a', a))
re.match('(a)?(b)?', a).groups() == ('a', None) ¦ re.search('A', a, re.I) is not None ¦ int(DIGITS.sub('', a) or 0)
PAIR.match(a).groupdict()['key'] if PAIR.match(a) else a ¦ 'x' if re.findall('b', a) else 'y' ¦ isinstance(DIGITS, re.Pattern)"""


@pytest.mark.parametrize("source", [cell for line in SOURCES.splitlines() for cell in line.split(" ¦ ")])
def test_patterns(source):
    rows = [(text,) for text in TEXTS]
    check(f"lambda a: {source}", ("str",), rows=rows, needless=1, re=re, DIGITS=DIGITS, PAIR=PAIR)


FUNCTIONS = """re.sub('[A-Z]', lambda m: '_' + m.group(0).lower(), a) ¦ re.sub('[0-9]+', lambda m: str(int(m.group()) + 1), a)
re.compile('([a-z])([0-9])').sub(lambda m: m.group(2) + m[1], a) ¦ re.sub('[a-z]', lambda m: NAMES.get(m.group(0), '?'), a)
re.sub(r'[0-9]{2,}', lambda m: '*' * (len(m.group(0)) - 1) + m.group(0)[-1:], a) ¦ re.sub('q', lambda m: m.group(), a)
PAIR.sub(lambda m: m['value'] + '=' + m['key'], a) ¦ re.sub('[ab]', lambda m: '' if m.group() == 'a' else 'bb', a)"""


@pytest.mark.parametrize("source", [cell for line in FUNCTIONS.splitlines() for cell in line.split(" ¦ ")])
def test_replacements_by_a_function(source):
    rows = [(text,) for text in TEXTS]
    check(f"lambda a: {source}", ("str",), rows=rows, needless=1, re=re, PAIR=PAIR, NAMES={"a": "one", "b": "two"})


def test_replacements_by_a_function_that_returns_no_string():
    """Only Python joins these: None is no text, and an int raises."""
    for result in ("None", "1"):
        with pytest.raises(Refusal) as refused:
            check(f"lambda a: re.sub('a', lambda m: {result}, a)", ("str",), re=re)
        assert refused.value.code == "SW223"


EMPTY = """re.sub(r'(?<!^)(?=[A-Z])', '_', a).lower() ¦ re.sub(r'(?=[a-c])', '-', a, count=2) ¦ re.sub(r'\\b(?=[a-z])', '>', a)
re.sub(r'(?<=[a-z])(?=[A-Z0-9])', ' ', a) ¦ re.sub(r'(?<!\\A)[a-z]', '*', a) ¦ re.sub(r'[a-z](?!\\Z)', '*', a)
re.sub(r'(?<!a)(?=X)', r'\\\\', a) ¦ re.compile('(?=[AB])', re.I).sub('.', a)"""


@pytest.mark.parametrize("source", [cell for line in EMPTY.splitlines() for cell in line.split(" ¦ ")])
def test_matches_before_a_character(source):
    rows = [(text,) for text in (*TEXTS, "camelCaseName", "HTTPServer", "XAb\nAc a", "éÉa", "A", "aXXa")]
    check(f"lambda a: {source}", ("str",), rows=rows, re=re)


SPLITS = """re.split('(a)', a) ¦ re.split('([aX])b?', a) ¦ re.split(r'(\\d)(\\D)', a) ¦ re.split('(a)', a, maxsplit=1)
re.split('=', a, 1) ¦ re.split('A', a, flags=re.I)
re.split('A', a, 1, re.I) ¦ re.compile('([=-])').split(a, 2) ¦ re.split(r'(?<=[=a])[^a]', a)
re.split(r'(?<!b)[0-9]', a) ¦ re.split(r'([0-9])(?!b|-)', a) ¦ re.findall(r'(?<=a)[^=](?=b)', a)"""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("source", [cell for line in SPLITS.splitlines() for cell in line.split(" ¦ ")])
def test_splits(source):
    rows = [(text,) for text in TEXTS]
    check(f"lambda a: '|'.join({source})", ("str",), rows=rows, re=re)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("re.search('a', a).start()", "SW251"),
        ("re.sub('a*', '-', a)", "SW272"),
        ("re.sub('(?=[a-z])', r'<\\g<0>>', a)", "SW272"),
        ("re.sub('(?=ab)', '-', a)", "SW272"),
        ("re.split('(?=[a-z])', a)", "SW272"),
        ("re.sub('(?m)(?<!^)a', '-', a)", "SW272"),
        ("re.sub('a', lambda m: 'b', a, count=1)", "SW262"),
        ("DIGITS.search(a, 1)", "SW262"),
        ("re.findall('(a)(b)', a)[0]", "SW293"),
        ("re.split('(a)(b)?', a)", "SW262"),
        ("re.split('((a)b)+', a)", "SW272"),
        ("re.split(r'(?<=a)', a)", "SW272"),
        ("re.match(r'(a)\\1', a) is None", "SW272"),
        ("re.purge()", "SW263"),
    ],
)
def test_refused(source, code):
    with pytest.raises(Refusal) as refused:
        check(f"lambda a: {source}", ("str",), rows=[("a",)], re=re, DIGITS=DIGITS)
    assert refused.value.code == code, str(refused.value)


@pytest.mark.parametrize(
    "body",
    ["found = re.compile('^[a-z]+')\n    return ','.join([x for x in a.split('=') if found.match(x)])",
     "n = 0\n    for x in a.split('='):\n        if re.compile('[0-9]').search(x):\n            n += 1\n    return str(n)",
     "found = re.compile('k') if a else re.compile('v')\n    return ''.join([x for x in a.split('=') if not found.match(x)])"],
)  # fmt: skip
def test_patterns_of_the_function_in_loops(body):
    """Each call of re.compile returns an equal pattern, so the blocks of a loop meet."""
    check(f"def f(a):\n    {body}\n", ("str",), rows=[(text,) for text in TEXTS], re=re)
