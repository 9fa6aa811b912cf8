"""Reads text models' blocks: finds the terms of documents, and transforms their values. It is the layouts' interface to ops."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.layouts.text_automata import SPACE, TOKEN, hashed_column, murmur_hash
from sparkweld.ir.layouts.text_header import (
    ABOVE,
    CHAR,
    HEAD,
    LOG,
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

#: Array of a block -> the type of its elements.
_PARTS = {
    "head": "i64", "blocks": "u16", "kinds": "u8", "words": "i64", "word_starts": "i64", "letters": "u8", "spans": "i64",
    "symbols": "i32", "nodes": "i32", "roots": "i32", "weights": "f64", "logs": "f64", "numbers": "f64",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class TextBlock:
    """A text model's constant block."""

    block: ConstantBlock

    @property
    def is_laid_out(self) -> bool:
        """Whether the block has the arrays of a text model; needs no bytes of it."""
        kinds = [(name, self.block.part(name).kind) for name in _PARTS]
        return kinds == list(_PARTS.items()) and self.block.length("head") == HEAD

    @property
    def outputs(self) -> int:
        """Number of sums."""
        return int(self.block["head"][Head.OUTPUTS])

    @property
    def by_words(self) -> bool:
        """Whether terms are n-grams of words, not of characters."""
        return bool(self.block["head"][Head.ANALYZER] == WORD)

    @property
    def is_signed(self) -> bool:
        """Whether terms are hashed, and counted with the sign of their hash."""
        head = self.block["head"]
        return bool(head[Head.FEATURES]) and bool(head[Head.HASH] == SIGNED)

    @property
    def columns(self) -> int:
        """Number of columns."""
        return self.block.length("weights") // self.outputs

    @property
    def weights(self) -> np.ndarray:
        """The weights, [columns, outputs]."""
        return self.block["weights"].reshape(-1, self.outputs)

    @property
    def steps(self) -> list[tuple[int, np.ndarray]]:
        """The steps that transform a row's values: kinds, and numbers (SCALE: one a column; ABOVE: one; others: none)."""
        head, numbers, found = self.block["head"], self.block["numbers"], []
        sizes = {SCALE: self.columns, ABOVE: 1}
        for i in range(int(head[Head.STEPS])):
            kind, at = head[Head.STEPS + 1 + 2 * i : Head.STEPS + 3 + 2 * i].tolist()
            begin = (at - self.block.offset("numbers")) // 8
            found.append((kind, numbers[begin : begin + sizes.get(kind, 0)]))
        return found

    @property
    def scales(self) -> np.ndarray:
        """Returns each column's number of the first step where that is SCALE, else 1."""
        steps = self.steps
        return steps[0][1] if steps and steps[0][0] == SCALE else np.ones(self.columns)

    def most_terms(self, length: int) -> int:
        """Returns the maximum number of terms of a document of `length` code points."""
        head = self.block["head"]
        shortest, longest = int(head[Head.SHORTEST]), int(head[Head.LONGEST])
        if head[Head.ANALYZER] == CHAR:
            symbols = length
        elif self.by_words:
            least = 1 if head[Head.EXTRA] and head[Head.LEAST] > 0 else int(head[Head.LEAST])
            symbols = (length + 1) // (least + 1) if not head[Head.SPLIT] else length + 1
        else:
            symbols = 3 * length  # each run of characters with a space before and after it
        return (longest - shortest + 1) * symbols

    def counts(self, documents: Iterable[object]) -> Iterator[Counter[int]]:
        """Yields, for each document, column -> number of occurrences of its terms."""
        terms, stop_words = _terms_of(self.block)
        for document in documents:
            yield _counts(self.block, str(document), terms, stop_words)

    def transformed(self, values: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Transforms a row's values by the block's steps."""
        for kind, numbers in self.steps:
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


def _norm(values: np.ndarray, kind: int) -> float:
    if kind == NORM_MAX:
        return float(np.abs(values).max(initial=0))
    powers = values * values if kind == NORM_L2 else np.abs(values)
    total = float(np.add.accumulate(powers)[-1]) if len(powers) else 0.0
    return math.sqrt(total) if kind == NORM_L2 else total
