"""Translates scikit-learn's imputers, which replace missing numbers and strings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir import Value
from sparkweld.ir.types import BOOL, STR
from udf_compiler.frontends.models.by_version import uses, validate_data
from udf_compiler.frontends.models.compose import joined
from udf_compiler.frontends.models.features import FLOATS, Features, validated
from udf_compiler.frontends.models.translator import Translator
from udf_compiler.frontends.pandas.missing import PRESENT, Missing
from udf_compiler.frontends.tracing.lower import run_prototype, type_of
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.utf8 import check_text


def is_nan(value: Any) -> bool:
    return isinstance(value, float | np.floating) and value != value


class SimpleImputer(Translator):
    """Replaces each column's missing values with a constant."""

    def transform(self, x: Features) -> Features:
        model, call = self.model, self.call("transform")
        if x.sparse:
            refuse("SW821", call=call)
        if not (model.copy or x.fresh):
            refuse("SW815", call=call)
        made = texts(model, x, call) if self.fitted("_fit_dtype").kind == "O" else self._numbers(x, call)
        statistics = self.fitted("statistics_")
        masks = [missing_mask(made, at, model.missing_values, call) for at in range(len(made.columns))]
        every = model.keep_empty_features or (model.strategy == "constant" and not self._casts)
        kept = [at for at, s in enumerate(statistics) if every or not is_nan(s)]
        if not kept:
            refuse("SW810", call=call, what="no column that has a value")
        filled = [self._filled(made, at, masks[at], statistics[at], call) for at in kept]
        result = made.array([value for value, _ in filled], missing=tuple(m for _, m in filled))
        if not model.add_indicator:
            return result
        shown = self.fitted("indicator_").features_ if model.indicator_.features == "missing-only" else range(len(masks))
        indicators = [masks[at] for at in shown]
        return joined([result, made.array(indicators)], call) if indicators else result

    @property
    def _casts(self) -> bool:
        """Whether the library casts the constants to the fitted dtype, and drops empty columns of the strategy "constant"."""
        return uses(type(self.model).transform, "_fill_dtype")

    def _numbers(self, x: Features, call: str) -> Features:
        dtype = None if self.model.strategy in ("most_frequent", "constant") else FLOATS
        allow = "allow-nan" if is_nan(self.model.missing_values) or self.model.missing_values is pd.NA else True
        made = validated(self.model, x, call, allow, dtype=dtype, force_writeable=True, copy=self.model.copy)
        given = made.types[0]
        fill = np.dtype(self.fitted("_fill_dtype")) if self._casts else self.fitted("statistics_").dtype
        checks = self.model.strategy == "constant" and uses(type(self.model)._validate_input, "can_cast")
        if given == BOOL or (checks and not np.can_cast(fill, given.dtype, "same_kind")):
            refuse("SW252", call=call, error=f"ValueError: values of {fill} for data of {given.dtype}")
        return made

    def _filled(self, x: Features, at: int, mask: Value, statistic: Any, call: str) -> tuple[Value, Missing]:
        loop, value = x.loop, x.values[at]
        if value.type.plain() != STR:
            with np.errstate(all="ignore"):
                number = np.asarray(statistic).astype(self.model._fill_dtype if self._casts else self.model.statistics_.dtype)
                number = number.astype(value.type.dtype)
            return loop.select(mask, loop.const(number[()], value.type), value), PRESENT
        if not isinstance(statistic, str):
            refuse("SW822", call=call, what=f"a {type(statistic).__name__} among strings")
        fill, missing = loop.const(check_text(statistic, call), STR), x.missing_of(at)
        if not value.type.nullable:
            return loop.select(mask, fill, value), PRESENT
        filled = loop.select(mask, fill, loop.value_of(value))
        gone = loop.call("logical_or", mask, loop.is_valid(value))
        if isinstance(self.model.missing_values, str) or not _fills(self.model.missing_values, missing):
            return loop.optional(filled, gone), missing
        return filled, PRESENT


def _fills(missing_values: Any, missing: Missing) -> bool:
    """Whether all missing strings equal `missing_values`."""
    if missing_values is pd.NA:
        return True
    return not missing.none if is_nan(missing_values) else not missing.nan and missing_values is None


def texts(model: Any, x: Features, call: str) -> Features:
    """Returns an array of objects that are all strings. Refuses SW822."""
    if set(x.types) != {STR}:
        refuse("SW822", call=call, what="numbers beside strings")
    run_prototype(call, validate_data, model, x.prototype(), reset=False, dtype=object, ensure_all_finite=False)
    return Features(x.loop, x.columns, order=x.order, missing=x.missing)


def missing_mask(x: Features, at: int, missing_values: Any, call: str) -> Value:
    """Computes ``_get_mask``: where a column equals `missing_values`. Refuses (SW822) strings missing as both None and NaN."""
    loop, value = x.loop, x.values[at]
    if value.type.plain() != STR:
        if is_nan(missing_values) or missing_values is pd.NA:
            return loop.call("isnan", value) if value.type.is_float else loop.const(False, BOOL)
        if isinstance(missing_values, bool) or not isinstance(missing_values, int | float | np.number):
            refuse("SW252", call=call, error="ValueError: 'X' and 'missing_values' types are expected to be both numerical")
        number = float(missing_values)
        wide = type_of(np.result_type(value.type.dtype, np.asarray(missing_values).dtype), call)
        return loop.call("equal", loop.cast(value, wide), loop.const(number, wide))
    missing = x.missing_of(at)
    absent = loop.call("logical_not", loop.is_valid(value))
    if isinstance(missing_values, str):
        if missing.nan:
            loop.guard(loop.call("logical_not", absent), local=True)  # "Input contains NaN"
        same = loop.call("equal", loop.value_of(value), loop.const(check_text(missing_values, call), STR))
        return loop.call("logical_and", same, loop.is_valid(value))
    if missing.none and missing.nan and missing_values is not pd.NA:
        refuse("SW822", call=call, what="missing strings that are None or NaN")
    if missing_values is None and missing.nan:
        loop.guard(loop.call("logical_not", absent), local=True)
    return absent if _fills(missing_values, missing) else loop.const(False, BOOL)


class MissingIndicator(Translator):
    """Returns which features are missing."""

    def transform(self, x: Features) -> Features:
        model, call = self.model, self.call("transform")
        if x.sparse:
            refuse("SW821", call=call)
        if x.has_texts:
            made = texts(model, x, call)
        else:
            made = validated(model, x, call, "allow-nan" if is_nan(model.missing_values) else True, dtype=None)
        masks = [missing_mask(made, at, model.missing_values, call) for at in range(len(made.columns))]
        if model.features == "all":
            return made.array(masks, sparse=model.sparse is True)
        shown = [int(f) for f in self.fitted("features_")]
        for at, mask in enumerate(masks):
            if model.error_on_new and at not in shown:
                made.loop.guard(made.loop.call("logical_not", mask), local=True)
        return made.array([masks[at] for at in shown], sparse=model.sparse is True)


ESTIMATORS: dict[str, type[Translator]] = {
    "sklearn.impute._base.SimpleImputer": SimpleImputer,
    "sklearn.impute._base.MissingIndicator": MissingIndicator,
}
