"""Replaces library objects in a traced function: calls of annotated functions are captured, the compiler handles the rest.

A function that the compiler also knows is tried natively first. Arrow's string functions are the exception: they accept all
alphabets in Arrow's own memory. A function that is neither compiled nor annotated is refused by name, because only an annotation
asserts that it is row-local.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from sparkweld.annotations import Annotation, annotation_of
from sparkweld.annotations.annotating import ATTRIBUTE
from sparkweld.annotations.errors import DomainError
from sparkweld.annotations.split_types import Filtered, Merge
from sparkweld.annotations.tables import libraries
from sparkweld.errors import Refusal
from sparkweld.ir import Value
from sparkweld.ir.ops import IsValid
from sparkweld.ir.types import STR
from sparkweld.pipelines import Capture
from udf_compiler.backends.worker_pipelines.black_boxes import (
    argument,
    column_of_row,
    fits,
    is_series,
    is_traced,
    sample,
    source_of,
    traced_result,
    tried,
)
from udf_compiler.backends.worker_pipelines.payload import pickled
from udf_compiler.frontends.arrow import TracedArrow
from udf_compiler.frontends.pandas.calls.numpy_ import has_traced
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.pandas.stand_ins import stand_in as native_stand_in
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import is_scalar, of_value
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.session import attempt, current, refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn, of_python

#: Types of objects without methods that could be annotated.
_FUNCTIONS = (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, np.ufunc)

_T = TypeVar("_T")

#: Types of constants that are accepted as arguments of a call.
_PLAIN = (bool, int, float, complex, str, bytes, np.ndarray, pd.Series, pd.Index, pd.DataFrame)
_ARROW = (pa.Array, pa.Scalar, pa.DataType)


class StandIns:
    """The stand-ins of one trace, whose calls join `capture`. `calls`: the number of captured calls.

    `native`: returns the compiler's replacement of a library object, None when it may not be used.
    """

    def __init__(self, capture: Capture, native: Callable[[object], Any] = native_stand_in) -> None:
        self._capture, self._native, self.calls = capture, native, 0
        self._again: Capture | None = None  # of the second of two batches
        self._before = 0
        self._iterates = False
        self._annotations: dict[bytes, Annotation] = {}
        self._held: dict[int, Holder] = {}
        self._found: dict[int, tuple[object, Any]] = {}  # id -> (original, kept alive, and its replacement)

    @property
    def capture(self) -> Capture:
        """Returns the capture that calls join now. An iterator UDF is traced over two batches, each with its own loop."""
        loop = current().loop
        if not self._iterates or loop is None or loop is self._capture.loop():
            return self._capture
        if self._again is None:
            self._again = self._capture.again(loop, self._before)
        return self._again

    def twice(self, trace: Callable[[], _T], place: str) -> _T:
        """Runs `trace`, which traces an iterator UDF over two batches. Refuses (SW361) calls that differ between the batches."""
        self._iterates, self._again, self._before = True, None, len(self._capture.steps)
        result = trace()
        if self._again is not None and not self._capture.is_alike(self._again):
            refuse("SW361", at=place, name="a call", type="value that changes")
        self._iterates = False
        return result

    def find(self, original: object) -> Any:
        """Returns the replacement of `original` in the traced copy; None when the compiler's own rules decide.

        It is the same one each time, because the function may ask whether two objects are the same.
        """
        if id(original) not in self._found:
            self._found[id(original)] = (original, self._find(original))
        return self._found[id(original)][1]

    def _find(self, original: object) -> Any:
        if isinstance(original, types.ModuleType):
            native = self._native(original)
            annotated = original.__name__ in libraries() or _holds(original) and (native is None or original is pa)
            return Library(self, original, native) if annotated else native
        if callable(original) and not isinstance(original, type):
            annotation = annotation_of(original)
            if annotation is not None:
                own = hasattr(original, ATTRIBUTE) or isinstance(original, Annotation)
                native = None if own or _is_foreign_ufunc(original) else self._native(original)
                return BlackBoxFunction(self, annotation, native, original)
        return self._native(original)

    def holder(self, held: Any, name: str) -> Any:
        """Returns the replacement of an object that is neither a function nor a module. `name`: the user's term for it."""
        if id(held) not in self._held:
            self._held[id(held)] = (CallableHolder if callable(held) else Holder)(self, held, name)
        return self._held[id(held)]

    def call(self, annotation: Annotation, args: tuple[Any, ...], kwargs: dict[str, Any], form: str | None) -> Any:
        """Returns the traced result of a call on traced values. Refuses SW642 and SW643."""
        name = annotation.name
        if isinstance(annotation.returns, Filtered | Merge):
            refuse("SW250", call=name)
        if not fits(annotation, args, kwargs, lambda x: x if is_traced(x) else None):
            refuse("SW643", call=name, what="a column where the annotation has none")
        taken = [argument(x, form) if is_traced(x) else x for x in args]
        named = {key: argument(x, form) if is_traced(x) else x for key, x in kwargs.items()}
        if any(
            x is None for x, given in zip((*taken, *named.values()), (*args, *kwargs.values()), strict=True) if is_traced(given)
        ):
            refuse("SW643", call=name, what="a column that may hold NULL, or whose dtype depends on the batch")
        if self._iterates and not all(self._is_of_batch(x) for x in (*args, *kwargs.values())):
            refuse("SW361", name=f"an argument of {name}", type="value of an earlier batch")
        returned = tried(annotation, [sampled(x) for x in args], {key: sampled(x) for key, x in kwargs.items()})
        if returned is None or (self._iterates and returned.type is None):  # an untyped column has no loop to identify its batch
            refuse("SW642", call=name)
        try:
            source = self.capture.call(self._same(annotation), tuple(taken), named, returned.form, returned.type)
        except DomainError as error:
            refuse("SW643", call=name, what=str(error))
        self.calls += self.capture is self._capture
        series = any(is_series(x) for x in (*args, *kwargs.values()) if is_traced(x))
        return traced_result(source, self.capture.root, returned, self.capture.loop(), series)

    def _is_of_batch(self, x: Any) -> bool:
        return not is_traced(x) or (isinstance(source := source_of(x), Value) and source.loop is self.capture.loop())

    def _same(self, annotation: Annotation) -> Annotation:
        """Returns the first annotation with the same pickle: a job's own functions are unpickled once per UDF that calls them."""
        try:
            return self._annotations.setdefault(pickled(replace(annotation, examples=None)), annotation)
        except Exception:  # noqa: BLE001 - a user's __reduce__ may raise anything: the annotation equals only itself
            return annotation


