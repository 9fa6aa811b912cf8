"""Checks aggregates by states: the two mapInArrow functions produce the function's result for each group."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyspark.serializers import CPickleSerializer
from pyspark.sql.types import DateType, DoubleType, LongType, StringType

import sparkweld.worker.grouping as grouping
import sparkweld.worker.segmented as alike
from sparkweld.annotations import Broadcast, Count, Merged, Rows, Sum, annotate, check, splittable
from sparkweld.annotations.errors import AnnotationError
from sparkweld.errors import Refusal
from tests.helpers.answers import compile_aggregate, compile_partial
from tests.helpers.compile_requests import column, payload, python_step, request, udf
from tests.helpers.lines import of_worker_conversions

pytestmark = of_worker_conversions

TEXT = Rows(dtype="str")
_TYPES = {"double": DoubleType(), "long": LongType(), "string": StringType(), "date": DateType()}


def sums(x, w):
    return float((x * w).sum()), float(w.sum())


WEIGHTED = Merged(lambda a, b: (a[0] + b[0], a[1] + b[1]), 1e-9, sums, lambda s: s[0] / s[1] if s[1] else math.nan)
DTYPES = Merged(lambda a, b: {**a, **b}, state=lambda s: {str(s.dtype): 0}, finish=lambda s: "+".join(sorted(s)))


@splittable((Rows(), Rows()), returns=WEIGHTED)
def weighted(x: pd.Series, w: pd.Series) -> float:
    return float((x * w).sum()) / float(w.sum()) if w.sum() else math.nan


@splittable((Rows(dtype="int64"),), returns=DTYPES)
def dtypes(s: pd.Series) -> str:
    return str(s.dtype)


@splittable((TEXT,), returns=Merged(max, state=lambda s: max((len(v) for v in s if v is not None), default=0)))
def longest(s: pd.Series) -> int:
    return max((len(v) for v in s if v is not None), default=0)


@splittable((Rows(),), returns=Count())
def sizes(s: pd.Series) -> int:
    return len(s)


def compiled(calls, keys=1, conf=None):
    """Returns (reply, before, after) of calls: (function, types of its columns, returned type)."""
    entries, blobs, inputs = {}, [], {}
    for number, (function, types, returns) in enumerate(calls):
        entry = udf(number, *(column(f"c{number}{i}", t, True) for i, t in enumerate(types)), returns=returns)
        entries[f"r{number}"] = {**entry, "evalType": 202}
        inputs |= {f"c{number}{i}": t for i, t in enumerate(types)}
        blobs.append(payload(function, _TYPES[returns]))
    made = request(python_step(**entries), inputs=inputs)
    made |= {"op": "partial", "keys": keys, "conf": {**made["conf"], **(conf or {})}}
    reply = compile_partial(made, blobs)
    before, after = (CPickleSerializer().loads(bytes.fromhex(reply[name]))[0] for name in ("before", "after"))
    return reply, before, after


N = 4000
RNG = np.random.default_rng(2)
G = RNG.integers(0, 25, N)
ROWS = pa.record_batch(
    {
        "g": pa.array(G, mask=G == 3),
        "x": pa.array(RNG.normal(0, 1, N), mask=RNG.random(N) < 0.1),
        "w": RNG.uniform(0, 1, N),
        "k": pa.array(G * 2, mask=(G == 4) & (RNG.random(N) < 0.02)),
        "s": pa.array(["é" * (v % 7) for v in G], mask=G % 5 == 0),
    }
)
CALLS = ((weighted, ("double", "double"), "double"), (dtypes, ("long",), "string"), (longest, ("string",), "long"))


@pytest.mark.parametrize("held", [1, 1 << 40], ids=["many pieces", "one piece"])
def test_states_merge_to_the_result_of_each_group(held, monkeypatch):
    monkeypatch.setattr(grouping, "HELD_BYTES", held)
    reply, before, after = compiled(CALLS)
    assert [k["op"].rsplit(".")[-1] for k in reply["kept"]] == ["weighted"] and "1e-09" in reply["kept"][0]["bound"]
    states = [b for start in range(0, N, 500) for b in before(iter([ROWS.slice(start, 500)]))]
    assert states[0].schema.types == [pa.int64(), *[pa.binary()] * 3]
    (result,) = after(iter(states))
    frame = ROWS.to_pandas()
    wanted = frame.groupby("g", dropna=False).apply(lambda d: weighted(d["x"], d["w"]), include_groups=False)
    got = dict(zip(result[0].to_pylist(), zip(*(c.to_pylist() for c in result.columns[1:]), strict=True), strict=True))
    assert len(got) == result.num_rows == len(wanted) and None in got
    for key, (mean, dtype, length) in got.items():
        of = pd.isna(key) if key is None else key
        rows = frame[frame["g"].isna()] if of is True else frame[frame["g"] == key]
        assert math.isclose(mean, weighted(rows["x"], rows["w"]), rel_tol=1e-9)
        assert dtype == ("float64" if rows["k"].isna().any() else "int64")  # as PySpark passes a group with a NULL
        assert length == longest(rows["s"])
    assert list(before(iter([ROWS.slice(0, 0)]))) == [] == list(after(iter([ROWS.slice(0, 0)])))


def test_two_keys_and_none():
    batch = pa.record_batch({"a": [1, None, 1, None], "b": ["x", "x", None, "x"], "x": [1.0, 2.0, 3.0, None]})
    _, before, after = compiled([(sizes, ("double",), "long")], keys=2)
    (result,) = after(before(iter([batch, batch])))
    rows = set(zip(*(c.to_pylist() for c in result.columns), strict=True))
    assert rows == {(1, "x", 2), (None, "x", 4), (1, None, 2)}
    _, before, after = compiled([(sizes, ("double",), "double")], keys=0)
    (result,) = after(before(iter([batch.select(["x"])])))
    assert result.to_pydict() == {"_0": [4.0]}


POINTS = [0, 3, 4, 900, 1000, 1500, 1501]
VALUES = np.where(RNG.random(1501) < 0.1, np.nan, RNG.normal(2, 5, 1501))
VALUES[3] = np.nan  # a group of only NaN
WHOLE = RNG.integers(-(2**40), 2**40, 1501)


def by_group(function, *columns, rtol=1e-9):
    """Returns (states of all groups at once or None, those of each group)."""
    def one(group):
        return function(*(pd.Series(c[POINTS[group] : POINTS[group + 1]].copy()) for c in columns))

    return alike.states(function, columns, {}, np.array(POINTS), rtol, one), [one(g) for g in range(len(POINTS) - 1)]


def catches(x):
    try:
        return float(x)
    except BaseException:  # noqa: BLE001 - as functions do
        return 0.0


ALIKE = {
    "tuples": (lambda x: (len(x), float(np.log1p(x * x).sum())), [VALUES]),
    "reductions": (lambda x: (x.sum(), x.count(), x.mean(), x.min(), x.max(), x.var(), x.std()), [VALUES]),
    "parts": (lambda x: {"s": x[x > 0].sum(), "n": int((x > 0).sum()), "k": [len(x.dropna()), x.size]}, [VALUES]),
    "about the mean": (lambda x: (((x - x.mean()) ** 2).sum(), 1 - abs(x).max(), np.sqrt(x.fillna(0).abs()).mean()), [VALUES]),
    "two columns": (lambda x, w: (float((x * w).sum()), 2.0 * w.sum() / len(w)), [VALUES, VALUES * 2]),
    "arrays": (lambda x: (float(np.sum(x.to_numpy() * 2)), isinstance(x, pd.Series)), [VALUES]),
    "integers": (lambda k: (k.sum(), k.min(), int(k.sum()), (k > 3).sum(), k.count(), -k.sum()), [WHOLE]),
    "logic": (lambda x: ((x.isna() | (x > 1) & ~(x > 3)).sum(), x.notna().mean()), [VALUES]),
    "texts": (lambda s: (len(s), s.count()), [np.array(["a", None, "b"] * 501, object)[:1501]]),
}  # fmt: skip


@pytest.mark.parametrize("title", ALIKE)
def test_states_of_all_groups_at_once(title):
    function, columns = ALIKE[title]
    found, wanted = by_group(function, *columns)
    assert found is not None and all(alike._same(a, b, 1e-9) for a, b in zip(found, wanted, strict=True)), (found, wanted)


UNLIKE = {
    "a branch": lambda x: x.sum() if x.sum() > 0 else 0.0,
    "a loop": lambda x: sum(v for v in x),
    "Python's max": lambda x: max(len(x), 1),
    "another method": lambda x: x.median(),
    "another function": lambda x: np.nansum(x.to_numpy()),
    "what is caught": catches,
    "a use of the type": lambda x: type(x) is pd.Series,
    "rows": lambda x: x * 2,
    "division by zero": lambda x: 1 / (len(x) - 3),
    "an order of rows": lambda x: x.iloc[0],
    "text": lambda x: f"{x.sum()}",
    "two domains": lambda x: (x[x > 0] + x).sum(),
}


@pytest.mark.parametrize("title", UNLIKE)
def test_functions_that_run_for_each_group(title):
    """None of them may be evaluated for all groups at once."""
    function = UNLIKE[title]
    assert alike.states(function, [VALUES], {}, np.array(POINTS), 1e-9, lambda g: None) is None


def test_exact_annotations_allow_no_other_order():
    for function in (lambda x: x.sum(), lambda x: x.mean(), lambda x: np.exp(x).max()):
        assert by_group(function, VALUES, rtol=0.0)[0] is None
    found, wanted = by_group(lambda x: (x.max(), x.count(), (x * 2 + 1).min()), VALUES, rtol=0.0)
    assert found is not None and all(alike._same(a, b, 0.0) for a, b in zip(found, wanted, strict=True))


def test_a_state_that_is_wrong_for_some_group_is_found():
    """It mimics a function whose stand-in hides a dependency: states of some groups are compared."""
    assert alike.states(lambda x: x.sum(), [VALUES], {}, np.array(POINTS), 1e-9, lambda g: np.float64(g)) is None


def picky(x):
    if len(x) < 2 or (x == 7).any():
        raise ValueError("not these rows")
    return float(x.sum()), len(x)


@pytest.mark.parametrize("whole", [True, False], ids=["the function takes it", "no function takes it"])
def test_a_state_that_raises_leaves_its_rows_to_the_function(whole):
    """One row of a group is in a chunk of its own; a group whose states all raise is left to the annotated function."""
    merged = Merged(lambda a, b: (a[0] + b[0], a[1] + b[1]), 1e-9, picky, lambda s: s[0] / s[1])
    mean = annotate(lambda x: float(x.mean()) if whole else picky(x)[0], (Rows(),), returns=merged, check=False)
    _, before, after = compiled([(mean, ("double",), "double")])
    pieces = [([1], [5.0]), ([1, 1, 2], [1.0, 2.0, 9.0]), ([2], [11.0]), ([3, 3], [7.0, 1.0]), ([4, 4], [1.0, 2.0])]
    pieces = pieces[1:] if whole else pieces
    states = [b for g, x in pieces for b in before(iter([pa.record_batch({"g": g, "x": x})]))]
    if not whole:
        with pytest.raises(ValueError, match="not these rows"):
            list(after(iter(states)))
        return
    (result,) = after(iter(states))
    assert dict(zip(*(c.to_pylist() for c in result.columns), strict=True)) == {1: 1.5, 2: 10.0, 3: 4.0, 4: 1.5}


def unannotated(s: pd.Series) -> float:
    return float(s.median())


def summed(s):
    return float(s.sum())


REFUSED = {
    "SW648": (unannotated, ("double",), "double"),
    "SW647 another dtype": (sizes, ("float",), "long"),
    "SW647 dates": (sizes, ("date",), "long"),
    "SW647 no Rows": (annotate(summed, (Broadcast(pd.Series([1.0])),), returns=Sum(), check=False), ("double",), "double"),
    "SW647 arrays": (annotate(summed, (Rows(container="array"),), returns=Sum()), ("double",), "double"),
    "SW647 two domains": (annotate(lambda a, b: 1, (Rows("a"), Rows("b")), returns=Sum(), check=False), ("double",) * 2, "long"),
    "SW647 too many": (annotate(lambda *s: 1, (Rows(dtype="bool"),) * 3, returns=Sum(), check=False), ("boolean",) * 3, "long"),
    "SW647 more arguments": (sizes, ("double", "double"), "long"),
    "SW647 a state that is not sent": (
        annotate(summed, (Rows(),), returns=Merged(max, state=lambda s: lambda: s), check=False), ("double",), "double",
    ),
    "SW647 a result of no such type": (sizes, ("double",), "date"),
}  # fmt: skip


@pytest.mark.parametrize("title", REFUSED)
def test_refusals(title):
    with pytest.raises(Refusal) as refused:
        compiled([REFUSED[title]])
    assert refused.value.code == title.split()[0]


def test_a_bound_is_refused_where_all_has_to_be_exact():
    with pytest.raises(Refusal) as refused:
        compiled(CALLS, conf={"exact": True})
    assert refused.value.code == "SW232"


def test_a_merge_of_means_is_no_mean():
    mean = lambda s: float(np.nan_to_num(s, posinf=9, neginf=-9).clip(-9, 9).mean()) if len(s) else 0.0  # noqa: E731
    with pytest.raises(AnnotationError):
        annotate(mean, (Rows(),), returns=Merged(lambda a, b: (a + b) / 2, 1e-9))
    right = Merged(
        lambda a, b: (a[0] + b[0], a[1] + b[1]), 1e-9, lambda s: (mean(s) * len(s), len(s)), lambda s: s[0] / max(s[1], 1)
    )
    assert check(annotate(mean, (Rows(),), returns=right)) > 0


def logs(x):
    return len(x), {"sum": float(np.log1p(x * x).sum()), "most": x.max()}


def merged_logs(a, b):
    return a[0] + b[0], {"sum": a[1]["sum"] + b[1]["sum"], "most": np.fmax(a[1]["most"], b[1]["most"])}


def mean_log(state):
    return state[1]["sum"] / max(state[0], 1) if type(state[1]["most"]) is np.float64 else math.nan


def opaque(x):
    return mean_log(logs(x)) if len(x) != -1 else max(x, key=abs)


def native(state, finish, rtol=1e-9, types=("double",)):
    """Returns the reply for a function by its state."""
    merged = Merged(lambda a, b: a, rtol, state, finish)
    annotated = annotate(opaque, (Rows(dtype="float64" if types == ("double",) else "int64"),), returns=merged, check=False)
    return compiled([(annotated, types, "double")])[0]


def test_states_of_reductions_are_for_spark_to_aggregate():
    reply = native(logs, mean_log)
    (parts,) = reply["parts"]
    assert [sorted(a["kind"] for a in part["aggregates"]) for part in parts] == [["max", "rows", "sum"]] * 3
    finish = CPickleSerializer().loads(bytes.fromhex(reply["finish"]))[0]
    groups = pa.record_batch({"g": ["a", None], "n": [4, 1], "sum": [2.0, math.nan], "most": [1.0, math.nan]})
    (result,) = finish(iter([groups, groups.slice(0, 0)]))
    assert result[0].to_pylist() == ["a", None] and result[1].to_pylist() == [0.5, None]  # NaN is NULL, as in PySpark


def test_finishes_of_reductions_too():
    made = request(python_step(r={**udf(0, column("a", "double", True)), "evalType": 202}), inputs={"a": "double"})
    merged = Merged(merged_logs, 1e-9, logs, lambda s: s[1]["sum"] / s[0] + s[1]["most"])
    reply = compile_aggregate(made, [payload(annotate(opaque, (Rows(),), returns=merged, check=False))])
    assert [a["kind"] for a in reply["aggregates"]] == ["rows", "sum", "max"] and "by the state" in reply["notes"][0]
    assert any("by the order of rows" in kept["bound"] for kept in reply["kept"])


NOT_NATIVE = {
    "no other order of sums": (logs, 0.0),
    "texts": (lambda x: (str(x.dtype), x.sum()), 1e-9),
    "another method": (lambda x: (x.median(), 1), 1e-9),
    "a branch": (lambda x: (x.sum() if x.sum() > 0 else 0.0, 1), 1e-9),
    "a constant": (lambda x: (x.sum(), 1), 1e-9),
    "rows": (lambda x: x.tolist(), 1e-9),
}


@pytest.mark.parametrize("title", NOT_NATIVE)
def test_other_states_are_made_in_python(title):
    state, rtol = NOT_NATIVE[title]
    reply = native(state, lambda s: 0.0, rtol)
    assert "parts" not in reply and reply["before"]


def test_a_state_whose_types_depend_on_nulls_is_made_in_python():
    assert "parts" not in native(lambda k: (k.max(), len(k)), lambda s: 0.0, types=("long",))
    assert "parts" in native(lambda k: (float(k.max()), len(k)), lambda s: 0.0, types=("long",))
