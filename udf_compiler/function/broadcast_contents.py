"""Identifies a function whose bytes are stored in a broadcast by the digest of that file."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Sequence
from typing import Any

from sparkweld.contract.requests import Udf
from udf_compiler.function.module_paths import file_state
from udf_compiler.process.lru_cache import Bounded

#: A payload that only names a broadcast is at most this long.
_NAMING_BYTES = 1000

_DIGESTS: Bounded[str] = Bounded(1024, 1 << 20)


def contents(udf: Udf, blobs: Sequence[bytes]) -> str | None:
    """Returns the digest of a function's bytes if they are stored in its only broadcast.

    None when its payload holds them, or when it has other broadcasts, whose numbers are in these bytes.
    """
    if len(udf.broadcasts) != 1:
        return None
    (variable,) = udf.broadcasts
    number, path = variable.id, variable.path
    return None if path is None or _broadcast_in(blobs[udf.payload]) != number else _digest_of(path)


class _Naming(pickle.Unpickler):
    """Reads the number in a pickled broadcast; any other global in the pickle is an error."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("pyspark.core.broadcast", "pyspark.broadcast") and name == "_from_id":  # Spark 3 has the second
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
