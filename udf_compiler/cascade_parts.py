"""Splits a payload that holds a cascade into functions below joins and a function for the rows that remain above them.

It answers `cascade_parts` requests. Below the joins, two functions compute for which rows the small model is sure, and its
answers. Above the joins, the function itself, with the full model, is called for the other rows. Each is the user's function
with another estimator in place of the cascade, so the code around the model is unchanged. For `full_model` requests, it
substitutes the full model alone.
"""

from __future__ import annotations

import io
import types
from collections.abc import Callable, Sequence
from typing import Any

from pyspark import cloudpickle
from pyspark.core.broadcast import Broadcast, _broadcastRegistry, _from_id
from pyspark.sql.types import DoubleType

from sparkweld.ir import Program, parse_program
from sparkweld.reasons import refusal
from sparkweld.willump import cascade
from udf_compiler.payload import read_broadcast, read_command
from udf_compiler.pipeline import compile_pipeline, worker_environment
from udf_compiler.substitution import as_text, returns_watched

#: Result types whose values are unchanged when boxed as objects.
_TYPES = ("boolean", "integer", "long", "double", "string")


def parts(request: dict[str, Any], blobs: Sequence[bytes]) -> dict[str, Any]:
    """Replies with status "ok", the base64 payloads `flags`, `answers` and `remaining`, and `reads`: the inputs of the first two.

    `flags` is null when the function of the request's first UDF holds no cascade. It is also null when keeping sure rows out
    of joins saves fewer nanoseconds per row than the request's `least`.

    ``flags(...) > 0.5``: whether the small model is sure of a row. ``answers(...)``: its answer. ``remaining(sure, answers,
    ...)``: the answer where it is sure; for the other rows the function's result with the full model, for any batch of them.
    Refuses SW953 unless this is proved: inputs that the first two do not read may influence only the full model's answers.
    """
    request = dict(request)
    least = request.pop("least", -float("inf"))
    udf = request["steps"][0]["udfs"][0]["udf"]
    with worker_environment(request):
        function, returned = read_command(blobs[udf["payload"]])
        found: list[Any] = []
        bare = _pickled((function, DoubleType()), _flags(False, found))
        if not found or min(map(_saved, found)) < least:
            return {"status": "ok", "flags": None}
        marked = _pickled((function, DoubleType()), _flags(True, found))
        answers, unseen = _pickled((function, returned), _answers), _pickled((function, DoubleType()), _unseen)
        rest = _pickled((function, returned), lambda made: made.full)
        function, _ = read_command(rest)
        remaining = _pickled((cascade.Remaining(function, max(made.unsure for made in found)), returned), None)
    if udf["returnType"] not in _TYPES:
        raise _refused(udf, f"its result is {udf['returnType']}")
    if any(argument.get("udf") is not None for argument in udf["args"]):
        raise _refused(udf, "its argument is another function's result")
    if any(_guards(loop) for loop in _program(_returning(request, "double"), blobs, udf, unseen).loops):
        raise _refused(udf, "besides its model it has rows that are Python's to decide")
    program = _program(_returning(request, "double"), blobs, udf, marked)
    if not returns_watched(program, request["outputs"][0]):
        raise _refused(udf, "its result is not the answer, as the model gives it")
    reads = {i.name for made in (program, _program(request, blobs, udf, answers)) for i in made.inputs}
    above = _program(_above(request), blobs, udf, remaining)
    if any(loop.some for loop in above.loops):
        raise _refused(udf, "a batch without any value is another one")
    made = {"flags": bare, "answers": answers, "remaining": remaining}
    return {"status": "ok", **{name: as_text(data, udf) for name, data in made.items()}, "reads": sorted(reads)}


def full_model(request: dict[str, Any], blobs: Sequence[bytes]) -> dict[str, Any]:
    """Replies with status "ok", `payload` (base64) with the full models in place of the cascades, and the cascades' `paths`.

    The payload is null when the function of the request's first UDF holds no cascade.
    """
    found: list[Any] = []

    def make(given: Any) -> Any:
        found.append(given)
        return given.full

    udf = request["steps"][0]["udfs"][0]["udf"]
    with worker_environment(request):
        payload = _pickled(read_command(blobs[udf["payload"]]), make)
    paths = [given.watched["path"] for given in found if given.watched]
    return {"status": "ok", "payload": as_text(payload, udf) if found else None, "paths": paths}


