"""Checks results of statsmodels: models, links, formulas, containers, missing values, and what is refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from pyspark.sql.types import BooleanType, DoubleType, StructField, StructType

from sparkweld.contract.constants import ARROW_BATCHED, MAP_PANDAS
from tests.helpers.compiled import compare_with_worker
from tests.helpers.models import Scored, compare

#: A sum of few terms in another order, and a link.
RTOL, ATOL = 1e-11, 1e-12
NAMES = list("abc")


@cache
def table(rows: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    made = pd.DataFrame(rng.normal(size=(rows, 3)), columns=NAMES)
    made["y"] = 2 * made.a - made.b + rng.normal(size=rows)
    made["two"], made["count"] = (made.y > 0).astype(int), rng.poisson(np.exp(0.3 * made.a))
    return made.assign(positive=made.y.abs() + 0.1, kind=np.where(made.a > 0, "x", "y"))


def batch(odd: bool = False) -> pa.RecordBatch:
    """Returns rows of three columns; the `odd` ones have NaN, infinities, NULLs and extreme values."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(64, 3))
    if odd:
        values = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e308, -1e308, 5e-324]
        chosen = rng.random(rows.shape) < 0.2
        rows[chosen] = rng.choice(values, chosen.sum())
        for at, value in enumerate(values):
            rows[at, at % 3] = value
        rows[10] = [np.inf, -np.inf, 1.0]
        rows[11] = [1e308, 1e308, 1e308]
    return pa.RecordBatch.from_pandas(pd.DataFrame(rows, columns=NAMES), preserve_index=False)


def check(function: Callable[[pd.DataFrame], Any], given: pa.RecordBatch | None = None) -> Scored:
    scored = compare(function, given or batch(), DoubleType(), rtol=RTOL, atol=ATOL)
    assert scored.refused == "" and "dot" in scored.kept
    return scored


def refused(function: Callable[[pd.DataFrame], Any]) -> str:
    return compare(function, batch(), DoubleType()).refused


def _fits() -> dict[str, Callable[[], Any]]:
    t, families, links = table(), sm.families, sm.families.links
    x, constant = t[NAMES], sm.add_constant(t[NAMES])
    return {
        "OLS": lambda: sm.OLS(t.y, x).fit(),
        "OLS of arrays": lambda: sm.OLS(t.y.to_numpy(), x.to_numpy()).fit(),
        "OLS, regularized": lambda: sm.OLS(t.y, x).fit_regularized(alpha=0.01),
        "WLS": lambda: sm.WLS(t.y, x, weights=t.positive).fit(),
        "GLS": lambda: sm.GLS(t.y, x).fit(),
        "GLSAR": lambda: sm.GLSAR(t.y, x, 1).fit(),
        "QuantReg": lambda: sm.QuantReg(t.y, x).fit(),
        "RLM": lambda: sm.RLM(t.y, x).fit(),
        "Logit": lambda: sm.Logit(t.two, x).fit(disp=0),
        "Poisson": lambda: sm.Poisson(t["count"], x).fit(disp=0),
        "GLM": lambda: sm.GLM(t.y, x).fit(),
        "GLM, Binomial": lambda: sm.GLM(t.two, x, family=families.Binomial()).fit(),
        "GLM, Poisson": lambda: sm.GLM(t["count"], x, family=families.Poisson()).fit(),
        "GLM, Gamma": lambda: sm.GLM(np.exp(0.3 * t.a) + 0.1, x, family=families.Gamma(links.Log())).fit(),
        "GLM, Tweedie": lambda: sm.GLM(t.positive, x, family=families.Tweedie(var_power=1.5)).fit(),
        "GLM, sqrt": lambda: sm.GLM(t["count"] + 1, x, family=families.Poisson(links.Sqrt())).fit(),
        "GLM, inverse": lambda: sm.GLM(t.positive, constant.abs()[NAMES], family=families.Gamma(links.InversePower())).fit(),
    }


