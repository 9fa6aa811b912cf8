"""Compares traced aggregates with the functions on real Series, for groups with and without NULLs, and checks refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sparkweld.errors import Refusal
from sparkweld.ir.ops import Optional
from sparkweld.ir.python_rules import RULES
from tests.helpers.answers import aggregate_compiler, compile_aggregate
from tests.helpers.compile_requests import column, literal, payload, python_step, request, udf
from udf_compiler.backends.aggregates import compile as compile_module
from udf_compiler.backends.aggregates import reductions
from udf_compiler.backends.aggregates.probe import evaluate_form
from udf_compiler.frontends.python import numpy_scalars
from udf_compiler.function.payload import load_command

GROUPS = {
    "double": [[0.5], [np.nan], [1.5, np.nan, -2.0, 7.25], [3.0] * 5, [np.inf, 1.0], [-0.0, 0.0]],
    "float": [[0.5], [np.nan], [1.5, np.nan, -2.0, 7.25], [3.0] * 5],
    "long": [[7], [1, -2, 3, 50], [2**62, 2**62, 5], [0, 0, 0]],
    "short": [[7], [1, -2, 3, 50], [32767, 32767, -1]],
    "boolean": [[True], [False, True, True], [False, False]],
}
DTYPES = {"double": np.float64, "float": np.float32, "long": np.int64, "short": np.int16, "boolean": np.bool_}


def sent(function, returns, *types):
    arguments = [column(name, type, nullable=type != "boolean") for name, type in zip("abcd", types, strict=False)]
    made = request(
        python_step(r=udf(0, *arguments, returns=returns, evalType=202)), inputs=dict(zip("abcd", types, strict=False))
    )
    for given in made["inputs"]:
        given["nullable"] = given["type"] != "boolean"
    return made, [payload(function)]


#: Further types of columns whose deviations are compiled; see test_deviations_of_float32_are_refused_before_numpy_2.
DEVIATIONS = () if reductions.BY_VALUE else ("float",)
#: Sums of Python floats: a version whose sum() does not compensate them adds them in order, as kernels do.
SUMS_OF_FLOATS = ["lambda v: sum([float(v.sum()), 0.1, 0.2])"]
CASES = [
    ("lambda v: v.sum()", ("double", "long", "short", "boolean", "float")),
    ("lambda v: v.mean()", ("double", "long", "short", "boolean", "float")),
    ("lambda v: v.min()", ("double", "long", "short", "boolean", "float")),
    ("lambda v: v.max()", ("double", "long", "short", "boolean", "float")),
    ("lambda v: v.count()", ("double", "long", "boolean")),
    ("lambda v: v.any()", ("double", "long", "boolean")),
    ("lambda v: v.all()", ("double", "long", "boolean", "float")),
    ("lambda v: v.var()", ("double", "long", "short", *DEVIATIONS)),
    ("lambda v: v.std(ddof=0)", ("double", "long", *DEVIATIONS)),
    ("lambda v: np.std(v)", ("double", "long")),
    ("lambda v: np.var(v.values, ddof=1)", ("double", "long")),
    ("lambda v: v.values.sum()", ("double", "long", "float")),
    ("lambda v: v.to_numpy().max()", ("double", "long")),
    ("lambda v: np.nansum(v)", ("double",)),
    ("lambda v: np.nanmax(v.values)", ("double",)),
    ("lambda v: len(v)", ("double", "long")),
    ("lambda v: sum([v.min(), v.max(), v.mean()])", ("double", "long")),
    ("lambda v: sum([len(v), 0.1, 0.2]) + sum([float(v.max()), 0.5])", ("double", "long")),
    ("lambda v: v.size * 2 - 1", ("double",)),
    ("lambda v: v.sum() / len(v)", ("double", "long", "short")),
    ("lambda v: (v.max() - v.min()) * 0.5", ("double", "long")),
    ("lambda v: 100 * (v > 1).sum() / v.size", ("double", "short")),
    ("lambda v: np.sqrt((v ** 2).mean())", ("double",)),
    ("lambda v: round(v.mean(), 1)", ("double",)),
    ("lambda v: v[v > 1].sum()", ("double", "long", "short", "float")),
    ("lambda v: v[v > 1].mean()", ("double", "long", "float")),
    ("lambda v: v[v > 1].max() - v[v < 7].min()", ("double",)),
    ("lambda v: v.loc[v > 1].std()", ("double", "long")),
    ("lambda v: len(v[v > 1]) / len(v)", ("double", "long")),
    ("lambda v: v.dropna().mean()", ("double", "long")),
    ("lambda v: (v[v > 1] * 2 - 1).abs().sum()", ("double", "long")),
    ("lambda v: np.mean(v[v.notna() & (v < 5)])", ("double",)),
    ("lambda v: v[v > 1].any() & v[v > 1].all()", ("double", "long", "boolean")),
    ("lambda v: v[v > 1].dropna().count()", ("double", "long")),
    ("lambda v: float(v.mean())", ("double", "long", "float")),
    ("lambda v: float(v.sum()) / len(v) * 100.0 + int(v.count())", ("double", "long")),
    ("lambda v: bool((v > 2).any())", ("double",)),
    ("lambda v: -abs(v.min())", ("double", "short")),
    ("lambda v: (v.sum() > 2) & (v.count() > 1)", ("double", "long")),
    *[(source, ("double", "long")) for source in SUMS_OF_FLOATS if not RULES.compensates_floats],
]
RETURNS = {"b": "boolean", "i": "long", "f": "double"}


@pytest.mark.parametrize("source, types", CASES, ids=[source for source, _ in CASES])
def test_a_form_is_the_function(source, types):
    function = eval(source, {"__name__": "__main__", "np": np, "pd": pd})
    for type in types:
        for group in GROUPS[type]:
            _compare(function, type, pd.Series(np.array(group, DTYPES[type])), ())
            if DTYPES[type](0).dtype.kind == "i":  # the same group with a NULL
                _compare(function, type, pd.Series([*group, None], dtype=np.float64), ("a",))


def _compare(function, type, series, with_nulls):
    with np.errstate(all="ignore"), pytest.warns() if False else _silent():
        expected = function(series)
    returns = RETURNS[np.asarray(expected).dtype.kind]
    made, blobs = sent(function, returns, type)
    form = aggregate_compiler(made, load_command(blobs[0]).function)._form(set(with_nulls))
    values = series.to_numpy()
    if with_nulls:
        given = Optional(np.nan_to_num(values).astype(DTYPES[type]), ~np.isnan(values))
    elif type in ("double", "float"):
        given = Optional(values, np.ones(len(values), np.bool_))
    else:
        given = values
    got, errors = evaluate_form(form, {"a": given}, len(series))
    if errors:
        assert abs(float(expected)) >= 2**53  # Arrow refuses to convert it
    elif pd.isna(expected):
        assert got is None
    else:
        assert got == pytest.approx(expected, rel=1e-6 if type == "float" else 1e-12, abs=1e-9), (got, expected)


def _silent():
    import warnings

    caught = warnings.catch_warnings()
    warnings.simplefilter("ignore")
    return caught


@pytest.mark.parametrize("source", ["v.sum()", "v.mean()", "v.count()", "len(v)", "v.isna().sum() + v.notna().mean()"])
@pytest.mark.parametrize("group", [[True, None, False, True], [None, None], [None, True]])
def test_booleans_with_nulls_are_objects(source, group):
    function = eval(f"lambda v: {source}")
    expected = function(pd.Series(group, dtype=object))
    made, blobs = sent(function, RETURNS[np.asarray(expected).dtype.kind], "boolean")
    made["inputs"][0]["nullable"] = True
    form = aggregate_compiler(made, load_command(blobs[0]).function)._form({"a"})
    given = Optional(np.array([bool(v) for v in group]), np.array([v is not None for v in group]))
    got, errors = evaluate_form(form, {"a": given}, len(group))
    assert not errors and (got is None if pd.isna(expected) else got == expected)


@pytest.mark.parametrize(
    "source", ["v.any()", "(~v).sum()", "(v & v).sum()", "v.max()", "np.sum(v)", "v.values.sum()", "(v == 1).sum()"]
)
def test_other_uses_of_booleans_with_nulls_are_refused(source):
    made, blobs = sent(eval(f"lambda v: {source}", {"np": np}), "long", "boolean")
    made["inputs"][0]["nullable"] = True
    with pytest.raises(Refusal, match="SW102|SW25|SW26"):
        compile_aggregate(made, blobs)


@pytest.mark.parametrize(
    "source, supported", [("v.sum()", False), ("v.mean()", True), ("v.count()", True), ("v.isna().sum()", True)]
)
def test_frames_of_booleans_with_nulls(source, supported):
    """The sum of one object is that object, so the results of a partition's frames are bools and ints."""
    rows = pd.Series([True, None, False], dtype=object)
    function = eval(f"lambda v: {source}")
    results = [function(rows.iloc[:end]) for end in (1, 2, 3)]
    assert (pd.Series(results).dtype == object) is not supported
    made, blobs = sent(function, RETURNS[np.asarray(results[-1]).dtype.kind], "boolean")
    made["inputs"][0]["nullable"], made["frames"] = True, 1
    if supported:
        compile_aggregate(made, blobs)
    else:
        with pytest.raises(Refusal, match="SW102"):
            compile_aggregate(made, blobs)


