"""Supplies the operations of NumPy, pandas and Python's builtins to the sessions of traces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls.numpy_ import call_function
from udf_compiler.frontends.pandas.calls.numpy_module import NdarrayStandIn
from udf_compiler.frontends.pandas.calls.pandas_ import SeriesStandIn
from udf_compiler.frontends.pandas.stand_ins import stand_in
from udf_compiler.frontends.tracing.dispatch import Dispatch


class _Dispatch(Dispatch):
    """The operations of sessions that call user code."""

    def class_of_series(self, x: object) -> type:
        return SeriesStandIn  # type: ignore[no-any-return]

    def class_of_array(self, x: object) -> type:
        return NdarrayStandIn  # type: ignore[no-any-return]

    def stand_in(self, obj: object) -> object | None:
        return stand_in(obj)

    def call_numpy(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        return call_function(function, tuple(args), dict(kwargs))

    def of_arrays(self, function: Callable[..., Any], loop: LoopBuilder, args: Sequence[Any]) -> Value | None:
        made = function(*(TracedArray(loop, (x,)) if isinstance(x, Value) else x for x in args))
        return made.value if type(made) is TracedArray and made.ndim == 1 else None


DISPATCH: Dispatch = _Dispatch()
