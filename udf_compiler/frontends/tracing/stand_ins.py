"""Defines the base of all stand-ins: an attribute or protocol of the real object is modelled or refused.

User code inspects objects: ``hasattr(pa.Array, "from_pandas")``, ``getattr(x, "tz", None)``. The answer must be that of the
real object, or a refusal, which no default and no handler hides. So a stand-in knows the real object that it represents. An
attribute that the real object lacks raises AttributeError. An attribute that it has is modelled or refused, regardless of
the members of the stand-in's own class. A Python protocol that the stand-in does not define is refused; Python would
otherwise silently fall back. The errors of absent attributes are here, too, since their message is a stand-in.
"""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Callable
from typing import Any

from udf_compiler.frontends.tracing.session import current, is_tracing, refuse

#: The attribute of exceptions that Python itself would raise in the user's function.
OF_PYTHON = "_sparkweld_of_python"

#: The packages of our own classes and functions.
OURS = ("udf_compiler", "sparkweld")

#: Matches names of our classes in messages of Python.
_OWN_NAME = re.compile(r"\b(?:Traced[A-Z]\w+|_[A-Z]\w+|\w+StandIn)\b")

_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(__file__))) + os.sep

#: Protocols with a fallback in Python, so a stand-in has them if and only if the real object has.
_OPTIONAL = ("call", "len", "length_hint")

#: The other protocols of Python objects.
PROTOCOLS = (
    "iter", "next", "hash", "float", "int", "index", "complex", "trunc", "floor", "ceil", "round", "contains",
    "reversed", "array", "str", "repr", "format", "bytes", "fspath", "reduce_ex", "copy", "deepcopy", "enter", "exit", "getitem",
    "setitem", "delitem", "buffer", "dataframe", "arrow_c_array", "arrow_c_stream", "dir", "sizeof",
    "array_ufunc", "array_function", "eq", "ne", "lt", "le", "gt", "ge", "neg", "pos", "invert", "abs",
)  # fmt: skip
_TEXTS = ("str", "repr", "format")
_OPERATORS = "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and xor or".split()
_IN_PLACE = [name for name in _OPERATORS if name != "divmod"]
_FORMS = [*PROTOCOLS, *_OPERATORS, *(f"r{name}" for name in _OPERATORS), *(f"i{name}" for name in _IN_PLACE)]


def called_by_user(depth: int = 2) -> bool:
    """Whether, during a trace, the caller of the calling function is outside this package."""
    return is_tracing() and not sys._getframe(depth).f_code.co_filename.startswith(_PACKAGE)


def real_has(real: Any, name: str) -> bool:
    """Returns ``hasattr(real, name)``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # for deprecated names
        return hasattr(real, name)


def _own_names(cls: type, root: type) -> frozenset[str]:
    """Returns the names that the class and its bases below `root` define; user code must not see them."""
    found: set[str] = set()
    for base in cls.__mro__:
        if base is root:
            break
        found |= vars(base).keys() | set(vars(base).get("__slots__", ()))
    return frozenset(n for n in found | vars(root).keys() if not (n.startswith("__") and n.endswith("__")))


def _defines(real: Any, name: str) -> bool:
    """Whether instances of a class have a protocol.

    A `property` means that the real class differs between objects; such objects may have a length but are not callable.
    """
    if isinstance(real, property):
        return name != "__call__"
    return isinstance(real, type) and any(name in vars(base) for base in real.__mro__)


def _by_rule(given: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    """Wraps a class's `__getattr__` to receive only names that the real object has."""

    def get(self: Any, name: str) -> Any:
        if not has(self, name):
            raise absent(self, name)
        return given(self, name)

    get.given = given  # type: ignore[attr-defined]
    return get


def has(x: Any, name: str) -> bool:
    """Whether the real object has the attribute, or may have it: private names may belong to instances."""
    if name.startswith("__") and name.endswith("__") and name not in ("__call__", "__name__", "__version__", "__init__"):
        return False  # user code cannot name it, so a library reads it
    if (name.startswith("_") and not name.endswith("__")) or name in type(x).of_instances:
        return True
    return name in object.__getattribute__(x, "_more_names")() or real_has(stood_for(x), name)


def stood_for(x: Any) -> Any:
    """Returns the object that a stand-in represents: a class, for its instance, or the object itself."""
    return object.__getattribute__(x, "stands_for")


def absent(x: Any, name: str) -> AttributeError:
    """Returns Python's error for an attribute that the real object lacks."""
    return absent_of(real_class_of(x), name)


def absent_of(kind: Any, name: str) -> AttributeError:
    """Returns Python's error for an attribute that an instance of the class lacks."""
    error = AttributeError(f"{kind.__name__!r} object has no attribute {name!r}", name=name)
    return in_place(error)  # type: ignore[return-value]


