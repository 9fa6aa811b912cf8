"""Reads and writes the messages of the compile service; this is the only description of its protocol.

A frame, both ways, all integers big-endian:

    u32 length of the JSON | JSON object, UTF-8 | u32 number of blobs | for each blob: u64 length, bytes

Every request holds ``id`` (an integer) and ``op``; its reply echoes ``id``. With ``cpuMs``, a request that exceeds this CPU
time is refused (SW408). The reply then has ``retire`` true, since the process may be in an inconsistent state. Its ``payload``
is the number of the payload in progress, or null. With ``digests``, the SHA-256 of all payloads, the frame holds only the
payloads whose positions are in ``sent``. The others are stored from earlier requests; status "needs" asks for the request again
with all payloads. Status "stale" means that a module has changed that only a new process can import; the client must ask a new
process. Requests are answered one at a time, in order. End of file on the request pipe ends the service, so it dies with the
JVM that started it.

``hello``     -> status "ok", protocol, pid, versions {python, pyspark, pandas, numpy, pyarrow, numba, llvmlite: string or
                 null}, cpu "<name>|<16 hex>", cpuName, cpuFeatures, llvmlite (path of the shared library), vectorMath
                 ("libmvec" or "none"); with numbaError (string) when kernels cannot be compiled here.
``compile``   label, inputs, steps, outputs, filtered, mayFilter (a map may drop rows), rowwise (its functions see each row
                 individually), conf, python {includes, versions} and one blob per payload -> status "ok" with
                 program, hash, inputs, outputs, flags (whether an additional last column is NULL where a guard failed), filtered,
                 guarded, kept, nodes, udfs, fused, seconds, blocks [{digest, bytes}]
                 in the program's order, and one blob for each of them whose digest is not in the request's `has` (a list
                 of digests with no other effect); or status "refused" with refusals [{udf, step, code, title,
                 message, hint, place}]. `udf_compiler.requests.pipeline` reads it.
``aggregate`` as ``compile``, for one aggregate UDF -> status "ok" with aggregates [{kind, expr, type}], result (an expression
                 over the columns aggregate0, ...), kept, notes; or status "refused". `udf_compiler.backends.aggregates.compile`
                 reads it.
``twin``      as ``compile``, without a filter -> status "ok" with results [expression], nodes, kept, notes; or "refused".
``implied``   as ``compile``, with a filter -> status "ok" with bounds [expression]; or "refused".
``independent``  as ``twin`` -> status "ok" when a row's results are the same in every batch; or "refused".
``reads``     as ``twin`` -> status "ok" with inputs [name], the inputs that results depend on; or "refused".
``parts``     as ``twin``, with others [name], the inputs that a join adds -> status "ok" with own, allowed (EXPR), base, size,
              `slack`, `texts`, `missing` (`udf_compiler.backends.catalyst.parts`); or "refused".
              `udf_compiler.requests.catalyst_replies` reads them.
``fuse``      as ``compile``, for the scalar pandas UDFs of one step -> status "ok" with fused [{udfs (numbers), arguments [[udf,
              argument]], payloads (hexadecimal), stages, block, moved, saves, repeats, metrics}]; or "refused".
              `udf_compiler.backends.worker_pipelines.compile` reads it.
``cascade``, ``full_model``, ``ranking``  as ``compile``, for one UDF -> status "ok" with payloads that replace its own; or
              "refused". `udf_compiler.backends.cascades.cascade_payloads`, `.full_models` and `.ranking_payloads` read them.
``object``    program (its text) -> status "ok", symbol, imports, cpu, memory (bytes that a call of the kernel
                 requires, 0 without blocks), cached, seconds, and one blob: the object code;
                 with warning (string) when the cache folder is unusable.
``shutdown``  -> status "ok", and the service ends.

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

from sparkweld.errors import SparkWeldError

#: Version of this protocol and of the calling convention of kernels; the JVM rejects a service of another version.
PROTOCOL = 3

MAX_JSON_BYTES = 256 << 20
MAX_BLOBS = 1 << 16
#: The size limit of a JVM array.
MAX_BLOB_BYTES = (1 << 31) - 1

_CHUNK = 1 << 20


class MessageError(SparkWeldError):
    """A frame whose lengths are valid and whose JSON is not a message; the next frame is readable."""


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
    blobs = tuple(_read(stream, _bounded(_number(stream, ">Q"), MAX_BLOB_BYTES, "bytes of a blob")) for _ in range(count))
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
