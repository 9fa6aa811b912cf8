"""Checks json in scalar functions: what dumps writes of a row, and what loads reads, equals Python's."""

from __future__ import annotations

import ast
import datetime
import json
import math
import random
from typing import Any

import pytest

from sparkweld.errors import Refusal
from tests.helpers.scalars import check

TEXTS = [(x,) for x in ("", "a", 'say "hi"\\', "\n\r\t\b\f\0\x1f\x7f", "é", "日本語", "😀z", "a/b", "\u2028", "x" * 100)]

WRITTEN = [
    "json.dumps(a)", "json.dumps({'name': a})", "json.dumps({'b': [a, 1, None], 'a': {'x': a}}, sort_keys=True)",
    "json.dumps([a, a.upper()], ensure_ascii=False)", "json.dumps({'a': a, 'n': 1.5}, indent=2)", "json.dumps((a, True))",
    "json.dumps({'a': a}, separators=(',', ':'))", "json.dumps({1: a, None: 2, 'é': '\\u00e9'})", "json.dumps({'n': len(a)}) + a",
    "json.dumps({'messages': [{'role': 'user', 'content': a}, {'role': 'tool', 'content': a[:2]}]})",
    "json.dumps({'x': 'y'}) + a", "json.dumps({a: 1})", "json.dumps(a.split())", "json.dumps(list(a))",
    "json.dumps({'long': len(a) > 3, 'first': a[:1] or None})", "json.dumps([])", "json.dumps(obj={'a': a})",
]  # fmt: skip


@pytest.mark.parametrize("source", WRITTEN)
def test_dumps(source):
    check(f"lambda a: {source}", ("str",), json=json)
    check(f"lambda a: {source}", ("str",), rows=TEXTS, json=json)


@pytest.mark.parametrize("type", ["f64", "i64", "i8", "bool", "str?", "f64?"])
def test_dumps_of_other_values(type):
    check("lambda a: json.dumps({'value': a, 'values': [a, 2]})", (type,), json=json)


def test_dumps_with_a_default():
    check("lambda a: json.dumps({'at': a, 'x': 1}, default=str)", ("date",), json=json)
    check("lambda a: json.dumps([a], default=lambda x: x.isoformat())", ("ts",), needless=1, json=json)
    source = "def f(a):\n    try:\n        return json.dumps({'at': a})\n    except TypeError:\n        return 'no'"
    check(source, ("date",), json=json)


def test_dumps_without_nan():
    source = "def f(a):\n    try:\n        return json.dumps([a], allow_nan=False)\n    except ValueError:\n        return 'no'"
    check(source, ("f64",), json=json)


REFUSED = [
    "json.dumps([1], cls=a)", "json.dumps([a], indent=len(a))",
    "json.dumps(a.encode())", "json.JSONEncoder().encode(a)", "json.dumps(datetime.datetime.now(), default=str)",
]  # fmt: skip


@pytest.mark.parametrize("source", REFUSED)
def test_refused(source):
    with pytest.raises(Refusal):
        check(f"lambda a: {source}", ("str",), json=json, datetime=datetime)


def _value(draw: random.Random, depth: int = 0) -> Any:
    if depth > 2 or draw.random() < 0.4:
        return draw.choice([None, True, False, 0, -1, 12, 1.5, -0.0, "", "a", 'q"\\\n', "é😀", "7", " 2.5 ", math.nan, [], {}])
    if draw.random() < 0.3:
        return [_value(draw, depth + 1) for _ in range(draw.randrange(4))]
    return {draw.choice(["a", "b", "é", 'q"', "name"]): _value(draw, depth + 1) for _ in range(draw.randrange(5))}


