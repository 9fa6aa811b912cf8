"""Declares the operations that symbolic values need from the frontends above them; the maker of a session supplies them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sparkweld.errors import InternalError
from sparkweld.ir import LoopBuilder, Value


@dataclass(frozen=True, slots=True)
class ScalarKind:
    """The operators and protocols of the symbolic scalars of one kind, such as the strs.

    Among the operands of an operator, the kind of the highest `rank` decides. `truth` returns a bool, or the value that decides;
    `whole` rounds by a ufunc ("trunc", "floor" or "ceil"). `length` is None for values without one.
    """

    rank: int
    truth: Callable[[Any], Value | bool]
    binary: Callable[[str, Any, Any], Any]
    unary: Callable[[str, Any], Any]
    ufunc: Callable[[Any, tuple[Any, ...]], Any]
    attribute: Callable[[Any, str], Any]
    in_place: Callable[[Any, str], Any]
    contains: Callable[[Any, Any], Any]
    item: Callable[[Any, Any], Any]
    iterate: Callable[[Any], Iterator[Any]]
    length: Callable[[Any], Any] | None
    hash: Callable[[Any], int]
    format: Callable[[Any, str], str]
    round: Callable[[Any, Any], Any]
    whole: Callable[[Any, str], Any]
    to_int: Callable[[Any], Any]
    to_float: Callable[[Any], Any]


class Dispatch:
    """The operations of a session; these are those of a session that calls no user code."""

    #: The kinds of symbolic scalars by their names (`udf_compiler.frontends.python.values`).
    scalar_kinds: Mapping[str, ScalarKind] = MappingProxyType({})

    def class_of_series(self, x: object) -> type:
        """Returns the `__class__` of a value that user code sees as a Series."""
        return type(x)

    def class_of_array(self, x: object) -> type:
        """Returns the `__class__` of a value that user code sees as an ndarray."""
        return type(x)

    def stand_in(self, obj: object) -> object | None:
        """Returns the object that a rebuilt function sees in place of a module, class or function; None if unsupported."""
        return None

    def looked_up(self, table: Any, key: Any, missing: Callable[[], Any]) -> tuple[Any] | None:
        """Returns the value of a key of the row in a constant dict, or that of `missing`, in a tuple; None if unsupported."""
        return None

    def is_key(self, table: Any, key: Any) -> Any:
        """Tests whether a constant dict or set has a key of the row; None if unsupported."""
        return None

    def class_of_frame(self, x: object) -> type:
        """Returns the `__class__` of a value that user code sees as a DataFrame."""
        return type(x)

    def attribute(self, x: Any, name: str) -> Any:
        """Returns ``x.name`` of a symbolic array, Series or DataFrame."""
        raise InternalError(f"{type(x).__name__}.{name} in a session without frontends")

    def item(self, x: Any, key: Any) -> Any:
        """Returns ``x[key]`` of a symbolic array or DataFrame."""
        raise InternalError(f"{type(x).__name__}[...] in a session without frontends")

    def set_item(self, x: Any, key: Any, value: Any) -> None:
        """Evaluates ``x[key] = value`` of a symbolic array, Series or DataFrame."""
        raise InternalError(f"{type(x).__name__}[...] = ... in a session without frontends")

    def set_columns(self, x: Any, names: Any) -> None:
        """Evaluates ``x.columns = names`` of a symbolic DataFrame."""
        raise InternalError(f"{type(x).__name__}.columns = ... in a session without frontends")

    def delete_item(self, x: Any, key: Any) -> None:
        """Evaluates ``del x[key]`` of a symbolic DataFrame."""
        raise InternalError(f"del {type(x).__name__}[...] in a session without frontends")

    def unknown_text(self) -> str | None:
        """Returns a str for a text that only Python knows; None unless the user's code only prints it."""
        return None

    def rows(self, x: Any) -> Any:
        """Returns ``iter(x)`` of a symbolic Series."""
        raise InternalError(f"a loop over a {type(x).__name__} in a session without frontends")

    def matmul(self, x: Any, other: Any) -> Any:
        """Returns ``x @ other`` of a symbolic array."""
        raise InternalError("a matrix product in a session without frontends")

    def call_numpy(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Calls a function of NumPy with symbolic arrays among its arguments."""
        raise InternalError(f"np.{function.__name__} in a session without frontends")

    def of_arrays(self, function: Callable[..., Any], loop: LoopBuilder, args: Sequence[Any]) -> Value | None:
        """Calls `function` with each `Value` among the arguments as an array of one column.

        Returns the value of the resulting array; None if the result is anything but an array of one dimension.
        """
        raise InternalError("an array in a session without frontends")
