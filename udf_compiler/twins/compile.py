"""A compile request to Catalyst expressions: of its results (`twin`), or of what its filter implies (`implied`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sparkweld.ir import Program, parse_program
from sparkweld.reasons import refusal
from udf_compiler.options import options_of
from udf_compiler.payload import load_command
from udf_compiler.pipeline import compile_pipeline
from udf_compiler.twins.expressions import twin_outputs
from udf_compiler.twins.monotone import implied_bounds

Reply = dict[str, Any]


def compile_twin(request: dict[str, Any], blobs: Sequence[bytes]) -> Reply:
    """The reply: status "ok" with `results` (one expression an output), `nodes`, `kept` and `notes`, or "refused".

    The request has no filter. Refused like a program, and when a result depends on its batch (SW390), on guards (SW391)
    or on an op without an exact twin; SW394 when the function asks for a kernel.
    """
    reply, program = _program(request, blobs)
    if program is None:
        return reply
    if any(options_of(load_command(blob).function).backend == "native" for blob in blobs):
        raise refusal("SW394", "")
    nullable = {i["name"]: bool(i["nullable"]) for i in request["inputs"]}
    results = twin_outputs(program, nullable)
    notes = [note for udf in reply["udfs"] for note in udf["notes"]]
    return {"status": "ok", "results": results, "nodes": program.size, "kept": reply["kept"], "notes": notes}


def compile_implied(request: dict[str, Any], blobs: Sequence[bytes]) -> Reply:
    """The reply: status "ok" with `bounds`, comparisons of a column with a literal that hold where the filter does."""
    reply, program = _program(request, blobs)
    return reply if program is None else {"status": "ok", "bounds": implied_bounds(program)}


def _program(request: dict[str, Any], blobs: Sequence[bytes]) -> tuple[Reply, Program | None]:
    for given in request["inputs"]:
        if given["nullable"] and given["type"] not in ("float", "double"):
            raise refusal("SW390", "", column=given["name"].partition("#")[0], type=given["type"])
    reply = compile_pipeline(request, blobs)
    if reply["status"] != "ok":
        return reply, None
    if reply["guarded"]:
        raise refusal("SW391", "")
    return reply, parse_program(reply["program"], reply["blocks"])
