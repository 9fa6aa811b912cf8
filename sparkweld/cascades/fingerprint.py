"""Hashes the learned state of a fitted model, independently of the process, pickle or library that built it in memory.

A pickle's bytes depend on which equal strings are one object, so they change when a model is pickled twice. Here an object is
hashed by what `__reduce_ex__` rebuilds it from: its class and its state, value by value.
"""

from __future__ import annotations

import hashlib
import types
from collections.abc import Iterable
from typing import Any

import numpy as np

#: Attributes that a model gets when it is used: scikit-learn's vectorisers remember the address of their stop words.
_OF_PROCESS = frozenset({"_stop_words_id"})


def fingerprint(model: Any) -> str:
    """Returns the SHA-256 in hex. Raises TypeError for a value that cannot be pickled."""
    return _digest(model, ()).hex()


def _digest(value: Any, above: tuple[int, ...]) -> bytes:
    if id(value) in above:
        return b"cycle"
    inside = (*above, id(value))
    match value:
        case None | bool() | int() | float() | complex() | str() | bytes() | bytearray():
            return _hashed(type(value).__name__, [_bytes_of(value)])
        case np.generic():
            return _digest(np.asarray(value), above)
        case np.ndarray() if value.dtype.hasobject and value.dtype.names is None:
            return _hashed(f"objects {value.shape}", (_digest(v, inside) for v in value.ravel().tolist()))
        case np.ndarray() if value.dtype.names is not None:  # field by field: padding bytes are arbitrary
            return _hashed(f"records {value.shape}", (_digest(value[name], inside) for name in value.dtype.names))
        case np.ndarray():
            return _hashed(f"array {value.dtype.str} {value.shape}", [np.ascontiguousarray(value).tobytes()])
        case dict() if type(value) is dict:
            return _hashed("dict", _items(value, inside))
        case set() | frozenset():
            return _hashed("set", sorted(_digest(v, inside) for v in value))
        case list() | tuple() if type(value) in (list, tuple):
            return _hashed(type(value).__name__, (_digest(v, inside) for v in value))
        case types.FunctionType():
            code = value.__code__
            return _hashed(f"function {value.__qualname__}", [code.co_code, _digest(value.__defaults__, inside)])
        case type() | types.BuiltinFunctionType() | types.MethodDescriptorType() | np.ufunc():
            return _hashed("name", [f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value)}".encode()])
    made = value.__reduce_ex__(4)
    if isinstance(made, str):
        return _hashed("name", [f"{type(value).__qualname__}.{made}".encode()])
    function, arguments, state, items, pairs = (*made, None, None, None)[:5]
    if type(state) is dict:
        state = {name: part for name, part in state.items() if name not in _OF_PROCESS}
    parts = (function, arguments, state, list(items or ()), list(pairs or ()))
    return _hashed(type(value).__qualname__, (_digest(part, inside) for part in parts))


def _items(value: dict[Any, Any], above: tuple[int, ...]) -> Iterable[bytes]:
    if all(type(k) is str for k in value) and all(isinstance(v, int | np.integer) for v in value.values()):
        lines = sorted(f"{k}\0{int(v)}" for k, v in value.items())  # a vocabulary may have a million terms: hashed at once
        return ["\n".join(lines).encode("utf-8", "surrogatepass")]
    return sorted(_digest(k, above) + _digest(v, above) for k, v in value.items())


def _bytes_of(value: Any) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass")
    return bytes(value) if isinstance(value, bytes | bytearray) else repr(value).encode()


def _hashed(kind: str, parts: Iterable[bytes]) -> bytes:
    digest = hashlib.sha256(kind.encode())
    for part in parts:
        digest.update(b"%d:" % len(part))
        digest.update(part)
    return digest.digest()
