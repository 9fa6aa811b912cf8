"""Models dicts that a function makes: with constant keys, or as a log of assignments where keys are values of the row.

A dict whose keys are constants is a Python dict whose values may be values of the row. The first key of the row turns it into a
log: one list of keys and one of values, to which each assignment appends. The last value of a key counts, and the first position.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import ListAppend
from sparkweld.ir.types import BOOL, I64
from udf_compiler.frontends.python import key_lists, lists
from udf_compiler.frontends.python.json_kinds import freeze
from udf_compiler.frontends.python.json_results import collected_parts
from udf_compiler.frontends.python.json_values import TracedJson, settled
from udf_compiler.frontends.python.key_lists import is_key_kind, is_of_row, is_tuple_of_row, place
from udf_compiler.frontends.python.listed import tag_of
from udf_compiler.frontends.python.maps import TracedItems, TracedMap, last_of_each, no_key
from udf_compiler.frontends.python.nested_lists import TracedLists
from udf_compiler.frontends.python.new_lists import element_value, kind_of, list_of
from udf_compiler.frontends.python.operands import make_bool, make_int
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.python.record_dicts import TracedRecord
from udf_compiler.frontends.python.records import TracedRecords, kind_of_records, records_of
from udf_compiler.frontends.python.regions.groups import Bucket, GroupKind, Groups, check_key, key_kind
from udf_compiler.frontends.python.regions.growing import current
from udf_compiler.frontends.python.regions.tables import Display, lookup
from udf_compiler.frontends.python.values import TracedScalar
from udf_compiler.frontends.tracing.constants import unwrapped
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.large_dicts import is_dict
from udf_compiler.frontends.tracing.session import current as session
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.values import raw

#: The most assignments of a log: each lookup may read all of them, so a row with more is left to Python.
_MOST = 1024

_CONSTANTS = (bool, int, float, str, type(None), Display)


@dataclass(slots=True, eq=False)
class Mapping:
    """A dict that a function makes; several names may refer to it.

    `log`: the lists of keys and values, or a dict of lists, in place of `known`. `missing`: makes the value of a missing key, as
    in a defaultdict. `counts`: a missing key has the value 0 but is not stored, as in a Counter. `frozen`: a constant of another
    dict. `iterated`: a loop may go over it, in which Python refuses new keys. `void`: all values of the log are None. `lent`: an
    argument that belongs to the caller, so nothing may change or keep it. `shared`: a list in it has another name.
    """

    known: dict[Any, Any] = field(default_factory=dict)
    log: tuple[Any, TracedScalar] | Groups | None = None
    missing: Callable[[], Any] | None = None
    counts: bool = False
    frozen: bool = False
    iterated: bool = False
    void: bool = False
    lent: bool = False
    shared: bool = False

    def __bool__(self) -> bool:
        return bool(self.known) if self.log is None else explorer().decide(key_lists.truth(self.key_log))

    def __eq__(self, other: object) -> bool:
        refuse("SW282", what="a dict that it compares")

    __hash__ = object.__hash__

    @property
    def key_log(self) -> Any:
        """Returns the keys of a log (`key_lists`), some of which may come repeatedly."""
        assert self.log is not None
        return self.log.keys if type(self.log) is Groups else self.log[0]

    @property
    def kinds(self) -> tuple[Any, str] | GroupKind | None:
        """Returns the kinds of the lists of keys and of values; None where kernels support no such lists."""
        if type(self.log) is Groups:
            return self.log.kind
        if self.log is not None:
            return self.log[0].kind, self.log[1].kind
        return _kinds(self.known.keys(), self.known.values())

    def check_change(self) -> None:
        """Refuses (SW282) a change of the caller's dict, of one that another object holds, or of one with keys alone."""
        if self.lent:
            refuse("SW282", what="a dict of the calling function, which it changes,")
        if self.frozen or self.void:
            refuse("SW282", what="a dict within another one, or of keys alone, which it changes,")

    def set(self, key: Any, value: Any) -> None:
        """Assigns a value to a key; refuses (SW244) keys and values of other kinds than the first."""
        self.check_change()
        if type(self.log) is Groups or self.missing is list:
            refuse("SW244", what=raw(value), kind="dict of lists")
        if self.iterated and (self.log is not None or is_of_row(key) or key not in self.known):
            refuse("SW282", what="a dict that it changes while it iterates over it")
        key, of_json = settled(key), type(value) is TracedJson and self.log is None and type(key) is str
        if of_json:
            freeze(value)
        else:
            value = settled(value)
        if key is None and session().of_columns:  # groups with a NULL among the keys run in Python
            explorer().guard(explorer().loop.const(False, BOOL))
            return
        empty = type(value) is list and not value and self.log is None and not is_of_row(key)
        held = tag_of(value) and self.log is None and not is_of_row(key)
        if not (empty or held or of_json) and type(value) not in (TracedScalar, TracedLists, TracedRecords, *_CONSTANTS):
            refuse("SW280", what="a dict of lists, or of dicts with values of the row,")
        if self.log is None and not is_of_row(key):
            as_python(hash, key)
            self.known[key] = value
            return
        kinds = _kinds([key], [value])
        if kinds is None or not is_key_kind(kinds[0]):
            refuse("SW244", what=raw(key if kinds is None else value), kind="dict")
        self.turn(kinds)
        assert self.log is not None
        loop = explorer().loop
        size = lists.call("length", self.log[1])
        explorer().guard(loop.call("less", size, loop.const(_MOST, I64)))
        keys = self.log[0]
        self.log = _appended(keys, key) if lists.is_list(keys) else keys.appended(key), _appended(self.log[1], value)

    def check_owned(self) -> None:
        """Refuses (SW282) to return or store a dict of the caller's: the caller may change it later."""
        if self.lent:
            refuse("SW282", what="a dict of the calling function, which it returns or stores,")

    def turn(self, kinds: tuple[Any, str]) -> None:
        """Turns it into a log; refuses (SW244) other kinds than its own."""
        own = kinds if self.log is None and not self.known else self.kinds
        if own != kinds:
            refuse("SW244", what="a key or value of another class", kind="dict")
        if self.log is None:
            loop = explorer().loop
            made_ = self.logged(loop, kinds, lambda x: element_value(loop, x))
            self.known, self.log = {}, made_.log

    def logged(self, loop: LoopBuilder, kinds: tuple[Any, str], element: Callable[[Any], Value]) -> Mapping:
        """Returns the dict as a log in a loop; `element` returns a key or value there."""
        values = list_of(loop, (kinds[1], ""), [element(x) for x in self.known.values()])
        if isinstance(kinds[0], str):
            return replace(self, known={}, log=(list_of(loop, (kinds[0], ""), [element(x) for x in self.known]), values))
        return replace(self, known={}, log=(records_of(loop, kinds[0], list(self.known), element), values))

    def _turn_for(self, key: Any) -> None:
        """Turns a dict of tuples into a log before a tuple with values of the row is looked up in it."""
        kinds = self.kinds if self.log is None and self.known and is_tuple_of_row(key) else None
        if type(kinds) is tuple and not isinstance(kinds[0], str) and is_key_kind(kinds[0]):
            self.turn(kinds)

    def get(self, key: Any, missing: Callable[[], Any]) -> Any:
        """Returns the value of a key, or the result of `missing` on the path of rows without it."""
        self._turn_for(key)
        if self.log is None and not self.known and is_tuple_of_row(key):
            return missing()
        if self.log is None:
            explorer().keys = tuple(self.known)
            plain = all(type(x) in _CONSTANTS for x in self.known.values())
            found = lookup(self.known, key, missing) if plain else None
            if found is None:
                found = (self.known[key],) if as_python(dict.__contains__, self.known, key) else (missing(),)
            return found[0]
        at = self._place(key)
        if not explorer().decide(_is_place(at)):
            return missing()
        if type(self.log) is Groups:
            check_key(self.log.keys.kind, key)
            return Bucket(self, key)
        return None if self.void else lists.element(self.log[1], make_int(at, (0, lists.LONGEST)))

    def item(self, key: Any) -> Any:
        """Returns ``x[key]``, with the default of a defaultdict or a Counter."""
        if self.counts:
            return self.get(key, lambda: 0)
        if self.missing is list:
            return self.bucket(key)
        if self.missing is None:
            return self.get(key, no_key)
        return self.get(key, lambda: self._default(key))

    def bucket(self, key: Any) -> Bucket:
        """Returns the list of a key in a dict of lists. Rows without the key add it with an empty list."""
        self.as_groups(key)
        self.get(key, lambda: self.add_key(key))
        return Bucket(self, key)

    def as_groups(self, key: Any) -> Groups:
        """Makes an empty dict one of lists, with keys of the class of `key`."""
        if self.log is None and not self.known:
            self.log = Groups.empty(explorer().loop, GroupKind(key_kind(key), None))
        if type(self.log) is not Groups:
            refuse("SW280", what="a dict of lists and of other values,")
        check_key(self.log.keys.kind, key)
        return self.log

    def add_key(self, key: Any) -> None:
        """Adds the key of an empty list. Rows that add one in a loop over the dict, or to a dict of the caller, run in Python."""
        assert type(self.log) is Groups
        if self.iterated or self.frozen or self.lent:
            explorer().guard(explorer().loop.const(False, BOOL))
            return
        self.log = self.log.with_key(key)

    def _default(self, key: Any) -> Any:
        assert self.missing is not None
        made = as_python(self.missing)
        self.set(key, made)
        return made

    def contains(self, key: Any) -> Any:
        """Returns ``key in x``."""
        self._turn_for(key)
        if self.log is None and not self.known and is_tuple_of_row(key):
            return False
        if self.log is None:
            explorer().keys = tuple(self.known)
            return as_python(dict.__contains__, self.known, key)
        return make_bool(_is_place(self._place(key)))

    def _place(self, key: Any) -> Value:
        return place("find_last", self.key_log, key, "[...] of a dict")

    @property
    def distinct(self) -> Any:
        """Returns the keys of a log, each once."""
        return key_lists.each_once(self.key_log)

    @property
    def settled(self) -> Any:
        """Returns its current contents: a dict of the row, or a dict of known keys. Refuses (SW293) one of keys alone."""
        if self.void:
            refuse("SW293", type="a dict of keys alone")
        if type(self.log) is Groups:
            return self.log.as_map()
        return dict(self.known) if self.log is None else last_of_each(*self.log)

    def as_map(self, loop: LoopBuilder, element: Callable[[Any], Value]) -> TracedMap | None:
        """Returns known contents as a dict of the row; None where kernels have no lists of its keys or values."""
        kinds = _kinds(self.known.keys(), self.known.values())
        if kinds is None or not is_key_kind(kinds[0]):
            return None
        made_ = self.logged(loop, kinds, element)
        assert type(made_.log) is tuple
        return TracedMap(*made_.log)

    def copied(self) -> Mapping:
        """Returns a copy. Nothing may change a dict of lists and its copy, which have the same lists."""
        made_ = replace(self, known=dict(self.known), frozen=False, iterated=False, lent=False)
        if type(self.log) is Groups:
            made_.frozen = self.frozen = True
        return made_

    def iterate(self) -> Any:
        """Returns its keys, for a loop."""
        return _METHODS["keys"](self)

    def method(self, name: str) -> Callable[..., Any]:
        """Returns a method; refuses (SW251) an unsupported one."""
        if name not in _METHODS:
            refuse("SW251", call=f"dict.{name}")
        return lambda *args: as_python(_METHODS[name], self, *args)


