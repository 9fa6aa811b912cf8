"""Checks one-column functions with knots, linear projections and binarised labels: each option, column by column, on real
data.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from pyspark.sql.types import DoubleType, IntegerType, LongType
from sklearn.cross_decomposition import CCA, PLSCanonical, PLSRegression
from sklearn.decomposition import FactorAnalysis, FastICA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.isotonic import IsotonicRegression
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import SGDOneClassSVM
from sklearn.neighbors import NearestCentroid
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelBinarizer, QuantileTransformer, SplineTransformer, StandardScaler
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection

from tests.helpers.models import batch_of, compare, compare_columns, estimators
from tests.helpers.real import rows, table
from udf_compiler.frontends.tracing.lower import BY_VALUE

WINE, CULTIVARS = table("wine")
DIABETES, PROGRESS = table("diabetes")
EXACT = [
    *(QuantileTransformer(**o) for o in ({"n_quantiles": 20}, {"n_quantiles": 178, "subsample": None})),
    SplineTransformer(),
    SplineTransformer(4, degree=2, extrapolation="periodic"),
    SplineTransformer(knots="quantile", extrapolation="error"),
    SplineTransformer(extrapolation="continue", include_bias=False),
    *estimators(SplineTransformer, {"handle_missing": "zeros", "order": "F"}),
    *(SplineTransformer(4, degree=d, extrapolation="linear") for d in (1, 3)),
    SplineTransformer(degree=0),
]


@pytest.mark.parametrize("transformer", EXACT, ids=lambda t: str(t)[:70].replace("\n", ""))
def test_knots(transformer: Any) -> None:
    values = WINE[["f0", "f1", "f2"]]
    transformer.fit(values)
    batch = rows("wine", odd=True).select(["f0", "f1", "f2"])
    scored = compare_columns(lambda d: np.asarray(transformer.transform(d)), batch, fit=values.iloc[:1])
    assert scored.refused == "" and not scored.kept and scored.rows > 135, scored
    narrow = compare_columns(
        lambda d: transformer.transform(d.to_numpy().astype("float32")).astype("float64"), rows("wine").select(["f0", "f1", "f2"])
    )
    if BY_VALUE:  # NumPy compares float32 with the bounds as float32
        assert narrow.refused == "SW814"
        return
    assert narrow.rows > 135 and not narrow.kept


def test_normal_quantiles() -> None:
    """Values next to the ends, beyond them, and in the tails, where the library clips, agree."""
    values = WINE[["f0", "f1", "f2"]]
    model = QuantileTransformer(n_quantiles=178, output_distribution="normal").fit(values)
    ends = np.concatenate([values.to_numpy() + side for side in (0.0, 1e-8, -1e-8, 3e-7, -3e-7)])
    batch = batch_of(**{f"f{i}": ends[:, i] for i in range(3)})
    for rows_of in (batch, rows("wine", odd=True).select(["f0", "f1", "f2"])):
        scored = compare_columns(lambda d: model.transform(d), rows_of, rtol=1e-14, fit=values.iloc[:1])
        assert scored.refused == "" and "normal quantile" in scored.kept and scored.rows >= 140
    narrow = compare(lambda d: pd.Series(model.transform(d.to_numpy().astype("float32"))[:, 0]), rows_of)
    assert narrow.refused == "SW814"


@pytest.mark.parametrize("out_of_bounds", ["nan", "clip", "raise"])
def test_isotonic_regression(out_of_bounds: str) -> None:
    model = IsotonicRegression(out_of_bounds=out_of_bounds).fit(DIABETES.f2[::2], PROGRESS[::2])
    scored = compare(lambda d: pd.Series(model.predict(d["f2"])), rows("diabetes", odd=True), DoubleType())
    assert scored.refused == "" and not scored.kept and scored.rows >= 140 and scored.flagged == scored.raised
    assert compare(lambda d: pd.Series(model.transform(d[["f2"]].to_numpy())), rows("diabetes"), DoubleType()).rows >= 140


PROJECTIONS = [
    *(LinearDiscriminantAnalysis(solver=s, n_components=n) for s, n in (("svd", 1), ("eigen", None))),
    *(FactorAnalysis(3), FastICA(3, random_state=0), RBFSampler(n_components=4, random_state=0)),
    *(GaussianRandomProjection(3, random_state=0), SparseRandomProjection(3, random_state=0)),
    *(PLSRegression(2), PLSCanonical(1), CCA(1)),
]


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda t: str(t)[:60].replace("\n", ""))
def test_projections(projection: Any) -> None:
    projection.fit(WINE, CULTIVARS)
    scored = compare_columns(lambda d: projection.transform(d), rows("wine", odd=True), rtol=1e-6, fit=WINE.iloc[:1])
    assert scored.refused == "" and "dot" in scored.kept and scored.rows >= 140


def test_partial_least_squares_predict() -> None:
    one, two = (PLSRegression(2).fit(DIABETES, y) for y in (PROGRESS, np.column_stack([PROGRESS, -PROGRESS])))
    assert compare(lambda d: pd.Series(one.predict(d)), rows("diabetes", odd=True), rtol=1e-9).rows >= 140
    assert compare_columns(lambda d: two.predict(d), rows("diabetes"), rtol=1e-9).rows == 150


def test_frames_as_results() -> None:
    """With `set_output`, each result has its own column names."""
    for model in (SplineTransformer(3), QuantileTransformer(n_quantiles=20), PLSRegression(2), FactorAnalysis(2),
                  LinearDiscriminantAnalysis(), GaussianRandomProjection(3, random_state=0)):  # fmt: skip
        model.set_output(transform="pandas").fit(WINE, CULTIVARS)
        name = str(model.get_feature_names_out()[-1])
        scored = compare(lambda d, m=model, n=name: m.transform(d)[n], rows("wine", odd=True), rtol=1e-6)
        assert scored.refused == "" and scored.rows >= 140, model


def test_labels_as_columns() -> None:
    """With three classes an unknown label matches none; with two it would change the shape, and is left to the library."""
    labels = batch_of(s=["r", "g", "b", "r", None, "zz", "g"], n=[1, 2, 5, 1, 2, 2, 1])
    three, two = LabelBinarizer(neg_label=-1, pos_label=2).fit(["r", "g", "b"]), LabelBinarizer().fit(["r", "g"])
    numbers = LabelBinarizer(sparse_output=True).fit([1, 2, 5])
    scored = compare_columns(lambda d: three.transform(d["s"]), labels, LongType(), fit=pd.DataFrame({"s": ["r"]}))
    assert (scored.rows, scored.flagged, scored.raised) == (6, 1, 1)
    assert compare(lambda d: pd.Series(two.transform(d["s"])[:, 0]), labels, LongType()).rows == 4
    assert compare(lambda d: pd.Series(numbers.transform(d["n"]).toarray()[:, 2]), labels, LongType()).rows == 7


def test_regions_and_centroids() -> None:
    region = make_pipeline(StandardScaler(), SGDOneClassSVM(random_state=0)).fit(DIABETES)
    assert compare(lambda d: pd.Series(region.predict(d)), rows("diabetes", odd=True), IntegerType(), exact=True).rows >= 140
    for method in ("decision_function", "score_samples"):
        assert compare(lambda d, m=method: pd.Series(getattr(region, m)(d)), rows("diabetes", odd=True), rtol=1e-8).rows >= 140
    at_zero = SGDOneClassSVM(random_state=0).fit(DIABETES)
    at_zero.offset_[:] = 0  # a row of zeros has the exact score 0, and counts as an inlier
    zeros = batch_of(**{name: [0.0, 1.0] for name in DIABETES})
    assert compare(lambda d: pd.Series(at_zero.predict(d)), zeros, IntegerType(), exact=True).rows >= 1
    centroids = NearestCentroid(priors="uniform").fit(WINE, CULTIVARS)
    assert compare(lambda d: pd.Series(centroids.predict(d)), rows("wine", odd=True), LongType(), exact=True).rows >= 140


def test_refused_functions() -> None:
    uneven = NearestCentroid(priors="empirical").fit(WINE, CULTIVARS)
    cases = [
        ("SW814", SplineTransformer(3, degree=0, extrapolation="linear").fit(WINE).transform),
        ("SW821", SplineTransformer(sparse_output=True).fit(WINE).transform),
        ("SW252", LinearDiscriminantAnalysis(solver="lsqr").fit(WINE, CULTIVARS).transform),
        ("SW842", uneven.predict),
    ]
    for code, function in cases:
        assert compare(lambda d, f=function: pd.Series(np.ravel(f(d))), rows("wine")).refused == code
