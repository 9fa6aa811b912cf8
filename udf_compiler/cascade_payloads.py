"""A payload that holds a fitted model to the payload that holds its cascade, for `cascade` requests.

The function is pickled again, and where the pickler meets a model that some certificate names it writes the cascade in its
place. So the kernel and the Python that it falls back to run one and the same function, and a row's answer does not depend on
which of them had its batch.
"""

from __future__ import annotations

import base64
import io
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyspark import cloudpickle
from pyspark.core.broadcast import Broadcast

from sparkweld.errors import Refusal
from sparkweld.reasons import refusal
from sparkweld.willump import cascade as cascade_module
from sparkweld.willump import store
from sparkweld.willump.cascade import Cascade
from sparkweld.willump.certificate import CascadeCertificate
from sparkweld.willump.fingerprint import fingerprint
from udf_compiler.models import is_model
from udf_compiler.payload import read_broadcast, read_command
from udf_compiler.pipeline import compile_pipeline, worker_environment


def with_cascade(request: dict[str, Any], blobs: Sequence[bytes]) -> dict[str, Any]:
    """The reply: status "ok" with `payload`, in base64, and the `paths` of its cascades; the payload is null when the function of
    the request's first UDF holds no model.

    `cascades` of the request is a folder of cascades, or one. Refuses SW950 and SW951 (a cascade that cannot be used), SW952
    (there is none of the function's models) and SW953 (the function does with its model what a cascade does not).
    """
    udf = request["steps"][0]["udfs"][0]["udf"]
    shelf = _Shelf(Path(request["cascades"]))
    with worker_environment(request):
        command = read_command(blobs[udf["payload"]])
        pickler = _Pickler(shelf)
        payload = pickler.pickled(command)
    if not pickler.used:
        if not pickler.others:
            return {"status": "ok", "payload": None}
        if shelf.faults:
            raise shelf.faults[0]
        raise refusal("SW952", what="cascade", path=request["cascades"], model=" and ".join(dict.fromkeys(pickler.others)))
    given = list(blobs)
    given[udf["payload"]] = payload
    reply = compile_pipeline({**request, "op": "compile"}, given)
    if reply["status"] != "ok":
        first = reply["refusals"][0]
        raise refusal("SW953", udf=udf["name"], why=f"{first['code']} {first['message']}")
    return {"status": "ok", "payload": base64.b64encode(payload).decode(), "paths": shelf.used}


class _Shelf:
    """The cascades of a folder by the fingerprint of their full models; each is read when it is wanted, and then in `used`."""

    def __init__(self, folder: Path) -> None:
        self.faults: list[Refusal] = []
        self.used: list[str] = []
        self._paths: dict[str, Path] = {}
        for path in store.directories(folder, CascadeCertificate):
            try:
                self._paths[store.read_certificate(path, CascadeCertificate).model] = path
            except Refusal as fault:
                self.faults.append(fault)
        if not self._paths and not self.faults:
            raise refusal("SW950", what="cascade", path=folder, why="it holds no certificate.json, and no folder in it does")

    def cascade(self, model: Any) -> Cascade | None:
        """The cascade of a model. Refuses SW950 and SW951."""
        path = self._path(model)
        if path is None:
            return None
        made = store.load(path)[0]
        self.used.append(str(path))
        return made

    def _path(self, model: Any) -> Path | None:
        try:
            return self._paths.get(fingerprint(model))
        except TypeError:  # it holds what no certified model could: it cannot be pickled
            return None


class _Pickler(cloudpickle.CloudPickler):  # type: ignore[misc]
    """`used`: how many models were replaced. `others`: the classes of models without a cascade."""

    def __init__(self, shelf: _Shelf) -> None:
        self._file = io.BytesIO()
        super().__init__(self._file)
        self.used, self.others = 0, list[str]()
        self._shelf = shelf
        self._inside: list[Any] = []  # cascades, whose own models stay; held, since they are known by id

    def pickled(self, command: object) -> bytes:
        # By value, so that workers read it without this package.
        cloudpickle.register_pickle_by_value(cascade_module)
        try:
            self.dump(command)
        finally:
            cloudpickle.unregister_pickle_by_value(cascade_module)
        return self._file.getvalue()

    def reducer_override(self, obj: Any) -> Any:
        """What stands for a model in the new payload: its cascade; for a broadcast of one, the cascade in a holder."""
        if isinstance(obj, Cascade):
            self._inside.append(obj)
        elif isinstance(obj, Broadcast):
            made = self._cascade(read_broadcast(obj))
            if made is not None:
                return types.SimpleNamespace, (), {"value": made}
        else:
            made = self._cascade(obj)
            if made is not None:
                return getattr, (types.SimpleNamespace(value=made), "value")  # a call that needs no package of ours
        return super().reducer_override(obj)

    def _cascade(self, obj: Any) -> Cascade | None:
        if not is_model(obj) or any(obj is part for known in self._inside for part in (known.small, known.full, known.judge)):
            return None
        made = self._shelf.cascade(obj)
        if made is None:
            self.others.append(type(obj).__name__)
        else:
            self.used += 1
            self._inside.append(made)
        return made
