"""Represents the module json: loads and dumps with values of the row."""

from __future__ import annotations

import json
from typing import Any

from udf_compiler.frontends.python.json_reading import loads
from udf_compiler.frontends.python.json_writing import dumps
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.stand_ins import module_stand_in


def _dumps(*args: Any, **kwargs: Any) -> Any:
    check_form(dumps, args, kwargs, "json.dumps")
    return dumps(*args, **kwargs)


def _loads(*args: Any, **kwargs: Any) -> Any:
    check_form(loads, args, kwargs, "json.loads")
    return loads(*args, **kwargs)


_MEMBERS: dict[str, Any] = {"dumps": _dumps, "loads": _loads, "JSONDecodeError": json.JSONDecodeError}


def _attribute(name: str) -> Any:
    if name not in _MEMBERS:
        refuse("SW228", function=current().place or "The function", name=f"json.{name}")
    return _MEMBERS[name]


MODULE = module_stand_in(json, "json", _attribute)

_BY_OBJECT: dict[int, Any] = {id(json): MODULE, **{id(getattr(json, name)): made for name, made in _MEMBERS.items()}}


def is_dumps(function: Any) -> bool:
    """Whether a function of user code is json.dumps, which reads its argument and keeps no reference to it."""
    return function is _dumps


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of the module json or of one of its functions, or None."""
    return _BY_OBJECT.get(id(obj))
