"""Plans the UDF of a fitted model: its arguments, method and result type; or raises an error before any row is read."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.errors import UserError

#: Spark types of columns that models accept in a pandas UDF -> an example value of such a column.
_VALUES: dict[str, Any] = {
    "boolean": np.array([True]), "tinyint": np.ones(1, np.int8), "smallint": np.ones(1, np.int16), "int": np.ones(1, np.int32),
    "bigint": np.ones(1, np.int64), "float": np.ones(1, np.float32), "double": np.ones(1, np.float64),
    "string": np.array(["a"], object), "date": np.array([pd.Timestamp("2000-01-03").date()], object),
    "timestamp": np.array(["2000-01-03"], "datetime64[ns]"), "timestamp_ntz": np.array(["2000-01-03"], "datetime64[ns]"),
}  # fmt: skip

#: dtype of a result -> Spark type.
_RETURNED = {
    "bool": "boolean", "int8": "byte", "int16": "short", "int32": "int", "int64": "long", "float32": "float", "float64": "double",
}  # fmt: skip
_VECTORISERS = frozenset(("CountVectorizer", "TfidfVectorizer", "HashingVectorizer"))
#: Default names that libraries assign to unnamed columns.
_NAMELESS = re.compile(r"Column_\d+|f\d+")


@dataclass(frozen=True)
class Given:
    """A feature: the model's name for it, the column, and the column's type in Spark's short form."""

    name: str
    column: str
    type: str


@dataclass(frozen=True)
class Plan:
    """The call: a `method`, and column number `at` of its result or a column for each class, of Spark type `type`.

    `documents`: the argument is the one column of documents. `array`: the argument is an array.
    """

    method: str
    type: str
    documents: bool = False
    array: bool = False
    at: int | None = None
    classes: tuple[Any, ...] = ()


def without_wrapper(model: Any) -> Any:
    """Returns the model inside one that `sparkweld.accelerate` made, and anything else unchanged."""
    return model.__sparkweld_model__ if hasattr(type(model), "__sparkweld_model__") else model


def feature_names(model: Any) -> tuple[str, ...] | None:
    """Returns the names of the columns that a model was fitted on; None when the model does not know them."""
    found = getattr(model, "feature_names_in_", None)
    if found is None:
        found = getattr(model, "feature_names_", None)  # CatBoost
    if found is None and callable(getattr(model, "feature_name", None)):
        found = model.feature_name()  # lightgbm.Booster
    if found is None or all(_NAMELESS.fullmatch(str(name)) for name in found):
        return None
    return tuple(str(name) for name in found)


def takes_documents(model: Any) -> bool:
    """Whether a model begins with a text vectoriser, and so takes one column of documents."""
    first = model
    while getattr(first, "steps", None) or getattr(first, "transformer_list", None):
        first = (getattr(first, "steps", None) or first.transformer_list)[0][1]
    return any(kind.__name__ in _VECTORISERS for kind in type(first).__mro__)


def chosen_features(
    model: Any, features: Sequence[str] | Mapping[str, str] | None, columns: Mapping[str, str]
) -> tuple[Given, ...]:
    """Returns the columns that a model gets, in its order. `columns`: name -> type of the available columns.

    Raises UserError for missing columns, for a type that no model accepts, and for features that are not the model's.
    """
    if not callable(getattr(model, "predict", None)):
        raise UserError(f"a {type(model).__name__} is not a fitted model: it has no predict")
    names = feature_names(model)
    if features is None and names is None and takes_documents(model):
        raise UserError(f"the {_name(model)} reads strings: pass features=['the column of strings']")
    if features is None and names is None:
        count = getattr(model, "n_features_in_", None)
        known = "it does not know them" if count is None else f"it was fitted on {count} columns"
        raise UserError(f"the {_name(model)} does not know its feature names ({known}): pass features=[...] in fitting order")
    pairs = _pairs(model, names, _in_its_spelling(model, names, features, columns))
    missing = [column for _, column in pairs if column not in columns]
    if missing:
        raise UserError(f"the table has no column {_list(missing)}, which {_name(model)} requires{_similar(missing, columns)}")
    given = tuple(Given(name, column, columns[column]) for name, column in pairs)
    odd = [f"{g.column!r} ({g.type})" for g in given if g.type not in _VALUES]
    if odd:
        raise UserError(f"{', '.join(odd)} cannot be a feature: models accept numbers, booleans, strings and times. Cast it")
    return given


def _in_its_spelling(model: Any, names: Sequence[str] | None, features: Any, columns: Mapping[str, str]) -> Any:
    """Maps LightGBM's feature names to the columns it was fitted on: it writes a space in a name as _.

    Returns others' unchanged.
    """
    if names is None or isinstance(features, Mapping) or type(model).__module__.partition(".")[0] != "lightgbm":
        return features
    given = columns if features is None else features
    spelled = {column.replace(" ", "_"): column for column in given}
    return {name: spelled.get(name, name) for name in names} if features is None else spelled


