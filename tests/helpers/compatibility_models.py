"""Renders the tables of fitted estimators and Spark ML stages in docs/compatibility.md from the translator tables."""

from __future__ import annotations

import importlib
import inspect
from collections import defaultdict

from udf_compiler.frontends.models.estimators import ESTIMATORS
from udf_compiler.frontends.models.translator import METHODS, Translator
from udf_compiler.frontends.onnx.evaluation import OPERATORS
from udf_compiler.frontends.spark_ml import KEPT, STAGES
from udf_compiler.frontends.torch.functions import NAMES
from udf_compiler.frontends.torch.modules import LAYERS

HEAD = """\
Fitted estimators of exactly these classes are compiled, however a function captures them. `=` methods return the same bits as
the library. Labels are equal, too: rows too close to a decision run in Python. `~` methods are within a bound that explain
reports; exact mode refuses them. Composite estimators are as exact as their parts.
"""


ONNX_HEAD = """\
Nodes of these operators compile in a graph that a session of ONNX Runtime 1.20 or newer runs on the CPU. Other outputs of the
graph may depend on other operators if the function does not use them. The first axis of each tensor is the batch's rows.
"""


PYTORCH_HEAD = """\
Modules of PyTorch compile from these layers, in `Sequential`, `ModuleList`, `ModuleDict` and classes of your own. The code of
`forward` is traced with these functions and methods, which also compile outside of a module. Tensors are of 32-bit or 64-bit
floats, integers or bools, on the CPU. Their first axis is the batch's rows, which no function may mix. Sums and functions of libm
are approximate, within a bound. Comparisons, `argmax` and `round` are equal: rows too close to a decision run in Python.
"""


SPARK_HEAD = """\
Functions that the transformers and models of Spark's ML library put into a plan. Their input vectors are assembled in the same
query or read from a table, dense or sparse. `=` returns Spark's bits. `~` is within a bound that explain reports; exact mode
refuses it. Classes are equal in both cases. StandardScalerModel represents MaxAbsScaler and RobustScaler, too, which use its
functions. Binarizer, Imputer and SQLTransformer are Spark's own expressions. OneVsRestModel is as exact as its models.

Words of strings (Tokenizer to CountVectorizerModel) are counted for linear models and naive Bayes. The sums are Spark's bits, as
are sums over the sparse rows of a table. A RegexTokenizer pattern must be one set of characters, such as `\\s+` or `[^a-z]`.
Strings are lower-cased as in Java. Spark runs rows with a capital sigma, a dotted capital I, or a letter that Java and Python
lower-case differently.
"""


def operators_list() -> list[str]:
    """Returns Markdown lines: the operators of each domain of ONNX."""
    names = sorted(OPERATORS)
    own, other = [n for n in names if "." not in n], [n.rpartition(".")[2] for n in names if "." in n]
    return [f"- `ai.onnx`: {', '.join(own)}", f"- `ai.onnx.ml`: {', '.join(other)}"]


def pytorch_list() -> list[str]:
    """Returns Markdown lines: the layers, and the functions and methods."""
    layers = sorted((q.rpartition(".")[2] for q in LAYERS), key=str.lower)
    return [f"- layers: {', '.join(layers)}", f"- functions and methods: {', '.join(sorted(NAMES))}"]


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
    own = [m for m in METHODS if hasattr(translator, m)]
    known = [m for m in own if inspect.getattr_static(real, m, None) is not None] or own  # results of statsmodels wrap others
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