def _saved(given: Any) -> float:
    """Returns the nanoseconds saved per row: the joins of sure rows, minus one extra evaluation of the small model."""
    costs = given.watched or {"joinCost": 0.0, "smallCost": 0.0}
    return float((1 - given.unsure) * costs["joinCost"] - costs["smallCost"])


def _guards(loop: Any) -> bool:
    return bool(loop.guards or loop.some)


def _refused(udf: dict[str, Any], why: str) -> Exception:
    return refusal("SW953", what="cascade below a join", udf=udf["name"], why=why)


def _flags(marked: bool, found: list[Any]) -> Callable[[Any], Any]:
    def make(given: Any) -> Any:
        found.append(given)
        made = _small(given, flags=True)
        made.marked, made.about = marked, given.about
        made.watched = None if marked else given.watched
        return made

    return make


def _answers(given: Any) -> Any:
    return _small(given, flags=False)


def _small(given: Any, flags: bool) -> cascade.Small:
    return cascade.Small(given.small, given.threshold, given.judge, getattr(given, "classes_", None), flags)


def _unseen(given: Any) -> cascade.Unseen:
    return cascade.Unseen(len(getattr(given, "classes_", ())))


def _program(request: dict[str, Any], blobs: Sequence[bytes], udf: dict[str, Any], payload: bytes) -> Program:
    given = list(blobs)
    given[udf["payload"]] = payload
    reply = compile_pipeline({**request, "op": "compile", "rowwise": False}, given)
    if reply["status"] != "ok":
        first = reply["refusals"][0]
        raise _refused(udf, f"{first['code']} {first['message']}")
    return parse_program(reply["program"], reply["blocks"])


def _changed(request: dict[str, Any], inputs: Sequence[dict[str, Any]], **changes: Any) -> dict[str, Any]:
    """Returns the request with additional inputs and other properties of its function."""
    step = request["steps"][0]
    entry = step["udfs"][0]
    one = {**entry, "udf": {**entry["udf"], **changes}}
    return {**request, "inputs": [*request["inputs"], *inputs], "steps": [{**step, "udfs": [one]}, *request["steps"][1:]]}


def _returning(request: dict[str, Any], type: str) -> dict[str, Any]:
    return _changed(request, (), returnType=type)


def _above(request: dict[str, Any]) -> dict[str, Any]:
    """Returns the request for the function of the remaining rows."""
    udf = request["steps"][0]["udfs"][0]["udf"]
    given = [{"name": "sure#", "type": "boolean", "nullable": False, "state": "dense"},
             {"name": "known#", "type": udf["returnType"], "nullable": True, "state": "nullable"}]  # fmt: skip
    arguments = [{"name": None, "expr": {"op": "Column", **{k: g[k] for k in ("name", "type", "nullable")}}} for g in given]
    return _changed(request, given, args=[*arguments, *udf["args"]])


class _Parts(cloudpickle.CloudPickler):  # type: ignore[misc]
    """A pickler that replaces each cascade by the result of `make`.

    A broadcast cascade becomes a holder of that result. Other broadcasts are unchanged.
    """

    def __init__(self, file: Any, make: Callable[[Any], Any] | None) -> None:
        super().__init__(file)
        self._make = make

    def reducer_override(self, obj: Any) -> Any:
        if self._make is not None and _is_cascade(obj):
            return getattr, (types.SimpleNamespace(value=self._make(obj)), "value")  # a call that needs no SparkWeld package
        if isinstance(obj, Broadcast):
            if self._make is not None and _is_cascade(given := read_broadcast(obj)):
                return types.SimpleNamespace, (), {"value": self._make(given)}
            return _from_id, (next(number for number, known in _broadcastRegistry.items() if known is obj),)
        return super().reducer_override(obj)


def _is_cascade(obj: Any) -> bool:
    kind = type(obj)
    return (kind.__module__, kind.__qualname__) == (cascade.__name__, cascade.Cascade.__qualname__)


def _pickled(command: tuple[Any, Any], make: Callable[[Any], Any] | None) -> bytes:
    """Pickles a command so that a worker reads it without this package."""
    file = io.BytesIO()
    cloudpickle.register_pickle_by_value(cascade)
    try:
        _Parts(file, make).dump(command)
    finally:
        cloudpickle.unregister_pickle_by_value(cascade)
    return file.getvalue()
