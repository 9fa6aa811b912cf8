"""A model to its broadcast: one for all functions of a session that hold what is pickled to the same bytes.

Functions name a broadcast by its number. With a new one for each call, each query's function would be a new one to all that has
planned and compiled it before, and executors would fetch the model again.
"""

from __future__ import annotations

import hashlib
import pickle
from collections import OrderedDict
from threading import Lock
from typing import Any

#: Broadcasts that are held when no function uses them.
_HELD = 4
_KNOWN: OrderedDict[tuple[str, str], Any] = OrderedDict()
_LOCK = Lock()


class _Digest:
    """A file to write to, of which the digest is kept alone."""

    def __init__(self) -> None:
        self.of = hashlib.sha256()

    def write(self, data: Any) -> int:
        self.of.update(data)
        return memoryview(data).nbytes  # of large arrays a PickleBuffer, which has no length


def shared(context: Any, value: Any) -> Any:
    """The broadcast of a value, in a SparkContext; that of an earlier call when it holds the same bytes."""
    digest = _Digest()
    try:
        pickle.Pickler(digest, pickle.HIGHEST_PROTOCOL).dump(value)
    except Exception:  # noqa: BLE001 - models run their own code here; Spark says what is wrong with one
        return context.broadcast(value)
    key = context.applicationId, digest.of.hexdigest()
    with _LOCK:
        if key not in _KNOWN:
            _KNOWN[key] = context.broadcast(value)
        _KNOWN.move_to_end(key)
        while len(_KNOWN) > _HELD:
            _KNOWN.popitem(last=False)
        return _KNOWN[key]
