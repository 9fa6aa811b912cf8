"""Reads the events of an event log of Spark: one file, or the folder of a rolling log."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from sparkweld.errors import UserError

#: Ending of a compressed log -> PyArrow's name of the codec. The other codecs of Spark have formats of their own.
_CODECS = {".zstd": "zstd"}
_UNREADABLE = (".lz4", ".lzf", ".snappy")
_ROLLED = re.compile(r"events_(\d+)_")


def events(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the events in order. The last line of a log that is still written may be cut, and then ends it.

    Raises UserError for a path that is no event log, and for a codec that cannot be read.
    """
    found = False
    for file in _files(path):
        for number, line in enumerate(_lines(file), 1):
            try:
                event = json.loads(line)
            except ValueError:
                if not line.endswith(b"\n"):
                    return
                raise UserError(f"{file}, line {number}: not an event of Spark; pass an event log (spark.eventLog.dir)") from None
            if not isinstance(event, dict) or "Event" not in event:
                raise UserError(f"{file}, line {number}: not an event of Spark; pass an event log (spark.eventLog.dir)")
            found = True
            yield event
    if not found:
        raise UserError(f"{path} has no event")


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        parts = [(int(match[1]), file) for file in path.iterdir() if (match := _ROLLED.match(file.name))]
        if not parts:
            raise UserError(f"{path} is not the folder of one event log: it has no file events_1_...")
        return [file for _, file in sorted(parts)]
    if not path.exists():
        raise UserError(f"there is no event log {path}")
    return [path]


def _lines(file: Path) -> Iterator[bytes]:
    name = file.name.removesuffix(".inprogress")
    if name.endswith(_UNREADABLE):
        raise UserError(f"{file} cannot be read: write event logs with spark.eventLog.compression.codec=zstd, or uncompressed")
    try:
        with file.open("rb") as raw:
            yield from _opened(raw, next((codec for end, codec in _CODECS.items() if name.endswith(end)), None))
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error}") from None


def _opened(raw: BinaryIO, codec: str | None) -> Iterator[bytes]:
    if codec is None:
        yield from raw
        return
    with io.BufferedReader(_Inflated(pa.CompressedInputStream(raw, codec))) as lines:
        yield from lines


class _Inflated(io.RawIOBase):
    """A stream of PyArrow as one of Python's. A log that is still written ends within a frame: the rest of it is not read."""

    def __init__(self, stream: pa.NativeFile) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except OSError:
            return 0
        buffer[: len(data)] = data
        return len(data)
