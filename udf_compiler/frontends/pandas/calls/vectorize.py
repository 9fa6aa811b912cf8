"""Lowers np.vectorize: applies a Python function to the elements of its arguments.

NumPy calls the function with Python values, as the arguments become arrays of objects. Without `otypes`, it first makes one more
call with NumPy scalars of the first row, to learn the result dtype. A dtype that depends on that row is therefore refused.
The probe makes this call too.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import BOOL, F64, I64, Type
from udf_compiler.frontends.pandas.apply.elementwise import element
from udf_compiler.frontends.pandas.apply.results import explored
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.python.builtin_calls import real_class
from udf_compiler.frontends.python.numbers import fits
from udf_compiler.frontends.python.path_explorer import Node, leaves
from udf_compiler.frontends.python.result_kinds import kind_of_result, kinds_of, merged, value_as
from udf_compiler.frontends.python.running import run_function
from udf_compiler.frontends.python.values import TYPES, is_scalar
from udf_compiler.frontends.tracing.class_stand_ins import ClassStandIn
from udf_compiler.frontends.tracing.lower import dtype_of, is_number
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.frontends.tracing.values import Traced, raw

_CALL = "np.vectorize"


class Vectorize(StandIn, metaclass=ClassStandIn):
    """The stand-in of the class np.vectorize and of its objects."""

    __slots__ = ("_function", "_type")
    what = label = "np.vectorize"
    stands_for = np.vectorize
    of_instances = frozenset({"cache", "excluded", "otypes", "pyfunc", "signature"})

    def __init__(
        self,
        pyfunc: Any = None,
        otypes: Any = None,
        doc: Any = None,
        excluded: Any = None,
        cache: Any = False,
        signature: Any = None,
    ) -> None:
        if not callable(pyfunc) or isinstance(pyfunc, np.ufunc | Traced) or excluded or signature is not None:
            refuse("SW262", call=_CALL, what="this form")
        self._function, self._type = pyfunc, _declared(otypes)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = (*args, *kwargs.values())
        columns = [x for x in given if isinstance(x, Traced)]
        if not columns or not all(_is_column(x) or is_number(x) or type(x) is str for x in given):
            refuse("SW262", call=_CALL, what=", ".join(map(raw, given)))
        loop = columns[0].loop
        sources = [element(x, _CALL) if isinstance(x, Traced) else partial(_same, x) for x in given]

        def of_row() -> Any:
            values = [source() for source in sources]
            named = dict(zip(kwargs, values[len(args) :], strict=True))
            return run_function(self._function, *values[: len(args)], **named)

        tree = explored(loop, of_row, current().handlers, self._function)
        to = self._type or _of_first_row(tree, columns)
        return TracedArray(loop, (_as(loop, tree, to),))


def _same(x: Any) -> Any:
    return x


def _is_column(x: Any) -> bool:
    return isinstance(x, TracedSeries) or (isinstance(x, TracedArray) and x.ndim == 1)


def _declared(otypes: Any) -> Type | None:
    if otypes is None:
        return None
    given = [real_class(t) for t in otypes] if isinstance(otypes, list | tuple | str) else []
    type = {"d": F64, "l": I64, "?": BOOL}.get(dtype_of(given[0], _CALL).char) if len(given) == 1 else None
    if type is None:
        refuse("SW262", call=_CALL, what="otypes= of anything but one of float, int, bool")
    return type


def _of_first_row(tree: Node, columns: list[Any]) -> Type:
    """Returns the dtype of the results for NumPy scalars. Refuses (SW297) one that varies or is not bool, int or float."""
    kinds = kinds_of(tree)
    kind = next(iter(kinds))
    if len(kinds) > 1 or kind not in ("bool", "int", "float"):
        refuse("SW297", call=_CALL, kinds=" and ".join(sorted(kinds)))
    constant = not any(is_scalar(leaf.value) for leaf in leaves(tree) if leaf.error is None)
    narrow = [c for c in columns if c.dtype not in (np.dtype(np.int64), np.dtype(np.float64), np.dtype(np.bool_))]
    if narrow and not constant and (kind == "int" or any(c.dtype == np.float32 for c in narrow)):
        refuse("SW262", call=_CALL, what=f"a result of {narrow[0].dtype} arguments without otypes=")
    return TYPES[kind]


def _as(loop: LoopBuilder, tree: Node, to: Type) -> Value:
    """Converts each result by Python's float(x), int(x) or bool(x). Guards integers that overflow."""
    if to == I64:
        loop.guard(merged(loop, tree, BOOL, lambda x: _is_int(loop, x)))
    return merged(loop, tree, to, lambda x: _converted(loop, x, to))


def _is_int(loop: LoopBuilder, x: Any) -> Value:
    if kind_of_result(x) != "float":
        return loop.const(True, BOOL)
    return loop.const(abs(x) < 2**62, BOOL) if not is_scalar(x) else fits(loop, x.value)


def _converted(loop: LoopBuilder, x: Any, to: Type) -> Value:
    kind = kind_of_result(x)
    if kind not in ("bool", "int", "float"):
        refuse("SW297", call=_CALL, kinds=kind)
    return value_as(loop, x, to)
