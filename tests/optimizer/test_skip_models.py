"""Checks filters by a model's result with bounds before the model: the kept rows are those of the model itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import ExtraTreesRegressor, GradientBoostingClassifier, RandomForestClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import Normalizer, StandardScaler

from sparkweld.ir import Append, Program, evaluate, parse_program
from sparkweld.ir.ops import Call, ModelOp, TextTotals
from sparkweld.kernels.codegen.kept_rows import rows_of_models
from sparkweld.optimizer.bounds_pay import bounds_pay
from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import call, column, literal, payload, python_step, request, udf
from tests.helpers.compiled import inputs_of
from tests.helpers.kernels import load_as_is
from tests.helpers.lines import PythonEvalType

RANDOM = np.random.default_rng(8)
ROWS = 400
WORDS = np.array("red green blue fast slow old new car house tree sky sea sun moon".split())
TEXTS = [" ".join(RANDOM.choice(WORDS, RANDOM.integers(0, 9))) for _ in range(ROWS)]
TEXTS[:6] = ["", "x", "Été ÉTÉ", "red " * 60, "moon sun", "ab " * 300]
FRAME = pd.DataFrame({"a": RANDOM.normal(size=ROWS), "b": RANDOM.normal(size=ROWS).round(1), "t": TEXTS})
NUMBERS = ["a", "b"]
LABEL = FRAME.a + FRAME.t.str.contains("red") * 0.5 + 0.1 * RANDOM.normal(size=ROWS)
COMPARISONS = {
    "GreaterThan": np.greater, "GreaterThanOrEqual": np.greater_equal, "LessThan": np.less, "LessThanOrEqual": np.less_equal,
}  # fmt: skip


def of_texts(vectorizer: Any, model: Any, first: bool = False) -> Pipeline:
    """Returns a pipeline with numbers before or after the terms of a string."""
    parts = [("n", StandardScaler(), NUMBERS), ("t", vectorizer, "t")]
    return Pipeline([("parts", ColumnTransformer(parts[::-1] if first else parts, sparse_threshold=1.0)), ("model", model)])


WORD, CHARS = TfidfVectorizer(), TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 3), sublinear_tf=True)
MODELS = {
    "ridge": of_texts(TfidfVectorizer(), Ridge(alpha=3)),
    "texts first": of_texts(TfidfVectorizer(ngram_range=(1, 2)), Ridge(alpha=3), first=True),
    "two texts": of_texts(FeatureUnion([("w", WORD), ("c", CHARS)]), Ridge(alpha=3)),
    "l1": of_texts(TfidfVectorizer(norm="l1", analyzer="char", ngram_range=(2, 2)), Ridge(alpha=3)),
    "hashed": of_texts(HashingVectorizer(n_features=64), Ridge(alpha=3)),
    "scaled": Pipeline([("v", TfidfVectorizer()), ("s", StandardScaler(with_mean=False)), ("n", Normalizer()), ("m", Ridge())]),
    "words": Pipeline([("v", TfidfVectorizer()), ("m", Ridge())]),
    "counts": Pipeline([("v", CountVectorizer(ngram_range=(1, 2))), ("m", Ridge())]),
    "unsigned": Pipeline([("v", HashingVectorizer(n_features=64, alternate_sign=False)), ("m", Ridge())]),
    "logistic": of_texts(TfidfVectorizer(), LogisticRegression(C=2)),
    "hinge": of_texts(TfidfVectorizer(), SGDClassifier(loss="log_loss", random_state=0)),
    "forest": RandomForestClassifier(64, max_depth=4, random_state=0),
    "deep": RandomForestRegressor(40, random_state=0),
    "extra": ExtraTreesRegressor(48, max_depth=5, random_state=0),
    "boosted": GradientBoostingClassifier(n_estimators=40, learning_rate=0.5, random_state=0),
}


def fitted(name: str) -> tuple[Any, Any]:
    """Returns (a function of rows to scores, its rows)."""
    model = MODELS[name]
    alone = name in ("scaled", "words", "counts", "unsigned")
    rows = FRAME.t if alone else FRAME if isinstance(model, Pipeline) else FRAME[NUMBERS]
    is_classifier = hasattr(model, "predict_proba") or name in ("logistic", "hinge")
    model.fit(rows, LABEL > 0 if is_classifier else LABEL)
    if is_classifier:
        return lambda rows: pd.Series(model.predict_proba(rows)[:, 1]), rows
    return lambda rows: pd.Series(model.predict(rows)), rows


def compiled(score: Any, rows: Any, *steps: dict[str, Any]) -> Program:
    names = {"t": "string"} if isinstance(rows, pd.Series) else {n: "string" if n == "t" else "double" for n in rows.columns}
    reads = [column(name, type) for name, type in names.items()]
    struct = {"op": "CreateNamedStruct", "names": list(names), "args": reads, "type": "struct", "nullable": False}
    made = udf(0, reads[0] if isinstance(rows, pd.Series) else struct, evalType=PythonEvalType.SQL_SCALAR_PANDAS_UDF)
    reply = compile_pipeline(request(python_step(r=made), *steps, inputs=names), [payload(score)])
    assert reply["status"] == "ok", reply
    return parse_program(reply["program"], reply["blocks"])


def kept(op: str, value: float, scored: str = "r") -> dict[str, Any]:
    return call(op, column(scored), literal(float(value).hex(), "double"))


def inputs(program: Program, rows: Any) -> dict[str, Any]:
    given = pd.DataFrame({"t": rows}) if isinstance(rows, pd.Series) else rows
    return inputs_of(program, pa.RecordBatch.from_pandas(given, preserve_index=False))


def wanted_rows(program: Program) -> Any:
    """Returns for each model the conditions of the rows for which it is computed."""
    rows = rows_of_models(program.loops[0])
    return [conditions for model, conditions in rows.items() if isinstance(model.op, ModelOp)]


@pytest.mark.nightly_cases("two texts", "extra", "l1", "scaled")
@pytest.mark.parametrize("name", list(MODELS))
def test_the_rows_are_those_of_the_model(name: str) -> None:
    score, rows = fitted(name)
    whole = compiled(score, rows)
    ((_, scores),) = evaluate(whole, inputs(whole, rows), ROWS).columns.items()
    scores = getattr(scores, "values", scores)
    rewritten = 0
    for share, (op, compare) in zip((0.98, 1.0, 0.02, 0.5), COMPARISONS.items(), strict=True):
        value = float(np.quantile(scores, share, method="nearest"))
        program = compiled(score, rows, {"kind": "filter", "condition": kept(op, value)})
        rewritten += program.has_trials
        found = evaluate(program, inputs(program, rows), ROWS)
        np.testing.assert_array_equal(found.selection, np.flatnonzero(compare(scores, value)))
        (made,) = found.columns.values()
        np.testing.assert_array_equal(getattr(made, "values", made), scores[compare(scores, value)])
    assert rewritten >= (0 if name == "boosted" else 1)


@pytest.mark.gate_cases("ridge", "words", "unsigned")
@pytest.mark.parametrize("name", ["ridge", "logistic", "forest", "words", "counts", "unsigned"])
def test_a_kernel_computes_the_model_for_few_rows(name: str) -> None:
    """The condition before the model is False in some rows, and the kernel equals `evaluate`."""
    score, rows = fitted(name)
    if isinstance(rows, pd.DataFrame) and "t" in rows:
        rows = rows.assign(a=rows.a * (1 if name == "logistic" else 40))  # so that the numbers decide
    whole = compiled(score, rows)
    ((_, scores),) = evaluate(whole, inputs(whole, rows), ROWS).columns.items()
    value = float(np.quantile(getattr(scores, "values", scores), 0.97))
    program = compiled(score, rows, {"kind": "filter", "condition": kept("GreaterThan", value)})
    assert program.has_trials and frozenset() not in wanted_rows(program)[-1:]
    possible = possible_rows(program, rows)
    assert 0 < possible.mean() < 0.6
    totals = [let for let in program.loops[0].body if isinstance(let.op, TextTotals)]
    assert bool(totals) == (name != "forest")  # the string's terms are sorted only for the remaining rows
    found = load_as_is(program).run(inputs(program, rows), ROWS)
    expected = evaluate(program, inputs(program, rows), ROWS)
    assert not found.flagged
    np.testing.assert_array_equal(found.selection, expected.selection)


def possible_rows(program: Program, rows: Any) -> np.ndarray:
    """Returns the first operand of the `where`, as another program's column."""
    (loop,) = program.loops
    assert loop.where is not None and loop.body[loop.where].op == Call("logical_and")
    first = loop.body[loop.where].args[0]
    alone = replace(loop, where=None, makes=None, appends=(Append("possible", first),))
    made = replace(program, loops=(alone,), outputs=("possible",))
    return np.asarray(evaluate(made, inputs(program, rows), ROWS).columns["possible"])


