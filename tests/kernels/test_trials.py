"""Checks the A/B timing of row loops: the chosen variant by measured cost, on a simulated clock."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from llvmlite import ir
from numba.core import types

from sparkweld.ir.ops import TextSums, Trial
from sparkweld.ir.text_models import WORD, Analyzer
from sparkweld.ir.types import STR
from sparkweld.kernels import Kernel
from sparkweld.kernels.codegen import trials
from sparkweld.kernels.llvm.memory import pointer
from sparkweld.kernels.llvm.numba_frontend import Operation
from tests.helpers.kernels import load, program

ROWS = 64


def _body(loop, read):
    loop.append("tried", loop.emit(Trial()))
    loop.append("y", loop.emit(TextSums.of(Analyzer(WORD, 1, 1), {"a": 0}, np.ones((1, 1))), read["s"]))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Returns an int64 array: the time, and the increment of each reading."""
    state = np.zeros(2, np.int64)
    i64 = ir.IntType(64)

    def look(b: ir.IRBuilder) -> ir.Value:
        now, step = (pointer(b, i64(state.ctypes.data + at), i64) for at in (0, 8))
        time = b.load(now)
        b.store(b.add(time, b.load(step)), now)
        return time

    monkeypatch.setitem(trials._OPERATIONS, "trial_clock", Operation("trial_clock", (), types.int64, look))
    return state


def ways(kernel: Kernel, clock: np.ndarray, turns: int, cost: Callable[[int], int]) -> list[bool]:
    """Returns for each run whether it used the optional variant; `cost` maps the run's number to its cost."""
    found = []
    for turn in range(turns):
        clock[1] = cost(turn)
        tried = kernel.run({"s": np.array(["a b"] * ROWS, object)}, ROWS).columns["tried"]
        assert len(set(tried.tolist())) == 1
        found.append(bool(tried[0]))
    return found


#: The same decisions, by other times.
MORE = [pytest.param(50, 10, False, marks=pytest.mark.nightly), pytest.param(100, 110, True, marks=pytest.mark.nightly)]


@pytest.mark.parametrize(("with_", "without", "chosen"), [(10, 50, True), (100, 103, False), *MORE])
def test_ab_timings_choose_the_cheaper_variant(clock, with_, without, chosen):
    """A gain of at most a sixteenth is not chosen; later A/B timings are rare, and detect changed rows."""

    def expected(turn, way):
        is_contest = turn < trials._FIRST or turn % (every if way else trials._AGAIN) < 2
        return turn % 2 == 0 if is_contest else way

    kernel, every = load(program({"s": STR}, _body)), trials._EVERY
    found = ways(kernel, clock, every + 2, lambda turn: without if turn % 2 else with_)
    assert found == [expected(turn, chosen) for turn in range(every + 2)]
    turned = ways(kernel, clock, 20 * every - 2, lambda turn: with_ if turn % 2 else without)
    if abs(with_ - without) > 9:
        assert turned[-every + 2 :] == [expected(turn, not chosen) for turn in range(20 * every + 2, 21 * every)]


def test_ab_timings_that_lose_at_first(clock):
    """The variant is chosen soon after its caches are warm."""
    kernel, half = load(program({"s": STR}, _body)), trials._FIRST // 2
    found = ways(kernel, clock, trials._EVERY, lambda turn: 20 if turn % 2 else 10 if turn >= half else 90)
    assert all(found[trials._FIRST :])
