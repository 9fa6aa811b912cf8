"""Builds replies for requests without an answer: refused, out of time or memory, or failed with an error."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import TypeVar

from sparkweld.contract.replies import ErrorReply, RefusalRecord, Refused
from sparkweld.contract.requests import PipelineRequest, Request
from sparkweld.errors import Refusal
from sparkweld.reasons import refusal
from udf_compiler.process.cpu_time import CpuLimit
from udf_compiler.process.sandbox import MEMORY

R = TypeVar("R", bound=PipelineRequest)
T = TypeVar("T")

_MAX_TRACE = 16_000


def or_refused(make: Callable[[R, Sequence[bytes]], T], request: R, blobs: Sequence[bytes]) -> T | Refused:
    """Returns the result of `make` for a request, or the refusal that it raises."""
    try:
        check_python(request.python.versions)
        return make(request, blobs)
    except Refusal as error:
        return refused(error)


def refused(error: Refusal) -> Refused:
    """Returns the reply with a refusal of the whole request."""
    return Refused(refusals=(RefusalRecord.of(error),))


def check_python(versions: Sequence[str]) -> None:
    """Refuses (SW411) functions whose workers run another Python version: ``sum([0.1, 0.2, 0.3])`` differs before 3.12."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    for version in versions:
        if version != own:
            raise refusal("SW411", workers=version, service=own)


def out_of_memory(error: MemoryError) -> Refused:
    """Returns the refusal of a request that exceeds this process's memory limit."""
    limit = f"{int(os.environ.get(MEMORY) or 0):,} bytes"
    return refused(refusal("SW872", limit=limit, error=f"{type(error).__name__}: {error}"[:300]))


def error_reply(error: BaseException) -> ErrorReply:
    """Returns the reply for an exception, with its message and the end of its traceback."""
    trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return ErrorReply(message=f"{type(error).__name__}: {error}"[:2000], trace=trace[-_MAX_TRACE:])


def out_of_time(request: Request, limit: CpuLimit) -> Refused:
    """Returns the refusal (SW408) of a request that has exceeded its CPU time.

    `retire` is true, as the interrupted work may be half done.
    """
    label, udfs = (request.label, request.udfs) if isinstance(request, PipelineRequest) else ("", ())
    call = limit.call
    if call is None and len({udf.payload for udf in udfs}) == 1:
        call = udfs[0]
    function = None if call is None else call.name
    what, seconds = function or label or "The request", f"{limit.milliseconds / 1000:.1f} s"
    record = RefusalRecord.of(refusal("SW408", "", what=what, limit=seconds), function, None)
    return Refused(refusals=(record,), retire=True, payload=None if call is None else call.payload)
