"""Represents the fitted text models of all libraries as data, and as the constants of programs.

These are an analyzer, terms, weights and steps, which passes read. `sparkweld.ir.layouts.text_blocks` has the tables that kernels
read.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from sparkweld.errors import VerifyError
from sparkweld.ir.blocks import ConstantBlock

#: Kinds of analyzers.
WORD, CHAR, CHAR_WB = range(3)

#: Kinds of hashes, all MurmurHash3. SIGNED and UNSIGNED are scikit-learn's, where the hash's sign is applied to the count or
#: not. SPARK is Spark's since 3.0.
UNSIGNED, SIGNED, SPARK = range(3)
#: Seed of Spark's hash.
SPARK_SEED = 42

#: Steps that transform a row's values, in order. LOG: 1 + log(x). SCALE: times the number of the value's column. ONE: 1. ABOVE:
#: 1 where greater than the number, else 0. Those from NORM_L1 on divide by the row's norm, unless it is 0.
LOG, SCALE, ONE, ABOVE, NORM_L1, NORM_L2, NORM_MAX = range(1, 8)
MOST_STEPS = 8
#: Maximum symbols of an n-gram that is hashed.
LONGEST_HASHED = 16

#: A transformation of a row's values: its kind, and its numbers (SCALE: one a column; ABOVE: one; others: none).
Step = tuple[int, np.ndarray | None]


@dataclass(frozen=True)
class Analyzer:
    """Splits a document into n-grams, as scikit-learn's analyzers do after preprocessing.

    `kind`: WORD, CHAR or CHAR_WB. With WORD, tokens are the longest runs of at least `least` code points c for which ``c *
    least`` matches `pattern`, without `stop_words`. A pattern may also be the code points of tokens, as the ends of ranges.

    `split` is for Spark's tokenizers: tokens are the strings between single separators, as Java's ``String.split`` returns
    them. They include empty ones: an empty document is one token. Trailing empty tokens are dropped. With `wide`, lengths count
    UTF-16 code units.
    """

    kind: int
    shortest: int
    longest: int
    pattern: str | tuple[int, ...] = r"(?u)\b\w\w+\b"
    least: int = 2
    stop_words: frozenset[str] = frozenset()
    split: bool = False
    wide: bool = False

    def terms(self, text: str) -> Iterator[str]:
        """Yields the n-grams of a document; words are joined by spaces."""
        if self.kind == WORD:
            tokens = [token for token in self._tokens(text) if token not in self.stop_words]
            yield from map(" ".join, _windows(tokens, self.shortest, self.longest))
            return
        runs = [(space, "".join(run)) for space, run in itertools.groupby(text, str.isspace)]
        if self.kind == CHAR:
            text = "".join(" " if space and len(run) > 1 else run for space, run in runs)
            yield from _windows(text, self.shortest, self.longest)
            return
        for space, run in runs:
            if not space:
                padded = f" {run} "
                yield from [padded] if len(padded) < self.shortest else _windows(padded, self.shortest, self.longest)

    def most_terms(self, length: int) -> int:
        """Returns the maximum number of terms of a document of `length` code points."""
        if self.kind == CHAR:
            symbols = length
        elif self.kind == WORD:
            least = 1 if self.wide and self.least > 0 else self.least
            symbols = (length + 1) // (least + 1) if not self.split else length + 1
        else:
            symbols = 3 * length  # each run of characters with a space before and after it
        return (self.longest - self.shortest + 1) * symbols

    def _tokens(self, text: str) -> list[str]:
        is_token = _is_token(self.pattern, self.least)
        if self.split:
            pieces = "".join(c if is_token(c) else "\0" for c in text).rstrip("\0")
            return pieces.split("\0") if pieces or not text else []
        runs = ["".join(run) for inside, run in itertools.groupby(text, is_token) if inside]
        return [run for run in runs if len(run) + self.wide * sum(c > "\uffff" for c in run) >= self.least]


@dataclass(frozen=True)
class TextModel:
    """A text model, as a view of the constant of its op.

    Arrays of the block:

    - settings: u8, the fields of the analyzer and all other settings, as JSON
    - letters: u8, all terms in UTF-8, one after another; none where terms are hashed
    - lengths, columns: i32[terms], the bytes and the column of each term
    - weights: f64[columns, outputs]
    - numbers: f64, those of all steps
    """

    block: ConstantBlock

    @staticmethod
    def of(
        analyzer: Analyzer, terms: Mapping[str, int] | int, weights: np.ndarray, steps: Sequence[Step] = (),
        started: bool = False, hash: int = SIGNED,
    ) -> TextModel:  # fmt: skip
        """Builds the model.

        `terms`: term -> column, or the number of columns to hash terms to, by a `hash`. `weights`: [columns, outputs]. `started`:
        the sums' initial values are arguments. Raises VerifyError for a column outside of an array.
        """
        known = {} if isinstance(terms, int) else terms
        _check_columns([terms - 1] if isinstance(terms, int) else known.values(), weights, steps)
        settings = {
            "analyzer": {**asdict(analyzer), "stop_words": sorted(analyzer.stop_words)}, "outputs": weights.shape[1],
            "started": started, "features": terms if isinstance(terms, int) else 0, "hash": hash,
            "steps": [kind for kind, _ in steps],
        }  # fmt: skip
        letters = [term.encode() for term in known]
        numbers = [np.zeros(0) if given is None else np.asarray(given, np.float64) for _, given in steps]
        return TextModel(ConstantBlock.of(
            settings=np.frombuffer(json.dumps(settings).encode(), np.uint8),
            letters=np.frombuffer(b"".join(letters), np.uint8), lengths=np.array([*map(len, letters)], np.int32),
            columns=np.array([*known.values()], np.int32), weights=np.asarray(weights, np.float64),
            numbers=np.concatenate([np.zeros(0), *numbers]),
        ))  # fmt: skip

    @cached_property
    def _settings(self) -> dict[str, Any]:
        return json.loads(self.block["settings"].tobytes())  # type: ignore[no-any-return]

    @cached_property
    def analyzer(self) -> Analyzer:
        """The analyzer."""
        given = self._settings["analyzer"]
        pattern = given["pattern"] if isinstance(given["pattern"], str) else tuple(given["pattern"])
        return Analyzer(**{**given, "pattern": pattern, "stop_words": frozenset(given["stop_words"])})

    @property
    def outputs(self) -> int:
        """Number of sums."""
        return int(self._settings["outputs"])

    @property
    def started(self) -> bool:
        """Whether the sums' initial values are arguments."""
        return bool(self._settings["started"])

    @property
    def features(self) -> int:
        """The number of columns that terms are hashed to; 0 with a vocabulary."""
        return int(self._settings["features"])

    @property
    def hash(self) -> int:
        """The kind of the hash."""
        return int(self._settings["hash"])

    @property
    def is_signed(self) -> bool:
        """Whether terms are hashed, and counted with the sign of their hash."""
        return bool(self.features) and self.hash == SIGNED

    @property
    def vocabulary(self) -> dict[str, int]:
        """The known terms, and their columns; empty where terms are hashed."""
        letters, at, found = self.block["letters"].tobytes(), 0, {}
        for length, column in zip(self.block["lengths"].tolist(), self.block["columns"].tolist(), strict=True):
            found[letters[at : at + length].decode()] = column
            at += length
        return found

    @property
    def weights(self) -> np.ndarray:
        """The weights, [columns, outputs]."""
        return self.block["weights"].reshape(-1, self.outputs)

    @property
    def steps(self) -> list[tuple[int, np.ndarray]]:
        """The steps that transform a row's values: kinds, and numbers."""
        return steps_of(self._settings["steps"], self.block["numbers"], len(self.weights))

    @property
    def scales(self) -> np.ndarray:
        """Returns each column's number of the first step where that is SCALE, else 1."""
        steps = self.steps
        return steps[0][1] if steps and steps[0][0] == SCALE else np.ones(len(self.weights))

    def counts(self, documents: Iterable[object]) -> Iterator[Counter[int]]:
        """Yields, for each document, column -> number of occurrences of its terms."""
        analyzer, features, hash, vocabulary = self.analyzer, self.features, self.hash, self.vocabulary
        for document in documents:
            counts = Counter[int]()
            for term in analyzer.terms(str(document)):
                if features:
                    h = murmur_hash(term.encode(), SPARK_SEED if hash == SPARK else 0)
                    column = h % features if hash == SPARK else hashed_column(h, features)
                    counts[column] += -1 if hash == SIGNED and h < 0 else 1
                elif term in vocabulary:
                    counts[vocabulary[term]] += 1
            yield counts

    def transformed(self, values: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Transforms a row's values by the steps."""
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


def is_text_model(block: ConstantBlock) -> bool:
    """Whether the block has the arrays of a `TextModel`; needs no bytes of it."""
    kinds = {"settings": "u8", "letters": "u8", "lengths": "i32", "columns": "i32", "weights": "f64", "numbers": "f64"}
    return [(part.name, part.kind) for part in block.layout] == list(kinds.items())


def steps_of(kinds: Sequence[int], numbers: np.ndarray, columns: int) -> list[tuple[int, np.ndarray]]:
    """Returns steps with their own parts of `numbers`, which holds those of all steps."""
    ends = np.cumsum([{SCALE: columns, ABOVE: 1}.get(kind, 0) for kind in kinds], dtype=np.int64)
    return list(zip(kinds, np.split(numbers, ends)[: len(kinds)], strict=True))


def _check_columns(terms: Iterable[int], weights: np.ndarray, steps: Sequence[Step]) -> None:
    per_column = [len(weights), *(len(numbers) for kind, numbers in steps if kind == SCALE and numbers is not None)]
    if any(size != len(weights) for size in per_column) or any(not 0 <= column < len(weights) for column in set(terms)):
        raise VerifyError(f"columns of terms that do not fit {per_column} numbers")


@cache
def _is_token(pattern: str | tuple[int, ...], least: int) -> Callable[[str], bool]:
    """Returns the test whether tokens have a code point."""
    if isinstance(pattern, str):
        match = re.compile(pattern).fullmatch
        return cache(lambda c: match(c * least) is not None)
    ranges = list(zip(pattern[::2], pattern[1::2], strict=True))
    return cache(lambda c: any(first <= ord(c) < end for first, end in ranges))


def _windows(symbols: Sequence[str], shortest: int, longest: int) -> Iterator[Any]:
    for size in range(shortest, longest + 1):
        for i in range(len(symbols) - size + 1):
            yield symbols[i : i + size]


def _norm(values: np.ndarray, kind: int) -> float:
    if kind == NORM_MAX:
        return float(np.abs(values).max(initial=0))
    powers = values * values if kind == NORM_L2 else np.abs(values)
    total = float(np.add.accumulate(powers)[-1]) if len(powers) else 0.0
    return math.sqrt(total) if kind == NORM_L2 else total


def murmur_hash(data: bytes, seed: int = 0) -> int:
    """Computes MurmurHash3_x86_32 (Appleby), signed, as sklearn.utils.murmurhash3_32 does."""

    def rotated(x: int, bits: int) -> int:
        return (x << bits | x >> 32 - bits) & 0xFFFFFFFF

    h = seed
    for i in range(0, len(data), 4):
        k = int.from_bytes(data[i : i + 4], "little") * 0xCC9E2D51 & 0xFFFFFFFF
        h ^= rotated(k, 15) * 0x1B873593 & 0xFFFFFFFF
        if i + 4 <= len(data):
            h = rotated(h, 13) * 5 + 0xE6546B64 & 0xFFFFFFFF
    h ^= len(data)
    h = (h ^ h >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    h ^= h >> 16
    return h - (1 << 32) if h >> 31 else h


def hashed_column(h: int, features: int) -> int:
    """Returns the column of a hash, as scikit-learn's FeatureHasher computes it."""
    return ((1 << 31) - features) % features if h == -(1 << 31) else abs(h) % features
