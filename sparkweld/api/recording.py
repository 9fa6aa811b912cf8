"""Records the rows that the functions of a query pass to fitted models, in Spark's own Python workers.

A function is pickled with a `Recorder` in the place of each model. A UDF of the same kind calls it, and returns the calls of each
batch, pickled. Workers read this module with the function, by value.
"""

from __future__ import annotations

import io
import pickle
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pandas as pd
from pyspark import Broadcast, cloudpickle
from pyspark.sql.functions import PandasUDFType, pandas_udf, udf

from sparkweld.api.settings import changed
from sparkweld.contract.constants import ARROW_BATCHED, BATCHED, SCALAR_PANDAS, SCALAR_PANDAS_ITERATOR

#: A call that a function made: the model's number, the method, and the rows.
Call = tuple[int, str, Any]


class Recorder:
    """A model that lists each call of a method that scores rows, before it answers it."""

    #: The calls since the list was last cleared.
    calls: list[Call] = []

    def __init__(self, number: int, pickled: bytes) -> None:
        self._number, self._model = number, pickle.loads(pickled)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        found = getattr(self._model, name)
        if name not in ("predict", "predict_proba", "decision_function"):
            return found

        def call(rows: Any, *args: Any, **kwargs: Any) -> Any:
            self.calls.append((self._number, name, rows))
            return found(rows, *args, **kwargs)

        return call


class RecordingPickler(cloudpickle.CloudPickler):  # type: ignore[misc]
    """A pickler that writes a `Recorder` in the place of each model, by value. The models are listed in `models`, each once.

    A broadcast becomes a holder of its value, in which models are replaced, too.
    """

    def __init__(self, is_model: Callable[[Any], bool]) -> None:
        self._file = io.BytesIO()
        super().__init__(self._file)
        self._is_model = is_model
        self.models: list[Any] = []

    def pickled(self, function: Callable[..., Any]) -> bytes:
        """Returns the bytes of the function and of the class of its recorders."""
        self.dump((function, Recorder))
        return self._file.getvalue()

    def reducer_override(self, obj: Any) -> Any:
        """Returns how to make a model's recorder, and the holder of a broadcast's value."""
        if isinstance(obj, Broadcast):
            return types.SimpleNamespace, (), {"value": obj.value}
        if self._is_model(obj):
            return Recorder, (self._number(obj), cloudpickle.dumps(obj))
        return super().reducer_override(obj)

    def _number(self, model: Any) -> int:
        if not any(one is model for one in self.models):
            self.models.append(model)
        return next(at for at, one in enumerate(self.models) if one is model)


class Recording:
    """A pickled function with recorders, which a worker loads at its first call."""

    def __init__(self, pickled: bytes) -> None:
        self._pickled = pickled

    def calls(self, run: Callable[[Callable[..., Any]], object]) -> bytes:
        """Returns the pickled calls that models receive while `run` calls the function."""
        if "_loaded" not in vars(self):
            self._loaded = pickle.loads(self._pickled)
        function, recorder = self._loaded
        recorder.calls.clear()
        run(function)
        return pickle.dumps(recorder.calls)


def _results(first: bytes | None, count: int) -> pd.Series:
    """Returns the results of a batch of `count` rows: all but the first are None."""
    return pd.Series([first, *[None] * (count - 1)][:count], dtype=object)


def of_columns(recording: Recording) -> Callable[..., pd.Series]:
    """Returns a function of columns whose first result is the calls of the batch."""

    def record(*columns: Any, **named: Any) -> pd.Series:
        made = recording.calls(lambda function: function(*columns, **named))
        return _results(made, len([*columns, *named.values()][0]))

    return record


def of_batches(recording: Recording) -> Callable[[Iterator[Any]], Iterator[pd.Series]]:
    """Returns a function of an iterator of columns, all of whose calls are the first result of the first batch."""

    def record(batches: Iterator[Any]) -> Iterator[pd.Series]:
        counts = []

        def counted() -> Iterator[Any]:
            for batch in batches:
                counts.append(len(batch[0] if isinstance(batch, tuple) else batch))
                yield batch

        made = recording.calls(lambda function: list(function(counted())))
        for at, count in enumerate(counts):
            yield _results(made if at == 0 else None, count)

    return record


def of_values(recording: Recording) -> Callable[..., bytes]:
    """Returns a function of the values of a row whose result is its calls."""

    def record(*values: Any, **named: Any) -> bytes:
        return recording.calls(lambda function: function(*values, **named))

    return record


#: Kinds of functions -> what records one, and the form of a pandas UDF; None for a plain one.
KINDS: dict[int, tuple[Callable[[Recording], Callable[..., Any]], int | None]] = {
    SCALAR_PANDAS: (of_columns, PandasUDFType.SCALAR),
    SCALAR_PANDAS_ITERATOR: (of_batches, PandasUDFType.SCALAR_ITER),
    BATCHED: (of_values, None),
    ARROW_BATCHED: (of_values, None),
}


def recorded(arguments: Any, kind: int, pickled: bytes, most: int) -> list[Call]:
    """Returns the calls that a function makes for the first rows of its arguments, in order.

    `arguments`: the DataFrame of `profiled.arguments`. `kind`: a key of `KINDS`. `pickled`: the function, of `pickled_recording`.
    `most`: the number of rows. Raises what the function raises.
    """
    make, form = KINDS[kind]
    positions = [arguments[f"`{name}`"] for name in arguments.columns if not name.startswith("=")]
    named = {name[1:]: arguments[f"`{name}`"] for name in arguments.columns if name.startswith("=")}
    with _by_value(__name__), warnings.catch_warnings(), changed(arguments.sparkSession, {"spark.sparkweld.enabled": "false"}):
        warnings.simplefilter("ignore", UserWarning)  # of pandas UDFs whose form is an argument
        record = make(Recording(pickled))
        call = udf(record, "binary") if form is None else pandas_udf(record, "binary", form)
        rows = arguments.limit(most).select(call(*positions, **named).alias("calls")).collect()
    return [call for row in rows if row.calls is not None for call in pickle.loads(bytes(row.calls))]


def pickled_recording(function: Callable[..., Any], is_model: Callable[[Any], bool]) -> tuple[bytes, list[Any]]:
    """Returns a function's bytes with recorders in the place of its models, and the models in the order of their numbers.

    Models that are global names of the function's module are found, too.
    """
    pickler = RecordingPickler(is_model)
    with _by_value(__name__), _by_value(getattr(function, "__module__", "__main__")):
        return pickler.pickled(function), pickler.models


@contextmanager
def _by_value(name: str) -> Iterator[None]:
    """Has cloudpickle write the functions and classes of a module by value inside the block, as those of ``__main__``."""
    module, known = sys.modules.get(name), cloudpickle.list_registry_pickle_by_value()
    if module is None or name in known or name == "__main__":
        yield
        return
    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)
