"""Elementwise functions to libm's and libmvec's symbols, as far as this host has them.

A kernel calls libm's scalar function. Where libmvec has a version of it for several lanes, the declaration says so in
LLVM's own terms (the attribute ``vector-function-abi-variant``), and LLVM's loop vectoriser calls that version; without
one it calls the scalar function once per lane.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from llvmlite import binding

from sparkweld.errors import InternalError

_NAMES = {
    "exp": "exp", "exp2": "exp2", "expm1": "expm1", "log": "log", "log2": "log2", "log10": "log10", "log1p": "log1p",
    "cbrt": "cbrt", "sin": "sin", "cos": "cos", "tan": "tan", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
    "sinh": "sinh", "cosh": "cosh", "tanh": "tanh", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh",
    "power": "pow", "float_power": "pow", "arctan2": "atan2", "hypot": "hypot", "fmod": "fmod",
}  # fmt: skip

#: NumPy's function -> bits of the float type -> libm's function.
SCALAR_NAMES: dict[str, dict[int, str]] = {ours: {64: name, 32: name + "f"} for ours, name in _NAMES.items()}

_ARITY = {name: 2 if name in ("pow", "atan2", "hypot", "fmod") else 1 for name in _NAMES.values()}

#: Instruction set letter of libmvec's names -> (feature LLVM knows it by, bytes of a vector). Widest first.
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
        return None  # a C library without libmvec (musl, macOS, aarch64 before glibc 2.38): scalar functions serve


@cache
def _features() -> frozenset[str]:
    return frozenset(name for name, has in binding.get_host_cpu_features().items() if has)


def address_of(symbol: str) -> int | None:
    """Address of a symbol of libmvec or libm in this process, None when neither has it."""
    for file in _FILES:
        function = getattr(_library(file), symbol, None)
        if function is not None:
            return ctypes.cast(function, ctypes.c_void_p).value
    return None


@cache
def math_function(symbol: str) -> MathFunction | None:
    """The libm function of that symbol, None for a name that is no math function."""
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
        if feature in _features() and address_of(vector) is not None:
            variants.append((lanes, vector))
    return MathFunction(symbol, bits, _ARITY[name], tuple(variants))


def vector_math() -> str:
    """``libmvec`` when kernels on this host call vector functions, else ``none``."""
    exp = math_function("exp")
    return "libmvec" if exp is not None and exp.variants else "none"


def declarations(symbols: Iterable[str]) -> str:
    """LLVM text that declares these libm functions with their vector versions."""
    lines, used = [], []
    for index, function in enumerate(f for f in map(math_function, sorted(set(symbols))) if f is not None):
        scalar = "double" if function.bits == 64 else "float"
        lines.append(f"declare {scalar} @{function.symbol}({', '.join([scalar] * function.arity)}) #{index}")
        for lanes, symbol in function.variants:
            vector = f"<{lanes} x {scalar}>"
            lines.append(f"declare {vector} @{symbol}({', '.join([vector] * function.arity)}) #100000")
            used.append(f"ptr @{symbol}")
        arguments = "v" * function.arity
        mapped = ",".join(f"_ZGV_LLVM_N{n}{arguments}_{function.symbol}({symbol})" for n, symbol in function.variants)
        variants = f' "vector-function-abi-variant"="{mapped}"' if mapped else ""
        lines.append(f"attributes #{index} = {{ nounwind willreturn nobuiltin memory(none){variants} }}")
    lines.append("attributes #100000 = { nounwind willreturn memory(none) }")
    if used:
        # Vector versions are called by nothing yet: without this list they are dropped before the vectoriser runs.
        kept = f"[{len(used)} x ptr] [{', '.join(used)}]"
        lines.append(f'@llvm.compiler.used = appending global {kept}, section "llvm.metadata"')
    return "\n".join(lines) + "\n"
