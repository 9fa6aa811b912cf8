"""Lowers Python's `str` of a row to IR over UTF-8: operators, methods and conversions (`ir.ops.string_functions`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import ListCall, StrCall
from sparkweld.ir.types import BOOL, F64, I64, STR
from udf_compiler.frontends.python import datetime_values, decimals, undefined
from udf_compiler.frontends.python.byte_strings import encode
from udf_compiler.frontends.python.datetimes import text_of_time
from udf_compiler.frontends.python.ip_calls import TracedAddress
from udf_compiler.frontends.python.lists import LazyList, is_list, join
from udf_compiler.frontends.python.new_lists import listed
from udf_compiler.frontends.python.operands import (
    as_int,
    as_text,
    is_number,
    is_text,
    kind_of,
    make_bool,
    make_int,
    make_text,
    raise_type_error,
)
from udf_compiler.frontends.python.path_explorer import explorer, rounds
from udf_compiler.frontends.python.repetition import padded, repeated
from udf_compiler.frontends.python.row_separators import END, found_from, is_of_row, lines, parts_by, pieces_by, replaced
from udf_compiler.frontends.python.values import TIME_KINDS, TracedScalar, is_scalar
from udf_compiler.frontends.python.zoned_datetimes import TracedZoned
from udf_compiler.frontends.tracing.enum_members import data_of
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.translations import translations
from udf_compiler.frontends.tracing.values import COMPARISONS, raw


def call(fn: str, *args: Value, params: tuple[Any, ...] = ()) -> Value:
    """Emits a function of strings."""
    return explorer().loop.emit(StrCall(fn, params), *args)


def binary(name: str, a: Any, b: Any) -> Any:
    """Applies an operator with a str as at least one operand."""
    if name in COMPARISONS:
        return _compare(name, a, b)
    if name == "add" and is_text(a) and is_text(b):
        return make_text(call("concat", as_text(a), as_text(b)))
    if name == "mul" and (is_number(a) or is_number(b)):
        text, count = (a, b) if is_text(a) else (b, a)
        if kind_of(count) == "float":
            raise_type_error("can't multiply sequence by non-int of type 'float'")
        return repeated(text, count)
    if name == "mod":
        refuse("SW251", call="str % ...")
    return undefined.operator(name, a, b)


def _compare(name: str, a: Any, b: Any) -> Any:
    if is_text(a) and is_text(b):
        return make_bool(explorer().loop.call(COMPARISONS[name], as_text(a), as_text(b)))
    if name in ("eq", "ne"):
        return name == "ne"
    return undefined.operator(name, a, b)


def truth(x: TracedScalar) -> Value:
    """Returns the condition that a str is not empty."""
    return explorer().loop.call("not_equal", x.value, explorer().loop.const("", STR))


def length(x: Any) -> Any:
    """Returns ``len(x)``."""
    return make_int(call("length", as_text(x)), (0, END))


def contains(x: TracedScalar, part: Any) -> bool:
    """Evaluates ``part in x``."""
    if not is_text(part):
        raise_type_error("'in <string>' requires string as left operand")
    found = call("contains_str", x.value, part.value) if is_scalar(part) else call("contains", x.value, params=(part,))
    return explorer().decide(found)


def item(x: TracedScalar, key: Any) -> Any:
    """Returns ``x[i]`` or ``x[a:b:step]``."""
    if isinstance(key, slice):
        return _slice(x, key)
    if not is_number(key) or kind_of(key) == "float":
        raise_type_error("string indices must be integers")
    at = call("char_at", x.value, as_int(key)) if is_scalar(key) else call("get", x.value, params=(int(key),))
    return _present(at, lambda: IndexError("string index out of range"))


def _slice(x: TracedScalar, key: slice) -> TracedScalar:
    parts = (key.start, key.stop, key.step)
    if not any(map(is_scalar, parts)):
        if any(p is not None and type(p) is not int for p in parts) or key.step == 0:
            refuse("SW262", call="str[...]", what="this slice")
        return make_text(call("slice", x.value, params=(key.start, key.stop, 1 if key.step is None else key.step)))
    if key.step not in (None, 1) or is_scalar(key.step) or any(p is not None and not is_number(p) for p in parts):
        refuse("SW262", call="str[...]", what="a step with a bound that is not constant")
    start = 0 if key.start is None else key.start
    stop = END if key.stop is None else key.stop
    return make_text(call("substring", x.value, as_int(start), as_int(stop)))


def _present(value: Value, error: Callable[[], Exception]) -> Any:
    """Returns a nullable str where it is not NULL; raises `error` on the other rows."""
    loop = explorer().loop
    explorer().raise_if(loop.call("logical_not", loop.is_valid(value)), error)
    return make_text(loop.value_of(value))


def characters(x: TracedScalar) -> Iterator[Any]:
    """Yields the characters, with one decision each."""
    size = length(x)
    for at in rounds(lambda at: at < size):
        yield make_text(explorer().loop.value_of(call("get", x.value, params=(at,))))


def to_int(x: TracedScalar) -> TracedScalar:
    """Returns ``int(x)``."""
    return make_int(_parsed("parse_int", x, "invalid literal for int() with base 10"))


def to_float(x: TracedScalar) -> TracedScalar:
    """Returns ``float(x)``."""
    return TracedScalar("float", _parsed("parse_float", x, "could not convert string to float"))


def _parsed(fn: str, x: TracedScalar, message: str) -> Value:
    loop = explorer().loop
    explorer().guard(call(f"{fn}_decided", x.value), local=fn == "parse_float")
    value = call(fn, x.value)
    explorer().raise_if(loop.call("logical_not", loop.is_valid(value)), lambda: ValueError(message))
    return loop.value_of(value)


#: Classes of further objects of a row that have a string.
OBJECTS = (TracedZoned, TracedAddress)


def to_str(x: Any) -> Any:
    """Returns ``str(x)`` of a scalar, a datetime with a time zone or an IPv4 address."""
    if type(x) is TracedAddress:
        return make_text(x.text)
    if type(x) is TracedZoned:
        return x.isoformat(" ")
    if x.numpy or x.is_list:
        refuse("SW262", call="str()", what=f"a value of np.{x.numpy}" if x.numpy else "a list")
    if x.kind == "float":
        explorer().guard(float_is_decided(explorer().loop, x), local=True)
    if x.kind in datetime_values.KINDS:
        return datetime_values.iso_text(x, " ")
    if decimals.is_decimal(x):
        decimals.guard_plain(x)
    return make_text(text_of(explorer().loop, x))


def text_of(loop: LoopBuilder, x: Any) -> Value:
    """Returns Python's string of a value; a float's is exact where `float_is_decided`."""
    if not is_scalar(x):
        return loop.const(str(x), STR)
    if x.kind == "str":
        return x.value  # type: ignore[no-any-return]
    if x.is_list:
        refuse("SW222", call="str()", kind="ndarray" if x.is_ndarray else "list")
    if x.kind in ("date", *TIME_KINDS):
        return text_of_time(x)
    if decimals.is_decimal(x):
        return decimals.text_of(loop, x)
    if x.kind == "bool":
        return loop.select(x.value, loop.const("True", STR), loop.const("False", STR))
    if x.kind == "int":
        return loop.emit(StrCall("int_to_str"), loop.cast(x.value, I64))
    return loop.emit(StrCall("float_to_str"), loop.cast(x.value, F64))


def float_is_decided(loop: LoopBuilder, x: Any) -> Value:
    """Returns the condition that kernels can compute Python's string of a float."""
    return loop.emit(StrCall("float_to_str_decided"), x.value) if is_scalar(x) else loop.const(True, BOOL)


