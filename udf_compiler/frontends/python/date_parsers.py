"""Represents dateutil.parser.parse of strings of the row: those in a common form of ISO 8601; other rows run in Python.

These forms begin with a year of four digits. So dateutil reads year, month and day in this order, and takes no field from the
current date.
"""

from __future__ import annotations

from typing import Any

from dateutil import parser as _module  # type: ignore[import-untyped]

from sparkweld.ir.ops import StrCall
from udf_compiler.frontends.python import datetime_values
from udf_compiler.frontends.python.conditions import both
from udf_compiler.frontends.python.operands import is_text, raise_type_error
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.stand_ins import module_stand_in
from udf_compiler.frontends.tracing.values import raw

_CALL = "dateutil.parser.parse"


def _parse(timestr: Any) -> Any:
    if timestr is None or (is_scalar(timestr) and not timestr.is_list and not is_text(timestr)):
        raise_type_error("Parser must be a string or character stream")
    if not is_text(timestr):
        refuse("SW262", call=_CALL, what=raw(timestr))
    run, loop = explorer(), explorer().loop
    found = loop.emit(StrCall("parse_iso"), timestr.value)
    run.guard(both(loop, loop.emit(StrCall("is_ascii"), timestr.value), loop.is_valid(found)))
    return datetime_values.new(loop.value_of(found))


def _called(*args: Any, **kwargs: Any) -> Any:
    check_form(_parse, args, kwargs, _CALL)
    return _parse(*args, **kwargs)


def _attribute(name: str) -> Any:
    return _called if name == "parse" else refuse("SW263", name=f"dateutil.parser.{name}")


_BY_OBJECT: dict[int, Any] = {id(_module.parse): _called, id(_module): module_stand_in(_module, "dateutil.parser", _attribute)}


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of the module dateutil.parser or of its function parse, or None."""
    return _BY_OBJECT.get(id(obj))
