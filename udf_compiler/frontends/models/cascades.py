"""Translates a cascade to both of its models; the full one and its guards apply only where the small one is not sure.

The ops are those of ``np.where(sure, small, full)``. From the `select`, `kernels.codegen.kept_rows` derives that few rows need
the full model.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from sparkweld.ir import ROWS, LoopBuilder, Value
from sparkweld.ir.types import F64
from udf_compiler.frontends.models.features import Features
from udf_compiler.frontends.models.labels import labels, largest
from udf_compiler.frontends.models.translator import Translator, method_of
from udf_compiler.frontends.pandas.calls.reductions import argmax
from udf_compiler.frontends.tracing.session import current, refuse

#: Rows run in Python within this many eps of the threshold, where another order of additions could decide otherwise.
_NEAR = 64


class Cascade(Translator):
    """Translates `sparkweld.cascades.cascade.Cascade`."""

    KEPT = ("predict_proba",)

    def predict(self, x: Features) -> Features:
        model = self.model
        if model.judge is None:
            probabilities = self._probabilities(x)
            small = labels(probabilities, argmax(x.loop, probabilities.values), self.fitted("classes_"), self.call("predict"))
            sure = self._above(x.loop, largest(x.loop, probabilities.values), "predict")
        else:
            doubt = method_of(self.part(model.judge), "predict")(x)
            sure = self._below(x.loop, doubt.values[0], "predict")
            small = method_of(self.part(model.small), "predict")(x)
        return self._chosen(x, sure, small, "predict")

    def predict_proba(self, x: Features) -> Features:
        if self.model.judge is not None:
            refuse("SW802", name=self.name, method="predict_proba")
        small = self._probabilities(x)
        return self._chosen(x, self._above(x.loop, largest(x.loop, small.values), "predict_proba"), small, "predict_proba")

    def _probabilities(self, x: Features) -> Features:
        made = method_of(self.part(self.model.small), "predict_proba")(x)
        return made.array([made.loop.cast(v, F64) for v in made.values])

    def _above(self, loop: LoopBuilder, value: Value, method: str) -> Value:
        limit = loop.const(self.model.threshold, F64)
        self._watch(loop, loop.call("negative", value), method)
        self._guard_near(loop, value, limit)
        return loop.call("greater", value, limit)

    def _below(self, loop: LoopBuilder, value: Value, method: str) -> Value:
        value, limit = loop.cast(value, F64), loop.const(self.model.threshold, F64)
        self._watch(loop, value, method)
        self._guard_near(loop, value, limit)
        return loop.call("less", value, limit)

    def _watch(self, loop: LoopBuilder, doubt: Value, method: str) -> None:
        """Adds the doubt of all rows as a column to compare with the certificate's; the doubt of a subset would not be
        comparable.
        """
        given, watched = self.model.watched, loop.program.watched
        about = replace(given, labels=method == "predict" and self.model.judge is None) if given else None
        if about and about not in watched.values() and loop.parent is None and loop.where is None and loop.domain == ROWS:
            name = f"watched {len(watched)}"
            loop.append(name, doubt)
            watched[name] = about

    def _guard_near(self, loop: LoopBuilder, value: Value, limit: Value) -> None:
        near = _NEAR * float(np.finfo(np.float64).eps) * max(1.0, abs(self.model.threshold))
        apart = loop.call("absolute", loop.call("subtract", value, limit))
        # NaN is never sure, as in Python.
        loop.guard(loop.call("logical_not", loop.call("less_equal", apart, loop.const(near, F64))), local=True)

    def _chosen(self, x: Features, sure: Value, small: Features, method: str) -> Features:
        with _among(x.loop, x.loop.call("logical_not", sure), self.model.unsure):
            full = method_of(self.part(self.model.full), method)(x)
        for line in self.model.about:
            current().note(line)
        if len(full.values) != len(small.values):
            refuse("SW810", call=self.call(method), what="models of other results")
        values = [self._select(x.loop, sure, a, b, method) for a, b in zip(small.values, full.values, strict=True)]
        return full.array(values, ndim=full.ndim, order=full.order, kept=small.kept or full.kept, missing=full.missing)

    def _select(self, loop: LoopBuilder, sure: Value, small: Value, full: Value, method: str) -> Value:
        if self.model.judge is None and method == "predict":
            return loop.select(sure, small, full)
        return loop.select(sure, loop.cast(small, F64), loop.cast(full, F64))


@contextmanager
def _among(loop: LoopBuilder, condition: Value, share: float) -> Iterator[None]:
    """Restricts guards within the context to rows of the condition; models take the form that suits the share of rows."""
    before = loop.where, loop.share
    loop.where = condition if loop.where is None else loop.call("logical_and", loop.where, condition)
    loop.share = share * loop.share
    try:
        yield
    finally:
        loop.where, loop.share = before


ESTIMATORS: dict[str, type[Translator]] = {"sparkweld.cascades.cascade.Cascade": Cascade}
