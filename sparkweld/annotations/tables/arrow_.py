"""Annotates scalar functions of pyarrow.compute: each is row-local, whatever the chunks are."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from sparkweld.annotations.annotation import Arguments
from sparkweld.annotations.split_types import Broadcast, Filtered, Rows
from sparkweld.annotations.tables.row import Row

_X = Rows(container="arrow")
_S = Rows(container="arrow", dtype="str")
_ASCII = ("", "a", "two words", "  Edge ", "123", "\n")
_NUMBERS = """abs ceil floor trunc negate sqrt exp ln log10
log1p sin cos tan atan sign is_nan is_finite is_inf is_null is_valid""".split()
_TEXTS = """utf8_lower utf8_upper utf8_swapcase utf8_capitalize utf8_title utf8_length utf8_reverse utf8_trim_whitespace
utf8_ltrim_whitespace utf8_rtrim_whitespace utf8_is_alpha utf8_is_digit utf8_is_space utf8_is_lower utf8_is_upper
ascii_lower binary_length string_is_ascii""".split()
_OF_ASCII = "ascii_upper ascii_swapcase ascii_capitalize ascii_title ascii_reverse ascii_trim_whitespace".split()
_PATTERNS = """match_substring match_substring_regex count_substring count_substring_regex find_substring find_substring_regex
starts_with ends_with utf8_trim utf8_ltrim utf8_rtrim""".split()
_TWO = "add subtract multiply divide power atan2 equal not_equal less less_equal greater greater_equal coalesce".split()


def _texts_of_ascii(rng: Any, rows: int) -> Arguments:
    return (pa.array(rng.choice(_ASCII, rows).tolist(), pa.string()),), {}


ROWS = (
    *(Row(f"pyarrow.compute:{name}", (_X,), _X) for name in _NUMBERS),
    *(Row(f"pyarrow.compute:{name}", (_X, _X), _X) for name in _TWO),
    *(Row(f"pyarrow.compute:{name}", (_S,), _S) for name in _TEXTS),
    *(Row(f"pyarrow.compute:{name}", (_S,), _S, examples=_texts_of_ascii) for name in _OF_ASCII),
    *(Row(f"pyarrow.compute:{name}", (_S, Broadcast("a")), _S) for name in _PATTERNS),
    *(
        Row(f"pyarrow.compute:{name}", (_S, Broadcast("a"), Broadcast("bc")), _S)
        for name in ("replace_substring", "replace_substring_regex")
    ),
    *(Row(f"pyarrow.compute:{name}", (_S, Broadcast(8)), _S) for name in ("utf8_center", "utf8_lpad", "utf8_rpad")),
    Row("pyarrow.compute:utf8_slice_codeunits", (_S, Broadcast(0), Broadcast(3)), _S),
    Row("pyarrow.compute:binary_join_element_wise", (_S, _S, Broadcast("-")), _S),
    Row("pyarrow.compute:if_else", (Rows(container="arrow", dtype="bool"), _X, _X), _X),
    Row("pyarrow.compute:utf8_normalize", (_S,), _S, {"form": Broadcast("NFKD")}),
    Row("pyarrow.compute:fill_null", (_X, Broadcast(0.0)), _X),
    Row("pyarrow.compute:drop_null", (_X,), Filtered()),
)
