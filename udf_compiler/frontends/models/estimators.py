"""Lists the translators of all supported estimators, and creates the stand-ins of models in compiled functions.

An estimator is looked up by the exact qualified name of its class. Unlisted classes and users' subclasses are refused by name.
Nothing here imports a model library: a payload that holds one of its objects has imported it already.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from udf_compiler.frontends.models import (
    bagging,
    bayes,
    calibration,
    cascades,
    catboost_,
    clusters,
    compose,
    curves,
    discriminants,
    encoding,
    ensemble,
    imputation,
    instance_based,
    isolation,
    lightgbm_,
    linear,
    matrices,
    multioutput,
    neural,
    pools,
    projections,
    rankers,
    scaling,
    selection,
    statsmodels_,
    text,
    trees,
    xgboost_,
)
from udf_compiler.frontends.models.tested_versions import LIBRARIES, Unsupported, refusal_of
from udf_compiler.frontends.models.traced import TracedModel
from udf_compiler.frontends.models.translator import METHODS, Rebuild, Translator
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.function.bytecode import Use

#: Qualified class name -> translator.
ESTIMATORS: dict[str, type[Translator]] = {
    **linear.ESTIMATORS,
    **scaling.ESTIMATORS,
    **imputation.ESTIMATORS,
    **encoding.ESTIMATORS,
    **selection.ESTIMATORS,
    **projections.ESTIMATORS,
    **curves.ESTIMATORS,
    **text.ESTIMATORS,
    **compose.ESTIMATORS,
    **bayes.ESTIMATORS,
    **discriminants.ESTIMATORS,
    **instance_based.ESTIMATORS,
    **ensemble.ESTIMATORS,
    **calibration.ESTIMATORS,
    **multioutput.ESTIMATORS,
    **neural.ESTIMATORS,
    **clusters.ESTIMATORS,
    **trees.ESTIMATORS,
    **isolation.ESTIMATORS,
    **bagging.ESTIMATORS,
    **lightgbm_.ESTIMATORS,
    **xgboost_.ESTIMATORS,
    **catboost_.ESTIMATORS,
    **statsmodels_.ESTIMATORS,
    **cascades.ESTIMATORS,
    **rankers.ESTIMATORS,
}

#: The base of the fitted models of statsmodels, which have no get_params.
_RESULTS = "statsmodels.base.wrapper.ResultsWrapper"
#: Settings of scikit-learn that change its methods, and the only value that the translators support.
_SETTINGS = {"assume_finite": False, "transform_output": "default", "array_api_dispatch": False, "enable_metadata_routing": False}


def is_model(original: object) -> bool:
    """Whether an object is an estimator of a model library, or of a class derived from one."""
    kind = type(original)
    if f"{kind.__module__}.{kind.__qualname__}" in ESTIMATORS:
        return True
    # the module of a class that Cython compiled may be a descriptor
    bases = [f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__]
    own = any(base.partition(".")[0] in LIBRARIES for base in bases)
    return own and (hasattr(kind, "get_params") or _RESULTS in bases)


def constructor_of(original: object) -> Callable[..., Any] | None:
    """Returns the stand-in of a model library's class that compiled functions may call: DMatrix, Pool."""
    for library, name, made in (("xgboost", "DMatrix", matrices.matrix), ("catboost", "Pool", pools.pool)):
        if library in sys.modules and original is getattr(sys.modules[library], name, None):
            return made
    return None


def stand_in_for(original: Any, use: Use, rebuild: Rebuild) -> TracedModel:
    """Returns the stand-in of an estimator in a compiled function. Refuses SW800, SW801, SW803, SW804, SW806.

    `rebuild`: see `Translator`.
    """
    found = find(original, rebuild)
    if isinstance(found, Translator):
        return TracedModel(found)
    raise use.refusal(found.code, **found.params)


def find(estimator: Any, rebuild: Rebuild | None = None) -> Translator | Unsupported:
    """Returns the translator of an estimator, or its refusal."""
    kind = type(estimator)
    qualified = f"{kind.__module__}.{kind.__qualname__}"
    root = kind.__module__.partition(".")[0]
    for ours in (cascades.ESTIMATORS, rankers.ESTIMATORS):
        if qualified in ours:
            return ours[qualified](estimator, rebuild, translator_of)
    if root not in LIBRARIES:
        return Unsupported("SW801", {"estimator": qualified})
    if qualified not in ESTIMATORS:
        return Unsupported("SW800", {"estimator": qualified})
    untested = refusal_of(kind, followed_methods(qualified))
    if untested is not None:
        return untested
    if root == "sklearn":
        config = sys.modules["sklearn"].get_config()
        changed = [name for name, value in _SETTINGS.items() if config.get(name, value) != value]
        if changed:
            return Unsupported("SW804", {"setting": changed[0], "value": config[changed[0]]})
    replaced = [name for name in METHODS if name in getattr(estimator, "__dict__", {})]
    if replaced:
        return Unsupported("SW801", {"estimator": f"{qualified} with a {replaced[0]} of its own"})
    return ESTIMATORS[qualified](estimator, rebuild, translator_of)


def followed_methods(qualified: str) -> tuple[str, ...]:
    """Returns the methods of a class that its translator follows."""
    translator = ESTIMATORS[qualified]
    terms = hasattr(translator, "transform_terms")
    return tuple(name for name in METHODS if hasattr(translator, name) or (terms and name == "transform"))


def translator_of(estimator: Any, rebuild: Rebuild | None = None) -> Translator:
    """Returns the translator of an estimator. Refuses what `find` returns."""
    found = find(estimator, rebuild)
    if isinstance(found, Translator):
        return found
    refuse(found.code, **found.params)
