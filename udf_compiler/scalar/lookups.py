"""Symbolic scalars as keys of constant dicts and sets."""

from __future__ import annotations

from typing import Any, NoReturn

from udf_compiler.trace.session import refuse


def hash_of(x: Any) -> NoReturn:
    """``hash(x)``."""
    refuse("SW259", call=f"hash() of a {x.what}")
