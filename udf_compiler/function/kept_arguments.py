"""Proves that a function changes none of its arguments, from its bytecode and that of all Python code it can reach.

The proof serves functions that no kernel computes. A worker hands the same object to all functions of a node that read a column.
A function that changes it changes what the next function reads. The check is conservative: an unknown object may change
anything, and so may a method whose name is that of a mutator.
"""

from __future__ import annotations

import builtins
import dis
import functools
import math
import re
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from udf_compiler.function.bytecode import codes_of
from udf_compiler.function.module_paths import is_library_file

#: Instructions that change an object. Inlined comprehensions use LIST_APPEND and the like, which change their own list alone.
CHANGES = frozenset(("STORE_SUBSCR", "DELETE_SUBSCR", "STORE_SLICE", "STORE_ATTR", "DELETE_ATTR"))

#: Methods and functions of Python, NumPy and pandas that change an object.
MUTATORS = frozenset(
    (
        *"append extend insert remove pop popitem clear sort reverse update setdefault add discard".split(),
        *"intersection_update difference_update symmetric_difference_update rotate appendleft extendleft popleft".split(),
        *"fill put place putmask copyto fill_diagonal itemset resize partition setfield setflags byteswap at shuffle".split(),
        *"heapify heappush heappop heapreplace heappushpop insort insort_left insort_right readinto pack_into".split(),
        *"setattr delattr __setattr__ exec eval compile globals locals vars setitem delitem iadd".split(),
        *"getattr methodcaller attrgetter".split(),  # which find a method by a computed name
    )
)

#: Functions of NumPy and methods of arrays -> the number of arguments beyond which one may be the array of the result.
_RESULTS = {
    **{name: ufunc.nin for name, ufunc in vars(np).items() if isinstance(ufunc, np.ufunc)},
    **dict.fromkeys("all any argmax argmin choose clip compress cumprod cumsum dot max mean median min prod ptp".split(), 1),
    **dict.fromkeys("amax amin around round std sum take trace var nan_to_num matmul nanmax nanmin nansum nanmean".split(), 1),
    **dict.fromkeys("nancumprod nancumsum nanmedian nanprod nanstd nanvar outer cross".split(), 1),
    **dict.fromkeys("concatenate percentile quantile nanpercentile nanquantile stack".split(), 2),
}
_CALLS = frozenset(("CALL", "CALL_KW", "CALL_FUNCTION", "CALL_FUNCTION_KW", "CALL_METHOD"))

#: Names of arguments by which functions of NumPy and pandas change an object, or share its memory.
_MUTATING_ARGUMENTS = frozenset(("inplace", "out", "copy", "overwrite_input"))

#: Libraries whose functions change an argument only as the names above say.
_LIBRARIES = frozenset((*sys.stdlib_module_names, "numpy", "pandas", "pyarrow", "dateutil", "pytz")) - {"ctypes", "gc"}

_ROW = ("pyspark.sql.types", "Row")
_PLAIN = (int, float, complex, str, bytes, bool, type(None), range, re.Pattern, np.generic, np.ndarray)
_CONTAINERS = (tuple, list, set, frozenset)


def keeps_arguments(function: Any) -> bool:
    """Whether a function provably changes none of its arguments."""
    scan = _Scan()
    return scan.keeps(function) and scan.writes_no_result()


class _Scan:
    """One proof; `_seen` has the ids of the objects that are proved, or whose proof is in progress.

    `_allowed`: the numbers of arguments beyond which a function that the code can reach may write its result to one of them.
    `_passed`: the largest number of arguments of a call, which may be that of any such function: code can pass functions around.
    """

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._alive: list[object] = []
        self._allowed: set[int] = set()
        self._passed: float = 0

    def writes_no_result(self) -> bool:
        """Whether no call has so many arguments that one of them may be the array of its result."""
        return not self._allowed or self._passed <= min(self._allowed)

    def keeps(self, x: Any) -> bool:
        """Whether code that holds `x` changes no argument by it."""
        if id(x) in self._seen:
            return True
        self._seen.add(id(x))
        self._alive.append(x)
        if isinstance(x, _PLAIN):
            return True
        if isinstance(x, np.ufunc):  # of any library
            self._allowed.add(x.nin)
            return True
        if isinstance(x, type) and (x.__module__, x.__qualname__) == _ROW:  # a call makes a tuple
            return True
        if isinstance(x, _CONTAINERS):
            return all(map(self.keeps, x))
        if isinstance(x, dict):
            return all(self.keeps(value) for value in x.values())
        if isinstance(x, types.ModuleType):
            return _is_of_library(x.__name__)
        if isinstance(x, functools.partial):
            if x.args:
                self._passed = math.inf
            return all(map(self.keeps, (x.func, x.args, x.keywords)))
        if isinstance(x, types.FunctionType):
            return self._of_function(x)
        if isinstance(x, types.BuiltinFunctionType | type | types.MethodDescriptorType):
            return x.__name__ not in MUTATORS and x.__name__ not in _RESULTS and _is_of_library(_module_of(x))
        return False

    def _of_function(self, function: types.FunctionType) -> bool:
        if _is_of_library(function.__module__ or "") and is_library_file(function.__code__.co_filename):
            return function.__name__ not in MUTATORS and function.__name__ not in _RESULTS
        cells = (cell.cell_contents for cell in function.__closure__ or () if is_set(cell))
        held = (*cells, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        return all(map(self.keeps, held)) and all(self._of_code(code, function) for code in codes_of(function.__code__))

    def _of_code(self, code: types.CodeType, function: types.FunctionType) -> bool:
        if any(name in MUTATORS or name.startswith("__") for name in code.co_names):
            return False
        passed_by_name = set(_names_in(code.co_consts))
        if not _MUTATING_ARGUMENTS.isdisjoint(passed_by_name):
            return False
        if "args" in passed_by_name or "starmap" in code.co_names:
            self._passed = math.inf  # such as s.apply(function, args=(1, s))
        self._allowed.update(_RESULTS[name] for name in code.co_names if name in _RESULTS)
        for at in dis.get_instructions(code):
            if at.opname in CHANGES or at.opname.startswith("INPLACE_") or _is_in_place(at):
                return False
            if at.opname == "CALL_FUNCTION_EX":
                self._passed = math.inf
            elif at.opname in _CALLS:
                self._passed = max(self._passed, at.arg or 0)
            if at.opname == "IMPORT_NAME" and not _is_of_library(str(at.argval)):
                return False
            if at.opname in ("LOAD_GLOBAL", "LOAD_NAME") and not self._keeps_name(str(at.argval), function.__globals__):
                return False
        return True

    def _keeps_name(self, name: str, names: dict[str, Any]) -> bool:
        if name in names:
            return self.keeps(names[name])
        return hasattr(builtins, name)


def _is_in_place(at: dis.Instruction) -> bool:
    """Whether an instruction is an augmented assignment, such as ``+=``."""
    return at.opname == "BINARY_OP" and at.argrepr.endswith("=")


def _is_of_library(name: str) -> bool:
    return name.partition(".")[0] in _LIBRARIES


def _module_of(x: Any) -> str:
    owner = getattr(x, "__objclass__", None) or x
    module = getattr(owner, "__module__", None)
    return module if isinstance(module, str) else type(getattr(x, "__self__", None)).__module__


def is_set(cell: types.CellType) -> bool:
    """Whether a variable of an enclosing function has a value."""
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False



def _names_in(constants: tuple[Any, ...]) -> Iterator[str]:
    for constant in constants:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, tuple):
            yield from _names_in(constant)
