"""Compares the attributes and protocols of each stand-in with those of the real object."""

from __future__ import annotations

import copy
import datetime
import importlib
import importlib.util
import math
import operator
import os
import pickle
import pkgutil
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyspark.sql import Row

import udf_compiler
from sparkweld.errors import Refusal
from sparkweld.ir import Input, ProgramBuilder
from tests.helpers.compile_requests import payload, python_step, request, udf
from tests.helpers.pytorch import has_pytorch
from tests.helpers.stand_ins import COLUMNS, samples
from udf_compiler.backends.aggregates.dispatch import ReducedGroups
from udf_compiler.frontends.pandas.dispatch import DISPATCH
from udf_compiler.frontends.pandas.stand_ins import stand_in as find_stand_in
from udf_compiler.frontends.python.path_explorer import Explorer, exploring
from udf_compiler.frontends.tracing.class_stand_ins import ClassStandIn, attribute_for_user
from udf_compiler.frontends.tracing.session import Session, running
from udf_compiler.frontends.tracing.stand_ins import StandIn
from udf_compiler.service.protocol import Message
from udf_compiler.service.server import Service

#: Base classes without instances of their own.
_BASES = {
    "StandIn", "LazyList", "OfText", "Traced", "ColumnLike", "SeriesOperand", "Handle", "_Alone", "Guarded", "TracedLists.str",
    "Changeable", "Held", "Listed", "_Time",
}  # fmt: skip
#: Classes with the methods of a stand-in that user code never receives.
_INTERNAL = {
    "Bounded", "Columns", "Terms", "_Copy", "Walk", "Constants", "LazyMember", "_Naming", "ConstantDate", "ConstantDatetime",
    "FileName", "FilePath", "_Submodules", "Traces", "_Recorder", "_Watched", "Closure", "Constant", "EnumClass", "LargeDict",
    "Module", "Sequential", "ModuleDict",  # the bases of users' own classes, which refuse every other name of PyTorch's
}  # fmt: skip
_LIKE_A_STAND_IN = (
    "__getattr__", "__getattribute__", "__instancecheck__", "__array_ufunc__", "__getitem__", "__call__", "__iter__",
)  # fmt: skip


@pytest.fixture(scope="module")
def loop() -> Iterator[Any]:
    """Yields a loop with columns of several types, within a trace and a scalar function."""
    builder = ProgramBuilder("f", [Input(name, type) for name, type in COLUMNS.items()])
    made = builder.loop("f")
    yield made


@pytest.fixture
def tracing(loop: Any) -> Iterator[Any]:
    with running(Session(loop, dispatch=DISPATCH)), exploring(Explorer(loop, handled=False)):
        yield loop


def _packages() -> Iterator[Any]:
    for found in pkgutil.walk_packages(udf_compiler.__path__, "udf_compiler."):
        yield importlib.import_module(found.name)


def _classes() -> Iterator[type]:
    for module in _packages():
        yield from (c for c in vars(module).values() if isinstance(c, type) and c.__module__ == module.__name__)


def _class_stand_ins() -> list[Any]:
    """Returns all stand-ins of library classes, wherever the packages define them."""
    found: dict[int, Any] = {}
    for module in _packages():
        for value in vars(module).values():
            within = value.values() if isinstance(value, dict) else [value]
            found.update((id(c), c) for c in within if isinstance(type(c), type) and issubclass(type(c), ClassStandIn))
    return list(found.values())


CLASS_STAND_INS = _class_stand_ins()
_SEEN_AS = {c.stands_for: c for c in CLASS_STAND_INS}
_SEEN_CLASSES = [
    *_SEEN_AS, list, dict, tuple, set, np.generic, np.number, np.floating, Row, datetime.timedelta,
    pa.Scalar, pa.DataType,
]  # fmt: skip


def test_every_class_that_resembles_a_stand_in_is_one():
    """A new class cannot be forgotten: it derives from the base, or is listed among those that user code never receives."""
    for cls in _classes():
        known = issubclass(cls, StandIn | ClassStandIn | BaseException) or issubclass(type(cls), ClassStandIn)
        if not known and any(name in vars(cls) for name in _LIKE_A_STAND_IN):
            assert cls.__name__ in _INTERNAL, f"{cls.__module__}.{cls.__name__}"


