"""Models the columns of a whole group as lists, for a loop over the group's rows that a region runs.

A column's values are a list of plain values, and a list of bools where the column may have NULLs. An element is that of a Series
of one row, whose value is the element of the list. So it has the class that the kind of the Series defines.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from sparkweld.ir.types import BOOL, I64, INTEGERS_OF_TIMES, Type
from udf_compiler.frontends.pandas.apply.elementwise import element
from udf_compiler.frontends.pandas.apply.frame_rows import sources_of
from udf_compiler.frontends.pandas.datetimes import DATETIMES
from udf_compiler.frontends.pandas.frame import TracedFrame
from udf_compiler.frontends.pandas.groups.listed_times import RowTime
from udf_compiler.frontends.pandas.kind import BOOL_OBJECTS, optional_element
from udf_compiler.frontends.pandas.series import NUMBERS, TracedSeries
from udf_compiler.frontends.python import lists
from udf_compiler.frontends.python.listed import Listed
from udf_compiler.frontends.python.numpy_scalars import numpy_scalar
from udf_compiler.frontends.python.operands import as_int
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import TracedScalar, of_value
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn

ITERROWS, ILOC, TUPLE = "DataFrame.iterrows", "DataFrame.iloc", "DataFrame.itertuples"
RECORDS = 'DataFrame.to_dict("records")'


class Form:
    """What is known of a listed column or frame: `series` are the Series by name, `numbered`: labels are the places of rows."""

    __slots__ = ("numbered", "series")

    def __init__(self, series: dict[Any, TracedSeries], numbered: bool) -> None:
        self.series, self.numbered = series, numbered


def listed_type(type_: Type) -> Type:
    """Returns the type of the elements in which values of a column are stored."""
    return Type(INTEGERS_OF_TIMES.get(type_.kind, type_.kind))


class ListedColumn(Listed):
    """A Series: `values` are its plain values, `valid` says which are not NULL, None for all. `form` has the Series itself."""

    __slots__ = ("form", "valid", "values")
    __dataclass_fields__ = ("form", "values", "valid")
    what = "Series of a group"
    stands_for = pd.Series

    form: Form
    values: TracedScalar
    valid: TracedScalar | None

    def __init__(self, form: Form, values: TracedScalar, valid: TracedScalar | None) -> None:
        self.form, self.values, self.valid = form, values, valid

    @property
    def series(self) -> TracedSeries:
        (series,) = self.form.series.values()
        return series

    @property
    def count(self) -> Any:
        return lists.length(self.values)

    def at(self, position: Any) -> Any:
        """Returns the element as a loop over the Series does."""
        return _element(self.series_at(position), "a loop over a Series")

    def series_at(self, position: Any) -> TracedSeries:
        """Returns a Series of one row, the element at an index."""
        loop, type_ = explorer().loop, self.series.value.type
        value = loop.cast(lists.element(self.values, position).value, listed_type(type_))
        value = loop.cast(value, type_.plain())
        if self.valid is not None:
            value = loop.optional(value, lists.element(self.valid, position).value)
        made = self.series.twin(shared=False)
        made.loop, made.value = loop, value
        return made

    def item(self, key: Any, call: str) -> Any:
        """Returns the element at a place, as `iloc` does: a NumPy scalar of numbers. IndexError outside of the Series."""
        if type(key) is not int and not (type(key) is TracedScalar and key.kind == "int"):
            refuse("SW250", call=call)
        place = TracedScalar("int", lists.place(self.values, key))
        made = self.series_at(place)
        return numpy_scalar(made.value, made.dtype) if made.kind is NUMBERS else _element(made, call)

    def array(self, call: str) -> TracedScalar:
        """Returns the values as an array. Refuses (SW250) missing strings."""
        if self.valid is not None:
            refuse("SW250", call=f"{call} with missing values")
        return TracedScalar(self.values.kind, self.values.value, numpy=lists.NDARRAY)

    def __getitem__(self, key: Any) -> Any:
        return self.labelled(key, "Series[...]")

    def labelled(self, key: Any, call: str) -> Any:
        """Returns the element of a label, which is a place. KeyError where no row has it."""
        if not self.form.numbered or not (type(key) is int or (type(key) is TracedScalar and key.kind == "int")):
            refuse("SW250", call=call)
        run, at = explorer(), as_int(key)
        below = run.loop.call("less", at, run.loop.const(0, I64))
        above = run.loop.call("greater_equal", at, lists.call("length", self.values))
        run.raise_if(run.loop.call("logical_or", below, above), lambda: KeyError(0))
        return self.item(key, call)

    def __getattr__(self, name: str) -> Any:
        call = f"Series.{name}"
        if name in ("iloc", "iat"):
            return Places(self)
        if name in ("loc", "at"):
            return Places(self, labels=True)
        if name == "values":
            return self.array(call)
        if name in ("to_numpy", "tolist", "to_list"):
            array = self.array(call)
            return (lambda: array) if name == "to_numpy" else (lambda: lists.of_list(array.value))
        if name in ("size", "empty"):
            return self.count if name == "size" else self.count == 0
        refuse("SW250", call=f"{call} in a loop over rows")


def _element(series: TracedSeries, call: str) -> Any:
    """Returns the element of a Series of one row."""
    if series.kind is DATETIMES:
        return RowTime(TracedScalar("int", series.value))
    if series.kind is BOOL_OBJECTS:
        return optional_element(series, of_value(series.loop.value_of(series.value)))()
    return element(series, call)()


class ListedFrame(Listed):
    """A DataFrame: `columns` has a `ListedColumn` for each column, None for one that the function does not name."""

    __slots__ = ("columns", "form", "size")
    __dataclass_fields__ = ("form", "columns", "size")
    what = "DataFrame of a group"
    stands_for = pd.DataFrame

    form: Form
    columns: tuple[ListedColumn | None, ...]
    size: Any

    def __init__(self, form: Form, columns: tuple[ListedColumn | None, ...], size: Any) -> None:
        self.form, self.columns, self.size = form, columns, size

    @property
    def count(self) -> Any:
        return self.size

    def column(self, name: Any, call: str) -> ListedColumn:
        """Returns a column by its name."""
        names = list(self.form.series)
        if type(name) is not str or name not in names:
            refuse("SW250", call=call)
        found = self.columns[names.index(name)]
        return found if found is not None else refuse("SW250", call=f"{call} of a column that the loop does not name")

    def row_at(self, position: Any) -> TracedFrame:
        """Returns a frame of one row, with zeros in the columns that the function does not name."""
        loop = explorer().loop
        series = {}
        for (name, known), column in zip(self.form.series.items(), self.columns, strict=True):
            if column is not None:
                series[name] = column.series_at(position)
                continue
            series[name] = known.twin(shared=False)
            plain = loop.const(known.value.type.plain().zero, known.value.type.plain())
            valid = loop.const(True, BOOL)
            series[name].loop = loop
            series[name].value = loop.optional(plain, valid) if known.value.type.nullable else plain
        return TracedFrame(loop, series)

    def _more_names(self) -> Any:
        return self.form.series

    def __getitem__(self, key: Any) -> Any:
        return self.column(key, "DataFrame[...]")

    def __getattr__(self, name: str) -> Any:
        if name in ("iloc", "iat"):
            return Places(self)
        if name in ("loc", "at") and self.form.numbered:
            return Places(self, labels=True)
        if name == "iterrows":
            return lambda: ListedRows(self, ITERROWS, ())
        if name == "itertuples":
            return self._itertuples
        if name == "shape":
            return self.count, len(self.columns)
        if name == "empty":
            return self.count == 0
        if name in self.form.series and not hasattr(pd.DataFrame, name):
            return self.column(name, f"DataFrame.{name}")
        refuse("SW250", call=f"DataFrame.{name} in a loop over rows")

    def _itertuples(self, index: Any = True, name: Any = "Pandas") -> ListedRows:
        return ListedRows(self, TUPLE, fields_of(self.form, index, name))


def fields_of(form: Form, index: Any, name: Any) -> tuple[str, ...]:
    """Returns the names of a tuple's elements; refuses (SW262) names that Python replaces."""
    fields = (*(("Index",) if index else ()), *map(str, form.series))
    valid = all(field.isidentifier() and not field.startswith("_") for field in fields) and len({*fields}) == len(fields)
    if type(index) is not bool or not (name is None or type(name) is str) or not valid:
        refuse("SW262", call=TUPLE, what="this form")
    return fields