def made(items: list[Any]) -> Mapping:
    """Returns the dict display of alternating keys and values."""
    found = Mapping()
    for key, value in zip(items[::2], items[1::2], strict=True):
        found.set(key, value)
    return found


def recorded(x: Any, outer: dict[int, Any] | None, of_json: bool = False) -> Any:
    """Returns a dict of constant keys as an element of a list; anything else unchanged. Nothing may change the dict any more.

    `outer`: the objects that outlive the call, which nothing changes. `of_json`: the values of JSON in it, or in a tuple, become
    numbers and strings, or None.
    """
    if type(x) is tuple:
        return tuple(collected_parts(None, x)) if of_json else x
    known = unwrapped(x)
    if type(x) is Mapping and x.log is None:
        x.check_owned()
        known = x.known
    elif not is_dict(known) or id(x) not in (outer or ()):
        return x
    if not known or not all(type(key) is str for key in known):
        return x
    if type(x) is Mapping:
        x.frozen = True
    return TracedRecord(tuple(known), collected_parts([*known], [*known.values()]) if of_json else [*known.values()])


def constant(x: Any, kept: bool = True) -> Any:
    """Returns a dict of constants as a part of another value, or as an argument; anything else unchanged.

    Nothing may change it any more if it is `kept` there.
    """
    if type(x) is not Mapping or x.log is not None or not all(type(v) in _CONSTANTS for v in x.known.values()):
        return x
    x.frozen |= kept
    return Display(x.known)