def test_there_is_a_sample_of_every_stand_in(tracing):
    known = samples(tracing)
    missing = [] if importlib.util.find_spec("onnxruntime") else ["udf_compiler.frontends.onnx.session"]
    missing += [] if has_pytorch() else ["udf_compiler.frontends.torch.tensors", "udf_compiler.frontends.torch.namespace"]
    of_users = [cls for cls in _classes() if issubclass(cls, StandIn) and cls.__name__ not in _BASES]
    without = [cls for cls in of_users if cls.__module__ not in missing and not any(cls is sampled for sampled in known)]
    assert not without, [f"{cls.__module__}.{cls.__name__}" for cls in without]


def _seen(ask: Callable[[], Any]) -> Any:
    """Returns the outcome for user code: a value, an exception, or "refused"."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ask()
    except Refusal:
        return "refused"
    except Exception as error:  # noqa: BLE001 - any exception of the object is compared
        return error


def _names(real: Any, stand_in: Any) -> list[str]:
    """Returns attributes to test: those of the real object, the stand-in's own, and some of other objects."""
    ours = type.__getattribute__(stand_in if _is_class(stand_in) else type(stand_in), "_ours")
    others = {"columns", "foo", "from_pandas", "is_integer", "name", "shape", "values", "dtype", "item", "tz", "get", "real"}
    names = {*dir(real), *ours, *others}
    return sorted(n for n in names if not n.startswith("_"))


def _name_of(stand_in: Any) -> str:
    return type.__getattribute__(stand_in, "label") if _is_class(stand_in) else type(stand_in).__name__


def _is_class(x: Any) -> bool:
    return issubclass(type(x), ClassStandIn)


def _false_attributes(stand_in: Any, real: Any) -> Iterator[str]:
    for name in _names(real, stand_in):
        there = not isinstance(_seen(lambda name=name: getattr(real, name)), AttributeError)
        read_in_c = _is_class(stand_in) and name in type(stand_in).read_in_c
        for ask in (attribute_for_user,) if read_in_c else (getattr, attribute_for_user):
            found = _seen(lambda ask=ask, name=name: ask(stand_in, name))
            if _is_refused(found):
                continue
            if isinstance(found, AttributeError) == there or (isinstance(found, Exception) and there):
                told = type(found)
                yield f"{_name_of(stand_in)}.{name} by {ask.__name__}: {told}, really {there}"


_QUESTIONS: dict[str, Callable[[Any], Any]] = {
    "bool": bool, "len": len, "iter": iter, "next": next, "hash": hash, "repr": repr, "str": str, "format": lambda x: f"{x}",
    "formatted": lambda x: f"{x:>10}", "int": int, "float": float, "complex": complex, "index": operator.index, "round": round,
    "abs": abs, "neg": operator.neg, "invert": operator.invert, "in": lambda x: object() in x, "equal": lambda x: x == object(),
    "unequal": lambda x: x != object(), "less": lambda x: x < object(), "add": lambda x: x + object(),
    "radd": lambda x: object() + x, "matmul": lambda x: x @ object(), "item": lambda x: x[object()], "reversed": reversed,
    "bytes": bytes, "dir": dir, "copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": pickle.dumps, "fspath": os.fspath,
    "floor": math.floor, "iadd": lambda x: operator.iadd(x, object()),
}  # fmt: skip
#: Protocols whose answer is a constant, which the compiled function would keep.
_CONSTANTS = {"len", "hash", "repr", "str", "format", "formatted", "int", "float", "complex", "index", "bytes", "dir", "fspath"}


def _false_protocols(stand_in: Any, real: Any) -> Iterator[str]:
    if callable(stand_in) != callable(real):
        yield f"{_name_of(stand_in)} is callable: {callable(stand_in)}"
    for name, ask in _QUESTIONS.items():
        got = _seen(lambda ask=ask: ask(stand_in))
        if _is_refused(got):
            continue
        wanted = _seen(lambda ask=ask, name=name: ask(copy.copy(real) if name == "iadd" else real))
        if isinstance(got, Exception):
            true = isinstance(wanted, Exception) and isinstance(got, type(wanted))
        elif name in _CONSTANTS and not issubclass(type(got), StandIn) and not (type(got) is str and "\ue000" in got):
            true = type(got) is type(wanted) and got == wanted
        else:
            true = not isinstance(wanted, Exception)
        if not true:
            yield f"{name} of {_name_of(stand_in)}: {got if isinstance(got, Exception) else type(got)}, really {wanted!r}"


