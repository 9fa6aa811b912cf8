"""Loads a model that `save_model` wrote, as a Python function of MLflow that runs its program.

MLmodel states the SHA-256 of the program and of the library's model. That proves that they belong together, and not who wrote
them: whoever plants a folder writes both. So a program runs only if this user or root owns its file and nobody else may write it.
The other way is that the caller of `load_model` states its SHA-256. Otherwise the library's own model runs, as MLflow loads it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from sparkweld.errors import RefusalWarning, UserError
from sparkweld.reasons import refusal
from sparkweld.serving.file import inspect
from sparkweld.serving.methods import Method, layout_of
from sparkweld.serving.mlflow_format import DESCRIPTION, FLAVOUR, digest_of, library_file
from sparkweld.serving.program import load

_STATED: ContextVar[str | None] = ContextVar("stated", default=None)


def load_model(uri: str, digest: str | None = None) -> Any:
    """Returns the model at a path or URI as MLflow's PyFuncModel, like `mlflow.pyfunc.load_model`.

    `digest`: the SHA-256 of the program, which `save_model` returned. The program then runs whoever owns its file, and a
    UserError is raised where the file is another one.
    """
    with _stating(digest):
        return importlib.import_module("mlflow.pyfunc").load_model(uri)


def _load_pyfunc(path: str, model_config: Any = None) -> ProgramModel:
    """Returns what MLflow calls to predict. `path`: the folder of the model."""
    flavours = importlib.import_module("mlflow.models").Model.load(os.path.join(path, DESCRIPTION)).flavors
    return ProgramModel(path, flavours, _STATED.get())


class ProgramModel:
    """A model of MLflow whose predictions a program computes, and its library's model those that the program does not.

    The program is linked, and the library's model is loaded, at the first prediction that requires it.
    """

    def __init__(self, folder: str, flavours: dict[str, Any], digest: str | None) -> None:
        self._folder, self._flavours, self._lock = folder, flavours, threading.Lock()
        self._method: Method | None = None
        self._wrapper: Any = None
        self._digest = self._checked(digest)

    def predict(self, model_input: Any, params: Any = None) -> Any:
        """Returns the predictions for a table, as the wrapper of MLflow's own flavour returns them."""
        method = self._program() if self._digest and not params else None
        made = None if method is None or layout_of(model_input) != method.layout else method(model_input)
        if made is not None:
            return made
        library = self.library()
        return getattr(library, self._library.get("predict_fn", "predict"))(model_input, params)

    def library(self) -> Any:
        """Returns the wrapper of MLflow's own flavour for the library's model."""
        with self._lock:
            if self._wrapper is None:
                library_file(self._flavours, self._library)  # rejects other loaders
                self._wrapper = importlib.import_module(self._library["loader_module"])._load_pyfunc(self._folder)
        return self._wrapper

    @property
    def _library(self) -> dict[str, Any]:
        return dict(self._flavours[FLAVOUR]["library"])

    def _checked(self, stated: str | None) -> str | None:
        """Returns the SHA-256 of a program that may run; None where the library's model runs, with a warning.

        Raises UserError where the caller has stated the SHA-256 of another program.
        """
        conf = self._flavours[FLAVOUR]
        try:
            found = inspect(os.path.join(self._folder, conf["program"]), stated).digest
            if found != conf["sha256"]:
                raise UserError(f"{conf['program']} is not the program that {DESCRIPTION} names")
            if digest_of(os.path.join(self._folder, library_file(self._flavours, self._library))) != conf["library_sha256"]:
                raise UserError(f"the library's model is not the one that {conf['program']} was compiled from")
        except UserError as error:
            if stated is not None:
                raise
            self._warn(error)
            return None
        return found

    def _program(self) -> Method | None:
        with self._lock:
            if self._method is None and self._digest:
                conf = self._flavours[FLAVOUR]
                try:
                    program = load(os.path.join(self._folder, conf["program"]), digest=self._digest)
                    self._method = Method.of_json(program, conf["call"])
                except (UserError, KeyError, TypeError, ValueError) as error:  # another CPU, or a file that was replaced
                    self._digest = None
                    self._warn(error)
            return self._method

    def _warn(self, error: Exception) -> None:
        why = refusal("SW876", path=self._folder, why=str(error))
        warnings.warn(str(why), RefusalWarning, stacklevel=2)


@contextlib.contextmanager
def _stating(digest: str | None) -> Iterator[None]:
    token = _STATED.set(digest)
    try:
        yield
    finally:
        _STATED.reset(token)
