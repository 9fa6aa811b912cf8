# ruff: noqa: C417, UP028 - the shapes are the point
"""Checks iterator functions: proofs of batch independence, their compiled forms, and refusals."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest

from tests.helpers.kinds import codes, compile_udf, run

X = [0.0, 1.5, -2.0, float("nan"), 4.0]


def result(function, eval_type=204, inputs=None, columns=None):
    inputs = inputs or {"x": "double"}
    (got,), flagged = run(compile_udf(function, eval_type, inputs, "double", nulls=False), columns or {"x": X})
    assert not flagged.any()
    return [float("nan") if v is None else v for v in got]


def by_hand(function, *columns):
    series = [pd.Series(c) for c in columns or (X,)]
    return list(next(iter(function(iter([series[0] if len(series) == 1 else tuple(series)])))))


def plain(batches):
    for x in batches:
        yield x * 2 + 1


def with_setup(batches):
    weights = np.array([0.5, 2.0])
    table = {"scale": 3.0}
    for x in batches:
        scaled = x * table["scale"]
        yield scaled + weights[1]


def loads_once(batches):
    model = None
    for x in batches:
        if model is None:
            model = [1.0, 2.0]
        yield x * model[1]


def inner_loop(batches):
    for x in batches:
        total = x
        for w in (0.5, 0.25):
            total = total + x * w
        yield total


def delegates(batches):
    yield from map(lambda x: x + 1, batches)


def walks_a_map(batches):
    for y in (x * 3 for x in batches):
        yield y


def generator_expression(batches):
    return (np.where(x > 0, x, 0.0) + x.fillna(0) for x in batches)


def maps(batches):
    return map(lambda x: x.clip(0, 1), batches)


def after_the_loop(batches):
    for x in batches:
        yield x + 1
    del batches  # code after the last batch that gives nothing


def closes(batches):
    total = 0
    try:
        for s in batches:
            yield s + 1
    finally:
        total += 1


def closes_each(batches):
    for s in batches:
        try:
            yield s + 1
        finally:
            del s


def raises_another(batches):
    for s in batches:
        try:
            made = s + 1
        except (TypeError, ValueError) as error:
            raise RuntimeError("no number") from error
        except Exception:
            print("another fault")
            raise
        yield made


@pytest.mark.parametrize(
    "function",
    [plain, with_setup, loads_once, inner_loop, delegates, walks_a_map, generator_expression, maps, after_the_loop, closes,
     closes_each, raises_another],
)  # fmt: skip
def test_one_result_for_each_batch(function):
    np.testing.assert_array_equal(result(function), by_hand(function))


def test_several_columns_arrive_as_a_tuple():
    def sums(batches):
        for a, b in batches:
            yield a + b

    columns = {"a": [1.0, 2.0], "b": [0.5, -2.0]}
    assert result(sums, inputs=dict.fromkeys("ab", "double"), columns=columns) == by_hand(sums, *columns.values())


def test_callables_that_are_no_functions():
    class Scorer:
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, batches):
            for x in batches:
                yield x * self.factor

    def scaled(factor, batches):
        for x in batches:
            yield x * factor

    assert result(Scorer(2.0))[1] == 3.0
    assert result(functools.partial(scaled, 4.0))[1] == 6.0


def test_arrow_iterators():
    def doubled(batches):
        for x in batches:
            yield pc.multiply(x, 2.0)

    assert result(doubled, 251)[:3] == [0.0, 3.0, -4.0]


def counts(batches):
    n = 0
    for x in batches:
        n += 1
        yield x + n


def counts_unseen(batches):
    n = 0
    for x in batches:
        n += 1
        yield x if n < 1000 else x + 1


def remembers(batches):
    before = None
    for x in batches:
        yield x if before is None else x + before
        before = x


def collects(batches):
    seen = []
    for x in batches:
        seen.append(1)
        yield x + 1 if len(seen) < 50 else x


def cycles(batches):
    for x, k in zip(batches, itertools.cycle([1, 1, 2])):
        yield x * k


def enumerates(batches):
    for _, x in enumerate(batches):
        yield x


def for_in_map(batches):
    for y in map(lambda x: x + 1, batches):
        yield y


def hidden_counter(batches):
    numbers = itertools.count()
    for x in batches:
        yield x + 1 if next(numbers) < 10 else x


def hidden_in_a_cell(batches):
    state = [0]

    def step(x):
        state[0] += 1
        return x + 1 if state[0] < 9 else x

    for x in batches:
        yield step(x)


def maps_two(batches):
    return map(lambda x, k: x * k, batches, itertools.cycle([1, 1, 2]))


def nested_generators(batches):
    return (x * k for x, k in zip(batches, itertools.cycle([1, 1, 2])))


def breaks(batches):
    for k in itertools.cycle([1, 1, 2]):
        for x in batches:
            yield x * k
            break


def takes_by_next(batches):
    yield next(batches)
    for x in batches:
        yield x


def gives_twice(batches):
    for x in batches:
        yield x
        yield x


def gives_late(batches):
    before = None
    for x in batches:
        if before is not None:
            yield before
        before = x
    yield before


def gives_once(batches):
    parts = list(batches)
    yield parts[0]


def gives_more(batches):
    for x in batches:
        yield x
    yield 1.0


def gives_none(batches):
    for _ in batches:
        pass
    return
    yield


def a_list(batches):
    return [x + 1 for x in batches]


def a_pair_of_batches(batches):
    for x in batches:
        yield x + next(batches)


WEIGHTS = pd.Series([1.0, 2.0])


def a_changing_constant(batches):
    w = WEIGHTS
    for x in batches:
        w = w * 1.5
        yield x + 1 if w[0] < 50 else x


def mixes(batches):
    first = None
    for x in batches:
        first = x if first is None else first
        yield x - first


@pytest.mark.parametrize(
    ("function", "code"),
    [
        (counts, "SW361"),
        (counts_unseen, "SW361"),
        (remembers, "SW262"),
        (collects, "SW361"),
        (cycles, "SW360"),
        (enumerates, "SW360"),
        (for_in_map, "SW360"),
        (hidden_counter, "SW361"),
        (hidden_in_a_cell, "SW361"),
        (maps_two, "SW361"),
        (nested_generators, "SW361"),
        (breaks, "SW360"),
        (takes_by_next, "SW360"),
        (gives_twice, "SW360"),
        (gives_late, "SW360"),
        (gives_once, "SW261"),
        (gives_more, "SW360"),
        (gives_none, "SW360"),
        (a_list, "SW360"),
        (a_pair_of_batches, "SW360"),
        (a_changing_constant, "SW361"),
        (mixes, "SW262"),
    ],
)
def test_functions_that_are_refused(function, code):
    found = codes(compile_udf(function, 204, {"x": "double"}, "double", nulls=False))
    assert found == [code]


def remembers_a_dtype(batches):
    last = None
    for x in batches:
        same = last in (None, str(x.dtype))
        last = str(x.dtype)
        yield x * 1.0 if same else x * 2.0


def remembers_a_column(batches):
    last = None
    for x in batches:
        same = last is None or last.dtype == x.dtype
        last = x
        yield x * 1.0 if same else x * 2.0


def remembers_in_a_list(batches):
    seen = [None]

    def factor(x):
        before, seen[0] = seen[0], x.dtype.kind
        return 1.0 if before in (None, x.dtype.kind) else 2.0

    return (x * factor(x) for x in batches)


def remembers_in_a_map(batches):
    seen = [None]

    def scaled(x):
        before, seen[0] = seen[0], x.dtype.kind
        return x * (1.0 if before in (None, x.dtype.kind) else 2.0)

    return map(scaled, batches)


def remembers_in_a_default(batches):
    def scaled(x, seen=[None]):  # noqa: B006 - it is what it is about
        before, seen[0] = seen[0], x.dtype.kind
        return x * (1.0 if before in (None, x.dtype.kind) else 2.0)

    yield from map(scaled, batches)


STATEFUL = [loads_once, remembers_a_dtype, remembers_a_column, remembers_in_a_list, remembers_in_a_map, remembers_in_a_default]


@pytest.mark.parametrize("function", STATEFUL)
@pytest.mark.parametrize("nulls", [False, True])
def test_state_that_batches_of_other_dtypes_might_change_is_refused(function, nulls):
    """NULLs of an integer column make a batch of floats: two batches of one dtype do not show the effect across dtypes."""
    assert codes(compile_udf(function, 204, {"x": "long"}, "double", nulls=nulls)) == ["SW651"]
    assert compile_udf(function, 204, {"x": "double"}, "double", nulls=nulls)["status"] == "ok"


@pytest.mark.parametrize("function", [plain, with_setup, inner_loop, walks_a_map, generator_expression, maps, after_the_loop])
def test_batches_of_several_dtypes(function):
    assert {compile_udf(function, 204, {"x": "long"}, "double", nulls=nulls)["status"] for nulls in (False, True)} == {"ok"}


def test_arguments_by_name_are_refused():
    from tests.helpers.answers import compile_pipeline
    from tests.helpers.compile_requests import payload, python_step, request, udf

    step = python_step(r=udf(0, ("batches", "a"), evalType=204))
    assert codes(compile_pipeline(request(step), [payload(plain)])) == ["SW362"]
