"""Compares every transformer, and each option that changes its output, with the library column by column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import BooleanType, DoubleType, FloatType
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.feature_selection import SelectFromModel, SelectKBest, VarianceThreshold
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    LabelEncoder,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from tests.helpers.models import batch_of, compare, compare_columns, estimators, frame, id_of, numbers
from udf_compiler.frontends.models.estimators import ESTIMATORS

TABLE, ODD = frame(numbers()), numbers(odd=True, seed=2)
CLASS = (TABLE.a > 0).to_numpy().astype(int)
HOLES = frame(numbers(seed=5)).mask(np.random.default_rng(3).random((200, 4)) < 0.2)


def _texts(seed, words):
    rng = np.random.default_rng(seed)
    drawn = rng.choice(np.array(words, object), 200)
    return [None if m else w for w, m in zip(drawn, rng.random(200) < 0.1, strict=True)]


ROWS = np.arange(200)
SEEN = batch_of(s=_texts(1, ["red", "green", "blue", "grün"]), t=_texts(2, ["x", "y"]), k=ROWS % 7, b=ROWS % 2 == 0)
UNSEEN = batch_of(
    s=_texts(3, ["red", "green", "blue", "grün", "", "RED", "a longer word"]),
    t=_texts(4, ["x", "y", "z"]),
    k=ROWS % 9,
    b=ROWS % 3 == 0,
)
CATEGORIES = frame(SEEN)
NUMBERS = [
    *(StandardScaler(**o) for o in ({}, {"with_mean": False}, {"with_std": False})),
    *(MinMaxScaler(**o) for o in ({}, {"feature_range": (-2, 5), "clip": True})),
    *estimators(MaxAbsScaler, {}, {"clip": True}),
    *(RobustScaler(**o) for o in ({}, {"with_centering": False}, {"with_scaling": False, "quantile_range": (10, 60)})),
    *(Normalizer(**o) for o in ({"norm": "l1"}, {"norm": "max"}, {})),
    *(Binarizer(threshold=t) for t in (0.0, 1.5)),
    *(KBinsDiscretizer(5, encode="ordinal", strategy=s) for s in ("uniform", "quantile", "kmeans")),
    KBinsDiscretizer(4, encode="onehot-dense"),
    *(PolynomialFeatures(**o) for o in ({}, {"degree": 3}, {"degree": (2, 3), "interaction_only": True, "include_bias": False})),
    *(PowerTransformer(standardize=s) for s in (True, False)),
    *(SimpleImputer(**o) for o in ({}, {"strategy": "median"}, {"strategy": "most_frequent"}, {"strategy": "constant"})),
    SimpleImputer(strategy="constant", fill_value=-1.5, add_indicator=True),
    VarianceThreshold(0.5),
    SelectKBest(k=2),
    SelectFromModel(LogisticRegression()),
    *(PCA(**o) for o in ({"n_components": 2}, {"whiten": True})),
    IncrementalPCA(n_components=3),
    TruncatedSVD(n_components=2),
    FeatureUnion(
        [("a", StandardScaler()), ("b", "passthrough"), ("c", "drop"), ("d", Binarizer())], transformer_weights={"a": 2.0}
    ),
    FunctionTransformer(np.abs),
    FunctionTransformer(lambda x, by: x * by, kw_args={"by": 3.0}),
]


@pytest.mark.filterwarnings("ignore:The current default behavior, quantile_method")  # of scikit-learn 1.7
@pytest.mark.parametrize("transformer", NUMBERS, ids=id_of)
def test_numbers(transformer):
    fitted = transformer.fit(TABLE, CLASS)
    rtol = 1e-10 if isinstance(transformer, PCA | IncrementalPCA | TruncatedSVD | PowerTransformer | Normalizer) else 0.0
    scored = compare_columns(lambda d: np.asarray(fitted.transform(d)), ODD, rtol=rtol)
    assert scored.refused == "" and scored.rows >= 150 and scored.flagged == scored.raised
    if not isinstance(fitted, Normalizer):  # exact for some norms
        kept = ESTIMATORS[f"{type(fitted).__module__}.{type(fitted).__qualname__}"].KEPT
        assert bool(scored.kept) == ("transform" in kept)


@pytest.mark.parametrize("transformer", [StandardScaler(), MinMaxScaler(clip=True), RobustScaler(), Binarizer(), SimpleImputer()])
def test_float32_stays_float32(transformer):
    narrow = batch_of(**{name: pa.array(TABLE[name].to_numpy(np.float32)) for name in TABLE})
    fitted = transformer.fit(TABLE)
    scored = compare_columns(lambda d: fitted.transform(d).astype("float64"), narrow)
    assert (scored.rows, scored.refused, scored.kept) == (200, "", ())
    assert compare_columns(lambda d: fitted.transform(d.to_numpy()), narrow, FloatType()).rows == 200


@pytest.mark.parametrize("options", [{}, {"features": "all"}, {"error_on_new": False}], ids=str)
def test_missing_indicator(options):
    fitted = MissingIndicator(**options).fit(HOLES.assign(d=1.0))
    batch = batch_of(**{name: pa.array(HOLES[name], from_pandas=True) for name in HOLES})
    scored = compare_columns(lambda d: fitted.transform(d), batch, BooleanType())
    assert scored.rows > 100 and scored.flagged == scored.raised == (0 if options else scored.flagged)


ONE_HOT = [
    {"handle_unknown": "ignore"},
    {},
    {"handle_unknown": "ignore", "drop": "first"},
    {"handle_unknown": "ignore", "drop": "if_binary", "dtype": np.float32},
    {"handle_unknown": "infrequent_if_exist", "min_frequency": 45},
    {"handle_unknown": "ignore", "max_categories": 3},
    {"handle_unknown": "infrequent_if_exist", "max_categories": 3, "drop": "first"},
    {"handle_unknown": "warn", "max_categories": 2},
    {"handle_unknown": "ignore", "dtype": np.int64},
]


@pytest.mark.parametrize("options", ONE_HOT, ids=str)
def test_one_hot(options):
    fitted = OneHotEncoder(sparse_output=False, **options).fit(CATEGORIES)
    scored = compare_columns(lambda d: fitted.transform(d), UNSEEN, fit=CATEGORIES)
    assert scored.refused == "" and scored.flagged == scored.raised
    assert scored.rows == 200 or (options == {} and scored.rows > 20)
    sparse = OneHotEncoder(**options).fit(CATEGORIES)
    model = LinearRegression().fit(sparse.transform(CATEGORIES), np.arange(200.0))
    scored = compare(lambda d: pd.Series(model.predict(sparse.transform(d))), UNSEEN, rtol=1e-5 if "dtype" in options else 1e-10)
    assert scored.refused in ("", "SW814")


ORDINAL = [
    {},
    {"handle_unknown": "use_encoded_value", "unknown_value": -1},
    {"handle_unknown": "use_encoded_value", "unknown_value": np.nan, "encoded_missing_value": -7},
    {"handle_unknown": "use_encoded_value", "unknown_value": -1, "min_frequency": 45, "dtype": np.float32},
    {"handle_unknown": "use_encoded_value", "unknown_value": 99, "dtype": np.int64, "encoded_missing_value": 55},
]


@pytest.mark.parametrize("options", ORDINAL, ids=str)
def test_ordinal(options):
    fitted = OrdinalEncoder(**options).fit(CATEGORIES)
    scored = compare_columns(lambda d: fitted.transform(d), UNSEEN, fit=CATEGORIES)
    assert scored.refused == "" and scored.rows > 20 and scored.flagged == scored.raised


def test_target_encoder_and_labels():
    for y in (CLASS, np.arange(200) % 3, np.linspace(0, 1, 200)):
        fitted = TargetEncoder(random_state=0).fit(CATEGORIES, y)
        assert compare_columns(lambda d, fitted=fitted: fitted.transform(d), UNSEEN, fit=CATEGORIES).rows == 200
    labels = LabelEncoder().fit(["red", "green", "blue", "grün"])
    scored = compare(lambda d: pd.Series(labels.transform(d["s"])), UNSEEN)
    assert scored.rows > 50 and scored.flagged == scored.raised > 20


@pytest.mark.parametrize(
    "options",
    [
        {"strategy": "most_frequent"},
        {"strategy": "most_frequent", "missing_values": None},
        {"strategy": "constant", "missing_values": None, "fill_value": "?"},
        {"strategy": "constant", "missing_values": "red", "fill_value": "?"},
    ],
    ids=str,
)
def test_imputed_strings(options):
    fitted = make_pipeline(SimpleImputer(**options), OneHotEncoder(handle_unknown="ignore", sparse_output=False))
    fitted.fit(CATEGORIES[["s", "t"]])
    assert compare_columns(lambda d: fitted.transform(d[["s", "t"]]), UNSEEN, fit=CATEGORIES).rows == 200


MIXED = batch_of(
    a=pa.array(HOLES.a, from_pandas=True), c=pa.array(HOLES.c, from_pandas=True), s=UNSEEN["s"], k=UNSEEN["k"], b=UNSEEN["b"]
)
FIT = pd.DataFrame({"a": HOLES.a, "c": HOLES.c, "s": CATEGORIES.s, "k": CATEGORIES.k, "b": CATEGORIES.b})


def _columns(**options):
    numeric = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
    known = SimpleImputer(missing_values=None, strategy="constant", fill_value="-")
    words = make_pipeline(known, OneHotEncoder(handle_unknown="ignore"))
    return ColumnTransformer([("n", numeric, ["a", "c"]), ("w", words, make_column_selector(dtype_include=object))], **options)


@pytest.mark.parametrize(
    "options", [{}, {"remainder": SimpleImputer()}, {"sparse_threshold": 0, "transformer_weights": {"n": 0.5}}], ids=str
)
def test_column_transformer_and_model(options):
    model = make_pipeline(_columns(**options), LogisticRegression()).fit(FIT, CLASS)
    scored = compare(lambda d: pd.Series(model.predict_proba(d)[:, 1]), MIXED, rtol=1e-11)
    assert (scored.rows, scored.refused) == (200, "")
    assert compare(lambda d: pd.Series(model.predict(d[["b", "k", "s", "c", "a"]])), MIXED).kept == ()


def test_pandas_output():
    made = _columns(sparse_threshold=0, remainder="drop", verbose_feature_names_out=False)
    made.set_params(w=OneHotEncoder(handle_unknown="ignore", sparse_output=False))
    made = made.set_output(transform="pandas").fit(FIT, CLASS)
    scored = compare(lambda d: made.transform(d)["s_red"] + made.transform(d)["a"], MIXED)
    assert (scored.rows, scored.refused) == (200, "")


def test_by_position_and_refusals():
    by_position = ColumnTransformer([("a", StandardScaler(), [0, 2]), ("b", "passthrough", slice(1, 2))]).fit(TABLE.to_numpy())
    assert compare_columns(lambda d: by_position.transform(d.to_numpy()), ODD).rows > 150
    sparse = make_union(OneHotEncoder(handle_unknown="ignore"), OneHotEncoder(handle_unknown="ignore")).fit(CATEGORIES)
    assert compare_columns(lambda d: sparse.transform(d).toarray(), UNSEEN, DoubleType(), fit=CATEGORIES).rows == 200
    polynomials = make_pipeline(OneHotEncoder(), PolynomialFeatures()).fit(CATEGORIES)
    encoder = OneHotEncoder().fit(TABLE[["a"]])
    beside = ColumnTransformer([("a", StandardScaler(), ["a"]), ("s", "passthrough", ["s"])], sparse_threshold=0).fit(FIT)
    renamed = FunctionTransformer(lambda d: d.rename(columns={"a": "z"}), feature_names_out="one-to-one").fit(TABLE)
    for code, function, batch in (
        ("SW821", lambda d: pd.Series(polynomials.transform(d).toarray()[:, 0]), UNSEEN),
        ("SW822", lambda d: pd.Series(encoder.transform(d[["s"]].rename(columns={"s": "a"})).toarray()[:, 0]), UNSEEN),
        ("SW823", lambda d: pd.Series(beside.transform(d)[:, 0]), MIXED),
        ("SW824", lambda d: renamed.transform(d)["z"], ODD),
    ):
        assert compare(function, batch).refused == code


def test_operators_of_frames_run_column_by_column():
    narrow = batch_of(a=TABLE.a.to_numpy(), k=np.arange(200), f=pa.array(TABLE.b.to_numpy(np.float32)))
    for function in (lambda d: np.sqrt(np.abs(d)), lambda d: 1 - d * 2, lambda d: (d > 0.5) * 1.0, lambda d: 2 / (d + 1.5)):
        scored = compare_columns(lambda d, function=function: function(d).to_numpy().astype("float64"), narrow)
        assert (scored.rows, scored.refused) == (200, "")


def test_a_column_that_may_have_become_float64_has_a_string():
    fitted = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(CATEGORIES[["s"]].dropna())

    def upper(d):
        return pd.Series(fitted.transform(d[["s"]].assign(s=d["s"].fillna(np.nan)))[:, 0])

    assert compare(upper, UNSEEN).rows == 200
    nothing = batch_of(s=pa.array([None, None], pa.string()))
    assert compare(upper, nothing).flagged == 2
