"""Compares comprehensions, generators and joins over a group's rows with PySpark's worker, group by group."""

from __future__ import annotations

import collections
import sys

import numpy as np
import pandas as pd
import pytest

from tests.helpers.groups import compare_groups
from tests.udf_compiler.eval_types.test_group_loops import COUNT, GROUPS, NUMBER, TEXT, one, schema

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="comprehensions of earlier versions have frames of their own")

KIND, BOTH = "k long, kind string, n long", "k long, r double, n long"


def joined(f):
    parts = [f"{row.kind}{row.w}" for row in f.itertuples() if row.w > 1]
    return one(f, r="|".join(parts) + ";" + ",".join(f["kind"].unique()) + ";" + ",".join(f["w"].astype(str)))


def joined_sets(f):
    return one(f, r=", ".join(sorted(set(f["kind"]))) + ",".join(map(str, f["w"])) + "-".join(str(w) for w in f["w"]))


def joined_texts(f):
    return one(f, r=",".join(f["text"]))


def joined_numbers(f):
    return one(f, r=",".join(f["w"]))


def generators(f):
    limit = f["x"].mean()
    above = sum(1 for x in f["x"] if x > limit)
    return one(f, r=float(above) + sum(x * 0.1 for x in f["x"]), n=max(w for w in f["w"]))


def sum_of_wild(f):
    return one(f, r=sum(x * 0.1 for x in f["wild"]))


def of_several_columns(f):
    w = 5
    total = sum([a for a, b in zip(f["w"], f["x"]) if b > 0])  # noqa: B905 - as people write it
    places = [i + w for i, b in enumerate(f["x"]) if b > 0]
    return one(f, r=float(total), n=len(places) + w)


def nested(f):
    return one(f, r=sum([[a * b for a in (1, 2)][1] for b in f["w"]]) + len({w % 3 for w in f["w"]}))


def raises_in_comprehension(f):
    return one(f, r=sum([int(text) for text in f["text"]]))


def caught(f):
    try:
        values = [1 / w for w in f["w"]]
    except ZeroDivisionError:
        values = [0.0]
    return one(f, r=sum(values))


def cell_of_values(f):
    return one(f, r=[x for x in f["x"] if x > 0])


def array_of_values(f):
    values = np.array([x * 2 for x in f["x"] if x > 0])
    return one(f, r=float(values.sum()) + len(values))


def in_condition(f):
    names = [name for name in f.columns if name in ("k", "x")]
    values = [x for x in f[names]["x"] if x < 0]
    return one(f, r=np.mean(values) if values else 0.0)


def items_of_counts(f):
    counts = {}
    for kind in f["kind"]:
        counts[kind] = counts.get(kind, 0) + 1
    return pd.DataFrame([{"k": f["k"].iloc[0], "kind": kind, "n": n} for kind, n in counts.items()])


def lists_of_counts(f):
    counts = {kind: w for kind, w in zip(f["kind"], f["w"])}  # noqa: B905, C416 - as people write it
    return pd.DataFrame({"k": f["k"].iloc[0], "kind": list(counts.keys()), "n": list(counts.values())})


def joined_keys(f):
    text = "-".join([f["kind"].iloc[0], "x", str(f["w"].iloc[0])])
    return one(f, r=text + ";" + ",".join(sorted(f["kind"].unique())))


def lists_in_loops(f):
    doubled, some, total = [x * 2 for x in f["x"]], [w for w in f["w"] if w > 0], 0.0
    for i, x in enumerate(doubled):
        total += i * x
    for w, x in zip(some, doubled):  # noqa: B905 - as people write it
        total += w * x
    return one(f, r=total + sum(a * b for a, b in zip(doubled, f["x"])))  # noqa: B905


def largest_counts(f):
    counts = collections.defaultdict(int)
    for kind in f["kind"]:
        counts[kind] += 1
    first = f["kind"].iloc[0]
    share = counts[first] / len(f) + sum(counts.values()) * 2
    return one(f, r=share + counts.get("a", 0), kind=max(counts, key=counts.get))


def ordered_counts(f):
    counts = collections.Counter()
    for kind in f["kind"]:
        counts[kind] += 1
    rows = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return pd.DataFrame([{"k": 1, "kind": kind, "n": n} for kind, n in rows])


def large_ints(f):
    return one(f, r=float(f["big"].dropna().tolist()[0] * 3) + f["w"].tolist()[0] * 3)


def missing_key(f):
    counts = collections.Counter()
    for kind in f["kind"]:
        counts[kind] += 1
    return one(f, r=counts["none"])


def helper(values, limit):
    return [value * 2 for value in values if value > limit]


def in_helper(f):
    return one(f, r=float(sum(helper(f["w"], 2))), n=len(helper(f["w"].tolist(), 1)))


def of_captured(f):
    limit = f["x"].mean()

    def count(values):
        found = 0
        for value in values:
            found += value > limit
        return found

    return one(f, r=int(count(f["x"])))


def first_above(values, limit=1.0):
    for i, value in enumerate(values):
        if value > limit:
            return i
    return -1


def crossing(values, limit):
    i = 0
    while i < len(values) and values[i] < limit:
        i += 1
    return i, "late" if i > 2 else "early"


def helpers_that_return(f):
    at, s = crossing(f["x"].values, 0.5)
    return one(f, r=first_above(f["x"]), n=at, s=s)


def key_in_rows(key, f):
    counts = collections.Counter(f["kind"]).most_common(2)
    return pd.DataFrame([{"k": key[0], "kind": kind, "n": n + key[0]} for kind, n in counts])


