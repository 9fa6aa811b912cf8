"""Checks scores split into a table's numeric part and a joined table's strings: the split holds for the function itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from sparkweld.errors import Refusal
from tests.helpers.answers import compile_parts
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from tests.helpers.lines import PythonEvalType

RANDOM = np.random.default_rng(3)
WORDS = np.array("red green blue fast slow old new car house tree".split())
ROWS = 300
FRAME = pd.DataFrame({
    "a": RANDOM.normal(size=ROWS), "b": RANDOM.normal(size=ROWS) * 1e6,
    "t": [" ".join(RANDOM.choice(WORDS, RANDOM.integers(0, 7))) for _ in range(ROWS)],
    "u": [" ".join(RANDOM.choice(WORDS, RANDOM.integers(0, 3))) for _ in range(ROWS)],
})  # fmt: skip
NUMBERS = ("n", StandardScaler(), ["a", "b"])
TEXTS = ("t", TfidfVectorizer(), "t"), ("u", TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 2)), "u")


def fitted(*parts: Any, model: Any = None) -> Any:
    label = FRAME.a + FRAME.t.str.contains("red")
    made = Pipeline([("parts", ColumnTransformer(list(parts), sparse_threshold=1.0)), ("m", model or Ridge(alpha=2))])
    return made.fit(FRAME, label > 0.5 if isinstance(model, LogisticRegression) else label)


def parts_of(score: Any, others: tuple[str, ...] = ("t", "u")) -> dict[str, Any]:
    types = {"a": "double", "b": "double", "t": "string", "u": "string"}
    struct = {"op": "CreateNamedStruct", "names": list(types), "args": [column(n, type) for n, type in types.items()],
              "type": "struct", "nullable": False}  # fmt: skip
    made = udf(0, struct, evalType=PythonEvalType.SQL_SCALAR_PANDAS_UDF)
    return compile_parts({**request(python_step(r=made), inputs=types), "others": list(others)}, [payload(score)])


def test_no_row_exceeds_the_bound() -> None:
    """The function's Python scores of rows joined to all strings are compared with `own` and the string scores at zero
    numbers.
    """
    model = fitted(NUMBERS, *TEXTS)
    reply = parts_of(lambda d: pd.Series(model.predict(d)))
    assert reply["texts"] == ["t", "u"] and reply["missing"] is None
    own = model[0].named_transformers_["n"].transform(FRAME[["a", "b"]]) @ model[1].coef_[:2]
    zero = model[0].named_transformers_["n"].transform(FRAME[["a", "b"]] * 0)[0] @ model[1].coef_[:2]
    np.testing.assert_allclose(reply["base"], zero, rtol=1e-12)
    alone = model.predict(FRAME.assign(a=0.0, b=0.0))
    joined = model.predict(FRAME[["a", "b"]].iloc[:50].merge(FRAME[["t", "u"]], how="cross")).reshape(50, ROWS)
    for most, found in ((alone.max(), joined.max(1)), (alone.min(), joined.min(1))):
        lost = reply["slack"] * (np.abs(own[:50]) + abs(reply["base"]) + 2 * reply["size"])
        assert (np.abs(found - (own[:50] + (most - reply["base"]))) <= lost).all()
    assert reply["size"] >= np.abs(joined - own[:50, None]).max()


def test_a_text_that_may_be_missing_has_a_score() -> None:
    model = fitted(NUMBERS, *TEXTS)
    reply = parts_of(lambda d: pd.Series(model.predict(d.assign(t=d["t"].fillna(""), u=d["u"].fillna("red")))))
    assert reply["texts"] == []
    expected = model.predict(FRAME.head(1).assign(a=0.0, b=0.0, t="", u="red"))[0]
    np.testing.assert_allclose(reply["missing"], expected, rtol=1e-12)


LINK = fitted(NUMBERS, *TEXTS, model=LogisticRegression())
SUM, COUNTS, BEHIND = fitted(NUMBERS, *TEXTS), fitted(NUMBERS, ("t", CountVectorizer(), "t")), fitted(TEXTS[0], NUMBERS)


@pytest.mark.parametrize("why, score, others", [
    ("last digits", lambda d: pd.Series(LINK.predict_proba(d)[:, 1]), ("t", "u")),
    ("no norm", lambda d: pd.Series(COUNTS.predict(d)), ("t", "u")),
    ("several numbers", lambda d: pd.Series(BEHIND.predict(d)), ("t", "u")),
    ("both sides", lambda d: pd.Series(SUM.predict(d)), ("b", "t", "u")),
    ("both sides", lambda d: pd.Series(SUM.predict(d)), ("t",)),
    ("not row-local", lambda d: pd.Series(SUM.predict(d)) * d["t"].str.len(), ("t", "u")),
], ids=["a link", "counts", "numbers behind strings", "numbers of both", "strings of both", "a product"])  # fmt: skip
def test_other_scores_are_refused(why: str, score: Any, others: tuple[str, ...]) -> None:
    with pytest.raises(Refusal, match=why) as refused:
        parts_of(score, others)
    assert refused.value.code == "SW397"
