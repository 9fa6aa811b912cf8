"""Compares loops that append nothing for some rows with PySpark's worker: the result has the other rows of the batch."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import ArrayType, DoubleType, LongType, StringType, StructField, StructType

from sparkweld.contract.constants import MAP_PANDAS, SCALAR_PANDAS
from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import column, payload, request, udf
from tests.helpers.compiled import compare_with_worker
from tests.helpers.groups import compare_aggregate, compare_groups

BATCHES = [
    pa.record_batch({"x": pa.array([1.5, -2.0, 0.0]), "s": pa.array(["1", "22", "-3"])}),
    pa.record_batch({"x": pa.array([8.0, float("inf"), 1.0]), "s": pa.array(["7", "no number", "9,4"])}),
    pa.record_batch({"x": pa.array([None, 3.0, 4.0, float("nan")]), "s": pa.array([None, "", "5", "1_0"])}),
]
#: Batches of which a function above keeps no row.
EMPTY = [
    pa.record_batch({"x": pa.array([None, None], pa.float64()), "s": pa.array([None, ""])}),
    pa.record_batch({"x": pa.array([-1.0]), "s": pa.array(["x"])}),
]
RETURNS = StructType([StructField("t", StringType()), StructField("n", LongType())])


def continues(frames):
    for frame in frames:
        rows = []
        for _, row in frame.iterrows():
            if not row["s"] or pd.isna(row["x"]) or row["x"] < 0:
                continue
            rows.append({"t": row["s"].upper(), "n": len(row["s"])})
        yield pd.DataFrame(rows, columns=["t", "n"])


def two_lists(frames):
    for frame in frames:
        texts, sizes = [], []
        for x, s in zip(frame["x"], frame["s"]):  # noqa: B905 - as people write it
            if s and x >= 0:
                texts.append(f"<{s}>")
                sizes.append(None if x == 3 else len(s))
        yield pd.DataFrame({"t": texts, "n": sizes})


def skips_errors(frames):
    for frame in frames:
        rows = []
        for row in frame.itertuples():
            try:
                rows.append((row.s, int(row.s)))
            except (ValueError, TypeError):
                pass
        made = pd.DataFrame(rows, columns=["t", "n"])
        made["t"] = made["t"].str.upper()
        yield made[made["n"] != 22]


@pytest.mark.parametrize("function", [continues, two_lists, skips_errors])
def test_loops_that_skip_rows(function):
    compared = compare_with_worker(function, BATCHES, RETURNS, MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided, compared.raised) == ("", len(BATCHES), 0), compared
    compared = compare_with_worker(function, EMPTY, RETURNS, MAP_PANDAS)
    assert (compared.refused, compared.flagged) == ("", len(EMPTY)), compared


def of_dicts(frames):
    for frame in frames:
        yield pd.DataFrame([{"t": row.s.upper(), "n": len(row.s)} for row in frame.itertuples() if row.s and row.s != "x"])


def of_strings(frames):
    for frame in frames:
        texts = [f"{s}!" for s in frame["s"] if s and s != "x"]
        yield pd.DataFrame({"t": texts}).assign(n=1)


@pytest.mark.parametrize("function", [of_dicts, of_strings])
def test_comprehensions_with_conditions(function):
    compared = compare_with_worker(function, [*BATCHES, *EMPTY], RETURNS, MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", len(BATCHES), len(EMPTY)), compared


def mean_of_large(x):
    return pd.Series([value for value in x if value >= 1]).mean()


def test_some_values_of_an_aggregate():
    groups = [batch.select(["x"]) for batch in [*BATCHES, *EMPTY]]
    compared = compare_aggregate(mean_of_large, groups, DoubleType(), ["x"])
    assert (compared.refused, compared.decided) == (None, len(BATCHES)), compared


def raises_without_rows(frames):
    for frame in frames:
        rows = []
        for s in frame["s"]:
            if s and s.isdigit():
                rows.append({"t": s, "n": int(s)})
        yield pd.DataFrame(rows)[["t", "n"]]


def test_a_batch_without_rows_runs_in_python():
    """The columns of an empty list of rows are missing, so the function raises for such a batch, but not for parts of others."""
    compared = compare_with_worker(raises_without_rows, [*BATCHES, *EMPTY], RETURNS, MAP_PANDAS)
    assert (compared.refused, compared.decided, compared.raised) == ("", len(BATCHES), len(EMPTY)), compared
    struct = {"op": "CreateNamedStruct", "names": ["x", "s"], "args": [column("x", "double"), column("s", "string")],
              "type": "struct"}  # fmt: skip
    call = udf(0, struct, evalType=MAP_PANDAS, returnType=RETURNS.jsonValue())
    step = {"kind": "map", "name": "f", "udf": call, "results": ["r0", "r1"]}
    given = {**request(step, inputs={"x": "double", "s": "string"}, outputs=["r0", "r1"]), "regrouped": True}
    reply = compile_pipeline(given, [payload(raises_without_rows, RETURNS)])
    assert reply["status"] == "ok" and reply["batchwise"], reply


def lists_of_other_rows(frames):
    for frame in frames:
        texts, sizes = [], []
        for x, s in zip(frame["x"], frame["s"]):  # noqa: B905
            if x > 0:
                texts.append(s)
            if s:
                sizes.append(len(s))
        yield pd.DataFrame({"t": texts, "n": sizes})


def in_the_frame(frames):
    for frame in frames:
        sizes = []
        for s in frame["s"]:
            if s:
                sizes.append(len(s))
        frame["n"] = sizes
        yield frame[["n"]].assign(t="t")


def beside_the_frame(frames):
    for frame in frames:
        sizes = []
        for s in frame["s"]:
            if s:
                sizes.append(len(s))
        yield pd.DataFrame({"t": frame["s"], "n": pd.Series(sizes)})


def no_row_at_all(frames):
    for frame in frames:
        rows = []
        for s in frame["s"]:
            if len(s or "") < 0:
                rows.append({"t": s, "n": 1})
        yield pd.DataFrame(rows)


def counts_the_list(frames):
    for frame in frames:
        rows = []
        for s in frame["s"]:
            if s:
                rows.append({"t": s, "n": 1})
        yield pd.DataFrame(rows).assign(n=len(rows))


@pytest.mark.parametrize(("function", "code"), [
    (lists_of_other_rows, "SW600"), (in_the_frame, "SW262"), (beside_the_frame, "SW262"), (no_row_at_all, "SW600"),
    (counts_the_list, "SW600"),
])  # fmt: skip
def test_refused_loops_that_skip_rows(function, code):
    assert compare_with_worker(function, BATCHES, RETURNS, MAP_PANDAS).refused == code


def if_there_are_rows(frames):
    for frame in frames:
        frame["s"] = frame["s"].fillna("")
        rows = []
        for s in frame["s"]:
            if s and s != "x":
                rows.append({"t": s, "n": len(s)})
        if rows:
            made = pd.DataFrame(rows)
            made["n"] = made["n"] + 1
            yield made


def unless_there_are_none(frames):
    columns = ("t", "n")
    for frame in frames:
        texts, sizes = [], []
        for s in frame["s"]:
            if s and s != "x":
                texts.append(s)
                sizes.append(len(s))
        if not texts:
            continue
        yield pd.DataFrame({"n": sizes, "t": texts})[list(columns)]


def by_the_length(frames):
    for frame in frames:
        rows = []
        for s in frame["s"]:
            if s and s != "x":
                rows.append((s, len(s)))
        if len(rows) == 0:
            continue
        yield pd.DataFrame(rows, columns=["t", "n"])


def of_all_rows(frames):
    for frame in frames:
        rows = []
        for s in frame["s"]:
            rows.append({"t": s, "n": len(s or "")})
        if len(rows) > 0:
            yield pd.DataFrame(rows)


@pytest.mark.parametrize("function", [if_there_are_rows, unless_there_are_none, by_the_length, of_all_rows])
def test_tests_of_lists(function):
    compared = compare_with_worker(function, [*BATCHES, *EMPTY], RETURNS, MAP_PANDAS, kernel=True)
    flagged = 0 if function is of_all_rows else len(EMPTY)
    assert (compared.refused, compared.flagged, compared.raised) == ("", flagged, 0), compared


def remembers_a_variable(frames):
    mode = "b"
    for frame in frames:
        before, mode = mode, "a"
        rows = []
        for s in frame["s"]:
            if s:
                rows.append({"t": s, "n": len(s)})
        if not rows:
            continue
        mode = "b"
        yield pd.DataFrame(rows).assign(t=before)


def remembers_an_item(frames):
    modes = {"last": "b"}
    for frame in frames:
        before = modes["last"]
        modes["last"] = "a"
        rows = []
        for s in frame["s"]:
            if s:
                rows.append({"t": s, "n": len(s)})
        if rows:
            modes["last"] = "b"
            yield pd.DataFrame(rows).assign(t=before)


def remembers_by_a_helper(frames):
    modes = {"last": "b"}

    def note(mode):
        modes["last"] = mode

    for frame in frames:
        before = modes["last"]
        note("a")
        rows = []
        for s in frame["s"]:
            if s:
                rows.append({"t": s, "n": len(s)})
        if rows:
            note("b")
            yield pd.DataFrame(rows).assign(t=before)


def may_read_an_object(frames):
    modes = []
    for frame in frames:
        rows = []
        for s in frame["s"]:
            if s:
                rows.append({"t": s, "n": len(s)})
        if rows:
            yield pd.DataFrame(rows).assign(n=len(modes))


def counts_empty_batches(frames):
    count = 0
    for frame in frames:
        rows = []
        for s in frame["s"]:
            if s:
                rows.append({"t": s, "n": len(s)})
        if not rows:
            count += 1
            continue
        yield pd.DataFrame(rows).assign(n=count)


def unless_there_are_few(frames):
    for frame in frames:
        rows = []
        for s in frame["s"]:
            if s:
                rows.append({"t": s, "n": len(s)})
        if len(rows) > 1:
            yield pd.DataFrame(rows)


def otherwise_an_empty_frame(frames):
    for frame in frames:
        rows = []
        for s in frame["s"]:
            if s:
                rows.append({"t": s, "n": len(s)})
        yield pd.DataFrame(rows) if rows else pd.DataFrame(columns=["t", "n"])


@pytest.mark.parametrize("function", [
    remembers_a_variable, remembers_an_item, remembers_by_a_helper, may_read_an_object, counts_empty_batches,
    unless_there_are_few, otherwise_an_empty_frame,
])  # fmt: skip
def test_a_batch_without_rows_may_decide_about_later_ones(function):
    assert compare_with_worker(function, BATCHES, RETURNS, MAP_PANDAS).refused == "SW600"


LAST = {"mode": "b"}


def remembers_in_captured_data(frames):
    for frame in frames:
        before = LAST["mode"]
        if len(before) > 1:
            LAST["mode"] = "a"
        rows = []
        for s in frame["s"]:
            if s:
                rows.append({"t": s, "n": len(s)})
        if rows:
            yield pd.DataFrame(rows).assign(t=before)


def test_captured_data_beside_a_test_of_a_list():
    assert compare_with_worker(remembers_in_captured_data, BATCHES, RETURNS, MAP_PANDAS).refused in ("SW600", "SW217")


def fewer_values(x, s):
    made = []
    for value in x:
        if value > 0:
            made.append(value)
    return pd.Series(made)


def test_a_scalar_function_returns_all_rows():
    assert compare_with_worker(fewer_values, BATCHES, DoubleType(), SCALAR_PANDAS).refused == "SW107"


def rows_of_a_group(f):
    rows = []
    for s in f["s"]:
        if s:
            rows.append({"t": s, "n": len(s)})
    return pd.DataFrame(rows)


def by_label(f):
    made = []
    for x in f["x"]:
        if x >= 1:
            made.append(x)
    s = pd.Series(made)
    return pd.DataFrame({"t": [f["s"].iloc[0]], "n": [s.idxmax() * 100 + len(s) * 10 + len(s[s > s.loc[0]])]})


def of_another_filter(f):
    made = []
    for x in f["x"]:
        if x >= 1:
            made.append(x)
    f = f[f["x"] >= 1]
    f["n"] = pd.Series(made)
    return f[["s", "n"]].rename(columns={"s": "t"})


def test_rows_of_groups():
    for function in (rows_of_a_group, by_label):
        compared = compare_groups(function, BATCHES, RETURNS, ())
        assert (compared.refused, compared.decided) == (None, len(BATCHES)), compared
    assert compare_groups(rows_of_a_group, EMPTY[:1], RETURNS, ()).decided == 0
    assert compare_groups(of_another_filter, BATCHES, RETURNS, ()).refused == "SW250"


def words(frames):
    for frame in frames:
        rows = []
        for x, s in zip(frame["x"], frame["s"]):  # noqa: B905
            if s:
                rows.append({"w": s.split(","), "v": [x, 1.0]})
        yield pd.DataFrame(rows)


def lengths_of_lists(frames):
    for frame in frames:
        frame["w"] = frame["s"].apply(lambda s: s.split(",") if s else None)
        yield frame.assign(v=frame["w"].str.len())[["w", "v"]]


def sorted_lists(f):
    rows = []
    for s in f["s"]:
        rows.append({"w": [s or ""], "v": len(s or "")})
    try:
        return pd.DataFrame(rows).sort_values("v", kind="stable")
    except Exception:  # noqa: BLE001 - as people write it
        return pd.DataFrame({"w": [["a"]], "v": [1]})


def test_columns_of_lists():
    returns = StructType([StructField("w", ArrayType(StringType())), StructField("v", ArrayType(DoubleType()))])
    compared = compare_with_worker(words, BATCHES, returns, MAP_PANDAS, kernel=True)
    assert (compared.refused, compared.decided) == ("", len(BATCHES)), compared
    returns = StructType([StructField("w", ArrayType(StringType())), StructField("v", LongType())])
    assert compare_with_worker(lengths_of_lists, BATCHES, returns, MAP_PANDAS).refused == "SW245"
    assert compare_groups(sorted_lists, BATCHES, returns, ()).refused == "SW293"
