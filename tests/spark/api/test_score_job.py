"""Checks jobs/score.py: tables of every format in and out, atomic outputs, and errors before any work."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import joblib
import pandas as pd
import pytest
from pyspark.errors import PySparkException
from sklearn.base import BaseEstimator
from sklearn.dummy import DummyRegressor

from jobs.score import arguments, run
from sparkweld.api.tables import format_of
from sparkweld.errors import UserError
from tests.api.test_scoring import NUMBERS, PIPELINE, TABLE
from tests.helpers.drivers import ROOT
from tests.helpers.lines import WRITE_ERROR

#: Predicts one number for every row.
CONSTANT = DummyRegressor().fit(NUMBERS, TABLE.index)


class Stubborn(BaseEstimator):
    """A model with known features that predicts one row only: for more rows it raises, or takes an hour."""

    def __init__(self, seconds=0):
        self.seconds, self.feature_names_in_ = seconds, ["a.b"]

    def predict(self, rows):
        if len(rows) > 1:
            time.sleep(self.seconds)
            raise ValueError("no prediction")
        return rows["a.b"].to_numpy()


@pytest.fixture
def job(spark, tmp_path):
    """Runs the job on a table of the pipeline's features, any number of times."""
    TABLE.assign(n=range(len(TABLE))).to_parquet(tmp_path / "t.parquet")
    joblib.dump(PIPELINE, tmp_path / "model")
    joblib.dump(Stubborn(), tmp_path / "stubborn")
    joblib.dump(Stubborn(3600), tmp_path / "slow")
    joblib.dump(CONSTANT, tmp_path / "constant")

    def score(output, *rest, input="t.parquet", model="model"):
        given = [str(tmp_path / name) if "." in name or "/" in name else name for name in (input, output)]
        run(spark, arguments(["--input", given[0], "--model", str(tmp_path / model), "--output", given[1], *rest]))
        return given[1]

    return score


def rows_of(spark, where):
    kind = format_of(where, None)
    table = spark.table(where) if kind == "table" else spark.read.options(header=True, inferSchema=True).format(kind).load(where)
    return table.toPandas().sort_values("n").reset_index(drop=True)


def hidden(folder):
    return [name for name in os.listdir(folder) if name.startswith(".") and not name.endswith(".crc")]


def test_formats_in_and_out(spark, job, tmp_path, capsys):
    table, probabilities = TABLE.assign(n=range(len(TABLE))), PIPELINE.predict_proba(TABLE)[:, 1]
    names = ["t.parquet", "t.orc", "t.json", "t.csv.gz", "scores", "out/u"]
    for given, made in zip(names, names[1:], strict=False):
        where = job(made, "--keep", ",".join(table), "--proba", "--name", f"p of {given}", input=given)
        expected = table.assign(**{f"p of {given}": probabilities})
        pd.testing.assert_frame_equal(rows_of(spark, where)[[*expected]], expected, rtol=1e-9, check_dtype=False)
        printed = capsys.readouterr().out
        assert "compiled " in printed  # by explain
        assert re.search("batches scored in kernels: [1-9]", printed) and "handed on to Python: 0" in printed
        assert "80 rows written" in printed
    spark.sql("DROP TABLE scores")
    assert not hidden(tmp_path) and not hidden(tmp_path / "out")


def test_the_largest_predictions(spark, job):
    """The requested number of rows is returned, equal predictions in the order of the other columns."""
    probabilities = PIPELINE.predict_proba(TABLE)[:, 1]
    best = TABLE.assign(n=range(len(TABLE)), p=probabilities).sort_values("p", ascending=False).head(7)
    found = rows_of(spark, job("k.parquet", "--top-k", "7", "--proba", "yes", "--where", "n % 2 < 5"))
    assert sorted(found.n) == sorted(best.n)
    ties = rows_of(spark, job("l.parquet", "--top-k", "9", "--keep", "city,n", "--features", "größe c,a.b", model="constant"))
    assert list(ties.n) == sorted(TABLE.index[TABLE.city == "x"])[:9]


