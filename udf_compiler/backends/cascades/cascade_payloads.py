"""Replaces the fitted models of a payload by their cascades, for `cascade` requests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sparkweld.cascades import store
from sparkweld.cascades.certificate import CascadeCertificate
from sparkweld.contract.replies import PayloadReply, Refused
from sparkweld.contract.requests import CascadeRequest
from sparkweld.reasons import refusal
from udf_compiler.backends.cascades.substitution import Shelf, Substituting, as_text, compiled
from udf_compiler.function.environment import worker_environment
from udf_compiler.function.payload import read_command


def with_cascade(request: CascadeRequest, blobs: Sequence[bytes]) -> PayloadReply:
    """Returns the payload of the request's first UDF with cascades in place of its models, and the paths of these cascades.

    The payload is None when the function holds no model. Refuses an unusable cascade (SW950, SW951), and models that no cascade
    matches (SW952). Refuses a function that uses its model in a way that a cascade does not support (SW953).
    """
    udf = request.first_udf.udf
    shelf = Shelf(Path(request.cascades), CascadeCertificate, lambda path: store.load(path)[0])
    with worker_environment(request):
        pickler = Substituting(shelf)
        payload = pickler.pickled(read_command(blobs[udf.payload]))
    if pickler.found_none(shelf, CascadeCertificate, request.cascades):
        return PayloadReply(payload=None)
    reply = compiled(request, list(blobs), udf.payload, payload).reply
    if isinstance(reply, Refused):
        first = reply.refusals[0]
        raise refusal("SW953", what="cascade", udf=udf.name, why=f"{first.code} {first.message}")
    return PayloadReply(payload=as_text(payload, udf), paths=tuple(shelf.used))
