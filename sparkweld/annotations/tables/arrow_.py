"""Scalar functions of pyarrow.compute: each looks at one row at a time, whatever the chunks are."""

from __future__ import annotations

from sparkweld.annotations.split_types import Broadcast, Filtered, Rows
from sparkweld.annotations.tables.row import Row

_X = Rows(container="arrow")
_S = Rows(container="arrow", dtype="str")
_NUMBERS = """abs ceil floor trunc negate sqrt exp ln log10
log1p sin cos tan atan sign is_nan is_finite is_inf is_null is_valid""".split()
_TEXTS = """utf8_lower utf8_upper utf8_swapcase utf8_capitalize utf8_title utf8_length utf8_reverse utf8_trim_whitespace
utf8_is_alpha utf8_is_digit utf8_is_space ascii_lower binary_length string_is_ascii""".split()

ROWS = (
    *(Row(f"pyarrow.compute:{name}", (_X,), _X) for name in _NUMBERS),
    *(Row(f"pyarrow.compute:{name}", (_X, _X), _X) for name in ("add", "subtract", "multiply", "divide", "power", "atan2")),
    *(Row(f"pyarrow.compute:{name}", (_S,), _S) for name in _TEXTS),
    *(
        Row(f"pyarrow.compute:{name}", (_S,), _S, {"pattern": Broadcast("a")})
        for name in ("match_substring", "count_substring", "find_substring", "starts_with", "ends_with")
    ),
    Row("pyarrow.compute:utf8_normalize", (_S,), _S, {"form": Broadcast("NFKD")}),
    Row("pyarrow.compute:fill_null", (_X, Broadcast(0.0)), _X),
    Row("pyarrow.compute:drop_null", (_X,), Filtered()),
)
