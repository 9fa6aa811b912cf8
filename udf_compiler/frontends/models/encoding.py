"""Translates scikit-learn's encoders: one-hot, ordinal, by target, and of labels."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import Lookup
from sparkweld.ir.types import BOOL, I64, STR, Type, of_dtype
from udf_compiler.frontends.models.by_version import mentions, uses, validate_data
from udf_compiler.frontends.models.categories import as_values
from udf_compiler.frontends.models.features import Column, Features, Indicator, guard_finite
from udf_compiler.frontends.models.labels import labels
from udf_compiler.frontends.models.translator import Translator
from udf_compiler.frontends.pandas.missing import Missing
from udf_compiler.frontends.tracing.lower import run_prototype, type_of
from udf_compiler.frontends.tracing.session import check_size, refuse
from udf_compiler.frontends.tracing.utf8 import check_text


@dataclass(frozen=True)
class Codes:
    """A column and the categories that an encoder knows; `find(numbers, other)` returns the number of the row's category."""

    loop: LoopBuilder
    value: Value
    missing: Missing
    categories: np.ndarray
    call: str

    def find(self, numbers: Sequence[float], other: float, type: Type) -> Value:
        """Returns ``numbers[i]`` where the row is category i, `other` where it is none."""
        loop, value = self.loop, self.value
        if value.type.plain() == BOOL:
            by_value = dict(zip(map(bool, self.categories), numbers, strict=True))
            a, b = (loop.const(by_value.get(side, other), type) for side in (True, False))
            return loop.select(value, a, b)
        absent = [i for i, c in enumerate(self.categories) if c is None or c != c]
        present = [i for i in range(len(self.categories)) if i not in absent]
        key = value.type.plain() if value.type.plain() == STR else self._common(value.type)
        of = loop.value_of(value) if key == STR else loop.cast(value, key)
        pairs: dict[object, object] = {_key(self.categories[i], key, self.call): numbers[i] for i in present}
        found = loop.emit(Lookup.of(pairs, key, type), of)
        result = loop.value_of(found)
        if other != 0:
            result = loop.select(loop.is_valid(found), result, loop.const(other, type))
        return self._with_absent(result, [(self.categories[i], numbers[i]) for i in absent], other, type)

    def guard_known(self) -> None:
        """Guards rows of an unknown category, for which the library raises."""
        known = self.find([1.0] * len(self.categories), 0.0, I64)
        self.loop.guard(self.loop.call("equal", known, self.loop.const(1, I64)), local=True)

    def _with_absent(self, result: Value, absent: list[tuple[Any, float]], other: float, type: Type) -> Value:
        """Adds the numbers of missing categories: NaN among floats, None or NaN among strings."""
        loop, value = self.loop, self.value
        if value.type.is_float:
            at = [number for _, number in absent]
            return loop.select(loop.call("isnan", value), loop.const(at[0], type), result) if at else result
        if not value.type.nullable:
            return result
        of_none = [number for category, number in absent if category is None]
        of_nan = [number for category, number in absent if category is not None]
        if self.missing.none and self.missing.nan and (of_none or of_nan):
            refuse("SW822", call=self.call, what="missing strings that are None or NaN")
        known = of_none if self.missing.none else of_nan
        return loop.select(loop.is_valid(value), result, loop.const(known[0] if known else other, type))

    def _common(self, type: Type) -> Type:
        common = of_dtype(np.result_type(type.dtype, self.categories.dtype))
        if common is None or common == BOOL:
            refuse("SW822", call=self.call, what=f"categories of type {self.categories.dtype}")
        return common


def _key(category: Any, type: Type, call: str) -> object:
    return check_text(str(category), call) if type == STR else type.dtype.type(category)


