"""Checks json.dumps of lists and dicts of the row, and of those that a function makes; classes and elements of JSON arrays."""

from __future__ import annotations

import json
import math
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, MapType, StringType

from sparkweld.contract.constants import ARROW_BATCHED
from sparkweld.errors import Refusal
from tests.helpers.compiled import compare_with_worker
from tests.helpers.scalars import check

WORDS = [([],), (["a"],), (['say "hi"\\', "é", ""],), (["😀", "\x00\n", "\u2028", "/"],), (["x"] * 40,)]
FLOATS = [([],), ([0.0, -0.0, 1.5],), ([math.nan, math.inf, -math.inf],), ([1e22, 1e-7, 0.1 + 0.2],), ([2.0**53],)]
INTS = [([],), ([0, -1, 2**63 - 1, -(2**63)],), ([7],)]
OTHERS = [("list<f64>", FLOATS), ("list<i64>", INTS), ("list<bool>", [([True, False],), ([],)])]


@pytest.mark.parametrize(
    "source",
    ["json.dumps(a)", "json.dumps({'a': a, 'n': len(a)})", "json.dumps([a, [a]])", "json.dumps(a[1:])",
     "json.dumps(a, ensure_ascii=False)", "json.dumps({'a': a}, separators=(',', ':'))", "json.dumps(sorted(a))"],
)  # fmt: skip
def test_lists_of_the_row(source):
    check(f"lambda a: {source}", ("list<str>",), rows=WORDS, json=json)


@pytest.mark.parametrize(("type", "rows"), OTHERS)
def test_lists_of_other_elements(type, rows):
    check("lambda a: json.dumps({'values': a})", (type,), rows=rows, needless=1, json=json)


@pytest.mark.parametrize("source", ["json.dumps(a, indent=1)", "json.dumps(a, allow_nan=False)", "json.dumps(a, sort_keys=True)"])
def test_options_of_lists_that_are_refused(source):
    with pytest.raises(Refusal) as refused:
        check(f"lambda a: {source}", ("list<str>",), rows=WORDS, json=json)
    assert refused.value.code == "SW262"


LOOPS = [
    "d = {}\n    for x in a:\n        d[x] = len(x)\n    return json.dumps(d)",
    "d = {}\n    for x in sorted(a):\n        d[x] = d.get(x, 0) + 1\n    return json.dumps(d)",
    "for x in a:\n        if x == 'é':\n            return json.dumps({'found': x, 'of': a})\n    return json.dumps(None)",
    "found = []\n    for x in a:\n        found.append({'x': x, 'n': len(x)})\n    return json.dumps(found)",
    "found = []\n    for x in a:\n        found.append((x, len(x) > 1))\n    return json.dumps(found)",
    "d = []\n    for x in a:\n        d.append({'x': x if x else None})\n    return json.dumps({'all': d})",
    "d = {'n': 0, 'x': None}\n    for x in a:\n        d['n'] += 1\n        d['x'] = x\n    return json.dumps(d)",
    "return json.dumps({x: x.upper() for x in a})",
]


@pytest.mark.parametrize("body", LOOPS)
def test_what_a_function_makes(body):
    check(f"def f(a):\n    {body}", ("list<str>",), rows=WORDS, json=json)


DOCUMENTS = [
    (json.dumps(x),) for x in (
        [], ["a"], ["b", None], [1, 2], [0, -1], [1.0], [True], ["1"], {"a": 1}, {}, "abc", 7, [[1], "a"], ["é", "\n"], [2**70],
    )
] + [("null",), ('["\\u0061"]',), ("[-0]",)]  # fmt: skip
CAUGHT = "def f(a):\n    try:\n        return {}\n    except TypeError:\n        return None"


@pytest.mark.parametrize(
    "source",
    ["'a' in json.loads(a)", "None in json.loads(a)", "1 in json.loads(a)", "0 in json.loads(a)", "len(a) in json.loads(a)",
     "a[2:3] in json.loads(a)", "'a' not in json.loads(a)"],
)  # fmt: skip
def test_elements_of_arrays(source):
    check(CAUGHT.format(source), ("str",), rows=DOCUMENTS, needless=2, json=json)


@pytest.mark.parametrize(
    "source",
    ["type(x) is list", "type(x) == dict", "type(x) in (int, float)", "type(x) is str", "type(x) is bool", "type(x) != list"],
)
def test_classes(source):
    check(f"def f(a):\n    x = json.loads(a)\n    return {source}", ("str",), rows=[(d,) for (d,) in DOCUMENTS if d != "null"],
          json=json)  # fmt: skip


def chosen(text):
    try:
        data = json.loads(text) if text else {}
        out = {}
        for key in ["name", "size"]:
            value = data.get(key)
            if value is not None:
                out[key] = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return out
    except ValueError:
        return {}


def test_strings_of_json_in_a_map():
    texts: list[Any] = ['{"name": "é", "size": [1, 2]}', '{"size": 2.5}', "{}", "", None, '{"name": null}', "{x", '{"name": {}}']
    batch = pa.record_batch({"t": pa.array(texts)})
    compared = compare_with_worker(chosen, [batch], MapType(StringType(), StringType()), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1 and not compared.flagged, compared


def total_of(text):
    order = json.loads(text)
    return float(sum(item["qty"] * item["price"] * (1 + item["tax"]) for item in order["items"]))


def test_sums_of_products_of_json():
    """Numbers of each class. Rows with a string or a large integer run in Python, which may raise."""
    items = ['{"qty": 2, "price": 3, "tax": 0.5}', '{"qty": 1, "price": 1.5, "tax": 0}', '{"qty": true, "price": 9.99, "tax": 1}']
    others = ['{"qty": "a", "price": 3, "tax": 0}', '{"qty": 12345678901234567890, "price": 3, "tax": 0}', '{"qty": 1}']
    for item in (*items, *others):
        batch = pa.record_batch({"t": pa.array([f'{{"items": [{", ".join(parts)}]}}' for parts in ([], items, [*items, item])])})
        compared = compare_with_worker(total_of, [batch], DoubleType(), ARROW_BATCHED, kernel=True)
        assert not compared.refused and compared.flagged == (item in others), compared
