"""Maps elementwise functions to symbols of libm and libmvec, as far as this host has them, or to code of `vector_math`.

Where libmvec has a version for several lanes, the declaration names it in LLVM's terms (see `lanes`), and LLVM's loop vectoriser
calls it. Without one, the function is compiled from the formula of `vector_math`. Functions without a formula call libm's scalar
function once per lane.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, partial

from llvmlite import binding, ir

from sparkweld.errors import InternalError
from sparkweld.ir.ops.elementwise import EXACT
from sparkweld.kernels.llvm.lanes import VectorFunction
from sparkweld.kernels.llvm.target import cpu_features, is_arm
from sparkweld.kernels.llvm.vector_math import FUNCTIONS

_NAMES = {
    "exp": "exp", "exp2": "exp2", "expm1": "expm1", "log": "log", "log2": "log2", "log10": "log10", "log1p": "log1p",
    "cbrt": "cbrt", "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
    "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
    "power": "pow", "float_power": "pow", "arctan2": "atan2", "hypot": "hypot", "fmod": "fmod", "erf": "erf", "erfc": "erfc",
}  # fmt: skip

#: Prefixes of libm's functions in LLVM modules before optimisation. `EXACT_PREFIX` demands the bits of the scalar version. Under
#: their own names LLVM would recognise them and rewrite calls, pow(2, x) as ldexp for one, to functions without vector version.
PREFIX = "libm."
EXACT_PREFIX = "libm.exact."


def libm_name(function: str, bits: int, *, exact: bool = False) -> str:
    """Returns the name that LLVM modules use for libm's equivalent of a NumPy function on floats of `bits` bits.

    `exact` requests the result of libm's scalar function, which NumPy's own loops of that function use. Ops without an error
    bound always have it.
    """
    return (EXACT_PREFIX if exact or function in EXACT else PREFIX) + _NAMES[function] + ("f" if bits == 32 else "")


#: NumPy's functions that are one call of libm.
LIBM_FUNCTIONS = frozenset(_NAMES)

_ARITY = {name: 2 if name in ("pow", "atan2", "hypot", "fmod") else 1 for name in _NAMES.values()}

#: Instruction set letter in libmvec's names -> (LLVM's name of the feature, bytes of a vector). Widest first.
_SETS = {"e": ("avx512f", 64), "d": ("avx2", 32), "b": ("sse2", 16)}

_FILES = ("libmvec.so.1", "libm.so.6")


@dataclass(frozen=True)
class MathFunction:
    """One function of libm; `variants` are (lanes, symbol) of libmvec's versions."""

    symbol: str
    bits: int
    arity: int
    variants: tuple[tuple[int, str], ...]


@cache
def _library(file: str) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(file)
    except OSError:
        return None  # a C library without libmvec (musl, macOS, aarch64 before glibc 2.38)


def address_of(symbol: str) -> int | None:
    """Returns the address of a symbol of libmvec or libm in this process, or None when neither has it."""
    for file in _FILES:
        function = getattr(_library(file), symbol, None)
        if function is not None:
            return ctypes.cast(function, ctypes.c_void_p).value
    return None


@cache
def math_function(symbol: str) -> MathFunction | None:
    """Returns the libm function of that symbol, or None for a name that is not a math function."""
    bits = 64 if symbol in _ARITY else 32
    name = symbol if bits == 64 else symbol.removesuffix("f")
    if name not in _ARITY:
        return None
    if address_of(symbol) is None:
        raise InternalError(f"libm has no {symbol}")
    arguments = "v" * _ARITY[name]
    variants = []
    for letter, (feature, size) in _SETS.items():
        lanes = size * 8 // bits
        vector = f"_ZGV{letter}N{lanes}{arguments}_{symbol}"
        if feature in cpu_features() and address_of(vector) is not None:
            variants.append((lanes, vector))
    return MathFunction(symbol, bits, _ARITY[name], tuple(variants))


def vector_math() -> str:
    """Returns how kernels compute exp for several rows at once: ``libmvec``, by their ``own`` code, or ``none``."""
    exp = math_function("exp")
    if exp is not None and exp.variants:
        return "libmvec"
    return "own" if _multiplies_and_adds() else "none"


@cache
def _multiplies_and_adds() -> bool:
    """Whether this CPU has the instruction `fma`, without which the formulas would be slower than libm."""
    return "fma" in cpu_features() or is_arm()


def used_functions(names: Iterable[str]) -> list[VectorFunction]:
    """Returns the libm functions among these names of a module, and those that their code calls."""
    functions = {name: _declared(name) for name in names if name.startswith(PREFIX)}
    for name in [_fallback(name) for name, function in functions.items() if function.write is not None]:
        functions.setdefault(name, _declared(name))
    return list(functions.values())


def _fallback(name: str) -> str:
    """Returns the name of libm's function of doubles for the function `name`."""
    symbol = name.removeprefix(PREFIX)
    return EXACT_PREFIX + (symbol if symbol in _ARITY else symbol.removesuffix("f"))


def _declared(name: str) -> VectorFunction:
    exact = name.startswith(EXACT_PREFIX)
    function = math_function(name.removeprefix(EXACT_PREFIX if exact else PREFIX))
    if function is None:
        raise InternalError(f"{name} is not a libm function")
    scalar = "double" if function.bits == 64 else "float"
    own = name if exact else _fallback(name).removeprefix(EXACT_PREFIX)
    if not exact and not function.variants and own in FUNCTIONS and _multiplies_and_adds():
        code = FUNCTIONS[own]
        write = partial(code.body, bits=function.bits, fallback=_fallback(name))
        return VectorFunction(name, scalar, function.arity, write=write, inlined=code.rare is None)
    return VectorFunction(name, scalar, function.arity, () if exact else function.variants)


def is_called(module: ir.Module) -> bool:
    """Whether some function of a module calls libm."""
    return any(function.name.startswith(PREFIX) for function in module.functions)


def check_one_version(module: binding.ModuleRef, name: str) -> None:
    """Raises InternalError when, after optimisation, a row's position decides which version of a function computes it."""
    symbol = computed_in_two_ways(module)
    if symbol is not None:
        raise InternalError(f"the kernel of {name!r} computes {symbol} in two ways, by a row's position")


def computed_in_two_ways(module: binding.ModuleRef) -> str | None:
    """Returns the symbol of a function of which an optimised module calls both the scalar and a vector version, or None."""
    names = {f.name for f in module.functions if f.is_declaration}
    for declared in names:
        if not declared.startswith(PREFIX) or declared.startswith(EXACT_PREFIX):
            continue
        scalar = math_function(declared.removeprefix(PREFIX))
        if scalar is not None and any(v in names for _, v in scalar.variants):
            return scalar.symbol
    return None


def name_imports(module: binding.ModuleRef) -> None:
    """Renames libm's scalar functions to their own names."""
    for function in list(module.functions):
        if not function.is_declaration or not function.name.startswith(PREFIX):
            continue
        exact = function.name.startswith(EXACT_PREFIX)
        symbol = function.name.removeprefix(EXACT_PREFIX if exact else PREFIX)
        # After \1 LLVM takes a name literally, so it does not clash with a function of that name.
        function.name = f"\1{symbol}" if exact else symbol
