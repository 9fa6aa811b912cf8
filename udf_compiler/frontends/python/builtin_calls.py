"""Implements Python's builtins that read their argument's value for symbolic scalars: int, float, bool, range, min, max, ...

Any other argument is passed to the builtin itself. The classes are stand-ins. Calls convert, instance checks see the class that a
scalar represents, and NumPy and pandas take them as the dtype that they name.
"""

from __future__ import annotations

import builtins
import functools
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType, MethodDescriptorType, UnionType
from typing import Any

import numpy as np

from sparkweld.ir.types import I64
from udf_compiler.frontends.python import byte_strings, json_values, lists, maps, nested_lists, records, row_lists, strings, sums
from udf_compiler.frontends.python.decimal_quotients import Quotient, converted
from udf_compiler.frontends.python.decimal_texts import DecimalFloat, DecimalText
from udf_compiler.frontends.python.error_messages import is_unknown_text, unknown_text
from udf_compiler.frontends.python.hex_numbers import int_from_bytes, int_in_base
from udf_compiler.frontends.python.ip_calls import number_of
from udf_compiler.frontends.python.list_texts import text_of_list
from udf_compiler.frontends.python.listed import is_listed, of_lists
from udf_compiler.frontends.python.number_digits import to_binary, to_hexadecimal
from udf_compiler.frontends.python.operands import (
    as_float,
    as_int,
    is_number,
    kind_of,
    make_bool,
    make_int,
    make_text,
    raise_type_error,
    span_of,
)
from udf_compiler.frontends.python.path_explorer import explorer, is_exploring
from udf_compiler.frontends.python.values import TracedScalar, binary, is_scalar, scalar_kind
from udf_compiler.frontends.tracing.class_stand_ins import ClassStandIn, class_stand_in
from udf_compiler.frontends.tracing.dispatch import Dispatch
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import current, refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.stand_ins import in_place
from udf_compiler.frontends.tracing.values import Traced

#: The most rounds of a loop over a range of the row's length; more are refused (SW296).
_RANGE_LIMIT = 256


class _ClassMeta(ClassStandIn):
    """A builtin class as compiled functions see it. `convert`: its call with a value for which `takes` holds.

    `form`: its call with such a value and further arguments, if any. `calls`: its class methods with such a value.
    """

    convert: Any
    takes: Any
    form: Any = None
    calls: Mapping[str, Callable[..., Any]] = MappingProxyType({})
    read_in_c = frozenset({"dtype"})

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if any(map(cls.takes, args)) or any(map(cls.takes, kwargs.values())):
            if (len(args) != 1 or kwargs) and cls.form is not None:
                check_form(cls.form, args, kwargs, f"{cls.__name__}()")
                return cls.form(*args, **kwargs)
            if len(args) != 1 or kwargs:
                refuse("SW262", call=f"{cls.__name__}()", what="this form")
            return cls.convert(args[0])
        if cls is STR and len(args) == 1 and not kwargs and is_exploring() and is_unknown_text(args[0]):
            return unknown_text()
        if len(args) == 1 and hasattr(type(args[0]), "converted"):  # a reduction of an aggregate function
            return args[0].converted(cls.stands_for)
        return as_python(cls.stands_for, *args, **kwargs)

    def __getattr__(cls, name: str) -> Any:
        real = getattr(cls.stands_for, name)
        return unbound_method(real) if name not in cls.calls else _of_row(cls.takes, cls.calls[name], real)

    def __repr__(cls) -> str:
        return repr(cls.stands_for)


