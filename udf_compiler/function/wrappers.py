"""Recognizes the functions that pandas-on-Spark nests around a user's, by their code in the installed PySpark."""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from udf_compiler.function.bytecode import Namespace


def is_used() -> bool:
    """Whether any part of pandas-on-Spark has been unpickled; importing it would take a second."""
    return "pyspark.pandas" in sys.modules


def applied(func: Any, axis: Any, args: Any, kwds: Any) -> Callable[[Any], Any]:
    """Returns the operation of ``DataFrame.apply`` on the frame of a batch, before its result becomes a frame."""
    return lambda pdf: pdf.apply(func, axis=axis, args=args, **kwds)


def is_wrapper(function: object) -> bool:
    """Whether a PySpark function only passes a column or a frame to the user's, so that its code may be followed."""
    if not isinstance(function, types.FunctionType) or not is_used():
        return False
    return function.__code__ in codes().followed


def user_function(function: Any) -> Any:
    """Returns the user's own function behind wrappers that only pass on to it."""
    while is_wrapper(function):
        cells = cells_of(function)
        inner = next((cells[name] for name in ("original_func", "func", "f", "arg") if callable(cells.get(name))), None)
        if inner is None:
            break
        function = inner
    return function


def cells_of(function: types.FunctionType) -> Namespace:
    """Returns the captured variables of a function, by name."""
    return dict(zip(function.__code__.co_freevars, (c.cell_contents for c in function.__closure__ or ()), strict=True))


@dataclass(frozen=True)
class Codes:
    """Code objects of PySpark's nested functions.

    - `builder`: makes the index and prepares the result.
    - `series`, `first`, `map`: the wrappers around it.
    - `rows`: inside it, calls ``pdf.apply``.
    - `followed`: inside it, the functions that only pass on.
    """

    builder: frozenset[types.CodeType]
    series: frozenset[types.CodeType]
    first: frozenset[types.CodeType]
    map: frozenset[types.CodeType]
    rows: frozenset[types.CodeType]
    followed: frozenset[types.CodeType]


@cache
def codes() -> Codes:
    """Returns the code objects of the PySpark that runs here, which is the worker's."""
    # Importing these takes a second: see `is_used`.
    from pyspark.pandas.accessors import PandasOnSparkFrameMethods as Frames
    from pyspark.pandas.accessors import PandasOnSparkSeriesMethods as Columns
    from pyspark.pandas.frame import DataFrame
    from pyspark.pandas.groupby import GroupBy
    from pyspark.pandas.series import Series

    batch = (Frames.apply_batch, Frames.transform_batch, DataFrame.apply)
    handing = [*_nested("new_func", *batch), *_nested("<lambda>", *batch, Columns.transform_batch, Columns._transform_batch)]
    handing += _nested("<lambda>", DataFrame.transform, Series.map)
    maps = [code for code in _nested("<lambda>", Frames.apply_batch, DataFrame.apply) if "output_func" in code.co_freevars]
    return Codes(
        builder=frozenset(_nested("rename_output", GroupBy._make_pandas_df_builder_func)),
        series=frozenset(_nested("pudf", Columns._transform_batch)),
        first=frozenset(_nested("udf", Frames.transform_batch)),
        map=frozenset(maps),
        rows=frozenset(_nested("apply_func", DataFrame.apply)),
        followed=frozenset((*set(handing) - set(maps), *_nested("apply_each", Series.apply), *_nested("<lambda>", applied))),
    )


def _nested(name: str, *functions: Any) -> Iterator[types.CodeType]:
    """Yields the code of functions of that name that are defined inside others."""
    codes = [inspect.unwrap(function).__code__ for function in functions]
    while codes:
        inner = [c for c in codes.pop().co_consts if isinstance(c, types.CodeType)]
        codes += inner
        yield from (code for code in inner if code.co_name == name)
