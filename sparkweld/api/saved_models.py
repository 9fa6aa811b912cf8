"""Loads a fitted model from a path: files of joblib, pickle, LightGBM, XGBoost or CatBoost, or a folder of pyspark.ml.

The first bytes of a file determine its format, not its name.
"""

from __future__ import annotations

import importlib
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pyspark.errors import AnalysisException

from sparkweld.errors import UserError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

#: First bytes of pickles and of joblib's compressed files: zlib, gzip, bzip2, xz, lzma, lz4.
_PICKLES = (b"\x80", b"\x78", b"\x1f\x8b", b"BZ", b"\xfd7zXZ", b"\x5d\x00", b"\x04\x22\x4d\x18")
_LIGHTGBM = b"tree\n"
_CATBOOST = b"CBM1"
_XGBOOST = (b"{L", b"{i", b"{U", b'{"')  # UBJSON, and JSON


def load_model(path: str | os.PathLike[str], spark: SparkSession) -> Any:
    """Loads the model at a path, which may be on any file system that Spark reads.

    A pickle runs its author's code. Raises UserError, with the path and the remedy, for an unreadable or unknown model.
    """
    where = os.fspath(path)
    local = _local(where)
    if local is None:
        return _load_ml(where, spark) if _is_remote_ml(where, spark) else _of_bytes(_fetched(where, spark), where)
    if not local.exists():
        raise UserError(f"there is no model at {where}: no such file or directory")
    if (local / "metadata").is_dir():
        return _load_ml(where, spark)
    if (local / "MLmodel").is_file():
        raise UserError(f"{where} is an MLflow model: pass the path of the model's own file in it, such as {where}/model.pkl")
    if not local.is_file():
        raise UserError(f"{where} is a folder, but not a pyspark.ml model: it has no folder 'metadata'")
    return _of_file(local, where)


def load_local_model(path: str | os.PathLike[str]) -> Any:
    """Loads the model in a local file, by the rules of `load_model`."""
    where = os.fspath(path)
    local = _local(where)
    if local is None or not local.is_file():
        raise UserError(f"there is no model file at {where}: pass a local file of joblib, pickle, LightGBM, XGBoost or CatBoost")
    return _of_file(local, where)


def is_xgboost_booster(model: Any) -> bool:
    """Whether it is an XGBoost Booster, whose predict takes no columns."""
    return type(model).__name__ == "Booster" and type(model).__module__.partition(".")[0] == "xgboost"


def _of_file(local: Path, where: str) -> Any:
    try:
        with local.open("rb") as file:
            begin = file.read(8)
        return _read(begin, str(local), where)
    except PermissionError as error:
        raise UserError(f"the model {where} cannot be read: {error}") from None


def _local(where: str) -> Path | None:
    """Returns the path in the local file system, None for another file system."""
    parts = urlsplit(where)
    if parts.scheme == "file":
        return Path(parts.path)
    return Path(where) if not parts.scheme or len(parts.scheme) == 1 or "://" not in where else None


def _read(begin: bytes, source: Any, where: str) -> Any:
    """Reads a model. `source`: a file's name, or its bytes."""
    if not begin:
        raise UserError(f"the model {where} is an empty file")
    if begin.startswith(_LIGHTGBM):
        lightgbm = _library("lightgbm", where)
        named = {"model_file": source} if isinstance(source, str) else {"model_str": source.decode()}
        return _loaded(lambda: lightgbm.Booster(**named), "LightGBM", where)
    if begin.startswith(_XGBOOST):
        return _loaded(lambda: of_booster(_booster(source, where)), "XGBoost", where)
    if begin.startswith(_CATBOOST):
        return _loaded(lambda: _of_catboost(source, where), "CatBoost", where)
    if begin.startswith(_PICKLES):
        joblib = importlib.import_module("joblib")
        file = source if isinstance(source, str) else io.BytesIO(source)
        return _loaded(lambda: joblib.load(file), "joblib or pickle", where)
    raise UserError(
        f"{where} is not a readable model: it begins with {begin!r}. Supported are files of joblib and pickle, LightGBM's "
        "text, XGBoost's JSON and UBJSON, CatBoost's CBM, and folders of pyspark.ml"
    )


def _booster(source: Any, where: str) -> Any:
    booster = _library("xgboost", where).Booster()
    booster.load_model(source if isinstance(source, str) else bytearray(source))
    return booster


def of_booster(booster: Any) -> Any:
    """Converts a Booster to XGBoost's own estimator class: a classifier or a regressor, by its objective."""
    xgboost = importlib.import_module("xgboost")
    objective = json.loads(booster.save_config())["learner"]["objective"]["name"]
    classes = objective in ("binary:logistic", "multi:softprob", "multi:softmax")
    made = xgboost.XGBClassifier() if classes else xgboost.XGBRegressor()
    made.load_model(booster.save_raw("ubj"))
    return made


def _of_catboost(source: Any, where: str) -> Any:
    """Loads a model as CatBoost's own estimator class: a classifier where it has classes, else a regressor."""
    catboost = _library("catboost", where)
    named = {"fname": source} if isinstance(source, str) else {"blob": source}
    made = catboost.CatBoostRegressor().load_model(**named)
    return catboost.CatBoostClassifier().load_model(**named) if len(made.classes_) else made


def _loaded(load: Any, kind: str, where: str) -> Any:
    try:
        return load()
    except ModuleNotFoundError as error:
        raise UserError(f"the model {where} requires the package {error.name}, which is not installed") from error
    except UserError:
        raise
    except Exception as error:  # a pickle runs any code, and libraries raise any exception
        detail = " ".join(str(error).split())[:300]
        raise UserError(f"the model {where} cannot be read as a file of {kind}: {type(error).__name__}: {detail}") from error


def _library(name: str, where: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise UserError(f"the model {where} is one of {name}, which is not installed: pip install sparkweld[{name}]") from None


def _load_ml(where: str, spark: SparkSession) -> Any:
    # pyspark.ml loads slowly, and only its own models need it
    from pyspark.ml.util import DefaultParamsReader

    reading = getattr(spark, "sparkContext", spark)  # PySpark 3.5 requires a context, which a session of Spark Connect lacks
    return _loaded(lambda: DefaultParamsReader.loadParamsInstance(where, reading), "pyspark.ml", where)


def _is_remote_ml(where: str, spark: SparkSession) -> bool:
    def has_metadata() -> bool:
        try:
            return spark.read.text(where.rstrip("/") + "/metadata").first() is not None
        except AnalysisException:  # no such folder
            return False

    return bool(_reached(has_metadata, where))


def _fetched(where: str, spark: SparkSession) -> bytes:
    found = _reached(lambda: spark.read.format("binaryFile").load(where).select("content").first(), where)
    if found is None:
        raise UserError(f"there is no model at {where}: no such file")
    return bytes(found[0])


def _reached(read: Callable[[], Any], where: str) -> Any:
    try:
        return read()
    except Exception as error:  # each file system of Hadoop has its own errors
        raise UserError(f"there is no model at {where} that Spark can read: {str(error).splitlines()[-1][:300]}") from error


def _of_bytes(data: bytes, where: str) -> Any:
    return _read(data[:8], data, where)
