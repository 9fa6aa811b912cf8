"""Answers the compile requests whose reply is about Catalyst, not about a kernel.

- `twin`: the equivalent expressions of a request's results.
- `implied`: bounds of a column that the filter implies.
- `independent`: whether the results are the same in any batch, so that Spark may move the expression.
- `reads`: the columns that the results depend on.
- `parts`: the terms that columns of two joined tables add to a score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sparkweld.ir import Program, parse_program
from sparkweld.ir.ops import StrCall
from sparkweld.reasons import refusal
from udf_compiler.backends.catalyst.expressions import twin_outputs
from udf_compiler.backends.catalyst.monotone import implied_bounds
from udf_compiler.backends.catalyst.parts import score_parts
from udf_compiler.function.options import options_of
from udf_compiler.function.payload import load_command
from udf_compiler.requests.pipeline import compile_pipeline

Reply = dict[str, Any]


def compile_twin(request: dict[str, Any], blobs: Sequence[bytes]) -> Reply:
    """Replies with status "ok", `results` (one expression per output), `nodes`, `kept` and `notes`, or "refused".

    The request has no filter. Refuses like a kernel compilation. Also refuses a result that depends on its batch (SW390),
    guards (SW391) and an op without an exact equivalent. Refuses (SW394) a function that requests a kernel.
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
    """Replies with status "ok" and `bounds`: comparisons of a column with a literal that hold where the filter does."""
    reply, program = _program(request, blobs)
    return reply if program is None else {"status": "ok", "bounds": implied_bounds(program)}


def compile_independent(request: dict[str, Any], blobs: Sequence[bytes]) -> Reply:
    """Replies with status "ok" when a row has the same result in every batch, or "refused".

    Refuses like a kernel compilation. Also refuses a NULL that decides a dtype of its batch (SW390) and a batch without any
    value that behaves differently (SW395). Refuses a row that sends its batch to Python (SW396), unless the function raises
    for it: fewer rows then raise less.
    """
    _refuse_nulls(request, ("float", "double", "string"))
    reply = compile_pipeline(request, blobs)
    if reply["status"] != "ok":
        return reply
    for loop in parse_program(reply["program"], reply["blocks"]).loops:
        if loop.some:
            raise refusal("SW395", "")
        if any(loop.body[guard].op != StrCall("valid_utf8") for guard in loop.guards):
            raise refusal("SW396", "")
    return {"status": "ok"}


def compile_reads(request: dict[str, Any], blobs: Sequence[bytes]) -> Reply:
    """Replies with status "ok" and `inputs`: the names of the inputs that results depend on, in any batch."""
    reply, program = _program(request, blobs)
    if program is None:
        return reply
    depends_on_batch = any(loop.some for loop in program.loops)
    names = [i["name"] for i in request["inputs"]] if depends_on_batch else [i.name for i in program.inputs]
    return {"status": "ok", "inputs": names}


def compile_parts(request: dict[str, Any], blobs: Sequence[bytes]) -> Reply:
    """Replies with status "ok" and the result of `score_parts`, or "refused".

    `others` in the request names inputs of a joined table.

    Refuses like a kernel compilation. Also refuses a NULL that decides a dtype of its batch (SW390), and functions whose
    kernels are approximate (SW397, `kept` in the reply). Of the latter, rows of a batch that Python computes would differ in
    the last digits.
    """
    _refuse_nulls(request, ("float", "double", "string"))
    reply = compile_pipeline(request, blobs)
    if reply["status"] != "ok":
        return reply
    if reply["kept"]:
        raise refusal("SW397", "", why="its kernel differs from Python in the last digits")
    nullable = {i["name"]: bool(i["nullable"]) for i in request["inputs"]}
    return score_parts(parse_program(reply["program"], reply["blocks"]), nullable, set(request["others"]))


def _program(request: dict[str, Any], blobs: Sequence[bytes]) -> tuple[Reply, Program | None]:
    _refuse_nulls(request, ("float", "double"))
    reply = compile_pipeline(request, blobs)
    if reply["status"] != "ok":
        return reply, None
    if reply["guarded"]:
        raise refusal("SW391", "")
    return reply, parse_program(reply["program"], reply["blocks"])


def _refuse_nulls(request: dict[str, Any], apart_from: tuple[str, ...]) -> None:
    for given in request["inputs"]:
        if given["nullable"] and given["type"] not in apart_from:
            raise refusal("SW390", "", column=given["name"].partition("#")[0], type=given["type"])