def test_an_output_that_exists(spark, job, tmp_path):
    where = job("o.parquet", "--keep", "n", "--partition-by", "prediction")
    assert sorted(n for n in os.listdir(where) if n.startswith("pred")) == ["prediction=no", "prediction=yes"]
    with pytest.raises(UserError, match="exists already: choose another one"):
        job("o.parquet")
    before = rows_of(spark, where)
    with pytest.raises(WRITE_ERROR, match="no prediction"):
        job("o.parquet", "--overwrite", model="stubborn")
    pd.testing.assert_frame_equal(rows_of(spark, where), before)
    job("o.parquet", "--overwrite", "--keep", "n", "--proba")
    assert rows_of(spark, where).prediction.nunique() > 2
    with pytest.raises(WRITE_ERROR, match="no prediction"):
        job("new.parquet", model="stubborn")
    assert not hidden(tmp_path) and not os.path.exists(tmp_path / "new.parquet")
    job("made", "--keep", "n")
    with pytest.raises(UserError, match="made exists already"):
        job("made")
    job("made", "--overwrite", "--keep", "city,n")
    assert spark.table("made").columns == ["city", "n", "prediction"]
    assert [table.name for table in spark.catalog.listTables() if not table.isTemporary] == ["made"]
    spark.sql("DROP TABLE made")


WRONG = {
    "input .* cannot be read as parquet: .*PATH_NOT_FOUND": {"input": "none.parquet"},
    "input none cannot be read as table: .*TABLE_OR_VIEW_NOT_FOUND": {"input": "none"},
    "cannot be read as orc": {"options": ["--input-format", "orc"]},
    "no model at": {"model": "none"},
    "cannot have the column 'x': there are a.b, größe c, city, n, prediction": {"options": ["--keep", "n,x"]},
    "cannot have the column 'city'": {"options": ["--keep", "n", "--partition-by", "city"]},
    "UNRESOLVED_COLUMN": {"options": ["--where", "x > 1"]},
    "PARSE_SYNTAX_ERROR": {"options": ["--where", "n >"]},
    "one number per row: choose a class with --proba CLASS": {"options": ["--top-k", "3"]},
    "must be 1 or more": {"options": ["--top-k", "0", "--proba"]},
}


def test_messages_before_any_work(spark, job, tmp_path):
    for says, case in WRONG.items():
        with pytest.raises((UserError, PySparkException), match=says):
            job("w.parquet", *case.get("options", ()), **{k: v for k, v in case.items() if k != "options"})
    assert not os.path.exists(tmp_path / "w.parquet") and not hidden(tmp_path)


@pytest.mark.nightly("test_an_output_that_exists")
@pytest.mark.slow
def test_a_job_that_is_ended_half_way(job, tmp_path):
    """A submitted job with the flag in a properties file is terminated while it writes, and leaves no output."""
    from sparkweld.bridge.jar import jar_path
    from tests.spark.test_deployments import spark_home

    out = tmp_path / "out"
    out.mkdir()
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1", "PYTHONPATH": str(ROOT)}
    command = [str(spark_home() / "bin" / "spark-submit"), "--master", "local[2]", "--conf", "spark.ui.enabled=false"]
    command += ["--properties-file", str(ROOT / "conf" / "spark-defaults.conf"), "--jars", str(jar_path())]
    command += [str(ROOT / "jobs" / "score.py"), "--input", str(tmp_path / "t.parquet"), "--model", str(tmp_path / "slow")]
    slow = subprocess.Popen([*command, "--output", str(out / "a.parquet")], env=environment, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, start_new_session=True)  # fmt: skip
    try:
        deadline = time.time() + 180
        while not hidden(out) and slow.poll() is None and time.time() < deadline:
            time.sleep(0.1)
        time.sleep(1)  # its tasks run
        assert any("a.parquet" in name for name in hidden(out)) and slow.poll() is None
        slow.send_signal(signal.SIGTERM)
        slow.communicate(timeout=60)
        assert slow.returncode != 0
    finally:
        slow.kill()
    deadline = time.time() + 60
    while hidden(out) and time.time() < deadline:
        time.sleep(0.1)  # the driver's Python ends after its JVM
    assert os.listdir(out) == []
