"""Rejects unsupported call signatures."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from types import CodeType, FunctionType
from typing import Any

import pandas as pd
from pandas.core.strings.accessor import StringMethods

from udf_compiler.frontends.tracing.enum_members import data_of
from udf_compiler.frontends.tracing.session import refuse

#: The signature of C functions that report no parameters: all parameters are positional.
_POSITIONAL = inspect.Signature([inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)])
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def check_form(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], call: str) -> None:
    """Refuses (SW262) arguments that do not fit the signature of `function` or of the original.

    Also refuses arguments that the original binds to another parameter: ``text.partition(sep=",")`` is an error in Python,
    whatever the parameter of our implementation is called. Refuses members of enums that are numbers or strings, too, which no
    implementation takes for these.
    """
    member = next((x for x in (*args, *kwargs.values()) if data_of(x) is not x), None)
    if member is not None:
        refuse("SW262", call=call, what=f"a member of {type(member).__name__}")
    try:
        ours = _signature(function).bind(*args, **kwargs)
        original = _original(call)
        if original is None:
            return
        receiver = [None] if type(function) is functools.partial and _is_method(call) else []
        theirs = original.bind(*receiver, *args, **kwargs)
    except TypeError as error:
        refuse("SW262", call=call, what=f"this form ({error})")
    for name, value in ours.arguments.items():
        known = name in original.parameters and ours.signature.parameters[name].kind not in _VARIADIC
        if known and theirs.arguments.get(name, original) is not value:
            refuse("SW262", call=call, what=f"this form ({name!r} is another parameter)")


@dataclass(frozen=True, slots=True)
class _Form:
    """What `check_form` reads of a function: its code, and which parameters have defaults."""

    code: CodeType
    defaults: int
    names: tuple[str, ...]
    function: FunctionType = field(compare=False)


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    """Returns a signature, read once for functions of the same form: reading it takes longer than tracing the call."""
    if type(function) is not FunctionType or function.__dict__:
        return inspect.signature(function)
    defaults = len(function.__defaults__ or ())
    return _known_signature(_Form(function.__code__, defaults, tuple(function.__kwdefaults__ or ()), function))


@lru_cache(maxsize=2048)
def _known_signature(form: _Form) -> inspect.Signature:
    return inspect.signature(form.function)


def _is_method(call: str) -> bool:
    return call.partition(".")[0] in ("Series", "DataFrame", "array")


@cache
def _original(call: str) -> inspect.Signature | None:
    """Returns the signature of the original function of a call; None where the call's name does not identify it."""
    owner, _, name = call.rpartition(".")
    found = getattr(_owners().get(owner), name, None)
    if not callable(found):
        return None
    try:
        return inspect.signature(found)
    except ValueError:
        return _POSITIONAL


@cache
def _owners() -> Mapping[str, Any]:
    return {"str": str, "list": list, "math": math, "Series": pd.Series, "Series.str": StringMethods, "DataFrame": pd.DataFrame}