def read(x: Any) -> Any:
    """Returns the current contents of a dict that the function makes; anything else unchanged."""
    return x.settled if type(x) is Mapping else x


def contents(x: Any) -> Any:
    """Returns an object in which the lists and dicts that the function makes are their current contents."""
    x = current(x)
    if type(x) is Mapping:
        x = x.settled
    if type(x) is dict:
        return {key: contents(value) for key, value in x.items()}
    return type(x)(map(contents, x)) if type(x) in (list, tuple) else x


def _kinds(keys: Any, values: Any) -> tuple[Any, str] | None:
    of_keys, of_values = kind_of(list(keys)), kind_of(list(values))
    if of_values is None or of_values[1]:
        return None
    if of_keys is None:
        records = kind_of_records(list(keys))
        return None if records is None else (records, of_values[0])
    return None if of_keys[1] else (of_keys[0], of_values[0])


def _appended(items: TracedScalar, x: Any) -> TracedScalar:
    loop = explorer().loop
    return TracedScalar(items.kind, loop.emit(ListAppend(items.value.type), items.value, element_value(loop, x)))


def _is_place(at: Value) -> Value:
    return explorer().loop.call("greater_equal", at, explorer().loop.const(0, I64))


def _setdefault(x: Mapping, key: Any, default: Any = None) -> Any:
    def missing() -> Any:
        x.set(key, default)
        return default

    return x.get(key, missing)