class BlackBoxFunction(StandIn):
    """An annotated function in the traced copy. `native`: the compiler's own replacement, tried first."""

    __slots__ = ("__name__", "_annotation", "_native", "_owner", "stands_for")
    what = "annotated function"

    def __init__(self, owner: StandIns, annotation: Annotation, native: Any, original: Any) -> None:
        self._owner, self._annotation, self._native, self.stands_for = owner, annotation, native, original
        if hasattr(original, "__name__"):
            self.__name__ = original.__name__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        of_row = any(map(is_scalar, (*args, *kwargs.values())))
        args = tuple(x if is_scalar(x) else self._real(x) for x in args)
        kwargs = {name: x if is_scalar(x) else self._real(x) for name, x in kwargs.items()}
        if not of_row and not any(map(is_traced, (*args, *kwargs.values()))):
            return self._plainly(args, kwargs)
        if self._native is not None and _are_arrow_texts((*args, *kwargs.values())):
            result = attempt(lambda: self._owner.call(self._annotation, args, kwargs, None))
            if not isinstance(result, Refusal):
                return result
        if self._native is not None:
            loop = self._owner.capture.loop()
            mark = loop.mark()
            result = attempt(lambda: self._native(*args, **kwargs))
            if not isinstance(result, Refusal):
                return result
            loop.undo(mark)
        if of_row:
            return self._of_row(args, kwargs)
        if self._annotation.elementwise:
            refuse("SW643", call=self._annotation.name, what="a column in place of one value")
        return self._owner.call(self._annotation, args, kwargs, None)

    def _plainly(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Calls the function on constants. In a scalar function its error is the one that Python raises: NULLs are None there."""
        try:
            return self._annotation(*args, **kwargs)
        except Exception as error:
            of_python(error)
            raise

    def _of_row(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Returns the value for the row that a scalar function sees.

        One call serves all rows, so no condition may exclude some of them (SW643). NULLs are the exception: the result for the
        string in their place is ignored.
        """
        name, loop = self._annotation.name, self._owner.capture.loop()
        if not self._annotation.elementwise:
            refuse("SW643", call=name, what="one value at a time")
        paths = explorer()
        chosen = any(not isinstance(c.loop.body[c.id].op, IsValid) for c in paths.conditions)
        if chosen or paths.inside or paths.decisions is not None:
            refuse("SW643", call=name, what="rows that a condition selects")

        def column(x: Any) -> Any:
            made = column_of_row(x, loop) if is_scalar(x) else x
            return refuse("SW643", call=name, what="a value of another kind") if made is None else made

        made = self._owner.call(self._annotation, tuple(map(column, args)), {k: column(x) for k, x in kwargs.items()}, "filled")
        if type(made) is not TracedSeries:
            refuse("SW642", call=name)
        return of_value(source_of(made))

    def _real(self, x: Any) -> Any:
        """Returns a column, or a constant as the library expects it. Refuses (SW643) stand-ins of the user's objects."""
        if is_traced(x):
            return x
        x = unwrapped(x)
        if has_traced(x):
            refuse("SW643", call=self._annotation.name, what="columns within another object")
        if not _is_plain(x):
            refuse("SW643", call=self._annotation.name, what="an object that is not plain data")
        return x

    def of_series(self, series: Any, call: str) -> Any:
        """Returns the result of ``Series.map`` or ``Series.apply`` with this function."""
        if not self._annotation.elementwise:
            refuse("SW643", call=f"{call} of {self._annotation.name}", what="one value at a time")
        return self._owner.call(self._annotation, (series,), {}, "list")


class Library(StandIn):
    """A module in the traced copy: its annotated functions, its submodules, and the objects that the compiler knows."""

    __slots__ = ("_native", "_owner", "stands_for")
    what = "module"

    def __init__(self, owner: StandIns, module: types.ModuleType, native: Any) -> None:
        self._owner, self.stands_for, self._native = owner, module, native

    def __getattr__(self, name: str) -> Any:
        module = self.stands_for
        found = getattr(module, name)
        if isinstance(found, types.ModuleType) or annotation_of(found) is not None:
            made = self._owner.find(found)
            if made is not None:
                return made
        if self._native is not None:
            return getattr(self._native, name)
        if found is None or type(found) in (int, float, str, bool):
            return found
        if not isinstance(found, _FUNCTIONS) and not _is_builtin(found):
            return self._owner.holder(found, f"{module.__name__}.{name}")
        refuse("SW640", name=f"{module.__name__}.{name}")


class Holder(StandIn):
    """An object of a library whose methods may be annotated, such as the distributions of scipy.stats."""

    __slots__ = ("_held", "_name", "_owner")
    what = "object of a library"

    def __init__(self, owner: StandIns, held: Any, name: str) -> None:
        self._owner, self._held, self._name = owner, held, name

    @property  # type: ignore[override]
    def stands_for(self) -> Any:
        return self._held

    def __getattr__(self, name: str) -> Any:
        original = getattr(self._held, name)
        annotation = annotation_of(original)
        if annotation is None:
            refuse("SW640", name=f"{self._name}.{name}")
        return BlackBoxFunction(self._owner, annotation, None, original)


class CallableHolder(Holder):
    """A `Holder` of an object that can be called."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        refuse("SW640", name=self._name)


def sampled(x: Any) -> Any:
    """Returns some rows of a traced value, as the function will see them; any other value unchanged."""
    if not is_traced(x):
        return x
    return pd.Series(sample(x)) if is_series(x) else sample(x)


def _is_builtin(x: object) -> bool:
    """Whether a built-in class such as dict has the object as an instance: ``isinstance`` would see that a stand-in is none."""
    return any(base.__module__ == "builtins" for base in type(x).__mro__[:-1])


def _holds(module: types.ModuleType) -> bool:
    """Whether an annotated library is a submodule of this module."""
    return any(name.startswith(f"{module.__name__}.") for name in libraries())


def _is_plain(x: Any) -> bool:
    """Whether a constant is plain data, which is the same in the traced copy as in the original."""
    if type(x) is dict:
        return all(map(_is_plain, (*x, *x.values())))
    if type(x) in (list, tuple, set, frozenset):
        return all(map(_is_plain, x))
    return x is None or type(x) in _PLAIN or isinstance(x, (np.generic, *_ARROW))


def _are_arrow_texts(args: tuple[Any, ...]) -> bool:
    """Whether a function of Arrow arrays receives strings."""
    arrays = [source_of(x).type.plain() for x in args if type(x) is TracedArrow]
    return bool(arrays) and (STR in arrays or any(type(x) is str or isinstance(x, pa.StringScalar) for x in args))


def _is_foreign_ufunc(original: object) -> bool:
    return isinstance(original, np.ufunc) and getattr(np, original.__name__, None) is not original
