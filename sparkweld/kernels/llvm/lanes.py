"""Generates vector versions of scalar functions for LLVM's loop vectoriser, for every number of lanes that it may choose.

LLVM does not vectorise a loop that calls a function without such a version. libmvec has versions of most libm functions for the
registers of the host. Other numbers of lanes are composed of these. The versions of all other functions call the scalar
function lane by lane, except `fmod`, whose version needs the call for few arguments.

The attribute ``vector-function-abi-variant`` of the declaration names the versions (LLVM's VFABI; the instruction set `LLVM`
means that the version is any function of the module).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from llvmlite import binding

#: The variable that keeps functions alive that have no caller before the vectoriser has run.
KEPT = "llvm.compiler.used"

_ABI = re.compile(r'"vector-function-abi-variant"="[^"]*"')
_PURE = "nounwind willreturn memory(none)"
#: At most the rows of the smallest tile. 16 doubles take two registers: a loop may mix narrow columns with wider values.
_LANES = (2, 4, 8, 16)


@dataclass(frozen=True)
class VectorFunction:
    """A scalar function of a module: `arity` arguments and a result of the type `scalar`.

    `versions` are (lanes, symbol) of vector versions in some library; `body` defines the function, which is external without it.
    `write` returns the body for a number of lanes, 1 included, and the declarations that it needs. If `inlined`, that for 1 lane
    becomes part of the loop, which LLVM then vectorises as a whole.
    """

    name: str
    scalar: str
    arity: int
    versions: tuple[tuple[int, str], ...] = ()
    body: str = ""
    write: Callable[[int], tuple[str, set[str]]] | None = None
    inlined: bool = False


def gcd_name(bits: int) -> str:
    """Returns the name of the function that computes the greatest common divisor of two unsigned integers."""
    return f"sparkweld.gcd.i{bits}"


def used_functions(names: Iterable[str]) -> list[VectorFunction]:
    """Returns the functions among these names that this module defines."""
    gcds = {gcd_name(bits): f"i{bits}" for bits in (32, 64)}
    return [VectorFunction(name, gcds[name], 2, body=_gcd(gcds[name])) for name in names if name in gcds]


def with_vector_versions(functions: Iterable[VectorFunction]) -> str:
    """Returns the LLVM text of these functions and of their vector versions."""
    text, kept, declared = [], [], set()
    for function in functions:
        if function.write is not None:
            written, needed = _written(function)
            text.append(written)
            declared |= needed
            kept += [] if function.inlined else [f"ptr @{function.name}.v{n}" for n in _LANES]
            continue
        missing = [n for n in _LANES if n not in dict(function.versions)]
        own = tuple((n, f"{function.name}.v{n}") for n in missing)
        for lanes, symbol in function.versions:
            text.append(f"declare {_signature(function, lanes, symbol)} {_PURE}")
        for lanes, symbol in own:
            text.append(f"define internal {_signature(function, lanes, symbol)} {_PURE} {{\n{_version(function, lanes)}}}")
        versions = (*function.versions, *own)
        abi = ",".join(f"_ZGV_LLVM_N{n}{'v' * function.arity}_{function.name}({symbol})" for n, symbol in versions)
        head = f'{_signature(function, 1, function.name)} {_PURE} "vector-function-abi-variant"="{abi}"'
        text.append(f"define {head} {{\n{function.body}}}" if function.body else f"declare {head}")
        kept += [f"ptr @{symbol}" for _, symbol in versions]
    if kept:
        text.append(f'@{KEPT} = appending global [{len(kept)} x ptr] [{", ".join(kept)}], section "llvm.metadata"')
    return "\n".join([*sorted(declared), *text]) + "\n"


def without_vector_versions(module: binding.ModuleRef) -> binding.ModuleRef:
    """Returns a module whose functions have no vector versions: its loops call the scalar ones."""
    return binding.parse_assembly(_ABI.sub("", str(module)))


def _written(function: VectorFunction) -> tuple[str, set[str]]:
    """Returns the definitions of a function with `write`, and the declarations that they need."""
    assert function.write is not None
    sizes = (1,) if function.inlined else (1, *_LANES)
    bodies = {lanes: function.write(lanes) for lanes in sizes}
    versions = {lanes: f"{function.name}.v{lanes}" for lanes in sizes if lanes > 1}
    abi = ",".join(f"_ZGV_LLVM_N{n}{'v' * function.arity}_{function.name}({symbol})" for n, symbol in versions.items())
    attributes = "alwaysinline" if function.inlined else f'noinline "vector-function-abi-variant"="{abi}"'
    # several modules that are linked into one may define it
    text = [f"define linkonce_odr {_signature(function, 1, function.name)} {_PURE} {attributes} {{\n{bodies[1][0]}}}"]
    text += [f"define internal {_signature(function, n, symbol)} {_PURE} {{\n{bodies[n][0]}}}" for n, symbol in versions.items()]
    return "\n".join(text), set().union(*(needed for _, needed in bodies.values()))


def _signature(function: VectorFunction, lanes: int, symbol: str) -> str:
    of = vector_type(function.scalar, lanes)
    return f"{of} @{symbol}({', '.join(f'{of} {a}' for a in _arguments(function))})"


def vector_type(scalar: str, lanes: int) -> str:
    """Returns the type of a vector; 1 lane: that of a scalar."""
    return scalar if lanes == 1 else f"<{lanes} x {scalar}>"


def _arguments(function: VectorFunction) -> tuple[str, ...]:
    return ("%x", "%y")[: function.arity]


def _version(function: VectorFunction, lanes: int) -> str:
    if function.versions:
        return _pieces(function, lanes)
    if function.name.removesuffix("f").endswith(".fmod"):
        return _fmod(function, lanes)
    return _calls(function, lanes)


def _pieces(function: VectorFunction, lanes: int) -> str:
    """Calls the widest version that has at most `lanes` lanes, else the narrowest one with its spare lanes filled."""
    native = dict(function.versions)
    width = max((n for n in native if n <= lanes), default=min(native))
    whole, piece = vector_type(function.scalar, lanes), vector_type(function.scalar, width)
    lines, parts = [], []
    for start in range(0, lanes, width):
        mask = ", ".join(f"i32 {(start + i) % lanes}" for i in range(width))
        arguments = []
        for a in _arguments(function):
            lines.append(f"  {a}{start} = shufflevector {whole} {a}, {whole} poison, <{width} x i32> <{mask}>")
            arguments.append(f"{piece} {a}{start}")
        lines.append(f"  %part{start} = call {piece} @{native[width]}({', '.join(arguments)})")
        parts.append(f"%part{start}")
    size = width
    while len(parts) > 1:
        halves, joined = vector_type(function.scalar, size), []
        mask = ", ".join(f"i32 {i}" for i in range(2 * size))
        for low, high in zip(parts[::2], parts[1::2], strict=True):
            joined.append(f"{low}.{size}")
            lines.append(f"  {low}.{size} = shufflevector {halves} {low}, {halves} {high}, <{2 * size} x i32> <{mask}>")
        parts, size = joined, 2 * size
    if size > lanes:
        mask = ", ".join(f"i32 {i}" for i in range(lanes))
        lines.append(f"  %cut = shufflevector {piece} {parts[0]}, {piece} poison, <{lanes} x i32> <{mask}>")
        parts = ["%cut"]
    return "\n".join([*lines, f"  ret {whole} {parts[0]}", ""])


def lane_by_lane(name: str, scalar: str, arguments: Sequence[str], lanes: int) -> tuple[list[str], str]:
    """Returns instructions that call a scalar function for each lane of vectors, and the vector of its results."""
    of, lines, result = vector_type(scalar, lanes), [], "poison"
    for lane in range(lanes):
        given = [f"{scalar} %in{n}.{lane}" for n in range(len(arguments))]
        lines += [f"  %in{n}.{lane} = extractelement {of} {a}, i64 {lane}" for n, a in enumerate(arguments)]
        lines.append(f"  %call.{lane} = call {scalar} @{name}({', '.join(given)})")
        lines.append(f"  %out.{lane} = insertelement {of} {result}, {scalar} %call.{lane}, i64 {lane}")
        result = f"%out.{lane}"
    return lines, result


def _calls(function: VectorFunction, lanes: int) -> str:
    """Returns the instructions that end a version by calls of the scalar function."""
    lines, result = lane_by_lane(function.name, function.scalar, _arguments(function), lanes)
    return "\n".join([*lines, f"  ret {vector_type(function.scalar, lanes)} {result}", ""])


def _fmod(function: VectorFunction, lanes: int) -> str:
    """Returns the body of C's fmod for vectors. Quotients are nearly always below 2**(p-2); then one fma yields the remainder.

    q = trunc(x / y) is off by at most one, away from zero. So x - q*y, a multiple of the last place of the smaller operand and
    smaller than y, is exact in the fma. Adding y once corrects the off-by-one, again exactly. For a quotient of 0 the result is x
    (also for an infinite y, where the fma would return NaN). Rows whose result is NaN need no call either.
    """
    of, bits = vector_type(function.scalar, lanes), 64 if function.scalar == "double" else 32
    flags, suffix = vector_type("i1", lanes), f"v{lanes}f{bits}"

    def all_of(value: str) -> str:
        return f"splat ({function.scalar} {value})"

    zero, infinity, nan = all_of("0.0"), all_of("0x7FF0000000000000"), all_of("0x7FF8000000000000")
    limit = all_of(f"{2.0 ** (51 if bits == 64 else 22):.1f}")
    return f"""
  %quotient = fdiv {of} %x, %y
  %whole = call {of} @llvm.trunc.{suffix}({of} %quotient)
  %size = call {of} @llvm.fabs.{suffix}({of} %quotient)
  %small = fcmp olt {of} %size, {limit}
  %ax = call {of} @llvm.fabs.{suffix}({of} %x)
  %finite = fcmp olt {of} %ax, {infinity}
  %divides = fcmp one {of} %y, {zero}
  %defined = and {flags} %finite, %divides
  %undefined = xor {flags} %defined, splat (i1 true)
  %decided = or {flags} %small, %undefined
  %all = call i1 @llvm.vector.reduce.and.v{lanes}i1({flags} %decided)
  br i1 %all, label %fast, label %slow
