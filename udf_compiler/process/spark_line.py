"""Describes how the installed line of Spark converts the arguments and results of Python functions.

docs/internals/pyspark-lines.md shows where each fact comes from. All other code asks this module, and compares no versions. The
compiler follows the newest line; what an older line may convert differently is refused there (SW114).
"""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from pyspark import Broadcast
from pyspark.version import __version__

from sparkweld.errors import Refusal
from sparkweld.reasons import refusal
from udf_compiler.process.context_variables import assigned


@dataclass(frozen=True, slots=True)
class SparkLine:
    """The facts of one line, by which its workers differ from those of other lines.

    - `compared`: kernels were compared with workers of this line.
    - `casts_results`: when pyarrow cannot make a pandas result the declared type, the worker lets pyarrow infer one, and casts.
    - `checks_results`: conversions of results are checked, unless a session sets `convertToArrowArraySafely` to false.
    - `plain_over_arrow`: a plain UDF that does not state `useArrow` receives its values over Arrow, not pickled.
    - `plain_values_over_arrow`: a plain UDF over Arrow receives Python values, not the elements of a Series.
    - `converts_by_arrow`: Arrow alone converts the columns of pandas UDFs, except structs with strings or arrays. Otherwise
      pandas completes the conversion: it computes local times, after Arrow has converted to nanoseconds.
    - `nanoseconds`: timestamps reach pandas UDFs as nanoseconds. Otherwise, their unit depends on the version of pyarrow.
    - `arrow_misfit`: the innermost exception for the result of an Arrow aggregate that the declared type does not hold.
    - `sparse_overhead`: `Vector.compressed` returns a sparse vector if its size exceeds 1.5 times its non-zeros, plus this.
    - `groups_as_maps`: the results of groups are converted as those of mapInPandas. Otherwise, their casts were never compared.
    - `tables_over_arrow`: table functions over Arrow convert values like plain functions. Otherwise, this was never compared.
    - `worker_conversions`: PySpark has the functions that the code of worker pipelines and partial aggregates calls.
    """

    name: str
    compared: bool = True
    casts_results: bool = True
    checks_results: bool = True
    plain_over_arrow: bool = True
    plain_values_over_arrow: bool = True
    converts_by_arrow: bool = True
    nanoseconds: bool = True
    arrow_misfit: str = "pyspark.errors.exceptions.base.PySparkRuntimeError"
    sparse_overhead: float = 2.0
    groups_as_maps: bool = True
    worker_conversions: bool = False
    tables_over_arrow: bool = False


_LINES = (
    SparkLine("3.5", casts_results=False, checks_results=False, plain_over_arrow=False, plain_values_over_arrow=False,
              converts_by_arrow=False, nanoseconds=False, sparse_overhead=1.5, groups_as_maps=False),
    SparkLine("4.0", casts_results=False, checks_results=False, plain_over_arrow=False, plain_values_over_arrow=False,
              converts_by_arrow=False, sparse_overhead=1.5, groups_as_maps=False),
    SparkLine("4.1", plain_over_arrow=False, converts_by_arrow=False, groups_as_maps=False,
              arrow_misfit="pyarrow.lib.ArrowInvalid"),
    SparkLine("4.2", arrow_misfit="pyarrow.lib.ArrowInvalid"),
    SparkLine("4.3", worker_conversions=True, tables_over_arrow=True),
)


def line_of(version: str) -> SparkLine:
    """Returns the line of a version of PySpark. No function is compiled for a line that is not in the table."""
    name = ".".join(version.split(".")[:2])
    return next((line for line in _LINES if line.name == name), SparkLine(name, compared=False))


#: PySpark's module of broadcasts, which Spark 3 has under another name: it is private.
BROADCASTS: Any = importlib.import_module(Broadcast.__module__)
#: The line of the workers: the compile service runs in their Python, with their import path.
LINE = line_of(__version__)


_OUTSIDE: ContextVar[bool] = ContextVar("outside Spark", default=False)


def outside_spark() -> AbstractContextManager[object]:
    """Makes requests inside the block promise the conversions of the newest line: no worker runs their functions."""
    return assigned(_OUTSIDE, True)


def passes_plain_values() -> bool:
    """Whether plain functions over Arrow receive Python values."""
    return LINE.plain_values_over_arrow or _OUTSIDE.get()


def checks_results_by_default() -> bool:
    """Whether conversions of results are checked, unless a session decides otherwise."""
    return LINE.checks_results or _OUTSIDE.get()


def unsupported(what: str, place: str) -> Refusal:
    """Returns the refusal (SW114) of something that this line does differently."""
    return refusal("SW114", place, what=what, line=LINE.name)


def check_compared(place: str) -> None:
    """Refuses (SW114) every function on a line whose workers were never compared with kernels."""
    if not LINE.compared:
        raise unsupported("the conversions of Python workers may differ", place)


def check_table_functions(place: str) -> None:
    """Refuses (SW114) table functions over Arrow on lines whose conversions of their rows were never compared."""
    if not LINE.tables_over_arrow:
        raise unsupported("the conversion of the rows of table functions over Arrow", place)


def check_groups(place: str) -> None:
    """Refuses (SW114) functions of groups on lines whose conversions of their results were never compared."""
    if not LINE.groups_as_maps:
        raise unsupported("the results of groups may be converted otherwise", place)


def check_worker_conversions(place: str) -> None:
    """Refuses (SW114) code that calls PySpark's own conversions in workers, on lines that lack them."""
    if not LINE.worker_conversions:
        raise unsupported("Python workers have other conversion functions", place)
