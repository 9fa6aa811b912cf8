"""Maps modules to the installed packages that they belong to, and finds the versions of packages."""

from __future__ import annotations

import csv
import importlib.metadata
import platform
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import PurePosixPath

from udf_compiler.process.local_time import described

#: Packages whose versions affect the behaviour of every function.
_MEANING = ("numpy", "pandas", "pyarrow")

#: What versions record for a function that depends on the time zone of its workers' processes.
LOCAL_TIME = "local time"


@cache
def distributions() -> Mapping[str, Sequence[str]]:
    """Maps top-level modules to packages. `importlib.metadata` of Python 3.10 does not infer modules from a package's files.

    It would look for each file of each package, and parse the descriptions of all packages: a second of the first query.
    """
    found: dict[str, list[str]] = {}
    for distribution in importlib.metadata.distributions():
        declared = (distribution.read_text("top_level.txt") or "").split()
        for name in declared or sorted(_inferred(distribution.read_text("RECORD") or "")):
            found.setdefault(name, []).append(_name(distribution))
    return found


def _inferred(record: str) -> set[str]:
    """Returns the top-level modules among the files of a package, the first column of its record."""
    files = (PurePosixPath(row[0]) for row in csv.reader(record.splitlines()) if row and row[0].endswith((".py", ".so")))
    names = {file.parts[0] if len(file.parts) > 1 else file.name.partition(".")[0] for file in files}
    return {name for name in names if "." not in name}


def _name(distribution: importlib.metadata.Distribution) -> str:
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    named = re.search(r"^Name:[ \t]*(\S+)", text, re.MULTILINE | re.IGNORECASE)
    return named[1] if named else distribution.metadata["Name"]


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