fast:
  %minus = fneg {of} %whole
  %rest = call {of} @llvm.fma.{suffix}({of} %minus, {of} %y, {of} %x)
  %sign = call {of} @llvm.copysign.{suffix}({of} {all_of("1.0")}, {of} %x)
  %along = fmul {of} %rest, %sign
  %past = fcmp olt {of} %along, {zero}
  %step = call {of} @llvm.copysign.{suffix}({of} %y, {of} %x)
  %stepped = fadd {of} %rest, %step
  %mended = select {flags} %past, {of} %stepped, {of} %rest
  %none = fcmp oeq {of} %whole, {zero}
  %magnitude = select {flags} %none, {of} %x, {of} %mended
  %signed = call {of} @llvm.copysign.{suffix}({of} %magnitude, {of} %x)
  %result = select {flags} %undefined, {of} {nan}, {of} %signed
  ret {of} %result
slow:
{_calls(function, lanes)}"""


def _gcd(integer: str) -> str:
    return f"""
start:
  br label %head
head:
  %low = phi {integer} [ %x, %start ], [ %rest, %step ]
  %high = phi {integer} [ %y, %start ], [ %low, %step ]
  %done = icmp eq {integer} %low, 0
  br i1 %done, label %end, label %step
step:
  %rest = urem {integer} %high, %low
  br label %head
end:
  ret {integer} %high
"""
