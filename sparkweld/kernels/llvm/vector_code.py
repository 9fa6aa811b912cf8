"""Writes LLVM code without loops for a vector of doubles, from formulas in Python's operators.

A formula computes `Value`s of one `Code`. `Function` makes the body of an LLVM function from it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sparkweld.kernels.llvm.lanes import lane_by_lane, vector_type
from sparkweld.kernels.llvm.polynomials import Polynomial

#: Adding it to a double below 2**51 rounds that to an integer, which is then in the low bits.
ROUND = 1.5 * 2.0**52


@dataclass(frozen=True)
class Value:
    """A value of the code that is being written: doubles (`f`), 64-bit integers (`i`) or conditions (`b`) of all lanes.

    Operators write the instruction of this kind. The other operand may be a number.
    """

    code: Code
    kind: str
    text: str

    def __add__(self, other: Operand) -> Value:
        return self._binary("add", other)

    def __sub__(self, other: Operand) -> Value:
        return self._binary("sub", other)

    def __rsub__(self, other: Operand) -> Value:
        return self.code.constant(self.kind, other)._binary("sub", self)

    def __mul__(self, other: Operand) -> Value:
        return self._binary("mul", other)

    def __truediv__(self, other: Operand) -> Value:
        return self._binary("div", other)

    def __rtruediv__(self, other: Operand) -> Value:
        return self.code.constant(self.kind, other)._binary("div", self)

    def __neg__(self) -> Value:
        return self.code.write("f", f"fneg {self.code.type('f')} {self.text}")

    def __and__(self, other: Operand) -> Value:
        return self._logical("and", other)

    def __or__(self, other: Operand) -> Value:
        return self._logical("or", other)

    def __xor__(self, other: Operand) -> Value:
        return self._logical("xor", other)

    def __lshift__(self, bits: int) -> Value:
        return self._logical("shl", bits)

    def __rshift__(self, bits: int) -> Value:
        return self._logical("lshr", bits)

    def __gt__(self, other: Operand) -> Value:
        return self._compare("ogt", other)

    def __lt__(self, other: Operand) -> Value:
        return self._compare("olt", other)

    def equals(self, other: Operand) -> Value:
        return self._compare("oeq", other)

    def differs(self, other: Operand) -> Value:
        """Whether two doubles differ; NaN differs from all."""
        return self._compare("une", other)

    def as_bits(self) -> Value:
        code = self.code
        return code.write("i", f"bitcast {code.type('f')} {self.text} to {code.type('i')}")

    def as_doubles(self) -> Value:
        code = self.code
        return code.write("f", f"bitcast {code.type('i')} {self.text} to {code.type('f')}")

    def _binary(self, name: str, other: Operand) -> Value:
        instruction = f"f{name}" if self.kind == "f" else name
        return self._logical(instruction, other)

    def _logical(self, instruction: str, other: Operand) -> Value:
        right = self.code.constant(self.kind, other)
        return self.code.write(self.kind, f"{instruction} {self.code.type(self.kind)} {self.text}, {right.text}")

    def _compare(self, condition: str, other: Operand) -> Value:
        right = self.code.constant("f", other)
        return self.code.write("b", f"fcmp {condition} {self.code.type('f')} {self.text}, {right.text}")


Operand = Value | float | int


@dataclass
class Code:
    """The instructions of one function of `lanes` doubles; 1 lane: of a double. `single`: the result is rounded to f32."""

    lanes: int
    single: bool = False
    lines: list[str] = field(default_factory=list)
    #: The intrinsic functions that it calls.
    declared: set[str] = field(default_factory=set)

    def type(self, kind: str) -> str:
        scalar = {"f": "double", "i": "i64", "b": "i1"}[kind]
        return vector_type(scalar, self.lanes)

    def write(self, kind: str, instruction: str) -> Value:
        name = f"%t{len(self.lines)}"
        self.lines.append(f"  {name} = {instruction}")
        return Value(self, kind, name)

    def constant(self, kind: str, value: Operand) -> Value:
        if isinstance(value, Value):
            return value
        if kind == "f":
            text, scalar = f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}", "double"
        else:
            text, scalar = str(int(value)), "i64"
        return Value(self, kind, text if self.lanes == 1 else f"splat ({scalar} {text})")

    def intrinsic(self, name: str, *values: Operand) -> Value:
        of = self.type("f")
        full = f"llvm.{name}.{'f64' if self.lanes == 1 else f'v{self.lanes}f64'}"
        self.declared.add(f"declare {of} @{full}({', '.join([of] * len(values))})")
        arguments = ", ".join(f"{of} {self.constant('f', value).text}" for value in values)
        return self.write("f", f"call {of} @{full}({arguments})")

    def fma(self, a: Operand, b: Operand, c: Operand) -> Value:
        return self.intrinsic("fma", a, b, c)

    def size(self, a: Value) -> Value:
        return self.intrinsic("fabs", a)

    def signed_as(self, a: Operand, sign: Value) -> Value:
        return self.intrinsic("copysign", a, sign)

    def select(self, condition: Value, a: Operand, b: Operand) -> Value:
        of, flags = self.type("f"), self.type("b")
        left, right = self.constant("f", a).text, self.constant("f", b).text
        return self.write("f", f"select {flags} {condition.text}, {of} {left}, {of} {right}")

    def polynomial(self, x: Value, polynomial: Polynomial) -> Value:
        """Evaluates even and odd powers side by side, so that half of the operations wait for each other."""
        coefficients = polynomial.singles if self.single else polynomial.doubles
        square = x * x
        even, odd = self._horner(square, coefficients[::2]), self._horner(square, coefficients[1::2])
        return self.fma(odd, x, even)

    def _horner(self, x: Value, coefficients: tuple[float, ...]) -> Value:
        result = self.constant("f", coefficients[-1])
        for coefficient in reversed(coefficients[:-1]):
            result = self.fma(result, x, coefficient)
        return result

    def power_of_two(self, exponent: Value) -> Value:
        """Returns 2**exponent for doubles that hold integers from -1022 to 1023."""
        return ((exponent + (ROUND + 1023)).as_bits() << 52).as_doubles()

    def rounded(self, x: Value, factor: float) -> Value:
        """Returns x * factor rounded to an integer; |x * factor| < 2**51."""
        return self.fma(x, factor, ROUND) - ROUND


Formula = Callable[..., Value]


@dataclass(frozen=True)
class Function:
    """A function of one or two floats: its formula, and the condition for arguments that are left to another function."""

    formula: Formula
    arity: int = 1
    rare: Formula | None = None

    def body(self, lanes: int, bits: int, fallback: str) -> tuple[str, set[str]]:
        """Returns the body, and the declarations that it needs.

        The arguments are `%x` and `%y`, `lanes` floats of `bits` bits. `fallback` is the function of doubles for rare arguments.
        """
        code = Code(lanes, single=bits == 32)
        arguments = [_widened(code, argument, bits) for argument in ("%x", "%y")[: self.arity]]
        result = self.formula(code, *arguments)
        if self.rare is not None:
            result = _with_fallback(code, self.rare(code, *arguments), result, arguments, fallback)
        of = _float_type(bits, lanes)
        if bits == 32:
            result = code.write("f", f"fptrunc {code.type('f')} {result.text} to {of}")
        return "\n".join(["start:", *code.lines, f"  ret {of} {result.text}", ""]), code.declared


def _float_type(bits: int, lanes: int) -> str:
    return vector_type("double" if bits == 64 else "float", lanes)


def _widened(code: Code, argument: str, bits: int) -> Value:
    if bits == 64:
        return Value(code, "f", argument)
    return code.write("f", f"fpext {_float_type(32, code.lanes)} {argument} to {code.type('f')}")


def _with_fallback(code: Code, rare: Value, result: Value, arguments: Sequence[Value], fallback: str) -> Value:
    """Replaces the results of rare lanes by those of libm, lane by lane, behind a branch that is nearly never taken."""
    of, flags = code.type("f"), code.type("b")
    some = rare.text
    if code.lanes > 1:
        name = f"llvm.vector.reduce.or.v{code.lanes}i1"
        code.declared.add(f"declare i1 @{name}({flags})")
        some = code.write("b", f"call i1 @{name}({flags} {rare.text})").text
    code.lines += [f"  br i1 {some}, label %rare, label %done", "rare:"]
    slow = _called(code, arguments, fallback)
    chosen = code.select(rare, slow, result)
    code.lines += ["  br label %done", "done:"]
    return code.write("f", f"phi {of} [ {result.text}, %start ], [ {chosen.text}, %rare ]")


def _called(code: Code, arguments: Sequence[Value], function: str) -> Value:
    if code.lanes == 1:
        return code.write("f", f"call double @{function}({', '.join(f'double {a.text}' for a in arguments)})")
    lines, result = lane_by_lane(function, "double", [a.text for a in arguments], code.lanes)
    code.lines += lines
    return Value(code, "f", result)
