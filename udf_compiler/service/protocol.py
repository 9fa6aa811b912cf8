"""Reads and writes the messages of the compile service; `sparkweld/contract/schema.json` describes the JSON.

A frame, both ways, all integers big-endian:

    u32 length of the JSON | JSON object, UTF-8 | u32 number of blobs | for each blob: u64 length, bytes

The request and the reply of each operation are in "operations" of the schema; their classes are in `sparkweld.contract`.
Requests are answered one at a time, in order, and a reply echoes the `id` of its request. End of file on the request pipe ends
the service, so it dies with the JVM that started it.

Any request may be answered by status "error" with message and trace: a fault of SparkWeld or of its environment. A frame with
unreadable JSON gets that status with id null. After a frame with invalid lengths, the stream has no next frame, and the service
ends.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from sparkweld.contract.constants import MAX_BLOBS, MAX_JSON_BYTES, MAX_REQUEST_BLOB_BYTES
from sparkweld.contract.decoding import MessageError
from sparkweld.errors import SparkWeldError

_CHUNK = 1 << 20


class StreamError(SparkWeldError):
    """The stream has no next frame: it ended inside one, or a length is out of bounds."""


@dataclass(frozen=True, slots=True)
class Message:
    """One frame: the JSON object and its blobs."""

    header: dict[str, Any]
    blobs: tuple[bytes, ...] = field(default=())


def read_message(stream: BinaryIO) -> Message | None:
    """Returns the next message, or None at the end of the stream.

    Raises StreamError when the stream ends inside a frame or a length is out of bounds, MessageError when the frame holds no
    JSON object.
    """
    first = stream.read(1)
    if not first:
        return None
    (size,) = struct.unpack(">I", first + _read(stream, 3))
    text = _read(stream, _bounded(size, MAX_JSON_BYTES, "bytes of JSON"))
    count = _bounded(_number(stream, ">I"), MAX_BLOBS, "blobs")
    blobs = tuple(_read(stream, _bounded(_number(stream, ">Q"), MAX_REQUEST_BLOB_BYTES, "bytes of a blob")) for _ in range(count))
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"a frame of {size} bytes holds no JSON: {error}") from None
    if not isinstance(header, dict):
        raise MessageError(f"a frame holds a JSON {type(header).__name__}, not an object")
    return Message(header, blobs)


def write_message(stream: BinaryIO, header: dict[str, Any], blobs: Sequence[bytes | memoryview] = ()) -> None:
    """Writes one frame and flushes. Raises ValueError or TypeError, and writes nothing, when the header is not valid JSON."""
    text = json.dumps(header, allow_nan=False).encode()
    parts: list[bytes | memoryview] = [struct.pack(">I", len(text)), text, struct.pack(">I", len(blobs))]
    for blob in blobs:
        parts += [struct.pack(">Q", len(blob)), blob]
    for part in parts:
        stream.write(part)
    stream.flush()


def _number(stream: BinaryIO, layout: str) -> int:
    return struct.unpack(layout, _read(stream, struct.calcsize(layout)))[0]


def _bounded(length: int, limit: int, what: str) -> int:
    if length > limit:
        raise StreamError(f"a frame claims {length:,} {what}; the limit is {limit:,}")
    return length


def _read(stream: BinaryIO, size: int) -> bytes:
    """Reads exactly `size` bytes, in chunks: a wrong length must not allocate gigabytes before the bytes exist."""
    pieces: list[bytes] = []
    missing = size
    while missing:
        piece = stream.read(min(missing, _CHUNK))
        if not piece:
            raise StreamError(f"the stream ended {missing:,} bytes before the end of a frame")
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)
