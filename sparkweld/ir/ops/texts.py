"""Defines the ops of text models: weighted sums over a document's terms, as a vectoriser and a matrix product compute them."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.layouts.text_automata import SPACE, TOKEN, hashed_column, murmur_hash
from sparkweld.ir.layouts.text_blocks import Analyzer, Step, block_of
from sparkweld.ir.layouts.text_header import (
    ABOVE,
    CHAR,
    CHAR_WB,
    HEAD,
    LOG,
    NORM_L1,
    NORM_L2,
    NORM_MAX,
    ONE,
    SCALE,
    SIGNED,
    SPARK,
    SPARK_SEED,
    WORD,
    Head,
)
from sparkweld.ir.ops.base import Op
from sparkweld.ir.ops.models import ModelOp
from sparkweld.ir.types import F64, STR, Type


@dataclass(frozen=True, slots=True)
class TextSums(ModelOp):
    """Sums, over the columns of a row's terms in ascending order, of the term's value times its weight: `outputs` f64.

    A value is the number of occurrences of the term, transformed by the block's steps. Arguments: the document, and when
    `started` one f64 an output, the initial values of the sums. Everything else is in the block, whose head `text_layout`
    describes.
    """

    outputs: int
    started: bool
    block: ConstantBlock
    output: int = 0
    name: ClassVar[str] = "text_sums"

    @staticmethod
    def of(
        analyzer: Analyzer, terms: Mapping[str, int] | int, weights: np.ndarray, steps: Sequence[Step] = (),
        started: bool = False, hash: int = SIGNED,
    ) -> TextSums:  # fmt: skip
        """Builds the op.

        `terms`: term -> column, or the number of columns to hash terms to, by a `hash`. `weights`: f64[columns, outputs].
        """
        block = block_of(analyzer, terms, np.asarray(weights, np.float64), steps, started, hash)
        return TextSums(weights.shape[1], started, block)

    def results(self, *args: Type) -> tuple[Type, ...]:
        wanted = (STR, *(F64,) * self.outputs) if self.started else (STR,)
        self._wants(args == wanted, f"{', '.join(map(str, wanted))}", args)
        kinds = [(name, self.block.part(name).kind) for name in _PARTS]
        self._wants(kinds == list(_PARTS.items()) and self.block.length("head") == HEAD, "a text model's block", args)
        return (F64,) * self.outputs

    def evaluate_all(self, *args: np.ndarray) -> list[np.ndarray]:
        text, *starts = args
        terms, stop_words = _terms_of(self.block)
        weights = self.block["weights"].reshape(-1, self.outputs)
        sums = np.column_stack(starts) if self.started else np.zeros((len(text), self.outputs))
        for row, document in enumerate(text):
            counts = _counts(self.block, str(document), terms, stop_words)
            columns = np.array(sorted(counts), np.int64)
            values = _stepped(np.array([counts[c] for c in columns], np.float64), columns, self.block)
            for column, value in zip(columns, values, strict=True):
                sums[row] += value * weights[column]
        return list(sums.T)


@dataclass(frozen=True, slots=True)
class TextTotals(ModelOp):
    """Totals over a document's terms that bound a sum of `TextSums` without sorting the terms: four f64.

    Four values of each occurrence of a term are summed, in unspecified order. These are its weight for the sum number `sum`
    times its scale, its scale squared, its scale, and 1. A scale is the number of the block's first step where that is SCALE,
    else 1. Terms that are hashed with signs are not supported.
    """

    sum: int
    block: ConstantBlock
    output: int = 0
    name: ClassVar[str] = "text_totals"

    def results(self, *args: Type) -> tuple[Type, ...]:
        self._wants(args == (STR,), "str", args)
        head = self.block["head"] if self.block.data is not None else None
        fits = head is None or 0 <= self.sum < head[Head.OUTPUTS]
        kinds = [(name, self.block.part(name).kind) for name in _PARTS]
        self._wants(kinds == list(_PARTS.items()) and self.block.length("head") == HEAD and fits, "a text model's block", args)
        return (F64,) * 4

    def evaluate_all(self, *args: np.ndarray) -> list[np.ndarray]:
        terms, stop_words = _terms_of(self.block)
        head = self.block["head"]
        weights = self.block["weights"].reshape(-1, int(head[Head.OUTPUTS]))[:, self.sum]
        scales = np.ones(len(weights))
        if head[Head.STEPS] and head[Head.STEPS + 1] == SCALE:
            scales = self.block["numbers"][: len(weights)]
        totals = np.zeros((len(args[0]), 4))
        for row, document in enumerate(args[0]):
            for column, count in _counts(self.block, str(document), terms, stop_words).items():
                scale = scales[column]
                totals[row] += np.array([weights[column] * scale, scale * scale, scale, 1.0]) * abs(count)
        return list(totals.T)


_PARTS = {
    "head": "i64", "blocks": "u16", "kinds": "u8", "words": "i64", "word_starts": "i64", "letters": "u8", "spans": "i64",
    "symbols": "i32", "nodes": "i32", "roots": "i32", "weights": "f64", "logs": "f64", "numbers": "f64",
}  # fmt: skip


def _terms_of(block: ConstantBlock) -> tuple[dict[tuple[str, ...], int], frozenset[str]]:
    """Returns the terms of a block's tables, as symbols (characters or words) -> column, and the stop words."""
    head, letters = block["head"], block["letters"].tobytes()
    lengths = {at >> 32: at & 0xFFFFFFFF for at in block["words"][1::2].tolist() if at >= 0}
    words = {k: letters[start : start + lengths[k]].decode() for k, start in enumerate(block["word_starts"].tolist())}
    symbols, nodes = block["symbols"].tolist(), block["nodes"].reshape(-1, 8).tolist()
    prefixes: list[tuple[str, ...]] = [()]
    terms: dict[tuple[str, ...], int] = {}
    seen: set[int] = set()
    for node, (column, _, _, _, first, count, _, _) in enumerate(nodes):
        if first == len(prefixes):  # the node's own children, not those of its suffix, which come earlier
            steps = symbols[first : first + count]
            prefixes += [(*prefixes[node], words[s] if head[Head.ANALYZER] == WORD else chr(s)) for s in steps]
        if column >= 0 and column not in seen:
            terms[prefixes[node]] = column
            seen.add(column)
    return terms, frozenset(word for number, word in words.items() if number >= head[Head.FIRST_STOP])


