"""Converts features to a model's result in user code: an array, a DataFrame under `set_output`, or a sparse matrix."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

from sparkweld.ir.types import STR
from udf_compiler.frontends.models.features import Features
from udf_compiler.frontends.models.translator import Translator
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls.strings.choose import TracedTexts
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.strings import text_series
from udf_compiler.frontends.python.path_explorer import is_exploring
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced


class TracedSparse(Traced):
    """A sparse matrix: it can only be passed on to a model, or converted by `toarray`."""

    __slots__ = ("features",)
    what = "sparse matrix"
    of_instances = frozenset({"data", "indices", "indptr", "maxprint"})

    def __init__(self, features: Features) -> None:
        object.__setattr__(self, "features", features)

    @property  # type: ignore[override]
    def stands_for(self) -> Any:
        return importlib.import_module("scipy.sparse").csr_matrix

    def __getattr__(self, name: str) -> Any:
        if name == "toarray" and not is_exploring():
            return lambda: TracedArray(self.features.loop, self.features.values, 2, "C")
        refuse("SW816", call=f"sparse matrix .{name}")


def contained(translator: Translator, made: Features) -> Features:
    """Returns the result of `transform` in the container that `set_output` selects. Refuses (SW817) polars."""
    if translator.container == "default" or translator.name == "Pipeline":
        return made
    if translator.container != "pandas":
        refuse("SW817", name=translator.name, container=translator.container)
    library = importlib.import_module("sklearn.utils._set_output")
    if made.sparse or not library._auto_wrap_is_configured(translator.model):
        return made
    names = tuple(map(str, translator.model.get_feature_names_out()))
    return replace(made, names=names, columns=made.values)


def given_back(made: Features, call: str) -> Any:
    """Returns the traced object that the user's code receives."""
    loop = made.loop
    if made.sparse:
        return TracedSparse(made)
    if made.names is not None:
        series = [
            text_series(loop, v, made.missing_of(i)) if v.type.plain() == STR else TracedSeries(loop, v, v.type.dtype)
            for i, v in enumerate(made.values)
        ]
        return TracedFrame(loop, dict(zip(made.names, series, strict=True)))
    if made.has_texts:
        if made.ndim != 1:
            refuse("SW818", call=call)
        return TracedTexts(text_series(loop, made.values[0], made.missing_of(0)))
    return TracedArray(loop, made.values, made.ndim, made.order)
