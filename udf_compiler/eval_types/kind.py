"""Defines the common parts of all kinds of UDF: a call to trace and the interface of a kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sparkweld.contract.spark_types import ReturnType, StructField
from sparkweld.ir import LoopBuilder, Value
from sparkweld.reasons import refusal
from udf_compiler.boundary.series import Field
from udf_compiler.frontends.pandas.trace import trace
from udf_compiler.rebuild.purity import Prepared


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a UDF: its function, its arguments, and the loop that the values join.

    `args` and `kwargs` come from the kind, or are handed on from an inner UDF's result. `notes` and `kept` collect as in
    `udf_compiler.frontends.pandas.trace`. `dtypes_by_nulls`: whether NULLs decide the dtypes that the function sees. `confs`:
    the session's settings of Python workers. `presence`: the last value that is returned for a struct is whether the struct is
    not NULL.
    """

    name: str
    eval_type: int
    return_type: ReturnType
    original: Callable[..., Any]
    prepared: Prepared
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    loop: LoopBuilder
    dtypes_by_nulls: bool
    exact: bool
    confs: Mapping[str, str | None]
    notes: list[str]
    kept: list[tuple[str, str]]
    presence: bool = False

    @property
    def place(self) -> str:
        """Returns where the function is defined, for messages."""
        return self.prepared.place

    def traced(
        self, function: Callable[..., Any], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None,
        handlers: bool | None = None, group: Any = None, catching: bool = False,
    ) -> Any:  # fmt: skip
        """Traces `function`, which derives from the checked function, and returns its symbolic result.

        `handlers`: as in `trace`; by default that of the checked function. `group` and `catching`: as in `trace`.
        """
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
                group=group,
                catching=catching,
            )


class Kind(Protocol):
    """The interface of a kind of UDF: how its functions take columns and return results."""

    #: Whether NULLs in a batch decide the dtype of a non-float column that the function sees (the states of a pandas dtype).
    sees_batch_state: bool
    #: Whether functions take decimal columns.
    takes_decimals: bool = False
    #: Whether functions take binary values, nested structs, maps, and arrays of structs, arrays or maps.
    takes_parts: bool = False
    #: Whether its functions may take vectors of Spark's ML library.
    takes_vectors: bool = False
    #: The kind of functions that read other rows of their batch, where kernels get the batches of Spark; None if there is none.
    of_whole_batch: Kind | None = None

    def check_confs(self, confs: Mapping[str, str | None], udf: str) -> None:
        """Refuses confs under which a worker behaves differently from this kind."""
        ...

    def prepare(self, function: Callable[..., Any]) -> Prepared:
        """Returns the checked copy of a function. Refuses impure functions."""
        ...

    def argument(self, loop: LoopBuilder, field: Field) -> Any:
        """Returns the object that the function sees for a column."""
        ...

    def struct(self, loop: LoopBuilder, fields: Sequence[Field], title: str) -> Any:
        """Returns the object that the function sees for a struct column whose rows are never NULL."""
        ...

    def parts(self, op: str, names: tuple[str, ...], values: tuple[Any, ...], title: str, type: str) -> Any:
        """Returns the object that the function sees for a map, or an array of structs, arrays or maps.

        Its parts are values, or such objects. Refuses (SW101) unsupported ones.
        """
        raise refusal("SW101", column=title, type=type)

    def describe(self, argument: Any) -> str:
        """Describes an argument in a note for explain."""
        ...

    def call(self, call: Call) -> Any:
        """Returns the function's result for these arguments; all its values are in the call's loop."""
        ...

    def handed_on_as(self, call: Call, result: Any) -> str:
        """Returns the type of Spark whose values are the very results, apart from None. Refuses (SW645) results without one."""
        raise refusal("SW645", call.place, function=call.name, what="a result of its kind")

    def hand_on(self, result: Any, place: str) -> Any:
        """Converts the result to an argument of the enclosing UDF, which a worker calls without a conversion between."""
        ...

    def column(self, call: Call, result: Any) -> Value:
        """Returns the value of the Spark column that a worker makes of the result."""
        ...

    def fields(self, call: Call, result: Any, fields: Sequence[StructField]) -> list[Value]:
        """Returns the values of the columns of a struct that is never NULL. Refuses SW104 when the kind returns no structs."""
        raise refusal("SW104", call.place, type="struct")

    def map(self, call: Call, result: Any) -> list[Value]:
        """Returns the arrays that a map or an array of structs is stored as (`columns_of`). Refuses SW104 by default."""
        raise refusal("SW104", call.place, type=str(call.return_type))


def declared(fields: Sequence[StructField], values: Sequence[Value]) -> list[Value]:
    """Returns the values of a result's fields; guards a NULL in a field that is declared not nullable.

    Spark reads the value of such a field without asking whether it is NULL, so Spark must run those rows. A float column of
    pandas may always hold NaN, so most jobs that declare it not nullable never meet such a row.
    """
    return [value if field.nullable else _present(value) for field, value in zip(fields, values, strict=True)]


def _present(value: Value) -> Value:
    value.loop.guard(value.loop.is_valid(value), local=True)
    return value.loop.value_of(value)


class MapKind(Kind, Protocol):
    """A kind whose functions return rows of several columns, possibly fewer rows than they take."""

    def rows(self, call: Call, result: Any, fields: Sequence[StructField]) -> tuple[LoopBuilder, list[Value]]:
        """Returns the loop of the result's rows (see `LoopBuilder.where`) and the values of the declared fields."""
        ...


class BatchKind(Kind, Protocol):
    """A kind whose functions take whole batches, so an iterator of batches works as well."""

    def stand_in(self, obj: object) -> object | None:
        """Returns the object that a function of this kind sees for a library's object; None if the object is unsupported."""
        ...

    def run(self, call: Call, function: Callable[..., Any], original: Callable[..., Any]) -> Any:
        """Works as `call`, for a function derived from the call's checked one and its counterpart derived from the original."""
        ...
