"""Makes the cases of the serving bench: a model, its program, and the libraries that score the same rows."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from lightgbm import LGBMRegressor
from serving_peers import PEERS
from serving_sides import SIZES, Foreign, Local, Side
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_regression
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBRegressor

import sparkweld


@dataclass
class Case:
    """`sides` by their names: the program, an empty call, then the library. `bound`: the largest difference to the library."""

    name: str
    sides: dict[str, Side]
    bound: float
    program: Any
    rows: list[dict[str, Any]]
    missing: list[str] = field(default_factory=list)


def _nothing(**values: Any) -> None:
    """Costs what a call with these names costs: the clock and the processor's noise, too."""


def lightgbm(folder: Path, peers: str | None) -> Case:
    """LightGBM, 100 trees of 31 leaves, 20 features."""
    features, labels, names = _numbers()
    fitted = LGBMRegressor(n_estimators=100, num_leaves=31, verbose=-1, n_jobs=1)
    fitted.fit(pd.DataFrame(features, columns=names), labels)
    booster = fitted.booster_
    case = _of_trees("LightGBM 100 x 31", fitted, features, names)
    arrays = {n: np.ascontiguousarray(features[:n]) for n in SIZES}
    case.sides["LightGBM"] = Local(lambda n: booster.predict(arrays[n], num_threads=1))
    case.sides["LightGBM, fast single row"] = Local(_fast_row(booster, arrays[1][0]), SIZES[:1])
    _add_onnx(case, "lightgbm", fitted, arrays)
    booster.save_model(folder / "model.txt")
    return _with_peers(case, folder, peers, arrays[SIZES[-1]])


def xgboost(folder: Path, peers: str | None) -> Case:
    """XGBoost, 100 trees of depth 6, 20 features that float32 represents."""
    features, labels, names = _numbers()
    features = features.astype(np.float32).astype(np.float64)
    fitted = XGBRegressor(n_estimators=100, max_depth=6, n_jobs=1).fit(pd.DataFrame(features, columns=names), labels)
    case = _of_trees("XGBoost 100 x depth 6", fitted, features, names)
    arrays = {n: np.ascontiguousarray(features[:n]) for n in SIZES}
    booster = fitted.get_booster()
    booster.feature_names = None
    booster.set_param({"nthread": 1})
    case.sides["XGBoost, in place"] = Local(lambda n: booster.inplace_predict(arrays[n]))
    fitted.save_model(folder / "model.json")
    _add_onnx(case, "xgboost", fitted, arrays)
    return _with_peers(case, folder, peers, arrays[SIZES[-1]])


def pipeline(folder: Path, peers: str | None) -> Case:
    """Words of a text, two categories and three numbers before a logistic regression."""
    table, fitted = text_model()
    program = sparkweld.compile(fitted, table.head(10), proba=True)
    whole = pd.concat([table] * 5, ignore_index=True)
    frames = {n: whole.head(n).copy() for n in SIZES}
    rows = table.head(2000).to_dict("records")
    sides: dict[str, Side] = {
        "sparkweld": Local(lambda n: program.predict_row(**rows[0]) if n == 1 else program(frames[n]).to_numpy()),
        "an empty call": Local(lambda _: _nothing(**rows[0]), SIZES[:1]),
        "scikit-learn": Local(lambda n: fitted.predict_proba(frames[n])[:, 1]),
    }
    return Case("Text, categories and numbers", sides, 1e-12, program, rows)


