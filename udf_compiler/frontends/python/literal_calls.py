"""Represents the module ast: literal_eval of a string of the row, whose result is a value of JSON."""

from __future__ import annotations

import ast
from typing import Any

from sparkweld.ir.ops import StrCall
from udf_compiler.frontends.python import json_values
from udf_compiler.frontends.python.operands import as_text, is_text
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.stand_ins import StandIn, in_place, module_stand_in
from udf_compiler.frontends.tracing.values import raw


def literal_eval(node_or_string: Any, /) -> Any:
    """Returns ``ast.literal_eval(x)``. Rows with tuples, sets, bytes or escapes run in Python, as those that it rejects."""
    x = json_values.settled(node_or_string)
    if x is None or (is_scalar(x) and x.kind in ("int", "float", "bool")):
        raise in_place(ValueError("malformed node or string"))
    if not issubclass(type(x), StandIn):
        return as_python(ast.literal_eval, x)
    if not is_text(x):
        refuse("SW262", call="ast.literal_eval", what=raw(x))
    run, loop = explorer(), explorer().loop
    made = loop.emit(StrCall("python_literal"), as_text(x))
    run.guard(loop.is_valid(made))
    return json_values.document(loop.value_of(made))


def _literal_eval(*args: Any, **kwargs: Any) -> Any:
    check_form(literal_eval, args, kwargs, "ast.literal_eval")
    return literal_eval(*args, **kwargs)


def _attribute(name: str) -> Any:
    if name != "literal_eval":
        refuse("SW228", function=current().place or "The function", name=f"ast.{name}")
    return _literal_eval


MODULE = module_stand_in(ast, "ast", _attribute)

_BY_OBJECT: dict[int, Any] = {id(ast): MODULE, id(ast.literal_eval): _literal_eval}


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of the module ast or of its function, or None."""
    return _BY_OBJECT.get(id(obj))