@pytest.mark.parametrize("function", [lambda v: v.sum(), lambda v: v.mean(), lambda v: v.count() * 2.0])
def test_a_constant_argument_is_a_group_of_it(function):
    made = request(python_step(r=udf(0, literal(1.5, "double"), returns="double", evalType=202)))
    reply = compile_aggregate({**made, "inputs": []}, [payload(function)])
    assert reply["status"] == "ok"


def test_weighted_means_take_two_columns():
    made, blobs = sent(lambda v, w: (v * w).sum() / w.sum(), "double", "double", "double")
    reply = compile_aggregate(made, blobs)
    assert [a["kind"] for a in reply["aggregates"]] == ["sum", "sum"] and reply["kept"]


def test_each_nullable_integer_column_doubles_the_forms():
    made, blobs = sent(lambda v, w: (v * w).sum(), "double", "long", "long")
    reply = compile_aggregate(made, blobs)
    kinds = [(a["kind"], a["type"], a["states"]) for a in reply["aggregates"]]
    assert sorted(kinds) == [("sum", "f64", False), ("sum", "i64", False), ("sum", "i64", True), ("sum", "i64", True)]


def test_forms_share_aggregates_that_are_equal_without_nulls():
    made, blobs = sent(lambda v, w: (v * w).sum() / w.sum(), "double", "double", "integer")
    reply = compile_aggregate(made, blobs)
    kinds = [(a["kind"], a["type"], a["states"]) for a in reply["aggregates"]]
    assert sorted(kinds) == [("sum", "f64", False), ("sum", "f64", False), ("sum", "i64", False), ("sum", "i64", True)]