class TracedPieces(LazyList):
    """The list that ``text.split(sep, maxsplit)`` returns: its elements by index, their number, and a loop over them."""

    __slots__ = ("fn", "most", "sep", "value")
    what = "list of pieces"

    def __init__(self, fn: str, value: Value, sep: str | None, most: int) -> None:
        self.fn, self.value, self.sep, self.most = fn, value, sep, most

    @property
    def count(self) -> Any:
        return make_int(call("split_count", self.value, params=(self.sep, self.most)), (0 if self.sep is None else 1, END))

    @property
    def whole(self) -> Value:
        """Returns the list itself."""
        return self.of(explorer().loop, self.value)

    def of(self, loop: LoopBuilder, value: Value) -> Value:
        """Returns the list for a string that is a value of another loop."""
        return loop.emit(StrCall(self.fn.removesuffix("_part"), (self.sep, self.most)), value)

    def __bool__(self) -> bool:
        return True if self.sep is not None else bool(self.count > 0)

    def __getitem__(self, key: Any) -> Any:
        if type(key) is not int:
            return super().__getitem__(key)
        return _present(self._part(key), lambda: IndexError("list index out of range"))

    def __iter__(self) -> Iterator[Any]:
        count = self.count
        for at in rounds(lambda at: at < count):
            yield make_text(explorer().loop.value_of(self._part(at)))

    def _part(self, at: int) -> Value:
        return call(self.fn, self.value, params=(self.sep, self.most, at))


