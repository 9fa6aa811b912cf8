"""Models a pyarrow RecordBatch symbolically: selects, adds and filters the named columns of one batch."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import pyarrow as pa

from sparkweld.ir import LoopBuilder
from sparkweld.ir.types import BOOL
from udf_compiler.frontends.arrow.array import TracedArrow
from udf_compiler.frontends.tracing.class_stand_ins import class_stand_in
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.frontends.tracing.values import Traced, moved, raw


class TracedBatch(Traced):
    """An immutable batch: columns in order as (name, Array), all over the rows of `loop`; its methods return new batches."""

    __slots__ = ("fields", "loop", "shared")
    what = "RecordBatch"
    stands_for = pa.RecordBatch

    loop: LoopBuilder
    fields: tuple[tuple[str, TracedArrow], ...]

    def __init__(self, loop: LoopBuilder, fields: Sequence[tuple[str, TracedArrow]]) -> None:
        self.loop, self.fields, self.shared = loop, tuple(fields), True

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return RecordBatchStandIn

    def __getattr__(self, name: str) -> Any:
        call = f"RecordBatch.{name}"
        if name in METHODS:
            return lambda *args, **kwargs: METHODS[name](self, *args, **kwargs)
        if name in PROPERTIES:
            return PROPERTIES[name](self)
        refuse("SW250" if name in ("num_rows", "nbytes", "slice", "take", "sort_by", "shape") else "SW251", call=call)

    def __getitem__(self, key: Any) -> TracedArrow:
        return self.fields[_position(self, key, "RecordBatch[...]")][1]

    def _in_place(self, name: str, other: Any) -> NoReturn:
        refuse("SW256", call=f"RecordBatch {name}=")


def _position(batch: TracedBatch, key: Any, call: str) -> int:
    names = [name for name, _ in batch.fields]
    if isinstance(key, str):
        if names.count(key) != 1:
            refuse("SW252", call=call, error=f"KeyError: {key!r}")
        return names.index(key)
    try:
        at = operator.index(key)
    except TypeError:
        refuse("SW262", call=call, what=raw(key))
    if not -len(names) <= at < len(names):
        refuse("SW252", call=call, error=f"IndexError: {at}")
    return at % len(names)


def _column(loop: LoopBuilder, value: Any, call: str) -> TracedArrow:
    if not (isinstance(value, TracedArrow) and value.loop is loop):
        refuse("SW262", call=call, what=f"{raw(value)} of other rows" if isinstance(value, TracedArrow) else raw(value))
    return value


def _name(name: Any, call: str) -> str:
    if type(name) is not str:
        refuse("SW262", call=call, what=raw(name))
    return name


def column(batch: TracedBatch, i: Any) -> TracedArrow:
    return batch.fields[_position(batch, i, "RecordBatch.column")][1]


def select(batch: TracedBatch, columns: Any) -> TracedBatch:
    if not isinstance(columns, list | tuple):
        refuse("SW262", call="RecordBatch.select", what=raw(columns))
    return TracedBatch(batch.loop, [batch.fields[_position(batch, c, "RecordBatch.select")] for c in columns])


def drop_columns(batch: TracedBatch, columns: Any) -> TracedBatch:
    names = [columns] if isinstance(columns, str) else columns
    if not isinstance(names, list | tuple):
        refuse("SW262", call="RecordBatch.drop_columns", what=raw(columns))
    dropped = {_position(batch, n, "RecordBatch.drop_columns") for n in names}
    return TracedBatch(batch.loop, [f for i, f in enumerate(batch.fields) if i not in dropped])


def rename_columns(batch: TracedBatch, names: Any) -> TracedBatch:
    call = "RecordBatch.rename_columns"
    if isinstance(names, dict):
        for given in names:
            _position(batch, given, call)
        names = [names.get(name, name) for name, _ in batch.fields]
    if not isinstance(names, list | tuple) or len(names) != len(batch.fields):
        refuse("SW262", call=call, what="names that are not one for each column")
    return TracedBatch(batch.loop, [(_name(n, call), c) for n, (_, c) in zip(names, batch.fields, strict=True)])


def append_column(batch: TracedBatch, field_: Any, column: Any) -> TracedBatch:
    return add_column(batch, len(batch.fields), field_, column)


def add_column(batch: TracedBatch, i: Any, field_: Any, column: Any) -> TracedBatch:
    call = "RecordBatch.add_column"
    if type(i) is not int or not 0 <= i <= len(batch.fields):
        refuse("SW262", call=call, what=f"the position {i!r}")
    fields = list(batch.fields)
    fields.insert(i, (_name(field_, call), _column(batch.loop, column, call)))
    return TracedBatch(batch.loop, fields)


def set_column(batch: TracedBatch, i: Any, field_: Any, column: Any) -> TracedBatch:
    call = "RecordBatch.set_column"
    fields = list(batch.fields)
    fields[_position(batch, i if type(i) is int else None, call)] = (_name(field_, call), _column(batch.loop, column, call))
    return TracedBatch(batch.loop, fields)


def filter_rows(batch: TracedBatch, mask: Any, null_selection_behavior: str = "drop") -> TracedBatch:
    """Returns the rows where the condition holds; a NULL condition drops the row."""
    call = "RecordBatch.filter"
    if null_selection_behavior != "drop":
        refuse("SW262", call=call, what=f"null_selection_behavior={null_selection_behavior!r}")
    condition = _column(batch.loop, mask, call)
    if condition.value.type != BOOL:
        refuse("SW252", call=call, error="ArrowInvalid: the condition is not a boolean array")
    holds = condition.value if condition.valid is None else batch.loop.call("logical_and", condition.valid, condition.value)
    loop = batch.loop.kept(holds)
    return TracedBatch(loop, moved(batch.fields, loop))


def from_arrays(arrays: Any, names: Any = None, schema: Any = None, metadata: Any = None) -> TracedBatch:
    """Returns a batch from arrays and names, as RecordBatch.from_arrays does."""
    call = "RecordBatch.from_arrays"
    if schema is not None or metadata is not None or not isinstance(arrays, list | tuple) or not isinstance(names, list | tuple):
        refuse("SW262", call=call, what="anything but arrays and names")
    if len(arrays) != len(names):
        refuse("SW252", call=call, error="ValueError: Must pass as many names as arrays")
    return _joined([(_name(n, call), a) for n, a in zip(names, arrays, strict=True)], call)


def from_pydict(mapping: Any, schema: Any = None, metadata: Any = None) -> TracedBatch:
    call = "RecordBatch.from_pydict"
    if schema is not None or metadata is not None or not isinstance(mapping, dict):
        refuse("SW262", call=call, what="anything but a dict of arrays")
    return _joined([(_name(n, call), a) for n, a in mapping.items()], call)


def record_batch(data: Any, names: Any = None, schema: Any = None, metadata: Any = None) -> TracedBatch:
    """Returns a batch from a dict, or from arrays and names, as pa.record_batch does."""
    return from_pydict(data, schema, metadata) if isinstance(data, dict) else from_arrays(data, names, schema, metadata)


def _joined(fields: list[tuple[str, Any]], call: str) -> TracedBatch:
    loops = [a.loop for _, a in fields if isinstance(a, TracedArrow)]
    if not loops:
        refuse("SW250", call=f"{call} of constants")
    return TracedBatch(loops[0], [(name, _column(loops[0], array, call)) for name, array in fields])


class _Schema(StandIn):
    """The schema of a batch: its names and types."""

    __slots__ = ("names", "types")
    what = "Schema"
    stands_for = pa.Schema
    visible = frozenset({"names", "types"})

    def __init__(self, batch: TracedBatch) -> None:
        self.names = [name for name, _ in batch.fields]
        self.types = [column.type for _, column in batch.fields]


METHODS: dict[str, Callable[..., Any]] = {
    "add_column": add_column,
    "append_column": append_column,
    "column": column,
    "drop_columns": drop_columns,
    "filter": filter_rows,
    "rename_columns": rename_columns,
    "select": select,
    "set_column": set_column,
}
PROPERTIES: Mapping[str, Callable[[TracedBatch], Any]] = {
    "column_names": lambda b: [name for name, _ in b.fields],
    "columns": lambda b: [column for _, column in b.fields],
    "num_columns": lambda b: len(b.fields),
    "schema": _Schema,
}


def _no_batch(*args: Any, **kwargs: Any) -> NoReturn:
    refuse("SW252", call="pa.RecordBatch", error="TypeError: Do not call RecordBatch's constructor directly")


#: The stand-in for pyarrow.RecordBatch, which creates batches from columns.
RecordBatchStandIn = class_stand_in(
    pa.RecordBatch, "pa.RecordBatch", _no_batch, visible=frozenset({"from_arrays", "from_pydict"}),
    from_arrays=staticmethod(from_arrays), from_pydict=staticmethod(from_pydict),
)  # fmt: skip
