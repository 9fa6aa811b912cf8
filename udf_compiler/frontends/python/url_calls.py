"""Represents urllib.parse and html: the parts of URLs, their queries, and escapes, for strings of the row."""

from __future__ import annotations

import html
import urllib
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

from sparkweld.ir import Value
from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import I64
from sparkweld.ir.urls import PARTS
from udf_compiler.frontends.python.byte_strings import is_value
from udf_compiler.frontends.python.lists import call as list_call
from udf_compiler.frontends.python.lists import of_list
from udf_compiler.frontends.python.of_text import OfText
from udf_compiler.frontends.python.operands import as_text, is_text, make_int, make_text
from udf_compiler.frontends.python.path_explorer import explorer
from udf_compiler.frontends.tracing.exceptions import as_python
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.stand_ins import in_place, module_stand_in
from udf_compiler.frontends.tracing.values import raw

_HIGHEST_PORT = 65535


def _call(fn: str, *args: Value, params: tuple[Any, ...] = ()) -> Value:
    return explorer().loop.emit(StrCall(fn, params), *args)


class TracedUrl(OfText):
    """The result of urlparse or urlsplit. `kind`: the class of Python's result."""

    __slots__ = ("kind",)
    what = "parsed URL"
    visible = frozenset({"scheme", "netloc", "path", "params", "query", "fragment", "username", "password", "hostname", "port"})

    kind: type

    def __init__(self, value: Value, kind: type) -> None:
        self.value, self.kind = value, kind

    @property  # type: ignore[override]
    def stands_for(self) -> Any:
        return object.__getattribute__(self, "kind")

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return object.__getattribute__(self, "kind")  # type: ignore[no-any-return]

    @property
    def same(self) -> tuple[Any, ...]:
        return (object.__getattribute__(self, "kind"),)

    def _part(self, name: str) -> Any:
        return make_text(_call("url_part", object.__getattribute__(self, "value"), params=(PARTS.index(name),)))

    @property
    def scheme(self) -> Any:
        return _own(self, "scheme").lower()

    @property
    def netloc(self) -> Any:
        return _own(self, "netloc")

    @property
    def path(self) -> Any:
        path = _own(self, "path")
        if object.__getattribute__(self, "kind") is urllib.parse.ParseResult:  # guards paths with parameters
            run = explorer()
            run.guard(run.loop.call("logical_not", _call("contains", path.value, params=(";",))))
        return path

    @property
    def params(self) -> Any:
        if object.__getattribute__(self, "kind") is not urllib.parse.ParseResult:
            raise in_place(AttributeError("'SplitResult' object has no attribute 'params'"))
        assert self.path is not None  # with the guard
        return ""

    @property
    def query(self) -> Any:
        return _own(self, "query")

    @property
    def fragment(self) -> Any:
        return _own(self, "fragment")

    @property
    def username(self) -> Any:
        user, at, _ = _own(self, "netloc").rpartition("@")
        return user.partition(":")[0] if at else None

    @property
    def password(self) -> Any:
        user, at, _ = _own(self, "netloc").rpartition("@")
        _, colon, password = user.partition(":")
        return password if at and colon else None

    @property
    def hostname(self) -> Any:
        host = _own(self, "netloc").rpartition("@")[2].partition(":")[0]
        if not host:
            return None
        run = explorer()
        run.guard(run.loop.call("logical_not", _call("contains", host.value, params=("%",))))  # a zone keeps its case
        return host.lower()

    @property
    def port(self) -> Any:
        port = _own(self, "netloc").rpartition("@")[2].partition(":")[2]
        if not port:
            return None
        run, loop = explorer(), explorer().loop
        run.raise_if(loop.call("logical_not", _call("isdigit", port.value)), lambda: ValueError("Port could not be cast"))
        run.guard(_call("parse_int_decided", port.value))
        number = _call("parse_int", port.value)
        run.guard(loop.is_valid(number))
        value = loop.value_of(number)
        above = loop.call("greater", value, loop.const(_HIGHEST_PORT, I64))
        run.raise_if(above, lambda: ValueError("Port out of range 0-65535"))
        return make_int(value, (0, _HIGHEST_PORT))

    def __iter__(self) -> Iterator[Any]:
        return (getattr(self, name) for name in _fields(self))

    def __getitem__(self, key: Any) -> Any:
        if type(key) is slice:
            return tuple(self)[key]
        if type(key) is not int:
            refuse("SW262", call="[...] of a parsed URL", what=raw(key))
        fields = _fields(self)
        if not -len(fields) <= key < len(fields):
            raise in_place(IndexError("tuple index out of range"))
        return getattr(self, fields[key])

    def __len__(self) -> int:
        return len(_fields(self))

    def __bool__(self) -> bool:
        return True


def _own(url: TracedUrl, name: str) -> Any:
    return object.__getattribute__(url, "_part")(name)


def _fields(url: TracedUrl) -> tuple[str, ...]:
    return object.__getattribute__(url, "kind")._fields  # type: ignore[no-any-return]


class TracedQuery(OfText):
    """The dict that parse_qs returns. `blank`: whether values may be empty."""

    __slots__ = ("blank",)
    what = "parsed query"
    stands_for = dict

    __class__ = dict  # type: ignore[assignment]

    def __init__(self, value: Value, blank: str) -> None:
        self.value, self.blank = value, blank

    @property
    def same(self) -> tuple[Any, ...]:
        return (object.__getattribute__(self, "blank"),)

    def __contains__(self, name: Any) -> bool:
        return _values(self, name) is not None

    def __getitem__(self, name: Any) -> Any:
        found = _values(self, name)
        if found is None:
            raise in_place(KeyError(name))
        return found

    def __getattr__(self, name: str) -> Any:
        if name != "get":
            refuse("SW251", call=f"{name} of a parsed query")
        return _get(self)


