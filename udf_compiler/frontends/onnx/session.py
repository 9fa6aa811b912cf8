"""Represents sessions of ONNX Runtime in functions: they load a constant file or constant bytes, and `run` is translated."""

from __future__ import annotations

import importlib
import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from sparkweld.ir.types import F64, STR
from udf_compiler.frontends.models.features import Features, features_of
from udf_compiler.frontends.models.labels import keep
from udf_compiler.frontends.models.loaders import allowed, path_named
from udf_compiler.frontends.models.output import given_back
from udf_compiler.frontends.models.traced import row_argument, row_result, rows_argument
from udf_compiler.frontends.networks.tensors import Tensor
from udf_compiler.frontends.onnx.evaluation import Evaluation
from udf_compiler.frontends.onnx.reading import Graph, Unread, read
from udf_compiler.frontends.onnx.step import Argument
from udf_compiler.frontends.onnx.values import Maps
from udf_compiler.frontends.pandas.apply.comprehensions import Rows, check_loop
from udf_compiler.frontends.pandas.calls.lists import for_model
from udf_compiler.frontends.pandas.series import TracedSeries
from udf_compiler.frontends.python.path_explorer import is_exploring
from udf_compiler.frontends.tracing.exceptions import as_python, unwatched
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.signatures import check_form
from udf_compiler.frontends.tracing.stand_ins import StandIn

_CALL = "InferenceSession.run"
_LOADS = "onnxruntime.InferenceSession"
#: The oldest tested version of ONNX Runtime. Of a newer one, the results on synthetic rows are compared as for every function.
OLDEST = (1, 20)
_BOUND = "the rounding of 32-bit sums, which ONNX Runtime adds in an order of its own"
#: Providers that compute on the CPU.
_OF_CPU = ("CPUExecutionProvider", "AzureExecutionProvider")
#: Attributes of `SessionOptions` on which no result depends.
_OPTIONS = frozenset(
    """intra_op_num_threads inter_op_num_threads execution_mode log_severity_level log_verbosity_level logid
    enable_cpu_mem_arena enable_mem_pattern enable_mem_reuse graph_optimization_level""".split()
)


@dataclass(frozen=True)
class Model:
    """A loaded file: its graph, and a session of one thread that shows what ONNX Runtime accepts."""

    graph: Graph
    session: Any

    @staticmethod
    @lru_cache(maxsize=1)  # each of a function's paths loads it again; a large model should not stay for long
    def of(data: bytes) -> Model:
        """Loads a serialized model. Refuses SW252 one that ONNX Runtime rejects, and SW837 one that `reading` does."""
        runtime = importlib.import_module("onnxruntime")
        version = runtime.__version__
        if tuple(int(part) if part.isdigit() else 0 for part in version.split(".")[:2]) < OLDEST:
            refuse("SW803", library="onnxruntime", version=version, checked="1.20 and newer")
        options = runtime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4  # a rejected row of the prototype is no news
        session = run_prototype(_LOADS, runtime.InferenceSession, data, options, providers=["CPUExecutionProvider"])
        try:
            return Model(read(data), session)
        except Unread as unread:
            refuse("SW837", call=_LOADS, what=str(unread))


class SessionOptions(StandIn):
    """The options of a session; those are accepted on which no result depends."""

    __slots__ = ("stands_for",)
    what = "SessionOptions"

    def __init__(self, original: type) -> None:
        object.__setattr__(self, "stands_for", original)

    def __setattr__(self, name: str, value: object) -> None:
        if name not in _OPTIONS:
            refuse("SW840", call="SessionOptions", option=name)


class NodeArg(StandIn):
    """A description of an input or output of a session: constants."""

    __slots__ = ("name", "shape", "type")
    what = "NodeArg"
    visible = frozenset({"name", "shape", "type"})

    def __init__(self, original: Any) -> None:
        for name in self.__slots__:
            object.__setattr__(self, name, getattr(original, name))

    @property  # type: ignore[override]
    def stands_for(self) -> Any:
        return importlib.import_module("onnxruntime").NodeArg