def _false_classes(stand_in: Any, real: Any) -> Iterator[str]:
    for kind in _SEEN_CLASSES:
        seen = _SEEN_AS.get(kind, kind)
        found = _seen(lambda seen=seen: isinstance(stand_in, seen))
        if not _is_refused(found) and found is not isinstance(real, kind):
            yield f"{_name_of(stand_in)} is a {kind.__name__}: {found}"
    found = _seen(lambda: find_stand_in(type)(stand_in))
    if not _is_refused(found) and all(found is not c for c in (type(real), find_stand_in(type(real)))):
        yield f"type of {_name_of(stand_in)}: {object.__repr__(found)}"


def _is_refused(x: Any) -> bool:
    return isinstance(x, str) and x == "refused"


@pytest.mark.parametrize(
    "false", [_false_attributes, _false_protocols, _false_classes], ids=["attributes", "protocols", "classes"]
)
def test_no_stand_in_returns_a_wrong_value(tracing, false):
    problems = []
    for kind, pairs in samples(tracing).items():
        of_groups = kind.__module__.startswith("udf_compiler.backends.aggregates")
        with running(Session(tracing, groups=ReducedGroups() if of_groups else None, dispatch=DISPATCH)):
            problems += [p for stand_in, real in pairs for p in false(stand_in, real)]
    assert not problems, "\n".join(problems)


def test_no_class_pretends_to_be_another(tracing):
    problems = []
    for stand_in in CLASS_STAND_INS:
        real = type.__getattribute__(stand_in, "stands_for")
        problems += _false_attributes(stand_in, real)
        for other in CLASS_STAND_INS:
            found = issubclass(stand_in, other)
            if found is not issubclass(real, type.__getattribute__(other, "stands_for")):
                problems.append(f"{_name_of(stand_in)} is a {_name_of(other)}: {found}")
    assert not problems, "\n".join(problems)


def _from_pandas(a):
    return pc.add(a, 1.0) if hasattr(pa.Array, "from_pandas") else a


def _from_buffers(a):
    return a if getattr(pa.StructArray, "from_buffers", None) is None else pc.add(a, 1.0)


def _from_pylist(a):
    return pc.add(a, 1.0) if hasattr(pa.RecordBatch, "from_pylist") else a


def _from_codes(s):
    return s + 1 if hasattr(pd.Categorical, "from_codes") else s


def _text_of_time(s):
    return s.dt.year + len(str(pd.Timestamp("2024-01-01")))


@pytest.mark.parametrize(
    "function, kind, type",
    [(_from_pandas, 250, "double"), (_from_buffers, 250, "double"), (_from_pylist, 250, "double"), (_from_codes, 200, "double"),
     (_text_of_time, 200, "timestamp")],
    ids=lambda x: getattr(x, "__name__", None) or str(x),
)  # fmt: skip
def test_unmodelled_calls_are_refused(function, kind, type):
    asked = request(python_step(r=udf(0, "a", evalType=kind)), inputs={"a": type})
    reply, _ = Service().answer(Message({**asked, "id": 1}, (payload(function),)))
    assert reply["status"] == "refused" and reply["refusals"][0]["code"] in ("SW251", "SW259"), reply


@pytest.mark.parametrize("name, there", [("columns", False), ("dt_", False), ("clip", True), ("dtype", True)])
def test_an_attribute_that_a_series_has_or_not_decides(name, there):
    asked = request(python_step(r=udf(0, "a")))
    reply, _ = Service().answer(Message({**asked, "id": 1}, (payload(lambda s: s + 2.0 if hasattr(s, name) else s * 3.0),)))
    assert reply["status"] == "ok" and ("add" in reply["program"]) == there
