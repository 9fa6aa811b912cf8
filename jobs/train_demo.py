"""Fits models of which flights will arrive late, from a table of flights with their arrival delays.

    python jobs/train_demo.py --flights flights.parquet --output models

It writes late.joblib, a scikit-learn pipeline of imputation, scaling and one-hot encoding before gradient boosting.
late_linear.joblib has a logistic regression instead. late_lightgbm.txt is written where LightGBM is installed. jobs/score.py
scores tables with each of them.
"""

import argparse
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import joblib
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

NUMBERS = ["dep_delay", "air_time", "seats", "sched_dep_minute", "day_of_year", "dest_lat", "dest_lon"]
CATEGORIES = ["carrier", "origin"]
LATE_MINUTES = 15


def features() -> Pipeline:
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    categories = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    return make_column_transformer((numbers, NUMBERS), (categories, CATEGORIES))


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit models that predict late arrivals of flights.")
    parser.add_argument("--flights", required=True, help="Parquet file or folder of flights, with their arr_delay")
    parser.add_argument("--output", required=True, help="folder for the models")
    args = parser.parse_args()
    flights = pd.read_parquet(args.flights, columns=[*NUMBERS, *CATEGORIES, "arr_delay"])
    flights = flights[flights["arr_delay"].notna()]
    late = flights.pop("arr_delay") > LATE_MINUTES
    fit_x, held_x, fit_y, held_y = train_test_split(flights, late.astype(int), test_size=0.2, random_state=0)
    folder = Path(args.output)
    folder.mkdir(parents=True, exist_ok=True)
    for name, model in (
        ("late", HistGradientBoostingClassifier(random_state=0)),
        ("late_linear", LogisticRegression(max_iter=1000)),
    ):
        fitted = make_pipeline(features(), model).fit(fit_x, fit_y)
        save(folder / f"{name}.joblib", lambda path, fitted=fitted: joblib.dump(fitted, path))
        scores = fitted.predict_proba(held_x)[:, 1]
        print(f"{name}.joblib: area under the curve {roc_auc_score(held_y, scores):.3f}")
    if importlib.util.find_spec("lightgbm") is not None:
        from lightgbm import LGBMClassifier

        boosted = LGBMClassifier(n_estimators=100, random_state=0, verbose=-1).fit(fit_x[NUMBERS], fit_y)
        save(folder / "late_lightgbm.txt", boosted.booster_.save_model)
        scores = boosted.predict_proba(held_x[NUMBERS])[:, 1]
        print(f"late_lightgbm.txt: area under the curve {roc_auc_score(held_y, scores):.3f}")


def save(target: Path, write: Callable[[Path], object]) -> None:
    """Writes a file atomically: it appears whole or not at all."""
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        write(partial)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
