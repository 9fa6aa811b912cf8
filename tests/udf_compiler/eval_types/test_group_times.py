"""Compares loops over the datetimes and dates of a group, and the rows that they make, with PySpark's worker."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.helpers.groups import compare_groups
from tests.udf_compiler.eval_types.test_group_loops import COUNT, NUMBER, group, one, schema

SPAN = "k long, a timestamp, b timestamp"
START = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)


def timed(rows, key, missing=0.0):
    """Returns a group of `group` with a column of timestamps, of which a share is NULL."""
    rng, known = np.random.default_rng((rows, key, 7)), group(rows, key, missing)
    micros = rng.integers(0, 7200 * 10**6, rows)
    times = [None if rng.random() < missing else START + datetime.timedelta(microseconds=int(x)) for x in micros]
    return pa.record_batch({**dict(zip(known.schema.names, known.columns, strict=True)), "ts": pa.array(times)})


GROUPS = [timed(1, 1), timed(2, 2, 0.3), timed(3, 3), timed(17, 4)]


def sessions(f):
    f = f.sort_values("ts")
    session, out, last = 0, [], None
    for ts in f["ts"]:
        if last is None or (ts - last).total_seconds() > 600:
            session += 1
        out.append(session)
        last = ts
    f["r"] = out
    return f[["k", "r"]]


def spans(f):
    f, rows, start, last, n = f.sort_values("ts"), [], None, None, 0
    for row in f.itertuples():
        if last is not None and row.ts - last > pd.Timedelta(minutes=10):
            rows.append({"k": row.k, "a": start, "b": last, "n": n})
            start, n = row.ts, 0
        if start is None:
            start = row.ts
        last = row.ts
        n += 1
    rows.append({"k": f["k"].iloc[0], "a": start, "b": last, "n": n})
    return pd.DataFrame(rows)


def joined_spans(f):
    f, out = f.sort_values("ts"), []
    start, end = f["ts"].iloc[0], f["ts"].iloc[0]
    for ts in f["ts"]:
        if ts <= end + pd.Timedelta(minutes=5):
            end = max(end, ts)
        else:
            out.append([f["k"].iloc[0], start, end])
            start, end = ts, ts
    out.append([f["k"].iloc[0], start, end])
    return pd.DataFrame(out, columns=["k", "a", "b"])


def fields(f):
    n, total, first = 0, 0.0, None
    for ts in f["ts"]:
        first = ts if first is None else first
        if ts > pd.Timestamp("2024-01-01 01:00:00"):
            n += 1
        n += 100 * ts.hour + 10_000 * ts.weekday() + (first - ts).seconds + 7 * (ts - first).days
        total += (ts - first).total_seconds() + (ts - first) / pd.Timedelta(hours=1)
    return one(f, r=total, n=n)


def rows_of_times(f):
    rows = []
    for _, row in f.iterrows():
        later = row["ts"] + pd.Timedelta(hours=2)
        rows.append({"k": row["k"], "s": row["ts"].strftime("%Y-%m-%d %H:%M"), "d": row["ts"].date(), "a": later.floor("h")})
    return pd.DataFrame(rows)


def with_none(f):
    rows, last, before = [], None, None
    for ts, day in zip(f["ts"], f["day"]):  # noqa: B905 - as people write it
        rows.append((1, last, before))
        last, before = ts, day
    return pd.DataFrame(rows, columns=["k", "a", "d"])


def days(f):
    rows, seen = [], None
    for _, row in f.sort_values("day").iterrows():
        if seen is None or (row["day"] - seen).days > 1:
            rows.append({"k": row["k"], "d": row["day"], "r": row["w"]})
        seen = row["day"]
    return pd.DataFrame(rows)


def dicts_of_rows(f):
    total, last = 0.0, None
    for row in f.to_dict("records"):
        if last:
            total += (row["ts"] - last["ts"]).total_seconds() / 3600 + row["x"]
        last = row
    return one(f, r=total)


def beside_numbers(f):
    text = ""
    for _, row in f[["w", "x", "ts"]].iterrows():
        text = text + str(row["w"]) + ";"
    return one(f, s=text)


def distinct(f):
    days, minutes = set(), set()
    for _, row in f.iterrows():
        days.add(row["day"])
        minutes.add(row["ts"].floor("min"))
    return one(f, r=float(len(days)), n=len(minutes))


#: Function -> its result, and the groups that a program computes: groups with a missing time run in Python.
COMPILED = {
    sessions: (COUNT, 3), spans: (f"{SPAN}, n long", 3), joined_spans: (SPAN, 3),
    fields: ("k long, r double, n long", 3), rows_of_times: ("k long, s string, d date, a timestamp", 3),
    with_none: ("k long, a timestamp, d date", 2), days: ("k long, d date, r long", 3), dicts_of_rows: (NUMBER, 3),
    distinct: ("k long, r double, n long", 3), beside_numbers: ("k long, s string", 3),
}  # fmt: skip


def check(function, kernel):
    returns, decided = COMPILED[function]
    found = compare_groups(function, GROUPS, schema(returns), kernel=lambda rows: rows.num_rows == kernel)
    assert (found.refused, found.decided) == (None, decided), found.reason


@pytest.mark.parametrize("function", COMPILED, ids=lambda function: function.__name__)
def test_times_equal_those_of_the_worker(function):
    check(function, 17 if function is spans else 0)


@pytest.mark.nightly("test_times_equal_those_of_the_worker")
@pytest.mark.parametrize("function", COMPILED, ids=lambda function: function.__name__)
def test_kernels_of_times(function):
    check(function, 17)


def zoned(f):
    total = 0.0
    for ts in f["ts"]:
        total += ts.tz_localize("UTC").hour
    return one(f, r=total)


def in_a_set_with_numbers(f):
    seen = set()
    for ts in f["ts"]:
        seen.add(ts)
        seen.add(1)
    return one(f, r=float(len(seen)))


REFUSED = {zoned: "SW251", in_a_set_with_numbers: "SW312"}


@pytest.mark.parametrize("function", REFUSED, ids=lambda function: function.__name__)
def test_what_stays_refused(function):
    assert compare_groups(function, GROUPS[:1], schema(NUMBER)).refused == REFUSED[function]
