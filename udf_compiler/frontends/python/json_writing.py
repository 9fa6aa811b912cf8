"""Lowers json.dumps of dicts, lists and tuples with values of the row.

Python itself writes the structure, with a mark in place of each value of the row, so all its options apply. The strings of the
values replace the marks.
"""

from __future__ import annotations

import json
import re
import secrets
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import F64, STR
from udf_compiler.frontends.python.lists import is_lazy
from udf_compiler.frontends.python.operands import make_text
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.strings import float_is_decided, text_of
from udf_compiler.frontends.python.values import TIME_KINDS, is_scalar
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn, in_place
from udf_compiler.frontends.tracing.values import raw

_CALL = "json.dumps"


def dumps(
    obj: Any, *, skipkeys: Any = False, ensure_ascii: Any = True, check_circular: Any = True, allow_nan: Any = True,
    cls: Any = None, indent: Any = None, separators: Any = None, default: Any = None, sort_keys: Any = False,
) -> Any:  # fmt: skip
    """Returns ``json.dumps(obj, ...)``."""
    options = {
        "skipkeys": skipkeys, "ensure_ascii": ensure_ascii, "check_circular": check_circular, "allow_nan": allow_nan,
        "indent": indent, "separators": separators, "sort_keys": sort_keys,
    }  # fmt: skip
    if cls is not None or any(issubclass(type(x), StandIn) for x in options.values()):
        refuse("SW262", call=_CALL, what="an encoder or option that is not constant")
    marks: dict[str, Value] = {}
    marked = _Marking(marks, bool(ensure_ascii), bool(allow_nan), default).of(obj)
    written = as_python(json.dumps, marked, **options)
    if not marks:
        return written
    run = explorer()
    parts = [p for p in re.split('"(' + "|".join(marks) + ')"', written) if p]
    values = [marks[part] if part in marks else run.loop.const(part, STR) for part in parts]
    return make_text(values[0] if len(values) == 1 else run.loop.emit(StrCall("concat"), *values))


class _Marking:
    """Copies an object with a mark for each value of the row; collects the JSON of the values."""

    def __init__(self, marks: dict[str, Value], ascii: bool, nan: bool, default: Any) -> None:
        self._marks, self._ascii, self._nan, self._default = marks, ascii, nan, default

    def of(self, x: Any) -> Any:
        if type(x) is dict:
            for key in x:
                if issubclass(type(key), StandIn):
                    refuse("SW262", call=_CALL, what="a key of the row")
            return {key: self.of(value) for key, value in x.items()}
        if type(x) is list or (isinstance(x, tuple) and not issubclass(type(x), StandIn)):
            return list(map(self.of, x))
        if is_scalar(x):
            return self._of_scalar(x)
        if issubclass(type(x), StandIn):
            refuse("SW262", call=_CALL, what="a list" if is_lazy(x) else raw(x))
        if x is None or type(x) in (bool, int, float, str):
            return x
        return self._of_other(x)

    def _of_scalar(self, x: Any) -> Any:
        if x.kind in ("date", *TIME_KINDS):
            return self._of_other(x)
        if x.is_list or x.numpy:
            refuse("SW262", call=_CALL, what="a list of the row" if x.is_list else f"a value of np.{x.numpy}")
        mark = secrets.token_hex(16)
        self._marks[mark] = self._json(x)
        return mark

    def _of_other(self, x: Any) -> Any:
        """Returns what `default` makes of an object that JSON lacks."""
        if self._default is None:
            raise in_place(TypeError(f"Object of type {raw(x)} is not JSON serializable"))
        return self.of(self._default(x))

    def _json(self, x: Any) -> Value:
        run, loop = explorer(), explorer().loop
        if x.kind == "str":
            return loop.emit(StrCall("json_quote", (int(self._ascii),)), x.value)
        if x.kind == "bool":
            return loop.select(x.value, loop.const("true", STR), loop.const("false", STR))
        if x.kind == "int":
            return text_of(loop, x)
        finite = loop.call("isfinite", x.value)
        if not self._nan:
            run.raise_if(loop.call("logical_not", finite), lambda: ValueError("Out of range float values are not JSON compliant"))
        run.guard(float_is_decided(loop, x), local=True)
        sign = loop.call("greater", x.value, loop.const(0.0, F64))
        infinite = loop.select(sign, loop.const("Infinity", STR), loop.const("-Infinity", STR))
        other = loop.select(loop.call("isnan", x.value), loop.const("NaN", STR), infinite)
        return loop.select(finite, text_of(loop, x), other)
