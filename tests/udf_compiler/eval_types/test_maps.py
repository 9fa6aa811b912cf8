
"""Checks maps and struct results: frames with computed, filtered and renamed rows, and refusals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, StringType, StructField, StructType

from tests.helpers.compiled import compare_with_worker
from tests.helpers.kinds import codes, compile_map, compile_udf, run


def check_map(function, inputs, returns, columns, eval_type=205):
    """Compares a map with running it on one batch; NULL of the result is NaN here."""
    got, flagged = run(compile_map(function, eval_type, inputs, returns), columns)
    assert not flagged.any()
    frame = pd.concat(list(function(iter([pd.DataFrame(columns)]))))
    for name, column in zip(returns, got, strict=True):
        values = [None if v != v else v for v in frame[name]]
        assert column == values, name


INPUTS = {"a": "long", "x": "double", "s": "short"}
COLUMNS = {"a": np.arange(8), "x": [0.5, -1.0, 2.0, float("nan"), 3.0, -4.0, 0.0, 7.5], "s": np.arange(8, dtype=np.int16) - 3}


def assigns(batches):
    for pdf in batches:
        pdf["y"] = pdf.x * 2 + pdf.a
        yield pdf[["a", "y"]]


def filters(batches):
    for pdf in batches:
        yield pdf[pdf.x > 0]


def filters_then_computes(batches):
    for pdf in batches:
        kept = pdf[(pdf.s != 0) & pdf.x.notna()]
        kept = kept.assign(q=kept.a // kept.s)
        kept["x"] = np.where(kept.q > 1, kept.x, -kept.x)
        yield kept.loc[kept.q != 2, ["a", "q", "x"]]


def drops(batches):
    for pdf in batches:
        yield pdf.dropna(subset=["x"]).rename(columns={"a": "key"}).drop(columns="s")


def renumbers(batches):
    for pdf in batches:
        kept = pdf[pdf.x > 0].reset_index(drop=True)
        kept["r"] = pd.Series(np.sqrt(kept.x.to_numpy()))
        yield kept


@pytest.mark.parametrize(
    ("function", "returns"),
    [
        (assigns, {"a": "long", "y": "double"}),
        (assigns, {"y": "double", "a": "long"}),
        (filters, {"x": "double", "a": "long", "s": "short"}),
        (filters_then_computes, {"a": "long", "q": "long", "x": "double"}),
        (drops, {"key": "long", "x": "double"}),
        (renumbers, {"a": "long", "x": "double", "s": "short", "r": "double"}),
    ],
)
def test_maps(function, returns):
    check_map(function, INPUTS, returns, COLUMNS)


def test_a_filter_silences_guards_for_the_rows_that_it_drops():
    reply = compile_map(filters_then_computes, 205, INPUTS, {"a": "long", "q": "long", "x": "double"})
    _, flagged = run(reply, {"a": [1, 2], "x": [1.0, 1.0], "s": [0, 2]})
    assert not flagged.any()


def unfiltered_may_raise(batches):
    for pdf in batches:
        kept = pdf[pdf.s > 0]
        pdf["q"] = pdf.a // pdf.s
        yield kept


def joined_by_number(batches):
    for pdf in batches:
        kept = pdf[pdf.x > 0]
        kept["r"] = pd.Series(np.sqrt(kept.x.to_numpy()))
        yield kept


def other_rows(batches):
    for pdf in batches:
        kept = pdf[pdf.x > 0]
        yield kept.assign(x=pdf.x)


def centred(batches):
    for pdf in batches:
        yield pdf.assign(x=pdf.x - pdf.x.mean())


def aggregated(batches):
    for pdf in batches:
        yield pdf.groupby("a").sum()


def a_series(batches):
    for pdf in batches:
        yield pdf.x


def named_by_series(batches):
    for pdf in batches:
        yield pd.concat([pdf.a.rename("a"), pdf.x.rename("y") + 1], axis=1)


def in_a_comprehension(batches):
    for pdf in batches:
        yield pd.DataFrame({"x": pd.Series([x * 2 for x in pdf.x])})


def in_branches_of_a_comprehension(batches):
    for pdf in batches:
        yield pd.DataFrame({"x": pd.Series([1.0 if x > 2 else 0.5 for x in pdf.x])})


@pytest.mark.parametrize(
    ("function", "returns", "code"),
    [
        (in_a_comprehension, {"x": "double"}, None),
        (in_branches_of_a_comprehension, {"x": "double"}, None),
        (filters, {"x": "double", "b": "long"}, "SW364"),
        (filters, {"x": "double", "a": "long"}, None),
        (filters, {"x": "double", "s": "short"}, "SW364"),
        (unfiltered_may_raise, {"a": "long", "x": "double", "s": "short"}, "SW365"),
        (joined_by_number, {"a": "long", "x": "double", "s": "short", "r": "double"}, "SW250"),
        (other_rows, {"a": "long", "x": "double", "s": "short"}, "SW262"),
        (centred, {"a": "long", "x": "double", "s": "short"}, "SW250"),
        (aggregated, {"a": "long", "x": "double", "s": "short"}, "SW250"),
        (a_series, {"x": "double"}, "SW106"),
        (named_by_series, {"a": "long", "y": "double"}, "SW364"),
    ],
)
def test_maps_that_are_refused(function, returns, code):
    reply = compile_map(function, 205, INPUTS, returns)
    assert reply["status"] == "ok" if code is None else code in codes(reply)


def halved(frame):
    return pd.DataFrame({"half": frame.x / 2, "name": frame.s.str.upper()})


def halves(batches):
    for pdf in batches:
        yield halved(pdf)


def large_halves(batches):
    for pdf in batches:
        yield halved(pdf[pdf.x > 1])


def half_of_row(x, s):
    return None if x is None else x / 2, s.upper() if s else None


@pytest.mark.parametrize(
    ("function", "eval_type", "struct"),
    [(halves, 205, False), (large_halves, 205, False), (halved, 200, True), (half_of_row, 101, False)],
)
def test_a_null_in_a_column_that_is_declared_not_nullable_is_flagged(function, eval_type, struct):
    """Spark reads such a column without a look at its validity, so Spark must make the rows with a NULL."""
    returns = StructType([StructField("half", DoubleType(), False), StructField("name", StringType(), False)])
    columns = {"x": pa.array([2.0, None, 3.0, 0.5]), "s": pa.array(["a", "b", "c", None])}
    whole = pa.record_batch(columns)
    batches = [whole, whole.slice(0, 1), whole.slice(2, 1)]
    if struct:
        batches = [pa.record_batch({"f": pa.StructArray.from_arrays(b.columns, b.schema.names)}) for b in batches]
    compared = compare_with_worker(function, batches, returns, eval_type, kernel=True)
    flagged = 0 if function is large_halves else 1
    assert (compared.decided, compared.flagged, compared.refused) == (3, flagged, "")


def test_the_rows_that_are_kept_may_have_no_nat():
    """The year of a datetime Series is a float where the Series has a NaT, and not where the filter has dropped it."""

    def dated(batches):
        for pdf in batches:
            kept = pdf[pdf.t.notna()]
            yield kept.assign(year=kept.t.dt.year.astype(str))[["year"]]

    times = pa.array([None, 10**15, 0], pa.int64()).cast(pa.timestamp("us", "UTC"))
    batches = [pa.record_batch({"t": part}) for part in (times, times[1:])]
    compared = compare_with_worker(dated, batches, StructType([StructField("year", StringType())]), 205)
    assert compared.decided == 2 and not compared.flagged


def split(frame):
    return pd.DataFrame({"high": frame.x * 2, "a": frame.a + 1, "unused": frame.x})


def test_arrays_are_results_of_plain_udfs_alone_and_numbers_are_no_arrays():
    array = {"type": "array", "elementType": "double", "containsNull": True}
    for eval_type, code in ((100, "SW226"), (101, "SW226"), (200, "SW104"), (250, "SW226")):
        assert codes(compile_udf(lambda x: x, eval_type, {"x": "double"}, array)) == [code]
    assert codes(compile_map(filters, 205, INPUTS, {"a": "long", "x": array, "s": "short"})) == ["SW104"]


def test_a_frame_becomes_the_fields_of_a_struct():
    from tests.helpers.answers import compile_pipeline
    from tests.helpers.compile_requests import column, payload, request, udf

    fields = [{"name": "a", "type": "long", "nullable": True}, {"name": "high", "type": "double", "nullable": True}]
    row = {"op": "CreateNamedStruct", "names": ["a", "x"], "args": [column("a", "long"), column("x")], "type": "struct"}
    entry = udf(0, returnType={"type": "struct", "fields": fields})
    entry["args"] = [{"expr": row, "name": None}]

    def compiled(function, entry=entry, outputs=("r.a", "r.high")):
        step = {"kind": "python", "udfs": [{"name": "f", "result": "r", "fields": ["r.a", "r.high"], "udf": entry}]}
        return compile_pipeline(request(step, inputs={"a": "long", "x": "double"}, outputs=outputs), [payload(function)])

    (a, high), flagged = run(compiled(split), {"a": [1, 2], "x": [0.5, float("nan")]})
    assert not flagged.any()
    assert (a, high) == ([2, 3], [1.0, None])
    assert codes(compiled(lambda frame: frame.x)) == ["SW106"]
    assert codes(compiled(lambda frame: frame[["a"]])) == ["SW364"]
    assert codes(compiled(lambda frame: frame[frame.x > 0].rename(columns={"x": "high"}))) == ["SW107"]
    assert codes(compiled(lambda frame: pd.concat([frame.a, frame.x.rename("high")], axis=1))) == ["SW364"]
    assert codes(compiled(lambda a: a, {**entry, "evalType": 101})) == ["SW311"]
    plain = {**entry, "evalType": 101, "args": [{"expr": column("a", "long"), "name": None}]}
    assert codes(compiled(lambda a: a, plain)) == ["SW311"]