def _of_row(takes: Callable[[Any], bool], call: Callable[..., Any], real: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a class method: `call` for values of the row, else Python's own."""

    def called(*args: Any, **kwargs: Any) -> Any:
        if not any(map(takes, (*args, *kwargs.values()))):
            return as_python(real, *args, **kwargs)
        check_form(call, args, kwargs, real.__name__)
        return call(*args, **kwargs)

    return called


def _bool(x: Any) -> Any:
    if not is_scalar(x):
        return bool(x)
    truth = scalar_kind(x).truth(x)
    return truth if type(truth) is bool else make_bool(truth)


#: Objects of the row whose `count` is their length.
_COUNTED = (
    maps.TracedMap, row_lists.TracedRows, row_lists.TracedPairs, byte_strings.TracedBytes, json_values.TracedMembers,
    json_values.TracedTexts, records.TracedRecords, nested_lists.TracedLists,
)  # fmt: skip


def _len(x: Any) -> Any:
    if type(x) is json_values.TracedJson:
        return json_values.joined_value(json_values.length, x)
    if lists.is_lazy(x) or type(x) in _COUNTED or is_listed(x):
        return x.count
    length = scalar_kind(x).length if is_scalar(x) else None
    return as_python(len, x) if length is None else length(x)


def _ord(x: Any) -> Any:
    if not (is_scalar(x) and x.kind == "str"):
        return as_python(ord, x)
    run = explorer()
    several = run.loop.call("not_equal", strings.call("length", x.value), run.loop.const(1, I64))
    run.raise_if(several, lambda: TypeError("ord() expected a character, but found a string of another length"))
    return make_int(strings.call("code_point", x.value), (0, sys.maxunicode))


def _chr(x: Any) -> Any:
    """Implements ``chr(x)``; guards surrogates, which no column of Spark holds."""
    if not (is_scalar(x) and x.kind in ("int", "bool")):
        return as_python(chr, x)
    run, loop, value = explorer(), explorer().loop, as_int(x)

    def beyond(low: int, high: int) -> Any:
        below, above = loop.call("less", value, loop.const(low, I64)), loop.call("greater", value, loop.const(high, I64))
        return loop.call("logical_or", below, above)

    run.raise_if(beyond(0, sys.maxunicode), lambda: ValueError("chr() arg not in range(0x110000)"))
    run.guard(beyond(0xD800, 0xDFFF))
    return make_text(strings.call("from_code_point", value))


def _repr(x: Any) -> Any:
    """Returns ``repr(x)``: of a number or a list its string; that of any other value of the row is known to Python alone."""
    x = lists.as_list(x)
    if lists.is_list(x) and not x.numpy:
        return text_of_list(x)
    if not is_scalar(x) or x.is_list:
        return as_python(repr, x)
    if x.numpy or x.kind not in ("bool", "int", "float"):
        return unknown_text("makes the repr() of a value")
    return strings.to_str(x)


def _sum(*args: Any, **kwargs: Any) -> Any:
    if args and lists.is_list(args[0]):
        check_form(lists.sum_, args, kwargs, "sum()")
        return lists.sum_(*args, **kwargs)
    known = len(args) in (1, 2) and len(args) + len(kwargs) <= 2 and kwargs.keys() <= {"start"}
    return sums.sum_of(*args, **kwargs) if known else as_python(sum, *args, **kwargs)


def _test(real: Callable[[Any], bool]) -> Callable[[Any], Any]:
    def test(x: Any) -> Any:
        x = lists.as_list(x)
        return lists.test(real.__name__, x) if lists.is_list(x) else as_python(real, x)

    return test


def _sorted(*args: Any, **kwargs: Any) -> Any:
    items: Any = lists.as_list(args[0]) if args else None
    if not lists.is_list(items):
        return as_python(sorted, *args, **kwargs)
    check_form(lists.sorted_, (items, *args[1:]), kwargs, "sorted()")
    return lists.sorted_(items, *args[1:], **kwargs)


def builtin_class(
    real: type, convert: Callable[[Any], Any], takes: Callable[[Any], bool] = is_scalar, form: Any = None, **calls: Any
) -> Any:
    """Returns the stand-in of a builtin class, whose call with a value for which `takes` holds is `convert`."""
    # NumPy reads the attribute `dtype` of an unknown class
    members = {"convert": staticmethod(convert), "takes": staticmethod(takes), "dtype": np.dtype(real), "calls": calls}
    if form is not None:
        members["form"] = staticmethod(form)
    return class_stand_in(real, real.__name__, kind=_ClassMeta, **members)


def _is_value(x: Any) -> bool:
    """Whether `x` is a scalar, bytes, a datetime, an address or a value of JSON of the row."""
    return byte_strings.is_value(x) or type(x) in (json_values.TracedJson, Quotient, DecimalText, DecimalFloat, *strings.OBJECTS)


def _number(call: str, name: str) -> Callable[[Any], Any]:
    """Returns int or float by the operation of a kind of scalars."""

    def settled(x: Any) -> Any:
        if isinstance(x, DecimalText):
            return x.to_float() if name == "to_float" else refuse("SW251", call=f"{call} of a {x.what}")
        x = json_values.settled(number_of(x) if name == "to_int" else x)
        if not is_scalar(x) and type(x) is not Quotient:
            raise in_place(TypeError(f"{call} argument must be a string or a number"))
        return converted(x, name) if type(x) is Quotient else getattr(scalar_kind(x), name)(x)

    return lambda x: json_values.joined_value(settled, x) if type(x) is json_values.TracedJson else settled(x)


def _str(x: Any, encoding: Any = None, errors: Any = "strict") -> Any:
    """Implements ``str(x)``, and ``str(x, encoding)`` of bytes."""
    if type(x) is byte_strings.TracedBytes:
        return byte_strings.decode(x, encoding, errors) if encoding is not None else refuse("SW259", call="str() of bytes")
    if type(x) is json_values.TracedJson and encoding is None:
        return json_values.joined_value(json_values.text, x)
    x = lists.as_list(x)
    if lists.is_list(x) and not x.numpy and encoding is None:
        return text_of_list(x)
    return strings.to_str(x) if encoding is None else refuse("SW262", call="str()", what="this form")


INT = builtin_class(int, _number("int()", "to_int"), _is_value, int_in_base, from_bytes=int_from_bytes)
FLOAT = builtin_class(float, _number("float()", "to_float"), _is_value)
BOOL = builtin_class(bool, _bool, _is_value)
_WITHOUT_TEXT = (Quotient, DecimalText, DecimalFloat)
STR = builtin_class(str, _str, lambda x: (_is_value(x) and type(x) not in _WITHOUT_TEXT) or lists.is_lazy(x), _str)
BYTES = builtin_class(bytes, byte_strings.new_bytes, byte_strings.is_value, byte_strings.new_bytes)
_CLASSES = {int: INT, float: FLOAT, bool: BOOL, str: STR, bytes: BYTES}


def unbound_method(real: Any) -> Any:
    """Returns the stand-in of a method that is read from its class, as in ``map(str.strip, xs)``; anything else unchanged."""
    return _unbound(real) if type(real) is MethodDescriptorType and real.__objclass__ in _CLASSES else real


@functools.cache
def _unbound(real: Any) -> Callable[..., Any]:
    def method(x: Any, *args: Any, **kwargs: Any) -> Any:
        if not is_scalar(x):
            return as_python(real, x, *args, **kwargs)
        if not issubclass(x.__class__, real.__objclass__):
            raise_type_error(f"descriptor {real.__name__!r} for {real.__objclass__.__name__!r} objects doesn't apply")
        return getattr(x, real.__name__)(*args, **kwargs)

    method.__name__ = real.__name__
    return method


def is_builtin(function: Any, real: Callable[..., Any]) -> bool:
    """Whether a function of user code is the builtin `real` or its stand-in."""
    return function is real or function is _stand_in(current().dispatch, real)


@functools.cache
def _stand_in(dispatch: Dispatch, real: Callable[..., Any]) -> object | None:
    return dispatch.stand_in(real)


def real_class(x: Any) -> Any:
    """Returns the builtin class that a stand-in represents; anything else unchanged."""
    return x.stands_for if type(x) is _ClassMeta else x


def real_arguments(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Returns the arguments with builtin classes instead of their stand-ins, for libraries."""
    return tuple(map(real_class, args)), {name: real_class(x) for name, x in kwargs.items()}


def _extreme(name: str, comparison: str) -> Callable[..., Any]:
    """Returns min or max: a Select for numbers of one kind, else Python's own comparisons, each one a decision."""
    real = getattr(builtins, name)

    def extreme(*args: Any, **kwargs: Any) -> Any:
        if len(args) == 1:
            args = (lists.as_list(args[0]),)
        if len(args) == 1 and lists.is_list(args[0]):
            if kwargs.get("key") is not None:
                refuse("SW223")
            return lists.extreme(name, args[0], {k: x for k, x in kwargs.items() if k != "key"})
        values = as_python(tuple, args[0]) if len(args) == 1 else args
        if not values and "default" in kwargs:
            return kwargs["default"]
        plain = "key" not in kwargs and any(map(is_scalar, values)) and all(map(is_number, values))
        if not plain or len({_class_of(v) for v in values}) > 1 or kind_of(values[0]) == "bool":
            return as_python(real, values, **kwargs)
        return functools.reduce(lambda a, b: _either(comparison, b, a), values)

    return extreme


def _class_of(x: Any) -> Any:
    return (kind_of(x), x.numpy if is_scalar(x) else "")


def _either(comparison: str, candidate: Any, best: Any) -> Any:
    """Returns `candidate` where ``candidate comparison best``, else `best`."""
    if not (is_scalar(candidate) or is_scalar(best)):
        return candidate if (candidate < best if comparison == "lt" else candidate > best) else best
    loop = explorer().loop
    better = binary(comparison, candidate, best)
    if type(better) is bool:
        return candidate if better else best
    numpy = candidate.numpy if is_scalar(candidate) else ""
    if kind_of(candidate) == "float":
        return TracedScalar("float", loop.select(better.value, as_float(candidate), as_float(best)), numpy=numpy)
    (a, b), (c, d) = span_of(candidate), span_of(best)
    span = (min(a, c), min(b, d)) if comparison == "lt" else (max(a, c), max(b, d))
    return TracedScalar("int", loop.select(better.value, as_int(candidate), as_int(best)), span, numpy)


def _range(*args: Any) -> Any:
    if not any(map(is_scalar, args)):
        return as_python(range, *args)
    if any(kind_of(a) == "float" if is_number(a) else True for a in args) or not 1 <= len(args) <= 3:
        refuse("SW262", call="range()", what="an argument that is not an int")
    return TracedRange(*range_bounds(args))


def range_bounds(args: Sequence[Any]) -> tuple[Any, Any, int]:
    """Returns start, stop and step of range(*args). Refuses (SW262) a step that is 0 or not constant."""
    start, stop, step = (0, args[0], 1) if len(args) == 1 else (*args, 1)[:3]
    if is_scalar(step) or step == 0:
        refuse("SW262", call="range()", what="a step that is not constant")
    return start, stop, step


class TracedRange(Traced):
    """A range with a bound of the row. Each loop over it begins at its start, because a range is not an iterator."""

    __slots__ = ("start", "step", "stop")
    what = "range of the row"
    stands_for = range
    visible = frozenset({"start", "step", "stop"})

    start: Any
    stop: Any
    step: int

    def __init__(self, start: Any, stop: Any, step: int) -> None:
        self.start, self.stop, self.step = start, stop, step

    __class__ = range  # type: ignore[assignment]

    def __iter__(self) -> Iterator[Any]:
        return _counted(self.start, self.stop, self.step)

    def __contains__(self, part: Any) -> bool:
        return any(at == part for at in self)


def _counted(start: Any, stop: Any, step: int) -> Iterator[Any]:
    """Yields the numbers of a range; each round decides whether the loop continues."""
    at = start
    run = explorer()
    for number in range(_RANGE_LIMIT):
        before = run.forked
        if not (at < stop if step > 0 else at > stop):
            return
        run.check_round(number, before)
        yield at
        at = at + step
    refuse("SW296", limit=_RANGE_LIMIT)


def _check_of(real: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Returns isinstance or issubclass, restricted to classes.

    Refuses (SW262) other kinds such as ``typing.Iterable``: their check would look for methods and find those of the stand-in.
    """

    def check(x: Any, kinds: Any) -> bool:
        if any(not isinstance(kind, type) for kind in _flat(kinds)):
            refuse("SW262", call=f"{real.__name__}()", what="a value that is not a class")
        if type(x) is json_values.TracedJson and real is isinstance:
            return json_values.is_instance(x, tuple(real_class(kind) for kind in _flat(kinds)))
        return as_python(real, x, kinds)  # type: ignore[no-any-return]

    return check


def _flat(kinds: Any) -> Iterator[Any]:
    for kind in kinds if type(kinds) is tuple else getattr(kinds, "__args__", (kinds,)) if type(kinds) is UnionType else (kinds,):
        yield from _flat(kind) if type(kind) in (tuple, UnionType) else (kind,)


#: Builtins -> their stand-ins in compiled functions.
STAND_INS: dict[Any, Any] = {**_CLASSES, min: of_lists("min", _extreme("min", "lt")), max: of_lists("max", _extreme("max", "gt")),
                              range: _range, len: _len, sum: of_lists("sum", _sum), ord: _ord, chr: _chr,
                              hex: to_hexadecimal, bin: to_binary,
                              any: of_lists("any", _test(any)), all: of_lists("all", _test(all)), repr: _repr,
                              sorted: of_lists("sorted", _sorted), isinstance: _check_of(isinstance),
                              issubclass: _check_of(issubclass)}  # fmt: skip
