"""Lowers json.dumps of dicts, lists and tuples with values of the row.

Python itself writes the structure, with a mark in place of each value of the row, so all its options apply. The strings of the
values replace the marks.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import STR
from udf_compiler.frontends.python import json_sequences
from udf_compiler.frontends.python.json_scalars import json_of_scalar
from udf_compiler.frontends.python.json_sequences import Style
from udf_compiler.frontends.python.json_values import TracedJson
from udf_compiler.frontends.python.lists import as_list
from udf_compiler.frontends.python.maps import TracedMap
from udf_compiler.frontends.python.operands import concatenated, make_text
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.record_dicts import TracedRecord
from udf_compiler.frontends.python.records import TracedRecords
from udf_compiler.frontends.python.values import DECIMALS, TIME_KINDS, is_scalar
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn, in_place
from udf_compiler.frontends.tracing.values import raw

_CALL = "json.dumps"
#: Classes of lists and dicts of the row -> what writes them.
_SEQUENCES: dict[type, Callable[[Any, Style], Value]] = {
    TracedMap: json_sequences.of_map, TracedRecords: json_sequences.of_records,
}  # fmt: skip


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
    plain = indent is None and separators is None and not sort_keys
    style = None if indent is not None or sort_keys or not allow_nan else _style(ensure_ascii, separators)
    marked = _Marking(marks, bool(ensure_ascii), bool(allow_nan), default, plain, style).of(obj)
    written = as_python(json.dumps, marked, **options)
    if not marks:
        return written
    run = explorer()
    parts = [p for p in re.split('"(' + "|".join(marks) + ')"', written) if p]
    values = [marks[part] if part in marks else run.loop.const(part, STR) for part in parts]
    return make_text(concatenated(values))


def _style(ensure_ascii: Any, separators: Any) -> Style | None:
    """Returns the style of these options; None for separators that json.dumps may refuse."""
    if separators is None:
        return Style(bool(ensure_ascii))
    known = type(separators) in (tuple, list) and len(separators) == 2 and all(type(x) is str for x in separators)
    return Style(bool(ensure_ascii), *separators) if known else None


class _Marking:
    """Copies an object with a mark for each value of the row; collects the JSON of the values.

    `plain`: no option changes the separators or the order of keys. `style`: that of lists and dicts of the row, which are
    refused where it is None.
    """

    def __init__(
        self, marks: dict[str, Value], ascii: bool, nan: bool, default: Any, plain: bool, style: Style | None
    ) -> None:
        self._marks, self._ascii, self._nan, self._default, self._plain = marks, ascii, nan, default, plain
        self._style = style

    def of(self, x: Any) -> Any:
        x = as_list(x)
        if type(x) is TracedRecord:
            x = dict(zip(x.names, x.values_, strict=True))
        if issubclass(type(x), dict) and not issubclass(type(x), StandIn):
            for key in x:
                if issubclass(type(key), StandIn):
                    refuse("SW262", call=_CALL, what="a key of the row")
            return {key: self.of(value) for key, value in x.items()}
        if type(x) is list or (isinstance(x, tuple) and not issubclass(type(x), StandIn)):
            return list(map(self.of, x))
        if is_scalar(x):
            return self._of_scalar(x)
        if type(x) is TracedJson:
            return self._of_json(x)
        made = next((f for kind, f in _SEQUENCES.items() if type(x) is kind), None)
        if made is not None and self._style is not None:
            return self._marked(made(x, self._style))
        if issubclass(type(x), StandIn):
            refuse("SW262", call=_CALL, what=raw(x))
        if x is None or type(x) in (bool, int, float, str):
            return x
        return self._of_other(x)

    def _of_scalar(self, x: Any) -> Any:
        if x.kind in ("date", *TIME_KINDS, *DECIMALS):
            return self._of_other(x)
        if x.is_list and self._style is not None:
            return self._marked(json_sequences.of_list(x, self._style))
        if x.is_list or x.numpy:
            refuse("SW262", call=_CALL, what="a list with this option" if x.is_list else f"a value of np.{x.numpy}")
        return self._marked(json_of_scalar(x, self._ascii, self._nan))

    def _marked(self, text: Value) -> str:
        mark = secrets.token_hex(16)
        self._marks[mark] = text
        return mark

    def _of_json(self, x: Any) -> Any:
        """Returns the mark of a value of JSON. Leaves documents to Python that are not written as they are read."""
        if not (self._plain and self._nan):
            refuse("SW262", call=_CALL, what="a value of JSON with this option")
        loop, text = explorer().loop, object.__getattribute__(x, "value")
        explorer().guard(loop.emit(StrCall("json_writable"), text))
        return self._marked(loop.emit(StrCall("json_written", (int(self._ascii),)), text))

    def _of_other(self, x: Any) -> Any:
        """Returns what `default` makes of an object that JSON lacks."""
        if self._default is None:
            raise in_place(TypeError(f"Object of type {raw(x)} is not JSON serializable"))
        return self.of(self._default(x))