def _update(x: Mapping, other: Any = ()) -> None:
    other = unwrapped(read(other))
    if not is_dict(other) and type(other) is not Display:
        refuse("SW251", call="dict.update of a value of the row")
    for key, value in other.items():
        x.set(key, value)


def _pop(x: Mapping, key: Any, *default: Any) -> Any:
    """Removes a constant key and returns its value; refuses (SW251) keys of the row, and dicts with such keys."""
    x.check_change()
    if x.log is not None or type(key) not in _CONSTANTS:
        refuse("SW251", call="dict.pop of a key of the row")
    if key in x.known and x.iterated:
        refuse("SW282", what="a dict that it changes while it iterates over it")
    if key in x.known:
        return x.known.pop(key)
    return default[0] if default else no_key()


def length(x: Mapping) -> Any:
    """Returns the number of its keys."""
    return len(x.known) if x.log is None else key_lists.length(x.distinct)


def _view(of: Callable[[dict[Any, Any]], Any], of_log: Callable[[Mapping], Any]) -> Callable[[Mapping], Any]:
    """Returns a method that makes a view of the current contents."""

    def view(x: Mapping) -> Any:
        x.iterated = True
        if x.void and of is not dict.keys:
            refuse("SW282", what="the values of a dict of keys alone")
        return tuple(of(x.known)) if x.log is None else of_log(x)

    return view


_METHODS: dict[str, Callable[..., Any]] = {
    "get": lambda x, key, default=None: x.get(key, lambda: default),
    "setdefault": _setdefault,
    "pop": _pop,
    "update": _update,
    "keys": _view(dict.keys, lambda x: x.distinct),
    "values": _view(dict.values, lambda x: x.settled.value_list),
    "items": _view(dict.items, lambda x: TracedItems(x.settled)),
    "copy": lambda x: x.copied(),
}
