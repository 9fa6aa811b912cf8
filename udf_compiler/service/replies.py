"""Builds replies for requests without an answer: refused, out of time or memory, or failed with an error."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from sparkweld.errors import Refusal
from sparkweld.reasons import refusal
from udf_compiler.process.cpu_time import CpuLimit
from udf_compiler.process.sandbox import MEMORY

Make = Callable[[dict[str, Any], Sequence[bytes]], dict[str, Any]]

_MAX_TRACE = 16_000


def or_refused(make: Make, request: dict[str, Any], blobs: Sequence[bytes]) -> dict[str, Any]:
    """Returns the result of `make` for a request, or status "refused" with the refusal that it raises."""
    try:
        check_python(request.get("python", {}).get("versions", ()))
        return make(request, blobs)
    except Refusal as error:
        about = {"udf": None, "step": 0, "code": error.code, "title": error.title, "message": error.message}
        return {"status": "refused", "refusals": [{**about, "hint": error.hint, "place": error.place}]}


def check_python(versions: Sequence[str]) -> None:
    """Refuses (SW411) functions whose workers run another Python version: ``sum([0.1, 0.2, 0.3])`` differs before 3.12."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    for version in versions:
        if version != own:
            raise refusal("SW411", workers=version, service=own)


def out_of_memory(error: MemoryError) -> dict[str, Any]:
    """Returns status "refused" for a request that exceeds this process's memory limit."""
    limit = f"{int(os.environ.get(MEMORY) or 0):,} bytes"

    def refused(*_: Any) -> dict[str, Any]:
        raise refusal("SW872", limit=limit, error=f"{type(error).__name__}: {error}"[:300])

    return or_refused(refused, {}, ())


def error_reply(error: BaseException) -> dict[str, Any]:
    """Returns status "error" for an exception, with its message and the end of its traceback."""
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return {"status": "error", "message": f"{type(error).__name__}: {error}"[:2000], "trace": trace[-_MAX_TRACE:]}


def out_of_time(header: dict[str, Any], limit: CpuLimit) -> dict[str, Any]:
    """Returns the refusal (SW408) of a request that has exceeded its CPU time.

    `retire` is true, as the interrupted work may be half done.
    """
    calls = list(_udfs_in(header))
    call = limit.call
    if call is None and len({udf["payload"] for udf in calls}) == 1:
        call = calls[0]
    function = None if call is None else call["name"]
    what, seconds = function or header.get("label") or "The request", f"{limit.milliseconds / 1000:.1f} s"
    error = refusal("SW408", "", what=what, limit=seconds)
    about = {"udf": function, "step": None, "code": error.code, "title": error.title, "message": error.message}
    refusals = [{**about, "hint": error.hint, "place": error.place}]
    payload = None if call is None else call["payload"]
    return {"status": "refused", "retire": True, "payload": payload, "refusals": refusals}


def _udfs_in(part: Any) -> Iterator[dict[str, Any]]:
    """Yields the function calls in a request."""
    if isinstance(part, list):
        for element in part:
            yield from _udfs_in(element)
    elif isinstance(part, dict):
        if "payload" in part and "name" in part:
            yield part
        for element in part.values():
            yield from _udfs_in(element)
