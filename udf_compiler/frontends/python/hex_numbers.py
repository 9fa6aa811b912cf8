"""Lowers ``int(text, base)`` of a string of the row; the many digits of a digest are only divided."""

from __future__ import annotations

from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.codecs import LARGEST_MODULUS
from sparkweld.ir.ops import StrCall
from udf_compiler.frontends.python.byte_strings import HEX, TracedBytes
from udf_compiler.frontends.python.of_text import OfText
from udf_compiler.frontends.python.operands import is_text, make_int, raise_type_error
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.values import is_scalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.values import raw

#: Digits whose number certainly fits in 64 bits.
_FITS = 15


class HexNumber(OfText):
    """The int of more hexadecimal digits than 64 bits hold; kernels compute its rest by a constant."""

    __slots__ = ()
    what = "int of many digits"
    stands_for = int

    __class__ = int  # type: ignore[assignment]

    def __init__(self, value: Value) -> None:
        self.value = value

    @property
    def same(self) -> tuple[Any, ...]:
        return ()

    def _binary(self, name: str, other: Any, reflected: bool) -> Any:
        value = object.__getattribute__(self, "value")
        if name == "mod" and not reflected and type(other) is int:
            return _rest(value, other)
        if name == "and" and type(other) is int and other >= 0 and other & (other + 1) == 0:
            return _rest(value, other + 1)
        refuse("SW251", call=f"{name} of an int of many digits")


def _rest(value: Value, modulus: int) -> Any:
    if modulus == 0:
        raise in_place(ZeroDivisionError("integer modulo by zero"))
    if not 0 < modulus < LARGEST_MODULUS:
        refuse("SW251", call=f"% {modulus} of an int of many digits")
    return make_int(explorer().loop.emit(StrCall("hex_rest", (modulus,)), value), (0, modulus - 1))


def int_in_base(x: Any, base: Any = 10) -> Any:
    """Returns ``int(x, base)``; guards rows with a number beyond 61 bits."""
    if type(base) is not int or not 2 <= base <= 36 or not is_scalar(x):
        refuse("SW262", call="int()", what="a base that is not a constant from 2 to 36")
    if not is_text(x):
        raise_type_error("int() can't convert non-string with explicit base")
    count = _hex_digits(explorer().loop, x.value) if base == 16 else None
    return _of_digits(x.value, count) if count else _parsed(x.value, base)


def _parsed(value: Value, base: int) -> Any:
    run, loop = explorer(), explorer().loop
    run.guard(loop.emit(StrCall("parse_base_decided", (base,)), value))
    found = loop.emit(StrCall("parse_base", (base,)), value)
    run.raise_if(loop.call("logical_not", loop.is_valid(found)), lambda: ValueError("invalid literal for int()"))
    return make_int(loop.value_of(found))


def _of_digits(value: Value, count: int) -> Any:
    if count > _FITS:
        return HexNumber(value)
    loop = explorer().loop
    return make_int(loop.value_of(loop.emit(StrCall("parse_base", (16,)), value)), (0, 16**count - 1))


def _hex_digits(loop: LoopBuilder, value: Value) -> int | None:
    """Returns the number of digits of a string that certainly has only hexadecimal digits, else None."""
    let = loop.body[value.id]
    if not isinstance(let.op, StrCall):
        return None
    if let.op.fn == "hexdigest":
        return 2 * _BYTES[str(let.op.params[0])]
    if let.op.fn == "slice" and let.op.params[2] == 1:
        count = _hex_digits(loop, Value(let.args[0], value.type, loop))
        return None if count is None else len(range(count)[slice(*let.op.params[:2])])  # type: ignore[arg-type]
    return None


#: Digest -> its bytes.
_BYTES = {"md5": 16, "sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}


def int_from_bytes(x: Any, byteorder: Any = "big", *, signed: Any = False) -> Any:
    """Implements ``int.from_bytes`` of a digest, or of its first bytes."""
    if type(x) is not TracedBytes or (byteorder, signed) != ("big", False):
        refuse("SW262", call="int.from_bytes", what=raw(x))
    (form,) = object.__getattribute__(x, "same")
    value = object.__getattribute__(x, "value")
    count = _hex_digits(explorer().loop, value) if form == HEX else None
    if not count:
        refuse("SW262", call="int.from_bytes", what="bytes of another origin than a digest")
    return _of_digits(value, count)
