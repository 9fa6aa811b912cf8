"""Checks that messages of the JVM and of the service are valid under the schema, and are the same after decoding and encoding.

`recorded.jsonl` has requests of the JVM and their replies, for each operation and status. They were recorded from the tests in
tests/spark; long strings and lists are shortened, and folders renamed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sparkweld.contract import constants
from sparkweld.contract.decoding import decode, encode
from sparkweld.contract.requests import REQUESTS, read_request
from tests.contract.test_schema import CLASSES
from tests.helpers.compile_requests import call, column, literal, payload, python_step, request, udf
from udf_compiler.service.protocol import Message
from udf_compiler.service.server import Service

SCHEMA = json.loads(Path(constants.__file__).with_name("schema.json").read_text(encoding="utf-8"))
RECORDED = [json.loads(line) for line in Path(__file__).with_name("recorded.jsonl").read_text(encoding="utf-8").splitlines()]
ABOVE = {"kind": "filter", "condition": call("GreaterThan", column("r"), literal("0x1.0p0", "double"))}
OF_HELPERS: dict[str, Any] = {
    "compile": request(python_step(r=udf(0, "a")), ABOVE),
    "catalyst_equivalent": request(python_step(r=udf(0, "a"))),
    "implied": request(python_step(r=udf(0, "a")), ABOVE, outputs=[]),
    "independent": request(python_step(r=udf(0, "a"))),
    "keeps_arguments": request(python_step(r=udf(0, "a"))),
    "reads": request(python_step(r=udf(0, "a", column("b"))), inputs={"a": "double", "b": "double"}),
    "parts": request(python_step(r=udf(0, "a"))) | {"others": ["a"]},
    "side_condition": request(python_step(r=udf(0, "a", column("b"))), ABOVE, inputs={"a": "double", "b": "double"}, outputs=[])
    | {"others": ["b"]},
    "fuse": request(python_step(r=udf(0, "a"))),
    "cut": request(python_step(r=udf(0, udf(0, "a", evalType=constants.BATCHED), evalType=constants.BATCHED))),
    "aggregate": request(python_step(r=udf(0, "a", evalType=constants.GROUPED_AGG_PANDAS))) | {"frames": 1.0},
    "partial": request(python_step(r=udf(0, "a", evalType=constants.GROUPED_AGG_PANDAS))) | {"keys": 1},
    "cascade": request(python_step(r=udf(0, "a"))) | {"cascades": "/nowhere", "state": ""},
    "ranking": request(python_step(r=udf(0, "a"))) | {"rankings": "/nowhere", "state": ""},
    "full_model": request(python_step(r=udf(0, "a"))),
    "table": request(python_step(r=udf(0, "a", evalType=constants.BATCHED))),
}


def validate(message: dict[str, Any], definition: str) -> None:
    """Raises AssertionError for a message that is not valid under a definition of the schema."""
    schema = {"$ref": f"#/$defs/{definition}", "$defs": SCHEMA["$defs"]}
    validator = jsonschema.Draft202012Validator(schema)
    faults = [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(message)]
    assert not faults, faults


def check(asked: dict[str, Any], reply: dict[str, Any]) -> None:
    """Checks a request and its reply against the schema and against their classes."""
    validate(asked, "AnyRequest")
    validate(asked, REQUESTS[asked["op"]].__name__)
    read = read_request(asked)
    assert read_request(json.loads(json.dumps(encode(read)))) == read
    final = {"ok": SCHEMA["operations"][asked["op"]]["reply"]["$ref"].rpartition("/")[2], "refused": "Refused"}
    name = final[reply["status"]]
    validate(reply, name)
    made = decode(CLASSES[name], reply)
    assert decode(CLASSES[name], json.loads(json.dumps(encode(made)))) == made


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("pair", RECORDED, ids=lambda pair: f"{pair['request']['op']}-{pair['reply']['status']}")
def test_recorded_messages(pair):
    check(pair["request"], pair["reply"])


def test_every_operation_is_recorded():
    assert {pair["request"]["op"] for pair in RECORDED} == REQUESTS.keys()


@pytest.mark.parametrize("op", OF_HELPERS)
def test_messages_of_the_helpers(op):
    def function(a, b=1.0):
        return a * 2.0

    def of_group(a):
        return a.sum()

    grouped = op in ("aggregate", "partial")
    asked = {**OF_HELPERS[op], "op": op, "id": 1, "cpuMs": 60_000}
    reply, _ = Service().answer(Message(asked, (payload(of_group if grouped else function),)))
    assert reply["status"] in ("ok", "refused"), reply["message"]
    check(asked, reply)
