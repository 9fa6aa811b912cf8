"""Scores a saved model and batch with other libraries: probabilities of class 1, and nanoseconds a row on one thread.

Runs in a separate environment, whose packages are not dependencies of the project (see README.md here):

    python -m venv peers && peers/bin/pip install numpy scikit-learn lightgbm xgboost-cpu onnxruntime skl2onnx onnxmltools \\
        tl2cgen treelite lleaves "llvmlite<0.45" scikit-learn-intelex
    python tests/bench/bench_models.py --peers peers/bin/python

Its arguments are a folder and a library of PEERS. The folder has the model (`model.txt` of LightGBM, `model.json` of XGBoost,
`model.joblib` of scikit-learn) and `batch.npy`. It writes the probabilities to `<library>.npy`, and as the last line of
stdout JSON: the samples, or the reason that there are none.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

if __name__ == "__main__":
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "TBB_NUM_THREADS"):
        os.environ[_name] = "1"

import numpy as np

Predict = Callable[[np.ndarray], np.ndarray]
SAMPLES = 7


def _second(p: np.ndarray) -> np.ndarray:
    """Returns the probability of class 1 from one or two columns."""
    p = np.asarray(p)
    return p[:, -1] if p.ndim == 2 else p.ravel()


def onnx(folder: Path) -> Predict:
    """Predicts with ONNX Runtime, whose tree ensembles compare float32."""
    import onnxruntime
    from onnxmltools.convert.common.data_types import FloatTensorType
    from skl2onnx.common import data_types as of_sklearn

    width = np.load(folder / "batch.npy", mmap_mode="r").shape[1]
    given = [("x", FloatTensorType([None, width]))]
    if (folder / "model.txt").exists():
        import lightgbm
        import onnxmltools

        booster = lightgbm.Booster(model_file=str(folder / "model.txt"))
        made = onnxmltools.convert_lightgbm(booster, initial_types=given, zipmap=False)
    elif (folder / "model.json").exists():
        import onnxmltools
        import xgboost

        model = xgboost.XGBClassifier()
        model.load_model(folder / "model.json")
        made = onnxmltools.convert_xgboost(model, initial_types=given)
    else:
        from skl2onnx import to_onnx

        model = _joblib(folder)
        given = [("x", of_sklearn.FloatTensorType([None, width]))]
        made = to_onnx(model, initial_types=given, options={id(model): {"zipmap": False}})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(made.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [o.name for o in session.get_outputs()]
    wanted = next(n for n in names if "prob" in n)
    return lambda x: _second(session.run([wanted], {session.get_inputs()[0].name: x.astype(np.float32)})[0])


def tl2cgen(folder: Path) -> Predict:
    """Predicts with TL2cgen: the trees as C code, compiled by the system's compiler."""
    import tl2cgen
    import treelite

    if (folder / "model.txt").exists():
        model = treelite.frontend.load_lightgbm_model(folder / "model.txt")
    elif (folder / "model.json").exists():
        model = treelite.frontend.load_xgboost_model(folder / "model.json")
    else:
        model = treelite.sklearn.import_model(_joblib(folder))
    library = folder / "tl2cgen.so"
    tl2cgen.export_lib(model, toolchain="gcc", libpath=library, params={"parallel_comp": 2})
    predictor = tl2cgen.Predictor(library, nthread=1)
    dtype = "float32" if (folder / "model.json").exists() else "float64"
    return lambda x: _second(np.squeeze(predictor.predict(tl2cgen.DMatrix(x.astype(dtype), dtype=dtype)), axis=1))


def daal4py(folder: Path) -> Predict:
    """Predicts with oneDAL through daal4py, which supports gradient boosting models only."""
    import daal4py

    daal4py.daalinit(1)
    if (folder / "model.txt").exists():
        import lightgbm

        model = daal4py.mb.convert_model(lightgbm.Booster(model_file=str(folder / "model.txt")))
    elif (folder / "model.json").exists():
        import xgboost

        booster = xgboost.Booster(model_file=folder / "model.json")
        model = daal4py.mb.convert_model(booster)
    else:
        raise NotImplementedError("supports no fitted model of scikit-learn")
    return lambda x: _second(model.predict_proba(x))


def lleaves(folder: Path) -> Predict:
    """Predicts with lleaves: LightGBM's text format through LLVM."""
    import lleaves

    if not (folder / "model.txt").exists():
        raise NotImplementedError("supports models of LightGBM only")
    model = lleaves.Model(model_file=str(folder / "model.txt"))
    model.compile()
    return lambda x: _second(model.predict(x, n_jobs=1))


def _joblib(folder: Path) -> object:
    import joblib

    return joblib.load(folder / "model.joblib")


PEERS: dict[str, Callable[[Path], Predict]] = {"ONNX Runtime": onnx, "TL2cgen": tl2cgen, "daal4py": daal4py, "lleaves": lleaves}


def _samples(predict: Predict, batch: np.ndarray) -> Iterator[float]:
    for _ in range(SAMPLES):
        started = time.perf_counter()
        predict(batch)
        yield (time.perf_counter() - started) / len(batch) * 1e9


def main(folder: Path, name: str) -> None:
    batch = np.load(folder / "batch.npy")
    found: list[float] | str
    try:
        predict = PEERS[name](folder)
        np.save(folder / f"{name}.npy", predict(batch))
        found = list(_samples(predict, batch))
    except Exception as error:  # noqa: BLE001 - any failure of a library is part of the report
        found = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"[:160]
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