class StandIn:
    """A library object as user code sees it.

    `stands_for`: the class of the real object, or the object itself if it is unique, such as a module. `visible`: members of
    the Python class that user code may see; all other members are internal.
    """

    __slots__ = ()

    stands_for: Any
    visible: frozenset[str] = frozenset()
    #: The user's term for the object.
    what = "object"
    #: Attributes that real objects get at construction and that their class does not show.
    of_instances: frozenset[str] = frozenset()
    #: Whether the real object's class is exactly `stands_for`, not a subclass.
    exact: bool = True
    _ours: frozenset[str] = frozenset()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        assert "__slots__" in vars(cls), f"{cls.__name__} has no __slots__"
        cls._ours = _own_names(cls, StandIn) - cls.visible
        if "__getattr__" in vars(cls):
            cls.__getattr__ = _by_rule(vars(cls)["__getattr__"])  # type: ignore[method-assign]
        for name in _OPTIONAL:
            if _defines(vars(cls).get("stands_for"), f"__{name}__") and not _defines(cls, f"__{name}__"):
                setattr(cls, f"__{name}__", _refusing(name))

    def __getattribute__(self, name: str) -> Any:
        if name in type(self)._ours and called_by_user():
            return type(self).__getattr__(self, name)
        return object.__getattribute__(self, name)

    def __getattr__(self, name: str) -> Any:
        if not has(self, name):
            raise absent(self, name)
        refuse("SW251", call=f"{type(self).what}.{name}")

    def __setattr__(self, name: str, value: Any) -> None:
        if called_by_user():
            refuse("SW256", call=f"{type(self).what}.{name} = ...")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        refuse("SW256", call=f"del {type(self).what}.{name}")

    def __bool__(self) -> bool:
        real = real_class_of(self)
        if hasattr(real, "__bool__") or hasattr(real, "__len__"):
            refuse("SW259", call=f"bool() of a {type(self).what}")
        return True

    def _more_names(self) -> Any:
        """Returns attributes of this object that others of its class lack, such as the columns of a DataFrame."""
        return ()


def in_user_words(text: str) -> str:
    """Returns a message of Python with the names of what symbolic values represent, in place of those of their classes."""
    names = {cls.__name__: cls.what for cls in _all_stand_ins(StandIn)}
    return _OWN_NAME.sub(lambda found: names.get(found[0], "Python object").replace("Python value", "value of the row"), text)


def _all_stand_ins(cls: type[StandIn]) -> list[type[StandIn]]:
    return [cls, *(inner for sub in cls.__subclasses__() for inner in _all_stand_ins(sub))]


def _refusing(name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any) -> Any:
        text = current().dispatch.unknown_text() if name in _TEXTS else None
        if text is not None:
            return text
        what = f"a {type(self).what}"
        refuse("SW259", call=f"{what} as an index" if name == "index" else f"{name}() of {what}")

    return method


for _name in _FORMS:
    setattr(StandIn, f"__{_name}__", _refusing(_name))


def module_stand_in(real: Any, label: str, attribute: Callable[[str], Any]) -> Any:
    """Returns the stand-in of a module. `label`: the user's term for it; `attribute` models or refuses a name that it has."""
    members = {"__slots__": (), "__name__": real.__name__, "what": label, "stands_for": real}
    return type(real.__name__, (StandIn,), {**members, "__getattr__": lambda self, name: attribute(name)})()


def real_class_of(x: Any) -> type:
    """Returns the class of an object as user code sees it."""
    if not issubclass(type(x), StandIn):
        return x.__class__
    real = stood_for(x)
    return real if isinstance(real, type) else type(real)


def exact_class(x: StandIn) -> type:
    """Returns the result of ``type(x)``. Refuses (SW263) a stand-in of objects of several classes."""
    if not type(x).exact:
        refuse("SW263", name=f"type() of a {type(x).what}")
    return real_class_of(x)


def of_python(error: Exception) -> Exception:
    """Marks an exception that Python itself would raise in the user's function, so that it counts as the user's."""
    setattr(error, OF_PYTHON, True)
    return error


class ErrorText(StandIn):
    """The message of an error raised instead of Python's. Python's own message may differ, so it may only be printed."""

    __slots__ = ("text",)
    what = "message of an exception"
    stands_for = str

    def __init__(self, text: str) -> None:
        self.text = text


def in_place(error: Exception) -> Exception:
    """Marks an error raised instead of Python's and hides its message, which may differ; a KeyError keeps its key."""
    if len(error.args) == 1 and type(error.args[0]) is str and not isinstance(error, KeyError):
        error.args = (ErrorText(error.args[0]),)
    return of_python(error)