def _documents(count: int) -> list[tuple[str]]:
    draw = random.Random(7)
    made = [json.dumps(_value(draw), ensure_ascii=draw.random() < 0.5, indent=draw.choice([None, 1])) for _ in range(count)]
    broken = [text[: draw.randrange(len(text) + 1)] + draw.choice(["", ",", "}", " x", "\n"]) for text in made[: count // 3]]
    objects = [json.dumps({"a": _value(draw), "b": {"name": _value(draw, 2)}, "n": draw.randrange(99)}) for _ in range(count)]
    return [(text,) for text in (*made, *broken, *objects, *EDGES)]


EDGES = (
    '{"a": 1e-400}', '{"a": 1e-99}', '{"a": 0e5}', '{"a": 0.0}', '{"a": -0.0e-7}', '{"a": 1E+2}',
    '{"a": 1, "a": "last"}', '{"\\u0061": "escaped key"}', '"\\ud83d\\ude00"', '[1,]', "{'a': 1}", '{"a": 01}', '\ufeff{}',
    '{"a": 1e999}', '{"a": -Infinity}', '{"a": "\t"}', '{"a": "\\x"}', '{"a": 123456789012345678901234567890}', ' [1, 2] ',
    '{"a" : {"b" : "c"}}', '\x0b1', '{"a": "\\/\\b\\f"}', '{"a": true, "b": {"name": "x"}}', 'nul', '-', '1.', '.5', '1e',
    '+1', 'tru', '"', '{"a":', '[[[[1]]]]', '-0',
)  # fmt: skip

CAUGHT = "def f(a):\n    try:\n        return {}\n    except Exception:\n        return 'no'"

READ = [
    "json.loads(a)['a'] == 'a'", "json.loads(a)['b']['name'] == 7", "'a' in json.loads(a)", "bool(json.loads(a))",
    "len(json.loads(a)['a'])", "str(json.loads(a)['a'])", "float(json.loads(a)['a'])", "int(json.loads(a)['a'])",
    "float(json.loads(a).get('n', 0.5))", "json.loads(a).get('b', {}).get('name') is None",
    "json.loads(a)['a'].strip().upper()", "json.loads(a)['a'][0] == 'a'", "isinstance(json.loads(a), dict)",
    "isinstance(json.loads(a)['a'], (int, float))", "'yes' if json.loads(a).get('a') else 'nothing'",
    "f\"<{json.loads(a)['a']}>\"", "json.loads(a)['a'] + 1", "json.loads(a)['n'] > 50", "str(json.loads(a)['a'] or 'empty')",
    "json.loads(a)['a'] != 'x' and json.loads(a)['a'] is not None", "','.join([json.loads(a)['a'], 'z'])",
    "json.loads(a)['a'] * json.loads(a)['n'] > 20", "len(str(json.loads(a)['a'] * 2))",
    "round(json.loads(a)['a'])", "json.loads(a)['b']['name'].startswith('q')", "{'a': 1, '7': 2}.get(json.loads(a)['a'])",
    "-json.loads(a)['n']", "json.loads(a) is None",
]  # fmt: skip


@pytest.mark.parametrize("source", READ)
def test_loads(source):
    """Lists and dicts as strings, large numbers and lone surrogates run in Python."""
    check(f"lambda a: {source}", ("str",), rows=_documents(120), needless=120, json=json)
    check(CAUGHT.format(source), ("str",), rows=_documents(120), needless=150, json=json)


HANDLED = [
    "try: return float(d['a'])|except ValueError: return -1.0",
    "try: return int(d['a'])|except TypeError: return 'type'|except ValueError: return 'value'",
    "def g(x): return len(x)|try: return g(d['a'])|except TypeError: return -1",
    "try: y = d['a'] > 1|except TypeError: y = len(d) == 2|return float(d['n']) if y else -1.0",
    "try: pass|finally: x = float(d['a'])|return x",
    "for x in ['a', 'b', 'n']:|    try: return str(int(d[x]))|    except (TypeError, ValueError): continue",
    "try: return sum(float(d[x]) for x in ('a', 'n'))|except (TypeError, KeyError): return None",
    "try: return '%s' % (lambda x: float(x) < 9)(d.get('a'))|except TypeError as e: return type(e).__name__",
    "x = d.get('a')|return float(x) if x is not None else None",
]


@pytest.mark.parametrize("body", HANDLED)
def test_exceptions_reach_the_handlers_around_them(body):
    """Elsewhere a row that raises is flagged."""
    lines = ["try: d = json.loads(a)", "except ValueError: return None", *body.split("|")]
    check("\n    ".join(["def f(a):", *lines]), ("str",), rows=_documents(120), needless=150, json=json)


def test_conversions_of_many_members():
    """Each call of float has a value and two exceptions: together they would make thousands of paths."""
    rows = [(json.dumps(dict.fromkeys("abcdefgh", x)),) for x in (1, 2.5, "7", " 1e3 ", True, "x", None, [], {})]
    sum = " + ".join(f"float(d['{x}'])" for x in "abcdefgh")
    check(f"def f(a):\n    d = json.loads(a)\n    try:\n        return {sum}\n    except TypeError:\n        return None",
          ("str",), rows=rows, json=json)  # fmt: skip


def test_values_that_are_returned():
    """A column of strings holds the text of an int and a bool; this test compares strings."""
    source = CAUGHT.format("json.loads(a)['a'] if isinstance(json.loads(a)['a'], str) else None")
    check(source, ("str",), rows=_documents(200), needless=10, json=json)


def test_which_documents_are_valid():
    check("def f(a):\n    try:\n        json.loads(a)\n        return 1\n    except json.JSONDecodeError:\n        return 0",
          ("str",), rows=_documents(300), needless=3, json=json)  # fmt: skip


LOOPS = [
    "', '.join([x['name'] for x in json.loads(a)])", "sum(1 for x in json.loads(a) if x)",
    "', '.join(str(x) for x in json.loads(a))", "len([x for x in json.loads(a) if isinstance(x, str)])",
    "any(x == 'a' for x in json.loads(a))", "max(int(x) for x in json.loads(a))",
]  # fmt: skip

ARRAYS = [(json.dumps(x),) for x in (
    [], [{"name": "Drama"}, {"name": "Noir"}], [{"name": "x"}], [{"name": 5}], [{}], ["a", "b"], [1, 2, 3], [1, "2"],
    [None], ["é"] * 50,
    {"a": 1}, "ab", 7, None, [[1], []], [True, False],
)]  # fmt: skip


@pytest.mark.parametrize("source", LOOPS)
def test_loops_over_arrays(source):
    """Strings and dicts in place of an array run in Python, as do names that are no strings."""
    check(f"lambda a: {source}", ("str",), rows=ARRAYS, needless=8, json=json)


NOT_READ = [
    "json.loads(a, parse_float=str)", "json.loads(a.encode())['a'] == 1", "json.load(a)", "json.loads(a).popitem()",
    "json.loads(a)['a'][1:2] == 'b'", "(json.loads(a)['a'], 1)",
    "json.dumps(json.loads(a), indent=1)", "json.dumps(json.loads(a), sort_keys=True)",
    "json.dumps(json.loads(a), allow_nan=False)", "ast.literal_eval(a.encode())", "ast.parse(a)",
]  # fmt: skip


@pytest.mark.parametrize("source", NOT_READ)
def test_not_read(source):
    with pytest.raises(Refusal):
        check(f"lambda a: {source}", ("str",), json=json, ast=ast)


DICTS = [(text,) for text in (
    '{}', '{"a": 1, "b": "x", "c": null, "d": true, "e": 2.5}', '{"a": "1", "a": "2", "b": "3"}', '{"b": {"a": [1, {"c": 2}]}}',
    '{"a": [], "é": "😀", "\\u0062": "escaped"}', '{"name": "x", "host": "y"}', '[1]', '"ab"', '7', 'null', '{"a": -0}',
    '{"a": 0.1, "b": 1e3, "c": 100.0, "d": 0.00001, "e": 12345678901234567.0}', '{"a": NaN, "b": -Infinity}', '{"a"',
    '{"a": 1.50}',
    ' { "a" :\n[ 1 , 2 ] , "b" : "q\\"\\n\\u00e9" } ', '{"a": {"x": 1, "x": 2}}', '{"n": 123456789012345678901234567890}',
)]  # fmt: skip

OF_DICTS = [
    "len(json.loads(a))", "', '.join(json.loads(a))", "', '.join(json.loads(a).keys())", "'b' in json.loads(a).keys()",
    "', '.join(f'{k}={v}' for k, v in json.loads(a).items())", "sum(1 for k, v in json.loads(a).items() if v)",
    "sum(1 for v in json.loads(a).values() if isinstance(v, str))", "len(json.loads(a).items())", "len(json.loads(a).values())",
    "'/'.join([k for k in json.loads(a) if k != 'a'])", "'/'.join(str(v) for v in json.loads(a).values())",
    "json.dumps(json.loads(a))", "json.dumps({'x': json.loads(a), 'y': [json.loads(a), 1]}, ensure_ascii=False)",
    "re.match('x', json.loads(a)['b']) is not None", "re.sub('[a-z]', '*', json.loads(a).get('name', 'none'))",
]  # fmt: skip


@pytest.mark.nightly_cases(
    "', '.join(f'{k}={v}' for k, v in json.loads(a).items())",
    "sum(1 for k, v in json.loads(a).items() if v)",
    "sum(1 for v in json.loads(a).values() if isinstance(v, str))",
)
@pytest.mark.parametrize("source", OF_DICTS)
def test_dicts(source):
    """Nested values as strings run in Python, as do documents that are not written as they are read."""
    check(f"lambda a: {source}", ("str",), rows=DICTS, needless=12, json=json)
    check(CAUGHT.format(source), ("str",), rows=DICTS, needless=12, json=json)


def test_a_value_of_a_loop_that_is_returned():
    source = "def f(a):\n    for k, v in json.loads(a).items():\n        if not isinstance(v, (dict, list)):\n"
    source += "            return v\n"
    check(source, ("str",), rows=DICTS, needless=12, json=json)


CHANGES = [
    "d['host'] = 'moe'", "d['a'] = a", "d['a'] = len(a)", "d['a'] = None", "d['é'] = True", "d['b'] = json.loads(a)",
    "del d['a']", "d.pop('a')", "d['was'] = d.pop('a', None)", "d.pop('a', 0)", "d.update({'a': 1, 'z': a})", "d.update(a=1.5)",
    "d['got'] = d.setdefault('a', 'new')", "d['n'] = len(a) / 8", "e = d\n        e['a'] = 'both'",
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_changes_of_documents(change):
    source = f"def f(a):\n    try:\n        d = json.loads(a)\n        {change}\n        return json.dumps(d)\n"
    source += "    except (KeyError, TypeError, ValueError):\n        return 'no'"
    check(source, ("str",), rows=DICTS, needless=12, json=json)


NOT_CHANGED = [
    "d['b']['name'] = 1", "d['a'] = d", "d['a'] = [1]", "d[0] = 1", "items = d.items()\n    d['a'] = 1",
    "for k in d:\n        d[k] = 1", "d.clear()", "d.update(a)", "e = json.loads(a)\n    d['e'] = e\n    e['x'] = 1",
]  # fmt: skip


@pytest.mark.parametrize("change", NOT_CHANGED)
def test_changes_that_others_may_see_are_refused(change):
    with pytest.raises(Refusal):
        check(f"def f(a):\n    d = json.loads(a)\n    {change}\n    return json.dumps(d)", ("str",), json=json)


LITERALS = [(text,) for text in (
    "{'a': True, 'b': None, 'c': False}", "{u'a': u'x', \"b\": 'say \"hi\"'}", "['x', 'y']", "[]", " {} ", "'abc'", "12", "-1.5",
    "1e5", "None", "['a',]", "[ 1,\n 2 ]", "('a', 'b')", "{1: 2}", "{'a'}", "['a' 'b']", "['a\\n']", "b'x'", "[1_000]", "[01]",
    "[1, # x\n]",
    "'''x'''", "bad", "", "[", "{'a': 1, 'a': 'last'}", "[True, 'Trueish', Truex]", "{'é': '😀'}", "[1] x", "- 1", "[1.]", "0x1f",
    "[[['deep']]]", "{'a': {'b': ['c']}}", "\t[1]", "\n[1]", "[1]\n", "[1]\r", "'a\tb'", "1+2j", "[,]", "{'a': 1", "-0", "1e400",
)]  # fmt: skip

OF_LITERALS = [
    "len(ast.literal_eval(a))", "', '.join(ast.literal_eval(a))", "ast.literal_eval(a)['a']", "str(ast.literal_eval(a))",
    "isinstance(ast.literal_eval(a), dict)", "ast.literal_eval(a) is None", "float(ast.literal_eval(a))",
    "'; '.join(f'{k}: {v}' for k, v in ast.literal_eval(a).items())", "bool(ast.literal_eval(a))",
    "json.dumps(ast.literal_eval(a))",
]  # fmt: skip


@pytest.mark.nightly_cases("'; '.join(f'{k}: {v}' for k, v in ast.literal_eval(a).items())")
@pytest.mark.parametrize("source", OF_LITERALS)
def test_literals(source):
    """Literals of classes that JSON lacks run in Python, as do those that Python rejects."""
    check(f"lambda a: {source}", ("str",), rows=LITERALS, needless=30, json=json, ast=ast)
    check(CAUGHT.format(source), ("str",), rows=LITERALS, needless=40, json=json, ast=ast)


def test_the_place_of_an_error_is_refused():
    source = "def f(a):\n    try:\n        return len(json.loads(a))\n    except ValueError as error:\n        return error.pos"
    with pytest.raises(Refusal):
        check(source, ("str",), json=json)


ENRICHED = """def f(a, n):
    try:
        d = json.loads(a)
    except ValueError:
        d = {}
    if not isinstance(d, dict):
        d = {'raw': d}
    d.update({'host': 'host-%02d' % n, 'ok': n < 4})
    d.pop('b', None)
    return json.dumps(d)"""


def test_a_document_or_another_dict_that_changes():
    """The test of its class keeps no dict, so it may change afterwards."""
    rows = [(text, n) for (text,) in _documents(60) for n in (3, 123)]
    check(ENRICHED, ("str", "i64"), rows=rows, needless=60, json=json)


POPPED = [
    "d = {'x': 1, 'y': a}\n    if isinstance(d, dict):\n        d['z'] = 2\n    return d.pop('y', 'no') + f'{len(d)}'",
    "d = {'x': a}\n    for k in a.split(','):\n        n = len(k)\n    d.pop('x')\n    return str(len(d)) + str(n)",
    "d = {'x': a}\n    try:\n        return d.pop('y')\n    except KeyError:\n        return d.pop('x')",
]


@pytest.mark.parametrize("body", POPPED)
def test_keys_that_are_removed(body):
    check(f"def f(a):\n    {body}", ("str",))