class TracedSession(StandIn):
    """A session whose `run` computes on symbolic columns."""

    __slots__ = ("_model",)
    what = "InferenceSession"

    def __init__(self, model: Model) -> None:
        object.__setattr__(self, "_model", model)

    @property  # type: ignore[override]
    def stands_for(self) -> Any:
        return importlib.import_module("onnxruntime").InferenceSession

    def __getattr__(self, name: str) -> Any:
        model: Model = object.__getattribute__(self, "_model")
        if name == "run":
            return lambda *args, **kwargs: _run(model, args, kwargs)
        if name in ("get_inputs", "get_outputs"):
            return lambda: [NodeArg(node) for node in getattr(model.session, name)()]
        if name == "get_providers":
            return lambda: list(model.session.get_providers())
        refuse("SW802", name="InferenceSession", method=name)


class TracedMaps(StandIn):
    """The list of dictionaries that ZipMap returns: only a loop over it reads its elements."""

    __slots__ = ("_maps",)
    what = "list of dictionaries"
    stands_for = list

    def __init__(self, maps: Maps) -> None:
        object.__setattr__(self, "_maps", maps)

    def __iter__(self) -> Any:
        check_loop(sys._getframe(1))
        maps: Maps = object.__getattribute__(self, "_maps")
        loop = maps.values.loop
        columns = [TracedSeries(loop, loop.cast(v, F64), np.dtype(np.float64)) for v in maps.values.columns]
        return Rows(columns, single=False, made=lambda values: dict(zip(maps.keys, values, strict=True)))


class Results(StandIn):
    """The list of outputs; each is computed when the function first reads it. `shown`: name -> its value for one row of ones."""

    __slots__ = ("_evaluation", "_known", "_shown")
    what = "list of outputs"
    stands_for = list

    def __init__(self, evaluation: Evaluation, shown: dict[str, Any]) -> None:
        object.__setattr__(self, "_evaluation", evaluation)
        object.__setattr__(self, "_shown", shown)
        object.__setattr__(self, "_known", {})

    def __len__(self) -> int:
        return len(object.__getattribute__(self, "_shown"))

    def __getitem__(self, key: Any) -> Any:
        if type(key) not in (int, slice):
            refuse("SW259", call="list[...]")
        found = as_python(operator.getitem, list(object.__getattribute__(self, "_shown")), key)
        return self._read(found) if isinstance(found, str) else [self._read(name) for name in found]

    def __iter__(self) -> Any:
        return iter([self._read(name) for name in object.__getattribute__(self, "_shown")])

    def _read(self, name: str) -> Any:
        known = object.__getattribute__(self, "_known")  # the function may change an output in place
        with unwatched():
            if name not in known:
                known[name] = _given_back(object.__getattribute__(self, "_evaluation").result(name), self._shown[name])
        return known[name]


def stand_in(original: Any) -> Any:
    """Returns the stand-in of `InferenceSession` or `SessionOptions`; None for another object."""
    owner, name = getattr(original, "__module__", None), getattr(original, "__qualname__", None)
    if not isinstance(owner, str) or not owner.startswith("onnxruntime."):
        return None
    makers: dict[Any, Callable[[], Any]] = {
        "InferenceSession": lambda: _session_maker(original),
        "SessionOptions": lambda: lambda: SessionOptions(original),
    }
    return makers[name]() if name in makers else None


