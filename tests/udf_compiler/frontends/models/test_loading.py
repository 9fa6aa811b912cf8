"""Checks models that functions load themselves: recognised ways, the files in a reply, and refusals."""

from __future__ import annotations

import functools
import hashlib
import io
import os
import pickle
import types
from dataclasses import replace
from pathlib import Path

import catboost
import joblib
import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from pyspark import SparkFiles, cloudpickle
from pyspark.sql.types import DoubleType
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression

from sparkweld.contract.decoding import decode
from sparkweld.contract.replies import ModelFile
from tests.helpers.models import compare, compiled, frame, numbers
from udf_compiler.function.model_files import unchanged
from udf_compiler.service.server import Service

BATCH = numbers(60)
TABLE = frame(BATCH)
MODEL = LinearRegression().fit(TABLE, TABLE.a - TABLE.c)
OTHER = LinearRegression().fit(TABLE, TABLE.b)
CLASSES = xgboost.XGBClassifier(n_estimators=2).fit(TABLE, TABLE.a > 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("models")
    joblib.dump(MODEL, where / "m.joblib")
    (where / "m.pkl").write_bytes(pickle.dumps({"model": MODEL, "factor": 2.0}))
    lightgbm.LGBMRegressor(n_estimators=2, verbose=-1).fit(TABLE, TABLE.a).booster_.save_model(where / "l.txt")
    CLASSES.save_model(where / "x.json")
    few = {"iterations": 2, "verbose": 0, "allow_writing_files": False}
    catboost.CatBoostClassifier(**few).fit(TABLE, TABLE.a > 0).save_model(where / "c.cbm")
    return where


def allowed(folder, **given):
    return {"folder": str(folder), "jobFiles": str(folder), "limit": 1 << 20, **given}


CACHE = None


@functools.lru_cache(maxsize=1)
def cached(folder, name):
    return {"model": joblib.load(os.path.join(folder, name))}


@functools.cache
def made(column=None):
    return [[1.0]]


def by_global(path):
    """Returns a function of a main program, which is pickled by value with its globals."""
    names = {"joblib": joblib, "pd": pd, "PATH": path, "CACHE": None, "__name__": "__main__"}
    exec(
        "def load():\n    global CACHE\n    if CACHE is None:\n        CACHE = joblib.load(PATH)\n    return CACHE\n"
        "def score(d): return pd.Series(load().predict(d))",
        names,
    )
    return names["score"]


def ways(path):
    text = {name: str(path / name) for name in ("m.joblib", "m.pkl", "l.txt", "x.json", "c.cbm")}
    data = Path(text["m.pkl"]).read_bytes()

    def opened(d):
        with open(text["m.pkl"], "rb") as file:
            held = pickle.load(file)
        return pd.Series(held["model"].predict(d) * held["factor"])

    def imported(d):
        import joblib as jl
        from pyspark import SparkFiles as files

        return pd.Series(jl.load(files.get("m.joblib")).predict(d))

    def by_path(d):
        return pd.Series(cloudpickle.load((Path(path) / "m.pkl").open("rb"))["model"].predict(d))

    def classified(d):
        model = xgboost.XGBClassifier()
        model.load_model(text["x.json"])
        return pd.Series(model.predict_proba(d)[:, 1])

    def boosted(d):
        booster = xgboost.Booster()
        booster.load_model(text["x.json"])
        return pd.Series(booster.predict(xgboost.DMatrix(d)))

    def of_catboost(d):
        model = catboost.CatBoostClassifier()
        model.load_model(text["c.cbm"])
        return pd.Series(model.predict_proba(d)[:, 1])

    return {
        "joblib": lambda d: pd.Series(joblib.load(text["m.joblib"]).predict(d)),
        "relative": lambda d: pd.Series(joblib.load("m.joblib").predict(d)),
        "job's file": lambda d: pd.Series(joblib.load(SparkFiles.get("m.joblib")).predict(d)),
        "pickle": opened,
        "imported": imported,
        "pathlib": by_path,
        "bytes": lambda d: pd.Series(pickle.loads(data)["model"].predict(d)),
        "read": lambda d: pd.Series(pickle.loads(open(text["m.pkl"], "rb").read())["model"].predict(d)),
        "in memory": lambda d: pd.Series(joblib.load(io.BytesIO(data))["model"].predict(d)),
        "cached": lambda d: pd.Series(cached(str(path), "m.joblib")["model"].predict(d)),
        "global": by_global(text["m.joblib"]),
        "lightgbm": lambda d: pd.Series(lightgbm.Booster(model_file=text["l.txt"]).predict(d)),
        "xgboost": lambda d: pd.Series(xgboost.Booster(model_file=text["x.json"]).predict(xgboost.DMatrix(d))),
        "xgboost, loaded": boosted,
        "xgboost, class": classified,
        "catboost": lambda d: pd.Series(catboost.CatBoostRegressor().load_model(text["c.cbm"]).predict(d)),
        "catboost, class": of_catboost,
    }


def test_ways_to_load(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(SparkFiles, "_root_directory", str(folder))
    monkeypatch.setattr(SparkFiles, "_is_running_on_worker", True)
    for way, function in ways(folder).items():
        scored = compare(function, BATCH, rtol=1e-6, files=allowed(folder))
        assert (way, scored.refused, scored.rows) == (way, "", 60)


def test_files_of_a_reply(folder):
    replies = {way: compiled(function, BATCH, DoubleType(), files=allowed(folder)) for way, function in ways(folder).items()}
    read = {way: reply.get("files", []) for way, reply in replies.items()}
    digest = hashlib.sha256((folder / "m.joblib").read_bytes()).hexdigest()
    assert [(f["path"], f["ofJob"], f["digest"]) for f in read["relative"]] == [("m.joblib", False, digest)]
    assert [(f["path"], f["ofJob"], f["digest"]) for f in read["job's file"]] == [("m.joblib", True, digest)]
    assert [len(read[way]) for way in ("pickle", "bytes", "in memory", "cached", "xgboost, class")] == [1, 0, 0, 1, 1]
    (state,) = read["pickle"]
    file = decode(ModelFile, state)
    assert file.bytes == os.path.getsize(folder / "m.pkl") and unchanged(file)
    assert not unchanged(replace(file, bytes=1)) and not unchanged(replace(file, path="/no/such"))


def test_files_that_a_request_requires(folder):
    load = lambda d: pd.Series(joblib.load(str(folder / "m.joblib")).predict(d))  # noqa: E731
    (state,) = compiled(load, BATCH, DoubleType(), files=allowed(folder))["files"]
    assert compare(load, BATCH, rtol=1e-9, files=allowed(folder, wanted={state["path"]: state["digest"]})).rows == 60
    assert compare(load, BATCH, files=allowed(folder, wanted={state["path"]: "0" * 64})).refused == "SW861"
    assert compare(load, BATCH, files=allowed(folder, wanted={})).refused == "SW861"


def test_a_reply_is_kept_as_long_as_its_files_are_the_same(folder, tmp_path, monkeypatch):
    """A refusal for a missing file is cached under the same condition."""
    from tests.helpers.compile_requests import payload, python_step, request, udf
    from udf_compiler.service.protocol import Message

    path = str(tmp_path / "m")
    struct = [{"op": "CreateNamedStruct", "names": list("abcd"), "type": "struct", "nullable": False,
               "args": [{"op": "Column", "name": n, "type": "double", "nullable": True} for n in "abcd"]}]  # fmt: skip
    whole = request(python_step(r=udf(0, *struct)), inputs=dict.fromkeys("abcd", "double"))
    whole["python"]["files"] = allowed(tmp_path)
    service, blob = Service(), payload(lambda d: pd.Series(joblib.load(path).predict(d)))

    def answer():
        header, _ = service.answer(Message({**whole, "id": 1}, (blob,)))
        return header.get("hash") or header["refusals"][0]["code"]

    assert answer() == "SW860"
    joblib.dump(MODEL, path)
    first = answer()
    assert answer() == first
    joblib.dump(OTHER, path)
    os.utime(path, ns=(1, 1))
    assert answer() not in (first, "SW860")


def by_row(s):
    def one(x):
        global CACHE
        CACHE = x
        return x

    return s["a"].apply(one)


def counted(d):
    global CACHE
    CACHE = 1 if CACHE is None else CACHE + 1
    return d["a"] * CACHE


def kept(d):
    global CACHE
    CACHE = d["a"]
    return CACHE


def of_main(function):
    """Returns the function as one of a main program, with its own globals."""
    return types.FunctionType(function.__code__, {"CACHE": None, "__name__": "__main__"}, function.__name__)


class Opened:
    def __enter__(self):
        return self

    def __exit__(self, *fault):
        return True


def entered(d):
    with Opened():
        return d["a"]


def test_a_with_that_raises_again():
    def silent(d):
        with np.errstate(all="ignore"):
            return d["a"] / 0

    assert compare(silent, BATCH).rows == 60


def _refused(folder):
    missing, text = str(folder / "none"), str(folder / "m.joblib")
    (folder / "bad").write_bytes(b"\x80\x04nonsense")
    return [
        ("SW860", lambda d: pd.Series(joblib.load(missing).predict(d))),
        ("SW860", lambda d: pd.Series(joblib.load(str(folder)).predict(d))),
        ("SW860", lambda d: pd.Series(joblib.load(str(folder / "bad")).predict(d))),
        ("SW860", lambda d: pd.Series(pickle.loads(b"\x80\x04nonsense").predict(d))),
        ("SW862", lambda d: pd.Series(joblib.load(text, mmap_mode="r").predict(d))),
        ("SW862", lambda d: pd.Series(pickle.load(open(text)).predict(d))),
        ("SW862", lambda d: pd.Series(joblib.load(d).predict(d))),
        ("SW862", lambda d: pd.Series(pickle.loads(d).predict(d))),
        ("SW862", lambda d: pd.Series(lightgbm.Booster({"verbose": -1}, model_file=text).predict(d))),
        ("SW263", lambda d: pd.Series(joblib.load(os.environ["MODEL"]).predict(d))),
        ("SW215", lambda d: pd.Series(joblib.hash(text))),
        ("SW812", lambda d: pd.Series(xgboost.XGBClassifier().predict(d))),
        ("SW610", lambda d: d["a"] * made(d["a"])[0][0]),
        ("SW610", lambda d: d["a"] * made()[0][0]),
        ("SW211", of_main(counted)),
        ("SW211", of_main(kept)),
        ("SW211", of_main(by_row)),
        ("SW211", counted),
        ("SW221", entered),
    ]


def test_refused_functions(folder):
    for code, function in _refused(folder):
        assert compare(function, BATCH, files=allowed(folder)).refused == code, function
    large = lambda d: pd.Series(joblib.load(str(folder / "m.joblib")).predict(d))  # noqa: E731
    assert compare(large, BATCH, files=allowed(folder, limit=10)).refused == "SW860"
    assert compare(large, BATCH).refused == "SW805"


def test_a_model_that_the_driver_cannot_hold(monkeypatch):
    """The request states the free space of the driver's heap."""
    from tests.helpers import models
    from tests.helpers.compile_requests import request

    forest = RandomForestRegressor(n_estimators=2).fit(TABLE, TABLE.a)
    score = lambda d: pd.Series(forest.predict(d))  # noqa: E731
    assert compare(score, BATCH).refused == ""

    def limited(*steps, **given):
        made = request(*steps, **given)
        return {**made, "conf": {**made["conf"], "modelBytes": 64}}

    monkeypatch.setattr(models, "request", limited)
    assert compare(score, BATCH).refused == "SW864"
    assert compare(lambda d: d["a"], BATCH).rows == 60
