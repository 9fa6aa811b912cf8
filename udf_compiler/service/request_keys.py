"""Computes the cache key of a request's reply, equal for functions of equal content.

PySpark puts the bytes of a large function into a new broadcast each time that it makes a UDF of the function. The payload
then only names the broadcast. Such a function is identified by the content of the broadcast's file, not by its number and
path. So a model of several megabytes is read and compiled once, although each query makes a new UDF of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace

from sparkweld.contract.decoding import encode
from sparkweld.contract.requests import PipelineRequest, Request, Udf
from udf_compiler.function.broadcast_contents import contents
from udf_compiler.function.module_paths import file_state

#: Operations whose replies describe a function or hold a self-contained one, and do not refer to the payload of the request.
_OF_CONTENTS = frozenset(
    (
        *("compile", "catalyst_equivalent", "implied", "independent", "keeps_arguments", "reads"),
        *("parts", "side_condition", "cascade", "full_model", "ranking", "table"),
    )
)


def request_key(request: Request, blobs: Sequence[bytes]) -> str:
    """Returns the SHA-256 of everything that a reply depends on: the content of the request, and the state of its files."""
    return _key(request, blobs, request.op in _OF_CONTENTS)


def request_keys(request: Request, blobs: Sequence[bytes]) -> tuple[str, str]:
    """Returns the key of a reply and that of a refusal, which concerns the function in all operations."""
    key = request_key(request, blobs)
    return key, key if request.op in _OF_CONTENTS else _key(request, blobs, True)


def _key(request: Request, blobs: Sequence[bytes], by_content: bool) -> str:
    """Returns the key. `by_content`: functions in broadcasts are identified by the content of these."""
    named: list[tuple[int, str]] = []

    def without_broadcast(udf: Udf) -> Udf:
        digest = contents(udf, blobs)
        if digest is None:
            return udf
        named.append((udf.payload, digest))
        return replace(udf, broadcasts=())

    content = replace(request, id=None, cpu_ms=None, digests=None, sent=())
    if isinstance(content, PipelineRequest):
        content = replace(content, has=())
        content = content.with_udfs(without_broadcast) if by_content else content
    digest = hashlib.sha256(json.dumps([encode(content), named], sort_keys=True).encode())
    numbers = {number for number, _ in named}
    for at, blob in enumerate(blobs):
        own = hashlib.sha256(blob).hexdigest() if request.digests is None else request.digests[at]
        digest.update(b"" if at in numbers else own.encode())
    for path in sorted(_files_named(content)):
        size, time = file_state(path)[1:]
        digest.update(f"{path}:{size}:{time}".encode())
    return digest.hexdigest()


def _files_named(request: Request) -> set[str]:
    """Returns the broadcast files and includes of a request."""
    if not isinstance(request, PipelineRequest):
        return set()
    paths = (variable.path for udf in request.udfs for variable in udf.broadcasts)
    return {*request.python.includes, *(path for path in paths if path is not None)}
