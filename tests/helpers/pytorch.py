"""Finds PyTorch for tests: that of the environment, or Debian's package python3-torch for the same version of Python.

The wheel of PyPI for x86-64 requires 2.5 GB of libraries for GPUs. So no extra of the tests has it. `SPARKWELD_TORCH` names
another folder with a PyTorch for the CPU.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import sysconfig
from functools import cache
from pathlib import Path
from typing import Any

import pytest

#: Tolerances of `tests.helpers.models.compare`: 32-bit sums in another order, which PyTorch's BLAS chooses by the CPU, and
#: functions of libm.
NEAR = {"rtol": 1e-4, "atol": 1e-5, "of_arguments": 1e-6}
NEAR64 = {"rtol": 1e-9, "atol": 1e-12, "of_arguments": 1e-15}

_DEBIAN = Path("/usr/lib/python3/dist-packages")
#: PyTorch, and what it requires; the environment's own packages precede them.
_PACKAGES = ("torch", "torchgen", "functorch", "typing_extensions.py", "filelock", "fsspec", "jinja2", "markupsafe", "mpmath",
             "networkx", "sympy")  # fmt: skip
_LINKS = Path(__file__).resolve().parents[2] / "build" / f"torch-{sys.version_info.major}.{sys.version_info.minor}"


@cache
def folder() -> Path | None:
    """Returns a folder with PyTorch to add to the import path, which has no other package; None where none is to be added.

    FileNotFoundError where `SPARKWELD_TORCH` names a folder without one, so that its tests are not skipped.
    """
    named = os.environ.get("SPARKWELD_TORCH")
    source, library = Path(named or _DEBIAN), f"_C{sysconfig.get_config_var('EXT_SUFFIX')}"
    if importlib.util.find_spec("torch") is not None:
        return None
    if not (source / "torch" / library).exists():
        if named:
            raise FileNotFoundError(f"SPARKWELD_TORCH names {named}, which has no PyTorch for this Python")
        return None
    _LINKS.mkdir(parents=True, exist_ok=True)
    for name in _PACKAGES:
        known = importlib.util.find_spec(name.partition(".")[0]) is not None
        if not known and (source / name).exists() and not (_LINKS / name).is_symlink():
            try:
                (_LINKS / name).symlink_to(source / name)
            except FileExistsError:  # another process of the tests has made it
                continue
    return _LINKS


def has_pytorch() -> bool:
    """Whether `import torch` works, after its folder was added."""
    found = folder()
    if found is not None and str(found) not in sys.path:
        sys.path.append(str(found))
        importlib.invalidate_caches()
    return importlib.util.find_spec("torch") is not None


def pytorch() -> Any:
    """Returns the module torch, or skips the tests of a module."""
    if not has_pytorch():
        pytest.skip("no PyTorch, and no package python3-torch for this Python", allow_module_level=True)
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    return torch
