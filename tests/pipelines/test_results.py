"""Checks pipeline results: kept rows stay in order for any thread schedule, and released memory is reused."""

from __future__ import annotations

import gc
import threading
import time

import numpy as np
import pandas as pd
import pytest

import sparkweld
from sparkweld.annotations import Filtered, Rows, annotate
from sparkweld.ir.types import F64
from sparkweld.pipelines import Argument, BrokenPromise, Capture, Runner, plan
from sparkweld.pipelines.block_size import BlockSize
from sparkweld.pipelines.memory import Reused, reused

ARRAY = Rows(container="array")
ROWS = 1 << 18


def filtering(function):
    """Returns a pipeline of a call that keeps some rows."""
    capture = Capture("filter")
    x = capture.input("x", F64)
    annotation = annotate(function, (ARRAY,), returns=Filtered(), check=False)
    return plan(capture, {"r": capture.call(annotation, (Argument((x,), "array"),), {}, "array", F64)})


def test_kept_rows_are_in_order_when_the_first_block_ends_last():
    def kept(x):
        time.sleep(0.05 if x[0] == 0 else 0)
        return x[x % 3 == 0]

    x = np.arange(1000.0)
    got = Runner(filtering(kept), threads=3, block_rows=10).run({"x": x}, 1000)["r"]
    assert np.array_equal(got, x[x % 3 == 0])
    few = Runner(filtering(lambda x: x[x == 7]), threads=2, block_rows=10).run({"x": x}, 1000)["r"]
    assert few.tolist() == [7.0] and few.base is None  # it does not retain the memory of all rows


def test_a_filter_that_makes_rows_breaks_its_promise():
    with pytest.raises(BrokenPromise, match="returns 8 rows for 4"):
        Runner(filtering(lambda x: np.repeat(x, 2)), block_rows=4).run({"x": np.arange(8.0)}, 8)


def test_an_error_on_one_thread_ends_all():
    ran, caller = [], threading.get_ident()

    def failing(x):
        ran.append(threading.get_ident())
        time.sleep(0.001)
        if x[0] == 40:
            raise ValueError("no such row")
        return x

    with pytest.raises(BrokenPromise, match="no such row"):
        Runner(filtering(failing), threads=2, block_rows=10).run({"x": np.arange(10_000.0)}, 10_000)
    assert caller in ran and len(set(ran)) == 2 and len(ran) < 100  # the caller works, too


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_cuts_are_all_rows_once_and_end_small(threads):
    size = BlockSize(filtering(lambda x: x), measured={})
    for rows in (1, 1000, 12_345_678):
        cuts = size.cuts(0, rows, threads)
        assert cuts[0][0] == 0 and cuts[-1][1] == rows and all(a[1] == b[0] for a, b in zip(cuts, cuts[1:], strict=False))
        assert all(0 < b - a <= size.rows for a, b in cuts)
    assert threads == 1 or cuts[-1][1] - cuts[-1][0] <= size.rows // 8
    assert size.cuts(0, 0, threads) == [(0, 0)]


def test_memory_is_used_again_only_when_nothing_of_it_lives():
    memory = Reused()
    first = memory.empty(ROWS, np.float64)
    address, view = first.ctypes.data, pd.Series(first[5:], copy=False)
    first[:] = 1
    del first
    other = memory.empty(ROWS, np.float64)
    other[:] = 2
    assert other.ctypes.data != address and (view == 1).all() and not memory.waiting_bytes
    del view
    gc.collect()
    assert memory.waiting_bytes == ROWS * 8
    assert memory.empty(2 * ROWS, np.float64).ctypes.data != address  # another size
    assert memory.empty(ROWS, np.int64).ctypes.data == address
    assert memory.empty(10, np.float64).base is None  # NumPy allocates small ones
    bounded = Reused(most_bytes=3 << 20)
    pair = bounded.empty(ROWS, np.float64), bounded.empty(ROWS, np.float64)
    assert pair[0].ctypes.data != pair[1].ctypes.data
    del pair
    assert bounded.waiting_bytes == 2 << 20


def test_results_stay_as_they_are_while_others_are_computed():
    x = np.arange(ROWS * 1.0)

    def computed(factor):
        return (sparkweld.lazy(x, least_rows=0) * factor + 1).compute()

    held, series = computed(2.0), sparkweld.lazy(pd.Series(x), least_rows=0)
    kept = series[series > 5.0].compute()
    wanted = held.copy()
    for factor in (3.0, 4.0, 5.0):
        assert np.array_equal(computed(factor), x * factor + 1)
    assert np.array_equal(held, wanted) and np.array_equal(held, x * 2 + 1)
    assert kept.equals(pd.Series(x)[pd.Series(x) > 5.0]) and reused.waiting_bytes <= reused.most_bytes


def test_calls_for_each_row_run_on_one_thread():
    ran = set()

    def doubled(v):
        ran.add(threading.get_ident())
        return v * 2

    annotation = annotate(doubled, (Rows(container="list"),), returns=Rows(container="list"), elementwise=True, check=False)
    capture = Capture("rows")
    x = capture.input("x", F64)
    made = plan(capture, {"r": capture.call(annotation, (Argument((x,), "list"),), {}, "list", F64)})
    got = Runner(made, threads=0, block_rows=10).run({"x": np.arange(500.0)}, 500)["r"]
    assert np.array_equal(got, np.arange(500.0) * 2) and ran == {threading.get_ident()}
