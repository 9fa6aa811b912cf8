"""Answers whether functions change none of their arguments (`udf_compiler.function.kept_arguments`)."""

from __future__ import annotations

from collections.abc import Sequence

from sparkweld.contract.replies import KeepsArgumentsReply, Refused
from sparkweld.contract.requests import PipelineRequest
from sparkweld.reasons import refusal
from udf_compiler.function.environment import worker_environment
from udf_compiler.function.kept_arguments import keeps_arguments
from udf_compiler.function.payload import load_command


def compile_keeps_arguments(request: PipelineRequest, blobs: Sequence[bytes]) -> KeepsArgumentsReply | Refused:
    """Returns the reply for functions that provably change none of their arguments. Refuses (SW236) all others."""
    with worker_environment(request):
        for udf in request.udfs:
            if not keeps_arguments(load_command(blobs[udf.payload]).function):
                raise refusal("SW236", "", udf="a function", other=udf.name)
    return KeepsArgumentsReply()
