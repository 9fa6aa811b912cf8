"""Shares one broadcast of a model among all functions of a session, if the model is pickled to the same bytes.

Functions name a broadcast by its number. With a new broadcast for each call, the function of each query would miss all plan and
compile caches. Executors would also fetch the model again.
"""

from __future__ import annotations

import hashlib
import pickle
from collections import OrderedDict
from threading import Lock
from typing import Any

#: Number of broadcasts that are retained while no function uses them.
_HELD = 4
_KNOWN: OrderedDict[tuple[str, str], Any] = OrderedDict()
_LOCK = Lock()


class _Digest:
    """A writable file that stores only the digest of its content."""

    def __init__(self) -> None:
        self.of = hashlib.sha256()

    def write(self, data: Any) -> int:
        self.of.update(data)
        return memoryview(data).nbytes  # large arrays arrive as a PickleBuffer, which has no length


def shared(context: Any, value: Any) -> Any:
    """Returns the broadcast of a value in a SparkContext; reuses an earlier one that holds the same bytes."""
    digest = _Digest()
    try:
        pickle.Pickler(digest, pickle.HIGHEST_PROTOCOL).dump(value)
    except Exception:  # noqa: BLE001 - models run their own code here; Spark reports their faults
        return context.broadcast(value)
    key = context.applicationId, digest.of.hexdigest()
    with _LOCK:
        if key not in _KNOWN:
            _KNOWN[key] = context.broadcast(value)
        _KNOWN.move_to_end(key)
        while len(_KNOWN) > _HELD:
            _KNOWN.popitem(last=False)
        return _KNOWN[key]
