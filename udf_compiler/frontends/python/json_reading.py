"""Lowers json.loads of a string of the row."""

from __future__ import annotations

import json
from typing import Any

from sparkweld.ir.ops import StrCall
from udf_compiler.frontends.python import json_values
from udf_compiler.frontends.python.byte_strings import TracedBytes
from udf_compiler.frontends.python.operands import as_text, is_text, raise_type_error
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import ErrorText, of_python
from udf_compiler.frontends.tracing.values import raw


class _DecodeError(json.JSONDecodeError):
    """The error of a document, of which only Python knows the message and the place."""

    def __getattribute__(self, name: str) -> Any:
        if name in ("msg", "doc", "pos", "lineno", "colno"):
            refuse("SW251", call=f"JSONDecodeError.{name}")
        return super().__getattribute__(name)


_DecodeError.__name__ = _DecodeError.__qualname__ = json.JSONDecodeError.__name__
_DecodeError.__module__ = json.JSONDecodeError.__module__


def _error() -> Exception:
    error = _DecodeError("Expecting value", "", 0)
    error.args = (ErrorText("Expecting value"),)
    return of_python(error)


def loads(s: Any, **kwargs: Any) -> Any:
    """Returns ``json.loads(s)``; guards documents that a kernel cannot decide."""
    s = json_values.settled(s)
    if kwargs and any(value is not None for value in kwargs.values()):
        refuse("SW262", call="json.loads", what="an option")
    if s is None or (is_scalar(s) and s.kind in ("int", "float", "bool")):
        raise_type_error("the JSON object must be str, bytes or bytearray")
    if type(s) in (str, bytes):
        return as_python(json.loads, s)
    if not is_text(s):
        refuse("SW262", call="json.loads", what="bytes" if type(s) is TracedBytes else raw(s))
    run, loop, text = explorer(), explorer().loop, as_text(s)
    run.guard(loop.emit(StrCall("json_root_decided"), text))
    root = loop.emit(StrCall("json_root"), text)
    run.raise_if(loop.call("logical_not", loop.is_valid(root)), _error)
    return json_values.document(loop.value_of(root))
