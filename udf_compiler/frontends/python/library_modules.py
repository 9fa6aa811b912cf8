"""Makes the stand-in of a library's module from implementations of its functions for values of the row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.stand_ins import module_stand_in
from udf_compiler.frontends.tracing.values import Traced


def checked(function: Callable[..., Any], call: str) -> Callable[..., Any]:
    """Returns the implementation with a check of its arguments: refuses (SW262) those that do not fit its signature."""

    def called(*args: Any, **kwargs: Any) -> Any:
        check_form(function, args, kwargs, call)
        return function(*args, **kwargs)

    return called


def _of_row_or_constant(real: Callable[..., Any], of_row: Callable[..., Any], call: str) -> Callable[..., Any]:
    implemented = checked(of_row, call)

    def called(*args: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, Traced) for x in (*args, *kwargs.values())):
            return implemented(*args, **kwargs)
        return as_python(real, *args, **kwargs)

    return called


def _not_supported(label: str) -> Callable[[str], Any]:
    return lambda name: refuse("SW263", name=f"{label}.{name}")


def module_of(
    module: Any,
    label: str,
    functions: Mapping[str, Callable[..., Any]],
    others: Mapping[str, Any],
    missing: Callable[[str], Any] | None = None,
) -> dict[int, Any]:
    """Returns id -> stand-in of a module, of its functions and of the `others` of its attributes.

    Calls of `functions` with constants alone run the functions themselves. `missing`: called with the name of any other
    attribute, which it refuses; SW263 without it.
    """
    names = {**{n: _of_row_or_constant(getattr(module, n), f, f"{label}.{n}") for n, f in functions.items()}, **others}
    missing = missing or _not_supported(label)

    def attribute(name: str) -> Any:
        return names[name] if name in names else missing(name)

    known = {id(getattr(module, n)): x for n, x in names.items() if hasattr(module, n)}
    return {**known, id(module): module_stand_in(module, label, attribute)}
