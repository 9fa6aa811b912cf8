"""Renders the tables of fitted estimators and Spark ML stages in docs/compatibility.md from the translator tables."""

from __future__ import annotations

import importlib
import inspect
from collections import defaultdict

from udf_compiler.models import ESTIMATORS
from udf_compiler.models.translator import METHODS, Translator
from udf_compiler.spark_ml import KEPT, STAGES

HEAD = """Fitted estimators of these very classes, captured by a function in any way, are compiled. `=` methods give the library's
bits; labels do, as rows that lie too near to a decision go to Python. `~` methods lie within a bound that explain shows, and
are refused in exact mode. Estimators made of others are as exact as their parts.
"""


SPARK_HEAD = """Functions that the transformers and models of Spark's ML library put into a plan, on vectors that the same
query assembles, or that a table has, dense and sparse ones. `=` gives Spark's bits, `~` lies within a bound that explain shows
and is refused in exact mode; classes are equal either way. StandardScalerModel stands for MaxAbsScaler and RobustScaler, too,
which use its functions. Binarizer,
Imputer and SQLTransformer are Spark's own expressions. OneVsRestModel is its models' functions, and is as exact as they are.
Words of texts (Tokenizer to CountVectorizerModel) are counted for linear models and naive Bayes, whose sums are then Spark's
bits, too, as are such sums over the sparse rows of a table; patterns of RegexTokenizer are one set of characters, such as `\\s+`
or `[^a-z]`. Texts are put in lower case as Java does it; rows with a letter that it maps in another way than Python, with a
capital sigma or a dotted capital I are Spark's.
"""


def spark_table() -> list[str]:
    """Returns Markdown lines: one row per class of Spark's ML library."""
    rows: dict[str, list[str]] = defaultdict(list)
    for name in STAGES:
        kind, _, function = name.partition(".")
        rows[kind].append(f"`{function}`" if function else "")
    lines = ["| class | functions | |", "|---|---|---|"]
    for kind, made in sorted(rows.items()):
        lines.append(f"| {kind} | {' '.join(sorted(made))} | {'~' if kind in KEPT else '='} |")
    return lines


def models_table() -> list[str]:
    """Returns Markdown lines: one row for all estimators of a package with the same methods."""
    rows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for qualified, translator in ESTIMATORS.items():
        package = ".".join(part for part in qualified.split(".")[:-1] if not part.startswith("_"))
        rows[package, ", ".join(_methods(qualified, translator))].append(qualified.rpartition(".")[2])
    lines = ["| package | estimators | methods |", "|---|---|---|"]
    lines += [f"| {package} | {' '.join(sorted(names))} | {methods} |" for (package, methods), names in sorted(rows.items())]
    return lines


def _methods(qualified: str, translator: type[Translator]) -> list[str]:
    real = class_of(qualified)
    known = [m for m in METHODS if hasattr(translator, m) and inspect.getattr_static(real, m, None) is not None]
    return [f"`{m}{_options(translator, m)}` {'~' if m in translator.KEPT else '='}" for m in known]


def _options(translator: type[Translator], method: str) -> str:
    """Returns the keyword-only arguments of a method, in parentheses."""
    parameters = inspect.signature(getattr(translator, method)).parameters.values()
    names = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    return f"({', '.join(names)})" if names else ""


def class_of(qualified: str) -> type:
    """Returns the library's class of a qualified name."""
    module, _, name = qualified.rpartition(".")
    return getattr(importlib.import_module(module), name)  # type: ignore[no-any-return]
