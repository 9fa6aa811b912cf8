"""Checks that wrong messages yield clear errors, and that the service answers the next request."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from sparkweld.contract.decoding import MessageError, decode, encode, return_type_of
from sparkweld.contract.expressions import Expression
from sparkweld.contract.requests import CompileRequest, Settings, read_request
from sparkweld.contract.spark_types import StructType
from tests.helpers.compile_requests import call, column, literal, payload, python_step, request, udf
from udf_compiler.service.protocol import Message
from udf_compiler.service.server import Service

FILTER = {"kind": "filter", "condition": call("IsNotNull", column("a"))}
GOOD = request(python_step(r=udf(0, "a", udf(0, "a"))), FILTER)


def _udf(message: dict[str, Any]) -> dict[str, Any]:
    return message["steps"][0]["udfs"][0]["udf"]  # type: ignore[no-any-return]


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "a key is missing": (lambda m: m.pop("inputs"), "inputs: missing"),
    "a nested key is missing": (lambda m: _udf(m).pop("evalType"), "steps[0].udfs[0].udf.evalType: missing"),
    "a text for a number": (
        lambda m: _udf(m)["args"][1]["udf"].update(evalType="200"),
        "steps[0].udfs[0].udf.args[1].udf.evalType: expected an integer",
    ),
    "a boolean for a number": (lambda m: _udf(m).update(payload=True), "steps[0].udfs[0].udf.payload: expected an integer"),
    "a number for a boolean": (lambda m: m.update(rowwise=1), "rowwise: expected a boolean"),
    "null": (lambda m: m.update(label=None), "label: expected a string"),
    "an object for an array": (lambda m: m.update(steps={}), "steps: expected an array"),
    "an array for an object": (lambda m: m["conf"].update(pandas=[]), "conf.pandas: expected an object"),
    "a wrong entry": (lambda m: m["conf"]["pandas"].update(x=1), "conf.pandas.x: expected a string or null"),
    "an unknown key": (lambda m: m["python"].update(folders=[]), "python.folders: unknown key"),
    "an unknown step": (lambda m: m["steps"][1].update(kind="sort"), "steps[1].kind: expected one of python, groups, filter, "),
    "a step without a kind": (lambda m: m["steps"][1].pop("kind"), "steps[1].kind: expected one of"),
    "another step's key": (lambda m: m["steps"][1].update(udfs=[]), "steps[1].udfs: unknown key"),
    "an unknown state": (lambda m: m["inputs"][0].update(state="some"), "inputs[0].state: expected 'dense' or 'nullable'"),
    "a wrong type": (lambda m: m["inputs"][0].update(type={"name": "double"}), "inputs[0].type: expected a type"),
    "a wrong value": (
        lambda m: m["steps"][1]["condition"]["args"].append({**literal(None, "long"), "value": [1]}),
        "steps[1].condition.args[1].value: expected null or a boolean or ",
    ),
}


@pytest.fixture(scope="module")
def service() -> Service:
    return Service()


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_message_names_its_fault_and_the_service_goes_on(name, service):
    change, what = WRONG[name]
    message = copy.deepcopy({**GOOD, "id": 1})
    change(message)
    reply, blobs = service.answer(Message(message, (payload(lambda a, b=1.0: a + b),)))
    assert (reply["id"], reply["status"], blobs) == (1, "error", ())
    assert reply["message"].startswith(f"MessageError: {what}")
    good, _ = service.answer(Message({**GOOD, "id": 2}, (payload(lambda a, b=1.0: a + b),)))
    assert (good["id"], good["status"]) == (2, "ok")


@pytest.mark.parametrize("op", [None, 1, "divine", ["compile"]])
def test_an_unknown_operation(op, service):
    reply, _ = service.answer(Message({"id": 3, "op": op}))
    assert reply["status"] == "error" and f"unknown request {op!r}; known: hello, shutdown, object, compile" in reply["message"]


def test_a_message_that_is_nested_too_deeply(service):
    expression = column("a", "boolean")
    for _ in range(100_000):
        expression = call("Not", expression)
    message = {**GOOD, "steps": [{"kind": "filter", "condition": expression}], "id": 4}
    reply, _ = service.answer(Message(message, ()))
    assert reply["status"] == "error" and "MessageError: CompileRequest: nested too deeply" in reply["message"]
    assert service.answer(Message({"id": 5, "op": "compile", **GOOD}, (payload(lambda a, b=1.0: a + b),)))[0]["status"] == "ok"


def test_what_is_decoded_is_encoded_again():
    message = {**GOOD, "id": 7, "rowwise": True, "conf": {"bounds": 64, "timeout": 5, "pandas": {"x": None}}}
    read = read_request(message)
    assert isinstance(read, CompileRequest) and read_request(json.loads(json.dumps(encode(read)))) == read
    assert encode(Settings()) == {}  # defaults are omitted


def test_the_literal_null_is_no_missing_value():
    null = decode(Expression, literal(None, "long"))
    assert null.is_null and encode(null)["value"] is None
    assert not decode(Expression, column("a")).is_null and "value" not in encode(decode(Expression, column("a")))


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("double", "double"),
        ({"type": "array", "elementType": "long", "containsNull": True}, "array<long>"),
        ({"type": "map", "keyType": "string", "valueType": {"type": "array", "elementType": "date"}}, "map<string,array<date>>"),
        ({"type": "udt", "class": "org.apache.spark.ml.linalg.VectorUDT"}, "org.apache.spark.ml.linalg.VectorUDT"),
    ],
)
def test_types_are_decoded_to_their_names(given, name):
    assert return_type_of(given) == name
    inside = {"type": "struct", "fields": [{"name": "x", "type": given, "nullable": True, "metadata": {"ml": {"n": 1}}}]}
    made = return_type_of(inside)
    assert isinstance(made, StructType) and made.fields[0].type == name and str(made) == f"struct<{name}>"
    assert decode(Expression, {"op": "Column", "type": inside}).type == f"struct<{name}>"


def test_a_wrong_type_is_named():
    with pytest.raises(MessageError, match=r"fields\[0\]\.name: missing"):
        return_type_of({"type": "struct", "fields": [{"type": "long"}]})