def _pairs(model: Any, names: tuple[str, ...] | None, features: Any) -> list[tuple[str, str]]:
    """Returns (the model's name, the column) of each feature, in the model's order."""
    if features is None:
        assert names is not None
        return [(name, name) for name in names]
    given = dict(features) if isinstance(features, Mapping) else {str(name): str(name) for name in features}
    if not given:
        raise UserError("features is empty: name at least one column")
    if not isinstance(features, Mapping) and len(given) < len(list(features)):
        raise UserError(f"features names a column twice: {_list(list(features))}")
    if names is None:
        return list(given.items())
    wrong, absent = [n for n in given if n not in names], [n for n in names if n not in given]
    if wrong or absent:
        what = [f"{_list(wrong)} is none of its features"] if wrong else []
        what += [f"{_list(absent)} is left out"] if absent else []
        raise UserError(
            f"the {_name(model)} was fitted on {_list(names)}: {' and '.join(what)}. Pass columns with other names as "
            "features={'its name': 'column'}"
        )
    return [(name, given[name]) for name in names]


def plan_of(model: Any, given: Sequence[Given], proba: Any) -> Plan:
    """Plans the call for predictions, or for probabilities (`proba`: True, or the label of one class).

    Calls the model on one synthetic row, so that a column of the wrong kind is detected here. Raises UserError.
    """
    method = "predict" if proba is False else "predict_proba"
    booster = type(model).__name__ == "Booster"
    if booster:
        method = "predict"  # it returns probabilities when it was trained for classes
    if not callable(getattr(model, method, None)):
        raise UserError(f"the {_name(model)} has no {method}: pass proba=False")
    documents = takes_documents(model)
    if documents and [g.type for g in given] != ["string"]:
        raise UserError(f"the {_name(model)} reads strings: it takes one column of strings, not {_types(given)}")
    texts = any(g.type in ("string", "date") for g in given)
    array = not documents and not booster and not texts and feature_names(model) is None
    made = _try(model, method, given, documents, array)
    if made is not None and (len(made) != 1 or made.ndim > 2):
        raise UserError(f"{_name(model)}.{method} does not return one row for each row")
    if proba is False:
        if made is not None and made.ndim == 2:
            hint = "pass proba=True for its probabilities" if booster else "models of several outputs are not scored"
            raise UserError(f"{_name(model)}.{method} returns {made.shape[1]} columns: {hint}")
        return Plan(method, _result_type(model, made), documents, array)
    return _of_classes(model, proba, method, made, documents, array)


def _of_classes(model: Any, proba: Any, method: str, made: np.ndarray | None, documents: bool, array: bool) -> Plan:
    classes = list(getattr(model, "classes_", ()))
    kind = "double" if made is None else _RETURNED.get(made.dtype.name, "double")
    if made is not None and made.ndim == 1:  # a Booster of two classes
        if proba is not True:
            raise UserError(f"the {_name(model)} returns the probability of one class only: pass proba=True")
        return Plan(method, kind, documents, array)
    if not classes and made is not None:
        classes = list(range(made.shape[1]))
    plain = [c.item() if isinstance(c, np.generic) else c for c in classes]
    if proba is True and len(plain) != 2:
        return Plan(method, kind, documents, array, classes=tuple(plain))
    label = plain[1] if proba is True else proba
    matches = [at for at, c in enumerate(plain) if c == label or str(c) == str(label)]
    if not matches:
        raise UserError(f"the {_name(model)} has no class {label!r}: its classes are {_list(plain)}")
    return Plan(method, kind, documents, array, at=matches[0])


def _try(model: Any, method: str, given: Sequence[Given], documents: bool, array: bool) -> np.ndarray | None:
    """Returns the result for one synthetic row; None when its strings are not among the categories that the model knows."""
    frame = pd.DataFrame({g.name: _VALUES[g.type] for g in given})
    rows: Any = frame[given[0].name] if documents else frame.to_numpy() if array else frame
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(getattr(model, method)(rows))
    except Exception as error:  # libraries raise any exception; it becomes the user's error
        text = " ".join(str(error).split())
        if re.search(r"unknown categor|previously unseen|not found in the training set", text):
            return None
        raise UserError(
            f"the {_name(model)} cannot score rows with the columns {_types(given)}: {type(error).__name__}: {text[:400]}"
        ) from error


def _result_type(model: Any, made: np.ndarray | None) -> str:
    if made is None:
        made = np.asarray(getattr(model, "classes_", np.zeros(1)))
    if made.dtype.kind in "UO":
        return "string"
    found = _RETURNED.get(made.dtype.name)
    if found is None:
        raise UserError(f"{_name(model)}.predict returns {made.dtype}, which has no Spark type")
    return found


def _name(model: Any) -> str:
    return type(model).__name__


def _types(given: Sequence[Given]) -> str:
    return ", ".join(f"{g.column} {g.type}" for g in given[:20]) + (", ..." if len(given) > 20 else "")


def _list(names: Sequence[Any]) -> str:
    return ", ".join(map(repr, names[:12])) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _similar(missing: Sequence[str], columns: Mapping[str, str]) -> str:
    lowered = {column.lower(): column for column in columns}
    found = {m: lowered.get(m.lower()) or next(iter(difflib.get_close_matches(m, columns, 1)), None) for m in missing}
    hints = [f"{close!r} for {name!r}" for name, close in found.items() if close]
    return f". Did you mean {', '.join(hints)}? Then pass features={{'its name': 'column'}}" if hints else ""
