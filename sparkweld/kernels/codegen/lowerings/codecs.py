"""Lowers digests and codecs of strings to calls of `kernels.functions.strings`."""

from __future__ import annotations

import string
from collections.abc import Callable
from urllib.parse import quote_from_bytes

from llvmlite import ir

from sparkweld.ir.ops.string_functions import Param
from sparkweld.ir.urls import NEVER_FIRST, SCHEME
from sparkweld.kernels.codegen.lowerings.constant_data import constant_bytes, integer, stack_words
from sparkweld.kernels.functions.strings import (
    base64_codec,
    building,
    city_hashes,
    digest_tables,
    digests,
    json_changes,
    json_documents,
    json_reading,
    json_scan,
    json_writing,
    literals,
    numbers,
    radixes,
    urls,
)
from sparkweld.kernels.functions.strings.library import Function
from sparkweld.kernels.llvm.integers import Builder

_Params = tuple[Param, ...]


def _hexdigest(params: _Params, b: Builder, v: ir.Value, arena: ir.Value) -> ir.Value:
    name = str(params[0])
    kind, size = digest_tables.DIGESTS[name]
    table = constant_bytes(b, digest_tables.digest_table(name))
    return digests.hexdigest.build(b, arena, v, stack_words(b, digests.WORDS), table, integer(kind), integer(size))


def _hmac_key(params: _Params, b: Builder, v: ir.Value, arena: ir.Value) -> ir.Value:
    return digests.hmac_key.build(b, arena, v, *(integer(int(param or 0)) for param in params))


def _crc32(params: _Params, b: Builder, v: ir.Value) -> ir.Value:
    return digests.crc32.build(b, v, integer(int(params[0] or 0)), constant_bytes(b, digest_tables.crc_table()))


def _parse_base(params: _Params, b: Builder, v: ir.Value) -> ir.Value:
    return radixes.parse_base.build(b, v, integer(int(params[0] or 0)))


def _parse_base_decided(params: _Params, b: Builder, v: ir.Value) -> ir.Value:
    return _is_decided(_parse_base(params, b, v), b)


def _hex_rest(params: _Params, b: Builder, v: ir.Value) -> ir.Value:
    modulus = int(params[0] or 1)
    return radixes.hex_rest.build(b, v, integer(modulus), integer(8 if modulus <= 1 << 31 else 1))


_DIGITS = string.ascii_uppercase + string.ascii_lowercase + string.digits


def _base64_encode(params: _Params, b: Builder, v: ir.Value, arena: ir.Value) -> ir.Value:
    last, is_hex = params
    alphabet = constant_bytes(b, f"{_DIGITS}{last}".encode())
    return base64_codec.base64_encode.build(b, arena, v, integer(int(is_hex or 0)), alphabet)


def _base64_decode(params: _Params, b: Builder, v: ir.Value, arena: ir.Value) -> ir.Value:
    values = bytearray([64] * 256)
    for value, digit in enumerate((_DIGITS + "+/").encode()):
        values[digit] = value
    for digit, as_digit in zip(str(params[0]).encode(), b"+/", strict=True):  # Python translates these alone
        values[digit] = values[as_digit]
    return base64_codec.base64_decode.build(b, arena, v, constant_bytes(b, bytes(values)))


def _scheme_characters(b: Builder) -> ir.Value:
    flags = bytearray(256)
    for c in SCHEME:
        flags[ord(c)] = urls.SCHEME | (urls.NEVER_FIRST if c in NEVER_FIRST else 0)
    return constant_bytes(b, bytes(flags))


def _url_part(params: _Params, b: Builder, v: ir.Value) -> ir.Value:
    return urls.url_part.build(b, v, integer(int(params[0] or 0)), _scheme_characters(b))


