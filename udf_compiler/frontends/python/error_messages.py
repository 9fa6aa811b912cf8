"""Represents the messages of exceptions that the trace raised instead of Python: only Python knows their text."""

from __future__ import annotations

from typing import Any

from udf_compiler.frontends.python.operands import make_text
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.stand_ins import ErrorText

#: Modules of the exceptions that a trace raises.
_MODULES = ("builtins", "binascii", "json.decoder")


def is_unknown_text(x: Any) -> bool:
    """Whether only Python knows ``str(x)``: the message of an error that the trace raised, or that error."""
    if isinstance(x, BaseException):
        return type(x).__module__ in _MODULES and any(type(part) is ErrorText for part in x.args)
    return type(x) is ErrorText


def unknown_text(what: str = "reads the message of an exception") -> TracedScalar:
    """Returns a str of which only Python knows the contents, and leaves the row, which does `what`, to Python.

    It is no constant, so the path forks where the function tests it.
    """
    run = explorer()
    run.leave(what)
    return make_text(run.unknown_text())  # type: ignore[no-any-return]
