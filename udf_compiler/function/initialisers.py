"""Proves from bytecode that `__init__` of a table function only sets attributes of its object to values that never differ.

PySpark makes one object for each partition. The plain function makes one for each row, and the compile service makes one to
trace `eval`. The objects are equal, and making them has no other effect, if `__init__` computes with constants alone.
"""

from __future__ import annotations

import builtins
import dis
import inspect
import math
import re
import string
from types import CodeType, FunctionType, ModuleType
from typing import Any

from udf_compiler.function.bytecode import codes_of
from udf_compiler.function.kept_arguments import CHANGES, MUTATORS, is_set
from udf_compiler.function.plain_data import is_scalar

#: Modules whose functions only compute.
_MODULES: tuple[ModuleType, ...] = (re, math, string)
#: Functions and classes that only compute, of values without code of their own.
_FUNCTIONS = tuple(
    getattr(builtins, name)
    for name in "abs bool bytes dict divmod enumerate float int len list max min pow range reversed round sorted str sum tuple "
    "zip".split()
)
#: Methods that change an object; `compile` is that of `re`.
_CHANGING = MUTATORS - {"compile"}
#: What the functions of a comprehension are called.
_COMPREHENSIONS = frozenset(("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"))
_GLOBAL_LOADS = frozenset(("LOAD_GLOBAL", "LOAD_NAME"))
#: Instructions by which code reaches what its constants do not show, and the one of set comprehensions.
_OPAQUE = frozenset(
    ("IMPORT_NAME", "IMPORT_FROM", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_SUPER_ATTR", "LOAD_BUILD_CLASS", "SET_ADD")
)
#: Members of each class that run no code of it.
_IDLE = frozenset(
    """__module__ __dict__ __weakref__ __doc__ __qualname__ __firstlineno__ __static_attributes__ __annotations__ __annotate__
    __annotate_func__ __annotations_cache__ __init__""".split()
)


def sets_constants(handler: type) -> bool:
    """Whether `__init__` of a class sets attributes to values that are equal for each object, and does nothing else."""
    init = vars(handler).get("__init__")
    if type(handler) is not type or handler.__bases__ != (object,) or not isinstance(init, FunctionType):
        return False
    members = {name: member for name, member in vars(handler).items() if name not in _IDLE}
    if any(name.startswith("__") and not is_scalar(member) for name, member in members.items()):
        return False  # such as __len__, which a call of `len` runs
    code = init.__code__
    if code.co_argcount != 1 or code.co_kwonlyargcount or code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS):
        return False
    if code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE):
        return False
    codes = [*codes_of(code)]
    if not _keeps_to_attributes(code):
        return False
    held = [cell.cell_contents if is_set(cell) else builtins.print for cell in init.__closure__ or ()]
    return all(map(_is_constant, held)) and all(_computes(each, each is code, init, members) for each in codes)


def does_nothing(method: Any) -> bool:
    """Whether a method is empty, such as ``def terminate(self): pass``."""
    if not isinstance(method, FunctionType) or method.__code__.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE):
        return False
    loads = [at for at in dis.get_instructions(method.__code__) if at.opname not in ("RESUME", "NOP", "CACHE", "RETURN_VALUE")]
    return all(at.opname in ("LOAD_CONST", "RETURN_CONST") and at.argval is None for at in loads)


def _computes(code: CodeType, own: bool, init: FunctionType, members: dict[str, Any]) -> bool:
    """Whether code of `__init__` calls nothing but functions that compute. Its names may be those of data of the class."""
    if not own and (code.co_name not in _COMPREHENSIONS or any(type(each) is frozenset for each in code.co_consts)):
        return False
    for at in dis.get_instructions(code):
        if at.opname in _OPAQUE or (at.opname in CHANGES and (at.opname != "STORE_ATTR" or not own)):
            return False
        if at.opname in _GLOBAL_LOADS:
            if not _is_constant(init.__globals__.get(at.argval, vars(builtins).get(at.argval, builtins.print))):
                return False
        elif isinstance(at.argval, str) and at.argval in code.co_names:
            if at.argval.startswith("__") or at.argval in _CHANGING or not is_scalar(members.get(at.argval)):
                return False
    return True


def _keeps_to_attributes(code: CodeType) -> bool:
    """Whether code uses its object for attributes alone, and a set as the value of an attribute alone.

    The string of an object has its address. The order of a set may differ between processes.
    """
    own = code.co_varnames[0]
    instructions = [at for at in dis.get_instructions(code) if at.opname not in ("CACHE", "EXTENDED_ARG", "NOP")]
    for at, after in zip(instructions, instructions[1:], strict=False):
        names = at.argval if isinstance(at.argval, tuple) else (at.argval,)
        if "LOAD_FAST" in at.opname and own in names and (names[-1] != own or after.opname not in ("STORE_ATTR", "LOAD_ATTR")):
            return False
        if after.opname == "STORE_ATTR" and ("LOAD_FAST" not in at.opname or names[-1] != own or after.is_jump_target):
            return False
        ends = after.opname in ("SET_UPDATE", "LOAD_CONST") or ("LOAD_FAST" in after.opname and after.argval == own)
        if at.opname in ("BUILD_SET", "SET_UPDATE") and not ends:
            return False
        if type(at.argval) is frozenset and after.opname != "SET_UPDATE":
            return False
    return own not in code.co_cellvars


def _is_constant(x: Any) -> bool:
    """Whether `x` holds no code but functions that compute."""
    if type(x) in (tuple, list):
        return all(map(_is_constant, x))
    if type(x) is dict:
        return all(map(_is_constant, x)) and all(map(_is_constant, x.values()))
    known = (*_MODULES, *_FUNCTIONS)
    return is_scalar(x) or type(x) is re.Pattern or any(x is each for each in known)
