"""Wraps a fitted estimator so that its predictions run compiled programs, and everything else is the estimator's own."""

from __future__ import annotations

import operator
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import Any

import numpy as np

from sparkweld.api.compiling import of_method
from sparkweld.api.fitted import takes_documents, without_wrapper
from sparkweld.errors import Refusal, RefusalWarning, SparkWeldError, UserError
from sparkweld.reasons import refusal
from sparkweld.serving.methods import Layout, Method, layout_of, result_of

METHODS = ("predict", "predict_proba", "decision_function", "transform")

#: Beginnings of the names of methods that change the model.
_CHANGES = ("fit", "partial_fit", "set_", "load_")

#: Rows of the first table that the model itself computes, to show what it returns.
_HEAD = 4

#: Most estimators inside a model, and most elements of a list, that are compared before a call.
_MOST_WATCHED = 32

#: Special methods that Python looks up in the class; a wrapper has those of its model.
_SPECIAL = ("__len__", "__getitem__", "__iter__", "__contains__")


def accelerate(model: Any, example: Any = None, methods: Sequence[str] = METHODS) -> Any:
    """Returns the estimator with `predict`, `predict_proba`, `decision_function` and `transform` as compiled programs.

    Results have the type, the dtype and the shape of the model's own. Their values are equal to the last bit where
    docs/compatibility.md states no bound, and within that bound otherwise. A program is compiled for each method and for the
    columns and dtypes of a table, when one first occurs. `example`: a table for which `methods` are compiled at once, of those
    that the model has.

    Other tables, further arguments and refusals run the model's own method, with one RefusalWarning that states the reason. So
    do rows that only Python can compute, without a warning. Every other attribute is the model's own. After `fit`, and after an
    attribute was set, programs are compiled anew; the model's arrays must not be changed in place.

    The result is an instance of the model's class for `isinstance`. `sklearn.base.clone` returns a wrapped clone. A pickle, by
    joblib too, holds the model, and compiles in the process that loads it. Raises UserError for what is not an estimator.
    """
    model = without_wrapper(model)
    if not any(hasattr(type(model), name) for name in METHODS) or not hasattr(model, "get_params"):
        raise UserError(f"a {type(model).__name__} is no estimator of scikit-learn: use sparkweld.compile for other models")
    kind: Any = type(model)
    made = _class_for(kind)(model)
    if example is not None:
        for method in methods:
            if hasattr(model, method):
                getattr(made, method)(example)
    return made


class Accelerated:
    """An estimator whose results come from programs. `accelerate` describes it."""

    def __init__(self, model: Any) -> None:
        object.__setattr__(self, "_model", model)
        object.__setattr__(self, "_calls", _Calls(model))

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # type: ignore[override]  # so that isinstance accepts it as the model
        return type(self._model)

    @property
    def __sparkweld_model__(self) -> Any:
        """The model itself."""
        return self._model

    def sparkweld_explain(self) -> str:
        """Returns a line for each method and layout that occurred: its program, or the reason why there is none."""
        return self._calls.explain()

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._model, name)
        if name in METHODS and callable(value):
            return partial(self._calls.call, name, value)
        if isinstance(value, types.MethodType) and name.startswith(_CHANGES):
            return partial(self._changed, value)
        return value

    def _changed(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            made = method(*args, **kwargs)
        finally:
            self._calls.forget()
        return self if made is self._model else made

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._model, name, value)
        self._calls.forget()

    def __delattr__(self, name: str) -> None:
        delattr(self._model, name)
        self._calls.forget()

    def __dir__(self) -> list[str]:
        return sorted({*dir(self._model), "sparkweld_explain"})

    def __repr__(self) -> str:
        return f"accelerate({self._model!r})"

    def __sklearn_clone__(self) -> Any:
        return accelerate(sys.modules["sklearn.base"].clone(self._model))

    def __reduce__(self) -> tuple[Any, ...]:
        return accelerate, (self._model,)


def method_program(model: Any, name: str, layout: Layout, rows: Any, made: Any) -> Method:
    """Compiles a method of a model for tables of one layout. `made`: what the method returns for `rows`, which have this layout.

    Raises Refusal for what does not compile, and for results that no program returns.
    """
    title, result = f"{type(model).__name__}.{name}", result_of(made, rows, layout)
    if isinstance(result, str):
        raise refusal("SW875", call=title, what=result)
    if np.dtype(result.dtypes[0]).kind == "U" and getattr(model, "classes_", np.zeros(0)).dtype != made.dtype:
        raise refusal("SW875", call=title, what="strings of a length that depends on the rows")
    return Method(of_method(model, name, layout, result), layout, result)


