"""Implements Python's builtins of lists of the values of a group: `sorted`, `sum`, `min`, `max`, `any`, `all` and `set`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import reduce
from types import GeneratorType, NoneType
from typing import TYPE_CHECKING, Any

from udf_compiler.frontends.pandas.apply.comprehensions import Mapped, MappedList, Values, python_values
from udf_compiler.frontends.pandas.apply.row_iterator import Rows
from udf_compiler.frontends.pandas.apply.row_loops import LOOPS
from udf_compiler.frontends.pandas.array import TracedArray
from udf_compiler.frontends.pandas.calls.series_choices import KeptElements
from udf_compiler.frontends.pandas.calls.strings.choose import TracedTexts, texts_of
from udf_compiler.frontends.pandas.groups.made_lists import DictGet, GroupDict, GroupList, GroupRecords, GroupSet
from udf_compiler.frontends.pandas.groups.scalars import GroupScalar
from udf_compiler.frontends.pandas.groups.sequential import computed, computed_all, run_generator
from udf_compiler.frontends.pandas.groups.single_values import GroupElement
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.python.builtin_calls import STAND_INS
from udf_compiler.frontends.python.regions.machine import is_of_user
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import Traced

if TYPE_CHECKING:
    from udf_compiler.frontends.pandas.groups.frame_group import FrameGroup


class Distinct(Traced):
    """The set of a list's elements, of which only the number and the order of `sorted` are known."""

    __slots__ = ("elements", "group", "shared")
    what = "set of the values of a group"
    stands_for = set
    __class__ = set  # type: ignore[assignment]

    def __init__(self, group: FrameGroup, of: Any) -> None:
        self.elements, self.group, self.shared = of, group, True

    @property
    def length(self) -> GroupScalar:
        """Returns the number of elements."""
        elements = python_values(self.elements) if type(self.elements) is TracedArray else self.elements
        return computed(self.group, lambda x: (_len(_sorted(set(x))),), elements)  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        refuse("SW312", call=f"set.{name}", what="a method of a set of the values of a group")


_LISTS = (Values, MappedList, Mapped, GroupList, GroupRecords, GroupDict, GroupSet, Distinct)

# The functions below are interpreted, as those of users are, which call stand-ins.
_sorted, _len, _sum, _min, _max, _any, _all = (STAND_INS[f] for f in (sorted, len, sum, min, max, any, all))

#: Builtin -> its call with one list.
_CALLS: dict[str, Callable[[Any], tuple[Any]]] = {
    "sorted": lambda x: (_sorted(x),), "sum": lambda x: (_sum(x),), "min": lambda x: (_min(x),), "max": lambda x: (_max(x),),
    "any": lambda x: (_any(x),), "all": lambda x: (_all(x),),
}  # fmt: skip


#: What the function does with a dict and a key.
_OF_DICTS: dict[str, Callable[..., tuple[Any]]] = {
    "item": lambda x, key: (x[key],), "contains": lambda x, key: (key in x,),
    "get": lambda x, key, default: (x.get(key, default),),
}  # fmt: skip

#: Builtin -> its call with a list and a function that returns the key of an element.
_BY_KEY: dict[str, Callable[[Any], Callable[[Any], tuple[Any]]]] = {
    "sorted": lambda f: lambda x: (_sorted(x, key=f),), "min": lambda f: lambda x: (_min(x, key=f),),
    "max": lambda f: lambda x: (_max(x, key=f),),
}  # fmt: skip


def _down_by_key(f: Any) -> Callable[[Any], tuple[Any]]:
    return lambda x: (_sorted(x, key=f, reverse=True),)


def _counted(x: Any) -> tuple[list[Any], list[int]]:
    counts = Counter(x)
    return list(counts.keys()), list(counts.values())


def _most_common(n: int | None) -> Callable[[Any], tuple[Any]]:
    return lambda x: (Counter(x).most_common(n),)


def plain_dict(args: tuple[Any, ...]) -> bool:
    """Whether the arguments are a dict and constants or values of the group."""
    return type(args[0]) is GroupDict and all(type(x) in (GroupScalar, GroupElement, str, int, float, NoneType) for x in args[1:])


