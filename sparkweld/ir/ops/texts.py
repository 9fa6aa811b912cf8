"""The op of text models: a text to weighted sums over the terms in it, as a vectoriser and a matrix product give them."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from sparkweld.ir.blocks import ALIGNMENT, ConstantBlock
from sparkweld.ir.ops.models import ModelOp
from sparkweld.ir.text_layout import (
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
    WORD,
    Head,
)
from sparkweld.ir.text_tables import (
    SPACE,
    SYMBOL_BITS,
    TOKEN,
    TermTables,
    character_classes,
    hashed_column,
    murmur_hash,
    term_tables,
    word_table,
)
from sparkweld.ir.types import F64, STR, Type

#: Number of logarithms that a block holds; those of greater counts are computed.
_LOGS = 4096

#: What is done with a row's values: a kind of `text_layout`, and its numbers (SCALE: one a column; ABOVE: one).
Step = tuple[int, np.ndarray | None]


@dataclass(frozen=True)
class Analyzer:
    """How a text becomes n-grams, as scikit-learn's analyzers do it behind the preprocessing.

    `kind`: WORD, CHAR or CHAR_WB. WORD: tokens are the longest runs of at least `least` code points c of which ``c * least``
    matches `pattern`, `stop_words` are left out.
    """

    kind: int
    shortest: int
    longest: int
    pattern: str = r"(?u)\b\w\w+\b"
    least: int = 2
    stop_words: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TextSums(ModelOp):
    """Sums over the columns of a row's terms, in ascending order, of the term's value times its weight: `outputs` f64.

    A value is the number of times that the term occurs, then taken through the block's steps. Arguments: the text, and when
    `started` one f64 an output, from which the sums start. All else is in the block, whose head `text_layout` describes.
    """

    outputs: int
    started: bool
    block: ConstantBlock
    output: int = 0
    name: ClassVar[str] = "text_sums"

    @staticmethod
    def of(
        analyzer: Analyzer, terms: Mapping[str, int] | int, weights: np.ndarray, steps: Sequence[Step] = (),
        started: bool = False, signed: bool = True,
    ) -> TextSums:  # fmt: skip
        """`terms`: term -> column, or the number of columns to hash terms to. `weights`: f64[columns, outputs]."""
        block = _block_of(analyzer, terms, np.asarray(weights, np.float64), steps, started, signed)
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


_PARTS = {
    "head": "i64", "blocks": "u16", "kinds": "u8", "words": "i64", "letters": "u8", "slots": "i64", "nodes": "i32",
    "weights": "f64", "logs": "f64", "numbers": "f64",
}  # fmt: skip


def _block_of(
    analyzer: Analyzer, terms: Mapping[str, int] | int, weights: np.ndarray, steps: Sequence[Step], started: bool, signed: bool
) -> ConstantBlock:
    classes = character_classes(analyzer.pattern, analyzer.least) if analyzer.kind == WORD else character_classes()
    words, tables = [], term_tables(np.zeros((0, 0), np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))
    if not isinstance(terms, int):
        reachable = {term: column for term, column in terms.items() if _can_occur(term, analyzer)}
        sequences = [_symbols(term, analyzer.kind) for term in reachable]
        if analyzer.kind == WORD:
            words = sorted(set(itertools.chain.from_iterable(sequences)) - analyzer.stop_words)
            kept = set(words)
            pairs = zip(sequences, reachable.values(), strict=True)
            chosen = [(s, column) for s, column in pairs if kept.issuperset(s)]
            numbers = {word: number for number, word in enumerate(words)}
            tables = _tables_of([[numbers[w] for w in s] for s, _ in chosen], [column for _, column in chosen])
        else:
            tables = _tables_of([[ord(c) for c in s] for s in sequences], list(reachable.values()))
    table = word_table([*words, *sorted(analyzer.stop_words)])
    has_log = any(kind == LOG for kind, _ in steps)
    with np.errstate(divide="ignore"):
        logs = np.log(np.arange(_LOGS, dtype=np.float64)) + 1.0 if has_log else np.zeros(0)
    numbers_of = [np.zeros(0) if numbers is None else np.asarray(numbers, np.float64) for _, numbers in steps]
    arrays: dict[str, np.ndarray] = {
        "head": np.zeros(HEAD, np.int64), "blocks": classes.blocks, "kinds": classes.kinds, "words": table.slots,
        "letters": table.letters, "slots": tables.slots, "nodes": tables.nodes, "weights": weights, "logs": logs,
        "numbers": np.concatenate([np.zeros(0), *numbers_of]),
    }  # fmt: skip
    at = _offsets(arrays)
    starts = at["numbers"] + 8 * np.cumsum([0, *map(len, numbers_of)])
    head = arrays["head"]
    head[Head.ANALYZER], head[Head.LEAST] = analyzer.kind, analyzer.least
    head[Head.SHORTEST], head[Head.LONGEST] = analyzer.shortest, analyzer.longest
    head[Head.OUTPUTS], head[Head.STARTS], head[Head.SIGNED] = weights.shape[1], started, signed
    head[Head.FEATURES] = terms if isinstance(terms, int) else 0
    head[Head.BLOCKS_AT], head[Head.KINDS_AT] = at["blocks"], at["kinds"]
    head[Head.WORDS_AT], head[Head.WORDS_MASK] = at["words"], len(table.slots) // 4 - 1
    head[Head.LETTERS_AT], head[Head.FIRST_STOP] = at["letters"], len(words)
    head[Head.SLOTS_AT], head[Head.SLOTS_MASK] = at["slots"], len(tables.slots) // 2 - 1
    head[Head.NODES_AT], head[Head.WEIGHTS_AT] = at["nodes"], at["weights"]
    head[Head.LOGS_AT], head[Head.LOGS] = at["logs"], len(logs)
    head[Head.DIGITS] = max(1, -(-max(len(weights) - 1, 1).bit_length() // 8))
    head[Head.STEPS] = len(steps)
    for i, (kind, _) in enumerate(steps):
        head[Head.STEPS + 1 + 2 * i : Head.STEPS + 3 + 2 * i] = kind, starts[i]
    return ConstantBlock.of(**arrays)


def _offsets(arrays: Mapping[str, np.ndarray]) -> dict[str, int]:
    at, offsets = 0, {}
    for name, array in arrays.items():
        offsets[name] = at
        at += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
    return offsets


def _symbols(term: str, kind: int) -> Sequence[str]:
    return term.split(" ") if kind == WORD else term


def _can_occur(term: str, analyzer: Analyzer) -> bool:
    """Whether the analyzer can make the term: one of a user's own vocabulary may be of another length or shape."""
    size = len(_symbols(term, analyzer.kind))
    if analyzer.kind == WORD and analyzer.longest == 1:
        return True
    if analyzer.kind == CHAR_WB and 0 < size < analyzer.shortest:
        return len(term) > 2 and term[0] == term[-1] == " " and len(term.split()) == 1 and term.split()[0] == term[1:-1]
    return analyzer.shortest <= size <= analyzer.longest


