"""Defines cases of PyTorch: the kernel of a UDF with a module, against the module itself with one thread.

The module receives the matrix of 32-bit floats; the kernel receives the same values as columns. A PyTorch with a fast library
for matrices is the fair peer: that of Debian uses the reference BLAS unless libopenblas0 is installed.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from kernels_of_functions import kernel_of_columns
from model_cases import BATCH, FEATURES, Contest, numbers

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.helpers.pytorch import has_pytorch


def network(*layers: int, activation: str = "ReLU", norm: bool = False) -> Any:
    """Returns layers of these sizes with an activation after each, a last layer of one result, and a probability."""
    nn, parts = importlib.import_module("torch.nn"), []
    for before, after in zip((FEATURES, *layers), layers, strict=False):
        layers_of = [nn.Linear(before, after), *([nn.BatchNorm1d(after)] if norm else [])]
        parts += [*layers_of, getattr(nn, activation)(), nn.Dropout(0.1)]
    return nn.Sequential(*parts, nn.Linear((FEATURES, *layers)[-1], 1), nn.Sigmoid())


def contest(make: Callable[[], Any], about: str) -> Contest:
    """Returns a case that computes the probability of each row of a batch."""
    torch = importlib.import_module("torch")
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net, batch = make().eval(), numbers()[2].astype(np.float32)

    def scored(frame: pd.DataFrame) -> pd.Series:
        with torch.no_grad():
            return pd.Series(net(torch.from_numpy(frame.to_numpy(dtype=np.float32)))[:, 0].numpy())

    def peer() -> np.ndarray:
        with torch.inference_mode():
            made: np.ndarray = net(torch.from_numpy(batch))[:, 0].numpy()
            return made

    ours = kernel_of_columns(scored, batch)

    return Contest(BATCH, ours, {"PyTorch": peer}, {"PyTorch": 1e-4}, about)


#: Name -> a function that prepares the case; none without PyTorch.
PYTORCH: dict[str, Callable[[], Contest]] = {
    "PyTorch 30-64-32-1": partial(contest, lambda: network(64, 32), "ReLU"),
    "PyTorch 30-64-32-1, normalized": partial(contest, lambda: network(64, 32, norm=True), "BatchNorm1d, ReLU"),
    "PyTorch 30-64-32-1, SiLU": partial(contest, lambda: network(64, 32, activation="SiLU"), "SiLU"),
    "PyTorch 30-64-32-1, GELU": partial(contest, lambda: network(64, 32, activation="GELU"), "GELU"),
    "PyTorch 30-128-128-1": partial(contest, lambda: network(128, 128), "ReLU"),
} if has_pytorch() else {}  # fmt: skip
#: Of a small network, the kernel spends its time on reading the columns, which PyTorch receives as a matrix.
SMALL: dict[str, Callable[[], Contest]] = {
    "PyTorch 30-16-1": partial(contest, lambda: network(16), "ReLU"),
} if has_pytorch() else {}  # fmt: skip
