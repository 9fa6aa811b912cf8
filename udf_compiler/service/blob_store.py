"""Stores payloads by digest, so that later requests name them instead of sending them again.

To plan a query, the JVM sends several requests about each of its functions, and repeats them for each query that uses them.
A function may hold a table of megabytes, which is sent only once.
"""

from __future__ import annotations

from collections.abc import Sequence

from sparkweld.contract.requests import Request
from udf_compiler.process.lru_cache import Bounded

#: The number of stored payloads. Spark puts payloads above 1 MB into broadcasts, so a few hundred of the largest others fit.
MAX_BLOBS = 4096
MAX_BLOB_BYTES = 128 << 20


class MissingBlobs(Exception):
    """The request names payloads that are no longer stored: the client must repeat it with all of them."""


class BlobStore:
    """Payloads by digest. The payloads of one request are never evicted before it is answered."""

    def __init__(self) -> None:
        self._kept: Bounded[bytes] = Bounded(MAX_BLOBS, MAX_BLOB_BYTES)

    def complete(self, request: Request, blobs: Sequence[bytes]) -> tuple[bytes, ...]:
        """Returns all payloads of a request, those sent with it and those stored. Raises MissingBlobs."""
        digests = request.digests
        if digests is None:
            return tuple(blobs)
        sent = {digests[at]: blob for at, blob in zip(request.sent, blobs, strict=True)}
        found = [sent[digest] if digest in sent else self._kept.get(digest) for digest in digests]
        for digest, blob in sent.items():
            self._kept.put(digest, blob, len(blob))
        complete = tuple(blob for blob in found if blob is not None)
        if len(complete) < len(found):
            raise MissingBlobs
        return complete
