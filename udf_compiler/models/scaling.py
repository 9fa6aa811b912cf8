"""scikit-learn's transformers of single numbers: scalers."""

from __future__ import annotations

from typing import Any

import numpy as np

from sparkweld.ir import Value
from udf_compiler.models.features import FLOATS, Features, validated
from udf_compiler.models.translator import Translator
from udf_compiler.trace.session import refuse


class Scaler(Translator):
    """A transformer that does the same arithmetic to each column, in the width of its array."""

    def _floats(self, x: Features, method: str, finite: bool | str = "allow-nan", **options: Any) -> Features:
        call = self.call(method)
        if not (self.model.copy or x.fresh):
            refuse("SW815", call=call)
        return validated(self.model, x, call, finite, dtype=FLOATS, **{"copy": self.model.copy, **options})


class StandardScaler(Scaler):
    """``(x - mean_) / scale_``, each in place."""

    def transform(self, x: Features) -> Features:
        made = self._floats(x, "transform", accept_sparse="csr", force_writeable=True)
        values = list(made.values)
        if made.sparse and self.model.with_mean:
            refuse("SW252", call=self.call("transform"), error="ValueError: Cannot center sparse matrices")
        if made.sparse and self.model.with_std:
            values = by_column(made, "multiply", values, 1 / self.fitted("scale_"))
            return made.array(values, sparse=True)
        if self.model.with_mean:
            values = by_column(made, "subtract", values, self.fitted("mean_"))
        if self.model.with_std:
            values = by_column(made, "divide", values, self.fitted("scale_"))
        return made.array(values)


def by_column(x: Features, function: str, values: list[Value], numbers: np.ndarray) -> list[Value]:
    """``values function numbers``, one number a column, which is converted to the column's type."""
    with np.errstate(all="ignore"):
        constants = [x.loop.const(n, v.type) for v, n in zip(values, np.asarray(numbers), strict=True)]
    return [x.loop.call(function, v, c) for v, c in zip(values, constants, strict=True)]


ESTIMATORS: dict[str, type[Translator]] = {
    "sklearn.preprocessing._data.StandardScaler": StandardScaler,
}
