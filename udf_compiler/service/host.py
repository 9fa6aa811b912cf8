"""Collects the host facts of a hello (versions, CPU, LLVM's library) and performs the slow imports in stages."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import re
from dataclasses import replace
from importlib.abc import InspectLoader
from pathlib import Path

from sparkweld.contract.constants import PROTOCOL
from sparkweld.contract.replies import HelloReply
from sparkweld.minimums import too_old

PACKAGES = ("pyspark", "pandas", "numpy", "pyarrow", "numba", "llvmlite")


def describe_host() -> HelloReply:
    """Returns the facts about this interpreter. Never imports Numba, which takes longer than a hello may."""
    versions: dict[str, str | None] = {"python": platform.python_version()}
    versions.update((package, version_of(package)) for package in PACKAGES)
    plain = HelloReply(
        protocol=PROTOCOL,
        pid=os.getpid(),
        versions=versions,
        cpu=None,
        cpu_name=None,
        cpu_features=None,
        llvmlite=llvmlite_library(),
        vector_math="none",
    )
    missing = [package for package in ("numba", "llvmlite") if versions[package] is None]
    if missing:
        return replace(plain, numba_error=f"{' and '.join(missing)} cannot be found by {platform.python_implementation()}")
    old = too_old(versions)
    if old is not None:
        return replace(plain, numba_error=old)
    try:
        from llvmlite import binding

        from sparkweld import kernels

        return replace(
            plain,
            cpu=kernels.target_cpu(),
            vector_math=kernels.vector_math(),
            cpu_name=binding.get_host_cpu_name(),
            cpu_features=binding.get_host_cpu_features().flatten(),
        )
    except (ImportError, OSError) as error:
        return replace(plain, numba_error=f"{type(error).__name__}: {error}")


def version_of(package: str) -> str | None:
    """Returns the version of the copy that would be imported, without importing it; None when there is none."""
    spec = importlib.util.find_spec(package)
    if spec is None:
        return None
    if package == "pyspark" and spec.origin is not None and isinstance(spec.loader, InspectLoader):
        # Spark's python/lib/pyspark.zip on PYTHONPATH shadows an installed pyspark and has no metadata of its own
        source = spec.loader.get_source("pyspark.version") if hasattr(spec.loader, "archive") else None
        source = source or Path(spec.origin).with_name("version.py").read_text()
        found = re.search(r'__version__[^=]*=\s*"([^"]+)"', source)
        if found:
            return found[1]
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return getattr(importlib.import_module(package), "__version__", "unknown")


def llvmlite_library() -> str | None:
    """Returns the absolute path of llvmlite's shared library, or None."""
    spec = importlib.util.find_spec("llvmlite")
    if spec is None or spec.origin is None:
        return None
    found = sorted(Path(spec.origin).with_name("binding").glob("libllvmlite.*"))
    return str(found[0].resolve()) if found else None


def import_frontend() -> None:
    """Imports the modules of every compile request: pandas, PySpark's pickles and types, and the tracer."""
    for module in ("pandas", "pyarrow", "pyspark.serializers", "pyspark.sql.types", "udf_compiler.requests.pipeline"):
        importlib.import_module(module)


def import_kernels() -> None:
    """Warms up Numba, which an object request needs on a cache miss."""
    from sparkweld import kernels

    kernels.warm_up()
