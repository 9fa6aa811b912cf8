"""Provides the stand-in of the module re: flags, compile and escape yield constants; searches take constant or traced strings."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from udf_compiler.frontends.python.patterns import compiled
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import module_stand_in

_PLAIN = frozenset("A ASCII I IGNORECASE M MULTILINE S DOTALL U UNICODE VERBOSE X NOFLAG RegexFlag Pattern escape".split())
_SEARCHES = frozenset("match search fullmatch findall finditer".split())


def _search(name: str) -> Callable[..., Any]:
    return lambda pattern, string, flags=0: getattr(compiled(pattern, flags), name)(string)


def _sub(pattern: Any, repl: Any, string: Any, count: Any = 0, flags: Any = 0) -> Any:
    return compiled(pattern, flags).sub(repl, string, count)


def _split(pattern: Any, string: Any, maxsplit: Any = 0, flags: Any = 0) -> Any:
    return compiled(pattern, flags).split(string, maxsplit)


def _attribute(name: str) -> Any:
    if name in _PLAIN:
        return getattr(re, name)
    if name in _FUNCTIONS:
        return _FUNCTIONS[name]
    refuse("SW263", name=f"re.{name}")


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: _search(name) for name in _SEARCHES}, "sub": _sub, "split": _split, "compile": compiled,
}  # fmt: skip

RE = module_stand_in(re, "re", _attribute)
_STAND_INS = {id(getattr(re, name)): function for name, function in _FUNCTIONS.items()} | {
    id(re): RE, id(re.escape): re.escape, id(re.Pattern): re.Pattern,
}  # fmt: skip


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of the module re or of one of its functions, or None."""
    return _STAND_INS.get(id(obj))
