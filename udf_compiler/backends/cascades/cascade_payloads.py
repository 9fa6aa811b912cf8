"""Replaces the fitted models of a payload by their cascades, for `cascade` requests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sparkweld.cascades import store
from sparkweld.cascades.certificate import CascadeCertificate
from sparkweld.reasons import refusal
from udf_compiler.backends.cascades.substitution import Shelf, Substituting, as_text, compiled
from udf_compiler.function.environment import worker_environment
from udf_compiler.function.payload import read_command


def with_cascade(request: dict[str, Any], blobs: Sequence[bytes]) -> dict[str, Any]:
    """Replies with status "ok", `payload` in base64, and the `paths` of its cascades.

    The payload is null when the function of the request's first UDF holds no model. `cascades` in the request is a folder of
    cascades, or a single one. Refuses an unusable cascade (SW950, SW951), and models that no cascade matches (SW952). Refuses a
    function that uses its model in a way that a cascade does not support (SW953).
    """
    udf = request["steps"][0]["udfs"][0]["udf"]
    shelf = Shelf(Path(request["cascades"]), CascadeCertificate, lambda path: store.load(path)[0])
    with worker_environment(request):
        pickler = Substituting(shelf)
        payload = pickler.pickled(read_command(blobs[udf["payload"]]))
    if pickler.found_none(shelf, CascadeCertificate, request["cascades"]):
        return {"status": "ok", "payload": None}
    reply = compiled(request, list(blobs), udf["payload"], payload)
    if reply["status"] != "ok":
        first = reply["refusals"][0]
        raise refusal("SW953", what="cascade", udf=udf["name"], why=f"{first['code']} {first['message']}")
    return {"status": "ok", "payload": as_text(payload, udf), "paths": shelf.used}
