"""Loads a model saved by MLflow, from a folder or from an archive that Spark distributes, and finds its predict method.

MLflow itself loads the model. The request records the files that determine the result: the folder's MLmodel and the library's
file that it names, or the whole archive.
"""

from __future__ import annotations

import os
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sparkweld.errors import UserError
from sparkweld.serving.mlflow_format import FLAVOUR, LIBRARIES, LOADER, library_file
from udf_compiler.frontends.models.matrices import matrix
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.function import model_files
from udf_compiler.function.model_files import FileName, Reads

_DESCRIPTION = "MLmodel"
_ON_NFS = "nfs:"

#: Module that loads a flavour -> its wrapper class, and the wrapper's attribute for the model.
_WRAPPERS = {
    "mlflow.sklearn": ("_SklearnModelWrapper", "sklearn_model"),
    "mlflow.lightgbm": ("_LGBModelWrapper", "lgb_model"),
    "mlflow.xgboost": ("_XGBModelWrapper", "xgb_model"),
    "mlflow.catboost": ("_CatboostModelWrapper", "cb_model"),
    "mlflow.statsmodels": ("_StatsmodelsModelWrapper", "statsmodels_model"),
}

#: Methods of `Model` that tell of a signature from type hints, which MLflow before 2.20 does not have.
_FROM_HINTS = ("_is_signature_from_type_hint", "_is_type_hint_from_example")


@dataclass(frozen=True, slots=True)
class Source:
    """The location of a UDF's model: a folder, or the driver's path of an archive (with the prefix ``nfs:`` on NFS)."""

    path: str
    is_archive: bool

    @property
    def file(self) -> str | FileName:
        """Returns the archive's path on NFS, or the file name under which a worker finds it."""
        if self.path.startswith(_ON_NFS):
            return self.path.removeprefix(_ON_NFS)
        return FileName(os.path.basename(self.path))

    @property
    def name(self) -> str:
        """Returns the last component of the path, for explain."""
        return os.path.basename(self.path.rstrip(os.sep))


def load(source: Source) -> Any:
    """Loads MLflow's `PyFuncModel`. Refuses SW805 (reading files is not allowed), SW860, SW861 and SW866 (unsupported model)."""
    reads = model_files.reads()
    if reads is None:
        refuse("SW805", call="mlflow.pyfunc.load_model")
    if source.is_archive:
        return reads.load(source.file, load, _of_archive)
    return _of_folder(source.path, reads)


def _of_folder(folder: str, reads: Reads) -> Any:
    description = os.path.join(folder, _DESCRIPTION)
    metadata = reads.load(description, load, _described)
    data = os.path.join(folder, _data_file(metadata))
    model = reads.load(data, load, lambda path: _loaded(folder))
    reads.load(description, load, _described)  # checks that it did not change while MLflow read it again
    return model


def _of_archive(path: str) -> Any:
    """Loads the model of an archive; unpacks it as `_SparkDirectoryDistributor` does on a worker."""
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
        _data_file(_described(os.path.join(folder, _DESCRIPTION)))
        return _loaded(folder)


def _described(path: str) -> Any:
    return sys.modules["mlflow.models"].Model.load(path)


def _loaded(folder: str) -> Any:
    return sys.modules["mlflow.pyfunc"].load_model(folder, suppress_warnings=True)


def _data_file(metadata: Any) -> str:
    """Returns the path of the library's file in the folder. Refuses (SW866) models for which MLflow does more than load it."""
    conf, outer = library_of(metadata), metadata.flavors.get("python_function") or {}
    loader = conf.get("loader_module")
    if loader not in LIBRARIES:
        refuse("SW866", what=f"the flavour {loader}")
    if any(conf.get(name) != outer.get(name) for name in ("code", "config", "model_path")):
        refuse("SW866", what="two descriptions of its Python function that differ")
    if conf.get("code"):
        refuse("SW866", what="code of its own (code_paths)")
    if conf.get("config"):
        refuse("SW866", what="a model_config")
    if metadata.get_params_schema() is not None:
        refuse("SW866", what="parameters in its signature")
    if any(hasattr(metadata, name) and getattr(metadata, name)() for name in _FROM_HINTS):
        refuse("SW866", what="a signature from type hints")
    try:
        return library_file(metadata.flavors, conf)
    except UserError:
        refuse("SW866", what="no file of its own")


def library_of(metadata: Any) -> dict[str, Any]:
    """Returns the description of the Python function that the library's flavour has.

    A model that `sparkweld.mlflow` saved stores it beside its own, which returns the same predictions.
    """
    conf = metadata.flavors.get("python_function") or {}
    if conf.get("loader_module") == LOADER:
        conf = (metadata.flavors.get(FLAVOUR) or {}).get("library") or {}
    return dict(conf)


def predictor(model: Any, rebuild: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Returns the function of traced columns that MLflow calls to predict. `rebuild` returns the stand-in of the library's model.

    Refuses (SW866) a wrapper of an unknown class.
    """
    conf = library_of(model.metadata)
    wrapper, attribute = _WRAPPERS[conf["loader_module"]]
    held = model._model_impl
    if model.loader_module == LOADER:
        held = held.library()
    if type(held).__qualname__ != wrapper or type(held).__module__ != conf["loader_module"]:
        refuse("SW866", what=f"a {type(held).__qualname__}")
    library_model = getattr(held, attribute)
    traced = rebuild(library_model)
    method = conf.get("predict_fn", "predict")
    if attribute == "xgb_model":  # `_wrapped_xgboost_model_predict_fn`
        if type(library_model).__name__ == "Booster":
            return lambda data: traced.predict(matrix(data), validate_features=True)
        return lambda data: traced.predict(data, validate_features=True)
    return getattr(traced, method)  # type: ignore[no-any-return]