REFUSED = [
    ("SW382", lambda v: v.quantile(0.5), "double"),
    ("SW382", lambda v: v.values.min(), "double"),
    ("SW382", lambda v: v.idxmax(), "long"),
    ("SW382", lambda v: v[v > 1].max(), "long"),
    ("SW382", lambda v: (v[v > 1] + v).sum(), "double"),
    ("SW382", lambda v: v[v > 1].iloc[0], "double"),
    ("SW250", lambda v: v[0], "double"),
    ("SW262", lambda v: 1 / len(v[v > 1]), "double"),
    ("SW383", lambda v: (v / v.sum()).max(), "double"),
    ("SW383", lambda v: np.maximum(v, v.mean()).sum(), "double"),
    ("SW384", lambda v: (v // v).sum(), "long"),
    ("SW385", lambda v: v * 2, "double"),
    ("SW385", lambda v: None, "double"),
    ("SW251", lambda v: v.sum() ** 2, "double"),
    ("SW253", lambda v: v.sum() if v.sum() > 0 else 0.0, "double"),
    ("SW259", lambda v: int(v.mean()), "double"),
    ("SW262", lambda v: float(v.sum()) / float(v.count()), "double"),
    ("SW262", lambda v: bool(v.any()) + 1, "double"),
    ("SW262", lambda v: int(v.sum()) * 2, "long"),
    ("SW262", lambda v: len(v) * len(v) * len(v), "double"),
    ("SW262", lambda v: len(v) * 2**30, "double"),
    ("SW262", lambda v: float(v.sum()) % 2.0, "double"),
    ("SW262", lambda v: v.sum(min_count=1), "double"),
    ("SW262", lambda v: v.mean(skipna=False), "double"),
    ("SW262", lambda v: 5 / (len(v) - 1), "double"),
    *[("SW262", eval(source), "double") for source in SUMS_OF_FLOATS if RULES.compensates_floats],
]


@pytest.mark.parametrize("code, function, type", REFUSED, ids=[f"{c}-{i}" for i, (c, *_) in enumerate(REFUSED)])
def test_refusals(code, function, type):
    made, blobs = sent(function, "double", type)
    with pytest.raises(Refusal) as refused:
        compile_aggregate(made, blobs)
    assert refused.value.code == code


def test_deviations_of_float32_are_refused_before_numpy_2(monkeypatch):
    """There, the mean is rounded to float32 before it is subtracted (pandas.core.nanops.nanvar)."""
    made, blobs = sent(lambda v: v.std(), "double", "float")
    if not reductions.BY_VALUE:
        compile_aggregate(made, blobs)
    monkeypatch.setattr(reductions, "BY_VALUE", True)
    with pytest.raises(Refusal, match="SW251"):
        compile_aggregate(made, blobs)


def test_exact_mode_refuses_approximate_operations():
    made, blobs = sent(lambda v: v.mean(), "double", "double")
    made["conf"]["exact"] = True
    with pytest.raises(Refusal, match="SW387"):
        compile_aggregate(made, blobs)


def test_other_kinds_and_many_states_are_refused():
    made, blobs = sent(lambda v: v.sum(), "double", "double")
    made["steps"][0]["udfs"][0]["udf"]["evalType"] = 254
    with pytest.raises(Refusal, match="SW386"):
        compile_aggregate(made, blobs)
    made, blobs = sent(lambda a, b, c, d: (a + b + c + d).sum(), "double", "long", "long", "long", "long")
    with pytest.raises(Refusal, match="SW388"):
        compile_aggregate(made, blobs)


def test_a_function_that_is_not_its_translation_is_refused(monkeypatch):
    monkeypatch.setitem(reductions.SERIES_METHODS, "max", reductions.SERIES_METHODS["min"])
    made, blobs = sent(lambda v: v.max(), "double", "double")
    with pytest.raises(Refusal, match="SW233"):
        compile_aggregate(made, blobs)


@pytest.mark.parametrize("original, mistaken", [
    (lambda v: v.max() + (v == 77_123).sum(), lambda v: v.max()),
    (lambda v: 0 if len(v) == 26 else len(v), lambda v: len(v)),
])  # fmt: skip
def test_groups_have_the_functions_own_constants(original, mistaken, monkeypatch):
    real = compile_module.probe
    made, blobs = sent(mistaken, "long", "long")
    compile_aggregate(made, blobs)
    monkeypatch.setattr(compile_module, "probe", lambda _, *rest, **how: real(original, *rest, **how))
    with pytest.raises(Refusal, match="SW233"):
        compile_aggregate(made, blobs)


@pytest.mark.parametrize("options, code", [({"backend": "python"}, "SW700"), ({"exact": True}, "SW387")])
def test_options_in_the_function(options, code):
    def mean(v):
        return v.mean()

    mean._sparkweld_options = options
    made, blobs = sent(mean, "double", "double")
    with pytest.raises(Refusal, match=code):
        compile_aggregate(made, blobs)


#: (function of a column of doubles, the row values whose sum, minimum or maximum it takes)
ROW_VALUES = {
    "filled": ("lambda v: np.log1p(v * v).sum()", lambda v: np.log1p(v * v)),
    "an array": ("lambda v: np.exp(v.to_numpy() / 9).sum()", lambda v: np.exp(v / 9)),
    "least": ("lambda v: np.sin(v).min()", np.sin),
    "counts": ("lambda v: (np.sin(v) > 0.5).sum()", lambda v: (np.sin(v) > 0.5).astype(np.int64)),
}


@pytest.mark.parametrize("title", ROW_VALUES)
def test_values_of_rows_without_an_expression_are_functions_of_their_own(title):
    """Their UDF computes the function's row values; NaN and NULL are one."""
    source, wanted = ROW_VALUES[title]
    made, blobs = sent(eval(source), "long" if title == "counts" else "double", "double")
    reply = compile_aggregate(made, blobs)
    (column_,) = reply["columns"]
    assert column_["args"] == ["a"] and any(a["expr"] and "value 0 of a row" in str(a["expr"]) for a in reply["aggregates"])
    rows = pd.Series([0.5, -3.0, np.nan, 7.25, np.inf])
    with np.errstate(all="ignore"):
        given, expected = load_command(bytes.fromhex(column_["payload"])).function(rows), wanted(rows.to_numpy())
    if title in ("filled", "counts"):
        expected = np.where(np.isnan(expected), 0, expected)
    np.testing.assert_array_equal(given.to_numpy(), expected)
    (of_row,) = {str(a["expr"]) for a in reply["aggregates"] if "value 0" in str(a["expr"]) and a["kind"] in ("sum", "min")}
    assert ("'nan'" in of_row) == (title == "an array")  # its NaN is not a missing value, and the result is NULL


@pytest.mark.parametrize(
    "source, type", [("lambda v: np.log1p(v).sum()", "long"), ("lambda v: np.sin(v.astype('float32')).sum()", "double")]
)
def test_values_that_depend_on_the_batch_are_no_functions_of_rows(source, type):
    with pytest.raises(Refusal) as refused:
        compile_aggregate(*sent(eval(source), "double", type))
    assert refused.value.code in ("SW380", "SW262", "SW382", "SW385")


@pytest.mark.parametrize(
    "source, type, compiled",
    [
        ("lambda v: v.min() * 2", "short", False),  # 65534 in NumPy 1.26, and -2 from NumPy 2 on
        ("lambda v: 0.1 < v.max()", "float", False),
        ("lambda v: np.maximum(v.min(), 0.1)", "float", False),
        ("lambda v: v.min() * 2", "long", True),
        ("lambda v: v.max() - v.min()", "short", True),
        ("lambda v: v.mean() * 2 + v.sum() / 3.0", "short", True),
    ],
)
def test_narrow_scalars_beside_numbers_before_numpy_2(monkeypatch, source, type, compiled):
    """There, a Python number among NumPy scalars is an int64 or a float64."""
    monkeypatch.setattr(numpy_scalars, "BY_VALUE", True)
    made = sent(eval(source, {"__name__": "__main__", "np": np}), "boolean" if "<" in source else "double", type)
    if compiled:
        assert compile_aggregate(*made)["status"] == "ok"
        return
    with pytest.raises(Refusal) as refused:
        compile_aggregate(*made)
    assert refused.value.code == "SW251"
