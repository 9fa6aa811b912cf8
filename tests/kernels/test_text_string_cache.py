"""Checks the cache of repeated strings: sums equal those of a kernel without it, bit for bit, and hits are counted."""

from __future__ import annotations

import numpy as np
import pytest

from sparkweld.ir.layouts.model_memory import HEAD_WORDS
from sparkweld.ir.ops import TextSums
from sparkweld.ir.text_models import CHAR, CHAR_WB, LOG, NORM_L2, SCALE, WORD, Analyzer
from sparkweld.ir.types import F64, STR
from sparkweld.kernels import Kernel
from sparkweld.kernels.functions.models.text_string_cache import OFF, ON
from tests.helpers.kernels import load, program

WORDS = ["red", "green", "é", "日本", "chair", "a\0b", "😀", "x" * 70]


def texts_of(random, distinct: int, rows: int, longest: int = 7) -> np.ndarray:
    made = [" ".join(random.choice(WORDS, random.integers(0, longest))) for _ in range(distinct)]
    made[: distinct // 2] = [f"{text} {at}" for at, text in enumerate(made[: distinct // 2])]
    return np.array(made, object)[random.integers(0, distinct, rows)]


def op_of(random, analyzer: Analyzer, outputs: int, started: bool) -> TextSums:
    terms = sorted({t for w in WORDS for t in (w, w[:2])} | {" re", "gre", "n é", "ch", "e"})
    weights = random.normal(size=(len(terms), outputs)) * 10.0 ** random.integers(-9, 9, (len(terms), 1))
    steps = [(LOG, None), (SCALE, random.random(len(terms))), (NORM_L2, None)]
    return TextSums.of(analyzer, {term: at for at, term in enumerate(terms)}, weights, steps, started)


def counts(kernel) -> tuple[int, int]:
    """Returns the string-cache lookups and hits of all calls."""
    head = kernel._kept[: 24 * HEAD_WORDS].view(np.int64)
    return int(head[HEAD_WORDS : 2 * HEAD_WORDS].sum()), int(head[2 * HEAD_WORDS :].sum())


def states(kernel) -> set[int]:
    return set(kernel._kept[: 8 * HEAD_WORDS].view(np.int64)[1:].tolist())


def check_runs(kernel: Kernel, inputs: list[dict[str, np.ndarray]], rows: int) -> Kernel:
    """Checks that the caching kernel and the plain one agree in each run; returns the former."""
    keeping = kernel.keeping()
    for given in (*inputs, *inputs):
        plain, kept = kernel.run(given, rows).columns, keeping.run(given, rows).columns
        for name, column in plain.items():
            np.testing.assert_array_equal(column.view(np.int64), kept[name].view(np.int64), name)
    return keeping


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("kind", [WORD, CHAR, CHAR_WB])
def test_sums_are_those_of_a_kernel_that_keeps_nothing(kind, started):
    """Start values of all magnitudes, NaN and infinities; some outputs are unused, and row counts are no multiple of the tile."""
    random = np.random.default_rng(kind)
    op = op_of(random, Analyzer(kind, 1, 2 + (kind != WORD)), 3, started)
    starts = {f"x{at}": F64 for at in range(3)} if started else {}

    def body(loop, read):
        for output in (0, 2):
            loop.append(f"y{output}", loop.emit(op.at(output), read["s"], *(read[name] for name in starts)))

    rows = 3001
    inputs = []
    for _ in range(4):
        numbers = random.normal(size=(3, rows)) * 10.0 ** random.integers(-12, 12, (3, rows))
        numbers[:, ::97], numbers[:, 1::89], numbers[:, 2::83] = np.nan, np.inf, -0.0
        inputs.append({"s": texts_of(random, 400, rows), **dict(zip(starts, numbers, strict=False))})
    keeping = check_runs(load(program({"s": STR, **starts}, body)), inputs, rows)
    looked, found = counts(keeping)
    assert states(keeping) == {ON, 1} and 8 * rows * 0.8 < looked <= 8 * rows and looked - 1600 <= found < looked


def test_strings_that_never_repeat_are_evicted_early():
    random = np.random.default_rng(3)
    op = op_of(random, Analyzer(WORD, 1, 1), 1, False)
    kernel = load(program({"s": STR}, lambda loop, read: loop.append("y", loop.emit(op, read["s"]))))
    keeping, rows = kernel.keeping(), 20_000
    for run in range(3):
        texts = np.array([f"red {run} {at}" for at in range(rows)], object)
        np.testing.assert_array_equal(keeping.run({"s": texts}, rows).columns["y"], kernel.run({"s": texts}, rows).columns["y"])
    assert OFF in states(keeping) and counts(keeping) == (8192, 0)


def test_more_strings_than_the_cache_holds():
    """Strings that find no slot are computed, and the others are found as before."""
    random = np.random.default_rng(4)
    op = op_of(random, Analyzer(CHAR, 1, 3), 1, True)
    kernel = load(program({"s": STR, "x": F64}, lambda loop, read: loop.append("y", loop.emit(op, read["s"], read["x"]))))
    rows = 40_000
    some = np.array([f"chair {at} {'green ' * (at % 3)}" for at in range(rows)], object)
    some[::3] = some[0]  # so that the cache stays on
    keeping = check_runs(kernel, [{"s": some, "x": random.normal(size=rows)}, {"s": some[::-1].copy(), "x": np.ones(rows)}], rows)
    assert ON in states(keeping)
    looked, found = counts(keeping)
    assert looked / 3 < found < looked


def test_rows_with_too_many_columns_and_long_strings_are_computed():
    random = np.random.default_rng(5)
    letters = np.array(list("abcdefghij \u00e9"))
    text = "".join(random.choice(letters, 16_000))
    terms = sorted({text[i : i + n] for n in (3, 4, 5) for i in range(0, 15_000)})
    vocabulary = {term: column for column, term in enumerate(terms)}
    op = TextSums.of(Analyzer(CHAR, 3, 5), vocabulary, random.normal(size=(len(terms), 1)), [(NORM_L2, None)])
    kernel = load(program({"s": STR}, lambda loop, read: loop.append("y", loop.emit(op, read["s"]))))
    documents = np.array([text, text[:3500], text[:3700], text[:4097], text, text[:3500], text[:3700], text[:4097]], object)
    keeping = check_runs(kernel, [{"s": documents}], len(documents))
    looked, found = counts(keeping)
    assert looked >= 4 and found < looked


def test_more_calls_than_the_head_has_words_for():
    random = np.random.default_rng(6)
    ops = [op_of(random, Analyzer(WORD, 1, 1), 1, False) for _ in range(9)]
    columns = {f"s{at}": STR for at in range(9)}

    def body(loop, read):
        for at, op in enumerate(ops):
            loop.append(f"y{at}", loop.emit(op, read[f"s{at}"]))

    rows = 1000
    inputs = [{name: texts_of(random, 50, rows) for name in columns} for _ in range(2)]
    keeping = check_runs(load(program(columns, body)), inputs, rows)
    assert states(keeping) == {ON} and keeping._kept[:8].view(np.int64)[0] == 0


@pytest.mark.parametrize("above", [-9.0, 1.5, 9.0])
def test_strings_that_all_few_or_no_rows_require(above):
    """Sparse rows are gathered, and the call then has other columns."""
    random = np.random.default_rng(7)
    op = op_of(random, Analyzer(WORD, 1, 2), 1, True)

    def body(loop, read):
        wanted = loop.call("greater", read["x"], loop.const(above, F64))
        score = loop.emit(op, read["s"], read["x"])
        loop.append("y", loop.select(wanted, score, read["x"]))

    rows = 3001
    inputs = [{"s": texts_of(random, 100, rows), "x": random.normal(size=rows)} for _ in range(3)]
    keeping = check_runs(load(program({"s": STR, "x": F64}, body)), inputs, rows)
    looked, found = counts(keeping)
    assert found <= looked and (looked > found) == (above < 9)