class Encoder(Translator):
    """Translates `_BaseEncoder`: finds each column's category. It reads the values of category columns."""

    CATEGORIES = True

    def codes(self, x: Features, call: str) -> list[Codes]:
        """Returns the columns with their categories. Refuses (SW822) a column of another kind than its categories."""
        columns = self._columns(x, call)
        found = []
        for at, categories in enumerate(self.fitted("categories_")):
            value = columns.values[at]
            kind = "S" if value.type.plain() == STR else value.type.dtype.kind
            texts = all(c is None or c != c or isinstance(c, str) for c in categories)
            of = "S" if categories.dtype.kind in "OU" and texts else categories.dtype.kind
            if not (kind == of or (kind in "if" and of in "if")):
                refuse("SW822", call=call, what=f"a column of type {value.type.plain()} for categories of {categories.dtype}")
            found.append(Codes(x.loop, value, columns.missing_of(at), categories, call))
        return found

    def _columns(self, x: Features, call: str) -> Features:
        """Translates ``_check_X``: DataFrame columns one by one, an array's in its dtype.

        Infinity is guarded: the library raises.
        """
        if x.sparse or x.ndim != 2:
            refuse("SW821", call=call)
        run_prototype(call, validate_data, self.model, x.prototype(), reset=False, skip_check_array=True)
        x = as_values(x, call)
        guard_finite(x.loop, [v for v in x.values if v.type.is_float], allow_nan=True)
        return x

    def infrequent(self, at: int) -> tuple[np.ndarray | None, int | None]:
        """Returns a column's category numbers after grouping (None: no grouping), and the number of the infrequent group."""
        if not getattr(self.model, "_infrequent_enabled", False):
            return None, None
        mapping, indices = self.model._default_to_infrequent_mappings[at], self.model._infrequent_indices[at]
        return mapping, None if indices is None else int(mapping[indices[0]])


class OneHotEncoder(Encoder):
    """Returns one column per category, as `Indicator` groups; unknown categories are zeros, or in the infrequent column."""

    def transform(self, x: Features) -> Features:
        return self.encoded(x, np.dtype(self.model.dtype))

    def encoded(self, x: Features, dtype: np.dtype) -> Features:
        """Returns the columns, of `dtype`."""
        call = self.call("transform")
        type = type_of(dtype, call)
        columns: list[Column] = []
        for at, codes in enumerate(self.codes(x, call)):
            places, unknown = self._places(at, len(codes.categories))
            if self.model.handle_unknown == "error":
                codes.guard_known()
            count = int(self.model._n_features_outs[at])
            by_group = _by_group(codes, places, unknown)
            columns += [Indicator(by_group, count, i, type) for i in range(count)]
        check_size(x.loop)
        return x.array(columns, sparse=bool(self.model.sparse_output), order="C")

    def _places(self, at: int, count: int) -> tuple[list[int | None], int | None]:
        """Returns the column of each category, and of an unknown one; None: all zeros."""
        mapping, infrequent = self.infrequent(at)
        groups = list(range(count)) if mapping is None else [int(g) for g in mapping]
        grouping = self.model.handle_unknown
        # Before 1.8, unknown categories of "warn" are zeros.
        grouped = grouping in ("infrequent_if_exist", "warn") and mentions(type(self.model)._map_infrequent_categories, grouping)
        unknown = infrequent if grouped else None
        dropped = None if self.model._drop_idx_after_grouping is None else self.model._drop_idx_after_grouping[at]
        return [_after_drop(g, dropped) for g in groups], _after_drop(unknown, dropped)


def _after_drop(group: int | None, dropped: int | None) -> int | None:
    if group is None or dropped is None or group < dropped:
        return group
    return None if group == dropped else group - 1


def _by_group(codes: Codes, places: list[int | None], unknown: int | None) -> Callable[[Sequence[float], Type], Value]:
    def find(numbers: Sequence[float], type: Type) -> Value:
        by_category = [0.0 if p is None else numbers[p] for p in places]
        return codes.find(by_category, 0.0 if unknown is None else numbers[unknown], type)

    return find


class OrdinalEncoder(Encoder):
    """Returns the number of each column's category."""

    def transform(self, x: Features) -> Features:
        call, model = self.call("transform"), self.model
        type = type_of(np.dtype(model.dtype), call)
        missing: Mapping[int, int] = self.fitted("_missing_indices")
        values = []
        for at, codes in enumerate(self.codes(x, call)):
            mapping, _ = self.infrequent(at)
            numbers = [float(g) for g in (range(len(codes.categories)) if mapping is None else mapping)]
            if at in missing:
                numbers[missing[at]] = float(model.encoded_missing_value)
            if model.handle_unknown == "error":
                codes.guard_known()
            other = 0.0 if model.handle_unknown == "error" else float(model.unknown_value)
            values.append(codes.find(numbers, other, type))
        return x.array(values, order="C")


