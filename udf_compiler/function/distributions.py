"""Maps modules to the installed packages that they belong to."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from functools import cache


@cache
def distributions() -> Mapping[str, Sequence[str]]:
    """Maps top-level modules to packages. `importlib.metadata` of Python 3.10 does not infer modules from a package's files."""
    found: dict[str, list[str]] = {}
    for distribution in importlib.metadata.distributions():
        declared = (distribution.read_text("top_level.txt") or "").split()
        files = [file for file in distribution.files or () if file.suffix in (".py", ".so")] if not declared else []
        inferred = {file.parts[0] if len(file.parts) > 1 else file.name.partition(".")[0] for file in files}
        for name in declared or sorted(name for name in inferred if "." not in name):
            found.setdefault(name, []).append(distribution.metadata["Name"])
    return found
