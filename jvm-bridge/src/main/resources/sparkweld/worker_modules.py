"""Reports which module files and versions a worker would import, without importing any of them."""

import hashlib
import json
import os
import platform
import re
import sys
import time
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
from importlib.metadata import Distribution

IMPORTABLE = r"[A-Za-z_][A-Za-z0-9_]*(\.pyc?|(\.[A-Za-z0-9_-]+)?\.so)?|[!-~]+\.(dist|egg)-info"
asked = json.load(sys.stdin)
own = [path for path in sys.path[1:] if path not in asked.get("path", [])]
entries = list(dict.fromkeys([*asked["first"], *asked.get("path", []), *own]))
for path in asked.get("includes", []):
    if path not in entries:
        entries.insert(1, path)  # as pyspark.worker_util.add_path
foreign = [path for path in entries if path not in own]
sys.path[:] = entries  # for finders that installed packages have added


def state(path):
    try:
        status = os.stat(path)
    except OSError:
        return {"path": path, "bytes": -1, "modified": -1}
    return {"path": path, "bytes": status.st_size, "modified": status.st_mtime_ns}


def importable(folder):
    """Returns a digest of the names in a folder that affect imports and versions; WorkerModules.importable computes the same."""
    try:
        names = sorted(name for name in os.listdir(folder) if re.fullmatch(IMPORTABLE, name) and name != "__pycache__")
    except OSError:
        return ""
    return hashlib.sha256("/".join(names).encode()).hexdigest()


def found(name):
    search, spec, parts = None, None, name.split(".")
    for end in range(1, len(parts) + 1):
        here = ".".join(parts[:end])
        finders = [finder for finder in sys.meta_path if finder not in (BuiltinImporter, FrozenImporter)]
        spec = next((spec for finder in finders if (spec := finder.find_spec(here, search)) is not None), None)
        if spec is None:
            return None
        search = spec.submodule_search_locations
    return spec


def described(spec):
    read = getattr(spec.loader, "get_data", None)
    if spec.origin is None or read is None:
        return {"digest": "", "path": ""}
    before = state(getattr(spec.loader, "archive", None) or spec.origin)
    return {"digest": hashlib.sha256(read(spec.origin)).hexdigest(), **before}


def version(name):
    """Returns the version of an installed distribution, or the file that shadows one of its packages."""
    if name == "python":
        return platform.python_version()
    if name == "local time":
        return local_time()
    distribution = next(iter(Distribution.discover(name=name, path=entries)), None)
    if distribution is None:
        return "none"
    folder = os.path.realpath(str(distribution.locate_file("")))
    tops = {str(file).replace("\\", "/").partition("/")[0].partition(".py")[0] for file in distribution.files or ()}
    for top in sorted(tops):
        spec = PathFinder.find_spec(top, foreign) if top.isidentifier() else None
        if spec is not None and spec.origin is not None and (first := found(top)) is not None:
            place = os.path.dirname(first.submodule_search_locations[0] if first.submodule_search_locations else first.origin)
            if os.path.realpath(place) != folder:
                return first.origin
    return distribution.version


def local_time():
    """Returns the offset of local time from UTC where it never changes, as udf_compiler.process.local_time."""
    times = (*range(-(2**32), 2**32, 10**6), *range(-62 * 10**9, 253 * 10**9, 10**9))
    found = {time.localtime(at).tm_gmtoff for at in times}
    return str(found.pop() if len(found) == 1 else None)


def shadowed():
    """Returns the name of a standard-library module that another file on the worker's path shadows; None if there is none."""
    for name in sorted(sys.stdlib_module_names - set(sys.builtin_module_names)):
        spec = PathFinder.find_spec(name, foreign) if FrozenImporter.find_spec(name) is None else None
        if spec is not None and spec.origin is not None:
            real = PathFinder.find_spec(name, own)
            if real is None or os.path.realpath(str(real.origin)) != os.path.realpath(spec.origin):
                return name
    return None


searched = [{**state(path), "names": importable(path)} for path in entries]
modules = {name: described(spec) for name in asked.get("modules", []) if (spec := found(name)) is not None}
libraries = {name: version(name) for name in asked.get("libraries", [])}
print(json.dumps({"modules": modules, "libraries": libraries, "shadowed": shadowed(), "searched": searched}))
