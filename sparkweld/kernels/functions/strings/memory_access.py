"""Defines the instructions of string functions: views, loads and stores of bytes and words at addresses, bit operations."""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from sparkweld.kernels.llvm.memory import pointer
from sparkweld.kernels.llvm.numba_frontend import VIEW, Operation

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_F64 = ir.DoubleType()

INT, BOOL, FLOAT = types.int64, types.boolean, types.float64


def build_view(b: ir.IRBuilder, address: ir.Value, length: ir.Value) -> ir.Value:
    """Builds a view of an address and a length."""
    empty = ir.Constant(ir.LiteralStructType([_I64, _I64]), ir.Undefined)
    return b.insert_value(b.insert_value(empty, address, 0), length, 1)


def _load(element: ir.Type) -> Operation:
    def build(b: ir.IRBuilder, address: ir.Value, offset: ir.Value) -> ir.Value:
        value = b.load(pointer(b, b.add(address, offset), element), align=1)
        return value if element is _I64 else b.zext(value, _I64)

    return Operation(f"load_u{element.width}", (INT, INT), INT, build)


def _store(element: ir.Type) -> Operation:
    def build(b: ir.IRBuilder, address: ir.Value, offset: ir.Value, value: ir.Value) -> None:
        narrow = value if element is _I64 else b.trunc(value, element)
        b.store(narrow, pointer(b, b.add(address, offset), element), align=1)

    return Operation(f"store_u{element.width}", (INT, INT, INT), types.none, build)


def _load_i32(b: ir.IRBuilder, address: ir.Value, offset: ir.Value) -> ir.Value:
    return b.sext(b.load(pointer(b, b.add(address, offset), _I32), align=1), _I64)


def _load_f64(b: ir.IRBuilder, address: ir.Value, offset: ir.Value) -> ir.Value:
    return b.load(pointer(b, b.add(address, offset), _F64), align=1)


def _store_f64(b: ir.IRBuilder, address: ir.Value, offset: ir.Value, value: ir.Value) -> None:
    b.store(value, pointer(b, b.add(address, offset), _F64), align=1)


def _copy(b: ir.IRBuilder, to: ir.Value, source: ir.Value, size: ir.Value) -> None:
    copy = b.module.declare_intrinsic("llvm.memcpy", [_I8.as_pointer(), _I8.as_pointer(), _I64])
    b.call(copy, [pointer(b, to, _I8), pointer(b, source, _I8), size, ir.Constant(ir.IntType(1), 0)])


def build_prefetch(b: ir.IRBuilder, address: ir.Value, locality: int = 3) -> None:
    """Prefetches a line of memory; `locality`: 3 for the first-level cache, 2 for the second-level one."""
    arguments, name = [_I8.as_pointer(), _I32, _I32, _I32], "llvm.prefetch.p0"
    function = b.module.globals.get(name) or ir.Function(b.module, ir.FunctionType(ir.VoidType(), arguments), name)
    b.call(function, [pointer(b, address, _I8), *(ir.Constant(_I32, value) for value in (0, locality, 1))])


def _both_bytes(lanes: int) -> Operation:
    """Builds a mask: bit i is set where the byte at address + i is `first` and the byte `distance` after it is `last`."""
    vector = ir.VectorType(_I8, lanes)

    def splat(b: ir.IRBuilder, value: ir.Value) -> ir.Value:
        one = b.insert_element(ir.Constant(vector, ir.Undefined), b.trunc(value, _I8), ir.Constant(_I32, 0))
        zeros = ir.Constant(ir.VectorType(_I32, lanes), [0] * lanes)
        return b.shuffle_vector(one, one, zeros)

    def build(b: ir.IRBuilder, address: ir.Value, distance: ir.Value, first: ir.Value, last: ir.Value) -> ir.Value:
        head = b.load(pointer(b, address, vector), align=1)
        tail = b.load(pointer(b, b.add(address, distance), vector), align=1)
        hits = b.and_(b.icmp_unsigned("==", head, splat(b, first)), b.icmp_unsigned("==", tail, splat(b, last)))
        return b.zext(b.bitcast(hits, ir.IntType(lanes)), _I64)

    return Operation(f"both_bytes_{lanes}", (INT,) * 4, INT, build)


