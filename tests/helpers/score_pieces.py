"""Runs the entry point of tree ensembles over arrays, chunk by chunk, without programs."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np
from llvmlite import binding

from sparkweld.ir.layouts.model_memory import MODEL_TILE
from sparkweld.ir.ops import TreeEnsemble
from sparkweld.kernels.functions.models import PIECE, scorer
from sparkweld.kernels.functions.models.library import ModelFunction
from sparkweld.kernels.llvm.target import target_machine
from sparkweld.kernels.runtime.loader import link


@cache
def _entry(function: ModelFunction) -> tuple[ctypes._CFuncPtr, object]:
    image = target_machine().emit_object(binding.parse_bitcode(function.bitcode))
    tracker = link(image, function.symbol)
    return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 6)(tracker[function.symbol]), tracker


class Scored:
    """An ensemble compiled to run over columns of its width."""

    def __init__(self, op: TreeEnsemble) -> None:
        made = scorer(op)
        self.op, self._work = op, np.empty(made.scratch, np.uint8)
        self._call, self._keep = _entry(made.function)
        self._parameters = np.array(made.parameters, np.int64)

    def run(self, columns: list[np.ndarray], piece: int = PIECE) -> list[np.ndarray]:
        """Returns the sums of all rows, computed in chunks of `piece` rows; padding follows the last row, as in a kernel."""
        wanted = len(columns[0])
        rows = -(-wanted // MODEL_TILE) * MODEL_TILE
        columns = [np.concatenate([c, np.zeros(rows - wanted, c.dtype)]) for c in columns]
        outputs = [np.empty(rows, self.op.sums.dtype) for _ in range(self.op.outputs)]
        for start in range(0, rows, piece):
            arguments = np.array([c.ctypes.data + start * c.itemsize for c in columns], np.int64)
            to = np.array([o.ctypes.data + start * o.itemsize for o in outputs], np.int64)
            data = self.op.block.data
            assert data is not None
            addresses = (a.ctypes.data for a in (data, to, self._work))
            block, results, work = addresses
            self._call(arguments.ctypes.data, min(piece, rows - start), block, results, work, self._parameters.ctypes.data)
        return [o[:wanted] for o in outputs]
