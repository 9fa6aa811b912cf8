"""Compares functions that collect members of JSON in lists, in loops over JSON, with PySpark's worker."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, DoubleType, LongType, StringType, StructType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

NAMED = ArrayType(StructType().add("a", StringType()).add("n", LongType()))
MEASURED = ArrayType(StructType().add("a", StringType()).add("n", DoubleType()))
STRINGS = ArrayType(StructType().add("k", StringType()).add("v", StringType()))
TEXTS, NUMBERS, FLOATS = ArrayType(StringType()), ArrayType(LongType()), ArrayType(DoubleType())
#: Arrays whose members have the declared classes, are null, or are missing.
FITTING = [
    '[{"a":"x","n":1,"b":"y"},{"a":"y","n":3}]', "[]", '[{"a":null}]', '[{"a":"q","n":null}]', '[{"n":2},{"a":"q","n":7}]',
    '[{"a":"\\u00e9\\n","n":-5}]', '[{"a":"x","a":"z"}]', '[{"a":"", "n":0}, {}]', " [ {} ]",
]  # fmt: skip
#: Arrays with members of other classes, large numbers, and documents that are no arrays of dicts.
OTHERS = [
    '[{"a":5}]', '[{"a":[1]}]', '[{"a":"x","n":1},{"a":1.5}]', '[{"n":"1"}]', '[{"n":1.5}]', '[{"n":true}]', '[{"a":{"b":1}}]',
    '[{"n":123456789012345678901234567890}]', "{}",
]  # fmt: skip
RAISING = ["[1]", "[null]", '["a"]', '{"a":1}', "bad", None, "7", '"text"', "[[1]]", "null", ""]


def tuples(s):
    return [(e.get("a"), e.get("n")) for e in json.loads(s)]


def dicts(s):
    return [{"n": e.get("n"), "a": e.get("a")} for e in json.loads(s)]


def appended_dicts(s):
    out = []
    for e in json.loads(s):
        out.append({"n": e.get("n"), "a": e.get("a", "none")})
    return out


def appended_tuples(s):
    out = [("first", 0)]
    for e in json.loads(s):
        pair = (e.get("a"), e.get("n", 0))
        out.append(pair)
    return out


def computed(s):
    out = []
    for e in json.loads(s):
        if e.get("n") is not None:
            out.append((e.get("a"), e["n"] * 2))
        else:
            out.append((None, None))
    return out


def numbered(s):
    out = []
    for i, e in enumerate(json.loads(s)):
        out.append((e.get("a"), i))
    return out


def changed_later(s):
    out = []
    row = {"a": "x", "n": 1}
    for e in json.loads(s):
        row["a"] = e.get("a")
        out.append(row)
    return out


def with_others(s, t):
    out = []
    for e in json.loads(s):
        out.append((t, e.get("n")))
    return out


@pytest.mark.nightly_cases("computed", "numbered")
@pytest.mark.parametrize("function", [tuples, dicts, appended_dicts, appended_tuples, computed, numbered])
def test_structs(function):
    fitting = compare(function, NAMED, FITTING)
    assert fitting.decided == 1 and not fitting.flagged and not fitting.refused
    for document in OTHERS:
        assert not compare(function, NAMED, [*FITTING, document]).refused
    for document in RAISING:
        compare(function, NAMED, [document])


def test_fields_of_other_classes():
    floats = ['[{"a":"x","n":1.5},{"n":-0.0}]', '[{"a":null,"n":1e3}]', "[]", '[{"n":null}]']
    assert compare(tuples, MEASURED, floats).decided == 1 and not compare(tuples, MEASURED, floats).flagged
    assert compare(tuples, MEASURED, [*floats, '[{"n":1}]']).flagged == 1
    assert compare(tuples, STRINGS, ['[{"a":"x","n":"y"}]', "[{}]"]).decided == 1


def test_arguments_that_may_be_none():
    batch = pa.record_batch({"s": FITTING, "t": ["x", None, "y", None, "z", "", "v", None, "w"]})
    made = compare_with_worker(with_others, [batch], NAMED, ARROW_BATCHED, kernel=True)
    assert made.decided == 1 and not made.flagged


def test_a_dict_that_changes_later():
    assert compare(changed_later, NAMED, FITTING).refused


def names(s):
    out = []
    for e in json.loads(s):
        out.append(e.get("a"))
    return out


def some_names(s):
    data = json.loads(s)
    out = []
    for e in data.get("items", []):
        name = e.get("a")
        if name:
            out.append(name)
    return ",".join(out)


def values(s):
    return [e["n"] for e in json.loads(s)]


def members(s):
    out = []
    for k, v in json.loads(s).items():
        out.append((k, v))
    return out


def of_members(s):
    data = json.loads(s)
    user = data.get("user")
    out = []
    for e in data.get("events", []):
        out.append((user, e))
    return out


def of_keys(s):
    data = json.loads(s)
    out = []
    for key in ("a", "b"):
        out.append((key, data.get(key)))
    return out


def test_strings_and_numbers():
    """Rows with null in place of a string or number run in Python."""
    assert compare(names, TEXTS, ['[{"a":"x"},{"a":""}]', "[]"]).decided == 1
    assert compare(names, TEXTS, [*FITTING, '[{"a":"x"}]']).flagged == 1
    assert compare(values, NUMBERS, ['[{"n":1},{"n":-7}]', "[]"]).decided == 1
    assert compare(values, FLOATS, ['[{"n":1.5},{"n":0.0}]', "[]"]).decided == 1
    assert compare(values, TEXTS, ['[{"n":"x"}]', '[{"n":1}]']).flagged == 1
    items = [f'{{"items":{x}}}' for x in FITTING]
    assert compare(some_names, StringType(), ["{}", '{"items":[{"a":"x"},{"a":""},{"a":null},{}]}', *items]).decided == 1
    for document in ['{"items":null}', '{"items":{}}', '{"items":"ab"}', '{"items":[{"a":1}]}', '{"items":[1]}']:
        assert not compare(some_names, StringType(), [document]).refused


@pytest.mark.gate_cases("of_keys-documents2-others2", "members-documents0-others0")
@pytest.mark.parametrize(
    ("function", "documents", "others"),
    [
        (members, ['{"a":"x","b":"y"}', "{}", '{"a":null}', '{"a":"x","a":"z"}'], ['{"a":1}', "[]", '{"a":[1]}']),
        (
            of_members, ['{"user":"u","events":["x","y"]}', "{}", '{"events":[null,"x"]}', '{"user":null,"events":[]}'],
            ['{"user":1,"events":["x"]}', '{"user":"u","events":[1]}', '{"user":"u","events":{"x":1}}', '{"events":null}'],
        ),
        (of_keys, ['{"a":"x"}', "{}", '{"a":null,"b":"é"}'], ['{"a":1}', '{"a":[]}', "[]"]),
    ],
)  # fmt: skip
def test_members(function, documents, others):
    made = compare(function, STRINGS, documents)
    assert made.decided == 1 and not made.flagged and not made.refused
    for document in others:
        assert not compare(function, STRINGS, [*documents, document]).refused


def compare(function, returns, documents):
    """Returns the counts of one batch, which a kernel and PySpark's worker compute."""
    batch = pa.record_batch({"s": pa.array(documents, pa.string())})
    return compare_with_worker(function, [batch], returns, ARROW_BATCHED, kernel=True)