def _count(intrinsic: str, *flags: int) -> Operation:
    def build(b: ir.IRBuilder, x: ir.Value) -> ir.Value:
        function = b.module.declare_intrinsic(intrinsic, [_I64], ir.FunctionType(_I64, [_I64] + [ir.IntType(1)] * len(flags)))
        return b.call(function, [x, *(ir.Constant(ir.IntType(1), f) for f in flags)])

    return Operation(intrinsic.rpartition(".")[2], (INT,), INT, build)


def _unsigned(name: str) -> Operation:
    return Operation(name, (INT, INT), INT, lambda b, x, y: getattr(b, name)(x, y))


def _multiply_high(b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
    wide = ir.IntType(128)
    product = b.mul(b.zext(x, wide), b.zext(y, wide))
    return b.trunc(b.lshr(product, ir.Constant(wide, 64)), _I64)


def _float_call(name: str) -> Operation:
    def build(b: ir.IRBuilder, x: ir.Value) -> ir.Value:
        return b.call(b.module.declare_intrinsic(name, [_F64], ir.FunctionType(_F64, [_F64])), [x])

    return Operation(name.rpartition(".")[2], (types.float64,), types.float64, build)


view = Operation("view", (INT, INT), VIEW, build_view)
address_of = Operation("address_of", (VIEW,), INT, lambda b, v: b.extract_value(v, 0))
length_of = Operation("length_of", (VIEW,), INT, lambda b, v: b.extract_value(v, 1))

byte, load_u16, load_u32, word = (_load(element) for element in (_I8, _I16, _I32, _I64))
store_byte, store_u16, store_u32, store_word = (_store(element) for element in (_I8, _I16, _I32, _I64))
load_i32 = Operation("load_i32", (INT, INT), INT, _load_i32)
load_f64 = Operation("load_f64", (INT, INT), types.float64, _load_f64)
store_f64 = Operation("store_f64", (INT, INT, types.float64), types.none, _store_f64)
prefetch = Operation("prefetch", (INT,), types.none, build_prefetch)
copy = Operation("copy", (INT, INT, INT), types.none, _copy)
both_bytes_8, both_bytes_32 = _both_bytes(8), _both_bytes(32)

ones, zeros_below = _count("llvm.ctpop"), _count("llvm.cttz", 0)
shift_right, divide, rest = _unsigned("lshr"), _unsigned("udiv"), _unsigned("urem")
multiply_high = Operation("multiply_high", (INT, INT), INT, _multiply_high)
at_most = Operation("at_most", (INT, INT), BOOL, lambda b, x, y: b.icmp_unsigned("<=", x, y))
#: Numba's own integer operators must not overflow.
wrapping_add, wrapping_subtract, wrapping_multiply = _unsigned("add"), _unsigned("sub"), _unsigned("mul")
quotient = Operation("quotient", (types.float64,) * 2, types.float64, lambda b, x, y: b.fdiv(x, y))
multiply_add = Operation("multiply_add", (types.float64,) * 3, types.float64, lambda b, x, y, z: b.fma(x, y, z))
bits_of = Operation("bits_of", (types.float64,), INT, lambda b, x: b.bitcast(x, _I64))
as_float = Operation("as_float", (INT,), types.float64, lambda b, x: b.sitofp(x, _F64))
as_int = Operation("as_int", (types.float64,), INT, lambda b, x: b.fptosi(x, _I64))
nearest, magnitude = _float_call("llvm.rint"), _float_call("llvm.fabs")
square_root, logarithm = _float_call("llvm.sqrt"), _float_call("llvm.log")
