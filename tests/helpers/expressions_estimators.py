"""Defines strategies for pipeline steps with small random options: column transformers, intermediate and final steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import lightgbm as lgb
import numpy as np
import xgboost as xgb
from hypothesis import strategies as st
from sklearn import decomposition as dc
from sklearn import ensemble as en
from sklearn import linear_model as lm
from sklearn import naive_bayes as nb
from sklearn import neighbors as ng
from sklearn import preprocessing as pp
from sklearn import svm, tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.feature_selection import SelectKBest, VarianceThreshold, f_classif, f_regression
from sklearn.impute import SimpleImputer
from sklearn.kernel_ridge import KernelRidge
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.random_projection import GaussianRandomProjection

_SEED: dict[str, Any] = {"random_state": 0}
_LIGHT: dict[str, Any] = {"n_estimators": 4, "num_leaves": 5, "min_child_samples": 5, "verbose": -1, "n_jobs": 1}
_BOOST: dict[str, Any] = {"n_estimators": 4, "max_depth": 3, "n_jobs": 1}


def _one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


def _log1p_of_size(x: Any) -> Any:
    return np.log1p(np.abs(x))


def _imputers() -> st.SearchStrategy[Any]:
    strategies = _one_of("mean", "median", "most_frequent", "constant")
    return st.builds(SimpleImputer, strategy=strategies, add_indicator=st.booleans())


def _scalers() -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(pp.StandardScaler, with_mean=st.booleans(), with_std=st.booleans()),
        st.builds(pp.MinMaxScaler, feature_range=_one_of((0, 1), (-2, 3)), clip=st.booleans()),
        st.builds(pp.RobustScaler, with_centering=st.booleans(), quantile_range=_one_of((25.0, 75.0), (10.0, 90.0))),
        st.builds(pp.QuantileTransformer, n_quantiles=_one_of(10, 60), output_distribution=_one_of("uniform", "normal")),
        st.builds(pp.SplineTransformer, n_knots=_one_of(3, 5), degree=_one_of(1, 2, 3), include_bias=st.booleans(),
                  extrapolation=_one_of("constant", "linear", "periodic")),
        st.builds(pp.PowerTransformer, standardize=st.booleans()),
        st.builds(pp.Normalizer, norm=_one_of("l1", "l2", "max")),
        st.builds(pp.KBinsDiscretizer, n_bins=_one_of(2, 4), encode=_one_of("ordinal", "onehot", "onehot-dense"),
                  strategy=_one_of("uniform", "quantile"), quantile_method=st.just("linear")),
        st.builds(pp.PolynomialFeatures, degree=_one_of(2, 3), interaction_only=st.booleans(), include_bias=st.booleans()),
        st.just(pp.MaxAbsScaler()),
        st.just(pp.Binarizer(threshold=0.5)),
        st.just(pp.FunctionTransformer(_log1p_of_size)),
        st.just(dc.PCA(2)),
        st.just(FeatureUnion([("a", pp.StandardScaler()), ("b", dc.TruncatedSVD(1, random_state=0))])),
    )  # fmt: skip


def _encoders() -> st.SearchStrategy[Any]:
    return st.one_of(
        st.builds(pp.OneHotEncoder, handle_unknown=_one_of("ignore", "infrequent_if_exist"),
                  drop=_one_of(None, "first", "if_binary"), max_categories=_one_of(None, 3), sparse_output=st.booleans()),
        st.builds(pp.OrdinalEncoder, handle_unknown=st.just("use_encoded_value"), unknown_value=_one_of(-1, 99),
                  encoded_missing_value=_one_of(-2, 50), min_frequency=_one_of(None, 20)),
        st.just(pp.TargetEncoder(cv=2, random_state=0)),
    )  # fmt: skip


def columns_of(gaps: bool) -> st.SearchStrategy[Any]:
    """Draws a ColumnTransformer over all columns; it leaves missing values only if the last step accepts `gaps`."""
    with_scaler = st.builds(make_pipeline, _imputers(), _scalers())
    numbers = st.one_of(st.just("passthrough"), _imputers(), with_scaler) if gaps else st.one_of(_imputers(), with_scaler)
    wide = st.one_of(st.just("passthrough"), _scalers())

    def made(number: Any, encoder: Any, other: Any, threshold: float) -> ColumnTransformer:
        parts = [("n", number, ["x", "y"]), ("s", encoder, ["s", "t"]), ("k", other, ["z", "k"])]
        return ColumnTransformer(parts, sparse_threshold=threshold)

    return st.builds(made, numbers, _encoders(), wide, _one_of(0, 0.3, 1.0))


def steps_between(kind: str) -> st.SearchStrategy[list[Any]]:
    """Draws intermediate steps that also accept sparse matrices."""
    steps: list[Any] = [pp.MaxAbsScaler(), VarianceThreshold(0.01), dc.TruncatedSVD(2, random_state=0)]
    if kind != "none":
        steps.append(SelectKBest(f_classif if kind == "classes" else f_regression, k=3))
    return st.one_of(st.just([]), st.just([]), st.lists(st.sampled_from(steps), min_size=1, max_size=2, unique_by=type))


def last_steps(kind: str) -> st.SearchStrategy[tuple[Any, bool]]:
    """Draws (an estimator for a kind of target, whether it accepts missing values)."""
    table = {"classes": _classifiers, "numbers": _regressors, "none": _without_target}[kind]()
    full, gaps = table
    return st.one_of(
        st.sampled_from(full).flatmap(lambda make: st.tuples(make(), st.just(False))),
        st.sampled_from(gaps).flatmap(lambda make: st.tuples(make(), st.just(True))) if gaps else st.nothing(),
    )


_Table = tuple[list[Callable[[], st.SearchStrategy[Any]]], list[Callable[[], st.SearchStrategy[Any]]]]


def _just(*models: Any) -> list[Callable[[], st.SearchStrategy[Any]]]:
    return [lambda model=model: st.just(model) for model in models]  # type: ignore[misc]


def _classifiers() -> _Table:
    line = lm.LogisticRegression(max_iter=50)
    stump = tree.DecisionTreeClassifier(max_depth=3, **_SEED)
    votes = [("a", line), ("b", stump), ("c", nb.GaussianNB())]
    full = _just(
        *(line, lm.RidgeClassifier(), lm.Perceptron(**_SEED), svm.LinearSVC(**_SEED), LinearDiscriminantAnalysis()),
        *(lm.SGDClassifier(loss=loss, **_SEED) for loss in ("log_loss", "modified_huber", "hinge")),
        *(QuadraticDiscriminantAnalysis(reg_param=0.5), nb.GaussianNB(), nb.BernoulliNB()),
        *(OneVsRestClassifier(line), OneVsOneClassifier(stump), FixedThresholdClassifier(line, threshold=0.4)),
        *(CalibratedClassifierCV(m, method=h, cv=2) for m, h in ((lm.RidgeClassifier(), "sigmoid"), (line, "isotonic"))),
        *(en.VotingClassifier(votes, voting=v) for v in ("soft", "hard")),
        en.StackingClassifier(votes[:2], line, cv=2),
        *(en.BaggingClassifier(m, 3, max_features=0.7, **_SEED) for m in (line, stump)),
        *(en.AdaBoostClassifier(m, n_estimators=3, **_SEED) for m in (stump, nb.GaussianNB())),
        en.GradientBoostingClassifier(n_estimators=3, max_depth=2, **_SEED),
    )
    full += [
        lambda: st.builds(svm.SVC, kernel=_one_of("rbf", "linear", "poly", "sigmoid"), C=_one_of(0.5, 5.0),
                          decision_function_shape=_one_of("ovr", "ovo")),
        lambda: st.builds(ng.KNeighborsClassifier, n_neighbors=_one_of(1, 3, 6), weights=_one_of("uniform", "distance"),
                          algorithm=_one_of("auto", "kd_tree", "brute")),
        lambda: st.builds(MLPClassifier, hidden_layer_sizes=_one_of((), (5,), (4, 3)), max_iter=st.just(5),
                          random_state=st.just(0), activation=_one_of("relu", "tanh", "logistic")),
    ]  # fmt: skip
    gaps: list[Callable[[], st.SearchStrategy[Any]]] = [
        lambda: st.builds(xgb.XGBClassifier, **_fixed(_BOOST), booster=_one_of("gbtree", "dart"), subsample=_one_of(0.7, 1.0)),
        lambda: st.builds(lgb.LGBMClassifier, **_fixed(_LIGHT), boosting_type=_one_of("gbdt", "dart")),
        lambda: st.builds(en.HistGradientBoostingClassifier, max_iter=st.just(3), max_leaf_nodes=_one_of(4, 10)),
        lambda: st.builds(en.RandomForestClassifier, n_estimators=_one_of(2, 3), max_depth=_one_of(3, None), **_fixed(_SEED)),
        lambda: st.builds(tree.DecisionTreeClassifier, max_depth=_one_of(2, None), random_state=st.just(0)),
    ]
    return full, gaps


def _regressors() -> _Table:
    line, stump = lm.Ridge(), tree.DecisionTreeRegressor(max_depth=3, **_SEED)
    full = _just(
        *(lm.LinearRegression(), line, lm.Lasso(0.1), lm.ElasticNet(0.1), lm.HuberRegressor(), lm.BayesianRidge()),
        *(svm.LinearSVR(**_SEED), PLSRegression(2), lm.TweedieRegressor(power=0), lm.SGDRegressor(**_SEED)),
        *(en.VotingRegressor([("a", line), ("b", stump)]), en.StackingRegressor([("a", line), ("b", stump)], line, cv=2)),
        TransformedTargetRegressor(line, transformer=pp.StandardScaler()),
        *(en.BaggingRegressor(m, 3, max_features=0.7, **_SEED) for m in (line, stump)),
        *(en.AdaBoostRegressor(m, n_estimators=4, **_SEED) for m in (line, stump)),
        en.GradientBoostingRegressor(n_estimators=3, max_depth=2, **_SEED),
    )
    full += [
        lambda: st.builds(svm.SVR, kernel=_one_of("rbf", "linear", "sigmoid"), C=_one_of(0.5, 5.0)),
        lambda: st.builds(KernelRidge, kernel=_one_of("rbf", "sigmoid"), gamma=_one_of(None, 0.1)),
        lambda: st.builds(ng.KNeighborsRegressor, n_neighbors=_one_of(1, 4), weights=_one_of("uniform", "distance")),
        lambda: st.builds(MLPRegressor, hidden_layer_sizes=_one_of((), (5,)), max_iter=st.just(5), random_state=st.just(0)),
    ]
    gaps: list[Callable[[], st.SearchStrategy[Any]]] = [
        lambda: st.builds(xgb.XGBRegressor, **_fixed(_BOOST), objective=_one_of("reg:squarederror", "reg:absoluteerror")),
        lambda: st.builds(lgb.LGBMRegressor, **_fixed(_LIGHT), objective=_one_of("l2", "l1", "huber", "quantile")),
        lambda: st.builds(en.HistGradientBoostingRegressor, max_iter=st.just(3), loss=_one_of("squared_error", "absolute_error")),
        lambda: st.builds(en.RandomForestRegressor, n_estimators=_one_of(2, 3), max_depth=_one_of(3, None), **_fixed(_SEED)),
        lambda: st.builds(en.ExtraTreesRegressor, n_estimators=_one_of(2, 3), max_depth=_one_of(3, None), **_fixed(_SEED)),
    ]
    return full, gaps


def _without_target() -> _Table:
    full = _just(
        *(KMeans(3, n_init=1, **_SEED), pp.StandardScaler(with_mean=False), dc.TruncatedSVD(2, **_SEED), pp.MaxAbsScaler()),
        *(svm.OneClassSVM(nu=0.2), GaussianRandomProjection(2, **_SEED)),
        VarianceThreshold(0.01),
    )
    full.append(lambda: st.builds(GaussianMixture, n_components=_one_of(1, 3), random_state=st.just(0), reg_covar=st.just(1e-2),
                                  covariance_type=_one_of("full", "tied", "diag", "spherical")))  # fmt: skip
    gaps: list[Callable[[], st.SearchStrategy[Any]]] = [
        lambda: st.builds(en.IsolationForest, n_estimators=st.just(4), random_state=st.just(0)),
    ]
    return full, gaps


def _fixed(options: dict[str, Any]) -> dict[str, st.SearchStrategy[Any]]:
    return {name: st.just(value) for name, value in options.items()}
