"""Defines tree-ensemble cases: the kernel's raw scores against the library's own, on the same rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

#: Rows of training, and of the batch that is scored.
TRAINED, BATCH = 30_000, 10_000
FEATURES = 30


@dataclass(frozen=True)
class Contest:
    """One case: `ours` and the peers each score the whole batch once and return an array of results.

    `tolerance`: largest relative difference to the peer of that name; 0 requires equal bits. `about`: a description of the
    kernel. `save` writes the model into a folder for libraries of another environment; `probability` converts our results to
    their form.
    """

    rows: int
    ours: Callable[[], np.ndarray]
    peers: dict[str, Callable[[], np.ndarray]]
    tolerance: dict[str, float]
    about: str = ""
    save: Callable[[Path], object] | None = None
    probability: Callable[[np.ndarray], np.ndarray] | None = None


def _expit(scores: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-scores[:, 0].astype(np.float64)))


@cache
def numbers() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns (training rows, their class, the batch): float64 features without missing values."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(TRAINED, FEATURES))
    score = x[:, 0] + x[:, 1] * x[:, 2] + x[:, 3] ** 2 + np.sin(3 * x[:, 4]) + rng.normal(size=TRAINED)
    return x, (score > 1).astype(int), rng.normal(size=(BATCH, FEATURES))


def program_of(forest: Any, divisor: int = 1) -> Any:
    """Returns a program from float64 columns to the ensemble's sums."""
    from sparkweld.ir import Input, ProgramBuilder
    from sparkweld.ir.ops import TreeEnsemble
    from sparkweld.ir.types import F64

    builder = ProgramBuilder("model", [Input(f"x{i}", F64) for i in range(forest.features)])
    loop = builder.loop("rows")
    op = TreeEnsemble.of(forest.of_used())
    arguments = [loop.cast(loop.read(f"x{i}"), op.width) for i in forest.used]
    for number in range(op.outputs):
        value = loop.emit(op.at(number), *arguments)
        loop.append(f"y{number}", loop.call("divide", value, loop.const(divisor, value.type)) if divisor > 1 else value)
    loop.close()
    return builder.finish([f"y{n}" for n in range(op.outputs)]), f"{op.form}, {op.columns} columns, {op.block.size >> 10} KB"


def contest(
    forest: Any,
    peer: str,
    scored: Callable[[np.ndarray], np.ndarray],
    save: Callable[[Path], object],
    probability: Callable[[np.ndarray], np.ndarray] = _expit,
    divisor: int = 1,
) -> Contest:
    """Returns the forest's kernel against the library that fitted it, compared bit by bit."""
    from sparkweld.kernels import Kernel, compile_program

    batch = numbers()[2]
    program, about = program_of(forest, divisor)
    kernel = Kernel.load(compile_program(program), program)
    columns = {f"x{i}": np.ascontiguousarray(batch[:, i]) for i in range(FEATURES)}

    def ours() -> np.ndarray:
        made = kernel.run(columns, BATCH).columns
        return np.column_stack([made[name] for name in program.outputs])

    return Contest(BATCH, ours, {peer: lambda: scored(batch).reshape(BATCH, -1)}, {peer: 0.0}, about, save, probability)


def by_joblib(model: Any, folder: Path) -> None:
    """Saves a scikit-learn model."""
    import joblib

    joblib.dump(model, folder / "model.joblib")


def lightgbm(trees: int, leaves: int) -> Contest:
    import lightgbm as library

    from udf_compiler.frontends.models.forests import of_lightgbm

    x, y, _ = numbers()
    booster = library.LGBMClassifier(n_estimators=trees, num_leaves=leaves, n_jobs=1, verbose=-1).fit(x, y).booster_
    forest = of_lightgbm.read(booster.model_to_string()).forest
    scored = partial(booster.predict, raw_score=True, num_threads=1)
    return contest(forest, "lightgbm", scored, lambda folder: booster.save_model(folder / "model.txt"))


def xgboost(trees: int, depth: int) -> Contest:
    import xgboost as library

    from udf_compiler.frontends.models.forests import of_xgboost

    x, y, _ = numbers()
    booster = library.XGBClassifier(n_estimators=trees, max_depth=depth, n_jobs=1).fit(x, y).get_booster()
    booster.set_param("nthread", 1)
    forest = of_xgboost.read(bytes(booster.save_raw("json")), library.Booster).forest
    scored = partial(booster.inplace_predict, predict_type="margin")
    return contest(forest, "xgboost", scored, lambda folder: booster.save_model(folder / "model.json"))


