"""Compares models that `sparkweld.mlflow` saves with the models themselves, and checks which programs run."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import warnings

import cloudpickle
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import sparkweld.mlflow
from sparkweld.errors import Refusal, RefusalWarning, UserError
from tests.serving.test_programs import LABELS, TABLE, model

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
with warnings.catch_warnings():  # of its own type hints
    warnings.simplefilter("ignore")
    mlflow = importlib.import_module("mlflow")
    importlib.import_module("mlflow.pyfunc")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("error::sparkweld.errors.RefusalWarning"),
]

X = TABLE[["age", "pay"]]
WORDS = np.where(LABELS == 1, "high", "low")
PLAIN = {"pip_requirements": []}
PICKLED = PLAIN | {"serialization_format": "cloudpickle"}
TREE = DecisionTreeRegressor(max_depth=3).fit(X, TABLE["pay"])


def runs_its_program(loaded):
    """Whether the model has linked its program, and has not loaded its library's model."""
    return loaded._model_impl._method is not None and loaded._model_impl._wrapper is None


@pytest.mark.nightly_cases("fitted3-table3-options3", "fitted4-table4-options4")
@pytest.mark.parametrize(
    ("fitted", "table", "options"),
    [
        (DecisionTreeClassifier(max_depth=3).fit(X, WORDS), X, PICKLED),
        (model(), TABLE, PICKLED | {"method": "predict_proba"}),
        (DecisionTreeRegressor(max_depth=3).fit(X.to_numpy(), LABELS), X.to_numpy(), PICKLED),
        (lightgbm.LGBMClassifier(n_estimators=5, verbosity=-1).fit(X, WORDS), X, PLAIN | {"serialization_format": "cloudpickle"}),
        (xgboost.XGBRegressor(n_estimators=5).fit(X, LABELS), X, PLAIN),
        (LinearRegression().fit(X, LABELS), X, PLAIN | {"signature": False}),
    ],
)
def test_a_loaded_model_predicts_like_the_library(tmp_path, fitted, table, options):
    sparkweld.mlflow.save_model(fitted, tmp_path / "model", table[:5], **options)
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    own = getattr(fitted, options.get("method", "predict"))(table)
    made = loaded.predict(table)
    assert type(made) is type(own) and made.dtype == own.dtype and runs_its_program(loaded)
    if own.dtype.kind == "f":
        np.testing.assert_allclose(made, own, rtol=1e-12 if own.dtype == np.float64 else 1e-6)
    else:
        assert made.tolist() == own.tolist()
    flavour = type(fitted).__module__.partition(".")[0]
    again = getattr(mlflow, flavour).load_model(str(tmp_path / "model"))
    assert type(again) is type(fitted)


def test_other_tables_and_flagged_rows_run_the_library(tmp_path):
    fitted = model()
    sparkweld.mlflow.save_model(fitted, tmp_path / "model", TABLE, signature=False, **PICKLED)
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert loaded.predict(TABLE).tolist() == fitted.predict(TABLE).tolist() and runs_its_program(loaded)
    small = TABLE.astype({"age": "int32"})
    assert loaded.predict(small).tolist() == fitted.predict(small).tolist() and not runs_its_program(loaded)
    with pytest.raises(ValueError, match="contains NaN"):
        loaded.predict(TABLE.assign(pay=np.nan))


def test_a_model_is_logged_and_loaded_without_the_compiler(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(f"file:{tmp_path}/runs")  # the only local store of mlflow-skinny
    try:
        experiment = mlflow.create_experiment("served", str(tmp_path / "artifacts"))
        with mlflow.start_run(experiment_id=experiment):
            info = sparkweld.mlflow.log_model(TREE, "tree", X.head(), **PICKLED)
        uri = info.model_uri
        assert mlflow.pyfunc.load_model(uri).predict(X).tolist() == TREE.predict(X).tolist()
        folder = mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path / "copy"))
    finally:
        mlflow.set_tracking_uri(None)
    X.to_pickle(tmp_path / "table.pkl")
    script = (
        "import sys, mlflow.pyfunc, pandas\n"
        "made = mlflow.pyfunc.load_model(sys.argv[1]).predict(pandas.read_pickle(sys.argv[2]))\n"
        "print(made.sum())\n"
        "heavy = {'numba', 'sklearn', 'udf_compiler', 'sparkweld.ir'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", script, folder, str(tmp_path / "table.pkl")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.splitlines()[-1]) == TREE.predict(X).sum()


