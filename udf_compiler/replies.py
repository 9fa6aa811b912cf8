"""A Refusal to the reply that says so."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from sparkweld.errors import Refusal
from sparkweld.reasons import refusal

Make = Callable[[dict[str, Any], Sequence[bytes]], dict[str, Any]]


def or_refused(make: Make, request: dict[str, Any], blobs: Sequence[bytes]) -> dict[str, Any]:
    """What `make` gives for a request, or status "refused" with the one refusal that it raises."""
    try:
        check_python(request.get("python", {}).get("versions", ()))
        return make(request, blobs)
    except Refusal as error:
        about = {"udf": None, "step": 0, "code": error.code, "title": error.title, "message": error.message}
        return {"status": "refused", "refusals": [{**about, "hint": error.hint, "place": error.place}]}


def check_python(versions: Sequence[str]) -> None:
    """Refuses (SW411) functions whose workers run another version of Python: ``sum([0.1, 0.2, 0.3])`` differs before 3.12."""
    own = f"{sys.version_info.major}.{sys.version_info.minor}"
    for version in versions:
        if version != own:
            raise refusal("SW411", workers=version, service=own)
