"""Compares text vectorisers inside pandas UDFs with the plugin off and on, bit for bit."""

from __future__ import annotations

import numpy as np
import pandas as pd
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import StandardScaler

from tests.helpers.differential import check

RNG = np.random.default_rng(8)
ODD = ["Straße", "ΟΔΟΣ", "İstanbul", "cafe\u0301", "日本語", "😀", "x_1", "don't", "\t\u3000", "ﷺ", "THE", "Cat-Mat", "42"]
TEXTS = [" ".join(RNG.choice([*ODD, "the", "cat", "sat"], RNG.integers(0, 9))) for _ in range(3000)]
TEXTS[7] = "cat mat " * 20_000  # more than the buffer holds, in a row of its own
LABELS = np.array([len(t) % 3 for t in TEXTS])


def test_text_models(spark, parquet):
    numbers = RNG.normal(size=len(TEXTS))
    table = parquet({"id": np.arange(len(TEXTS)), "s": TEXTS, "a": numbers})
    frame = pd.DataFrame({"s": TEXTS, "a": numbers})
    both = make_union(TfidfVectorizer(ngram_range=(1, 2)), TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5)))
    scorer = make_pipeline(both, LogisticRegression()).fit(TEXTS, LABELS > 0)
    bayes = make_pipeline(TfidfVectorizer(strip_accents="unicode"), MultinomialNB()).fit(TEXTS, LABELS)
    hashed = make_pipeline(HashingVectorizer(n_features=512), LogisticRegression()).fit(TEXTS, LABELS)
    parts = make_column_transformer((TfidfVectorizer(), "s"), (StandardScaler(), ["a"]))
    mixed = make_pipeline(parts, LogisticRegression()).fit(frame, LABELS)

    @pandas_udf("double")
    def score(s: pd.Series) -> pd.Series:
        return pd.Series(scorer.decision_function(s))

    @pandas_udf("long")
    def topic(s: pd.Series) -> pd.Series:
        return pd.Series(bayes.predict(s))

    @pandas_udf("double")
    def of_hash(s: pd.Series) -> pd.Series:
        return pd.Series(hashed.decision_function(s.str.strip())[:, 1])

    @pandas_udf("long")
    def label(d: pd.DataFrame) -> pd.Series:
        return pd.Series(mixed.predict(d))

    what = check(spark, lambda: table.select("id", score("s"), topic("s"), of_hash("s"), label(F.struct("s", "a"))), deopt=None)
    assert what.kernel_batches
