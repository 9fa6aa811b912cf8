"""Replaces the fitted models in a payload by the estimators certified for them.

The function is pickled again; where the pickler meets a model that a certificate names, it writes another estimator in its
place. So the kernel and its Python fallback run the same function, and a row's answer does not depend on which of them
processed its batch.
"""

from __future__ import annotations

import base64
import io
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark import Broadcast, cloudpickle

from sparkweld.cascades import cascade, ranker, store
from sparkweld.cascades.certificate import Certificate
from sparkweld.cascades.fingerprint import fingerprint
from sparkweld.contract.requests import PipelineRequest, Udf
from sparkweld.errors import Refusal
from sparkweld.ir import Program
from sparkweld.ir.ops import Cast, MakeOptional
from sparkweld.reasons import refusal
from udf_compiler.frontends.models.estimators import is_model
from udf_compiler.function.payload import read_broadcast
from udf_compiler.requests.compilation import Compilation
from udf_compiler.requests.pipeline import compile_pipeline

#: Modules of estimators that are pickled by value, so that workers read them without this package.
_BY_VALUE = (cascade, ranker)
_ESTIMATORS = (cascade.Cascade, ranker.Ranker)
#: Size limit of a payload with models, so that its base64 fits `MAX_JSON_BYTES`.
MOST_BYTES = 160 << 20
#: The name of the column with an estimator's own result.
_WATCHED = "watched 0"


class Shelf:
    """The certified estimators of one kind in a folder, by the fingerprint of the full models.

    Each is read on demand, and then listed in `used`. `faults`: why some are unusable. Refuses SW950 for a folder without
    any.
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
            raise refusal("SW950", what=kind.WHAT, path=folder, why=f"it has no {kind.FILE}, nor does any folder in it")

    def estimator(self, model: Any) -> Any:
        """Returns the replacement of a model; None when there is none. Refuses SW950 and SW951."""
        path = self._path(model)
        if path is None:
            return None
        made = self._load(path)
        self.used.append(str(path))
        return made

    def _path(self, model: Any) -> Path | None:
        try:
            return self._paths.get(fingerprint(model))
        except TypeError:  # it cannot be pickled, so it is not a certified model
            return None


class Substituting(cloudpickle.CloudPickler):  # type: ignore[misc]
    """A pickler that replaces models.

    `used`: the number of replaced models. `others`: the classes of models without a replacement on the shelf.
    """

    def __init__(self, shelf: Shelf) -> None:
        self._file = io.BytesIO()
        super().__init__(self._file)
        self.used, self.others = 0, list[str]()
        self._shelf = shelf
        self._inside: list[Any] = []  # replacements, whose own models stay; held, as they are compared by identity

    def pickled(self, command: object) -> bytes:
        """Returns the command's bytes with replaced models."""
        for module in _BY_VALUE:
            cloudpickle.register_pickle_by_value(module)
        try:
            self.dump(command)
        finally:
            for module in _BY_VALUE:
                cloudpickle.unregister_pickle_by_value(module)
        return self._file.getvalue()

    def reducer_override(self, obj: Any) -> Any:
        """Returns the replacement of a model in the new payload; for a broadcast model, in a holder."""
        if isinstance(obj, _ESTIMATORS):
            self._inside.append(obj)
        elif isinstance(obj, Broadcast):
            made = self._estimator(read_broadcast(obj))
            if made is not None:
                return types.SimpleNamespace, (), {"value": made}
        else:
            made = self._estimator(obj)
            if made is not None:
                return getattr, (types.SimpleNamespace(value=made), "value")  # a call that needs no SparkWeld package
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
        """Whether the function holds no model at all. Refuses (SW950, SW952) when it holds models but none was replaced."""
        if self.used or not self.others:
            return not self.used
        if shelf.faults:
            raise shelf.faults[0]
        raise refusal("SW952", what=kind.WHAT, path=folder, model=" and ".join(dict.fromkeys(self.others)))


def compiled(request: PipelineRequest, blobs: list[bytes], at: int, payload: bytes) -> Compilation:
    """Returns the reply to the same request with another payload as its blob number `at`."""
    given = list(blobs)
    given[at] = payload
    return compile_pipeline(request, given)


def as_text(payload: bytes, udf: Udf) -> str:
    """Returns a replacement payload for `udf` in base64. Refuses SW953 when it is too large for a reply."""
    if len(payload) > MOST_BYTES:
        why = f"with its models the function has {len(payload):,} bytes, where {MOST_BYTES:,} can be sent to Spark"
        raise refusal("SW953", what="cascade or ranking", udf=udf.name, why=why)
    return base64.b64encode(payload).decode()


def returns_watched(program: Program, result: str) -> bool:
    """Whether a column is the watched one: the same value, possibly cast to Spark's type or made nullable."""
    for loop in program.loops:
        columns = {append.column: append.value for append in loop.appends}
        if result in columns and _WATCHED in columns:
            at = columns[result]
            while at != columns[_WATCHED] and isinstance(loop.body[at].op, Cast | MakeOptional):
                at = loop.body[at].args[0]
            return at == columns[_WATCHED]
    return False
