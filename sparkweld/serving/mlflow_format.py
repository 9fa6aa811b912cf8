"""Names what a model in MLflow's format stores for SparkWeld, and finds the file of the library's model."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import Any

from sparkweld.errors import UserError

#: The flavour's name in MLmodel, the module that MLflow imports to load it, and the file of the program.
FLAVOUR, LOADER, PROGRAM = "sparkweld", "sparkweld.mlflow", "program.sparkweld"
DESCRIPTION, PYFUNC = "MLmodel", "python_function"

#: Modules of MLflow that load the models of a library -> the flavour's name in MLmodel.
LIBRARIES = {f"mlflow.{name}": name for name in ("sklearn", "lightgbm", "xgboost", "catboost", "statsmodels")}


def library_file(flavours: Mapping[str, Any], library: Mapping[str, Any]) -> str:
    """Returns the path of the library's model within the folder. `library`: the library's own Python function in MLmodel.

    Raises UserError for other libraries and for paths that lead out of the folder.
    """
    loader = library.get("loader_module")
    if loader not in LIBRARIES:
        raise UserError(f"the model's library is loaded by {loader}: supported are {', '.join(LIBRARIES)}")
    own = flavours.get(LIBRARIES[loader]) or {}
    found = own.get("data") if loader != "mlflow.sklearn" else library.get("data") or library.get("model_path")
    if not isinstance(found, str) or found != os.path.normpath(found) or found.startswith((os.sep, os.pardir)):
        raise UserError("the model's library has no file of its own in the folder")
    return found


def digest_of(path: str) -> str:
    """Returns a file's SHA-256 in hex. Raises UserError where it cannot be read."""
    found = hashlib.sha256()
    try:
        with open(path, "rb") as file:
            while part := file.read(1 << 20):
                found.update(part)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error}") from None
    return found.hexdigest()
