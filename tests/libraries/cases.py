"""Lists fitted models of every supported class, with the parameters whose meaning differs between versions of a library.

A case whose class or parameter the installed version lacks is left out.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import xgboost

from tests.helpers.models import batch_of, frame, numbers

#: Tolerances of methods that are declared approximate; all others are compared bit by bit.
CLOSE, FLOAT32 = 1e-7, 2e-5

WORDS = ["red", "green", "blue", "", "grün", "x" * 40, "RED"]
DOCUMENTS = ["the cat sat on the mat", "a dog ran", "", "The cat, the dog!", "mat mat mat", "no known word here", "cat dog mat"]


@dataclass(frozen=True)
class Case:
    """A fitted model, the batch that it is applied to, and the function that prepares the model's argument."""

    name: str
    kind: str
    model: Any
    batch: pa.RecordBatch
    given: Callable[[pd.DataFrame], Any] = lambda d: d
    rtol: float = CLOSE


@cache
def table() -> pd.DataFrame:
    return frame(numbers()) * [10, 1, 0.1, 0.01]


@cache
def odd(floats: str = "double") -> pa.RecordBatch:
    """Returns rows of which some have NaN, infinities, signed zeros or extreme values."""
    made = frame(numbers(odd=True, seed=2)) * [10, 1, 0.1, 0.01]
    if floats == "float":
        with np.errstate(over="ignore"):
            made = made.astype("float32")
    return pa.RecordBatch.from_pandas(made, preserve_index=False)


TARGET = (table() @ [1.0, -2.0, 0.5, 0.0]).to_numpy()
TWO = np.where(TARGET > 0.1, "yes", "no")
THREE = np.digitize(TARGET, [-1, 1]) * 10
POSITIVE = np.abs(TARGET) + 0.5
PAIRS = np.column_stack([TARGET, TARGET * 2 + 1])
COUNTS = frame(batch_of(**{c: np.random.default_rng(ord(c)).poisson(2, 200) for c in "abc"}))
DRAWN = batch_of(a=COUNTS.a.to_numpy()[::-1], b=COUNTS.b.to_numpy(), c=np.roll(COUNTS.c.to_numpy(), 7))
RNG = np.random.default_rng(3)
GAPS = table().mask(RNG.random((200, 4)) < 0.1)
STRINGS = pd.DataFrame({"s": RNG.choice(WORDS[:4], 200), "t": RNG.choice(WORDS[:3], 200)})
SEEN = pa.RecordBatch.from_pandas(STRINGS.iloc[::-1].reset_index(drop=True))
UNSEEN = batch_of(s=[*RNG.choice(WORDS, 150), None], t=[*RNG.choice(WORDS[:5], 150), "red"])
TEXTS = pd.DataFrame({"s": DOCUMENTS * 12})
READ = batch_of(s=[*DOCUMENTS[::-1], "cat " * 9, None])
LABELS = pd.Series(STRINGS.s)


def cases(only: str = "") -> Iterator[Case]:
    """Yields the cases of the classes whose qualified name contains `only`."""
    sklearn = (_linear, _preprocessing, _encoders, _texts, _neighbours, _trees, _ensembles, _composed)
    for make in (*sklearn, _boosters, _catboost, _statsmodels):
        for name, kind, fit, batches, options in make():
            if only not in kind:
                continue
            model = _fitted(kind, fit)
            if model is None:
                continue
            for label, batch in batches.items():
                rtol = FLOAT32 if label == "float32" or kind.startswith("xgboost") else CLOSE
                yield Case(f"{name} {label}".strip(), kind, model, batch, rtol=rtol, **options)


Row = tuple[str, str, Callable[[type], Any], dict[str, pa.RecordBatch], dict[str, Any]]


def _fitted(kind: str, fit: Callable[[type], Any]) -> Any:
    """Returns the fitted model; None when this version has no such class, or rejects the parameters."""
    module, _, name = kind.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError):
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return fit(found)
        except (_Lacking, TypeError, ValueError, RuntimeError):  # a parameter that this version lacks, or data that it rejects
            return None


class _Lacking(Exception):
    """Raised by a case that this version cannot have."""


