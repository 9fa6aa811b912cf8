"""Creates synthetic arguments of a pipeline's form, on which it is compared with the functions that it replaces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from sparkweld.annotations.split_types import Rows
from sparkweld.worker.function import Column, Form

_PROBE_ROWS = 40


def synthetic_arguments(form: Form, nulls: bool) -> tuple[Any, ...]:
    """Returns synthetic arguments of a form's dtypes. `nulls`: Arrow arrays contain NULLs."""
    rng = np.random.default_rng(0)
    parts: dict[int, dict[str | None, Any]] = {}
    for column in form.columns:
        if column.arrow:
            example = _array(column, rng, nulls)
        elif column.date:
            days = rng.integers(0, 20_000, _PROBE_ROWS).astype("datetime64[D]").astype(object)
            days[: _PROBE_ROWS // 4 * column.has_none] = None
            example = pd.Series(days)
        elif column.dtype.startswith("float"):
            example = pd.Series(rng.uniform(0.5, 3, _PROBE_ROWS).astype(column.dtype))
        else:
            example = Rows(dtype="str" if column.text else column.dtype).example(rng, _PROBE_ROWS).reset_index(drop=True)
        parts.setdefault(column.argument, {})[column.field] = example
    return tuple(_argument(fields, form.columns[0].arrow) for fields in parts.values())


def _argument(fields: dict[str | None, Any], arrow: bool) -> Any:
    if None in fields:
        return fields[None]
    return pa.StructArray.from_arrays(list(fields.values()), names=list(fields)) if arrow else pd.DataFrame(fields)


def _array(column: Column, rng: np.random.Generator, nulls: bool) -> pa.Array:
    if column.text:
        values = Rows(container="array", dtype="str").example(rng, _PROBE_ROWS)
    else:
        values = rng.uniform(0.5, 3, _PROBE_ROWS) if column.dtype in ("float", "double") else rng.integers(0, 100, _PROBE_ROWS)
    made = pa.array(values.tolist() if column.text else values, mask=(rng.random(_PROBE_ROWS) < 0.25) if nulls else None)
    type = pa.type_for_alias(column.dtype)
    return made.cast(pa.int32()).cast(type) if pa.types.is_date(type) else made.cast(type)
