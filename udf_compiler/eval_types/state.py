"""Snapshots a suspended generator to compare the state that it carries between batches.

If the snapshots after two batches are equal, every later batch meets the same state. A snapshot holds the local variables
with all objects reachable from them, and the position in the code. Opaque objects are refused.
"""

from __future__ import annotations

import collections
import functools
import types
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from udf_compiler.frontends.pandas.calls.constructors import Index
from udf_compiler.frontends.python.path_explorer import without_marks
from udf_compiler.frontends.torch.tensors import TracedTensor
from udf_compiler.frontends.torch.values import is_constant
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced
from udf_compiler.function.bytecode import Namespace
from udf_compiler.function.plain_data import is_protocol_function, is_scalar
from udf_compiler.rebuild.classes import is_named_tuple, is_written_in_python

_CONTAINERS = (list, tuple, collections.deque)
_MAPPINGS = (dict, collections.OrderedDict)


#: Python frames: the code of each, the position in it, and snapshots of its variables by name.
Frames = tuple[tuple[types.CodeType, int, Namespace], ...]


def _parts(x: Any) -> tuple[Any, ...]:
    """Returns the function and the iterables of a map."""
    reduced: Any = x.__reduce__()
    return tuple(reduced[1])


class Picture:
    """Takes one snapshot; objects already seen are identified by the order of their first visit."""

    def __init__(self, source: object, place: str) -> None:
        self._source, self._place = source, place
        self.sees_map = False  # true once the code is at a map over the source alone
        self._seen: dict[int, int] = {}
        self._kept: list[object] = []  # keeps objects alive, so that ids stay unique until snapshots are compared

    def of_iterator(self, x: Any, name: str) -> Any:
        """Snapshots a generator or a map over the batches. Refuses (SW361) any other iterator."""
        if x is self._source:
            return "batches"
        if type(x) is map:
            function, *iterables = _parts(x)
            self.sees_map = self.sees_map or iterables == [self._source]
            return ("map", self.of(function, name), *(self.of_iterator(i, name) for i in iterables))
        if not isinstance(x, types.GeneratorType):
            refuse("SW361", at=self._place, name=name, type=type(x).__name__)
        frame = x.gi_frame
        inner = None if x.gi_yieldfrom is None else self.of_iterator(x.gi_yieldfrom, name)
        variables = sorted(frame.f_locals.items()) if frame is not None else []
        return ("generator", x.gi_code, frame and frame.f_lasti, inner, tuple((k, self.of(v, k)) for k, v in variables))

    def of_frames(self, frame: types.FrameType | None, ours: types.ModuleType, names: Sequence[Iterable[str]]) -> Frames:
        """Snapshots a frame and its callers, up to one of the module `ours`.

        `names`: the variables to include, per frame; by default all but columns.
        """
        found: list[Any] = []
        while frame is not None and frame.f_globals is not vars(ours):
            variables = {k: v for k, v in frame.f_locals.items() if not isinstance(v, Traced)}
            kept = names[len(found)] if len(found) < len(names) else variables
            found.append((frame.f_code, frame.f_lasti, {k: self.of(variables[k], k) for k in kept if k in variables}))
            frame = frame.f_back
        return tuple(found)

    def of(self, x: Any, name: str) -> Any:
        """Snapshots the value of a local variable. Refuses (SW361) an object that may hold hidden state."""
        if x is self._source:
            return "batches"
        if type(x) is TracedTensor and x.data.rows is None:
            return ("tensor", self.of(x.data.array(), name))
        if isinstance(x, Traced):
            return ("column", type(x).__name__)
        if is_constant(x):
            return (type(x).__name__, repr(x))
        if is_scalar(x) or is_protocol_function(x):
            return (type(x).__name__, without_marks(repr(x)))
        if id(x) in self._seen:
            return ("seen", self._seen[id(x)])
        self._seen[id(x)] = len(self._seen)
        self._kept.append(x)
        return self._within(x, name)

    def _within(self, x: Any, name: str) -> Any:
        kind = type(x)
        if kind in _CONTAINERS or is_named_tuple(kind):
            return (kind.__name__, *(self.of(element, name) for element in x))
        if kind in _MAPPINGS:
            return (kind.__name__, *((self.of(k, name), self.of(v, name)) for k, v in x.items()))
        if kind in (set, frozenset) and all(map(is_scalar, x)):
            return (kind.__name__, *map(repr, x))
        if kind is np.ndarray and x.dtype.kind in "biuf":
            return ("array", x.dtype.str, x.shape, x.strides, x.tobytes())
        if kind is types.FunctionType:
            cells = tuple(self._cell(cell, name) for cell in x.__closure__ or ())
            return ("function", x.__code__, cells, self.of(x.__defaults__, name), self.of(vars(x), name))
        if kind in (functools.partial, types.MethodType):
            parts = (x.func, x.args, x.keywords) if kind is functools.partial else (x.__func__, x.__self__)
            return (kind.__name__, *(self.of(part, name) for part in parts))
        if kind is types.BuiltinFunctionType:
            return (x.__name__, self.of(x.__self__, name))
        if kind is map or isinstance(x, types.GeneratorType):
            return self.of_iterator(x, name)
        if kind is Index:
            return "index"  # that of another batch is refused where it is used, as a column is
        if kind.__module__.partition(".")[0] == "udf_compiler" or isinstance(x, type | types.ModuleType | np.ufunc):
            return ("library", id(x))  # stand-ins and constants are immutable
        if is_written_in_python(kind) and isinstance(getattr(x, "__dict__", None), dict):
            return ("instance", id(kind), self.of(vars(x), name))
        refuse("SW361", at=self._place, name=name, type=kind.__name__)

    def _cell(self, cell: types.CellType, name: str) -> Any:
        try:
            return self.of(cell.cell_contents, name)
        except ValueError:
            return "empty"