def _session_maker(original: Any) -> Callable[..., TracedSession]:
    def session(
        path_or_bytes: Any, sess_options: Any = None, providers: Any = None, provider_options: Any = None, **others: Any
    ) -> TracedSession:
        given = {"provider_options": provider_options, **others}
        if odd := [name for name, value in given.items() if value is not None]:
            refuse("SW840", call=_LOADS, option=odd[0])
        if not (sess_options is None or isinstance(sess_options, SessionOptions)):
            refuse("SW840", call=_LOADS, option="sess_options")
        chosen = importlib.import_module("onnxruntime").get_available_providers() if providers is None else providers
        if type(chosen) not in (list, tuple) or any(p not in _OF_CPU for p in chosen):
            refuse("SW840", call=_LOADS, option="providers")
        with unwatched():
            if isinstance(path_or_bytes, bytes):
                return TracedSession(Model.of(path_or_bytes))
            return TracedSession(allowed(_LOADS).load(path_named(path_or_bytes, _LOADS), original, _loaded))

    return session


def _loaded(path: str) -> Model:
    with open(path, "rb") as file:
        return Model.of(file.read())


def _run(model: Model, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    with unwatched():
        check_form(model.session.run, args, kwargs, _CALL)
        return _results(model, *_bound(*args, **kwargs))


def _bound(output_names: Any, input_feed: Any, run_options: Any = None) -> tuple[Any, Any]:
    if run_options is not None:
        refuse("SW840", call=_CALL, option="run_options")
    if type(input_feed) is not dict or not all(type(name) is str for name in input_feed):
        refuse("SW810", call=_CALL, what="something other than a dict of columns by name")
    return output_names, input_feed


def _results(model: Model, names: Any, feed: dict[str, Any]) -> Any:
    """Returns the requested outputs. Refuses SW252 what ONNX Runtime rejects: names, types and shapes."""
    if feed and all(type(x) is np.ndarray for x in feed.values()):
        return run_prototype(_CALL, model.session.run, names, feed)  # constants: all values of the row are NULL
    features = {name: _features(model, name, x) for name, x in feed.items()}
    prototypes = {name: x.prototype() for name, x in features.items()}
    expected = run_prototype(_CALL, model.session.run, names, prototypes)
    outputs = tuple(names or [node.name for node in model.session.get_outputs()])
    if len(set(outputs)) != len(outputs):
        refuse("SW837", call=_CALL, what="an output that is requested twice")
    loop = next(iter(features.values())).loop
    given = {name: Tensor(loop, x.values, () if x.ndim == 1 else (len(x.columns),)) for name, x in features.items()}
    return Results(Evaluation(model.graph, given, loop, _CALL), dict(zip(outputs, expected, strict=True)))


def _features(model: Model, name: str, x: Any) -> Features:
    node = next((node for node in model.session.get_inputs() if node.name == name), None)
    shape = [] if node is None else node.shape
    if shape and isinstance(shape[0], int):
        refuse("SW837", call=_CALL, what="an input with a constant number of rows")
    x = row_argument(x, _CALL) if is_exploring() else rows_argument(x)
    width = shape[1] if len(shape) == 2 and isinstance(shape[1], int) else None
    return features_of(for_model(x, width, _CALL), _CALL)


def _given_back(result: Argument, shown: Any) -> Any:
    """Returns what the user's code receives; `shown` is ONNX Runtime's result for one row of ones."""
    tensor = result.values if isinstance(result, Maps) else result
    if isinstance(tensor, Tensor) and not tensor.exact:
        keep("onnx", _BOUND, _CALL)
    if isinstance(result, Maps):
        if not is_exploring():
            return TracedMaps(result)
        refuse("SW837", call=_CALL, what="the operator ZipMap for one row")
    if not isinstance(result, Tensor) or len(result.shape) > 1:
        refuse("SW837", call=_CALL, what="an output that is not a matrix of the batch's rows")
    dtype = np.dtype(object) if result.type == STR else result.type.dtype
    if shown.dtype != dtype or shown.shape != (1, *result.shape):
        refuse("SW837", call=_CALL, what=f"an output of type {shown.dtype} and shape {shown.shape}")
    made = given_back(Features(result.loop, result.columns, ndim=1 + len(result.shape)), _CALL)
    return row_result(made, _CALL) if is_exploring() else made
