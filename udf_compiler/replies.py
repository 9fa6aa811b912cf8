"""A Refusal to the reply that says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sparkweld.errors import Refusal

Make = Callable[[dict[str, Any], Sequence[bytes]], dict[str, Any]]


def or_refused(make: Make, request: dict[str, Any], blobs: Sequence[bytes]) -> dict[str, Any]:
    """What `make` gives for a request, or status "refused" with the one refusal that it raises."""
    try:
        return make(request, blobs)
    except Refusal as error:
        about = {"udf": None, "step": 0, "code": error.code, "title": error.title, "message": error.message}
        return {"status": "refused", "refusals": [{**about, "hint": error.hint, "place": error.place}]}