def _grams(text: str, block: ConstantBlock, stop_words: frozenset[str]) -> Iterator[tuple[str, ...]]:
    """Yields the n-grams of a document as scikit-learn's analyzers produce them, each a tuple of symbols."""
    head, blocks, kinds = block["head"], block["blocks"], block["kinds"]
    shortest, longest = int(head[Head.SHORTEST]), int(head[Head.LONGEST])

    def has(kind: int) -> Callable[[str], bool]:
        return lambda c: bool(kinds[(int(blocks[ord(c) >> 7]) << 7) + (ord(c) & 127)] & kind)

    if head[Head.ANALYZER] == WORD:
        tokens = _pieces(text, has(TOKEN)) if head[Head.SPLIT] else _runs(text, has(TOKEN), head)
        yield from _windows([t for t in tokens if t not in stop_words], shortest, longest)
        return
    runs = [(space, "".join(run)) for space, run in itertools.groupby(text, has(SPACE))]
    if head[Head.ANALYZER] == CHAR:
        yield from _windows("".join(" " if space and len(run) > 1 else run for space, run in runs), shortest, longest)
        return
    for space, run in runs:
        if not space:
            padded = f" {run} "
            yield from [tuple(padded)] if len(padded) < shortest else _windows(padded, shortest, longest)


def _runs(text: str, is_token: Callable[[str], bool], head: np.ndarray) -> list[str]:
    runs = ["".join(run) for inside, run in itertools.groupby(text, is_token) if inside]
    return [run for run in runs if len(run) + head[Head.EXTRA] * sum(c > "\uffff" for c in run) >= head[Head.LEAST]]


def _pieces(text: str, is_token: Callable[[str], bool]) -> list[str]:
    """Splits a document as Java's ``String.split`` does with one separator."""
    if not text:
        return [""]
    pieces = "".join(c if is_token(c) else "\0" for c in text).rstrip("\0")
    return pieces.split("\0") if pieces else []


def _windows(symbols: Sequence[str], shortest: int, longest: int) -> Iterator[tuple[str, ...]]:
    for size in range(shortest, longest + 1):
        for i in range(len(symbols) - size + 1):
            yield tuple(symbols[i : i + size])


def _counts(block: ConstantBlock, text: str, terms: Mapping[tuple[str, ...], int], stop_words: frozenset[str]) -> Counter[int]:
    """Maps each column to the number of occurrences of its terms."""
    head, counts = block["head"], Counter[int]()
    features, hash = int(head[Head.FEATURES]), int(head[Head.HASH])
    for gram in _grams(text, block, stop_words):
        if features:
            term = (" " if head[Head.ANALYZER] == WORD else "").join(gram).encode()
            h = murmur_hash(term, SPARK_SEED if hash == SPARK else 0)
            column = h % features if hash == SPARK else hashed_column(h, features)
            counts[column] += -1 if hash == SIGNED and h < 0 else 1
        elif gram in terms:
            counts[terms[gram]] += 1
    return counts


