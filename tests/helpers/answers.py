"""Answers requests that tests write as the JSON of the JVM: decodes them, compiles them, and encodes the replies."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sparkweld.contract.decoding import decode, encode
from sparkweld.contract.expressions import Expression
from sparkweld.contract.requests import PipelineRequest, WorkerDescription, read_request
from sparkweld.errors import Refusal
from sparkweld.ir import Program
from udf_compiler.service.replies import refused
from udf_compiler.service.server import TRANSLATIONS


def compile_pipeline(
    request: Mapping[str, Any], blobs: Sequence[bytes], check_size: Callable[[Program], None] | None = None
) -> dict[str, Any]:
    """Returns the reply of a compile request, with the blocks themselves in place of their digests."""
    from udf_compiler.requests import pipeline

    made = pipeline.compile_pipeline(read_request(request), blobs, check_size)  # type: ignore[arg-type]
    reply: dict[str, Any] = encode(made.reply)
    return reply if made.program is None else {**reply, "blocks": list(made.program.blocks)}


def or_refused(
    make: Callable[[Mapping[str, Any], Sequence[bytes]], dict[str, Any]], request: Mapping[str, Any], blobs: Sequence[bytes]
) -> dict[str, Any]:
    """Returns the reply of one of the functions below, or that with the refusal that it raises."""
    try:
        return make(request, blobs)
    except Refusal as error:
        return encode(refused(error))  # type: ignore[no-any-return]


def expression(given: Mapping[str, Any]) -> Expression:
    """Returns a Catalyst expression."""
    return decode(Expression, given)


def worker(**given: Any) -> WorkerDescription:
    """Returns a description of workers."""
    return decode(WorkerDescription, given)


def aggregate_compiler(request: Mapping[str, Any], function: Callable[..., Any]) -> Any:
    """Returns the compiler of `function` in place of the request's own."""
    from udf_compiler.backends.aggregates.compile import _Compiler

    asked = read_request({**request, "op": "aggregate"})
    assert isinstance(asked, PipelineRequest)
    return _Compiler(asked, asked.first_udf.udf, function)


def _answering(op: str) -> Callable[[Mapping[str, Any], Sequence[bytes]], dict[str, Any]]:
    def answer(request: Mapping[str, Any], blobs: Sequence[bytes]) -> dict[str, Any]:
        module, name = TRANSLATIONS[op]
        return encode(getattr(importlib.import_module(module), name)(read_request({**request, "op": op}), blobs))  # type: ignore[no-any-return]

    return answer


compile_aggregate = _answering("aggregate")
compile_catalyst_equivalent = _answering("catalyst_equivalent")
compile_implied = _answering("implied")
compile_side_condition = _answering("side_condition")
compile_independent = _answering("independent")
compile_keeps_arguments = _answering("keeps_arguments")
compile_reads = _answering("reads")
compile_parts = _answering("parts")
compile_fused = _answering("fuse")
compile_cut = _answering("cut")
compile_partial = _answering("partial")
with_cascade = _answering("cascade")
full_model = _answering("full_model")
with_ranking = _answering("ranking")