class Places(Listed):
    """The indexers `iloc`, `iat`, `loc` and `at` of a listed Series or DataFrame. `labels`: the keys are labels and names."""

    __slots__ = ("labels", "of")
    __dataclass_fields__ = ("of", "labels")
    what = "indexer"
    stands_for = type(pd.Series([1.0]).iloc)

    def __init__(self, of: Any, labels: bool = False) -> None:
        self.of, self.labels = of, labels

    def __getitem__(self, key: Any) -> Any:
        call, of = ".loc[...]" if self.labels else ".iloc[...]", self.of
        rows, column = key if isinstance(key, tuple) and len(key) == 2 else (key, None)
        if type(of) is ListedColumn:
            return of.labelled(key, call) if self.labels else of.item(key, call)
        if type(column) is int and not self.labels and column in range(len(of.columns)):
            column = list(of.form.series)[column]
        if column is not None:
            found = of.column(column, call)
            return found.labelled(rows, call) if self.labels else found.item(rows, call)
        known = next((c for c in of.columns if c is not None), None)
        if known is None or self.labels or type(rows) is slice:
            refuse("SW250", call=call)
        return ListedRow(of, TracedScalar("int", lists.place(known.values, rows)), ILOC, ())


class ListedRows(Listed):
    """The rows of a listed DataFrame, as one of its methods iterates over them."""

    __slots__ = ("fields", "frame", "how")
    __dataclass_fields__ = ("frame", "how", "fields")
    what = "rows of a group"
    stands_for = zip

    def __init__(self, frame: ListedFrame, how: str, fields: tuple[str, ...]) -> None:
        self.frame, self.how, self.fields = frame, how, fields

    @property
    def count(self) -> Any:
        return self.frame.count

    def at(self, position: Any) -> Any:
        row = ListedRow(self.frame, position, self.how, self.fields)
        return row if self.how in (TUPLE, RECORDS) else (row.label(), row)

    def __getitem__(self, key: Any) -> Any:
        known = next((c for c in self.frame.columns if c is not None), None)
        if self.how != RECORDS or known is None or type(key) is slice:
            refuse("SW250", call=f"{self.how} [...]")
        return self.at(TracedScalar("int", lists.place(known.values, key)))


