"""Rebuilds a function and everything it can reach as a copy that sees stand-ins for libraries and copies of its data.

The copy runs the same code objects. Its globals, cells, defaults and builtins hold only checked objects: Python functions,
rebuilt recursively; plain data; and stand-ins that the tracer supports. Objects reachable only by attribute (a module's
contents, a class's methods) are checked when the attribute is read, which is before they run. So a model class may have an
impure `save` method that no compiled function calls.
"""

from __future__ import annotations

import builtins
import functools
import importlib
import importlib.util
import logging
import re
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from pyspark import Broadcast

from sparkweld.errors import Refusal
from udf_compiler.frontends.models import loaders
from udf_compiler.frontends.models.estimators import constructor_of, is_model, stand_in_for
from udf_compiler.frontends.onnx import session
from udf_compiler.frontends.pandas.calls.strings import constant_arrays
from udf_compiler.frontends.python import data_types, ip_calls, zone_classes
from udf_compiler.frontends.python.patterns import PatternConstant
from udf_compiler.frontends.python.vectors import ConstantVector, constant_of_class
from udf_compiler.frontends.tracing.class_stand_ins import attribute_for_user
from udf_compiler.frontends.tracing.session import current
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.function.bytecode import Names, Namespace, Use, first_use, outside_names, place, refused_attribute
from udf_compiler.function.libraries import described, is_library, refuse_module
from udf_compiler.function.modules import MODULES
from udf_compiler.function.payload import read_broadcast
from udf_compiler.function.plain_data import Snapshot, copy_array, copy_container, copy_date, is_protocol_function, is_scalar
from udf_compiler.rebuild import torch_modules
from udf_compiler.rebuild.enums import rebuild_class, rebuild_instance
from udf_compiler.rebuild.lru_caches import CACHES, Cached

#: Types of objects that a stand-in may replace.
_CODE_TYPES = (
    *(type, types.FunctionType, types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType),
    *(types.MethodWrapperType, types.ClassMethodDescriptorType, np.ufunc),
)

#: The attribute where `sparkweld.annotations.splittable` stores its annotation; the function does not read it.
_ANNOTATION = "__sparkweld_annotation__"

_CONTAINER_METHOD_OWNERS = (dict, list, tuple, str, set, frozenset)


