"""Recognizes functions that `mlflow.pyfunc.spark_udf` created and extracts their captured state and per-batch function."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sparkweld.reasons import refusal
from udf_compiler.frontends.mlflow.loading import Source, library_of, load, predictor
from udf_compiler.frontends.mlflow.results import converted
from udf_compiler.frontends.mlflow.signatures import enforced, named_columns
from udf_compiler.frontends.tracing.session import current
from udf_compiler.function.bytecode import Namespace, Use
from udf_compiler.function.wrappers import cells_of
from udf_compiler.rebuild.objects import Rebuilder
from udf_compiler.rebuild.purity import Prepared, use_of

_MODULE, _NAME = "mlflow.pyfunc", "spark_udf.<locals>.udf"

#: MLflow versions whose source this package follows.
CHECKED_VERSIONS = ("2.14", "2.19", "2.21", "3.0", "3.8", "3.12", "3.17")

#: Captured option -> its supported value, and the message for any other. Other values change how or where the model runs.
#: Versions differ in which of them they have.
_PLAIN: Mapping[str, tuple[Any, str]] = {
    "env_manager": ("local", "with env_manager={!r}"),
    "prebuilt_env_uri": (None, "with prebuilt_env_uri"),
    "model_config": (None, "with model_config"),
    "extra_env": (None, "with extra_env"),
    "use_dbconnect_artifact": (False, "for Databricks Connect"),
    "mlflow_testing": (None, "under MLflow's own tests"),
}


@dataclass(frozen=True, slots=True)
class ScoringUdf:
    """The captured state of such a function. `score_batch`: MLflow's function of a batch; `metadata`: as read by the driver."""

    function: types.FunctionType
    score_batch: Callable[..., Any]
    metadata: Any
    result_type: Any
    source: Source

    def prepared(self, stand_in: Callable[[object], object | None]) -> Prepared:
        """Returns its checked copy: the same calls over traced columns; tracing loads the model."""
        use, rebuilder = use_of(self.function), Rebuilder(stand_in)

        def score(batch: Any) -> Any:
            return self._scored(rebuilder, use, batch)

        def predict(batches: Any) -> Iterator[Any]:
            for batch in batches:
                yield score(batch)

        return Prepared(predict, use, rebuilder)

    def original(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Yields the results of the original function, with a model that is loaded once for all batches."""
        model = load(self.source)

        def predict(frame: Any, params: Any = None) -> Any:
            return model.predict(frame, params=params)

        for batch in batches:
            yield self.score_batch(predict, batch if type(batch) is tuple else (batch,))

    def _scored(self, rebuilder: Rebuilder, use: Use, batch: Any) -> Any:
        model = load(self.source)
        columns = named_columns(batch, self.metadata.get_input_schema())
        data = enforced(columns, model.metadata.get_input_schema())
        result = predictor(model, lambda held: rebuilder.lazily(lambda: rebuilder.value(held, use)))(data)
        flavour = library_of(model.metadata)["loader_module"].removeprefix("mlflow.")
        current().note(f"MLflow model {self.source.name}, flavour {flavour}")
        return converted(result, self._dtype_of, self.result_type)

    def _dtype_of(self, predictions: Any) -> Any:
        """Returns MLflow's conversion of given predictions; the input batch is a dummy."""
        return self.score_batch(lambda frame, params: predictions, (pd.DataFrame({"x": [0]}),))


def scoring_udf_of(function: Any) -> ScoringUdf | None:
    """Returns the captured state of a function that `spark_udf` of the installed MLflow created; None for other functions.

    Refuses SW803 (an unchecked version of MLflow) and SW865 (options that change where or how the model runs).
    """
    if not isinstance(function, types.FunctionType) or (function.__module__, function.__qualname__) != (_MODULE, _NAME):
        return None
    library, place = sys.modules.get(_MODULE), use_of(function).place
    if library is None or not hasattr(library, "spark_udf"):
        return None
    version = sys.modules["mlflow"].__version__
    if not version.startswith(tuple(f"{v}." for v in CHECKED_VERSIONS)):
        raise refusal("SW803", place, library="MLflow", version=version, checked=", ".join(CHECKED_VERSIONS))
    held = _filled(function)
    inner = held.get("_predict_row_batch")
    if not (_is_of(library, function) and isinstance(inner, types.FunctionType) and _is_of(library, inner)):
        raise _refused(function, "of another version than the one that is installed here")
    for name, (plain, what) in _PLAIN.items():
        if held.get(name, plain) != plain:
            raise _refused(function, what.format(held[name]))
    if held["is_spark_connect"] and not held["should_spark_connect_use_nfs"]:
        raise _refused(function, "over Spark Connect, where each worker fetches the model separately")
    known = cells_of(inner)
    if known["params"]:
        raise _refused(function, "with params")
    path = held["archive_path"] if held["should_use_spark_to_broadcast_file"] else held["local_model_path"]
    source = Source(path, is_archive=held["should_use_spark_to_broadcast_file"])
    return ScoringUdf(function, inner, known["model_metadata"], known["result_type"], source)


def _refused(function: types.FunctionType, how: str) -> Exception:
    return refusal("SW865", use_of(function).place, function=function.__qualname__, how=how)


def _filled(function: types.FunctionType) -> Namespace:
    """Returns the captured variables by name; skips empty cells, which belong to branches that `spark_udf` did not take."""
    filled = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            filled[name] = cell.cell_contents
        except ValueError:
            continue
    return filled


def _is_of(library: types.ModuleType, function: types.FunctionType) -> bool:
    """Whether `spark_udf` defines the function, and the functions that it calls are those of the library."""
    if function.__code__ not in library.spark_udf.__code__.co_consts:
        return False
    reached = {name: value for name, value in function.__globals__.items() if isinstance(value, types.FunctionType)}
    return all(value is getattr(library, name, None) for name, value in reached.items())