def test_rows_between_and_missing_numbers() -> None:
    """A forest accepts NaN."""
    rows = FRAME[NUMBERS].copy()
    rows.loc[::7, "a"] = np.nan
    forest = RandomForestClassifier(64, max_depth=4, random_state=0).fit(rows, LABEL > 1)
    scores = forest.predict_proba(rows)[:, 1]
    low, high = np.quantile(scores, [0.97, 0.995])
    between = call("And", kept("GreaterThanOrEqual", low), kept("LessThan", high))

    def score(rows: pd.DataFrame) -> pd.Series:
        return pd.Series(forest.predict_proba(rows)[:, 1])

    program = compiled(score, rows, {"kind": "filter", "condition": between})
    assert program.has_trials
    found = evaluate(program, inputs(program, rows), ROWS)
    np.testing.assert_array_equal(found.selection, np.flatnonzero((scores >= low) & (scores < high)))


@pytest.mark.gate_cases("most rows")
@pytest.mark.parametrize("share", [0.5, 0.999], ids=["few rows", "most rows"])
def test_kernels_find_out_whether_bounds_pay(share: float) -> None:
    """Whatever earlier calls measured, with bounds that drop few rows or most, the kernel's rows are the same."""
    score, rows = fitted("forest")
    many = pd.concat([rows] * 12, ignore_index=True).assign(a=np.linspace(-2, 2, 12 * ROWS))
    value = float(np.quantile(score(rows), 0.97))
    program = compiled(score, rows, {"kind": "filter", "condition": kept("GreaterThan", value)})
    assert program.has_trials
    many = many[many.a < np.quantile(many.a, share)]
    whole = compiled(score, rows)
    ((_, scores),) = evaluate(whole, inputs(whole, many), len(many)).columns.items()
    scores = getattr(scores, "values", scores)
    expected = np.flatnonzero(scores > value)
    kernel, given = load_as_is(program), inputs(program, many)
    for _ in range(20):  # beyond the first timed runs, of 4,096 rows each
        found = kernel.run(given, len(many))
        np.testing.assert_array_equal(found.selection, expected)
        (made,) = found.columns.values()
        np.testing.assert_array_equal(getattr(made, "values", made), scores[expected])


def test_bounds_pay_for_expensive_models_over_many_rows() -> None:
    """They pay from some power of 2 of rows per task; never for small trees, or when the planning budget is too short."""
    random = np.random.default_rng(3)
    rows = pd.DataFrame(random.normal(size=(3000, 2)), columns=NUMBERS)
    deep = RandomForestRegressor(64, random_state=0).fit(rows, random.normal(size=3000))
    scores = {name: fitted(name) for name in ("words", "two texts", "forest", "boosted")}
    scores["dear"] = (lambda rows: pd.Series(deep.predict(rows))), rows
    least = {}
    for name, given in scores.items():
        program = compiled(*given)
        pays = [bounds_pay(program, program, 1 << power, 10.0) for power in range(15, 41)]
        assert pays == sorted(pays), f"{name}: more rows pay less"
        least[name] = 15 + pays.index(True) if any(pays) else None
    assert least["forest"] is least["boosted"] is None
    assert 15 < least["dear"] < 25 and 15 < least["two texts"] < least["words"] < 24
    dear = compiled(*scores["dear"])
    assert not bounds_pay(dear, dear, 1 << 40, 0.1)
