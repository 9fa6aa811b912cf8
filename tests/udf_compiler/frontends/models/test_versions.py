"""Checks which versions of the model libraries are accepted, and how translators read what differs between versions."""

from __future__ import annotations

import importlib.util
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import sklearn.utils.validation
from pyspark.sql.types import DoubleType
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.linear_model import LinearRegression
from sklearn.preprocessing import StandardScaler
from statsmodels.regression.linear_model import OLS

from tests.helpers.models import compare, compiled, frame, numbers
from tests.libraries.run import outcomes
from udf_compiler.frontends.models import tested_versions
from udf_compiler.frontends.models.by_version import allows_nan, mentions, option, uses, validate_data
from udf_compiler.frontends.models.estimators import ESTIMATORS
from udf_compiler.frontends.models.source_fingerprint import fingerprint
from udf_compiler.frontends.torch.modules import CONTAINERS, LAYERS

TABLE, ODD = frame(numbers()), numbers(odd=True, seed=2)
REGRESSION = LinearRegression().fit(TABLE, TABLE.a - TABLE.c)


def _predict(d: pd.DataFrame) -> pd.Series:
    return pd.Series(REGRESSION.predict(d))


def test_a_newer_version_with_a_tested_source_is_accepted(monkeypatch):
    monkeypatch.setattr("sklearn.__version__", "9.0.1")
    assert compare(_predict, ODD, rtol=1e-9).rows > 150


def test_a_newer_version_with_another_source_is_refused_with_the_tested_versions(monkeypatch):
    monkeypatch.setattr("sklearn.__version__", "9.0.dev3")
    monkeypatch.setattr(tested_versions, "sources", dict)
    (refusal,) = compiled(_predict, ODD, DoubleType())["refusals"]
    assert refusal["code"] == "SW806"
    assert tested_versions.LIBRARIES["sklearn"].shown in refusal["message"] and "9.0.dev3" in refusal["message"]


def test_a_version_older_than_all_tested_ones_is_refused(monkeypatch):
    monkeypatch.setattr("sklearn.__version__", "1.2.2")
    assert compare(_predict, ODD).refused == "SW803"


def test_a_model_without_an_attribute_of_this_version_is_refused_by_its_name():
    """As after unpickling the model of another version: the library itself raises for it."""
    model = LinearDiscriminantAnalysis().fit(TABLE, TABLE.a > 0)
    del model._max_components
    (refusal,) = compiled(lambda d: pd.Series(model.transform(d)[:, 0]), ODD, DoubleType())["refusals"]
    assert (refusal["code"], "_max_components" in refusal["message"]) == ("SW812", True)


def test_a_model_that_another_version_pickled_warns_as_the_library_does(monkeypatch):
    with monkeypatch.context() as other:
        other.setattr("sklearn.base.__version__", "1.0.2")
        data = pickle.dumps(REGRESSION)
    with pytest.warns(InconsistentVersionWarning, match="1.0.2"):
        reply = compiled(lambda d: pd.Series(pickle.loads(data).predict(d)), ODD, DoubleType())
    assert reply["status"] == "ok"


