"""Traces the prediction function behind `transform` of the models of `xgboost.spark`.

XGBoost's wrapper takes a struct of the features. It calls a function of the model and these, which returns a Series, or a
DataFrame of margins, labels and probabilities. Only that function is traced: the wrapper itself looks for a GPU, and logs
where it predicts.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkweld.ir.ops import MakeList
from sparkweld.reasons import refusal
from udf_compiler.frontends.models.sums import clear_argmax
from udf_compiler.frontends.pandas.calls.lists import is_list_series, stacked
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.function.wrappers import cells_of
from udf_compiler.rebuild.purity import use_of

_MODULE, _NAME = "xgboost.spark.core", "_SparkXGBModel._transform.<locals>.predict_udf"
_CALL = "xgboost.spark transform"
#: The field of the struct that has a vector's numbers, where there are no columns of features.
_ARRAYS = "values"
#: More than the last digits of exp change of a probability: 4 ULP are 5e-7.
_ERROR = 1e-6

#: Versions of XGBoost in whose source the wrapper does what this module says.
CHECKED_VERSIONS = ("2.1", "3.0", "3.1", "3.2", "3.3", "3.4")

#: Captured option of the wrapper -> what it says when it is set.
_OPTIONS = {
    "run_on_gpu": "device='cuda'", "enable_sparse_data_optim": "enable_sparse_data_optim=True",
    "has_base_margin": "base_margin_col",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SparkXGBoost:
    """A captured model. `predict`: XGBoost's function of features and base margin; `names`: feature columns, None for arrays."""

    predict: Callable[[Any, Any], Any]
    names: list[str] | None

    def over(self, predict: Callable[[Any, Any], Any]) -> Callable[[Any], Iterator[Any]]:
        """Returns the function of an iterator of batches that uses `predict`, such as a checked copy."""

        def predicted(batches: Any) -> Iterator[Any]:
            for batch in batches:
                made = as_python(predict, self._features(batch), None)
                if isinstance(made, TracedFrame):
                    _settle(made)
                yield made

        return predicted

    def _features(self, batch: Any) -> Any:
        if self.names is not None:
            return batch[self.names]
        arrays = batch[_ARRAYS]
        return stacked(arrays) if is_list_series(arrays) else np.stack(arrays.to_numpy())


def _settle(made: TracedFrame) -> None:
    """Flags the rows of which the last digits of exp may decide the label: it is the first class of the largest probability."""
    loop, rows = made.loop, made.series.get("probability")
    if rows is None:
        return
    probabilities = loop.body[rows.value.id]
    if not isinstance(probabilities.op, MakeList):
        refuse("SW840", call=_CALL, option="a function of other probabilities")
    values = [loop.value(at) for at in probabilities.args]
    clear_argmax(loop, values, [loop.const(_ERROR, v.type) for v in values])


def model_of(function: Any) -> SparkXGBoost | None:
    """Returns the captured model of a function that `transform` of the installed XGBoost made; None for other functions.

    Refuses SW803 (a version whose source was not checked) and SW840 (options that change where or what the model computes).
    """
    if not isinstance(function, types.FunctionType) or (function.__module__, function.__qualname__) != (_MODULE, _NAME):
        return None
    library, place = sys.modules.get(_MODULE), use_of(function).place
    if library is None or function.__code__ not in library._SparkXGBModel._transform.__code__.co_consts:
        return None
    version = sys.modules["xgboost"].__version__
    if not version.startswith(tuple(f"{v}." for v in CHECKED_VERSIONS)):
        raise refusal("SW803", place, library="XGBoost", version=version, checked=", ".join(CHECKED_VERSIONS))
    used = {name: function.__globals__.get(name) for name in ("stack_series", "alias")}
    if any(value != getattr(library, name) for name, value in used.items()) or library.alias.data != _ARRAYS:
        return None
    held = cells_of(function)
    for name, option in _OPTIONS.items():
        if held[name]:
            raise refusal("SW840", place, call=_CALL, option=option)
    return SparkXGBoost(functools.partial(held["predict_func"], held["xgb_sklearn_model"]), held["feature_col_names"])
