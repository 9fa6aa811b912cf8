"""Converts traced values to arguments of black-box calls, samples them, and converts the calls' results to traced values.

The lazy API and the compiler of fused functions share it: both capture calls on traced values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sparkweld.annotations import Annotation, Merge
from sparkweld.annotations.domains import RowDomain
from sparkweld.annotations.errors import DomainError
from sparkweld.annotations.split_types import Mutated, Rows
from sparkweld.ir import LoopBuilder, Type, Value
from sparkweld.ir.arrow import ARROW_TYPES, IR_TYPES
from sparkweld.ir.ops import IsValid, ValueOf
from sparkweld.ir.types import BOOL, F64, I64, STR, of_dtype
from sparkweld.pipelines import Argument
from udf_compiler.frontends.arrow import TracedArrow
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.batch_dependent import BATCH_DEPENDENT
from udf_compiler.frontends.pandas.kind import SeriesKind
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.pandas.strings import STRINGS, text_series

#: Python types of list elements for which a Series and an array have the same dtype.
_ELEMENTS = {float: F64, int: I64, bool: BOOL, str: STR}

_get = object.__getattribute__  # the attributes of traced values are hidden from user code


@dataclass(frozen=True)
class Foreign:
    """Rows of a type that the IR lacks: only calls take them. `example`: some elements, to try calls on.

    `form`: "array", "arrow", "series", or "list" for a Series from a list, whose dtype pandas infers.
    """

    column: str
    domain: RowDomain
    form: str
    example: Any


@dataclass(frozen=True)
class Returned:
    """The result of a call on samples: its form, its IR type (None: the IR has none), and the result itself."""

    form: str
    type: Type | None
    example: Any


def is_traced(x: Any) -> bool:
    """Whether `x` represents rows. (Symbolic values report another class.)"""
    return type(x) in (TracedSeries, TracedArray, TracedArrow, Foreign)


def is_series(traced: Any) -> bool:
    """Whether it represents a Series, not an array."""
    return type(traced) is TracedSeries or (type(traced) is Foreign and traced.form in ("series", "list"))


def kind_of(traced: Any) -> SeriesKind | None:
    """Returns the kind of a traced Series, and that of numbers for an array; None for an Arrow array or a foreign value."""
    if type(traced) is TracedSeries:
        return _get(traced, "kind")  # type: ignore[no-any-return]
    return NUMBERS if type(traced) is TracedArray else None


def dtype_of(traced: Any) -> Any:
    """Returns the dtype of a plain traced value; object for a foreign one."""
    if type(traced) is Foreign:
        return np.dtype(object)
    if type(traced) is TracedArrow:
        return _get(traced, "value").type.dtype
    return _get(traced, "dtype" if type(traced) is TracedArray else "_dtype")


def missing_of(traced: Any) -> Missing:
    """Returns the representations that its missing strings may have."""
    return _get(traced, "missing") if type(traced) is TracedSeries else Missing()  # type: ignore[no-any-return]


def source_of(traced: Any) -> Any:
    """Returns the value or column of a traced form."""
    if type(traced) is Foreign:
        return traced.column
    return _whole(traced) if type(traced) is TracedArrow else _get(traced, "value")


def _whole(array: TracedArrow) -> Value:
    """Returns the value with its NULLs: the nullable column itself where value and validity are read from one."""
    value, valid = _get(array, "value"), _get(array, "valid")
    body = value.loop.body
    if valid is not None and isinstance(body[value.id].op, ValueOf) and isinstance(body[valid.id].op, IsValid):
        if body[value.id].args == body[valid.id].args:
            return value.loop.value(body[value.id].args[0])  # type: ignore[no-any-return]
    return value if valid is None else value.loop.optional(value, valid)  # type: ignore[no-any-return]


def is_plain(traced: Any) -> bool:
    """Whether a pipeline can return it unchanged: its dtype and the form of its missing values are known."""
    if type(traced) is not TracedSeries:
        return type(traced) in (TracedArray, TracedArrow) or bool(traced.column)
    missing = missing_of(traced)
    return kind_of(traced) is NUMBERS or (kind_of(traced) is STRINGS and not (missing.none and missing.nan) and not missing.void)


def sample(traced: Any) -> Any:
    """Returns some rows: ones, which no function treats specially, or strings, or real elements."""
    if type(traced) is Foreign:
        return traced.example
    if type(traced) is TracedArrow:
        type_ = source_of(traced).type.plain()
        return pa.array(["a", "bc", "d e", "f"] if type_ == STR else np.ones(4, np.int32)).cast(ARROW_TYPES[type_])
    if kind_of(traced) is STRINGS:
        return np.array(["a", "bc", "d e", "f"], object)
    return np.ones(4, np.float64 if kind_of(traced) is BATCH_DEPENDENT else dtype_of(traced))


def argument(traced: Any, form: str | None) -> Argument | None:
    """Returns the argument as the function receives it; None for rows that have no such form."""
    if type(traced) is TracedSeries:
        missing = missing_of(traced)
        if kind_of(traced) not in (NUMBERS, STRINGS) or missing.nan or (missing.none and form not in ("list", "filled")):
            return None
    source = source_of(traced)
    if type(traced) is TracedArrow or (type(traced) is Foreign and traced.form == "arrow"):
        return Argument((source,), form or "arrow", type=source.type if isinstance(source, Value) else None)
    return Argument((source,), form or ("series" if is_series(traced) else "array"))


def column_of_row(scalar: Any, loop: LoopBuilder) -> TracedSeries | None:
    """Returns the Series of a scalar function's Python value; None when that is not a number or string of `loop`.

    For a string that is NULL in other rows it is the nullable column, which no kernel has to build: a "filled" argument.
    """
    kind, value = _get(scalar, "kind"), _get(scalar, "value")
    if value.loop is not loop or _get(scalar, "numpy") or kind not in ("str", "float", "int", "bool"):
        return None
    let = loop.body[value.id]
    if kind == "str" and isinstance(let.op, ValueOf):
        return text_series(loop, loop.value(let.args[0]), Missing(none=True))  # type: ignore[no-any-return]
    return text_series(loop, value, Missing()) if kind == "str" else TracedSeries(loop, value, value.type.dtype)  # type: ignore[no-any-return]


def fits(annotation: Annotation, args: tuple[Any, ...], kwargs: Mapping[str, Any], rows: Any) -> bool:
    """Whether exactly the arguments annotated with rows have rows. `rows(x)`: the traced form of an argument, or None.

    Merged results require the very dtypes that the annotation was checked with: sums of floats depend on their order.
    """
    try:
        typed = [(t, rows(x)) for _, t, x in annotation.typed(args, kwargs)]
    except DomainError:
        return False
    with_rows = [(t, traced) for t, traced in typed if traced is not None]
    if not all(isinstance(t, Rows) and not isinstance(t, Mutated) for t, _ in with_rows):
        return False  # other holders of the data would see changes in place
    return not isinstance(annotation.returns, Merge) or all(getattr(t, "dtype", None) == str(dtype_of(x)) for t, x in with_rows)


def tried(annotation: Annotation, args: list[Any], kwargs: Mapping[str, Any]) -> Returned | None:
    """Returns the result of the call on samples; None when it raises, or when the result cannot become a column."""
    if annotation.elementwise:
        args = [x.tolist() if hasattr(x, "tolist") else x for x in args]
    try:
        with np.errstate(all="ignore"):
            result = annotation.call(args, kwargs)
    except Exception:  # noqa: BLE001 - samples are not data: the real call may succeed
        return None
    return Returned("merged", None, result) if isinstance(annotation.returns, Merge) else _returned(result)


def _returned(result: Any) -> Returned | None:
    if isinstance(result, pd.Series) and isinstance(result.dtype, np.dtype):
        return Returned("series", _type(result.to_numpy()), result)
    if type(result) is np.ndarray and result.ndim == 1:
        return Returned("array", _type(result), result)
    if isinstance(result, pa.Array):
        return Returned("arrow", Type(IR_TYPES[result.type].kind, True) if result.type in IR_TYPES else None, result)
    if type(result) is list and result:
        kinds = set(map(type, result))
        return Returned("list", _ELEMENTS.get(kinds.pop()) if len(kinds) == 1 else None, result)
    return None


def _type(array: np.ndarray) -> Type | None:
    if array.dtype == object:
        return STR if len(array) and set(map(type, array.tolist())) == {str} else None
    return of_dtype(array.dtype) if array.dtype.isnative else None


def traced_result(source: Any, domain: RowDomain, returned: Returned, loop: LoopBuilder, series: bool) -> Any:
    """Returns the traced form of a call's result. `series`: a list represents a Series."""
    if not isinstance(source, Value) or returned.type is None:
        values = returned.example.to_numpy() if isinstance(returned.example, pd.Series) else returned.example
        if isinstance(values, list):
            made = np.empty(len(values), object)
            made[:] = values
            values = made
        return Foreign(source, domain, returned.form, values)
    if returned.form == "arrow":
        return TracedArrow.of(loop, source)
    if returned.type == STR:
        return text_series(loop, source, Missing())
    if returned.form == "series" or (returned.form == "list" and series):
        return TracedSeries(loop, source, returned.type.dtype, shared=True)
    return TracedArray(loop, (source,), shared=True)


def traced_like(traced: Any, source: Any, domain: RowDomain, loop: LoopBuilder) -> Any:
    """Returns the same kind of traced value for another source."""
    if type(traced) is Foreign:
        return Foreign(source, domain, traced.form, traced.example)
    if type(traced) is TracedArray:
        return TracedArray(loop, (source,), shared=True)
    if type(traced) is TracedArrow:
        return TracedArrow.of(loop, source)
    return TracedSeries(loop, source, dtype_of(traced), _get(traced, "kind"), True, missing_of(traced))
