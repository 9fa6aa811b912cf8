"""What the kinds of UDF have in common: a call to trace, and the interface that each kind implements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sparkweld.ir import LoopBuilder, Value
from sparkweld.reasons import refusal
from udf_compiler.boundary import Field
from udf_compiler.purity import Prepared
from udf_compiler.trace import trace


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a UDF: its function and arguments, and the loop that the values join.

    `args` and `kwargs` are what the kind made of the arguments, or what it handed on of an inner UDF's result. `notes` and
    `kept` collect as in `udf_compiler.trace.trace`. `dtypes_by_nulls`: whether NULLs decide what the function sees of a column.
    """

    name: str
    eval_type: int
    return_type: Any
    original: Callable[..., Any]
    prepared: Prepared
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    loop: LoopBuilder
    dtypes_by_nulls: bool
    exact: bool
    notes: list[str]
    kept: list[tuple[str, str]]

    @property
    def place(self) -> str:
        """Where the function is defined, for messages."""
        return self.prepared.place

    def traced(
        self, function: Callable[..., Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None,
        handlers: bool | None = None,
    ) -> Any:  # fmt: skip
        """The symbolic result of `function`, made from the checked one. `handlers`: as in `trace`, by default the function's."""
        with self.prepared.checked():
            return trace(
                function,
                args,
                kwargs,
                loop=self.loop,
                exact=self.exact,
                place=self.place,
                notes=self.notes,
                kept=self.kept,
                handlers=self.prepared.handlers if handlers is None else handlers,
            )


class Kind(Protocol):
    """How functions of one kind take columns and give results."""

    #: Whether NULLs in a batch decide what the function sees of a column that is no float: pandas' dtype states.
    sees_batch_state: bool

    def check_confs(self, confs: Mapping[str, str | None], udf: str) -> None:
        """Refuses confs under which a worker does otherwise than the kind says."""
        ...

    def prepare(self, function: Callable[..., Any]) -> Prepared:
        """The checked copy of a function. Refuses what is not pure."""
        ...

    def argument(self, loop: LoopBuilder, field: Field) -> Any:
        """What the function sees of a column."""
        ...

    def struct(self, loop: LoopBuilder, fields: Sequence[Field], title: str) -> Any:
        """What the function sees of a struct column whose rows are never NULL."""
        ...

    def describe(self, argument: Any) -> str:
        """An argument in a note for explain."""
        ...

    def call(self, call: Call) -> Any:
        """What the function gives for these arguments; all its values are in the call's loop."""
        ...

    def hand_on(self, result: Any, place: str) -> Any:
        """The result as the argument of the UDF around this one, which a worker calls without a conversion between."""
        ...

    def column(self, call: Call, result: Any) -> Value:
        """The value of the Spark column that a worker makes of the result."""
        ...

    def fields(self, call: Call, result: Any, fields: Sequence[Mapping[str, Any]]) -> list[Value]:
        """The values of the fields of a struct that is never NULL. Refuses SW104 when the kind makes none."""
        raise refusal("SW104", call.place, type="struct")


def fields_of(return_type: Any) -> list[dict[str, Any]] | None:
    """The fields of a struct type as Spark writes it in JSON; None for another type."""
    return return_type["fields"] if isinstance(return_type, dict) and return_type.get("type") == "struct" else None


def check_types(place: str, types: Sequence[Any]) -> None:
    """Refuses (SW104) a type of a result that is an array, a map or a struct within."""
    for type in types:
        if not isinstance(type, str):
            raise refusal("SW104", place, type=type.get("type", "?") if isinstance(type, dict) else type)


def check_nullable(call: Call, fields: Sequence[Mapping[str, Any]], values: Sequence[Value]) -> None:
    """Refuses (SW366) a value that may be NULL in a field that is declared without."""
    for field, value in zip(fields, values, strict=True):
        if value.type.nullable and not field["nullable"]:
            raise refusal("SW366", call.place, column=field["name"])


class MapKind(Kind, Protocol):
    """A kind whose functions give rows of several columns, perhaps fewer rows than they take."""

    def rows(self, call: Call, result: Any, fields: Sequence[Mapping[str, Any]]) -> tuple[LoopBuilder, list[Value]]:
        """The loop of the rows that the result holds (see `LoopBuilder.where`), and the values of the declared fields."""
        ...


class BatchKind(Kind, Protocol):
    """A kind whose functions take whole batches, and so may take an iterator of them."""

    def stand_in(self, obj: object) -> object | None:
        """What a function of this kind sees in place of a library's object; None when it may not be used."""
        ...

    def run(self, call: Call, function: Callable[..., Any], original: Callable[..., Any]) -> Any:
        """As `call`, of a function made from the call's checked one, and the same made from the original."""
        ...
