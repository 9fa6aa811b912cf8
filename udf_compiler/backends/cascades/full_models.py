"""Replaces the cascades of a payload by their full models, for `full_model` requests."""

from __future__ import annotations

import io
import types
from collections.abc import Sequence
from typing import Any

from pyspark import Broadcast, cloudpickle

from sparkweld.cascades import cascade
from sparkweld.contract.replies import PayloadReply
from sparkweld.contract.requests import PipelineRequest
from udf_compiler.backends.cascades.substitution import as_text
from udf_compiler.function.environment import worker_environment
from udf_compiler.function.payload import read_broadcast, read_command
from udf_compiler.process.spark_line import BROADCASTS


def full_model(request: PipelineRequest, blobs: Sequence[bytes]) -> PayloadReply:
    """Returns the payload of the request's first UDF with the full models in place of the cascades, and the cascades' paths.

    The payload is None when the function holds no cascade.
    """
    udf = request.first_udf.udf
    with worker_environment(request):
        pickler = _Undoing()
        payload = pickler.pickled(read_command(blobs[udf.payload]))
    paths = tuple(given.watched.path for given in pickler.found if given.watched)
    return PayloadReply(payload=as_text(payload, udf) if pickler.found else None, paths=paths)


class _Undoing(cloudpickle.CloudPickler):  # type: ignore[misc]
    """A pickler that replaces each cascade by its full model; the cascades are listed in `found`.

    A broadcast cascade becomes a holder of that model. Other broadcasts are unchanged.
    """

    def __init__(self) -> None:
        self._file = io.BytesIO()
        super().__init__(self._file)
        self.found: list[Any] = []

    def pickled(self, command: object) -> bytes:
        """Returns the command's bytes, which a worker reads without this package."""
        cloudpickle.register_pickle_by_value(cascade)
        try:
            self.dump(command)
        finally:
            cloudpickle.unregister_pickle_by_value(cascade)
        return self._file.getvalue()

    def reducer_override(self, obj: Any) -> Any:
        """Returns the replacement of a cascade, or of a broadcast of one."""
        if _is_cascade(obj):
            return getattr, (types.SimpleNamespace(value=self._full(obj)), "value")  # a call that needs no SparkWeld package
        if isinstance(obj, Broadcast):
            if _is_cascade(given := read_broadcast(obj)):
                return types.SimpleNamespace, (), {"value": self._full(given)}
            known = BROADCASTS._broadcastRegistry.items()
            return BROADCASTS._from_id, (next(number for number, value in known if value is obj),)
        return super().reducer_override(obj)

    def _full(self, given: Any) -> Any:
        self.found.append(given)
        return given.full


def _is_cascade(obj: Any) -> bool:
    kind = type(obj)
    return (kind.__module__, kind.__qualname__) == (cascade.__name__, cascade.Cascade.__qualname__)
