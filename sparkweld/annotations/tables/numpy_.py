"""Annotates functions of NumPy that kernels do not compute, and reductions, whose results merge."""

from __future__ import annotations

from sparkweld.annotations.split_types import Count, Filtered, Matrix, Max, Min, Rows, Sum
from sparkweld.annotations.tables.row import Row

_ARRAY = Rows(container="array")
_INTEGERS = Rows(container="array", dtype="int64")

ROWS = (
    *(Row(f"numpy:{name}", (_ARRAY,), _ARRAY) for name in "i0 sinc nan_to_num real imag angle iscomplex isreal".split()),
    Row("numpy:unwrap", (Matrix(),), Matrix()),
    Row("numpy:sort", (Matrix(),), Matrix()),
    Row("numpy:argsort", (Matrix(),), Matrix()),
    Row("numpy:compress", (Rows(container="array", dtype="bool"), _ARRAY), Filtered()),
    *(Row(f"numpy:{name}", (_INTEGERS,), Sum()) for name in ("sum", "count_nonzero")),
    Row("numpy:size", (_ARRAY,), Count()),
    Row("numpy:min", (_ARRAY,), Min()),
    Row("numpy:max", (_ARRAY,), Max()),
)
