"""The module re in compiled functions: flags, compile and escape, which make constants; a search runs on constants alone."""

from __future__ import annotations

import re
from typing import Any

from udf_compiler.trace.session import refuse

_NAMES = frozenset(
    """A ASCII DEBUG I IGNORECASE M MULTILINE S DOTALL U UNICODE VERBOSE X NOFLAG RegexFlag Pattern compile escape""".split()
)


class ReModule:
    """What compiled functions see as the module re."""

    __name__ = "re"

    def __getattr__(self, name: str) -> Any:
        if name not in _NAMES:
            refuse("SW263", name=f"re.{name}")
        return getattr(re, name)


RE = ReModule()


def stand_in(obj: Any) -> Any:
    """The stand-in of the module re, or its functions of constants."""
    if obj is re:
        return RE
    return obj if obj is re.compile or obj is re.escape or obj is re.Pattern else None