def _library(path: Path, source: str) -> type:
    """Returns the class `Model` of a module with this source."""
    path.write_text(source)
    spec = importlib.util.spec_from_file_location("modellib", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["modellib"] = module
    spec.loader.exec_module(module)
    return module.Model


SOURCE = '''
def helper(x):
    """Says something."""
    return x + 1

def unrelated(x):
    return x

class Model:
    def predict(self, x):
        return self._shifted(x)

    def _shifted(self, x):
        return [helper(v) for v in x]

    def fit(self, x):
        return unrelated(x)
'''


@pytest.mark.parametrize(
    "before,after,same",
    [
        ("Says something.", "Says nothing.", True),
        ("return [helper", "# a comment\n        return [helper", True),
        ("return x\n", "return x * 2\n", True),  # not called by predict
        ("x + 1", "x + 2", False),
        ("for v in x]", "for v in reversed(x)]", False),
    ],
)
def test_a_fingerprint_is_that_of_all_code_that_runs(tmp_path, monkeypatch, before, after, same):
    monkeypatch.setitem(sys.modules, "modellib", None)
    first = fingerprint(_library(tmp_path / "one.py", SOURCE), ("predict",))
    assert before in SOURCE
    assert (fingerprint(_library(tmp_path / "two.py", SOURCE.replace(before, after)), ("predict",)) == first) == same


def test_the_table_has_each_class_of_the_installed_libraries():
    """Otherwise `python -m tests.libraries.sources` was not run after a class was added."""
    without = ("udf_compiler.", "sparkweld.", "statsmodels.")  # results of statsmodels pass their calls on
    known = {name for name in ESTIMATORS if not name.startswith(without)}
    assert known | {*LAYERS, *CONTAINERS} == set(tested_versions.sources())


def test_a_class_without_methods_of_its_own_is_accepted_in_tested_versions_only(monkeypatch):
    results = OLS(np.arange(3.0), np.ones((3, 1))).fit()
    assert tested_versions.refusal_of(type(results), ("predict",)) is None
    monkeypatch.setitem(tested_versions.LIBRARIES, "statsmodels", tested_versions.Library("statsmodels", ("0.13",)))
    assert tested_versions.refusal_of(type(results), ("predict",)).code == "SW806"


def _sum_of(values):
    return sum(value.real for value in values if value.kind in ("a", "b"))


def test_features_of_a_method_include_those_of_its_inner_functions():
    assert uses(_sum_of, "real") and not uses(_sum_of, "imag")
    assert mentions(_sum_of, "b") and not mentions(_sum_of, "c")


def test_a_parameter_that_the_class_lacks_has_its_former_meaning():
    assert option(StandardScaler(with_std=False), "with_std", True) is False
    assert option(StandardScaler(), "of_another_version", "former") == "former"


class Former:
    """A model as before scikit-learn 1.6: validation and tags are methods."""

    def __init__(self):
        self.calls = []

    def _validate_data(self, x, **options):
        self.calls.append(options)
        return x

    def _check_feature_names(self, x, reset):
        self.calls.append(("names", reset))

    def _check_n_features(self, x, reset):
        self.calls.append(("number", reset))

    def _get_tags(self):
        return {"allow_nan": True}


def test_validation_before_it_was_a_function(monkeypatch):
    def check_array(array, accept_sparse=False, dtype="numeric", copy=False, force_all_finite=True):
        """Has the parameters of 1.3."""

    monkeypatch.delattr(sklearn.utils.validation, "validate_data")
    monkeypatch.setattr(sklearn.utils.validation, "check_array", check_array)
    model, x = Former(), np.ones((1, 2))
    assert validate_data(model, x, reset=False, ensure_all_finite="allow-nan", force_writeable=True, copy=True) is x
    assert validate_data(model, x, reset=False, skip_check_array=True) is x
    assert model.calls == [{"reset": False, "force_all_finite": "allow-nan", "copy": True}, ("names", False), ("number", False)]
    assert allows_nan(model)
    assert not allows_nan(SimpleNamespace(_get_tags=lambda: {"allow_nan": False}))


@pytest.mark.slow
@pytest.mark.nightly("tests/udf_compiler/frontends/models/test_predictors.py::test_classifiers")
def test_each_class_compiles_and_equals_the_installed_library():
    found: dict[str, set[str]] = {}
    for kind, name, outcome in outcomes():
        assert outcome.status not in ("wrong", "error"), (kind, name, outcome.detail)
        found.setdefault(kind, set()).add(outcome.status)
    assert [kind for kind, statuses in found.items() if "equal" not in statuses] == []
    # results of statsmodels have no source of their own, and layers of PyTorch are compared in tests/udf_compiler/frontends/torch
    own = {kind for kind in found if not kind.startswith("statsmodels.")}
    assert own == {kind for kind in tested_versions.sources() if not kind.startswith("torch.")}
