"""Defines the kinds of a region's results, and the values in which it returns each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.types import DATE, F64, I32, I64, LISTS, STR, Type
from udf_compiler.frontends.python.json_kinds import text_of
from udf_compiler.frontends.python.json_values import TracedJson
from udf_compiler.frontends.python.listed import tag_of
from udf_compiler.frontends.python.lists import MIXED_ELEMENTS, NDARRAY, NUMPY_ELEMENTS, SET_ELEMENTS, is_list
from udf_compiler.frontends.python.maps import is_map
from udf_compiler.frontends.python.nested_lists import Lists, TracedLists
from udf_compiler.frontends.python.records import Records, TracedRecords
from udf_compiler.frontends.python.result_kinds import kind_of_result, value_as
from udf_compiler.frontends.python.undecided import Undecided
from udf_compiler.frontends.python.values import DECIMALS, TIME_KINDS, TYPES, VECTOR, is_scalar

#: `TracedScalar.numpy` of a list -> the prefix of its result kind.
PREFIXES = {
    "": "", NUMPY_ELEMENTS: "numpy ", MIXED_ELEMENTS: "mixed ", SET_ELEMENTS: "set ", NDARRAY: "ndarray ", VECTOR: "vector ",
}  # fmt: skip

#: The kinds of results in numbering order, and the types of the values in which a region returns each.
RESULTS: dict[str, tuple[Type, ...]] = {
    **dict.fromkeys(("None", "[]", "{}", "bool", "int"), (I64,)), "float": (F64,), "str": (STR,), "json": (STR,),
    "date": (I64,), **dict.fromkeys((*TIME_KINDS, *DECIMALS, "ns", "ns span"), (I64,)),
    "np.bool": (I64,), **{f"np.int{bits}": (I64,) for bits in (8, 16, 32, 64)}, "np.float32": (F64,), "np.float64": (F64,),
    **{f"{prefix}{kind}": (Type(kind),) for prefix in PREFIXES.values() for kind in LISTS},
    **{f"{keys} to {values}": (Type(keys), Type(values)) for keys in LISTS for values in LISTS},
}  # fmt: skip


#: Kinds with a single value, which need no result.
ALONE = ("None", "[]", "{}")


@dataclass(frozen=True, slots=True)
class Parts:
    """The kind of a tuple, or of a dict of the constant `keys`, by the kinds of its parts."""

    kinds: tuple[Kind, ...]
    keys: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Maps:
    """The kind of a dict with tuples as keys, by those of the lists of its keys and values."""

    keys: Records
    values: str

    @property
    def types(self) -> tuple[Type, ...]:
        """Returns the types of the lists."""
        return (*self.keys.types, Type(self.values))


Kind = str | Parts | Records | Lists | Maps


def types_of(kind: Kind) -> tuple[Type, ...]:
    """Returns the types of the values in which a region returns a result."""
    if isinstance(kind, Records | Lists | Maps):
        return kind.types
    return RESULTS[kind] if isinstance(kind, str) else tuple(type for part in kind.kinds for type in types_of(part))


def order_of(kind: Kind) -> tuple[int, str]:
    """Returns the key that sorts the kinds of results."""
    return (list(RESULTS).index(kind), "") if isinstance(kind, str) else (len(RESULTS), repr(kind))


def results_of(loop: LoopBuilder, x: Any, kinds: tuple[Kind, ...]) -> tuple[int, ...]:
    """Returns the values of one result: its number among the kinds, if there are several, and the words of each kind."""
    own = kind_of_whole(x)
    values = [loop.const(kinds.index(own), I64).id] if len(kinds) > 1 else []
    for kind in kinds:
        values += _words(loop, x, kind) if kind == own else [loop.const(type.zero, type).id for type in types_of(kind)]
    return tuple(values)


def _words(loop: LoopBuilder, x: Any, kind: Kind) -> list[int]:
    """Returns the values of a result of this kind."""
    if isinstance(kind, Parts):
        parts: Iterable[Any] = x if kind.keys is None else x.values()
        return [word for part, of in zip(parts, kind.kinds, strict=True) for word in _words(loop, part, of)]
    if isinstance(kind, Records | Lists):
        return [part.value.id for part in x.columns]
    if isinstance(kind, Maps):
        return [part.value.id for part in (*x.key_list.columns, x.value_list)]
    if is_map(x):
        return [x.key_list.value.id, x.value_list.value.id]
    if kind in ALONE:
        return [loop.const(type.zero, type).id for type in RESULTS[kind]]
    return [_word(loop, x, kind).id]


def _word(loop: LoopBuilder, x: Any, kind: str) -> Value:
    if kind == "json":
        return text_of(x) if type(x) is not Undecided else loop.select(x.valid.value, text_of(x.value), loop.const("null", STR))
    if kind in ("ns", "ns span"):
        return x.nanoseconds  # type: ignore[no-any-return]
    if kind == "date":
        return loop.cast(loop.cast(value_as(loop, x, DATE), I32), I64)
    if kind in TIME_KINDS:
        return loop.cast(value_as(loop, x, TYPES[kind]), I64)
    return value_as(loop, x, RESULTS[kind][0])


def is_json(x: Any) -> bool:
    """Whether `x` is a value of JSON, or a member that may be missing."""
    return type(x) is TracedJson or (type(x) is Undecided and type(x.value) is TracedJson)


def kind_of_whole(x: Any) -> Kind:
    """Returns the kind of a result: one of `RESULTS`, or that of its parts."""
    if type(x) is tuple or (type(x) is dict and x):
        parts, keys = (x, None) if isinstance(x, tuple) else (tuple(x.values()), tuple(x))
        return Parts(tuple(map(kind_of_whole, parts)), keys)
    if type(x) in (list, dict):
        return "[]" if type(x) is list else "{}"
    if type(x) in (TracedRecords, TracedLists):
        return x.kind  # type: ignore[no-any-return]
    if is_json(x):
        return "json"
    if tag_of(x):
        return tag_of(x)
    if is_map(x) and not is_list(x.key_list):
        return Maps(x.key_list.kind, x.value_list.kind)
    if is_map(x):
        return f"{x.key_list.kind} to {x.value_list.kind}"
    if is_list(x):
        return f"{PREFIXES[x.numpy]}{x.kind}"
    return f"np.{x.numpy}" if is_scalar(x) and x.numpy else kind_of_result(x)
