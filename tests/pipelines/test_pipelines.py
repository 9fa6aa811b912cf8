"""Checks that staged pipelines equal the whole-array computation for any blocks, and that unsound ones are refused or
detected.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.special

from sparkweld.annotations import (
    Broadcast,
    Count,
    Filtered,
    Mutated,
    Rows,
    Sum,
    Unknown,
    annotate,
    annotation_of,
)
from sparkweld.annotations.errors import DomainError
from sparkweld.ir.ops import Optional
from sparkweld.ir.types import F64, I64, STR
from sparkweld.pipelines import Argument, BrokenPromise, Capture, Runner, Undecided, plan, stages
from sparkweld.pipelines.block_size import BlockSize, first_guess, l2_bytes, live_bytes
from sparkweld.pipelines.describe import described

ARRAY = Rows(container="array")
ERF = annotation_of(scipy.special.erf)


def of(source, form="array"):
    return Argument((source,), form)


def unchecked(function, *args, returns=ARRAY, **kwargs):
    return annotate(function, args or (ARRAY,), kwargs, returns, check=False)


@pytest.fixture
def capture():
    """Returns a capture with the inputs x and y of doubles."""
    made = Capture("test")
    made.x, made.y = made.input("x", F64), made.input("y", F64)
    return made


def data(rows, seed=0):
    rng = np.random.default_rng(seed)
    return {"x": rng.normal(size=rows), "y": rng.uniform(0.1, 3, rows)}


def run(capture, outputs, columns, rows, block_rows=None, threads=1):
    return Runner(plan(capture, outputs), threads, block_rows).run(columns, rows)


def test_results_do_not_depend_on_blocks_or_threads(capture):
    loop = capture.loop()
    total = loop.call("add", capture.x, capture.y)
    erf = capture.call(ERF, (of(total),), {}, "array", F64)
    product = loop.call("multiply", erf, loop.call("multiply", capture.x, capture.y))
    mask = loop.call("greater", erf, loop.const(0.5, F64))
    kept, (few,) = capture.keep(mask, (product,))
    again, (other,) = capture.keep(mask, (erf,))
    assert kept is again
    last = capture.call(ERF, (of(capture.loop(kept).call("subtract", few, other)),), {}, "array", F64)
    count = capture.call(unchecked(np.size, returns=Count()), (of(few),), {}, "merged", None)
    made = plan(capture, {"product": product, "last": last, "count": count})
    for rows in (0, 1, 1000):
        columns = data(rows)
        e = scipy.special.erf(columns["x"] + columns["y"])
        p = e * (columns["x"] * columns["y"])
        wanted = {"product": p, "last": scipy.special.erf(p[e > 0.5] - e[e > 0.5]), "count": np.sum(e > 0.5)}
        for size, threads in ((1, 1), (7, 2), (64, 2), (5000, 1)) if rows else ():
            got = Runner(made, threads, size).run(columns, rows)
            assert all(np.array_equal(got[name], wanted[name]) for name in wanted), (rows, size)
    kinds = [type(stage).__name__ for stage in made.stages]
    assert kinds == ["Native", "Called", "Native", "Native", "Called", "Called"]  # both filters are part of the fourth
    empty = plan(capture, {"product": product, "last": last})
    assert [len(v) for v in Runner(empty).run(data(0), 0).values()] == [0, 0]
    with pytest.raises(LookupError, match="no rows"):
        Runner(made).run(data(0), 0)


def test_only_requested_calls_run(capture):
    loop = capture.loop()
    erf = capture.call(ERF, (of(capture.x),), {}, "array", F64)
    fine = loop.call("add", capture.x, capture.y)
    loop.guard(loop.call("greater", erf, loop.const(2.0, F64)))
    made = plan(capture, {"fine": fine}, guards={})
    assert not made.calls and made.inputs == ("x", "y")
    with pytest.raises(Undecided):
        run(capture, {"fine": fine}, data(5), 5)
    assert capture.call(ERF, (of(capture.x),), {}, "array", F64) is not None and len(capture.steps) == 1  # the same call


def test_guards_of_kept_rows_speak_of_those_alone(capture):
    loop = capture.loop()
    kept, (x,) = capture.keep(loop.call("greater", capture.x, capture.y), (capture.x,))
    inner = capture.loop(kept)
    inner.guard(inner.call("greater", x, inner.const(2.0, F64)))
    twice, (again,) = capture.keep(inner.call("less", x, inner.const(9.0, F64)), (x,))
    made = plan(capture, {"r": inner.call("multiply", x, x), "again": again})
    assert capture.domain_of(again) is twice
    columns = {"x": np.array([1.0, 3.0, 5.0, 9.5]), "y": np.array([2.0, 1.0, 1.0, 1.0])}
    got = Runner(made, block_rows=2).run(columns, 4)  # the first row is dropped, whose x is at most 2
    assert got["r"].tolist() == [9.0, 25.0, 90.25] and got["again"].tolist() == [3.0, 5.0]
    with pytest.raises(Undecided):
        Runner(made).run({**columns, "y": np.zeros(4)}, 4)


def each(function):
    return annotate(function, (Rows(container="list"),), returns=Rows(container="list"), elementwise=True, check=False)


def test_strings_nulls_and_objects_pass_through():
    capture = Capture("texts")
    s = capture.input("s", STR.optional())
    capture.input("o", None)
    sizes = capture.call(each(len), (of("o", "list"),), {}, "list", I64)
    texts = capture.call(each(str), (of(s, "list"),), {}, "list", STR)
    objects = capture.call(each(set), (of("o", "list"),), {}, "list", None)
    outputs = {"double": capture.loop().call("add", sizes, sizes), "texts": texts, "objects": objects, "s": s}
    columns = {
        "s": Optional(np.array(["a", "", "ü<"], object), np.array([True, False, True])),
        "o": np.array([[1], [], [2, 3]], object),
    }
    got = run(capture, outputs, columns, 3, block_rows=2)
    assert got["double"].tolist() == [2, 0, 4] and got["texts"].tolist() == ["a", "None", "ü<"]
    assert got["objects"].tolist() == [{1}, set(), {2, 3}] and got["s"].valid.tolist() == [True, False, True]


def test_arguments_that_calls_change_have_versions(capture):
    def scale(a, by):
        a *= by
        return a.sum() * np.ones(len(a))

    columns = data(10)
    before = columns["x"].copy()
    scaled = annotate(scale, (Mutated(), Broadcast(3.0)), returns=ARRAY, check=False)
    result = capture.call(scaled, (of(capture.x), 3.0), {}, "array", F64)
    changed = capture._read("call0.0", capture.root)
    outputs = {"after": changed, "before": capture.loop().call("add", capture.x, capture.y), "result": result}
    got = run(capture, outputs, columns, 10)
    assert np.array_equal(got["after"], before * 3) and np.array_equal(got["before"], before + columns["y"])
    assert np.array_equal(columns["x"], before) and got["result"][0] == (before * 3).sum()


#: Unsound computations that Mozart accepts, or would accept (its released code): each is refused during capture.
def _unsound():
    def filtered_meets_whole(c):
        _, (kept,) = c.keep(c.loop().call("greater", c.x, c.y), (c.x,))
        c.call(unchecked(np.add, ARRAY, ARRAY), (of(kept), of(c.y)), {}, "array", F64, "f, line 3 of job.py")

    def two_filters_meet(c):
        loop = c.loop()
        _, (a,) = c.keep(loop.call("greater", c.x, c.y), (c.x,))
        _, (b,) = c.keep(loop.call("less", c.x, c.y), (c.x,))
        c.call(unchecked(np.add, ARRAY, ARRAY), (of(a), of(b)), {}, "array", F64)

    def two_calls_that_filter_meet(c):
        keep = unchecked(np.compress, Rows(container="array", dtype="bool"), ARRAY, returns=Filtered())
        mask = c.loop().call("greater", c.x, c.y)
        a = c.call(keep, (of(mask), of(c.x)), {}, "array", F64)
        c.call(unchecked(np.add, ARRAY, ARRAY), (of(a), of(c.x)), {}, "array", F64)

    def merged_meets_rows(c):
        total = c.call(unchecked(np.sum, Rows(container="array"), returns=Sum()), (of(c.x),), {}, "merged", None)
        c.call(unchecked(np.add, ARRAY, ARRAY), (of(c.x), of(total)), {}, "array", F64)

    def unknown_goes_on(c):
        c.call(unchecked(np.sort, returns=Unknown()), (of(c.x),), {}, "array", F64)

    def broadcast_is_cut(c):
        c.call(unchecked(np.isin, ARRAY, Broadcast()), (of(c.x), of(c.y)), {}, "array", F64)

    def other_keyword_is_cut(c):
        c.call(unchecked(np.round, ARRAY), (of(c.x),), {"decimals": of(c.y)}, "array", F64)

    def more_arguments_than_types(c):
        c.call(unchecked(np.add, ARRAY), (of(c.x), of(c.y)), {}, "array", F64)

    def two_row_domains(c):
        c.call(unchecked(np.outer, Rows("a"), Rows("b"), returns=Rows("a")), (of(c.x), of(c.y)), {}, "array", F64)

    return [
        (filtered_meets_whole, r"\badd \(f, line 3 of job.py\) requires arguments with the same rows.*filter#"),
        (two_filters_meet, "the same rows"), (two_calls_that_filter_meet, "the same rows"),
        (merged_meets_rows, "the same rows.*None"), (unknown_goes_on, "a pipeline cannot pass on"),
        (broadcast_is_cut, "all rows of argument 2 at once"), (other_keyword_is_cut, "all rows of decimals at once"),
        (more_arguments_than_types, "annotated for 1 positional arguments"), (two_row_domains, "rows of 2 domains: a, b"),
    ]  # fmt: skip


@pytest.mark.parametrize(("build", "complaint"), _unsound(), ids=lambda x: getattr(x, "__name__", ""))
def test_unsound_combinations_are_refused(capture, build, complaint):
    with pytest.raises(DomainError, match=complaint):
        build(capture)


def _shortened(a):
    return a[:-1] if a[0] > 0.7 else a


def _retyped(a):
    return a.astype(np.float32) if a[0] > 0.7 else a


def _in_place(a):
    a += 1
    return a


def _failing(a):
    raise ValueError("no such row")


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (_shortened, r"_shortened.*returns 3 rows for 4"),
        (_retyped, "returns float32 for some rows, and float64 for others"),
        (_in_place, "ValueError.*read-only"),
        (_failing, "raises ValueError: no such row"),
        (lambda a: list(a), "returns a list and not a ndarray"),
        (lambda a: a.reshape(-1, 2), "returns 2 rows for 4"),
    ],
)
def test_broken_promises_are_found_out(capture, function, complaint):
    result = capture.call(unchecked(function), (of(capture.x),), {}, "array", F64)
    x = np.arange(12) / 10
    with pytest.raises(BrokenPromise, match=complaint):
        run(capture, {"r": result}, {"x": x}, 12, block_rows=4)
    assert np.array_equal(x, np.arange(12) / 10)


@pytest.mark.parametrize(
    ("type", "values", "found"), [(F64, [1.0, 2], "int"), (I64, [1, True], "bool"), (STR, ["a", None], "NoneType")]
)
def test_elements_of_other_types_are_found_out(type, values, found):
    capture = Capture("elements")
    capture.input("o", None)
    result = capture.call(each(lambda v: v), (of("o", "list"),), {}, "list", type)
    with pytest.raises(BrokenPromise, match=f"returns {found} for some rows"):
        run(capture, {"r": result}, {"o": np.array(values, object)}, 2)


def test_sizes_of_blocks(capture):
    erf = capture.call(ERF, (of(capture.loop().call("add", capture.x, capture.y)),), {}, "array", F64)
    made = plan(capture, {"r": erf})
    assert live_bytes(made) == 24 and 1024 <= first_guess(made) * 24 <= l2_bytes()
    fixed = BlockSize(made, 100)
    assert fixed.measure(lambda a, b: 1.0, 1_000_000) == 0 and fixed.rows == 100
    for per_row, per_call, larger in ((1e-9, 0.0, False), (1e-9, 1.0, True)):
        known = {}
        size, ran = BlockSize(made, measured=known), []

        def timed(a, b, per_row=per_row, per_call=per_call, ran=ran):
            ran.append((a, b))
            return per_call + (b - a) * per_row

        rows = 1 << 24
        done = size.measure(timed, rows)
        assert (
            ran[0][0] == 0 and all(a[1] == b[0] for a, b in zip(ran, ran[1:], strict=False)) and ran[-1][1] == done <= rows // 8
        )
        assert (size.rows > first_guess(made)) == larger
        assert size.measure(timed, rows) == 0
        again = BlockSize(plan(capture, {"r": erf}), measured=known)  # the same work is measured once
        assert again.rows == size.rows and again.measure(timed, rows) == 0
    runner = Runner(made, threads=2)
    columns = data(300_000)
    got = runner.run(columns, 300_000)
    assert np.array_equal(got["r"], scipy.special.erf(columns["x"] + columns["y"]))
    text = described(runner)
    assert "kernel: " in text and "call: erf, 1 columns in" in text and "4,800,000 bytes in, 2,400,000 out" in text


def test_blocks_of_calls_for_each_row_are_not_smaller_than_calls_are_worth():
    guesses = []
    for elementwise in (False, True):
        capture = Capture("texts")
        columns = tuple(capture.input(f"s{at}", None) for at in range(8))
        annotation = annotate(
            lambda *texts: list(texts[0]), (Rows(container="list"),) * 8, returns=Rows(container="list"), check=False
        )
        annotation = dataclasses.replace(annotation, elementwise=elementwise)
        call = capture.call(annotation, tuple(Argument((c,), "list") for c in columns), {}, "list", None)
        guesses.append(first_guess(plan(capture, {"r": call})))
    assert guesses[1] == max(guesses[0], 8192)


def test_equal_strings_are_passed_once_to_a_function_of_one_string(capture):
    seen = []

    def shout(text, mark):
        seen.append(text)
        return text.upper() + mark

    annotation = annotate(shout, (Rows(container="list", dtype="str"), Broadcast("!")), returns=Rows(container="list"),
                          elementwise=True, check=False)  # fmt: skip
    source = capture.input("s", STR)
    made = plan(capture, {"r": capture.call(annotation, (Argument((source,), "list"), "?"), {}, "list", STR)})
    texts = np.array([f"text {k % 70}" for k in range(9000)], object)
    result = Runner(made, 1, 1000).run({"s": texts}, len(texts))["r"]
    assert result.tolist() == [text.upper() + "?" for text in texts] and sorted(seen) == sorted(set(texts))


def test_rows_of_arrays():
    texts = pa.array(["a", None, "b"])
    assert [stages.take(texts, rows).to_pylist() for rows in (np.array([2, 1]), slice(2))] == [["b", None], ["a", None]]


@pytest.mark.parametrize(("function", "takes_series"), [
    (scipy.special.kl_div, False), (np.heaviside, True), (lambda a, b: scipy.special.kl_div(a, b), True),
])  # fmt: skip
def test_ufuncs_get_the_arrays_that_pandas_would_hand_on(capture, monkeypatch, function, takes_series):
    columns, asked = data(1000), []
    wanted = function(pd.Series(columns["x"]), pd.Series(columns["y"])).to_numpy()
    monkeypatch.setattr(stages, "in_form", lambda x, given, real=stages.in_form: asked.append(x.form) or real(x, given))
    args = (of(capture.x, "series"), of(capture.y, "series"))
    result = capture.call(unchecked(function, Rows(), Rows(), returns=Rows()), args, {}, "series", F64)
    got = run(capture, {"r": result}, columns, 1000, 100)["r"]
    assert np.array_equal(got, wanted, equal_nan=True) and set(asked) == {"series" if takes_series else "array"}