class TargetEncoder(Encoder):
    """Returns the target's mean per category, or the overall mean for unknown ones; per class when there are several classes."""

    def transform(self, x: Features) -> Features:
        type = type_of(np.dtype(np.float64), self.call("transform"))
        codes, means = self.codes(x, self.call("transform")), np.atleast_1d(self.fitted("target_mean_"))
        classes = len(self.model.classes_) if self.model.target_type_ == "multiclass" else 1
        values = []
        for e, encoding in enumerate(self.fitted("encodings_")):
            other = float(means[e % classes] if classes > 1 else means[0])
            values.append(codes[e // classes].find(list(map(float, encoding)), other, type))
        return x.array(values, order="C")


class LabelEncoder(Translator):
    """Maps labels to their numbers and back; unseen labels are guarded, as the library raises for them."""

    def transform(self, x: Features) -> Features:
        call = self.call("transform")
        if x.ndim != 1:
            refuse("SW810", call=call, what="several columns")
        classes = self.fitted("classes_")
        codes = Codes(x.loop, x.values[0], x.missing_of(0), classes, call)
        if (x.types[0] == STR) != (classes.dtype.kind in "OU") or x.types[0] == BOOL:
            refuse("SW822", call=call, what=f"a column of type {x.types[0]} for labels of {classes.dtype}")
        codes.guard_known()
        return Features(x.loop, (codes.find(list(range(len(classes))), 0, I64),), ndim=1)

    def inverse_transform(self, x: Features) -> Features:
        call = self.call("inverse_transform")
        if x.ndim != 1 or not x.types[0].is_int:
            refuse("SW810", call=call, what="anything but one column of integers")
        classes, index = self.fitted("classes_"), x.loop.cast(x.values[0], I64)
        above = x.loop.call("greater_equal", index, x.loop.const(0, I64))
        x.loop.guard(x.loop.call("logical_and", above, x.loop.call("less", index, x.loop.const(len(classes), I64))), local=True)
        return labels(x, index, classes, call)


class LabelBinarizer(Translator):
    """Returns one column per class: `pos_label` where the row has the class, else `neg_label`; only the second class of two.

    With two classes, an unknown label would change the batch to three columns, so its rows are guarded.
    """

    def transform(self, x: Features) -> Features:
        call, model, loop = self.call("transform"), self.model, x.loop
        classes = self.fitted("classes_")
        if x.ndim != 1 or model.y_type_ not in ("binary", "multiclass") or len(classes) < 2:
            refuse("SW810", call=call, what="anything but one column of the labels of two classes or more")
        if (x.types[0] == STR) != (classes.dtype.kind in "OU") or x.types[0] == BOOL:
            refuse("SW822", call=call, what=f"a column of type {x.types[0]} for labels of {classes.dtype}")
        codes = Codes(loop, x.values[0], x.missing_of(0), classes, call)
        self._guard_labels(x, codes)
        keeps = uses(importlib.import_module("sklearn.preprocessing").label_binarize, "isdtype")
        type = x.types[0] if x.types[0].is_int and keeps else I64
        columns = []
        for at in range(len(classes)) if len(classes) > 2 else [1]:
            numbers = [model.pos_label if at == i else model.neg_label for i in range(len(classes))]
            columns.append(codes.find(numbers, model.neg_label, type))
        return Features(loop, tuple(columns), sparse=bool(model.sparse_output))

    def _guard_labels(self, x: Features, codes: Codes) -> None:
        """Guards values that the library rejects as labels: missing strings, fractions, NaN; and unknown labels of two
        classes.
        """
        loop, value = x.loop, x.values[0]
        if value.type.nullable:
            loop.guard(loop.is_valid(value), local=True)
        if value.type.is_float:
            loop.guard(loop.call("isfinite", value), local=True)
            loop.guard(loop.call("equal", value, loop.call("rint", value)), local=True)
        if len(codes.categories) == 2:
            codes.guard_known()


ESTIMATORS: dict[str, type[Translator]] = {
    "sklearn.preprocessing._encoders.OneHotEncoder": OneHotEncoder,
    "sklearn.preprocessing._encoders.OrdinalEncoder": OrdinalEncoder,
    "sklearn.preprocessing._target_encoder.TargetEncoder": TargetEncoder,
    "sklearn.preprocessing._label.LabelEncoder": LabelEncoder,
    "sklearn.preprocessing._label.LabelBinarizer": LabelBinarizer,
}
