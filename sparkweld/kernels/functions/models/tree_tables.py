"""Looks values up in small tables, one per lane: by register permutation with AVX-512, else by gathers."""

from __future__ import annotations

from functools import cache

from llvmlite import ir

from sparkweld.kernels.llvm.memory import pointer
from sparkweld.kernels.llvm.target import cpu_features

_I1, _I32, _I64 = (ir.IntType(bits) for bits in (1, 32, 64))
FLOATS = {"f32": ir.FloatType(), "f64": ir.DoubleType()}
SIZES = {"f32": 4, "f64": 8}
_REGISTER = 64


@cache
def in_registers() -> bool:
    """Whether tables of several registers are looked up in registers."""
    return "avx512f" in cpu_features()


def lanes_of(kind: str) -> int:
    """Returns the number of floats of that kind in a register."""
    return _REGISTER // SIZES[kind]


def index_type(kind: str) -> ir.VectorType:
    """Returns the type of indices into a register of floats of that kind: integers of their width."""
    return ir.VectorType(ir.IntType(8 * SIZES[kind]), lanes_of(kind))


def load_table(b: ir.IRBuilder, address: ir.Value, kind: str, count: int) -> list[ir.Value]:
    """Loads `count` registers of floats from an address on."""
    vector = ir.VectorType(FLOATS[kind], lanes_of(kind))
    places = [b.add(address, ir.Constant(_I64, _REGISTER * number)) for number in range(count)]
    return [b.load(pointer(b, place, vector), align=SIZES[kind]) for place in places]


def look_up(b: ir.IRBuilder, table: list[ir.Value], index: ir.Value) -> ir.Value:
    """Builds table[index] of each lane, for 2**n registers; higher bits of the index are ignored."""
    vector = table[0].type
    kind, lanes = ("ps" if vector.element == FLOATS["f32"] else "pd"), vector.count
    if len(table) == 1:
        one = f"llvm.x86.avx512.permvar.{ {'ps': 'sf', 'pd': 'df'}[kind]}.512"
        return b.call(_declared(b, one, vector, [vector, index.type]), [table[0], index])
    if len(table) == 2:
        two = _declared(b, f"llvm.x86.avx512.vpermi2var.{kind}.512", vector, [vector, index.type, vector])
        return b.call(two, [table[0], index, table[1]])
    half = len(table) // 2
    bit = ir.Constant(index.type, [lanes * half] * lanes)
    upper = b.icmp_unsigned("!=", b.and_(index, bit), ir.Constant(index.type, [0] * lanes))
    return b.select(upper, look_up(b, table[half:], index), look_up(b, table[:half], index))


def gather(b: ir.IRBuilder, address: ir.Value, index: ir.Value, element: ir.Type) -> ir.Value:
    """Builds element[index] of each lane."""
    lanes = index.type.count
    addresses = _Addresses(b, pointer(b, address, element), index)
    b._insert(addresses)
    vector = ir.VectorType(element, lanes)
    name = f"llvm.masked.gather.v{lanes}{ {_I32: 'i32', FLOATS['f32']: 'f32', FLOATS['f64']: 'f64'}[element]}.v{lanes}p0"
    ones = ir.Constant(ir.VectorType(_I1, lanes), [1] * lanes)
    function = _declared(b, name, vector, [addresses.type, _I32, ones.type, vector])
    return b.call(function, [addresses, ir.Constant(_I32, element_size(element)), ones, ir.Constant(vector, ir.Undefined)])


def element_size(element: ir.Type) -> int:
    """Returns the bytes of an element."""
    return element.width // 8 if isinstance(element, ir.IntType) else SIZES["f32" if element == FLOATS["f32"] else "f64"]


def _declared(b: ir.IRBuilder, name: str, result: ir.Type, arguments: list[ir.Type]) -> ir.Function:
    return b.module.globals.get(name) or ir.Function(b.module, ir.FunctionType(result, arguments), name)


class _Addresses(ir.Instruction):
    """The addresses of several elements, an instruction that llvmlite has no builder for."""

    def __init__(self, b: ir.IRBuilder, base: ir.Value, index: ir.Value) -> None:
        super().__init__(b.block, ir.VectorType(base.type, index.type.count), "getelementptr", [base, index])

    def descr(self, buf: list[str]) -> None:
        base, index = self.operands
        element = base.type.pointee
        buf.append(f"getelementptr {element}, {base.type} {base.get_reference()}, {index.type} {index.get_reference()}\n")