def _check_text(name: str, *parts: Any) -> None:
    for part in parts:
        if part is None or is_number(part):
            raise_type_error(f"str.{name}: argument must be str")
        if not is_text(part):
            refuse("SW262", call=f"str.{name}", what=raw(part))
        if is_scalar(part):
            refuse("SW262", call=f"str.{name}", what="a string that is not constant")


def _check_numbers(name: str, *numbers: Any) -> None:
    if any(type(n) is not int or abs(n) > END for n in numbers):
        refuse("SW262", call=f"str.{name}", what="a number that is not a constant int")


def _plain(fn: str) -> Callable[[TracedScalar], Any]:
    return lambda x: make_text(call(fn, x.value))


def _class(fn: str) -> Callable[[TracedScalar], Any]:
    return lambda x: make_bool(call(fn, x.value))


def _strip(fn: str) -> Callable[..., Any]:
    def strip(x: TracedScalar, chars: Any = None) -> Any:
        if chars is not None:
            _check_text(fn, chars)
        return make_text(call(fn, x.value, params=(chars,)))

    return strip


def _affix(fn: str) -> Callable[..., Any]:
    def remove(x: TracedScalar, affix: Any) -> Any:
        if is_of_row(affix):
            return make_text(call(f"{fn}_str", x.value, affix.value))
        _check_text(fn, affix)
        return make_text(call(fn, x.value, params=(affix,)))

    return remove


def _ends(fn: str) -> Callable[..., Any]:
    def test(x: TracedScalar, affix: Any) -> Any:
        if is_of_row(affix):
            return make_bool(call(f"{fn}_str", x.value, affix.value))
        affixes = affix if type(affix) is tuple else (affix,)
        _check_text(fn, *affixes)
        return make_bool(call(fn, x.value, params=affixes)) if affixes else False

    return test


def _search(fn: str) -> Callable[..., Any]:
    def search(x: TracedScalar, part: Any, start: Any = None, end: Any = None) -> Any:
        if fn == "find" and end is None and is_scalar(start) and start.kind == "int" and type(part) is str and part:
            return found_from(x, part, start)
        _check_numbers(fn, *(b for b in (start, end) if b is not None))
        if start is end is None and is_of_row(part):
            return make_int(call(f"{fn}_str", x.value, part.value), (0 if fn == "count" else -1, END))
        _check_text(fn, part)
        return make_int(call(fn, x.value, params=(part, start, end)), (0 if fn == "count" else -1, END))

    return search


def _index(fn: str) -> Callable[..., Any]:
    search = _search(fn)

    def index(x: TracedScalar, *args: Any) -> Any:
        check_form(search, (x, *args), {}, f"str.{fn.replace('find', 'index')}")
        found = search(x, *args)
        explorer().raise_if((found < 0).value, lambda: ValueError("substring not found"))
        return make_int(found.value, (0, END))

    return index