@cache
def _class_for(kind: Any) -> type[Accelerated]:
    """Returns the class of wrappers of a class of models, with the special methods that the models have."""

    def forwarded(name: str) -> Callable[..., Any]:
        return lambda self, *args: getattr(self._model, name)(*args)

    special = {name: forwarded(name) for name in _SPECIAL if hasattr(kind, name)}
    return type("Accelerated", (Accelerated,), {"__module__": __name__, **special})


class _Calls:
    """The programs of one model, by method and layout; None where the model itself runs. Several threads may call it."""

    def __init__(self, model: Any) -> None:
        self._model, self._lock, self._warned = model, threading.RLock(), set[tuple[str, str]]()
        self.forget()

    def forget(self) -> None:
        """Drops all programs, since the model has changed."""
        with self._lock:
            self._found: dict[tuple[Any, ...], Method | None] = {}
            self._why: dict[tuple[Any, ...], Refusal] = {}
            self._watched = [(container, list(_elements(container))) for container in _containers_of(self._model)]
            self._documents = takes_documents(self._model)

    def call(self, name: str, own: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Returns the result of a method, by its program where there is one."""
        if kwargs.keys() == {"X"} and not args:
            args, kwargs = (kwargs["X"],), {}
        if len(args) != 1 or kwargs:
            self._warn(name, refusal("SW874", call=self._title(name), what="further arguments"))
            return own(*args, **kwargs)
        (data,) = args
        if any(_differ(now, kept) for now, kept in self._watched):
            self.forget()
        layout = layout_of(data, self._documents)
        if isinstance(layout, str):
            self._warn(name, refusal("SW874", call=self._title(name), what=layout))
            return own(data)
        key = (name, layout, _transform_output() if name == "transform" else None)
        if key not in self._found and not self._compiled(key, own, data):
            return own(data)
        if key in self._why:
            self._warn(name, self._why[key])
        method = self._found.get(key)
        made = None if method is None else method(data)
        return own(data) if made is None else made

    def _compiled(self, key: tuple[Any, ...], own: Callable[..., Any], data: Any) -> bool:
        """Compiles a program for a method and a layout; returns False where the model itself rejects the table."""
        name, layout = key[0], key[1]
        head = data.iloc[:_HEAD] if hasattr(data, "iloc") else data[:_HEAD]
        if not len(head):
            return False
        try:
            made = own(head)
        except Exception:  # noqa: BLE001 - libraries raise any exception, and the call on the whole table raises it again
            return False
        with self._lock:
            if key not in self._found:
                try:
                    self._found[key] = method_program(self._model, name, layout, head, made)
                except SparkWeldError as error:
                    plain = refusal("SW874", call=self._title(name), what=f"columns without a program ({error})")
                    self._why[key] = error if isinstance(error, Refusal) else plain
                    self._found[key] = None
        return True

    def _title(self, name: str) -> str:
        return f"{type(self._model).__name__}.{name}"

    def _warn(self, name: str, why: Refusal) -> None:
        if (name, why.code) in self._warned:
            return
        self._warned.add((name, why.code))
        warnings.warn(f"{self._title(name)} runs in Python: {why}", RefusalWarning, stacklevel=3)

    def explain(self) -> str:
        """Returns a line for each method and layout."""
        lines = []
        for key, method in self._found.items():
            columns = ", ".join(f"{n} {kind}" for n, kind in list(key[1].columns.items())[:12])
            more = f" and {len(key[1].names) - 12} more" if len(key[1].names) > 12 else ""
            state = "program" if method is not None else f"in Python: {self._why[key]}"
            lines.append(f"{key[0]} of a {key[1].kind} ({columns}{more}): {state}")
        return "\n".join(lines) or "no method was called yet"


def _transform_output() -> Any:
    """Returns scikit-learn's setting of what transformers return."""
    return sys.modules["sklearn"].get_config().get("transform_output")


def _elements(container: Any) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def _differ(container: Any, kept: list[Any]) -> bool:
    """Whether an attribute or an element was set since; the values themselves are not compared."""
    return len(container) != len(kept) or not all(map(operator.is_, _elements(container), kept))


def _containers_of(model: Any) -> list[Any]:
    """Returns the attributes of a model and of the estimators in it, with the lists and dicts that hold these."""
    found: dict[int, Any] = {}
    waiting = [model]
    while waiting and len(found) < _MOST_WATCHED:
        value = waiting.pop(0)
        if not isinstance(value, list | tuple | dict):
            if not hasattr(value, "get_params") or isinstance(value, type):
                continue
            value = vars(value)
        elif len(value) > _MOST_WATCHED:
            continue
        if id(value) not in found:
            found[id(value)] = value
            waiting += _elements(value)
    return [value for value in found.values() if not isinstance(value, tuple)]
