"""Translates results of statsmodels: linear predictors and links of regressions, generalized linear, binary and count models.

A result multiplies the matrix of its argument by the parameters. Columns of a DataFrame count by position. A model that was
fitted with a formula takes them by name instead, and patsy makes the matrix.
"""

from __future__ import annotations

import keyword
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import F64
from udf_compiler.frontends.models.features import Features, guard_finite
from udf_compiler.frontends.models.labels import all_of
from udf_compiler.frontends.models.sums import scores, weighted_sum
from udf_compiler.frontends.models.translator import Translator
from udf_compiler.frontends.models.trees import qualified
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse


class Results(Translator):
    """Translates `Results.predict` for models whose predictions are ``inverse_link(X @ params)``.

    The result is a Series for a DataFrame, else an array. It is NaN in rows with NaN in a column, as no column is left out.
    """

    KEPT = ("predict",)

    @property
    def width(self) -> int | None:
        results = self.model._results
        return None if hasattr(results.model, "formula") else len(results.params)

    def predict(self, x: Features, *, transform: bool = True, which: str = "mean") -> Features:
        call, model = self.call("predict"), self.fitted("model")
        if not isinstance(x, Features) or x.sparse or x.has_texts:
            refuse("SW811", call=call)
        if x.ndim != 2 or which not in ("mean", "linear"):
            refuse("SW840", call=call, option="an array of one dimension" if x.ndim != 2 else f"which={which!r}")
        inverse = self._inverse_link(model)
        given: dict[str, Any] = {"transform": transform, **({} if which == "mean" else {"which": which})}
        made = run_prototype(call, self.model.predict, x.prototype(), **given)
        names, matrix = x.names, self._by_formula(x) if transform and hasattr(model, "formula") else _matrix(x, call)
        parameters = np.asarray(self.model._results.params)
        if np.ndim(made) != 1 or parameters.dtype != np.float64 or parameters.shape != (len(matrix.columns),):
            refuse("SW839", name=self.name, what=f"parameters of the shape {parameters.shape}")
        value = self._sum(matrix, parameters)
        value = value if which == "linear" else inverse(x.loop, value)
        return x.array([value], ndim=1, order="C", kept=True, names=None if names is None else ("",))

    def _sum(self, matrix: Features, parameters: np.ndarray) -> Value:
        """Returns ``X @ params``. Python decides rows with infinities, and rows whose sum exceeds the range of floats."""
        call, loop = self.call("predict"), matrix.loop
        values = matrix.values
        guard_finite(loop, values, allow_nan=True)
        guard_finite(loop, [v for v, weight in zip(values, parameters, strict=True) if weight == 0])
        made = scores(matrix, parameters[:, None], np.zeros(1), call)
        made.kept(call)
        present = all_of(loop, [loop.call("equal", v, v) for v in values])
        # without an overflow of this sum, none can occur in another order
        finite = loop.call("isfinite", weighted_sum(matrix, parameters, 0.0, F64, absolute=True))
        loop.guard(loop.call("logical_or", finite, loop.call("logical_not", present)), local=True)
        return made.values[0]

    def _inverse_link(self, model: Any) -> Any:
        """Returns the inverse link as a function of a loop and a value. Refuses SW839."""
        own = vars(self.model).get("_results")
        if own is None or _replaced(own, "predict", "_transform_predict_exog") or _replaced(model, "predict", "cdf"):
            refuse("SW839", name=self.name, what="a predict of its own")
        if {_owner(type(own), name) for name in ("predict", "_transform_predict_exog")} != {"statsmodels.base.model.Results"}:
            refuse("SW839", name=self.name, what=f"the results {type(own).__name__}")
        owner, kind = _owner(type(model), "predict"), qualified(model)
        if owner in _LINEAR:
            return _identity
        if owner == "statsmodels.genmod.generalized_linear_model.GLM":
            return self._of_family(model.family)
        if kind not in _INVERSE_LINKS or owner not in _WITH_LINKS:
            refuse("SW839", name=self.name, what=f"the model {type(model).__name__}")
        return _INVERSE_LINKS[kind]

    def _of_family(self, family: Any) -> Any:
        if _owner(type(family), "fitted") != "statsmodels.genmod.families.family.Family" or _replaced(family, "fitted"):
            refuse("SW839", name=self.name, what=f"the family {type(family).__name__}")
        link = type(family.link)
        owner = _owner(link, "inverse")
        if _replaced(family.link, "inverse"):
            refuse("SW839", name=self.name, what=f"an inverse of its own in the link {link.__name__}")
        if owner == "statsmodels.genmod.families.links.Power":
            return partial(_power, power=float(family.link.power))
        if owner not in _INVERSE_LINKS:
            refuse("SW839", name=self.name, what=f"the link {link.__name__}")
        return _INVERSE_LINKS[owner]

    def _by_formula(self, x: Features) -> Features:
        """Returns the matrix of patsy's terms: products of numeric columns. Refuses SW839."""
        model, loop = self.model._results.model, x.loop
        spec = getattr(model, "model_spec", None) or getattr(model.data, "model_spec", None) or model.data.design_info
        if type(spec).__module__ != "patsy.design_info" or len(spec.terms) != len(spec.column_names):
            refuse("SW839", name=self.name, what="a formula with columns of categories")
        columns = dict(zip(x.names or (), x.values, strict=True))
        made: list[Value] = []
        for term in spec.terms:
            value = loop.const(1.0, F64)
            for factor in term.factors:
                if spec.factor_infos[factor].type != "numerical" or not _is_name(factor.code) or factor.code not in columns:
                    refuse("SW839", name=self.name, what=f"the term {factor.code} in its formula")
                value = loop.call("multiply", value, loop.cast(columns[factor.code], F64))
            made.append(value)
        return replace(x, columns=tuple(made), names=None, missing=())


