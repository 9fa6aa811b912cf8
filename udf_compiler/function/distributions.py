"""Maps modules to the installed packages that they belong to, and finds the versions of packages."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from functools import cache

from udf_compiler.process.local_time import described

#: Packages whose versions affect the behaviour of every function.
_MEANING = ("numpy", "pandas", "pyarrow")

#: What versions record for a function that depends on the time zone of its workers' processes.
LOCAL_TIME = "local time"


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


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Returns the versions of Python, of the packages that affect every function, and of others, by distribution."""
    found = {"python": platform.python_version()}
    if LOCAL_TIME in packages:
        found[LOCAL_TIME] = described()
    for package in (*_MEANING, *packages):
        for distribution in [package] if package in _MEANING else distributions().get(package, ()):
            try:
                found[distribution] = _version(distribution)
            except importlib.metadata.PackageNotFoundError:
                found[distribution] = "none"
    return found


@cache
def _version(distribution: str) -> str:
    """Returns the version when it was first requested, which is that of the modules that this process imports.

    Reading one parses the package's whole description. Raises PackageNotFoundError.
    """
    return importlib.metadata.version(distribution)
