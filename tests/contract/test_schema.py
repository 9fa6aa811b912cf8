"""Checks the dataclasses of messages and the shared constants against `schema.json` and `constants.json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from inspect import signature
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import pytest

from sparkweld.contract import constants, expressions, replies, requests, spark_types
from sparkweld.contract.decoding import default_of, hints_of, is_constant, wire_name
from sparkweld.worker.arrow import in_arrow_batches
from sparkweld.worker.counts import Counts
from sparkweld.worker.function import Function
from udf_compiler.backends.worker_pipelines.payload import _unfused
from udf_compiler.eval_types import KINDS, MAPS, sees_batch_state

SCHEMA = json.loads((Path(constants.__file__).with_name("schema.json")).read_text(encoding="utf-8"))
DEFINITIONS = SCHEMA["$defs"]
#: Definitions that are no class: unions, and the type that is decoded to its name.
UNIONS = {"AnyRequest", "AnyReply", "SparkType"}
CLASSES = {
    name: cls
    for module in (requests, replies, spark_types, expressions)
    for name, cls in vars(module).items()
    if isinstance(cls, type) and is_dataclass(cls) and cls.__module__ == module.__name__
}
_JSON = {str: "string", bool: "boolean", int: "integer", float: "number", NoneType: "null"}


def schema_of(annotation: Any) -> dict[str, Any]:
    """Returns the schema of a field's type."""
    origin, args = get_origin(annotation), get_args(annotation)
    if annotation == spark_types.SparkType or spark_types.SparkType in args:
        return {"$ref": "#/$defs/SparkType"}
    if origin in (Union, UnionType):
        return _union([arg for arg in args if arg is not NoneType], NoneType in args)
    if origin is Literal:
        return {"const": args[0]} if len(args) == 1 else {"enum": list(args)}
    if origin is tuple:
        return {"type": "array", "items": schema_of(args[0])}
    if origin is Mapping:
        return {"type": "object"} if args[1] is Any else {"type": "object", "additionalProperties": schema_of(args[1])}
    return {"$ref": f"#/$defs/{annotation.__name__}"} if is_dataclass(annotation) else {"type": _JSON[annotation]}


def _union(types: list[Any], nullable: bool) -> dict[str, Any]:
    made = [schema_of(type) for type in types]
    if all(set(one) == {"type"} for one in made):
        names = ["null"] * nullable + [one["type"] for one in made]
        return {"type": names if len(types) > 1 else [*names[nullable:], *names[:nullable]]}
    if not nullable:
        return {"oneOf": made}
    (one,) = made
    return {**one, "type": [one["type"], "null"]} if "type" in one else {"anyOf": [one, {"type": "null"}]}


def _own(definition: dict[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """Returns the properties of a definition and of those that it extends, and the names of the required ones."""
    properties, required = dict(definition.get("properties", {})), set(definition.get("required", ()))
    for base in definition.get("allOf", ()):
        inherited, needed = _own(DEFINITIONS[base["$ref"].rpartition("/")[2]])
        properties, required = inherited | properties, needed | required
    return properties, required


def test_each_definition_is_a_class_and_has_a_description():
    assert DEFINITIONS.keys() - UNIONS == CLASSES.keys()
    assert all(definition["description"].endswith(".") for definition in DEFINITIONS.values())


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_has_the_fields_of_its_definition(name):
    cls, (properties, required) = CLASSES[name], _own(DEFINITIONS[name])
    hints = hints_of(cls)
    assert {wire_name(field.name) for field in fields(cls)} == properties.keys()
    needed = {wire_name(f.name) for f in fields(cls) if is_constant(hints[f.name]) or default_of(f) is MISSING}
    assert needed == required
    for field in fields(cls):
        described = {key: value for key, value in properties[wire_name(field.name)].items() if key != "description"}
        assert described == schema_of(hints[field.name]), field.name


@pytest.mark.parametrize("name", CLASSES)
def test_only_a_definition_that_others_extend_allows_more_fields(name):
    definition = DEFINITIONS[name]
    extended = any({"$ref": f"#/$defs/{name}"} in other.get("allOf", ()) for other in DEFINITIONS.values())
    closed = definition.get("unevaluatedProperties", definition.get("additionalProperties"))
    assert closed is None if extended else closed is False


def test_each_operation_has_its_request_and_its_reply():
    operations = {op: about for op, about in SCHEMA["operations"].items() if op != "description"}
    assert {op: about["request"]["$ref"] for op, about in operations.items()} == {
        op: f"#/$defs/{cls.__name__}" for op, cls in requests.REQUESTS.items()
    }
    answers = {CLASSES[about["reply"]["$ref"].rpartition("/")[2]] for about in operations.values()}
    final = {cls for cls in CLASSES.values() if issubclass(cls, replies.Reply) and not cls.__subclasses__()}
    assert final - answers == {replies.Refused, replies.ErrorReply}


def test_eval_types_are_those_of_pyspark():
    from tests.helpers.lines import PythonEvalType, is_known

    names = {constants.BATCHED: "BATCHED", constants.ARROW_BATCHED: "ARROW_BATCHED", constants.MAP_ARROW: "MAP_ARROW_ITER"}
    names |= {constants.SCALAR_PANDAS: "SCALAR_PANDAS", constants.SCALAR_PANDAS_ITERATOR: "SCALAR_PANDAS_ITER"}
    names |= {constants.SCALAR_ARROW: "SCALAR_ARROW", constants.SCALAR_ARROW_ITERATOR: "SCALAR_ARROW_ITER"}
    names |= {constants.GROUPED_AGG_PANDAS: "GROUPED_AGG_PANDAS", constants.GROUPED_AGG_ARROW: "GROUPED_AGG_ARROW"}
    names |= {constants.MAP_PANDAS: "MAP_PANDAS_ITER"}
    known = {number: name for number, name in names.items() if is_known(number)}
    assert {number: getattr(PythonEvalType, f"SQL_{name}_UDF") for number, name in known.items()} == {n: n for n in known}
    assert {n for n in {*KINDS, *MAPS} if sees_batch_state(n)} == constants.BATCH_STATE_EVAL_TYPES


def test_fused_functions_take_the_starts_of_batches():
    unfused = _unfused(lambda: lambda x: x, (None, None), in_arrow_batches)()
    assert constants.STARTS in signature(Function.__call__).parameters and constants.STARTS in signature(unfused).parameters


def test_counters_have_the_layout_of_the_contract():
    counts = Counts()
    counts.kernel_seconds, counts.call_seconds, counts.original_rows, counts.repeated_rows = 0.001, 1e9, 7, 9
    size = constants.COUNTER_BYTES * len(constants.COUNTERS)
    assert not counts.told(size - 1).any()
    made = counts.told(size + 1).tobytes()
    cut = [made[at : at + constants.COUNTER_BYTES] for at in range(0, size, constants.COUNTER_BYTES)]
    assert dict(zip(constants.COUNTERS, (int.from_bytes(one, "little") for one in cut), strict=True)) == {
        "kernelMicros": 1000, "callMicros": 2 ** (8 * constants.COUNTER_BYTES) - 1, "originalRows": 7,
        "repeatedRows": 9,
    }  # fmt: skip
    assert made[size:] == b"\0" and not counts.told(size).any()