def _of(path: str, **options: Any) -> Any:
    """Creates an object of a class that a case holds besides its own."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)(**options)
    except (ImportError, AttributeError) as error:
        raise _Lacking from error


def _both() -> dict[str, pa.RecordBatch]:
    return {"": odd(), "float32": odd("float")}


def _row(kind: str, options: dict[str, Any], y: Any, x: Any = None, batches: Any = None, **more: Any) -> Row:
    """Returns a case of a class with these constructor arguments (values may be functions that make them)."""

    def fit(found: type) -> Any:
        given = {name: value() if callable(value) and getattr(value, "late", False) else value for name, value in options.items()}
        model = found(**given)
        data = table() if x is None else x
        return model.fit(data) if y is None else model.fit(data, y)

    shown = ", ".join(f"{k}={v if isinstance(v, str | int | float | bool | tuple) else '...'}" for k, v in options.items())
    return f"{kind.rpartition('.')[2]}({shown})", kind, fit, _both() if batches is None else batches, more


def late(path: str, **options: Any) -> Any:
    """Returns a function that creates an object when the case is fitted."""

    def make() -> Any:
        return _of(path, **options)

    make.late = True  # type: ignore[attr-defined]
    return make


_LM, _PP = "sklearn.linear_model", "sklearn.preprocessing._data"


def _linear() -> Iterator[Row]:
    seed = {"random_state": 0}
    regressors: dict[str, list[dict[str, Any]]] = {
        f"{_LM}._base.LinearRegression": [{}, {"fit_intercept": False}],
        f"{_LM}._ridge.Ridge": [{}], f"{_LM}._ridge.RidgeCV": [{}],
        **{f"{_LM}._coordinate_descent.{n}": [{}] for n in ("LassoCV", "ElasticNetCV")},
        **{f"{_LM}._coordinate_descent.{n}": [{"alpha": 0.1}] for n in ("Lasso", "ElasticNet")},
        **{f"{_LM}._least_angle.{n}": [{}] for n in ("Lars", "LarsCV", "LassoLarsCV", "LassoLarsIC")},
        f"{_LM}._least_angle.LassoLars": [{"alpha": 0.01}],
        **{f"{_LM}._omp.OrthogonalMatchingPursuit{n}": [{}] for n in ("", "CV")},
        **{f"{_LM}._bayes.{n}": [{}] for n in ("BayesianRidge", "ARDRegression")},
        f"{_LM}._huber.HuberRegressor": [{}], f"{_LM}._theil_sen.TheilSenRegressor": [seed],
        f"{_LM}._quantile.QuantileRegressor": [{"solver": "highs"}], f"{_LM}._stochastic_gradient.SGDRegressor": [seed],
        f"{_LM}._passive_aggressive.PassiveAggressiveRegressor": [seed], "sklearn.svm._classes.LinearSVR": [seed],
        f"{_LM}._ransac.RANSACRegressor": [seed],
    }  # fmt: skip
    for kind, given in regressors.items():
        yield from (_row(kind, options, TARGET) for options in given)
    for name in ("MultiTaskLasso", "MultiTaskElasticNet", "MultiTaskLassoCV", "MultiTaskElasticNetCV"):
        yield _row(f"{_LM}._coordinate_descent.{name}", {}, PAIRS)
    yield _row(f"{_LM}._base.LinearRegression", {}, PAIRS)
    for name in ("Poisson", "Gamma", "Tweedie"):
        yield _row(f"{_LM}._glm.glm.{name}Regressor", {}, POSITIVE)
    yield _row(f"{_LM}._glm.glm.TweedieRegressor", {"power": 1.5}, POSITIVE)
    classifiers: dict[str, list[dict[str, Any]]] = {
        f"{_LM}._logistic.LogisticRegression": [
            {}, {"fit_intercept": False}, {"solver": "liblinear"}, {"multi_class": "ovr"}, {"multi_class": "multinomial"},
            {"C": 1e-6},
        ],
        f"{_LM}._logistic.LogisticRegressionCV": [{"cv": 2, "max_iter": 200}],
        f"{_LM}._ridge.RidgeClassifier": [{}], f"{_LM}._ridge.RidgeClassifierCV": [{}],
        f"{_LM}._perceptron.Perceptron": [seed], "sklearn.svm._classes.LinearSVC": [seed],
        f"{_LM}._passive_aggressive.PassiveAggressiveClassifier": [seed],
        f"{_LM}._stochastic_gradient.SGDClassifier": [{"loss": loss, **seed} for loss in ("hinge", "log_loss", "modified_huber")],
        "sklearn.discriminant_analysis.LinearDiscriminantAnalysis": [{}, {"solver": "eigen"}],
        "sklearn.discriminant_analysis.QuadraticDiscriminantAnalysis": [{"reg_param": 0.5}],
        "sklearn.naive_bayes.GaussianNB": [{}],
        "sklearn.neighbors._nearest_centroid.NearestCentroid": [{}],
        "sklearn.neural_network._multilayer_perceptron.MLPClassifier": [
            {"hidden_layer_sizes": sizes, "activation": how, "max_iter": 20, **seed}
            for sizes, how in (((5,), "relu"), ((4, 3), "tanh"), ((5,), "logistic"))
        ],
    }  # fmt: skip
    for kind, given in classifiers.items():
        yield from (_row(kind, options, y) for options in given for y in (TWO, THREE))
    yield _row(f"{_LM}._stochastic_gradient.SGDOneClassSVM", seed, None)
    yield _row("sklearn.neural_network._multilayer_perceptron.MLPRegressor", {"max_iter": 20, **seed}, TARGET)
    for name in ("MultinomialNB", "ComplementNB", "BernoulliNB", "CategoricalNB"):
        yield _row(f"sklearn.naive_bayes.{name}", {}, COUNTS.a.to_numpy() % 3, COUNTS, {"": DRAWN})


def _preprocessing() -> Iterator[Row]:
    given: dict[str, list[dict[str, Any]]] = {
        f"{_PP}.StandardScaler": [{}, {"with_mean": False}, {"with_std": False}],
        f"{_PP}.MinMaxScaler": [{}, {"clip": True, "feature_range": (-2, 3)}],
        f"{_PP}.MaxAbsScaler": [{}, {"clip": True}],
        f"{_PP}.RobustScaler": [{}, {"with_centering": False}],
        f"{_PP}.Normalizer": [{"norm": n} for n in ("l1", "l2", "max")],
        f"{_PP}.Binarizer": [{}, {"threshold": 0.1}],
        f"{_PP}.PowerTransformer": [{}, {"standardize": False}],
        f"{_PP}.QuantileTransformer": [{"n_quantiles": 20, "output_distribution": o} for o in ("uniform", "normal")],
        "sklearn.preprocessing._discretization.KBinsDiscretizer": [
            {"n_bins": 4, "encode": e, "strategy": "uniform"} for e in ("ordinal", "onehot-dense")
        ],
        "sklearn.preprocessing._polynomial.PolynomialFeatures": [{}, {"degree": 3, "interaction_only": True}],
        "sklearn.preprocessing._polynomial.SplineTransformer": [
            *({"n_knots": 4, "degree": 2, "extrapolation": e} for e in ("constant", "linear", "continue", "periodic")),
            {"handle_missing": "zeros"},
        ],
        "sklearn.preprocessing._function_transformer.FunctionTransformer": [{}, {"validate": True}],
        "sklearn.decomposition._pca.PCA": [{"n_components": 2}, {"n_components": 2, "whiten": True}],
        "sklearn.decomposition._incremental_pca.IncrementalPCA": [{"n_components": 2}],
        "sklearn.decomposition._truncated_svd.TruncatedSVD": [{"n_components": 2, "random_state": 0}],
        "sklearn.decomposition._factor_analysis.FactorAnalysis": [{"n_components": 2}],
        "sklearn.decomposition._fastica.FastICA": [{"n_components": 2, "random_state": 0, "whiten": "unit-variance"}],
        "sklearn.random_projection.GaussianRandomProjection": [{"n_components": 2, "random_state": 0}],
        "sklearn.random_projection.SparseRandomProjection": [{"n_components": 2, "random_state": 0}],
        "sklearn.kernel_approximation.RBFSampler": [{"n_components": 3, "random_state": 0}],
        "sklearn.feature_selection._variance_threshold.VarianceThreshold": [{"threshold": 0.01}],
        "sklearn.impute._base.SimpleImputer": [
            *({"strategy": s} for s in ("mean", "median", "most_frequent")),
            {"strategy": "constant", "fill_value": 7.5}, {"add_indicator": True}, {"strategy": "constant", "fill_value": np.nan},
        ],
        "sklearn.impute._base.MissingIndicator": [{"error_on_new": False}, {"features": "all"}],
    }  # fmt: skip
    for kind, options in given.items():
        data = GAPS if "impute" in kind else table()
        yield from (_row(kind, one, None, data) for one in options)
    whole = batch_of(a=COUNTS.a.to_numpy()[::-1], b=COUNTS.b.to_numpy(), c=[*COUNTS.c.to_numpy()[:-1], None])
    for strategy in ("most_frequent", "constant"):
        yield _row("sklearn.impute._base.SimpleImputer", {"strategy": strategy}, None, COUNTS, {"integers": whole})
        yield _row("sklearn.impute._base.SimpleImputer", {"strategy": strategy}, None, STRINGS, {"": UNSEEN})
    yield _row(f"{_PP}.PowerTransformer", {"method": "box-cox"}, None, table().abs() + 0.1)
    pls = "sklearn.cross_decomposition._pls"
    yield _row(f"{pls}.PLSRegression", {"n_components": 2}, TARGET)
    yield from (_row(f"{pls}.{n}", {"n_components": 2}, PAIRS) for n in ("PLSRegression", "PLSCanonical", "CCA"))
    ridge = late("sklearn.linear_model.Ridge")
    select = "sklearn.feature_selection"
    yield _row(f"{select}._univariate_selection.SelectKBest", {"k": 2}, THREE)
    for name in ("SelectPercentile", "SelectFpr", "SelectFdr", "SelectFwe", "GenericUnivariateSelect"):
        yield _row(f"{select}._univariate_selection.{name}", {}, THREE)
    yield _row(f"{select}._from_model.SelectFromModel", {"estimator": ridge}, TARGET)
    yield _row(f"{select}._rfe.RFE", {"estimator": ridge, "n_features_to_select": 2}, TARGET)
    yield _row(f"{select}._rfe.RFECV", {"estimator": ridge, "cv": 2}, TARGET)
    options = {"estimator": ridge, "n_features_to_select": 2, "cv": 2}
    yield _row(f"{select}._sequential.SequentialFeatureSelector", options, TARGET)


def _encoders() -> Iterator[Row]:
    kinds = "sklearn.preprocessing._encoders"
    both = {"seen": SEEN, "unseen": UNSEEN}
    for options in (
        *({"handle_unknown": h} for h in ("error", "ignore", "infrequent_if_exist", "warn")),
        {"drop": "first"}, {"drop": "if_binary"},
        *({"handle_unknown": h, "min_frequency": 55} for h in ("error", "ignore", "infrequent_if_exist", "warn")),
        {"max_categories": 2, "handle_unknown": "infrequent_if_exist", "drop": "first"},
    ):  # fmt: skip
        yield _row(f"{kinds}.OneHotEncoder", {"sparse_output": False, **options}, None, STRINGS, both)
    for options in (
        {}, {"handle_unknown": "use_encoded_value", "unknown_value": -1},
        {"handle_unknown": "use_encoded_value", "unknown_value": 99, "min_frequency": 55, "encoded_missing_value": -2},
    ):  # fmt: skip
        yield _row(f"{kinds}.OrdinalEncoder", options, None, STRINGS, both)
    target = "sklearn.preprocessing._target_encoder.TargetEncoder"
    for y in (TARGET, TWO, THREE):
        yield _row(target, {"cv": 2, "random_state": 0}, y, STRINGS, both)
    single = {"seen": SEEN, "unseen": UNSEEN}
    column = {"given": lambda d: d["s"]}
    for name in ("LabelEncoder", "LabelBinarizer"):
        yield _row(f"sklearn.preprocessing._label.{name}", {}, None, LABELS, single, **column)
    numbers_of = {"given": lambda d: d["a"]}
    drawn = {"": DRAWN, "int32": batch_of(a=pa.array(COUNTS.a, pa.int32()))}
    yield _row("sklearn.preprocessing._label.LabelBinarizer", {"neg_label": -1}, None, COUNTS.a, drawn, **numbers_of)


def _texts() -> Iterator[Row]:
    kinds, column = "sklearn.feature_extraction.text", {"given": lambda d: d["s"]}
    line = late("sklearn.linear_model.LogisticRegression")
    labels = np.array([len(d) % 2 for d in TEXTS.s])
    for name, options in (
        ("CountVectorizer", {}), ("CountVectorizer", {"binary": True, "ngram_range": (1, 2)}),
        ("TfidfVectorizer", {}), ("TfidfVectorizer", {"sublinear_tf": True, "analyzer": "char_wb", "ngram_range": (2, 3)}),
        ("HashingVectorizer", {"n_features": 64}),
    ):  # fmt: skip

        def fit(found: type, options: dict[str, Any] = options) -> Any:
            return _pipeline(found(**options), line()).fit(TEXTS.s, labels)

        yield f"{name}({options})", f"{kinds}.{name}", fit, {"": READ}, column

    def transformer(found: type) -> Any:
        return _pipeline(_of(f"{kinds}.CountVectorizer"), found(), line()).fit(TEXTS.s, labels)

    yield "TfidfTransformer()", f"{kinds}.TfidfTransformer", transformer, {"": READ}, column


def _pipeline(*steps: Any) -> Any:
    return importlib.import_module("sklearn.pipeline").make_pipeline(*steps)


def _neighbours() -> Iterator[Row]:
    for name, y in (("SVC", TWO), ("SVC", THREE), ("NuSVC", TWO), ("SVR", TARGET), ("NuSVR", TARGET), ("OneClassSVM", None)):
        for kernel in ("rbf", "linear", "poly", "sigmoid") if name in ("SVC", "SVR") else ("rbf",):
            yield _row(f"sklearn.svm._classes.{name}", {"kernel": kernel}, y)
    yield _row("sklearn.kernel_ridge.KernelRidge", {"kernel": "rbf"}, TARGET)
    for options in ({}, {"weights": "distance", "algorithm": "kd_tree"}, {"algorithm": "brute"}, {"n_neighbors": 1}):
        yield from (_row("sklearn.neighbors._classification.KNeighborsClassifier", options, y) for y in (TWO, THREE))
        yield _row("sklearn.neighbors._regression.KNeighborsRegressor", options, TARGET)
    for name in ("KMeans", "MiniBatchKMeans"):
        yield _row(f"sklearn.cluster._kmeans.{name}", {"n_clusters": 3, "n_init": 1, "random_state": 0}, None)
    yield _row("sklearn.cluster._mean_shift.MeanShift", {"bandwidth": 2.0}, None)
    for kind in ("full", "tied", "diag", "spherical"):
        options = {"n_components": 2, "random_state": 0, "reg_covar": 1e-2, "covariance_type": kind}
        yield _row("sklearn.mixture._gaussian_mixture.GaussianMixture", options, None)
    yield _row("sklearn.isotonic.IsotonicRegression", {"out_of_bounds": "clip"}, TARGET, table().a, given=lambda d: d["a"])


def _trees() -> Iterator[Row]:
    kinds, small = "sklearn.tree._classes", {"max_depth": 4, "random_state": 0}
    monotone = {"monotonic_cst": [1, 0, 0, 0]}
    for name in ("DecisionTree", "ExtraTree"):
        for data in (table(), GAPS) if name == "DecisionTree" else (table(),):
            yield from (_row(f"{kinds}.{name}Classifier", small, y, data) for y in (TWO, THREE))
            yield _row(f"{kinds}.{name}Regressor", small, TARGET, data)
    yield _row(f"{kinds}.DecisionTreeRegressor", {**small, **monotone}, TARGET)
    yield _row(f"{kinds}.DecisionTreeRegressor", {**small, "criterion": "absolute_error"}, TARGET)
    forest = {"n_estimators": 4, **small}
    for name in ("RandomForest", "ExtraTrees"):
        yield from (_row(f"sklearn.ensemble._forest.{name}Classifier", forest, y) for y in (TWO, THREE))
        yield _row(f"sklearn.ensemble._forest.{name}Regressor", forest, TARGET)
        yield _row(f"sklearn.ensemble._forest.{name}Regressor", {**forest, **monotone}, TARGET)
    boosted = "sklearn.ensemble._gb.GradientBoosting"
    for loss in ("squared_error", "absolute_error", "huber", "quantile"):
        yield _row(f"{boosted}Regressor", {**forest, "loss": loss}, TARGET)
    for options in ({}, {"init": "zero"}, {"loss": "exponential"}):
        yield _row(f"{boosted}Classifier", {**forest, **options}, TWO)
    yield _row(f"{boosted}Classifier", forest, THREE)
    histogram = "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoosting"
    few = {"max_iter": 4, "max_leaf_nodes": 6, "random_state": 0}
    for loss, y in (("squared_error", TARGET), ("absolute_error", TARGET), ("poisson", POSITIVE), ("gamma", POSITIVE)):
        yield _row(f"{histogram}Regressor", {**few, "loss": loss}, y, GAPS)
    yield from (_row(f"{histogram}Classifier", few, y, GAPS) for y in (TWO, THREE))
    yield _row(f"{histogram}Regressor", {**few, "categorical_features": [0]}, TARGET[:200], COUNTS, {"": DRAWN})
    for options in ({}, {"max_samples": 50, "contamination": 0.1}):
        yield _row("sklearn.ensemble._iforest.IsolationForest", {"n_estimators": 5, "random_state": 0, **options}, None)


def _ensembles() -> Iterator[Row]:
    few, seed = {"n_estimators": 3, "random_state": 0}, {"random_state": 0}
    line, ridge = late("sklearn.linear_model.LogisticRegression"), late("sklearn.linear_model.Ridge")
    stump = late("sklearn.tree.DecisionTreeClassifier", max_depth=2, **seed)
    regressing = late("sklearn.tree.DecisionTreeRegressor", max_depth=2, **seed)
    bayes = late("sklearn.naive_bayes.GaussianNB")
    for base in (line, stump):
        yield from (_row("sklearn.ensemble._bagging.BaggingClassifier", {"estimator": base, **few}, y) for y in (TWO, THREE))
    for base in (ridge, regressing):
        yield _row("sklearn.ensemble._bagging.BaggingRegressor", {"estimator": base, "max_features": 0.7, **few}, TARGET)
        yield _row("sklearn.ensemble._weight_boosting.AdaBoostRegressor", {"estimator": base, **few}, TARGET)
    for base in (stump, bayes):
        for options in ({}, {"algorithm": "SAMME"}):
            given = {"estimator": base, **few, **options}
            yield from (_row("sklearn.ensemble._weight_boosting.AdaBoostClassifier", given, y) for y in (TWO, THREE))
    votes = lambda: [("a", line()), ("b", stump()), ("c", bayes())]  # noqa: E731 - a late argument like the others
    pair = lambda: [("a", ridge()), ("b", regressing())]  # noqa: E731
    votes.late = pair.late = True  # type: ignore[attr-defined]
    for how in ("soft", "hard"):
        given = {"estimators": votes, "voting": how}
        yield from (_row("sklearn.ensemble._voting.VotingClassifier", given, y) for y in (TWO, THREE))
    yield _row("sklearn.ensemble._voting.VotingRegressor", {"estimators": pair, "weights": [1, 3]}, TARGET)
    stacked = {"estimators": votes, "final_estimator": line, "cv": 2}
    yield from (_row("sklearn.ensemble._stacking.StackingClassifier", stacked, y) for y in (TWO, THREE))
    for passed in (False, True):
        given = {"estimators": pair, "final_estimator": ridge, "cv": 2, "passthrough": passed}
        yield _row("sklearn.ensemble._stacking.StackingRegressor", given, TARGET)
    calibrated = "sklearn.calibration.CalibratedClassifierCV"
    for method in ("sigmoid", "isotonic", "temperature"):
        for base in (bayes, late("sklearn.svm.LinearSVC", **seed)):
            yield from (_row(calibrated, {"estimator": base, "method": method, "cv": 2}, y) for y in (TWO, THREE))
    thresholds = "sklearn.model_selection._classification_threshold"
    yield _row(f"{thresholds}.FixedThresholdClassifier", {"estimator": line, "threshold": 0.4}, TWO == "yes")
    yield _row(f"{thresholds}.TunedThresholdClassifierCV", {"estimator": line, "cv": 2}, TWO == "yes")
    for name in ("OneVsRestClassifier", "OneVsOneClassifier"):
        yield from (_row(f"sklearn.multiclass.{name}", {"estimator": b}, y) for b in (line, stump) for y in (TWO, THREE))
    yield _row("sklearn.multiclass.OneVsRestClassifier", {"estimator": late("sklearn.svm.LinearSVC", **seed)}, THREE)


def _composed() -> Iterator[Row]:
    ridge, line = late("sklearn.linear_model.Ridge"), late("sklearn.linear_model.LogisticRegression")
    scaler = late("sklearn.preprocessing.StandardScaler")
    flags = np.column_stack([THREE > 0, TWO == "yes"]).astype(int)
    yield _row("sklearn.multioutput.MultiOutputRegressor", {"estimator": ridge}, PAIRS)
    yield _row("sklearn.multioutput.MultiOutputClassifier", {"estimator": line}, flags)
    for name in ("estimator", "base_estimator"):
        yield _row("sklearn.multioutput.RegressorChain", {name: ridge}, PAIRS)
        yield _row("sklearn.multioutput.ClassifierChain", {name: line}, flags)
    yield _row("sklearn.compose._target.TransformedTargetRegressor", {"regressor": ridge, "transformer": scaler}, TARGET)
    yield _row("sklearn.dummy.DummyRegressor", {"strategy": "median"}, TARGET)
    for strategy in ("prior", "most_frequent"):
        yield _row("sklearn.dummy.DummyClassifier", {"strategy": strategy}, THREE)
    for name in ("GridSearchCV", "RandomizedSearchCV"):
        grid = {"param_grid" if name[0] == "G" else "param_distributions": {"alpha": [0.1, 1.0]}}
        more = {} if name[0] == "G" else {"n_iter": 2, "random_state": 0}
        yield _row(f"sklearn.model_selection._search.{name}", {"estimator": ridge, "cv": 2, **grid, **more}, TARGET)

    def frozen(found: type) -> Any:
        return found(ridge().fit(table(), TARGET)).fit(table(), TARGET)

    yield "FrozenEstimator()", "sklearn.frozen._frozen.FrozenEstimator", frozen, _both(), {}

    def pipeline(found: type) -> Any:
        return found([("i", _of("sklearn.impute.SimpleImputer")), ("s", scaler()), ("l", line())]).fit(table(), THREE)

    yield "Pipeline()", "sklearn.pipeline.Pipeline", pipeline, _both(), {}

    def union(found: type) -> Any:
        parts = [("s", scaler()), ("m", _of("sklearn.preprocessing.MinMaxScaler"))]
        return found(parts, transformer_weights={"s": 2.0}).fit(table())

    yield "FeatureUnion()", "sklearn.pipeline.FeatureUnion", union, _both(), {}
    mixed = pd.concat([STRINGS, table()], axis=1)
    fresh = mixed.iloc[::-1].reset_index(drop=True).assign(s=RNG.choice(WORDS, 200))
    batch = pa.RecordBatch.from_pandas(fresh, preserve_index=False)
    for rest in ("drop", "passthrough"):
        for sparse in (0, 1.0):

            def columns(found: type, rest: str = rest, sparse: float = sparse) -> Any:
                encoder = _of("sklearn.preprocessing.OneHotEncoder", handle_unknown="ignore")
                parts = [("e", encoder, ["s", "t"]), ("s", scaler(), ["a", "b"])]
                made = found(parts, remainder=rest, sparse_threshold=sparse)
                return _pipeline(made, ridge()).fit(mixed, TARGET)

            kind = "sklearn.compose._column_transformer.ColumnTransformer"
            yield f"ColumnTransformer({rest}, {sparse})", kind, columns, {"": batch}, {}


def _boosters() -> Iterator[Row]:
    light: dict[str, Any] = {"n_estimators": 4, "num_leaves": 6, "min_child_samples": 5, "verbose": -1, "n_jobs": 1}
    kinds = "lightgbm.sklearn.LGBM"
    for objective in ("regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie"):
        yield _row(f"{kinds}Regressor", {**light, "objective": objective}, POSITIVE, GAPS)
    for how in ("gbdt", "dart", "rf"):
        bag = {"subsample": 0.7, "subsample_freq": 1} if how == "rf" else {}
        yield _row(f"{kinds}Regressor", {**light, "boosting_type": how, **bag}, TARGET, GAPS)
        yield from (_row(f"{kinds}Classifier", {**light, "boosting_type": how, **bag}, y, GAPS) for y in (TWO, THREE))
    yield _row(f"{kinds}Regressor", {**light, "linear_tree": True}, TARGET)
    yield _row(f"{kinds}Regressor", {**light, "categorical_feature": [0]}, TARGET, COUNTS, {"": DRAWN})
    yield _row(f"{kinds}Classifier", {**light, "objective": "multiclassova"}, THREE, GAPS)
    yield _row(f"{kinds}Regressor", {**light, "zero_as_missing": True}, TARGET, GAPS.fillna(0))

    def light_ranker(found: type) -> Any:
        return found(**light).fit(table(), COUNTS.a.to_numpy() % 4, group=[50] * 4)

    yield "LGBMRanker()", f"{kinds}Ranker", light_ranker, _both(), {}

    def light_booster(found: type) -> Any:
        library = importlib.import_module("lightgbm")
        given = {"num_leaves": 6, "min_data_in_leaf": 5, "verbose": -1, "num_threads": 1}
        return library.train(given, library.Dataset(GAPS, TARGET), 4)

    yield "Booster()", "lightgbm.basic.Booster", light_booster, _both(), {}
    boost: dict[str, Any] = {"n_estimators": 4, "max_depth": 3, "n_jobs": 1, "random_state": 1}
    kinds = "xgboost.sklearn.XGB"
    for objective in (
        "squarederror", "squaredlogerror", "pseudohubererror", "absoluteerror", "gamma", "tweedie", "logistic"
    ):  # fmt: skip
        y = POSITIVE / POSITIVE.max() if objective == "logistic" else POSITIVE
        yield _row(f"{kinds}Regressor", {**boost, "objective": f"reg:{objective}"}, y, GAPS)
    yield _row(f"{kinds}Regressor", {**boost, "objective": "count:poisson"}, POSITIVE, GAPS)
    yield _row(f"{kinds}Regressor", {**boost, "objective": "reg:quantileerror", "quantile_alpha": 0.7}, TARGET, GAPS)
    three, two = THREE // 10, (TWO == "yes").astype(int)
    ways: list[dict[str, Any]] = [{}, {"base_score": 0.3}, {"tree_method": "hist"}, {"missing": 0.0}]
    for options in (*ways, {"booster": "dart"}, {"booster": "gblinear"}):
        yield _row(f"{kinds}Regressor", {**boost, **options}, TARGET, GAPS if "missing" not in options else table())
        yield from (_row(f"{kinds}Classifier", {**boost, **options}, y, table()) for y in (two, three))
    yield _row(f"{kinds}Regressor", {**boost, "tree_method": "hist", "multi_strategy": "multi_output_tree"}, PAIRS)
    yield _row(f"{kinds}Regressor", boost, PAIRS)
    for objective in ("multi:softmax", "multi:softprob"):
        yield _row(f"{kinds}Classifier", {**boost, "objective": objective}, three, GAPS)
    yield _row(f"{kinds}Classifier", {**boost, "objective": "binary:hinge"}, two, GAPS)
    yield _row(f"{kinds}RFClassifier", {**boost, "subsample": 0.8}, two, GAPS)
    yield _row(f"{kinds}RFRegressor", {**boost, "subsample": 0.8}, TARGET, GAPS)

    def ranker(found: type) -> Any:
        return found(**boost, objective="rank:ndcg").fit(table(), COUNTS.a.to_numpy() % 4, qid=np.arange(200) // 50)

    yield "XGBRanker()", f"{kinds}Ranker", ranker, _both(), {}

    def booster(found: type) -> Any:
        library = importlib.import_module("xgboost")
        return library.train({"max_depth": 3, "nthread": 1}, library.DMatrix(GAPS, TARGET), 4)

    yield "Booster()", "xgboost.core.Booster", booster, _both(), {"given": _as_matrix}
    yield "Booster().inplace_predict", "xgboost.core.Booster", booster, _both(), {}


def _catboost() -> Iterator[Row]:
    kinds, few = "catboost.core.CatBoost", {"iterations": 4, "verbose": 0, "allow_writing_files": False, "thread_count": 1}
    for loss in ("RMSE", "MAE", "Quantile:alpha=0.3", "Poisson", "Tweedie:variance_power=1.5"):
        yield _row(f"{kinds}Regressor", {**few, "loss_function": loss}, POSITIVE, GAPS)
    trees: list[dict[str, Any]] = [{"nan_mode": "Max"}, {"grow_policy": "Depthwise"}, {"grow_policy": "Lossguide"}, {"depth": 9}]
    yield from (_row(f"{kinds}Regressor", {**few, **options}, TARGET, GAPS) for options in trees)
    yield _row(f"{kinds}Regressor", {**few, "loss_function": "MultiRMSE"}, PAIRS)
    yield from (_row(f"{kinds}Classifier", few, y, GAPS) for y in (TWO, (TWO == "yes").astype(int)))
    for loss in ("MultiClass", "MultiClassOneVsAll"):
        yield _row(f"{kinds}Classifier", {**few, "loss_function": loss}, THREE, GAPS)

    words, seen = STRINGS.assign(n=COUNTS.a, x=TARGET), SEEN.to_pandas().assign(n=COUNTS.b, x=TARGET)
    batches = {"": pa.RecordBatch.from_pandas(seen, preserve_index=False)}
    batches["unseen"] = pa.RecordBatch.from_pandas(UNSEEN.to_pandas().assign(n=-1, x=0.0), preserve_index=False)
    drawn = TARGET + 3 * (STRINGS.s == "red") * (STRINGS.t != "green") + COUNTS.a % 3
    statistics: list[dict[str, Any]] = [{}, {"one_hot_max_size": 9}, {"simple_ctr": ["Buckets", "BinarizedTargetMeanValue"]}]
    statistics += [{"max_ctr_complexity": 3, "iterations": 20}, {"counter_calc_method": "Full"}, {"grow_policy": "Lossguide"}]
    for options in statistics:
        given = {**few, **options, "cat_features": ["s", "t", "n"]}
        yield _row(f"{kinds}Regressor", given, drawn, words, batches)
        yield _row(f"{kinds}Classifier", given, drawn > 1, words, batches)

    def ranker(found: type) -> Any:
        return found(**few).fit(table(), COUNTS.a.to_numpy() % 4, group_id=np.arange(200) // 50)

    yield "CatBoostRanker()", f"{kinds}Ranker", ranker, _both(), {}
    yield "CatBoost()", kinds, lambda found: found(few).fit(GAPS, TARGET), _both(), {}


def _statsmodels() -> Iterator[Row]:
    """Yields results. Their classes wrap those of the models, so a case fits a model instead of creating the class."""
    root, noise = "statsmodels.", np.random.default_rng(5).normal(size=200)

    def row(wrapper: str, model: str, y: np.ndarray, how: dict[str, Any] | None = None, family: str = "", link: str = "") -> Row:
        def fit(found: type) -> Any:
            families = f"{root}genmod.families."
            of = {"link": _of(f"{families}links.{link}")} if link else {}
            given = {"family": _of(f"{families}family.{family}", **of)} if family else {}
            return _of(root + model, endog=y, exog=table() / 10, **given).fit(**(how or {}))

        name = f"{model.rpartition('.')[2]}({', '.join(filter(None, (family, link)))})"
        return name, f"{root}{wrapper}ResultsWrapper", fit, _both(), {}

    regression = "regression.linear_model."
    for model in (*(f"{regression}{name}" for name in ("OLS", "WLS", "GLS", "GLSAR")), "regression.quantile_regression.QuantReg"):
        yield row(f"{regression}Regression", model, TARGET + noise)
    robust, discrete, quiet = "robust.robust_linear_model.RLM", "discrete.discrete_model.", {"disp": 0}
    yield row(robust, robust, TARGET + noise)
    yield row(f"{discrete}Binary", f"{discrete}Logit", (TARGET + 9 * noise > 0).astype(int), quiet)
    yield row(f"{discrete}Poisson", f"{discrete}Poisson", COUNTS.a.to_numpy(), quiet)
    generalized = "genmod.generalized_linear_model.GLM"
    for family, link in (("Gaussian", ""), ("Poisson", ""), ("Poisson", "Sqrt"), ("Gamma", "Log")):
        yield row(generalized, generalized, COUNTS.a.to_numpy() + 1.0, None, family, link)
    yield row(generalized, generalized, (TARGET + 9 * noise > 0).astype(int), None, "Binomial")


def _as_matrix(d: pd.DataFrame) -> Any:
    return xgboost.DMatrix(d)