def catboost(trees: int, depth: int) -> Contest:
    import catboost as library

    from udf_compiler.frontends.models.forests import of_catboost

    x, y, _ = numbers()
    model = library.CatBoostClassifier(
        iterations=trees, depth=depth, boost_from_average=False, verbose=0, allow_writing_files=False, thread_count=1
    ).fit(x, y)
    scored = partial(model.predict, prediction_type="RawFormulaVal", thread_count=1)
    forest = of_catboost.read(model).forest(0, trees)
    return contest(forest, "catboost", scored, lambda folder: model.save_model(folder / "model.cbm"))


def categories(trees: int) -> Contest:
    """Strings and integers as categories. Both sides start with an Arrow batch, as from Spark; the library needs a DataFrame."""
    import catboost as library
    import pandas as pd
    import pyarrow as pa

    import sparkweld

    rng = np.random.default_rng(1)

    def drawn(rows: int) -> pd.DataFrame:
        made = pd.DataFrame(rng.normal(size=(rows, 10)), columns=[f"x{at}" for at in range(10)])
        made["city"] = rng.choice([f"city of {at}" for at in range(400)], rows)
        made["device"] = rng.choice(["phone", "tablet", "desktop", "television"], rows)
        return made.assign(product=rng.integers(0, 5000, rows), plan=rng.choice(["free", "paid"], rows))

    data, batch = drawn(TRAINED), drawn(BATCH)
    score = data.x0 + data.city.str.len() * (data.device == "phone") + data["product"] % 7 * (data.plan == "paid")
    model = library.CatBoostRegressor(
        iterations=trees, depth=6, cat_features=[10, 11, 12, 13], verbose=0, allow_writing_files=False, thread_count=1
    ).fit(data, score + rng.normal(size=TRAINED))
    program, rows = sparkweld.compile(model, batch), pa.RecordBatch.from_pandas(batch, preserve_index=False)

    def ours() -> np.ndarray:
        return np.asarray(program(rows)).reshape(-1, 1)

    def theirs() -> np.ndarray:
        return model.predict(rows.to_pandas(), thread_count=1).reshape(-1, 1)  # type: ignore[no-any-return]

    return Contest(BATCH, ours, {"catboost": theirs}, {"catboost": 0.0}, "hashes, then statistics of combinations")


def histogram(trees: int) -> Contest:
    from sklearn.ensemble import HistGradientBoostingClassifier

    from udf_compiler.frontends.models.forests import of_sklearn

    x, y, _ = numbers()
    model = HistGradientBoostingClassifier(max_iter=trees, early_stopping=False).fit(x, y)
    scored = partial(model._raw_predict, n_threads=1)
    return contest(of_sklearn.histogram(model, FEATURES), "scikit-learn", scored, partial(by_joblib, model))


def random_forest(trees: int, depth: int) -> Contest:
    from sklearn.ensemble import RandomForestClassifier

    from udf_compiler.frontends.models.forests import of_sklearn

    x, y, _ = numbers()
    model = RandomForestClassifier(trees, max_depth=depth, random_state=0, n_jobs=1).fit(x, y)
    save = partial(by_joblib, model)
    return contest(of_sklearn.averaged(model), "scikit-learn", model.predict_proba, save, lambda p: p[:, 1], divisor=trees)


#: Name -> its constructor. Cases of libraries that are not installed are skipped.
TREES: dict[str, Callable[[], Contest]] = {
    "LightGBM 100 x 31 leaves": lambda: lightgbm(100, 31),
    "LightGBM 1,000 x 31 leaves": lambda: lightgbm(1000, 31),
    "LightGBM 100 x 255 leaves": lambda: lightgbm(100, 255),
    "XGBoost 100 x depth 6": lambda: xgboost(100, 6),
    "CatBoost 100 x depth 6": lambda: catboost(100, 6),
    "CatBoost 1,000 x depth 6": lambda: catboost(1000, 6),
    "CatBoost 100 x depth 6, categories": lambda: categories(100),
    "CatBoost 1,000 x depth 6, categories": lambda: categories(1000),
    "HistGradientBoosting 100 x 31 leaves": lambda: histogram(100),
    "RandomForest 100 x depth 10": lambda: random_forest(100, 10),
}