@cache
def fitted(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _fits()[name]()


@pytest.mark.parametrize("name", list(_fits()))
def test_models_and_links(name: str) -> None:
    """Each compares a Series for a DataFrame and an array for an array, and odd rows."""
    model = fitted(name)
    assert check(lambda d: model.predict(d)).rows == 64
    assert check(lambda d: pd.Series(model.predict(d.to_numpy()))).rows == 64
    odd = check(lambda d: model.predict(d), batch(odd=True))
    assert 0 < odd.flagged < 40 and odd.rows > 20


def test_the_result_of_a_null_is_nan() -> None:
    model = fitted("OLS")
    given = pa.RecordBatch.from_pydict({"a": [1.0, None, 3.0], "b": [1.0, 2.0, None], "c": [0.5, 0.5, 0.5]})
    assert check(lambda d: model.predict(d), given) == Scored(3, kept=("dot",))


@pytest.mark.parametrize("of", ["int64", "float32", "int32"])
def test_types_of_columns(of: str) -> None:
    model, rows = fitted("Logit"), pd.DataFrame(np.arange(30).reshape(10, 3) % 7, columns=NAMES)
    given = pa.RecordBatch.from_pandas(rows.astype(of).assign(c=rows.c.astype("float64")), preserve_index=False)
    assert check(lambda d: model.predict(d), given).rows == 10
    assert check(lambda d: model.predict(d.astype("float32")), given).rows == 10


def test_a_parameter_of_zero_times_infinity_is_nan() -> None:
    """The sum omits the column, so Python decides rows in which it is not finite."""
    model = sm.OLS(table().y, table()[NAMES]).fit()
    model.params["b"] = 0.0
    assert model._results.params[1] == 0
    given = pa.RecordBatch.from_pydict({"a": [1.0, 2.0, 3.0], "b": [5.0, np.inf, np.nan], "c": [0.0, 1.0, 2.0]})
    scored = check(lambda d: model.predict(d), given)
    assert (scored.rows, scored.flagged) == (1, 2)


def test_columns_count_by_position() -> None:
    model = fitted("OLS")
    assert check(lambda d: model.predict(d[["c", "a", "b"]])).rows == 64
    assert check(lambda d: model.predict(pd.concat([d.b, d.a, d.a + d.c], axis=1))).rows == 64
    assert refused(lambda d: model.predict(d[["a", "b"]])) == "SW252"


def test_the_result_is_a_series_with_the_rows_of_its_argument() -> None:
    model = fitted("GLM, Poisson")
    assert check(lambda d: model.predict(d).clip(0.5, 2.0) + d.a).rows == 64
    assert check(lambda d: model.predict(d[NAMES]).where(d.a > 0, d.b)).rows == 64
    assert check(lambda d: pd.Series(np.log1p(model.predict(d.values)))).rows == 64
    assert check(lambda d: (model.predict(d) > 0.5).astype("float64")).rows == 64


def test_the_linear_predictor() -> None:
    for name in ("Logit", "Poisson", "GLM, Binomial"):
        model = fitted(name)
        assert check(lambda d, model=model: model.predict(d, which="linear")).rows == 64
        assert refused(lambda d, model=model: model.predict(d, which="var")) in ("SW840", "SW252")


@pytest.mark.parametrize("formula", ["y ~ a + b + c", "y ~ a - 1", "y ~ a * b", "y ~ a + b:c + a:b:c"])
def test_formulas_of_numeric_columns(formula: str) -> None:
    """The columns count by name, and others take no part. A row with NaN in a term is left out, and its result is NaN."""
    model = smf.ols(formula, table()).fit()
    assert check(lambda d: model.predict(d)).rows == 64
    assert check(lambda d: model.predict(d[["c", "b", "a"]].assign(other=1.5))).rows == 64
    odd = check(lambda d: model.predict(d), batch(odd=True))
    assert odd.rows > 20
    nulls = pa.RecordBatch.from_pydict({"a": [1.0, None, 3.0], "b": [1.0, 2.0, None], "c": [0.5, 0.5, 0.5]})
    assert check(lambda d: model.predict(d), nulls).rows == 3


@cache
def with_constant() -> Any:
    return sm.OLS(table().y, sm.add_constant(table()[NAMES])).fit()


@pytest.mark.parametrize(
    "made",
    [
        lambda d: sm.add_constant(d),
        lambda d: sm.add_constant(d, has_constant="add"),
        lambda d: sm.add_constant(d, True, "raise"),
        lambda d: sm.add_constant(d.to_numpy()),
        lambda d: sm.add_constant(pd.concat([d.a, d.b * 2, d.c.astype("float32")], axis=1)),
        lambda d: sm.add_constant(d, prepend=False)[["const", "a", "b", "c"]],
    ],
    ids=["skip", "add", "raise", "array", "concat", "append"],
)
def test_a_column_of_ones(made: Callable[[pd.DataFrame], Any]) -> None:
    model = with_constant()
    assert check(lambda d: pd.Series(model.predict(made(d)))) == Scored(64, kept=("dot",))


@pytest.mark.parametrize("values", [[0.25] * 8, [2.0] * 8, [0.0] * 8, [np.nan] * 8, [-0.0, 0.0] * 4])
def test_python_decides_batches_in_which_a_column_may_be_constant(values: list[float]) -> None:
    """Without the ones, the library raises: the matrix has too few columns."""
    model = with_constant()
    given = pa.RecordBatch.from_pydict({"a": values, "b": np.arange(8) / 7, "c": np.arange(8) * 1.1})
    scored = check(lambda d: model.predict(sm.add_constant(d)), given)
    assert (scored.rows, scored.flagged) == (0, 8)
    assert check(lambda d: model.predict(sm.add_constant(d, has_constant="add")), given).rows == 8


def test_values_that_differ_little_or_are_large() -> None:
    model = with_constant()
    rng = np.random.default_rng(3)
    given = pa.RecordBatch.from_pydict({"a": rng.random(40) * 1e-4, "b": rng.integers(0, 2, 40), "c": rng.integers(0, 10**9, 40)})
    assert check(lambda d: model.predict(sm.add_constant(d)), given).rows == 40


def test_ones_beside_columns_that_are_not_numbers() -> None:
    model = with_constant()
    assert refused(lambda d: model.predict(sm.add_constant(d.assign(c=d.a > 0)))) == "SW262"
    assert refused(lambda d: model.predict(sm.add_constant(sm.add_constant(d)[["const", "a", "b"]]))) == "SW262"
    assert refused(lambda d: sm.add_constant(d.a)["a"]) == "SW262"


def test_a_column_that_is_named_like_an_expression() -> None:
    """The formula computes the expression; the column of that name takes no part."""
    model = smf.ols("y ~ a + I(a ** 2)", table()).fit()
    assert refused(lambda d: model.predict(d.assign(**{"I(a ** 2)": d.b}))) == "SW839"


def test_small_integers_are_seen_to_differ() -> None:
    model, rng = with_constant(), np.random.default_rng(4)
    columns = {"a": rng.integers(1, 6, 50), "b": rng.integers(0, 2, 50), "c": rng.integers(1, 3, 50) - 0.5}
    given = pa.RecordBatch.from_pydict(columns)
    assert check(lambda d: model.predict(sm.add_constant(d)), given).rows == 50


def test_ones_beside_an_array_without_rows() -> None:
    """NumPy raises for the maximum of no rows, and pandas does not."""
    model = with_constant()

    def scored(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for d in frames:
            d = d[d.a > 1e300]
            yield d.assign(p=model.predict(sm.add_constant(d.values, has_constant="add")))

    fields = [StructField(name, DoubleType()) for name in (*NAMES, "p")]
    compared = compare_with_worker(scored, [batch()], StructType(fields), MAP_PANDAS)
    assert (compared.refused, compared.flagged, compared.raised) == ("", 1, 1), compared.reason


def test_a_sum_whose_parts_overflow() -> None:
    model = sm.OLS(table().y, table()[NAMES]).fit()
    model._results.params[:] = [1.0, 1.0, 1.0]
    given = pa.RecordBatch.from_pydict({"a": [1e308, 1.0], "b": [1e308, 2.0], "c": [-1e308, 3.0]})
    scored = check(lambda d: model.predict(d), given)
    assert (scored.rows, scored.flagged) == (1, 1)


def test_formulas_of_other_models() -> None:
    for make in (smf.logit, smf.poisson):
        model = make("two ~ a + b", table()).fit(disp=0)
        assert check(lambda d, model=model: model.predict(d)).rows == 64
    model = smf.glm("two ~ a + b", table(), family=sm.families.Binomial()).fit()
    assert check(lambda d: model.predict(d)).rows == 64


def test_a_plain_function_scores_one_row() -> None:
    model = fitted("Logit")

    def likely(a: float, b: float, c: float) -> bool:
        return bool(model.predict([[a, b, c]])[0] > 0.5)

    compared = compare_with_worker(likely, [batch()], BooleanType(), ARROW_BATCHED, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 0)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda t: sm.Probit(t.two, t[NAMES]).fit(disp=0), "SW839"),
        (lambda t: sm.GLM(t.two, t[NAMES], family=sm.families.Binomial(sm.families.links.Probit())).fit(), "SW839"),
        (lambda t: smf.ols("y ~ np.exp(a)", t).fit(), "SW839"),
        (lambda t: smf.ols("y ~ a + C(two)", t).fit(), "SW839"),
        (lambda t: sm.NegativeBinomial(t["count"], t[NAMES]).fit(disp=0), "SW800"),
    ],
    ids=["Probit", "probit link", "np.exp", "categories", "NegativeBinomial"],
)
def test_refusals(make: Callable[[pd.DataFrame], Any], code: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = make(table())
    assert refused(lambda d: model.predict(d.assign(two=1))) == code


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("OLS", lambda model: (model._results, "predict")),
        ("OLS", lambda model: (model._results, "_transform_predict_exog")),
        ("Logit", lambda model: (model.model, "cdf")),
        ("GLM, Binomial", lambda model: (model.model.family, "fitted")),
        ("GLM, Binomial", lambda model: (model.model.family.link, "inverse")),
    ],
)
def test_methods_that_were_replaced(monkeypatch: pytest.MonkeyPatch, name: str, part: Callable[[Any], Any]) -> None:
    model = fitted(name)
    held, method = part(model)
    monkeypatch.setattr(held, method, lambda exog=None, transform=True: exog)
    assert refused(lambda d: model.predict(d)) == "SW839"


def test_forms_that_are_refused() -> None:
    model = sm.OLS(table().y, table()[NAMES]).fit()
    assert refused(lambda d: model.predict()) == "SW262"
    model.predict = lambda x: x["a"]
    assert refused(lambda d: model.predict(d)) == "SW801"