def _quote(params: _Params, b: Builder, v: ir.Value, arena: ir.Value) -> ir.Value:
    safe, plus = params
    unchanged = bytes(c < 128 and quote_from_bytes(bytes([c]), str(safe)) == chr(c) for c in range(256))
    return urls.quote.build(b, arena, v, constant_bytes(b, unchanged + b"0123456789ABCDEF"), integer(int(plus or 0)))


def _with_flag(function: Function) -> Callable[..., ir.Value]:
    def build(params: _Params, b: Builder, *values: ir.Value) -> ir.Value:
        *arguments, arena = values
        return function.build(b, arena, *arguments, integer(int(params[0] or 0)))

    return build


_WORDS = b"truefalsenullNaN-Infinity"
_PYTHON_WORDS, _JSON_WORDS = b"TrueFalseNone", b"truefalsenull"


def _json_decided(params: _Params, b: Builder, v: ir.Value) -> ir.Value:
    status = json_scan.json_check.build(b, v, constant_bytes(b, _WORDS))
    return b.icmp_signed("!=", status, integer(json_scan.UNDECIDED))


def _json_uniform(params: _Params, b: Builder, v: ir.Value) -> ir.Value:
    return json_documents.json_uniform.build(b, v, *(integer(int(x or 0)) for x in params))


def _python_literal(params: _Params, b: Builder, v: ir.Value, arena: ir.Value) -> ir.Value:
    words = (constant_bytes(b, _PYTHON_WORDS), constant_bytes(b, _JSON_WORDS))
    return literals.python_literal.build(b, arena, v, *words)


def _plain(function: Function) -> Callable[..., ir.Value]:
    return lambda params, b, *values: function.build(b, *values)


def _in_arena(function: Function) -> Callable[..., ir.Value]:
    return lambda params, b, *values: function.build(b, values[-1], *values[:-1])


def _is_decided(pair: ir.Value, b: Builder) -> ir.Value:
    return b.icmp_signed("!=", b.extract_value(pair, 1), integer(numbers.UNDECIDED))


CALLS: dict[str, Callable[..., ir.Value]] = {
    "hexdigest": _hexdigest, "crc32": _crc32, "parse_base": _parse_base, "parse_base_decided": _parse_base_decided,
    "hex_rest": _hex_rest, "base64_encode": _base64_encode, "base64_decode": _base64_decode,
    "base64_decode_decided": lambda params, b, v, arena: _is_decided(_base64_decode(params, b, v, arena), b),
    "quote": _quote, "unquote": _with_flag(urls.unquote), "unquote_decided": _with_flag(urls.unquote_decided),
    "json_root": lambda params, b, v: json_reading.json_root.build(b, v, constant_bytes(b, _WORDS)),
    "json_root_decided": _json_decided, "json_kind": _plain(json_reading.json_kind),
    "json_truth": _plain(json_reading.json_truth),
    "json_string": _in_arena(json_reading.json_string),
    "json_member": _in_arena(json_reading.json_member),
    "json_elements": _in_arena(json_reading.json_elements),
    "json_keys": _in_arena(json_documents.json_keys), "json_values": _in_arena(json_documents.json_values),
    "json_strings": _in_arena(json_documents.json_strings), "json_uniform": _json_uniform,
    "json_writable": _in_arena(json_documents.json_writable), "json_written": _with_flag(json_documents.json_written),
    "json_put": _in_arena(json_changes.json_put), "json_drop": _in_arena(json_changes.json_drop),
    "python_literal": _python_literal,
    "json_quote": _with_flag(json_writing.json_quote), "query_values": _with_flag(urls.query_values), "url_part": _url_part,
    "url_decided": lambda params, b, v: urls.url_decided.build(b, v, _scheme_characters(b)),
    "category_hash": _plain(city_hashes.category_hash),
    "hexlify": _in_arena(base64_codec.hexlify), "unhexlify": _in_arena(base64_codec.unhexlify),
    "parse_ipv4": _plain(radixes.parse_ipv4), "hmac_key": _hmac_key,
    "without_wide": _in_arena(building.without_wide),
}  # fmt: skip