class Rebuilder:
    """Rebuilds one function. `stand_in(obj)` returns the object that the copy sees instead of a library object, or None.

    `generator`: code that may be a generator's. `helpers`: code of the function, if those that it calls may be generators.
    `settles`: the function may assign to globals; the caller then proves that they are the same after each call.
    """

    def __init__(
        self, stand_in: Callable[[object], object | None], generator: types.CodeType | None = None, settles: bool = False,
        helpers: types.CodeType | None = None,
    ) -> None:  # fmt: skip
        self.stand_in = stand_in
        self._generator = generator
        self._helpers, self.of_rows = helpers, helpers is not None  # only plain UDFs have such helpers
        self._settles = settles
        self.assigned: list[tuple[Namespace, str, Use]] = []  # the copy's globals, a name in them, and its use
        self.writers: dict[types.CodeType, Use] = {}
        self.snapshot = Snapshot()
        self.nested = False  # whether captured objects hold others, or share memory with what is made of them
        self.codes: set[types.CodeType] = set()
        self.handlers: dict[types.CodeType, Use] = {}
        self.swallowers: set[types.CodeType] = set()
        self.identities: dict[types.CodeType, Use] = {}
        self.captured: set[int] = set()  # ids of rebuilt instances that existed before the call
        self._done: dict[int, tuple[object, object]] = {}  # id -> (original, kept alive, and its copy)
        self._globals: dict[int, tuple[Namespace, Namespace]] = {}
        self._builtins: Namespace = {"__import__": self._import}

    def value(self, original: Any, use: Use) -> Any:
        """Returns the copy of an object.

        Refuses SW214 (module), SW215 (function), SW216 (data), SW221 (class) and unsupported code in a function's body.
        """
        if is_scalar(original):
            return original
        if id(original) not in self._done:
            copy = self._rebuild(original, use)
            self._done.setdefault(id(original), (original, copy))
        return self._done[id(original)][1]

    def _rebuild(self, original: Any, use: Use) -> Any:
        remember = functools.partial(self.remember, original)
        copy = copy_container(original, lambda element: self.value(element, use), remember, use, self.snapshot)
        if copy is not None:
            parts = original.values() if isinstance(original, Mapping) else original
            self.nested = self.nested or not all(map(is_scalar, parts))
        else:
            texts = constant_arrays.of_array(original)
            copy = copy_array(original, use, self.snapshot) if texts is None else texts
            self.nested = self.nested or copy is not None
        if copy is None:
            copy = copy_date(original)
        if copy is None:
            copy = zone_classes.constant_of(original) or ip_calls.constant_of(original)
        if copy is None and (numbers := constant_of_class(original)) is not None:
            copy = ConstantVector(self.value(numbers, use))
        if copy is None:
            copy = data_types.constant_of(original, lambda held: self.lazily(lambda: self.value(held, use)))
        if copy is None and type(original) is re.Pattern:
            copy = PatternConstant(original)
        if copy is None and is_model(original):
            copy = stand_in_for(original, use, lambda held: self.lazily(lambda: self.value(held, use)))
        if copy is None and isinstance(original, types.MethodType) and is_model(original.__self__):
            model = self.value(original.__self__, use)
            copy = self.lazily(lambda: getattr(model, original.__name__))
        if copy is None and isinstance(original, type):
            copy = constructor_of(original)
        if copy is None:
            copy = loaders.stand_in(original, lambda held: self.lazily(lambda: self.value(held, use)))
        if copy is None:
            copy = session.stand_in(original)
        if copy is None:
            copy = torch_modules.rebuild(self, original, use)
        if copy is not None:
            return copy
        if isinstance(original, types.ModuleType):
            return self._module(original, use)
        if isinstance(original, Broadcast):
            return BroadcastView(self, original)
        if type(original) is np.vectorize:
            made: Any = self.stand_in(np.vectorize)
            given = {"otypes": original.otypes, "excluded": original.excluded, "signature": original.signature}
            return made(self.value(original.pyfunc, use), **given)
        if isinstance(original, (*_CODE_TYPES, logging.Logger)) or is_library(original):
            known = self.stand_in(original)
            if known is not None:
                return self._by_plain_name(known) if known is getattr or known is hasattr else known
        if is_protocol_function(original):
            return original
        return self._callable(original, use) if callable(original) else rebuild_instance(self, original, use)

    def _callable(self, original: Any, use: Use) -> Any:
        if isinstance(original, types.FunctionType):
            return self._function(original, use)
        if isinstance(original, types.MethodType):
            return types.MethodType(self.value(original.__func__, use), self.value(original.__self__, use))
        if type(original) is functools.partial:
            return functools.partial(
                self.value(original.func, use), *self.value(original.args, use), **self.value(original.keywords, use)
            )
        if isinstance(original, types.BuiltinMethodType) and type(original.__self__) in _CONTAINER_METHOD_OWNERS:
            return getattr(self.value(original.__self__, use), original.__name__)
        if type(original) in CACHES:
            original.cache_clear()  # the original runs here, too, and must see the current files
            return Cached(self.value(original.__wrapped__, use), use, self.snapshot)
        if isinstance(original, type):
            return rebuild_class(self, original, use)
        if isinstance(original, _CODE_TYPES) or is_library(original):
            raise use.refusal("SW215", name=described(original, use))
        return rebuild_instance(self, original, use)

    def _function(self, original: types.FunctionType, use: Use) -> types.FunctionType:
        if is_library(original):
            name = described(original, use)
            if name.startswith("mlflow.pyfunc.spark_udf."):  # it unpacks and loads its model with MLflow's functions
                raise use.refusal("SW865", how="and is called by this one")
            raise use.refusal("SW215", name=name)
        code, of = original.__code__, self._helpers
        names = outside_names(code, code is self._generator or of not in (None, code), helpers=of is not None)
        self.codes |= names.codes
        self.handlers |= names.handlers
        self.swallowers |= names.swallowers
        self.identities |= names.identities
        self._assigned(original, names)
        own = first_use(original.__code__)
        new_globals = self._globals_of(original)
        cells = tuple(types.CellType() for _ in original.__closure__ or ())
        copy = types.FunctionType(original.__code__, new_globals, original.__name__, None, cells or None)
        copy.__qualname__ = original.__qualname__
        self.remember(original, copy)  # a recursive function reaches itself
        for name, used in names.globals.items():
            if name not in names.assigned or name in original.__globals__:
                self._global(original, name, new_globals, used)
        for name, cell, new in zip(original.__code__.co_freevars, original.__closure__ or (), cells, strict=True):
            self._fill(cell, new, own.named(name))
        copy.__defaults__ = self._data(original.__defaults__, own.named("a default argument"))
        copy.__kwdefaults__ = self._data(original.__kwdefaults__, own.named("a default argument"))
        attributes = [(k, v) for k, v in vars(original).items() if k != _ANNOTATION]
        copy.__dict__.update((k, self.value(v, own.named(f"{own.function}.{k}"))) for k, v in attributes)
        self.snapshot.add_attributes(own.named("an attribute of itself"), copy)
        return copy

    def _assigned(self, original: types.FunctionType, names: Names) -> None:
        """Records the global names that the function assigns. Refuses (SW211) unless the caller will compare them."""
        module = sys.modules.get(original.__globals__.get("__name__", ""))
        for name, use in names.assigned.items():
            if not self._settles or (module is not None and vars(module) is original.__globals__):
                raise use.refusal("SW211")
            self.assigned.append((self._globals_of(original), name, use))
            self.writers |= dict.fromkeys(names.writers, use)

    def _data(self, values: Any, use: Use) -> Any:
        return None if values is None else self.value(values, use)

    def _fill(self, cell: types.CellType, new: types.CellType, use: Use) -> None:
        try:
            contents = cell.cell_contents
        except ValueError:  # unassigned: reading it raises NameError, in the copy too
            return
        new.cell_contents = self.value(contents, use)

    def _globals_of(self, function: types.FunctionType) -> Namespace:
        original = function.__globals__
        if id(original) not in self._globals:
            copy = {"__builtins__": self._builtins}
            copy.update((k, original[k]) for k in ("__name__", "__package__", "__file__") if isinstance(original.get(k), str))
            self._globals[id(original)] = (original, copy)
        return self._globals[id(original)][1]

    def _global(self, function: types.FunctionType, name: str, new_globals: Namespace, use: Use) -> None:
        if name in new_globals:
            return
        if name in function.__globals__:
            new_globals[name] = self.value(function.__globals__[name], use)
            return
        if name not in vars(builtins):
            raise use.refusal("SW218")
        self._builtins[name] = self.value(vars(builtins)[name], use)

    def _by_plain_name(self, access: Callable[..., Any]) -> Callable[..., Any]:
        """Returns `getattr` or `hasattr` under the rules for attributes in code (SW219, SW263)."""

        def checked(owner: Any, name: str, *default: object) -> Any:
            code = refused_attribute(name)
            if code is not None:
                self.lazily(functools.partial(_refuse, self.here(name), code))
            if access is hasattr:
                return _has(owner, name)
            try:
                return attribute_for_user(owner, name)
            except AttributeError:
                if len(default) != 1:
                    raise
                return default[0]

        return checked

    def _module(self, module: types.ModuleType, use: Use) -> Any:
        known = self.stand_in(module)
        if known is None:
            known = loaders.module(module)
        if known is not None:
            return known
        refuse_module(module.__name__, use)
        MODULES.imported("", [module.__name__])
        return ModuleView(self, module)

    def _import(self, name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
        """Implements the copy's `__import__`: returns stand-ins and views of the supported modules.

        C code of a library that the copy calls imports through it as well. Such a call is recognized by its list of names, since
        Python code passes a tuple. It runs the real import, because C code reads the module from sys.modules and a refusal would
        end the process. For example, pyarrow imports `decimal` to infer the type of a number.
        """
        if type(fromlist) is list:
            importlib.import_module(name)
            return None
        use = self.here(name)
        if level:
            name = importlib.util.resolve_name("." * level + name, (globals or {}).get("__package__"))
        return self.lazily(lambda: self._imported(name, fromlist or (), use))

    def _imported(self, name: str, members: Sequence[str], use: Use) -> Any:
        if name not in sys.modules and name.partition(".")[0] not in ("numpy", "pandas"):
            refuse_module(name, use)
        module = importlib.import_module(name)
        copy = self.value(module if members else sys.modules[name.partition(".")[0]], use)
        for member in members:
            if not hasattr(module, member):
                _import_submodule(module, member)
        return copy

    def lazily(self, rebuild: Callable[[], Any]) -> Any:
        """Runs a rebuild during a trace; the trace keeps its refusal even if user code catches it."""
        try:
            return rebuild()
        except Refusal as error:
            session = current()
            session.refused = session.refused or error
            raise

    def here(self, name: str) -> Use:
        """Returns the innermost line of user code that is running."""
        frame = sys._getframe(1)
        while frame is not None and frame.f_code not in self.codes:
            frame = frame.f_back  # type: ignore[assignment]
        if frame is None:
            return Use(name, "", name)
        own = first_use(frame.f_code)
        return Use(own.function, place(frame.f_code, frame.f_lineno), name)

    def remember(self, original: object, copy: object) -> None:
        """Registers `copy` as the copy of `original`, for all references to it, so that cycles terminate."""
        self._done[id(original)] = (original, copy)


class ModuleView(StandIn):
    """A user module as the copy sees it: reading an attribute rebuilds it, and writes are refused."""

    __slots__ = ("_rebuilder", "stands_for")
    what = "module"

    def __init__(self, rebuilder: Rebuilder, module: types.ModuleType) -> None:
        object.__setattr__(self, "_rebuilder", rebuilder)
        object.__setattr__(self, "stands_for", module)

    def _more_names(self) -> Any:
        return _Submodules(self.stands_for)

    def __getattr__(self, name: str) -> Any:
        module, rebuilder = self.stands_for, self._rebuilder
        use = rebuilder.here(f"{module.__name__}.{name}")
        return rebuilder.lazily(lambda: rebuilder.value(_attribute(module, name), use))

    def __setattr__(self, name: str, value: object = None) -> None:
        use = self._rebuilder.here(f"{self.stands_for.__name__}.{name}")
        self._rebuilder.lazily(functools.partial(_refuse, use, "SW217"))

    __delattr__ = __setattr__


class BroadcastView(StandIn):
    """A Broadcast as the copy sees it: only its value, read and rebuilt on demand."""

    __slots__ = ("_rebuilder", "_variable")
    what = "Broadcast"
    stands_for = Broadcast
    visible = frozenset({"value"})

    def __init__(self, rebuilder: Rebuilder, variable: Broadcast[Any]) -> None:
        object.__setattr__(self, "_rebuilder", rebuilder)
        object.__setattr__(self, "_variable", variable)

    @property
    def value(self) -> Any:
        rebuilder, variable = self._rebuilder, self._variable
        use = rebuilder.here("the value of a broadcast variable")
        return rebuilder.lazily(lambda: rebuilder.value(read_broadcast(variable), use))

    def __getattr__(self, name: str) -> Any:
        self._rebuilder.lazily(functools.partial(_refuse, self._rebuilder.here(f"Broadcast.{name}"), "SW215"))

    def __setattr__(self, name: str, value: object = None) -> None:
        self._rebuilder.lazily(functools.partial(_refuse, self._rebuilder.here(f"Broadcast.{name}"), "SW217"))

    __delattr__ = __setattr__


class _Submodules:
    """The names of a package's modules, including those not imported yet."""

    def __init__(self, module: types.ModuleType) -> None:
        self._module = module

    def __contains__(self, name: str) -> bool:
        return hasattr(self._module, "__path__") and importlib.util.find_spec(f"{self._module.__name__}.{name}") is not None


def _attribute(module: types.ModuleType, name: str) -> Any:
    """Returns ``module.name``; imports a submodule of a package, as `from package import name` does."""
    if not hasattr(module, name):
        _import_submodule(module, name)
    return getattr(module, name)


def _import_submodule(package: types.ModuleType, name: str) -> None:
    """Imports a submodule of a package, if there is one."""
    if hasattr(package, "__path__"):
        try:
            importlib.import_module(f"{package.__name__}.{name}")
        except ModuleNotFoundError:
            pass  # the worker raises its own error for the name


def _has(owner: Any, name: str) -> bool:
    try:
        attribute_for_user(owner, name)
    except AttributeError:
        return False
    return True


def _refuse(use: Use, code: str) -> NoReturn:
    raise use.refusal(code)
