"""Compares functions that return members of JSON in a struct with PySpark's worker."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest
from pyspark.sql.types import StringType, StructType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

#: Documents whose members have the declared classes, are null, or are missing; and what is no document.
FITTING = [
    '{"type":"a","id":3,"amount":2.5,"price":1,"flag":true}', '{"type":"view"}', "{}", '{"type":null,"amount":null,"id":null}',
    '{"type":"é\\n\\"x\\"","id":"c","kind":"q","amount":1.5,"price":2.5,"flag":false}', '{"type":"","flag":null,"price":0}',
]  # fmt: skip
BROKEN = ["[3]", "x", "", None, '"type"', "null", "7", '{"type":']
#: Documents with members of other classes, each in a batch of its own.
OTHERS = ['{"type":5}', '{"type":["a"]}', '{"type":{"a":1}}', '{"type":true}', '{"flag":1}', '{"amount":1}', '{"flag":"no"}']
EVENT = "kind string, port string, source string, amount double, price double"
MEMBERS = "type string, flag boolean, amount double"


def batches(*documents):
    return [pa.record_batch({"s": pa.array(list(documents), pa.string())})]


def event(s):
    try:
        o = json.loads(s)
        return (
            o.get("type"), str(o.get("id")), o.get("kind", "unknown"), float(o.get("amount", 0.0)),
            float(o.get("price", None)) if o.get("price") else None,
        )  # fmt: skip
    except Exception:  # noqa: BLE001 - as people write it
        return (None, None, None, None, None)


def members(s):
    o = json.loads(s)
    return o.get("type"), o.get("flag"), o.get("amount")


def read_again(s):
    o = json.loads(s)
    for key in s.split(","):
        if key == "end":
            return None
    return o.get("type"), o.get("flag"), float(o.get("amount", None)) if o.get("amount") else None


def many_members(s):
    o = json.loads(s)
    return (
        o.get("type"), o.get("kind"), o.get("a"), o.get("b"), o.get("c"), o.get("d"), o.get("e"), o.get("f", "none"),
        o.get("g", "") or "empty", o.get("h"),
    )  # fmt: skip


def as_a_dict(s):
    o = json.loads(s)
    return {"type": o.get("type"), "flag": o.get("flag"), "amount": o.get("amount")}


def in_a_loop(s):
    o, found = json.loads(s), 0
    for name in ("id", "price", "kind"):
        if o.get(name) is not None:
            found += 1
    return o.get("type"), found > 1, o.get("amount", 0.25)


def struct(fields):
    made = StructType()
    for field in fields.split(", "):
        made.add(*field.split())
    return made


CASES = [(members, MEMBERS), (as_a_dict, MEMBERS), (in_a_loop, MEMBERS), (read_again, MEMBERS), (event, EVENT)]


@pytest.mark.nightly_cases("event-kind string, port string, source string, amount double, price double")
@pytest.mark.parametrize(("function", "fields"), CASES)
def test_members_of_the_declared_classes(function, fields):
    compared = compare_with_worker(function, batches(*FITTING), struct(fields), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared


def test_ten_members_make_no_product_of_paths():
    fields = ", ".join(f"f{at} string" for at in range(10))
    compared = compare_with_worker(many_members, batches(*FITTING), struct(fields), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared


@pytest.mark.nightly("test_documents_that_cannot_be_read")
def test_documents_that_a_long_function_cannot_read():
    compared = compare_with_worker(event, batches(*FITTING, *BROKEN), struct(EVENT), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared


def test_documents_that_cannot_be_read():
    found = [compare_with_worker(members, batches(x), struct(MEMBERS), ARROW_BATCHED, kernel=True) for x in BROKEN]
    assert {(x.flagged, x.raised) for x in found} == {(1, 1)}, found


@pytest.mark.parametrize("function", [members, in_a_loop])
def test_members_of_other_classes_run_in_python(function):
    for document in OTHERS:
        compared = compare_with_worker(function, batches(FITTING[0], document), struct(MEMBERS), ARROW_BATCHED, kernel=True)
        assert not compared.refused, compared
    assert compare_with_worker(function, batches(OTHERS[0]), struct(MEMBERS), ARROW_BATCHED).flagged == 1


def test_members_of_a_type_without_a_class_are_refused():
    compared = compare_with_worker(members, batches(*FITTING), struct("a string, b string, c date"), ARROW_BATCHED)
    assert compared.refused == "SW293", compared


def text_of_members(s):
    o = json.loads(s)
    name, count = o.get("type"), o.get("id", 7)
    made = f"{name}/{count}/{o.get('kind', 'x')}"
    for part in ("a", "b"):
        if name and part in name:
            made += part
    return made + str(o.get("flag")) + ("" if o.get("price") is None else "p")


def defaults(s):
    o = json.loads(s)
    total = 0.0
    for name in ("amount", "price"):
        total += float(o.get(name, 1) or 0)
    flag = o.get("flag", False)
    return f"{total}{flag is True}{o.get('kind', 'none').upper()}{o.get('absent', True)}{o.get('absent', -2.5)}"


def identities(s):
    o, found = json.loads(s), 0
    for name in ("flag", "type", "amount"):
        if o.get(name) is True:
            found += 1
        if o.get(name, False) is False:
            found += 10
    return str(found) + str(o.get("flag", True) is not True)


def test_members_that_are_used():
    compared = compare_with_worker(text_of_members, batches(*FITTING), StringType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared
    for document in (*BROKEN, *OTHERS):
        assert not compare_with_worker(text_of_members, batches(document), StringType(), ARROW_BATCHED, kernel=True).refused


@pytest.mark.parametrize("function", [defaults, identities])
def test_members_whose_identity_is_tested(function):
    compared = compare_with_worker(function, batches(*FITTING), StringType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared
    for document in (*BROKEN, *OTHERS):
        assert not compare_with_worker(function, batches(document), StringType(), ARROW_BATCHED, kernel=True).refused
