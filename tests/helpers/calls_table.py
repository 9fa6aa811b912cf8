"""Renders the tables of calls as the Markdown table of docs/compiled.md: the calls that compiled functions may use."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sparkweld.ir.ops.elementwise import FUNCTIONS
from udf_compiler.frontends.arrow import batch
from udf_compiler.frontends.arrow import modules as modules_
from udf_compiler.frontends.pandas.calls import (
    arrays,
    builtins_,
    datetime_accessor,
    frames,
    numpy_,
    pandas_,
    series_methods,
    time_strings,
)
from udf_compiler.frontends.pandas.calls.strings import accessor
from udf_compiler.frontends.pandas.calls.strings import methods as strings_methods

BEGIN, END = "<!-- calls -->\n", "<!-- /calls -->\n"


def _names(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in sorted(set(names)))


def calls_table() -> str:
    """Returns the Markdown rows, one per kind of object."""
    plain = [f.__name__ for f in builtins_._PURE if not (isinstance(f, type) and issubclass(f, BaseException))]
    modules = ("cast", "partial", "reduce")
    ufuncs = {name for name in FUNCTIONS if isinstance(getattr(np, name, None), np.ufunc)}
    of_strings = (*series_methods.OF_ANY_KIND, *strings_methods.METHODS, *strings_methods.PROPERTIES, "dtype")
    instants = (*datetime_accessor.DATETIME_METHODS, *time_strings.METHODS)
    rows = [
        ("`np.` ufuncs", _names((*ufuncs, "divmod"))),
        ("`np.` functions", _names(f.__name__ for f in numpy_.TABLE)),
        ("`pd.` functions", _names(("Series", "DataFrame", "CategoricalDtype", *pandas_._FUNCTIONS))),
        ("Series", _names((*series_methods.METHODS, *series_methods.PROPERTIES, "dtype"))),
        ("Series of strings", _names(of_strings)),
        ("Series `.str`", _names((*accessor.METHODS, "[...]"))),
        ("`.str` of pieces", _names(("get", "join", "len", "[...]"))),
        ("Series `.dt` of datetimes", _names((*datetime_accessor.DATETIME_FIELDS, *instants, "to_period"))),
        ("Series `.dt` of timedeltas", _names((*datetime_accessor.TIMEDELTA_FIELDS, *datetime_accessor.TIMEDELTA_METHODS))),
        ("DataFrame", _names((*pandas_.FRAME_METHODS, *frames.PROPERTIES))),
        ("array", _names((*arrays.METHODS, "T", "dtype", "ndim", "shape"))),
        ("`pyarrow.compute.`", _names(modules_.FUNCTIONS)),
        ("pyarrow Array", _names((*modules_.METHODS, "type"))),
        ("pyarrow RecordBatch", _names((*batch.METHODS, *batch.PROPERTIES))),
        ("builtins", _names((*(name for name in plain if name not in modules), "type"))),
        (
            "on constants",
            "pure functions of NumPy (`np.linspace`, `np.unique`, ...), `math`, `operator`, `itertools`, `functools.reduce`, "
            "`functools.partial`, `re.compile`, `re.escape` and flags, `datetime.date` and `timedelta` without the clock",
        ),
    ]
    return "\n".join(("| on | calls |", "|---|---|", *(f"| {kind} | {calls} |" for kind, calls in rows)))


def with_calls_table(text: str) -> str:
    """Returns docs/compiled.md with the table that the sources imply."""
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    return text[:begin] + calls_table() + "\n" + text[end:]
