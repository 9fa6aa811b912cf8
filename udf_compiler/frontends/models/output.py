"""Converts features to a model's result in user code: an array, a DataFrame under `set_output`, or a sparse matrix."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

import numpy as np

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
from udf_compiler.frontends.tracing.values import Traced, ndarray_class


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


class TracedLabels(Traced):
    """An array of shape (n, 1) of strings, which CatBoost returns for more than two classes: it supports what makes it (n,)."""

    __slots__ = ("texts",)
    what = "array"
    stands_for = np.ndarray

    def __init__(self, texts: TracedTexts) -> None:
        self.texts = texts

    __class__ = property(ndarray_class)  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        if name not in ("ravel", "flatten", "reshape"):
            refuse("SW818", call=f"array.{name}")

        def one_dimensional(*shape: Any, **options: Any) -> TracedTexts:
            if options or shape != ((-1,) if name == "reshape" else ()):
                refuse("SW818", call=f"array.{name}")
            return self.texts

        return one_dimensional

    def __getitem__(self, key: Any) -> Any:
        if type(key) is tuple and len(key) == 2 and key[0] == slice(None) and type(key[1]) is int and key[1] in (0, -1):
            return self.texts
        refuse("SW818", call="array[...]")


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
    if made.names is not None and made.ndim == 1:
        return TracedSeries(loop, made.values[0], made.values[0].type.dtype)
    if made.names is not None:
        series = [
            text_series(loop, v, made.missing_of(i)) if v.type.plain() == STR else TracedSeries(loop, v, v.type.dtype)
            for i, v in enumerate(made.values)
        ]
        return TracedFrame(loop, dict(zip(made.names, series, strict=True)))
    if made.has_texts:
        if len(made.values) != 1:
            refuse("SW818", call=call)
        texts = TracedTexts(text_series(loop, made.values[0], made.missing_of(0)))
        return texts if made.ndim == 1 else TracedLabels(texts)
    return TracedArray(loop, made.values, made.ndim, made.order)