def _tables_of(sequences: Sequence[Sequence[int]], columns: Sequence[int]) -> TermTables:
    lengths = np.array([len(s) for s in sequences], np.int64)
    symbols = np.zeros((len(sequences), lengths.max(initial=0)), np.int64)
    for i, sequence in enumerate(sequences):
        symbols[i, : len(sequence)] = sequence
    return term_tables(symbols, lengths, np.array(columns, np.int64))


def _terms_of(block: ConstantBlock) -> tuple[dict[tuple[str, ...], int], frozenset[str]]:
    """The terms of a block's tables as symbols (characters or words) -> column, and the stop words."""
    head, letters = block["head"], block["letters"].tobytes()
    slots = block["words"].reshape(-1, 4)
    words = {int(k): letters[o : o + n].decode() for _, o, n, k in slots.tolist() if k >= 0}
    columns = block["nodes"].reshape(-1, 4)[:, 0]
    prefixes: dict[int, tuple[str, ...]] = {0: ()}
    terms: dict[tuple[str, ...], int] = {}
    for key, node in sorted((k, n) for k, n in block["slots"].reshape(-1, 2).tolist() if k >= 0):
        symbol = key & ((1 << SYMBOL_BITS) - 1)
        prefixes[node] = (*prefixes[key >> SYMBOL_BITS], words[symbol] if head[Head.ANALYZER] == WORD else chr(symbol))
        if columns[node] >= 0:
            terms[prefixes[node]] = int(columns[node])
    return terms, frozenset(word for number, word in words.items() if number >= head[Head.FIRST_STOP])


