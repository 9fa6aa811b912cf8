"""Represents the module hmac: keyed digests of bytes of the row, made of two digests each."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.codecs import DIGESTS
from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import I64, STR
from udf_compiler.frontends.python.byte_strings import HEX, TracedBytes, is_bytes, utf8_of
from udf_compiler.frontends.python.digest_calls import TracedHash, algorithm_of, digits_of
from udf_compiler.frontends.python.library_modules import checked, module_of
from udf_compiler.frontends.python.operands import concatenated, is_text, make_text, raise_type_error
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced, raw

#: The bytes with which HMAC changes a key for the inner and the outer digest.
_INNER, _OUTER = 0x36, 0x5C


class TracedHmac(Traced):
    """An object of hmac: its key, constant or of the row, and the hash object that receives its message."""

    __slots__ = ("algorithm", "inner", "key")
    what = "HMAC object"
    stands_for = hmac.HMAC
    visible = frozenset({"update", "hexdigest", "digest"})

    def __init__(self, key: Any, algorithm: str) -> None:
        self.key, self.algorithm, self.inner = key, algorithm, TracedHash(algorithm)

    def update(self, msg: Any) -> None:
        self.inner.update(msg)

    def hexdigest(self) -> Any:
        return make_text(_digits(self))

    def digest(self) -> Any:
        return TracedBytes(_digits(self), HEX)


def _digits(x: TracedHmac) -> Value:
    """Returns the hexadecimal digits."""
    key, name, inner = (object.__getattribute__(x, slot) for slot in ("key", "algorithm", "inner"))
    loop = explorer().loop
    block = hashlib.new(name, usedforsecurity=False).block_size
    padded = [_padded(key, name, block, byte) for byte in (_INNER, _OUTER)]
    message = [utf8_of(part, "hmac.new") for part in object.__getattribute__(inner, "_parts")]
    first = loop.emit(StrCall("hexdigest", (name,)), concatenated([padded[0], *message]))
    second = concatenated([padded[1], loop.emit(StrCall("unhexlify"), first)])
    return loop.emit(StrCall("hexdigest", (name,)), second)


def _padded(key: Any, name: str, block: int, byte: int) -> Value:
    """Returns the key with which a digest begins. Rows with a longer key, which HMAC hashes first, run in Python."""
    loop = explorer().loop
    if type(key) is bytes:
        key = hashlib.new(name, key, usedforsecurity=False).digest() if len(key) > block else key
        digits = bytes(c ^ byte for c in key.ljust(block, b"\0")).hex()
        return loop.emit(StrCall("unhexlify"), loop.const(digits, STR))
    value = utf8_of(key, "hmac.new")
    size = loop.emit(StrCall("length"), loop.emit(StrCall("hexlify"), value))
    explorer().guard(loop.call("less_equal", size, loop.const(2 * block, I64)))
    return loop.emit(StrCall("hmac_key", (block, byte)), value)


def _name(digestmod: Any, call: str) -> str:
    name = digestmod if type(digestmod) is str else algorithm_of(digestmod)
    return name if name in DIGESTS else refuse("SW262", call=call, what="an algorithm other than MD5, SHA-1 and SHA-2")


def _new(key: Any, msg: Any = None, digestmod: Any = "") -> Any:
    name = _name(digestmod, "hmac.new")
    if is_text(key) or key is None or (is_scalar(key) and not key.is_list):
        raise_type_error("key: expected bytes or bytearray")
    if not is_bytes(key):
        refuse("SW262", call="hmac.new", what=raw(key))
    made = TracedHmac(key, name)
    if msg is not None:
        made.inner._add(msg)
    return made


def _digest(key: Any, msg: Any, digest: Any) -> Any:
    if msg is None:
        raise_type_error("a bytes-like object is required")
    return _new(key, msg, digest).digest()


def _compare_digest(a: Any, b: Any, /) -> Any:
    """Implements compare_digest of two strings of ASCII characters, or of bytes; guards other strings, for which it raises."""
    if is_text(a) and is_text(b):
        for x in (a, b):
            if is_scalar(x):
                explorer().guard(explorer().loop.emit(StrCall("is_ascii"), x.value))
            elif not x.isascii():
                raise_type_error("comparing strings with non-ASCII characters is not supported")
        return a == b
    if not (is_bytes(a) and is_bytes(b)):
        raise_type_error("unsupported operand types(s) or combination of types")
    return digits_of(a) == digits_of(b)


_BY_OBJECT = module_of(
    hmac,
    "hmac",
    {"compare_digest": _compare_digest},
    {"new": checked(_new, "hmac.new"), "digest": checked(_digest, "hmac.digest")},
)


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of the module hmac or of one of its functions, or None."""
    return _BY_OBJECT.get(id(obj))
