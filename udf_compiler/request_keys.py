"""A request to the key of its reply, the same for functions that hold the same.

PySpark puts the bytes of a large function into a broadcast, a new one each time that it makes a UDF of the function, and the
payload then only names it. Such a function is known by what the broadcast's file holds, not by its number and path, so that a
model of some megabytes that each query makes a new UDF of is read and compiled once.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Sequence
from typing import Any

from udf_compiler.bounded import Bounded
from udf_compiler.module_paths import file_state
from udf_compiler.protocol import Message

#: Operations whose replies speak of a function, or hold one that stands for itself, and not of the payload that was asked about.
_OF_CONTENTS = frozenset(
    ("compile", "twin", "implied", "independent", "reads", "parts", "cascade", "cascade_parts", "full_model", "ranking")
)
#: What says how a request is answered, and changes no answer.
_OF_THE_EXCHANGE = ("id", "has", "cpuMs", "digests", "sent")
#: A payload that only names a broadcast is no longer.
_NAMING_BYTES = 1000
_DIGESTS: Bounded[str] = Bounded(1024, 1 << 20)


def request_key(message: Message) -> str:
    """SHA-256 of everything that a reply depends on: the request but its id, and the state of the files it names."""
    return _key(message, message.header.get("op") in _OF_CONTENTS)


def request_keys(message: Message) -> tuple[str, str]:
    """The key of a reply, and that of a refusal, which is about what a function does in all operations."""
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
    """The digest of a function's bytes that lie in the one broadcast that it has; None when its payload holds them, or when it
    has others, whose numbers are in these bytes."""
    variables = udf.get("broadcasts") or []
    if len(variables) != 1:
        return None
    number, path = int(variables[0]["id"]), variables[0].get("path")
    return None if path is None or _broadcast_in(blobs[udf["payload"]]) != number else _digest_of(path)


def _by_content(value: Any, blobs: Sequence[bytes], named: set[int]) -> Any:
    """A part of a request without the numbers and paths of such broadcasts; `named` gets the numbers of their payloads."""
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
    """Reads the number in a pickled broadcast; whatever else a pickle may name is an error."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("pyspark.core.broadcast", "_from_id"):
            return _Number
        raise pickle.UnpicklingError(name)


class _Number(int):
    pass


def _broadcast_in(payload: bytes) -> int | None:
    """The number of the broadcast that a payload is, and nothing beside it."""
    if len(payload) > _NAMING_BYTES:
        return None
    try:
        found = _Naming(io.BytesIO(payload)).load()
    except Exception:  # noqa: BLE001 - bytes that are no pickle, or another one, raise almost anything
        return None
    return int(found) if isinstance(found, _Number) else None


def _digest_of(path: str) -> str | None:
    """SHA-256 of a file; None when it cannot be read."""
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
    """Broadcast files and includes of a request: strings under the keys ``path`` and ``includes``."""
    if isinstance(value, list):
        return set().union(*map(_files_named, value))
    if not isinstance(value, dict):
        return set()
    found = set().union(*map(_files_named, value.values()))
    found.update(p for p in [value.get("path"), *(value.get("includes") or [])] if isinstance(p, str))
    return found
