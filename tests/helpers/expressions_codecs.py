"""Generates plain UDFs of digests, Base64, URLs and JSON, and rows of such strings.

`codec_functions()` draws the source of a function and the kind of its result: "s" for a string, "n" for a number, "c" for a bool.
Its arguments are a JSON document or a piece of one `d`, a URL or a piece of one `u`, and an int `n`.
"""

from __future__ import annotations

import json
import math
import random
from functools import cache
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

_ROWS = 60

_TEXT = (
    "d", "u", "u", "hashlib.md5({b}).hexdigest()", "hashlib.sha1({b}).hexdigest()", "hashlib.sha256({b}).hexdigest()[:{k}]",
    "hashlib.sha512({b}).hexdigest()", "base64.b64encode({b}).decode()", "base64.b64decode({s}).decode('utf-8')", "{b}.hex()",
    "base64.urlsafe_b64encode({b}).decode()", "quote({s})", "quote({s}, safe='')", "quote_plus({s})", "unquote({s})",
    "unquote_plus({s})", "urlparse({s}).netloc", "urlparse({s}).path", "urlsplit({s}).query", "urlsplit({s}).scheme",
    "urlparse({s}).hostname", "parse_qs({s}).get('k', [''])[0]", "parse_qs(urlparse({s}).query)['k'][-1]", "html.escape({s})",
    "json.dumps({s})", "json.dumps({{'a': {s}, 'n': {n}}})", "json.dumps([{n}, {s}, {c}], ensure_ascii=False)", "str({j})",
    "json.dumps({{'x': {{'y': [{s}]}}}}, indent=1, sort_keys=True)", "({s} + {s})", "{s}.upper()", "{s}[:3]",
    "({s} if {c} else {s})",
    'f"""{{{j}}}!"""', "{j}.strip()", "','.join([x['name'] for x in {j}])", "', '.join(str(x) for x in {j})",
    "{b}.decode()", "{s}.encode('ascii', 'ignore').decode()",
)  # fmt: skip
_BYTES = ("{s}.encode()", "{s}.encode('utf-8')", "(b'salt' + {s}.encode())", "bytes({s}, 'utf-8')", "{s}.strip().encode('utf8')")
_VALUE = (
    "json.loads({s})", "json.loads(d)", "json.loads(d)['a']", "json.loads(d).get('a', {s})", "{j}['name']", "{j}.get('b')",
    "{j}[0]",
    "json.loads(d)['a']['name']", "({j} or {s})", "json.loads(d).get('b', {{}}).get('name', 'x')",
)  # fmt: skip
_NUMBER = (
    "n", "len({s})", "int(hashlib.md5({b}).hexdigest(), 16) % {m}", "int(hashlib.sha256({b}).hexdigest()[:8], 16)",
    "zlib.crc32({b})",
    "int({s}, 16)", "int({j})", "float({j})", "len({j})", "({n} + {n})", "({n} if {c} else {n})", "urlparse({s}).port",
    "sum(1 for x in {j} if x)", "len(parse_qs({s}).get('k', []))", "zlib.crc32({b}, {k}) & 0xFF",
    "int.from_bytes(hashlib.sha1({b}).digest()[:4], 'big')",
)  # fmt: skip
_TEST = (
    "({s} == {s})", "({n} > 3)", "'k' in parse_qs({s})", "({j} == 'a')", "isinstance({j}, str)", "isinstance({j}, (dict, list))",
    "bool({j})", "('a' in {j})", "({j} is None)", "({j} != {s})", "{s}.startswith('h')", "({j} == {n})",
)  # fmt: skip
_TEMPLATES = {"s": _TEXT, "b": _BYTES, "j": _VALUE, "n": _NUMBER, "c": _TEST}
_SIMPLEST = {"s": "u", "b": "u.encode()", "j": "json.loads(d)", "n": "n", "c": "(n > 3)"}
_ERRORS = ("ValueError", "(ValueError, TypeError, KeyError)", "Exception", "json.JSONDecodeError", "")
_IMPORTS = """import base64, hashlib, html, json, zlib
from urllib.parse import parse_qs, quote, quote_plus, unquote, unquote_plus, urlparse, urlsplit
"""


@st.composite
def codec_functions(draw) -> tuple[str, str]:
    """Returns the source of `f`, and the kind of its result."""
    gives = draw(st.sampled_from("sssjnnc"))

    def expression(kind: str, depth: int) -> str:
        if kind == "k":
            return str(draw(st.sampled_from((0, 7, 12))))
        if kind == "m":
            return str(draw(st.sampled_from((1, 10, 64, 97, 1000, 2**31, 10**12))))
        if depth == 0:
            return _SIMPLEST[kind]
        template = draw(st.sampled_from(_TEMPLATES[kind]))
        plain = template.replace("{{", "").replace("}}", "")
        parts = {key: expression(key, depth - 1) for key in "sbjnckm" if f"{{{key}}}" in plain}
        return template.format(**parts) if "{" in template else template

    lines = ["def f(d, u, n):"]
    if draw(st.integers(0, 3)):
        lines.append("    if d is None or u is None or n is None:\n        return None")
    body = f"    return {expression(gives, draw(st.integers(1, 3)))}"
    if draw(st.booleans()):
        body = f"    try:\n    {body}\n    except {draw(st.sampled_from(_ERRORS))}:\n        return None"
    return _IMPORTS + "\n".join([*lines, body]) + "\n", "s" if gives == "j" else gives


_URL_PIECES = ("https://", "http", "www.x.org", ":80", "/p", "?", "&", "=", "#", "k=", "k=v", "&%6B=x", "%41", "%C3%A9", "%C3",
               "+", " ", "é", "@", "a", "QUI=", "ff", "0x1", "<b>", '"', "😀")  # fmt: skip
_LEAVES = (None, True, False, 0, -1, 12, 1.5, -0.0, "", "a", 'q"\\\n', "é😀", "7", " 2.5 ", math.nan, 2**70)


def _document(draw: random.Random, depth: int = 0) -> Any:
    if depth > 2 or draw.random() < 0.35:
        return draw.choice(_LEAVES)
    if draw.random() < 0.3:
        return [_document(draw, depth + 1) for _ in range(draw.randrange(4))]
    return {draw.choice(("a", "b", "name", "é")): _document(draw, depth + 1) for _ in range(draw.randrange(4))}


def _json(draw: random.Random) -> str:
    written = json.dumps(_document(draw), ensure_ascii=draw.random() < 0.5, indent=draw.choice((None, None, 1)))
    if draw.random() < 0.2:
        return written[: draw.randrange(len(written) + 1)] + draw.choice(("", ",", "}", " x", "\\ud800"))
    return written


@cache
def codec_batches() -> tuple[pa.RecordBatch, ...]:
    """Returns batches of documents and URLs with and without NULLs, and one row."""
    draw = random.Random(9)

    def batch(rows: int, nulls: float) -> pa.RecordBatch:
        def column(make: Any, type: pa.DataType) -> pa.Array:
            return pa.array([None if draw.random() < nulls else make() for _ in range(rows)], type)

        url = lambda: "".join(draw.choice(_URL_PIECES) for _ in range(draw.randrange(7)))  # noqa: E731
        documents, urls = column(lambda: _json(draw), pa.string()), column(url, pa.string())
        return pa.RecordBatch.from_arrays([documents, urls, column(lambda: draw.randrange(9), pa.int64())], ["d", "u", "n"])

    return batch(_ROWS, 0.15), batch(_ROWS, 0.0), batch(1, 0.0)
