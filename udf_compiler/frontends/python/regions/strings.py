"""Builds strings from values of the row: f-strings, ``%`` and str.format."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from string import Formatter
from typing import Any

from sparkweld.ir.types import BOOL, STR
from udf_compiler.frontends.python.conditions import choose
from udf_compiler.frontends.python.decimals import is_decimal, to_float, to_int
from udf_compiler.frontends.python.error_messages import is_unknown_text, unknown_text
from udf_compiler.frontends.python.formats import formatted
from udf_compiler.frontends.python.json_values import plain
from udf_compiler.frontends.python.operands import as_text, make_text
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.regions import mappings
from udf_compiler.frontends.python.strings import call, float_is_decided, text_of
from udf_compiler.frontends.python.undecided import Undecided
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn

#: Matches a conversion of ``%``, or the percent sign itself. Names, ``*`` and other flags are refused.
_CONVERSION = re.compile(r"%(?:(%)|(-?)(0?)(\d{0,3})(?:\.(\d))?([sdifxX]))")

#: The number of the conversion ``!s``.
TO_STR = 1
_CONVERSIONS: dict[int, Callable[[Any], str]] = {TO_STR: str, 2: repr, 3: ascii}
#: Kinds of values of which `with_text` makes strings.
_TEXTS = ("str", "int", "float", "bool", "date")


def with_text(x: Any) -> Any:
    """Returns ``str(x)`` of an argument that may be None without a path for None; another value as it is.

    A string of ten such arguments would begin a thousand paths.
    """
    if type(x) is not Undecided or not is_scalar(x.valid) or not is_scalar(x.value) or x.value.kind not in _TEXTS:
        return x
    run, valid = explorer(), x.valid.value
    if x.value.kind == "float":
        run.guard(choose(run.loop, valid, float_is_decided(run.loop, x.value), run.loop.const(True, BOOL)), local=True)
    return make_text(choose(run.loop, valid, text_of(run.loop, x.value), run.loop.const("None", STR)))


def format_value(x: Any, spec: Any = "") -> Any:
    """Returns ``format(x, spec)``."""
    x = plain(x)
    if is_scalar(spec):
        refuse("SW602", spec="a format that is not constant")
    if is_unknown_text(x):
        return formatted(unknown_text(), spec)
    return formatted(x, spec) if is_scalar(x) and not x.is_list else as_python(format, x, spec)


def convert_value(x: Any, conversion: int) -> Any:
    """Returns ``f"{x!s}"``; leaves rows to Python for ``!r`` and ``!a`` of a value of the row, which error messages have."""
    known = _CONVERSIONS[conversion]
    if is_unknown_text(x):
        return unknown_text()
    if is_scalar(x) and known is not str:
        return unknown_text("makes the repr() of a value")
    return format_value(x) if is_scalar(x) else as_python(known, x)


def join_parts(parts: Sequence[Any]) -> Any:
    """Concatenates strings of the row and constant ones."""
    if not any(map(is_scalar, parts)):
        return "".join(parts)
    values = [as_text(p) for p in parts if is_scalar(p) or p]
    return make_text(call("concat", *values)) if len(values) > 1 else make_text(values[0])


def percent(template: str, given: Any) -> Any:
    """Returns ``template % given``; refuses conversions without an equal one in ``format`` (SW602)."""
    values = list(given) if type(given) is tuple else [given]
    if any(type(x) is mappings.Mapping or (issubclass(type(x), StandIn) and not is_scalar(x)) for x in values):
        refuse("SW602", spec=f"{template!r} % ...")  # C code would not take them for what they represent
    if not any(map(is_scalar, values)):
        return as_python(str.__mod__, template, given)
    parts: list[Any] = []
    end = 0
    for found in _CONVERSION.finditer(template):
        parts.append(template[end : found.start()])
        end = found.end()
        if found[1]:
            parts.append("%")
        elif not values:
            refuse("SW602", spec="% with another number of values")
        else:
            parts.append(_converted(values.pop(0), found))
    parts.append(template[end:])
    if values or any("%" in p for p in parts[::2] if type(p) is str):
        refuse("SW602", spec=f"{template!r} % ...")
    return join_parts(parts)


def _converted(x: Any, found: re.Match[str]) -> Any:
    left, zero, width, digits, kind = found.group(2, 3, 4, 5, 6)
    if not is_scalar(x):
        return as_python(str.__mod__, found[0], (x,))
    if x.is_list:
        refuse("SW602", spec=f"{found[0]!r} of a list")
    if kind == "s" and digits is None and not zero:
        text = formatted(x, "")
        return formatted(text, f"{'<' if left else '>'}{width}") if width else text
    if is_decimal(x) and kind != "s":
        x = to_float(x) if kind == "f" else to_int(x)
    if kind == "f" and x.kind in ("int", "float") and not x.numpy and not left:
        return formatted(x, f"{zero}{width}.{6 if digits is None else digits}f")
    if kind in "dixX" and x.kind == "int" and digits is None and not left:
        return formatted(x, f"{zero}{width}{'d' if kind == 'i' else kind}")
    refuse("SW602", spec=f"{found[0]!r} of {x.kind}")


def fills_plainly(function: Any) -> bool:
    """Whether a function is ``template.format`` of a constant template that formats each argument as its ``str()``."""
    template = getattr(function, "__self__", None)
    if type(template) is not str or getattr(function, "__name__", "") != "format":
        return False
    try:
        return not any(spec or conversion for _, _, spec, conversion in Formatter().parse(template))
    except ValueError:  # a malformed template raises it in the function, too
        return False


def fill(template: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Returns ``template.format(*args, **kwargs)``; refuses fields with attributes, indices or nested fields (SW602)."""
    if not any(map(is_scalar, (*args, *kwargs.values()))):
        return as_python(template.format, *args, **kwargs)
    parts: list[Any] = []
    count = 0
    for literal, name, spec, conversion in as_python(list, Formatter().parse(template)):
        parts.append(literal)
        if name is None:
            continue
        if conversion or "{" in spec or not (name == "" or name.isdecimal() or name.isidentifier()):
            refuse("SW602", spec=f"the field {name!r}")
        if name == "":
            name, count = str(count), count + 1
        elif name.isdecimal() and count:
            refuse("SW602", spec="numbered and unnumbered fields")
        values: Any = args if name.isdecimal() else kwargs
        parts.append(format_value(as_python(lambda v, k: v[k], values, int(name) if name.isdecimal() else name), spec))
    return join_parts(parts)
