"""Annotates pure functions of the standard library that take one value, as `Series.map` and `Series.apply` call them."""

from __future__ import annotations

import numpy as np

from sparkweld.annotations.split_types import Broadcast, Rows
from sparkweld.annotations.tables.row import Row

_TEXT = Rows(container="list", dtype="str")
_NUMBER = Rows(container="list")
_COUNT = Rows(container="list", dtype="int64")
_DOCUMENTS = ('{"a": [1, 2.5, null]}', "[]", "3", '"é"', "true", "null")


def _documents(rng: np.random.Generator, rows: int) -> tuple[tuple[list[str]], dict[str, object]]:
    return ([_DOCUMENTS[i] for i in rng.integers(0, len(_DOCUMENTS), rows)],), {}


def _bytes(rng: np.random.Generator, rows: int) -> tuple[tuple[list[bytes]], dict[str, object]]:
    return ([rng.bytes(int(n)) for n in rng.integers(0, 20, rows)],), {}


def _positive(rng: np.random.Generator, rows: int) -> tuple[tuple[list[float]], dict[str, object]]:
    return (rng.uniform(0.1, 100, rows).tolist(),), {}


def _each(path: str, *args: Rows | Broadcast) -> Row:
    return Row(path, args, Rows(container="list"), elementwise=True)


ROWS = (
    *(_each(f"math:{name}", _NUMBER) for name in ("erf", "erfc", "fabs", "atan", "tanh", "isnan", "isinf", "degrees", "radians")),
    *(
        Row(f"math:{name}", (_NUMBER,), Rows(container="list"), elementwise=True, examples=_positive)
        for name in "gamma lgamma log log2 log10 sqrt log1p expm1 cosh sinh exp floor ceil trunc cbrt exp2 asinh".split()
    ),
    _each("math:comb", _COUNT, Broadcast(2)),
    _each("math:isqrt", _COUNT),
    Row("json:loads", (_TEXT,), Rows(container="list"), elementwise=True, examples=_documents),
    _each("json:dumps", _TEXT),
    *(_each(f"re:{name}", Broadcast(r"\w+"), _TEXT) for name in ("findall", "split")),
    _each("re:sub", Broadcast(r"\s+"), Broadcast(" "), _TEXT),
    _each("re:escape", _TEXT),
    *(_each(f"unicodedata:{name}", Broadcast("NFKD"), _TEXT) for name in ("normalize", "is_normalized")),
    _each("html:escape", _TEXT),
    _each("html:unescape", _TEXT),
    *(
        _each(f"urllib.parse:{name}", _TEXT)
        for name in ("quote", "quote_plus", "unquote", "unquote_plus", "urlsplit", "parse_qs", "parse_qsl")
    ),
    *(_each(f"textwrap:{name}", _TEXT) for name in ("dedent", "fill", "wrap")),
    _each("textwrap:shorten", _TEXT, Broadcast(8)),
    _each("textwrap:indent", _TEXT, Broadcast("> ")),
    _each("string:capwords", _TEXT),
    _each("shlex:quote", _TEXT),
    _each("fnmatch:fnmatch", _TEXT, Broadcast("*e*")),
    *(_each(f"posixpath:{name}", _TEXT) for name in ("basename", "dirname", "split", "splitext", "normpath")),
    *(
        Row(path, (_TEXT,), Rows(container="list"), elementwise=True, examples=_bytes)
        for path in """zlib:crc32 zlib:adler32 binascii:hexlify base64:b64encode base64:urlsafe_b64encode base64:b32encode
        base64:b16encode""".split()
    ),
)