def takes(args: tuple[Any, ...]) -> bool:
    """Whether some argument is a list of a group or a generator expression over its rows, or the only one is a column."""
    if len(args) == 1 and (type(args[0]) is TracedSeries or (type(args[0]) is TracedArray and args[0].ndim == 1)):
        return True
    return any(type(x) in (*_LISTS, TracedTexts, KeptElements) or _is_generator(x) for x in args)


def _is_generator(x: Any) -> bool:
    loops = LOOPS.get()
    frame = x.gi_frame if type(x) is GeneratorType and loops is not None and loops.sequential else None
    return frame is not None and type(frame.f_locals.get(".0")) is Rows


def call(group: FrameGroup, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Returns the result of a builtin; refuses (SW312) other forms than those with one list, and `reverse=`."""
    args = tuple(_listed(group, x) for x in args)
    plain = len(args) == 1 and not kwargs
    if name == "list" and plain and type(args[0]) in (GroupDict, GroupList, GroupRecords):
        return args[0].copied()
    if name == "list" and plain and type(args[0]) is Values:
        return args[0]
    if name == "set" and plain:
        return Distinct(group, args[0])
    if name in _OF_DICTS and plain_dict(args):
        return computed(group, _OF_DICTS[name], *args)
    if name == "Counter" and plain:
        keys, values = computed_all(group, _counted, args[0])
        return GroupDict(keys.value, values.value, counts=True)
    if name == "most_common" and args[1] == 1:  # a group without values runs in Python
        return [computed(group, lambda x: (Counter(x).most_common(1)[0],), args[0])]
    if name == "most_common":
        return computed(group, _most_common(args[1]), args[0])
    key = kwargs.get("key")
    if name in ("min", "max") and len(args) == 1 and type(key) is DictGet and key.owner is args[0] and len(kwargs) == 1:
        return computed(group, (lambda x: (_max(x, key=x.get),)) if name == "max" else (lambda x: (_min(x, key=x.get),)), args[0])
    if name in _BY_KEY and len(args) == 1 and is_of_user(key) and kwargs.keys() <= {"key", "reverse"}:
        by_key = _BY_KEY[name] if name != "sorted" or not kwargs.get("reverse") else _down_by_key
        return computed(group, by_key(key), args[0])
    if name == "sorted" and len(args) == 1 and kwargs in ({"reverse": True}, {"reverse": False}):
        function: Callable[[Any], Any] = (lambda x: (_sorted(x, reverse=True),)) if kwargs["reverse"] else _CALLS[name]
    elif name in _CALLS and plain:
        function = _CALLS[name]
    else:
        refuse("SW312", call=f"{name}()", what="this form, of a list of a group")
    if type(args[0]) is not Distinct:
        return computed(group, function, args[0])
    if name != "sorted":
        refuse("SW312", call=f"{name}()", what="of a set")
    ordered = computed(group, lambda x: (_sorted(set(x)),), args[0].elements)
    return computed(group, function, ordered) if kwargs else ordered


def is_column(x: Any) -> bool:
    """Whether `x` is a column, whose values a call takes as it takes a list."""
    return type(x) in (TracedSeries, TracedArray, TracedTexts, KeptElements)


def has_strings(x: Any) -> bool:
    """Whether `x` is a list or tuple with a string of the group among strings."""
    if type(x) not in (list, tuple):
        return False
    elements = [part for part in x if type(part) is GroupElement]
    return bool(elements) and all(type(part) in (GroupElement, str) for part in x)


def joined(group: FrameGroup, text: str, items: Any) -> Any:
    """Returns ``text.join(items)``."""
    if has_strings(items):
        return reduce(lambda made, part: made + text + part, items)
    if is_column(items):
        items = Values(items.alone() if type(items) is KeptElements else texts_of(items))
    items = _listed(group, items)
    if type(items) in (Distinct, GroupSet):
        refuse("SW312", call="str.join", what="of a set, whose order only Python knows")
    return computed(group, lambda x: (text.join(x),), items)


def _listed(group: FrameGroup, x: Any) -> Any:
    """Returns a generator, the results of a map or a column as a list; an array, whose elements are NumPy's, unchanged."""
    if is_column(x) and type(x) is not TracedArray:
        return Values(x.alone() if type(x) is KeptElements else texts_of(x))
    if type(x) in (Mapped, MappedList):
        return (MappedList(x) if type(x) is Mapped else x).values
    return run_generator(group, x) if _is_generator(x) else x
