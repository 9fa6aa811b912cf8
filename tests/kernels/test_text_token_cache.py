"""Checks cached tokens: a string's totals equal those of a kernel without the cache, and of the definition."""

from __future__ import annotations

import numpy as np
import pytest

from sparkweld.ir.ops import TextTotals
from sparkweld.ir.text_models import CHAR, CHAR_WB, NORM_L2, SCALE, SIGNED, SPARK, UNSIGNED, WORD, Analyzer, TextModel
from sparkweld.ir.types import STR
from sparkweld.kernels import Kernel
from tests.helpers.kernels import load, program

#: Lengths of the cache's entries and around them; some differ only in the last bytes.
SHORT = ["", "a", "é", "日本", "the", "a\0", "a\0\0", "seven77", "eight888", "nine9999", "eight888a", "eight888b"]
LONG = ["sixteen_sixteen_", "sixteen_sixteen_a", "x" * 23, "x" * 24, "x" * 23 + "y", "x" * 25, "x" * 70, "😀" * 6, "😀" * 7]
WORDS = [*SHORT, *LONG]
SPACES = [" ", "  ", "\t", "\u3000", "\x85", "\x1c ", "\n", "."]


def kernel_of(op: TextTotals) -> Kernel:
    def body(loop, read):
        for output in range(4):
            loop.append(f"y{output}", loop.emit(op.at(output), read["s"]))

    return load(program({"s": STR}, body))


def block(random, analyzer: Analyzer, terms, hash: int = SIGNED):
    """Returns a block of weights and scales whose sums are exact in any order."""
    known = terms if isinstance(terms, int) else {term: at for at, term in enumerate(terms)}
    columns = terms if isinstance(terms, int) else len(terms)
    steps = [(SCALE, 2.0 ** random.integers(-3, 3, columns)), (NORM_L2, None)]
    return TextModel.of(analyzer, known, random.integers(-99, 99, (columns, 2)) / 8.0, steps, hash=hash).block


def texts_of(random, words, rows: int) -> np.ndarray:
    def text() -> str:
        return "".join(word + space for word, space in zip(random.choice(words, 9), random.choice(SPACES, 9), strict=True))

    return np.array([text()[: random.integers(0, 200)] for _ in range(rows)], object)


PIECES = sorted({w[i : i + n] for w in (f" {w} " for w in WORDS) for n in (1, 2, 3) for i in range(len(w) - n + 1)})
CASES = {
    "padded": (Analyzer(CHAR_WB, 1, 3), PIECES, SIGNED), "hashed": (Analyzer(CHAR_WB, 2, 5), 64, UNSIGNED),
    "short": (Analyzer(CHAR_WB, 4, 5), [" a ", " é ", " 日本 ", "xxxx"], SIGNED),
    "words": (Analyzer(WORD, 1, 1, stop_words=frozenset({"the", "x" * 25})), [w for w in WORDS if w not in ("", "the")], SIGNED),
    "spark": (Analyzer(WORD, 1, 1, (0, 32, 33, 0x110000), 0, split=True), 32, SPARK),
    "pairs": (Analyzer(WORD, 1, 2), ["the", "seven77", "the seven77"], SIGNED),
    "whole": (Analyzer(CHAR, 1, 2), ["a", "a "], SIGNED),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CASES))
def test_totals_are_those_of_a_kernel_that_keeps_nothing(name):
    random = np.random.default_rng(len(name))
    analyzer, terms, hash = CASES[name]
    op = TextTotals(1, block(random, analyzer, terms, hash))
    kernel = kernel_of(op)
    keeping, rows = kernel.keeping(), 700
    for run in range(3):
        texts = texts_of(random, WORDS, rows)
        plain, kept = kernel.run({"s": texts}, rows).columns, keeping.run({"s": texts}, rows).columns
        for output, expected in enumerate(op.evaluate_all(texts) if run == 0 else plain.values()):
            np.testing.assert_array_equal(plain[f"y{output}"], expected)
            np.testing.assert_array_equal(kept[f"y{output}"], expected)
        assert any(np.any(column) for column in plain.values())


def test_more_words_than_there_are_places():
    """A word evicts another of possibly equal length and prefix, whose totals are then recomputed; then the table grows.

    A row has more words than one batched lookup takes.
    """
    random = np.random.default_rng(1)
    op = TextTotals(0, block(random, Analyzer(CHAR_WB, 1, 2), [*"0123456789", "00", "99", " 1", "7 "]))
    kernel, rows = kernel_of(op), 2000
    keeping = kernel.keeping()
    for _ in range(3):
        numbers = np.minimum(random.zipf(1.1, (rows, 70)), 1 << 40) % 300_007
        texts = np.array([" ".join(f"{number:0{8 * (number % 3) + 1}}" for number in row) for row in numbers], object)
        plain, kept = kernel.run({"s": texts}, rows).columns, keeping.run({"s": texts}, rows).columns
        for name, column in plain.items():
            np.testing.assert_array_equal(kept[name], column)