def _replace(x: TracedScalar, old: Any, new: Any, count: Any = -1) -> Any:
    _check_numbers("replace", count)
    if is_of_row(old) and is_text(new) and count == -1:
        return replaced(x, old, new)
    if is_scalar(new) and is_text(new) and type(old) is str and old:  # the pieces between the occurrences, joined by `new`
        pieces = explorer().loop.emit(StrCall("split", (old, count)), x.value)
        return make_text(explorer().loop.emit(ListCall("join", pieces.type), pieces, as_text(new)))
    _check_text("replace", old, new)
    if old == "":
        refuse("SW262", call="str.replace", what="an empty string")
    return make_text(call("replace", x.value, params=(old, new, count)))


def _join(x: TracedScalar, items: Any) -> Any:
    items = listed(items)
    if not is_list(items):
        refuse("SW262", call="str.join", what=raw(items))
    return join(x, items)


def _split(fn: str) -> Callable[..., Any]:
    def split(x: TracedScalar, sep: Any = None, maxsplit: Any = -1) -> Any:
        _check_numbers("split", maxsplit)
        if is_of_row(sep) and maxsplit == -1:
            return pieces_by(x, sep)
        if sep is not None:
            _check_text("split", sep)
            if sep == "":
                raise in_place(ValueError("empty separator"))
        return TracedPieces(fn, x.value, sep, maxsplit)

    return split


def _partition(fn: str) -> Callable[..., Any]:
    def partition(x: TracedScalar, sep: Any) -> tuple[Any, Any, Any]:
        if is_of_row(sep) and fn == "partition_part":
            return parts_by(x, sep)
        _check_text("partition", sep)
        if sep == "":
            raise in_place(ValueError("empty separator"))
        head, middle, tail = (make_text(call(fn, x.value, params=(sep, at))) for at in range(3))
        return head, middle, tail

    return partition


def _pad(fn: str) -> Callable[..., Any]:
    def pad(x: TracedScalar, width: Any, fill: Any = " ") -> Any:
        _check_text(fn, fill)
        if is_scalar(width) or width is None:
            return padded(fn, x, width, fill)
        _check_numbers(fn, width)
        return make_text(call(fn, x.value, params=(width, fill)))

    return pad


def _zfill(x: TracedScalar, width: Any) -> Any:
    if is_scalar(width) or width is None:
        return padded("zfill", x, width)
    _check_numbers("zfill", width)
    return make_text(call("zfill", x.value, params=(width,)))


def _translate(x: TracedScalar, table: Any) -> Any:
    params = translations(table, "str.translate")
    return make_text(call("translate", x.value, params=params)) if params else x


METHODS: dict[str, Callable[..., Any]] = {
    **{fn: _plain(fn) for fn in ("lower", "upper", "swapcase", "title", "capitalize", "casefold")},
    **{fn: _class(fn) for fn in ("isdigit", "isalpha", "isalnum", "isdecimal", "isnumeric", "isspace", "islower", "isupper")},
    **{fn: _strip(fn) for fn in ("strip", "lstrip", "rstrip")},
    **{fn: _search(fn) for fn in ("find", "rfind", "count")},
    **{fn: _pad(fn) for fn in ("center", "ljust", "rjust")},
    "istitle": _class("istitle"), "isascii": _class("is_ascii"), "zfill": _zfill, "replace": _replace,
    "translate": _translate,
    "removeprefix": _affix("remove_prefix"), "removesuffix": _affix("remove_suffix"),
    "startswith": _ends("starts_with"), "endswith": _ends("ends_with"), "index": _index("find"), "rindex": _index("rfind"),
    "join": _join, "split": _split("split_part"), "rsplit": _split("rsplit_part"), "partition": _partition("partition_part"),
    "rpartition": _partition("rpartition_part"), "encode": encode, "splitlines": lines,
}  # fmt: skip


def method(x: TracedScalar, name: str) -> Callable[..., Any]:
    """Returns ``x.name`` of a str; refuses unsupported methods (SW251)."""
    if name not in METHODS:
        refuse("SW251", call=f"str.{name}")
    function = METHODS[name]

    def called(*args: Any, **kwargs: Any) -> Any:
        check_form(function, given := (x, *map(data_of, args)), kwargs, f"str.{name}")
        return function(*given, **kwargs)

    return called
