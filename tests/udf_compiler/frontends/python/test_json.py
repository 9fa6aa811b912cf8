"""Checks json in scalar functions: what dumps writes of a row equals Python's."""

from __future__ import annotations

import datetime
import json

import pytest

from sparkweld.errors import Refusal
from tests.helpers.scalars import check

TEXTS = [(x,) for x in ("", "a", 'say "hi"\\', "\n\r\t\b\f\0\x1f\x7f", "é", "日本語", "😀z", "a/b", "\u2028", "x" * 100)]

WRITTEN = [
    "json.dumps(a)", "json.dumps({'name': a})", "json.dumps({'b': [a, 1, None], 'a': {'x': a}}, sort_keys=True)",
    "json.dumps([a, a.upper()], ensure_ascii=False)", "json.dumps({'a': a, 'n': 1.5}, indent=2)", "json.dumps((a, True))",
    "json.dumps({'a': a}, separators=(',', ':'))", "json.dumps({1: a, None: 2, 'é': '\\u00e9'})", "json.dumps({'n': len(a)}) + a",
    "json.dumps({'messages': [{'role': 'user', 'content': a}, {'role': 'tool', 'content': a[:2]}]})",
    "json.dumps({'x': 'y'}) + a",
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
    "json.dumps({a: 1})", "json.dumps(a.split())", "json.dumps([1], cls=a)", "json.dumps([a], indent=len(a))",
    "json.dumps(a.encode())", "json.JSONEncoder().encode(a)", "json.dumps(datetime.datetime.now(), default=str)",
]  # fmt: skip


@pytest.mark.parametrize("source", REFUSED)
def test_refused(source):
    with pytest.raises(Refusal):
        check(f"lambda a: {source}", ("str",), json=json, datetime=datetime)
