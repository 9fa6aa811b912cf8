"""Represents hashlib, zlib, binascii and base64: digests and codecs of bytes of the row; those of constants are Python's own."""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.codecs import DIGESTS
from sparkweld.ir.ops import StrCall
from udf_compiler.frontends.python.byte_strings import HEX, TracedBytes, hexadecimal, is_bytes, utf8_of
from udf_compiler.frontends.python.operands import concatenated, is_text, make_int, make_text, raise_type_error
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import module_stand_in
from udf_compiler.frontends.tracing.values import Traced, raw


class TracedHash(Traced):
    """A hash object: the bytes that it received so far, constant or of the row."""

    __slots__ = ("_parts", "algorithm")
    what = "hash object"
    stands_for = type(hashlib.md5(usedforsecurity=False))
    visible = frozenset({"update", "hexdigest", "digest"})

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self._parts: list[Any] = []

    def update(self, data: Any) -> None:
        if explorer().inside:  # a block that is explored twice would see the update twice
            refuse("SW282", what="a hash object that changes")
        object.__getattribute__(self, "_add")(data)

    def _add(self, data: Any) -> None:
        if is_text(data):
            raise_type_error("Strings must be encoded before hashing")
        if data is None or (is_scalar(data) and not data.is_list):
            raise_type_error("object supporting the buffer API required")
        if not is_bytes(data):
            refuse("SW262", call=f"hashlib.{_algorithm(self)}", what=raw(data))
        object.__getattribute__(self, "_parts").append(data)

    def hexdigest(self) -> Any:
        made = _digest(self)
        return made if isinstance(made, str) else make_text(made)

    def digest(self) -> Any:
        made = _digest(self)
        return bytes.fromhex(made) if isinstance(made, str) else TracedBytes(made, HEX)

    def __getattr__(self, name: str) -> Any:
        real = hashlib.new(_algorithm(self), usedforsecurity=False)
        if name in ("name", "digest_size", "block_size"):
            return getattr(real, name)
        refuse("SW251", call=f"hash.{name}")


def _algorithm(x: TracedHash) -> str:
    return object.__getattribute__(x, "algorithm")  # type: ignore[no-any-return]


def _digest(x: TracedHash) -> str | Value:
    """Returns the hexadecimal digits, as a str where all bytes are constant."""
    name, parts = _algorithm(x), object.__getattribute__(x, "_parts")
    if not any(type(part) is TracedBytes for part in parts):
        return hashlib.new(name, b"".join(parts), usedforsecurity=False).hexdigest()
    loop = explorer().loop
    values = [utf8_of(part, f"hashlib.{name}") for part in parts]
    return loop.emit(StrCall("hexdigest", (name,)), concatenated(values))


def _new(name: str, data: Any = b"", *, usedforsecurity: Any = True) -> TracedHash:
    if not isinstance(usedforsecurity, bool):
        refuse("SW262", call=f"hashlib.{name}", what="usedforsecurity that is not constant")
    made = TracedHash(name)
    object.__getattribute__(made, "_add")(data)
    return made


def _constructor(name: str) -> Callable[..., Any]:
    def constructor(data: Any = b"", *, usedforsecurity: Any = True) -> TracedHash:
        return _new(name, data, usedforsecurity=usedforsecurity)

    return constructor


def _by_name(name: Any, data: Any = b"", *, usedforsecurity: Any = True) -> TracedHash:
    """Implements ``hashlib.new``."""
    if type(name) is not str or name.lower() not in DIGESTS:
        refuse("SW262", call="hashlib.new", what="an algorithm other than MD5, SHA-1 and SHA-2")
    return _new(name.lower(), data, usedforsecurity=usedforsecurity)


def _crc32(real: Callable[..., int], call: str) -> Callable[..., Any]:
    def crc32(data: Any, value: Any = 0, /) -> Any:
        if type(data) is not TracedBytes and not is_scalar(data) and not is_scalar(value):
            return as_python(real, data, value)
        if type(data) is not TracedBytes and is_scalar(data) and not data.is_list:
            raise_type_error("a bytes-like object is required")
        if not is_bytes(data) or type(value) is not int:
            refuse("SW262", call=call, what=raw(data))
        made = explorer().loop.emit(StrCall("crc32", (value & 0xFFFFFFFF,)), utf8_of(data, call))
        return make_int(made, (0, 0xFFFFFFFF))

    return crc32


