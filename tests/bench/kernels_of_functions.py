"""Compiles functions of the cases of models to kernels that compute one batch."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql.types import DataType, FloatType

from sparkweld.ir import parse_program
from sparkweld.kernels import Kernel, compile_program

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.helpers.compiled import inputs_of
from tests.helpers.models import compiled


def kernel_of(
    function: Callable[[Any], Any], rows: pa.RecordBatch, returns: DataType, struct: bool = True
) -> Callable[[], np.ndarray]:
    """Returns a call of the kernel of a pandas UDF for a batch, whose columns are laid out. `struct`: see `compiled`."""
    reply = compiled(function, rows, returns, struct)
    if reply["status"] != "ok":
        raise SystemExit(f"not compiled: {reply['refusals']}")
    program = parse_program(reply["program"], reply["blocks"])
    run = Kernel.load(compile_program(program), program).bound(inputs_of(program, rows), rows.num_rows)

    def ours() -> np.ndarray:
        made = run()
        assert not made.flagged
        values = made.columns[program.outputs[0]]
        return values if isinstance(values, np.ndarray) else values.values

    return ours


def kernel_of_columns(function: Callable[[Any], Any], batch: np.ndarray) -> Callable[[], np.ndarray]:
    """Returns the same for a function of a DataFrame of the columns of a matrix, which returns 32-bit floats."""
    count = batch.shape[1]
    rows = pa.RecordBatch.from_arrays([pa.array(batch[:, i]) for i in range(count)], [f"x{i}" for i in range(count)])
    return kernel_of(function, rows, FloatType())
