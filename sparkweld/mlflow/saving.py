"""Saves and logs a fitted model in MLflow's format, with the program that computes its predictions."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from sparkweld.errors import UserError
from sparkweld.serving.methods import layout_of
from sparkweld.serving.mlflow_format import DESCRIPTION, FLAVOUR, LOADER, PROGRAM, PYFUNC, digest_of, library_file


def save_model(
    model: Any,
    path: str | os.PathLike[str],
    example: Any,
    *,
    method: str = "predict",
    signature: Any = None,
    mlflow_model: Any = None,
    **options: Any,
) -> str:
    """Saves a fitted model of scikit-learn, LightGBM, XGBoost or CatBoost in MLflow's format; returns the SHA-256 of its program.

    `example`: a few rows like those that it will score, a DataFrame or a matrix; they are not stored. Tables with other columns
    or dtypes run the library's own model. `method`: what the Python function calls, one of `sparkweld.accelerate`; other than
    "predict" for scikit-learn only. `signature`: MLflow's, by default that of the example; False for none. `options`: those of
    `save_model` in MLflow's module of the library, such as `pip_requirements` and `serialization_format`.

    Raises Refusal where the method does not compile, before anything is written, and UserError for wrong arguments, without
    MLflow and without a C compiler.
    """
    models = _models()
    from sparkweld.api.accelerating import METHODS, method_program
    from sparkweld.api.fitted import without_wrapper

    model, where = without_wrapper(model), os.fspath(path)
    root = type(model).__module__.partition(".")[0]
    module = importlib.import_module(f"mlflow.{root if root in ('lightgbm', 'xgboost', 'catboost') else 'sklearn'}")
    if method not in METHODS or not callable(getattr(model, method, None)):
        raise UserError(f"a {type(model).__name__} has no {method}: pass one of {', '.join(METHODS)} that it has")
    if method != "predict" and module.__name__ != "mlflow.sklearn":
        raise UserError(f"{module.__name__} calls predict alone: pass method='predict'")
    layout = layout_of(example)
    if isinstance(layout, str):
        raise UserError(f"the example is {layout}: pass a DataFrame of numbers, booleans and strings, or a matrix of numbers")
    made = getattr(model, method)(example)
    compiled = method_program(model, method, layout, example, made)
    if signature is None:
        signature = models.infer_signature(example, made)
    if method != "predict":
        options["pyfunc_predict_fn"] = method
    if "pip_requirements" not in options and "conda_env" not in options:
        version = importlib.import_module("sparkweld").__version__
        options["extra_pip_requirements"] = [*options.get("extra_pip_requirements", ()), f"sparkweld=={version}"]
    described = models.Model() if mlflow_model is None else mlflow_model
    module.save_model(model, where, mlflow_model=described, signature=signature or None, **options)
    compiled.program.save(os.path.join(where, PROGRAM))
    return _describe(described, where, compiled.to_json())


def log_model(model: Any, name: str, example: Any, **options: Any) -> Any:
    """Logs a model to the active run of MLflow and returns its ModelInfo.

    `options`: those of `save_model`, and those of `mlflow.models.Model.log`, such as `registered_model_name`.
    """
    log = _models().Model.log
    return log(artifact_path=name, flavor=sys.modules[__name__], model=model, example=example, **options)


def _describe(described: Any, where: str, call: dict[str, Any]) -> str:
    """Adds the flavour to MLmodel and makes it the Python function; returns the program's SHA-256."""
    function = described.flavors[PYFUNC]
    library, digest = dict(function), digest_of(os.path.join(where, PROGRAM))
    described.add_flavor(
        FLAVOUR, program=PROGRAM, sha256=digest, call=call, library=library,
        library_sha256=digest_of(os.path.join(where, library_file(described.flavors, library))),
    )  # fmt: skip
    function.pop("data", None)  # so that MLflow passes the folder; its flavour of scikit-learn still reads model_path here
    function |= {"loader_module": LOADER, "predict_fn": "predict"}
    described.save(os.path.join(where, DESCRIPTION))
    return digest


def _models() -> Any:
    """Returns the module mlflow.models. Raises UserError without MLflow."""
    try:
        return importlib.import_module("mlflow.models")
    except ImportError:
        raise UserError("sparkweld.mlflow requires MLflow, which is not installed: pip install sparkweld[mlflow]") from None