def text_model() -> tuple[pd.DataFrame, Any]:
    """Returns a table of strings of words, categories and numbers, and a pipeline that was fitted to it."""
    random = np.random.default_rng(0)
    words = np.array([f"word{at}" for at in range(400)])
    count = 20_000
    table = pd.DataFrame({
        "text": [" ".join(random.choice(words, 12)) for _ in range(count)],
        "city": random.choice(["Bern", "Oslo", "Rome"], count), "plan": random.choice(["a", "b"], count),
        **{name: random.normal(size=count) for name in "xyz"},
    })  # fmt: skip
    parts = [
        ("text", TfidfVectorizer(), "text"), ("kinds", OneHotEncoder(handle_unknown="ignore"), ["city", "plan"]),
        ("numbers", StandardScaler(), ["x", "y", "z"]),
    ]  # fmt: skip
    labels = (table["x"] + table["text"].str.count("word1") > 2).astype(int)
    return table, make_pipeline(ColumnTransformer(parts), LogisticRegression(max_iter=300)).fit(table, labels)


def _numbers() -> tuple[np.ndarray, np.ndarray, list[str]]:
    features, labels = make_regression(SIZES[-1], 20, noise=5, random_state=0)
    return features, labels, [f"c{at}" for at in range(20)]


def _of_trees(name: str, fitted: Any, features: np.ndarray, names: list[str]) -> Case:
    program = sparkweld.compile(fitted, dict.fromkeys(names, "double"))
    rows = [dict(zip(names, row, strict=True)) for row in features[:2000].tolist()]
    arrays = {n: np.ascontiguousarray(features[:n]) for n in SIZES}
    sides: dict[str, Side] = {
        "sparkweld": Local(lambda n: program.predict_row(**rows[0]) if n == 1 else program(arrays[n])),
        "an empty call": Local(lambda _: _nothing(**rows[0]), SIZES[:1]),
    }
    return Case(name, sides, 0.0, program, rows)


def _fast_row(booster: Any, row: np.ndarray) -> Callable[[int], float]:
    """Returns LightGBM's C function for single rows, whose settings are read once; its Python package does not call it."""
    from lightgbm.basic import _LIB

    config, size, made = ctypes.c_void_p(), ctypes.c_int64(), ctypes.c_double()
    doubles, raw = 1, 0
    done = _LIB.LGBM_BoosterPredictForMatSingleRowFastInit(
        booster._handle, raw, 0, -1, doubles, ctypes.c_int32(row.size), b"num_threads=1", ctypes.byref(config)
    )
    if done:
        raise RuntimeError("LightGBM has no fast path for this model")
    function, given = _LIB.LGBM_BoosterPredictForMatSingleRowFast, row.ctypes.data_as(ctypes.c_void_p)

    def call(_: int) -> float:
        function(config, given, ctypes.byref(size), ctypes.byref(made))
        return made.value

    return call


def _add_onnx(case: Case, library: str, fitted: Any, arrays: dict[int, np.ndarray]) -> None:
    """Adds ONNX Runtime with one thread, which reads float32."""
    absent = [name for name in ("onnxruntime", "onnxmltools") if find_spec(name) is None]
    if absent:
        case.missing.append(f"ONNX Runtime ({' and '.join(absent)} not installed)")
        return
    import onnxmltools
    import onnxruntime
    from onnxmltools.convert.common.data_types import FloatTensorType

    if library == "xgboost":
        fitted.get_booster().feature_names = None  # the converter reads numbers of columns from the names
    convert = getattr(onnxmltools, f"convert_{library}")
    made = convert(fitted, initial_types=[("input", FloatTensorType([None, arrays[1].shape[1]]))], target_opset=15)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    floats = {n: array.astype(np.float32) for n, array in arrays.items()}
    case.sides["ONNX Runtime"] = Local(lambda n: session.run(None, {"input": floats[n]})[0].reshape(-1))


def _with_peers(case: Case, folder: Path, python: str | None, rows: np.ndarray) -> Case:
    """Adds the libraries of another environment, or their names to what is missing."""
    np.save(folder / "rows.npy", rows)
    for name in PEERS:
        try:
            if python is None:
                raise RuntimeError("no --peers")
            case.sides[name] = Foreign(python, name, folder)
        except RuntimeError as error:
            case.missing.append(f"{name} ({error})")
    return case