def _stepped(values: np.ndarray, columns: np.ndarray, block: ConstantBlock) -> np.ndarray:
    """Transforms a row's values by the block's steps."""
    head = block["head"]
    for i in range(int(head[Head.STEPS])):
        kind, at = head[Head.STEPS + 1 + 2 * i : Head.STEPS + 3 + 2 * i].tolist()
        numbers = block["numbers"][(at - block.offset("numbers")) // 8 :]
        if kind == LOG:
            values = np.log(values) + 1.0
        elif kind == SCALE:
            values = values * numbers[columns]
        elif kind == ONE:
            values = np.ones(len(values))
        elif kind == ABOVE:
            values = np.where(values > numbers[0], 1.0, 0.0)
        else:
            norm = _norm(values, kind)
            values = values / norm if norm != 0 else values
    return values


def _norm(values: np.ndarray, kind: int) -> float:
    if kind == NORM_MAX:
        return float(np.abs(values).max(initial=0))
    powers = values * values if kind == NORM_L2 else np.abs(values)
    total = float(np.add.accumulate(powers)[-1]) if len(powers) else 0.0
    return math.sqrt(total) if kind == NORM_L2 else total


def _example(
    analyzer: Analyzer,
    terms: Sequence[str] | int,
    steps: Sequence[Step],
    outputs: int,
    started: bool = False,
    hash: int = SIGNED,
) -> tuple[TextSums, tuple[Type, ...]]:
    columns = terms if isinstance(terms, int) else len(terms)
    weights = np.random.default_rng(columns).normal(size=(columns, outputs))
    known = terms if isinstance(terms, int) else {term: column for column, term in enumerate(terms)}
    op = TextSums.of(analyzer, known, weights, steps, started, hash)
    return op, (STR, *(F64,) * (outputs * started))


_NO_SPACE = (0, 9, 14, 32, 33, 0x110000)


@cache
def _examples() -> tuple[tuple[Op, tuple[Type, ...]], ...]:
    return (
        _example(Analyzer(WORD, 1, 2), ["abc", "xé", "abc xé", "12"], [(SCALE, np.arange(1.0, 5.0)), (NORM_L2, None)], 2),
        _example(Analyzer(CHAR, 1, 3), ["a", " ", "é", "ab", "a é", "ß"], [(LOG, None), (NORM_L1, None)], 1, True),
        _example(Analyzer(CHAR_WB, 2, 3), ["a ", " a", " ab", "bc", " é "], [(ONE, None), (NORM_MAX, None)], 1),
        _example(Analyzer(CHAR, 1, 2), 7, [(NORM_L2, None), (ABOVE, np.array([0.1]))], 3),
        _example(Analyzer(WORD, 1, 1, _NO_SPACE, 0, split=True), ["abc", "", "a", "é"], [(SCALE, np.arange(1.0, 5.0))], 1),
        _example(Analyzer(WORD, 2, 2, _NO_SPACE, 0, frozenset({"a"}), split=True), 11, [], 2, True, SPARK),
        _example(Analyzer(WORD, 1, 1, _NO_SPACE, 2, wide=True), 5, [(ONE, None)], 1, False, SPARK),
    )


@cache
def _total_examples() -> tuple[tuple[Op, tuple[Type, ...]], ...]:
    """Returns examples with weights and scales whose sums are exact in any order."""
    words, steps = {"abc": 0, "xé": 1, "abc xé": 2, "12": 3}, [(SCALE, np.array([1.0, 0.5, 0.0, 3.0])), (NORM_L2, None)]
    weights = np.array([[1.0, -2.0], [0.5, 4.0], [-8.0, 1.0], [0.25, 0.0]])
    characters = {"a": 0, " ": 1, "é": 2, "ab": 3}
    hashed = block_of(Analyzer(WORD, 1, 1, _NO_SPACE, 2), 4, weights, [(ONE, None)], False, SPARK)
    return (
        (TextTotals(1, block_of(Analyzer(WORD, 1, 2), words, weights, steps, False, SIGNED)), (STR,)),
        (TextTotals(0, block_of(Analyzer(CHAR, 1, 2), characters, weights, [(NORM_L1, None)], False, SIGNED)), (STR,)),
        (TextTotals(0, block_of(Analyzer(CHAR_WB, 1, 2), characters, weights[:, :1], [], False, SIGNED)), (STR,)),
        (TextTotals(1, hashed), (STR,)),
    )


class _WhenAsked:
    """Computes the examples on first use: their tables cover all code points, which would add a second to every import."""

    def __init__(self, examples: Callable[[], tuple[tuple[Op, tuple[Type, ...]], ...]]) -> None:
        self.examples = examples

    def __get__(self, op: Op | None, owner: type[Op]) -> tuple[tuple[Op, tuple[Type, ...]], ...]:
        return self.examples()


TextSums.examples = _WhenAsked(_examples)  # type: ignore[assignment]
TextTotals.examples = _WhenAsked(_total_examples)  # type: ignore[assignment]