def _matrix(x: Features, call: str) -> Features:
    """Returns ``np.asarray(x)`` as floats. Refuses (SW811) columns that NumPy would make objects of."""
    if np.asarray(x.prototype()).dtype.kind not in "biuf":
        refuse("SW811", call=call)
    return replace(x, columns=tuple(x.loop.cast(v, F64) for v in x.values), names=None, missing=())


def _is_name(code: str) -> bool:
    """Whether Python reads the code of a factor as the name of a column, and not as an expression."""
    return code.isascii() and code.isidentifier() and not keyword.iskeyword(code) and code != "__debug__"


def _replaced(held: Any, *names: str) -> bool:
    """Whether an object has one of these methods itself, in the place of its class's."""
    return not vars(held).keys().isdisjoint(names)


def _owner(kind: type, method: str) -> str:
    """Returns the qualified name of the class that defines a method; "" for none."""
    owner = next((base for base in kind.__mro__ if method in vars(base)), None)
    return "" if owner is None else f"{owner.__module__}.{owner.__qualname__}"


def _identity(loop: LoopBuilder, value: Value) -> Value:
    return value


def _exp(loop: LoopBuilder, value: Value) -> Value:
    return loop.call("exp", value)


def _logistic(loop: LoopBuilder, value: Value) -> Value:
    """Returns ``1 / (1 + exp(-value))``, in the library's order."""
    one = loop.const(1.0, F64)
    return loop.call("divide", one, loop.call("add", one, loop.call("exp", loop.call("negative", value))))


def _power(loop: LoopBuilder, value: Value, power: float) -> Value:
    return value if power == 1 else loop.call("power", value, loop.const(1.0 / power, F64))


#: Classes whose `predict` returns the linear predictor.
_LINEAR = frozenset(("statsmodels.regression.linear_model.RegressionModel", "statsmodels.robust.robust_linear_model.RLM"))
#: Classes whose `predict` applies a link that the model's class determines.
_WITH_LINKS = frozenset(f"statsmodels.discrete.discrete_model.{name}" for name in ("BinaryModel", "CountModel", "Poisson"))
#: Models and links -> the inverse link.
_INVERSE_LINKS = {
    "statsmodels.discrete.discrete_model.Logit": _logistic,
    "statsmodels.discrete.discrete_model.Poisson": _exp,
    "statsmodels.genmod.families.links.Logit": _logistic,
    "statsmodels.genmod.families.links.Log": _exp,
}

ESTIMATORS: dict[str, type[Translator]] = {
    "statsmodels.base.elastic_net.RegularizedResultsWrapper": Results,
    "statsmodels.discrete.discrete_model.BinaryResultsWrapper": Results,
    "statsmodels.discrete.discrete_model.PoissonResultsWrapper": Results,
    "statsmodels.genmod.generalized_linear_model.GLMResultsWrapper": Results,
    "statsmodels.regression.linear_model.RegressionResultsWrapper": Results,
    "statsmodels.robust.robust_linear_model.RLMResultsWrapper": Results,
}