class ListedTuples(Listed):
    """Tuples of the elements of several listed columns, as `zip` makes them; of one column where `single`."""

    __slots__ = ("columns", "single")
    __dataclass_fields__ = ("columns", "single")
    what = "zip of columns"
    stands_for = zip

    def __init__(self, columns: tuple[Any, ...], single: bool) -> None:
        self.columns, self.single = columns, single

    @property
    def count(self) -> Any:
        return lists.length(self.columns[0]) if lists.is_list(self.columns[0]) else self.columns[0].count

    def at(self, position: Any) -> Any:
        made = tuple(lists.element(c, position) if lists.is_list(c) else c.at(position) for c in self.columns)
        return made[0] if self.single else made


class ListedRow(Listed):
    """The row at a position of a listed DataFrame. An element is computed where the function reads it."""

    __slots__ = ("fields", "frame", "how", "position")
    __dataclass_fields__ = ("frame", "position", "how", "fields")
    what = "row of a group"

    def __init__(self, frame: ListedFrame, position: Any, how: str, fields: tuple[str, ...]) -> None:
        self.frame, self.position, self.how, self.fields = frame, position, how, fields

    @property
    def stands_for(self) -> type:  # type: ignore[override]
        return {TUPLE: tuple, RECORDS: dict}.get(self.how, pd.Series)

    def __bool__(self) -> bool:
        return True if self.how in (TUPLE, RECORDS) else super().__bool__()

    def _more_names(self) -> Any:
        return self.fields or self.frame.form.series

    def label(self) -> Any:
        """Returns the row's label; refuses (SW250) to use one that may be other than its place."""
        return self.position if self.frame.form.numbered else Unlabelled()

    def __getitem__(self, key: Any) -> Any:
        if self.how == TUPLE and type(key) is int and -len(self.fields) <= key < len(self.fields):
            return self._field(self.fields[key])
        return self._value(key)

    def __getattr__(self, name: str) -> Any:
        if self.how == TUPLE:
            return self._field(name)
        if name == "get":
            return self._get
        if name == "name":
            return self.label()
        if self.how == RECORDS or hasattr(pd.Series, name):
            refuse("SW251", call=f"row.{name}")
        return self._value(name)

    def _get(self, key: Any, default: Any = None) -> Any:
        if type(key) is not str:
            refuse("SW262", call="Series.get of a row", what="anything but the name of a column")
        return self._value(key) if key in self.frame.form.series else default

    def _field(self, name: str) -> Any:
        if name == "Index" and self.fields[:1] == ("Index",):
            return self.label()
        if name not in self.fields:
            refuse("SW251", call=f"{TUPLE}: {name}")
        return self.frame.column(name, TUPLE).at(self.position)

    def _value(self, name: Any) -> Any:
        column, call = self.frame.column(name, self.how), self.how
        if call == RECORDS:
            return column.at(self.position)
        if column.series.kind in (BOOL_OBJECTS, DATETIMES):
            return column.item(self.position, call)
        sources: dict[Any, Callable[[], Any]] = sources_of(self.frame.row_at(self.position), call)
        numbers = all(s.kind is NUMBERS and s.dtype.kind != "b" for s in self.frame.form.series.values())
        if call == ILOC and column.series.kind is NUMBERS and not numbers and not self._is_of_bools():
            made = column.series_at(self.position)  # of an object row: its NumPy scalars have the dtypes of the columns
            return numpy_scalar(made.value, made.dtype)
        return sources[name]()

    def _is_of_bools(self) -> bool:
        return all(s.kind is NUMBERS and s.dtype == np.bool_ for s in self.frame.form.series.values())


class Unlabelled(StandIn):
    """The label of a row whose labels are not traced: it may only be ignored."""

    __slots__ = ()
    what = "label of a row"
    stands_for = int

    def __getattr__(self, name: str) -> Any:
        refuse("SW250", call="the label of a row")
