"""Defines cases of ONNX models: the kernel of a UDF with a session, against ONNX Runtime itself with one thread.

The session receives the matrix of 32-bit floats; the kernel receives the same values as columns.
"""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from kernels_of_functions import kernel_of_columns
from model_cases import BATCH, Contest, numbers
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

_OPSET = {"": 18, "ai.onnx.ml": 3}


def session_of(data: bytes) -> Any:
    """Returns a session with one thread."""
    library = importlib.import_module("onnxruntime")
    options = library.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return library.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def contest(make: Callable[[], Any], output: int, about: str) -> Contest:
    """Returns a case that computes the last column of an output for a batch."""
    library, convert = importlib.import_module("onnxruntime"), importlib.import_module("skl2onnx").to_onnx
    x, y, batch = (array.astype(np.float32) for array in numbers())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make().fit(x[:3000], y[:3000].astype(int))
        options = {id(model): {"zipmap": False}} if output else None
        data = convert(model, x[:1], options=options, target_opset=_OPSET).SerializeToString()

    def scored(frame: pd.DataFrame) -> pd.Series:
        session = library.InferenceSession(data)
        return pd.Series(session.run(None, {"X": frame.to_numpy(dtype=np.float32)})[output][:, -1])

    ours = kernel_of_columns(scored, batch)
    session = session_of(data)

    peers = {"ONNX Runtime": lambda: session.run(None, {"X": batch})[output][:, -1]}
    return Contest(BATCH, ours, peers, {"ONNX Runtime": 1e-3}, about)


def network(*layers: int) -> Any:
    return MLPClassifier(layers, max_iter=8, random_state=0)


_INSTALLED = all(map(importlib.util.find_spec, ("onnx", "onnxruntime", "skl2onnx")))
#: Name -> a function that prepares the case; none without ONNX Runtime and a converter.
ONNX: dict[str, Callable[[], Contest]] = {
    "ONNX gradient boosting 100 x depth 3": partial(contest, lambda: GradientBoostingRegressor(random_state=0), 0, "32-bit sums"),
    "ONNX random forest 100 x depth 8": partial(
        contest, lambda: RandomForestClassifier(100, max_depth=8, random_state=0), 1, "32-bit sums"
    ),
    "ONNX scaler and logistic regression": partial(
        contest, lambda: make_pipeline(StandardScaler(), LogisticRegression()), 1, "30 features"
    ),
} if _INSTALLED else {}  # fmt: skip
#: Here a kernel is slower than ONNX Runtime's products of matrices. In a query it saves the conversion of rows.
NETWORKS: dict[str, Callable[[], Contest]] = {
    "ONNX network 30-64-32-1": partial(contest, lambda: network(64, 32), 1, "relu"),
    "ONNX network 30-16-1": partial(contest, lambda: network(16), 1, "relu"),
} if _INSTALLED else {}  # fmt: skip
