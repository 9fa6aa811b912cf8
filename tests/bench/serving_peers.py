"""Scores rows with a library that does not install beside the project, and times its calls as `serving_sides.py` asks.

Runs in an environment of its own, which Python 3.11 still finds wheels for:

    python3.11 -m venv build/peers
    build/peers/bin/pip install numpy scikit-learn lightgbm xgboost-cpu treelite tl2cgen lleaves "llvmlite<0.45" \\
        hummingbird-ml torch
    make bench BENCH=serving ARGS="--peers build/peers/bin/python"

Its arguments are a folder and a library of PEERS. The folder has the model (`model.txt` of LightGBM, `model.json` of XGBoost) and
`rows.npy`. Each line of stdin is a request as JSON: the number of rows, and for how long to time calls, if at all. Answers are
lines that begin with "=".
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[_name] = "1"

import numpy as np
import peer_worker
from serving_sides import times_of


def treelite(folder: Path) -> peer_worker.Predict:
    """Predicts with Treelite's own interpreter of trees, GTIL."""
    import treelite

    if (folder / "model.txt").exists():
        model, dtype = treelite.frontend.load_lightgbm_model(folder / "model.txt"), np.float64
    else:
        model, dtype = treelite.frontend.load_xgboost_model(folder / "model.json"), np.float32
    return lambda x: treelite.gtil.predict(model, x.astype(dtype, copy=False), nthread=1)


def hummingbird(folder: Path) -> peer_worker.Predict:
    """Predicts with Hummingbird: trees as tensors, in a script of PyTorch."""
    import torch
    from hummingbird.ml import convert

    torch.set_num_threads(1)
    if (folder / "model.txt").exists():
        import lightgbm

        model = lightgbm.Booster(model_file=str(folder / "model.txt"))
    else:
        import xgboost

        model = xgboost.XGBRegressor()
        model.load_model(folder / "model.json")
    return convert(model, "torch.jit", np.load(folder / "rows.npy")[:1000]).predict  # type: ignore[no-any-return]


PEERS: dict[str, Callable[[Path], peer_worker.Predict]] = {
    "lleaves": peer_worker.lleaves, "TL2cgen": peer_worker.tl2cgen, "Treelite GTIL": treelite, "Hummingbird": hummingbird,
}  # fmt: skip


def main(folder: Path, name: str) -> None:
    warnings.simplefilter("ignore")
    rows = np.load(folder / "rows.npy")
    try:
        predict = PEERS[name](folder)
        predict(rows[:1])
    except Exception as error:  # noqa: BLE001 - any failure of a library is part of the report
        answer(f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"[:120])
        return
    answer(None)
    for line in sys.stdin:
        asked = json.loads(line)
        given = np.ascontiguousarray(rows[: asked["rows"]])
        if "seconds" in asked:
            answer(times_of(lambda given=given: predict(given), asked["seconds"], asked["threads"]))
        else:
            answer(np.asarray(predict(given), np.float64).reshape(-1).tolist())


def answer(content: Any) -> None:
    print("=" + json.dumps(content), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
