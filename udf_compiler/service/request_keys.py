"""Computes the cache key of a request's reply, equal for functions of equal content.

PySpark puts the bytes of a large function into a new broadcast each time that it makes a UDF of the function. The payload
then only names the broadcast. Such a function is identified by the content of the broadcast's file, not by its number and
path. So a model of several megabytes is read and compiled once, although each query makes a new UDF of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from udf_compiler.function.broadcast_contents import contents
from udf_compiler.function.module_paths import file_state
from udf_compiler.service.protocol import Message

#: Operations whose replies describe a function or hold a self-contained one, and do not refer to the payload of the request.
_OF_CONTENTS = frozenset(("compile", "twin", "implied", "independent", "reads", "parts", "cascade", "full_model", "ranking"))
#: Fields that control how a request is answered and affect no answer.
_OF_THE_EXCHANGE = ("id", "has", "cpuMs", "digests", "sent")


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


def _files_named(value: Any) -> set[str]:
    """Returns the broadcast files and includes of a request: strings under the keys ``path`` and ``includes``."""
    if isinstance(value, list):
        return set().union(*map(_files_named, value))
    if not isinstance(value, dict):
        return set()
    found = set().union(*map(_files_named, value.values()))
    found.update(p for p in [value.get("path"), *(value.get("includes") or [])] if isinstance(p, str))
    return found