def _hexlify(data: Any, *rest: Any) -> Any:
    if type(data) is not TracedBytes and not any(map(is_scalar, (data, *rest))):
        return as_python(binascii.hexlify, data, *rest)
    if type(data) is not TracedBytes or rest:
        refuse("SW262", call="binascii.hexlify", what=raw(data))
    return TracedBytes(hexadecimal(data).value)


def _encoded(last: str, call: str) -> Callable[..., Any]:
    def encoded(s: Any) -> Any:
        if type(s) is not TracedBytes:
            return _of_constant(call, s)
        form, value = s.same[0], s.value
        return TracedBytes(explorer().loop.emit(StrCall("base64_encode", (last, int(form == HEX))), value))

    return encoded


def _decoded(last: str, call: str) -> Callable[..., Any]:
    """Returns a function that decodes Base64. It guards rows whose bytes are not UTF-8, which kernels cannot hold."""

    def decoded(s: Any) -> Any:
        run, loop = explorer(), explorer().loop
        if is_scalar(s) and s.kind == "str":
            run.guard(loop.emit(StrCall("is_ascii"), s.value))
        elif type(s) is not TracedBytes:
            return _of_constant(call, s)
        text = s.value if is_scalar(s) else utf8_of(s, call)
        run.guard(loop.emit(StrCall("base64_decode_decided", (last,)), text))
        made = loop.emit(StrCall("base64_decode", (last,)), text)
        run.raise_if(loop.call("logical_not", loop.is_valid(made)), lambda: binascii.Error("Incorrect padding"))
        return TracedBytes(loop.value_of(made))

    return decoded


def _of_constant(call: str, s: Any) -> Any:
    """Calls a function of base64 with a constant; raises TypeError for a number, a str or None of the row."""
    if s is None or (is_scalar(s) and not s.is_list):
        raise_type_error("a bytes-like object is required")
    if type(s) not in (str, bytes):
        refuse("SW262", call=call, what=raw(s))
    return as_python(getattr(base64, call.removeprefix("base64.")), s)


def _ofs(make: Callable[[str, str], Callable[..., Any]], **names: str) -> dict[Any, Callable[..., Any]]:
    return {getattr(base64, name): make(last, f"base64.{name}") for name, last in names.items()}


_CONSTRUCTORS = {name: _constructor(name) for name in DIGESTS}


def algorithm_of(constructor: Any) -> str:
    """Returns the name of the algorithm of a function such as ``hashlib.md5``; "" of another object."""
    return next((name for name, made in _CONSTRUCTORS.items() if made is constructor), "")


def digits_of(x: Any) -> Any:
    """Returns the hexadecimal digits of bytes, of the row or constant."""
    return hexadecimal(x) if type(x) is TracedBytes else x.hex()


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    **{getattr(hashlib, name): made for name, made in _CONSTRUCTORS.items()},
    hashlib.new: _by_name,
    zlib.crc32: _crc32(zlib.crc32, "zlib.crc32"),
    binascii.crc32: _crc32(binascii.crc32, "binascii.crc32"),
    binascii.hexlify: _hexlify,
    binascii.b2a_hex: _hexlify,
    **_ofs(_encoded, b64encode="+/", standard_b64encode="+/", urlsafe_b64encode="-_"),
    **_ofs(_decoded, b64decode="+/", standard_b64decode="+/", urlsafe_b64decode="-_"),
}


def _attribute(module: Any) -> Callable[[str], Any]:
    def attribute(name: str) -> Any:
        real = getattr(module, name)
        found = _FUNCTIONS.get(real) if callable(real) else None
        if found is not None:
            return found
        if isinstance(real, type) and issubclass(real, Exception):
            return real
        refuse("SW263", name=f"{module.__name__}.{name}")

    return attribute


_BY_OBJECT: dict[int, Any] = {id(real): made for real, made in _FUNCTIONS.items()}
_BY_OBJECT |= {id(m): module_stand_in(m, m.__name__, _attribute(m)) for m in (hashlib, zlib, binascii, base64)}


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of one of the modules or functions, or None."""
    return _BY_OBJECT.get(id(obj))


