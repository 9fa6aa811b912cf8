"""Reads the requirements of pyproject.toml; tomllib requires Python 3.11, and tests run on 3.10."""

from __future__ import annotations

import ast
import re
from pathlib import Path

TEXT = (Path(__file__).resolve().parents[2] / "pyproject.toml").read_text()
#: The extras that users install; the others are for development.
EXTRAS = ("spark", "connect", "sklearn", "lightgbm", "xgboost", "catboost", "statsmodels", "mlflow")


def listed(key: str) -> list[str]:
    """Returns the list of strings under a key."""
    found = re.search(rf"^{key} = (\[.*?\])$", TEXT, re.MULTILINE | re.DOTALL)
    assert found is not None, key
    return ast.literal_eval(found[1])  # type: ignore[no-any-return]


def minimums(*keys: str) -> dict[str, str]:
    """Returns package -> its oldest version, from the requirements under these keys."""
    found = (re.fullmatch(r"([a-z-]+)(?:\[[a-z]+\])?>=([\d.]+)(?:,<[\d.]+)?", one) for key in keys for one in listed(key))
    return {one[1]: one[2] for one in found if one is not None}


def oldest_python() -> str:
    """Returns the oldest Python that pip installs the package on, such as 3.10."""
    found = re.search(r'^requires-python = ">=([\d.]+)"$', TEXT, re.MULTILINE)
    assert found is not None
    return found[1]
