"""Creates refusals from reason codes: reads reasons.json and fills in the parameters of a message.

Codes are stable: SW1xx types and schema, SW2xx and SW6xx function bodies, SW3xx plans, SW4xx environment, SW5xx bugs of
SparkWeld, SW7xx the user's options and lint findings, SW8xx models, SW9xx approximations under a certificate.
"""

from __future__ import annotations

import json
import string
from functools import cache
from pathlib import Path
from typing import Any

from sparkweld.errors import InternalError, Refusal

REASONS_FILE = Path(__file__).with_name("reasons.json")


@cache
def reasons() -> dict[str, dict[str, str]]:
    """Returns the table of reasons.json: code -> {title, message, hint}."""
    return json.loads(REASONS_FILE.read_text(encoding="utf-8"))


def refusal(code: str, place: str = "", **params: Any) -> Refusal:
    """Returns the refusal `code`, with the ``<params>`` of its message and hint filled in.

    Raises InternalError for an unknown code or a missing parameter.
    """
    if code not in reasons():
        raise InternalError(f"reason code {code} is not in {REASONS_FILE.name}")
    entry = reasons()[code]
    return Refusal(code, entry["title"], _fill(entry["message"], params, code), _fill(entry["hint"], params, code), place)


class _Params(string.Template):
    delimiter = "<"
    pattern = r"<(?:(?P<escaped><)|(?P<named>[a-z_]+)>|(?P<braced>(?!))|(?P<invalid>(?!)))"  # type: ignore[assignment]


def _fill(text: str, params: dict[str, Any], code: str) -> str:
    try:
        return _Params(text).substitute(params)
    except KeyError as missing:
        raise InternalError(f"reason {code} requires the parameter {missing}") from None
