"""A payload that holds a fitted model to the payload that holds what was certified for it.

The function is pickled again, and where the pickler meets a model that some certificate names it writes another estimator in its
place. So the kernel and the Python that it falls back to run one and the same function, and a row's answer does not depend on
which of them had its batch.
"""

from __future__ import annotations

import base64
import io
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pyspark import cloudpickle
from pyspark.core.broadcast import Broadcast

from sparkweld.errors import Refusal
from sparkweld.ir import Program
from sparkweld.ir.ops import Cast, MakeOptional
from sparkweld.reasons import refusal
from sparkweld.willump import cascade, ranker, store
from sparkweld.willump.certificate import Certificate
from sparkweld.willump.fingerprint import fingerprint
from udf_compiler.models import is_model
from udf_compiler.payload import read_broadcast

#: Modules of estimators that are pickled by value, so that workers read them without this package.
_BY_VALUE = (cascade, ranker)
_ESTIMATORS = (cascade.Cascade, ranker.Ranker)
#: Of a payload with models, so that its base64 fits `protocol.MAX_JSON_BYTES`.
MOST_BYTES = 160 << 20
#: The column that an estimator's own result is known by.
_WATCHED = "watched 0"


class Shelf:
    """What a folder has of one kind, by the fingerprint of the full models; each is read when it is wanted, and then in `used`.

    `faults`: why some cannot be used. Refuses SW950 for a folder that has none.
    """

    def __init__(self, folder: Path, kind: type[Certificate], load: Callable[[Path], Any]) -> None:
        self.faults: list[Refusal] = []
        self.used: list[str] = []
        self._load = load
        self._paths: dict[str, Path] = {}
        for path in store.directories(folder, kind):
            try:
                self._paths[store.read_certificate(path, kind).model] = path
            except Refusal as fault:
                self.faults.append(fault)
        if not self._paths and not self.faults:
            raise refusal("SW950", what=kind.WHAT, path=folder, why=f"it holds no {kind.FILE}, and no folder in it does")

    def estimator(self, model: Any) -> Any:
        """What stands for a model; None when there is nothing. Refuses SW950 and SW951."""
        path = self._path(model)
        if path is None:
            return None
        made = self._load(path)
        self.used.append(str(path))
        return made

    def _path(self, model: Any) -> Path | None:
        try:
            return self._paths.get(fingerprint(model))
        except TypeError:  # it holds what no certified model could: it cannot be pickled
            return None


class Substituting(cloudpickle.CloudPickler):  # type: ignore[misc]
    """`used`: how many models were replaced. `others`: the classes of models for which the shelf has nothing."""

    def __init__(self, shelf: Shelf) -> None:
        self._file = io.BytesIO()
        super().__init__(self._file)
        self.used, self.others = 0, list[str]()
        self._shelf = shelf
        self._inside: list[Any] = []  # estimators of ours, whose own models stay; held, since they are known by id

    def pickled(self, command: object) -> bytes:
        """The command's bytes, with other models."""
        for module in _BY_VALUE:
            cloudpickle.register_pickle_by_value(module)
        try:
            self.dump(command)
        finally:
            for module in _BY_VALUE:
                cloudpickle.unregister_pickle_by_value(module)
        return self._file.getvalue()

    def reducer_override(self, obj: Any) -> Any:
        """What stands for a model in the new payload; for a broadcast of one, the same in a holder."""
        if isinstance(obj, _ESTIMATORS):
            self._inside.append(obj)
        elif isinstance(obj, Broadcast):
            made = self._estimator(read_broadcast(obj))
            if made is not None:
                return types.SimpleNamespace, (), {"value": made}
        else:
            made = self._estimator(obj)
            if made is not None:
                return getattr, (types.SimpleNamespace(value=made), "value")  # a call that needs no package of ours
        return super().reducer_override(obj)

    def _estimator(self, obj: Any) -> Any:
        if not is_model(obj) or any(obj is part for known in self._inside for part in known.get_params().values()):
            return None
        made = self._shelf.estimator(obj)
        if made is None:
            self.others.append(type(obj).__name__)
        else:
            self.used += 1
            self._inside.append(made)
        return made

    def found_none(self, shelf: Shelf, kind: type[Certificate], folder: str) -> bool:
        """Whether the function holds no model at all. Refuses (SW950, SW952) when of those that it holds none was replaced."""
        if self.used or not self.others:
            return not self.used
        if shelf.faults:
            raise shelf.faults[0]
        raise refusal("SW952", what=kind.WHAT, path=folder, model=" and ".join(dict.fromkeys(self.others)))


def compiled(request: Mapping[str, Any], blobs: list[bytes], at: int, payload: bytes) -> dict[str, Any]:
    """The reply to the same request with another payload as its blob number `at`."""
    from udf_compiler.pipeline import compile_pipeline

    given = list(blobs)
    given[at] = payload
    return compile_pipeline({**request, "op": "compile"}, given)


def as_text(payload: bytes, udf: dict[str, Any]) -> str:
    """A payload that stands for the one of `udf`, in base64. Refuses SW953 when a reply does not hold it."""
    if len(payload) > MOST_BYTES:
        why = f"with its models the function has {len(payload):,} bytes, where {MOST_BYTES:,} can be sent to Spark"
        raise refusal("SW953", what="cascade or ranking", udf=udf["name"], why=why)
    return base64.b64encode(payload).decode()


def returns_watched(program: Program, result: str) -> bool:
    """Whether a column is the watched one: the very value, or as Spark's type has it, or NULL."""
    for loop in program.loops:
        columns = {append.column: append.value for append in loop.appends}
        if result in columns and _WATCHED in columns:
            at = columns[result]
            while at != columns[_WATCHED] and isinstance(loop.body[at].op, Cast | MakeOptional):
                at = loop.body[at].args[0]
            return at == columns[_WATCHED]
    return False
