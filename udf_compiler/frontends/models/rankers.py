"""Translates a ranking's small model, whose scores replace those of the full model in the function."""

from __future__ import annotations

import numpy as np

from sparkweld.ir.types import F64
from udf_compiler.frontends.models.features import Features
from udf_compiler.frontends.models.translator import Translator, method_of
from udf_compiler.frontends.tracing.session import current, refuse


class Ranker(Translator):
    """Translates `sparkweld.cascades.ranker.Ranker`."""

    def predict(self, x: Features) -> Features:
        if self.model.column >= 0:
            refuse("SW802", name=self.name, method="predict")
        return self._scores(x)

    def predict_proba(self, x: Features) -> Features:
        if self.model.column < 0:
            refuse("SW802", name=self.name, method="predict_proba")
        scores = self._scores(x)
        missing = x.loop.const(float(np.nan), F64)
        columns = [scores.values[0] if at == self.model.column else missing for at in range(self.model.classes)]
        return scores.array(columns, ndim=2, kept=scores.kept)

    def _scores(self, x: Features) -> Features:
        loop = x.loop
        made = method_of(self.part(self.model.small), "predict")(x)
        score = loop.cast(made.values[0], F64)
        if self.model.watched:
            name = f"watched {len(loop.program.watched)}"
            loop.append(name, score)
            loop.program.watched[name] = None
        for line in self.model.about:
            current().note(line)
        return made.array([score], ndim=1, kept=made.kept)


ESTIMATORS: dict[str, type[Translator]] = {"sparkweld.cascades.ranker.Ranker": Ranker}