@pytest.fixture
def folder(tmp_path):
    """Returns the folder of a saved tree, and the SHA-256 of its program."""
    digest = sparkweld.mlflow.save_model(TREE, tmp_path / "model", X.head(), **PICKLED)
    return tmp_path / "model", digest


def falls_back(path, message):
    """Checks that the library's model runs, with one warning, and that the program is never linked."""
    with pytest.warns(RefusalWarning, match=message) as seen:
        loaded = mlflow.pyfunc.load_model(str(path))
    assert [str(one.message).split()[0] for one in seen if one.category is RefusalWarning] == ["SW876"]
    assert loaded._model_impl._digest is None and loaded._model_impl._program() is None
    return loaded.predict(X)


def test_a_program_that_others_may_write_does_not_run(folder):
    """MLmodel states its digest, which whoever plants a folder writes, too."""
    path, digest = folder
    (path / "program.sparkweld").chmod(0o664)
    assert falls_back(path, "somebody else owns it or may write it").tolist() == TREE.predict(X).tolist()
    loaded = sparkweld.mlflow.load_model(str(path), digest)
    assert loaded.predict(X).tolist() == TREE.predict(X).tolist() and runs_its_program(loaded)
    with pytest.raises(UserError, match="is not the file with the SHA-256"):
        sparkweld.mlflow.load_model(str(path), "0" * 64)
    if os.geteuid() == 0:
        (path / "program.sparkweld").chmod(0o644)
        os.chown(path / "program.sparkweld", 12345, -1)
        falls_back(path, "somebody else owns it")


def test_files_that_do_not_belong_together(folder, tmp_path):
    path, digest = folder
    other = DecisionTreeRegressor(max_depth=1).fit(X, TABLE["pay"])
    mine = (path / "program.sparkweld").read_bytes()
    sparkweld.mlflow.save_model(other, tmp_path / "other", X.head(), **PICKLED)
    (path / "program.sparkweld").write_bytes((tmp_path / "other" / "program.sparkweld").read_bytes())
    assert falls_back(path, "is not the program that MLmodel names").tolist() == TREE.predict(X).tolist()
    (path / "program.sparkweld").write_bytes(mine[:-100])
    falls_back(path, "is not a program, or is truncated")
    (path / "program.sparkweld").unlink()
    falls_back(path, "cannot be read")
    (path / "program.sparkweld").write_bytes(mine)
    assert mlflow.pyfunc.load_model(str(path)).predict(X).tolist() == TREE.predict(X).tolist()
    with open(path / "model.pkl", "wb") as file:
        cloudpickle.dump(other, file)
    assert falls_back(path, "not the one that program.sparkweld was compiled from").tolist() == other.predict(X).tolist()
    with pytest.raises(UserError, match="not the one that"):
        sparkweld.mlflow.load_model(str(path), digest)


def test_a_program_that_is_replaced_after_the_check_does_not_run(folder):
    path, _ = folder
    loaded = mlflow.pyfunc.load_model(str(path))
    data = (path / "program.sparkweld").read_bytes()
    (path / "program.sparkweld").write_bytes(data.replace(b"DecisionTree", b"decisionTree"))
    with pytest.warns(RefusalWarning, match="is not the file with the SHA-256"):
        assert loaded.predict(X).tolist() == TREE.predict(X).tolist()


def test_what_cannot_be_saved(tmp_path):
    class Own(LogisticRegression):
        pass

    with pytest.raises(Refusal, match="SW"):
        sparkweld.mlflow.save_model(Own().fit(X, LABELS), tmp_path / "model", X)
    xgb = xgboost.XGBClassifier(n_estimators=2).fit(X, LABELS)
    for fitted, example, method in [
        (TREE, X, "score"), (SVC().fit(X, LABELS), X, "predict_proba"), (xgb, X, "predict_proba"), (TREE, X.to_dict(), "predict"),
        (StandardScaler().fit(X), X, "predict"), (TREE, pd.DataFrame(X.to_numpy()), "predict"),
    ]:  # fmt: skip
        with pytest.raises(UserError):
            sparkweld.mlflow.save_model(fitted, tmp_path / "model", example, method=method, **PICKLED)
    assert not (tmp_path / "model").exists()