def _get(query: TracedQuery) -> Callable[..., Any]:
    def get(name: Any, default: Any = None, /) -> Any:
        found = _values(query, name)
        return default if found is None else found

    return get


def _values(query: TracedQuery, name: Any) -> Any:
    """Returns the list of a name's values, None where there are none."""
    if not is_text(name):
        refuse("SW262", call="a name in a parsed query", what=raw(name))
    run, loop = explorer(), explorer().loop
    blank = int(object.__getattribute__(query, "blank"))
    found = of_list(_call("query_values", object.__getattribute__(query, "value"), as_text(name), params=(blank,)))
    return found if run.decide(loop.call("greater", list_call("length", found), loop.const(0, I64))) else None


def _parser(kind: type, call: str) -> Callable[..., Any]:
    def parse(url: Any) -> TracedUrl:
        """Implements urlparse and urlsplit; guards URLs on which versions of Python differ."""
        value = _text(url, call)
        explorer().guard(_call("url_decided", value))
        return TracedUrl(value, kind)

    return parse


def _parse_qs(qs: Any, keep_blank_values: Any = False) -> TracedQuery:
    value = _text(qs, "parse_qs")
    if type(keep_blank_values) not in (bool, int):
        refuse("SW262", call="parse_qs", what="keep_blank_values that is not constant")
    explorer().guard(_call("unquote_decided", value, params=(1,)))
    return TracedQuery(value, str(int(bool(keep_blank_values))))


def _parse_qsl(qs: Any, keep_blank_values: Any = False) -> Any:
    """Leaves ``parse_qsl(qs)`` to interpreted functions; refuses (SW262) blank values."""
    if keep_blank_values is not False:
        refuse("SW262", call="parse_qsl", what="keep_blank_values")
    refuse("SW223")


def _text(x: Any, call: str) -> Value:
    if not is_text(x):
        refuse("SW262", call=call, what=raw(x))
    return as_text(x)


def _quoting(plus: int, call: str) -> Callable[..., Any]:
    def quoting(string: Any, safe: Any = "" if plus else "/") -> Any:
        if type(safe) is not str:
            refuse("SW262", call=call, what="safe that is not a constant string")
        return make_text(_call("quote", _text(string, call), params=(safe.encode("ascii", "ignore").decode(), plus)))

    return quoting


def _unquoting(plus: int, call: str) -> Callable[..., Any]:
    def unquoting(string: Any, encoding: Any = "utf-8", errors: Any = "replace") -> Any:
        if (encoding, errors) != ("utf-8", "replace"):
            refuse("SW262", call=call, what="an encoding or error handler")
        text = _text(string, call)
        explorer().guard(_call("unquote_decided", text, params=(plus,)))
        return make_text(_call("unquote", text, params=(plus,)))

    return unquoting


def _escape(s: Any, quote: Any = True) -> Any:
    """Implements ``html.escape``."""
    if not is_text(s) or type(quote) not in (bool, int):
        refuse("SW262", call="html.escape", what=raw(s))
    for old, new in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), *((('"', "&quot;"), ("'", "&#x27;")) if quote else ())):
        s = s.replace(old, new)
    return s


def _unescape(s: Any) -> Any:
    """Implements ``html.unescape``; rows with an ampersand run in Python."""
    run, text = explorer(), _text(s, "html.unescape")
    run.guard(run.loop.call("logical_not", _call("contains", text, params=("&",))))
    return s


_CALLS: dict[Any, Callable[..., Any]] = {
    urllib.parse.urlparse: _parser(urllib.parse.ParseResult, "urlparse"),
    urllib.parse.urlsplit: _parser(urllib.parse.SplitResult, "urlsplit"),
    urllib.parse.parse_qs: _parse_qs,
    urllib.parse.parse_qsl: _parse_qsl,
    urllib.parse.quote: _quoting(0, "quote"),
    urllib.parse.quote_plus: _quoting(1, "quote_plus"),
    urllib.parse.unquote: _unquoting(0, "unquote"),
    urllib.parse.unquote_plus: _unquoting(1, "unquote_plus"),
    html.escape: _escape,
    html.unescape: _unescape,
}


def _function(real: Callable[..., Any]) -> Callable[..., Any]:
    """Returns the stand-in of a function: Python's own for constants."""
    call = f"{real.__module__}.{real.__name__}"

    def called(*args: Any, **kwargs: Any) -> Any:
        if not any(map(is_value, (*args, *kwargs.values()))):
            return as_python(real, *args, **kwargs)
        check_form(_CALLS[real], args, kwargs, call)
        return _CALLS[real](*args, **kwargs)

    return called


_BY_OBJECT: dict[int, Any] = {id(real): _function(real) for real in _CALLS}


def _attribute(module: Any) -> Callable[[str], Any]:
    def attribute(name: str) -> Any:
        found = _BY_OBJECT.get(id(getattr(module, name)))
        if found is None:
            refuse("SW263", name=f"{module.__name__}.{name}")
        return found

    return attribute


_BY_OBJECT |= {id(m): module_stand_in(m, m.__name__, _attribute(m)) for m in (urllib.parse, html, urllib)}


def stand_in(obj: Any) -> Any:
    """Returns the stand-in of one of the modules or functions, or None."""
    return _BY_OBJECT.get(id(obj))
