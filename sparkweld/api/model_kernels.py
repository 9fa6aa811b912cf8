"""Compiles a fitted model to the kernel that Spark's executors would run, and loads it in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pyspark import cloudpickle
from pyspark.sql.types import BooleanType, DoubleType, LongType, StringType

from sparkweld.api.asking import Given, Struct, ask
from sparkweld.contract.constants import SCALAR_PANDAS
from sparkweld.contract.replies import Refused
from sparkweld.ir.ops import Array, Optional
from sparkweld.ir.program import Program
from sparkweld.kernels import Kernel, KernelResult, ObjectCache, compile_program
from sparkweld.reasons import refusal

_TYPES = {"b": "boolean", "i": "long", "u": "long", "f": "double"}


@dataclass(frozen=True)
class ModelKernel:
    """A kernel bound to a table. `run()` scores the table once; the answers are the first column of the result."""

    program: Program
    run: Callable[[], KernelResult]

    def answers(self) -> np.ndarray:
        """Returns the answers, for a table where no row has to run in Python."""
        (column,) = self.run().columns.values()
        return np.asarray(column.values if isinstance(column, Optional) else column)


def model_kernel(model: Any, data: Any) -> ModelKernel:
    """Returns the kernel of ``model.predict(rows)``.

    `data`: a DataFrame, or a Series of strings. Refuses (SW946) models that do not compile.
    """
    frame = data if isinstance(data, pd.DataFrame) else pd.DataFrame({"text": data})
    columns = tuple(_given(str(name), frame[name]) for name in frame.columns)
    argument = columns[0] if data is not frame else Struct(columns, tuple(c.name for c in columns))
    kind = np.asarray(model.predict(data.iloc[:1])).dtype.kind
    declared = {"f": DoubleType(), "b": BooleanType(), "O": StringType(), "U": StringType()}.get(kind, LongType())

    def score(rows: Any) -> Any:
        return pd.Series(model.predict(rows))

    score.__module__ = "__main__"  # as in a user's script: the compiler does not trace code of libraries
    payload = cloudpickle.dumps((score, declared))
    answer = ask(payload, "score", declared.jsonValue(), SCALAR_PANDAS, [argument])
    if isinstance(answer.reply, Refused):
        first = answer.reply.refusals[0]
        raise refusal("SW946", model=type(model).__name__, why=f"{first.code} {first.message}")
    program = answer.program
    assert program is not None
    kernel = Kernel.load(compile_program(program, ObjectCache()), program)
    inputs = {i.name: _array(frame[i.name], i.type) for i in program.inputs}
    return ModelKernel(program, kernel.bound(inputs, len(frame)))


def _given(name: str, column: pd.Series) -> Given:
    spark_type = _TYPES.get(column.dtype.kind, "string") if isinstance(column.dtype, np.dtype) else "string"
    return Given(name, spark_type, state="nullable" if spark_type == "string" else "dense")


def _array(column: pd.Series, type: Any) -> Array:
    valid = column.notna().to_numpy()
    if type.kind == "str":
        values = np.array([v if ok else "" for v, ok in zip(column.tolist(), valid, strict=True)], object)
    else:
        values = column.to_numpy(type.dtype)
    return Optional(values, valid if type.kind == "str" else np.ones(len(column), np.bool_)) if type.nullable else values
