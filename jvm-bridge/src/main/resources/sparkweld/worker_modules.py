"""Reports which files and versions of modules a worker would import, without importing any of them."""

import hashlib
import importlib.metadata
import json
import platform
import sys
from importlib.machinery import PathFinder

asked = json.load(sys.stdin)
own = [path for path in sys.path[1:] if path not in asked.get("path", [])]
entries = list(dict.fromkeys([*asked["first"], *asked.get("path", []), *own]))
for path in asked.get("includes", []):
    if path not in entries:
        entries.insert(1, path)  # as pyspark.worker_util.add_path


def found(name):
    search, spec, parts = entries, None, name.split(".")
    for end in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:end]), search)
        if spec is None:
            return None
        search = spec.submodule_search_locations
    return spec


def described(spec):
    read = getattr(spec.loader, "get_data", None)
    if spec.origin is None or read is None:
        return {"digest": "", "path": ""}
    digest = hashlib.sha256(read(spec.origin)).hexdigest()
    return {"digest": digest, "path": getattr(spec.loader, "archive", None) or spec.origin}


def version(name):
    if name == "python":
        return platform.python_version()
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "none"


modules = {name: described(spec) for name in asked.get("modules", []) if (spec := found(name)) is not None}
print(json.dumps({"modules": modules, "libraries": {name: version(name) for name in asked.get("libraries", [])}}))