def _grams(text: str, block: ConstantBlock, stop_words: frozenset[str]) -> Iterator[tuple[str, ...]]:
    """The n-grams of a text as scikit-learn's analyzers make them, each a tuple of symbols."""
    head, blocks, kinds = block["head"], block["blocks"], block["kinds"]
    shortest, longest = int(head[Head.SHORTEST]), int(head[Head.LONGEST])

    def has(kind: int) -> Callable[[str], bool]:
        return lambda c: bool(kinds[(int(blocks[ord(c) >> 7]) << 7) + (ord(c) & 127)] & kind)

    if head[Head.ANALYZER] == WORD:
        tokens = ["".join(run) for inside, run in itertools.groupby(text, has(TOKEN)) if inside]
        yield from _windows([t for t in tokens if len(t) >= head[Head.LEAST] and t not in stop_words], shortest, longest)
        return
    runs = [(space, "".join(run)) for space, run in itertools.groupby(text, has(SPACE))]
    if head[Head.ANALYZER] == CHAR:
        yield from _windows("".join(" " if space and len(run) > 1 else run for space, run in runs), shortest, longest)
        return
    for space, run in runs:
        if not space:
            padded = f" {run} "
            yield from [tuple(padded)] if len(padded) < shortest else _windows(padded, shortest, longest)


def _windows(symbols: Sequence[str], shortest: int, longest: int) -> Iterator[tuple[str, ...]]:
    for size in range(shortest, longest + 1):
        for i in range(len(symbols) - size + 1):
            yield tuple(symbols[i : i + size])


def _counts(block: ConstantBlock, text: str, terms: Mapping[tuple[str, ...], int], stop_words: frozenset[str]) -> Counter[int]:
    """Column -> number of times that its terms occur."""
    head, counts = block["head"], Counter[int]()
    features, signed = int(head[Head.FEATURES]), bool(head[Head.SIGNED])
    for gram in _grams(text, block, stop_words):
        if features:
            h = murmur_hash((" " if head[Head.ANALYZER] == WORD else "").join(gram).encode())
            counts[hashed_column(h, features)] += -1 if signed and h < 0 else 1
        elif gram in terms:
            counts[terms[gram]] += 1
    return counts


def _stepped(values: np.ndarray, columns: np.ndarray, block: ConstantBlock) -> np.ndarray:
    """A row's values behind the block's steps."""
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
    analyzer: Analyzer, terms: Sequence[str] | int, steps: Sequence[Step], outputs: int, started: bool = False
) -> tuple[TextSums, tuple[Type, ...]]:
    columns = terms if isinstance(terms, int) else len(terms)
    weights = np.random.default_rng(columns).normal(size=(columns, outputs))
    known = terms if isinstance(terms, int) else {term: column for column, term in enumerate(terms)}
    op = TextSums.of(analyzer, known, weights, steps, started)
    return op, (STR, *(F64,) * (outputs * started))


TextSums.examples = (
    _example(Analyzer(WORD, 1, 2), ["abc", "xé", "abc xé", "12"], [(SCALE, np.arange(1.0, 5.0)), (NORM_L2, None)], 2),
    _example(Analyzer(CHAR, 1, 3), ["a", " ", "é", "ab", "a é", "ß"], [(LOG, None), (NORM_L1, None)], 1, True),
    _example(Analyzer(CHAR_WB, 2, 3), ["a ", " a", " ab", "bc", " é "], [(ONE, None), (NORM_MAX, None)], 1),
    _example(Analyzer(CHAR, 1, 2), 7, [(NORM_L2, None), (ABOVE, np.array([0.1]))], 3),
)
