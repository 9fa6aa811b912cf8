"""Computes the cache key of a request's reply, equal for functions of equal content.

PySpark puts the bytes of a large function into a new broadcast each time that it makes a UDF of the function. The payload
then only names the broadcast. Such a function is identified by the content of the broadcast's file, not by its number and
path. So a model of several megabytes is read and compiled once, although each query makes a new UDF of it.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Sequence
from typing import Any

from udf_compiler.function.module_paths import file_state
from udf_compiler.process.lru_cache import Bounded
from udf_compiler.service.protocol import Message

#: Operations whose replies describe a function or hold a self-contained one, and do not refer to the payload of the request.
_OF_CONTENTS = frozenset(("compile", "twin", "implied", "independent", "reads", "parts", "cascade", "full_model", "ranking"))
#: Fields that control how a request is answered and affect no answer.
_OF_THE_EXCHANGE = ("id", "has", "cpuMs", "digests", "sent")
#: A payload that only names a broadcast is at most this long.
_NAMING_BYTES = 1000
_DIGESTS: Bounded[str] = Bounded(1024, 1 << 20)


def request_key(message: Message) -> str:
    """Returns the SHA-256 of everything that a reply depends on: the request except its id, and the state of its files."""
    return _key(message, message.header.get("op") in _OF_CONTENTS)


def request_keys(message: Message) -> tuple[str, str]:
    """Returns the key of a reply and that of a refusal, which concerns the function in all operations."""
    key = request_key(message)
    return key, key if message.header.get("op") in _OF_CONTENTS else _key(message, True)


def _key(message: Message, by_content: bool) -> str:
    header: Any = {name: value for name, value in message.header.items() if name not in _OF_THE_EXCHANGE}
    named = set[int]()
    if by_content:
        header = _by_content(header, message.blobs, named)
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    known = message.header.get("digests")
    for at, blob in enumerate(message.blobs):
        own = hashlib.sha256(blob).hexdigest() if known is None else known[at]
        digest.update(b"" if at in named else own.encode())
    for path in sorted(_files_named(header)):
        size, time = file_state(path)[1:]
        digest.update(f"{path}:{size}:{time}".encode())
    return digest.hexdigest()


def contents(udf: dict[str, Any], blobs: Sequence[bytes]) -> str | None:
    """Returns the digest of a function's bytes if they are stored in its only broadcast.

    None when its payload holds them, or when it has other broadcasts, whose numbers are in these bytes.
    """
    variables = udf.get("broadcasts") or []
    if len(variables) != 1:
        return None
    number, path = int(variables[0]["id"]), variables[0].get("path")
    return None if path is None or _broadcast_in(blobs[udf["payload"]]) != number else _digest_of(path)


def _by_content(value: Any, blobs: Sequence[bytes], named: set[int]) -> Any:
    """Returns part of a request without the numbers and paths of such broadcasts.

    Adds the numbers of their payloads to `named`.
    """
    if isinstance(value, list):
        return [_by_content(part, blobs, named) for part in value]
    if not isinstance(value, dict):
        return value
    made = {name: _by_content(part, blobs, named) for name, part in value.items()}
    digest = contents(value, blobs) if "payload" in value else None
    if digest is not None:
        named.add(value["payload"])
        made.update(contents=digest, broadcasts=[])
    return made


class _Naming(pickle.Unpickler):
    """Reads the number in a pickled broadcast; any other global in the pickle is an error."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("pyspark.core.broadcast", "_from_id"):
            return _Number
        raise pickle.UnpicklingError(name)


class _Number(int):
    pass


def _broadcast_in(payload: bytes) -> int | None:
    """Returns the number of the broadcast if a payload holds nothing else, or None."""
    if len(payload) > _NAMING_BYTES:
        return None
    try:
        found = _Naming(io.BytesIO(payload)).load()
    except Exception:  # noqa: BLE001 - bytes that are no pickle, or another one, raise almost anything
        return None
    return int(found) if isinstance(found, _Number) else None


def _digest_of(path: str) -> str | None:
    """Returns the SHA-256 of a file; None when it cannot be read."""
    state = json.dumps(file_state(path))
    known = _DIGESTS.get(state)
    if known is None:
        try:
            digest = hashlib.sha256()
            with open(path, "rb") as file:
                while piece := file.read(1 << 20):
                    digest.update(piece)
            known = digest.hexdigest()
        except OSError:
            return None
        _DIGESTS.put(state, known, len(state))
    return known


def _files_named(value: Any) -> set[str]:
    """Returns the broadcast files and includes of a request: strings under the keys ``path`` and ``includes``."""
    if isinstance(value, list):
        return set().union(*map(_files_named, value))
    if not isinstance(value, dict):
        return set()
    found = set().union(*map(_files_named, value.values()))
    found.update(p for p in [value.get("path"), *(value.get("includes") or [])] if isinstance(p, str))
    return found