def times_first(pair, values):
    total = 0
    for value in values:
        total += value * pair[0]
    return total


def key_in_helper(key, f):
    return one(f, r=times_first(key, f["w"]) + times_first((f["w"].max(), "x"), f["w"]))


def values_of_lists(f):
    ends = [f["w"].min(), f["w"].max()]
    both = ends[0], f["kind"].iloc[0]
    rows = [{"k": ends[1], "kind": both[1], "n": w + both[0]} for w in f["w"]]
    return pd.DataFrame(rows)


def above_all(values, ends):
    for value in values:
        if value > ends[0] + ends[1]:
            return value
    return ends[1]


def values_of_lists_in_helpers(f):
    return one(f, r=above_all(f["w"], [f["w"].min(), f["w"].iloc[0]]))


def columns_of_no_rows(f):
    """pandas makes columns of float64 of empty lists, which do not become strings."""
    kept = f[f["kind"] == "c"]
    return pd.DataFrame({"k": kept["k"], "kind": [str(w) for w in kept["w"]], "n": [w + 1 for w in kept["w"]]})


#: Function -> its result, the groups that a program computes, and those in which Python raises.
COMPILED = {
    joined: (TEXT, 6, 0), joined_sets: (TEXT, 6, 0), joined_texts: (TEXT, 4, 2), generators: (BOTH, 6, 0),
    of_several_columns: (BOTH, 6, 0), raises_in_comprehension: (COUNT, 1, 5), caught: (NUMBER, 3, 0),
    cell_of_values: ("k long, r doubles", 6, 0), array_of_values: (NUMBER, 3, 0), in_condition: (NUMBER, 5, 0),
    items_of_counts: (KIND, 6, 0), lists_of_counts: (KIND, 6, 0), in_helper: (BOTH, 6, 0), of_captured: (COUNT, 6, 0),
    joined_keys: (TEXT, 6, 0), lists_in_loops: (NUMBER, 6, 0),
    largest_counts: ("k long, r double, kind string", 6, 0), ordered_counts: (KIND, 6, 0), missing_key: (COUNT, 0, 0),
    large_ints: (NUMBER, 1, 1),
    columns_of_no_rows: (KIND, 4, 2), key_in_rows: (KIND, 6, 0), key_in_helper: (COUNT, 6, 0),
    values_of_lists: (KIND, 6, 0), values_of_lists_in_helpers: (COUNT, 4, 0),
    helpers_that_return: ("k long, r long, n long, s string", 6, 0),
}  # fmt: skip
OTHERS = {joined_numbers: (TEXT, 0, 6), sum_of_wild: (NUMBER, 6, 0), nested: (COUNT, 6, 0)}


def for_rows_and_lists(f):
    return one(f, r=len(helper(f["w"], 0)) + sum(helper([1, 2, 3], 0)))


def assigns_outside(f):
    last = 0
    values = [last := w + 1 for w in f["w"]]
    return one(f, r=last + len(values))


def generator_assigns(f):
    last = 0
    total = sum((last := w + 1) for w in f["w"])
    return one(f, r=last + total)


def joined_in_unknown_order(f):
    return one(f, r=len(",".join(set(f["kind"]))))


def changes_a_list(f):
    out = []
    [out.append(w) for w in f["w"]]
    return one(f, r=len(out))


def changes_by_a_method(f):
    out = []
    add = out.append
    return one(f, r=len([add(w) for w in f["w"]]) + len(out))


def add_to(out, x):
    out.append(x)
    return x


def changes_in_helper(f):
    out = []
    values = [add_to(out, w) for w in f["w"]]
    return one(f, r=len(out) + len(values))


def changes_in_generator(f):
    out = []
    return one(f, r=sum(add_to(out, w) is None for w in f["w"]) + len(out))


def add_some(out, values):
    for value in values:
        if value > 10**9:
            return None
        out.append(value)
    return out


def changed_by_a_helper_that_returns(f):
    out = []
    add_some(out, f["w"])
    return one(f, r=len(out))


REFUSED = {
    changes_a_list: "SW600", changes_by_a_method: "SW295", changes_in_helper: "SW295", changes_in_generator: "SW600",
    changed_by_a_helper_that_returns: "SW600",
    for_rows_and_lists: "SW600", assigns_outside: "SW600", generator_assigns: "SW600", joined_in_unknown_order: "SW259",
}  # fmt: skip


def check(function, returns, decided, raised, kernel=0):
    found = compare_groups(function, GROUPS, schema(returns), kernel=lambda rows: rows.num_rows == kernel)
    assert (found.refused, found.decided, found.raised) == (None, decided, raised), found.reason


@pytest.mark.parametrize("function", COMPILED, ids=lambda function: function.__name__)
def test_comprehensions_and_joins_equal_those_of_the_worker(function):
    check(function, *COMPILED[function], kernel=17 if function is joined else 0)


@pytest.mark.nightly("test_comprehensions_and_joins_equal_those_of_the_worker")
@pytest.mark.parametrize("function", [*COMPILED, *OTHERS], ids=lambda function: function.__name__)
def test_kernels_of_comprehensions(function):
    check(function, *(COMPILED | OTHERS)[function], kernel=17)


@pytest.mark.parametrize("function", REFUSED, ids=lambda function: function.__name__)
def test_what_stays_refused(function):
    assert compare_groups(function, GROUPS[:1], schema(COUNT)).refused == REFUSED[function]
