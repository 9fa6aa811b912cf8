"""Packs a text model's analyzer, terms, weights and steps into the constant block that its kernel reads (see `text_header`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sparkweld.errors import VerifyError
from sparkweld.ir.blocks import ConstantBlock, offsets
from sparkweld.ir.layouts.text_automata import TermTables, character_classes, term_tables, word_table
from sparkweld.ir.layouts.text_header import CHAR_WB, HEAD, LOG, SCALE, WORD, Head

#: Number of precomputed logarithms in a block; those of greater counts are computed at run time.
_LOGS = 4096

#: Pattern of the characters of words separated by white space.
_NO_SPACE = r"\S"

#: A transformation of a row's values: a kind of `text_header`, and its numbers (SCALE: one a column; ABOVE: one).
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


def block_of(
    analyzer: Analyzer, terms: Mapping[str, int] | int, weights: np.ndarray, steps: Sequence[Step], started: bool, hash: int
) -> ConstantBlock:
    """Builds the block from the arguments of `TextSums.of`. Raises VerifyError for a column outside of an array."""
    _check_columns(terms, weights, steps)
    of_words = analyzer.kind == WORD
    classes = character_classes(analyzer.pattern, analyzer.least) if of_words else character_classes(_NO_SPACE)
    words, tables = ([], _tables_of(np.zeros(0), [], [])) if isinstance(terms, int) else _words_and_tables(analyzer, terms)
    known = word_table([*words, *sorted(analyzer.stop_words)])
    numbers = [np.zeros(0) if given is None else np.asarray(given, np.float64) for _, given in steps]
    arrays: dict[str, np.ndarray] = {
        "head": np.zeros(HEAD, np.int64), "blocks": classes.blocks, "kinds": classes.kinds, "words": known.slots,
        "word_starts": known.starts, "letters": known.letters, "spans": classes.spans,
        "symbols": tables.symbols, "nodes": tables.nodes, "roots": tables.roots,
        "weights": weights, "logs": _logarithms(steps), "numbers": np.concatenate([np.zeros(0), *numbers]),
    }  # fmt: skip
    at = offsets({name: [array] for name, array in arrays.items()})
    head = {
        Head.ANALYZER: analyzer.kind, Head.LEAST: analyzer.least if of_words else 0,
        Head.SHORTEST: analyzer.shortest, Head.LONGEST: analyzer.longest,
        Head.OUTPUTS: weights.shape[1], Head.STARTS: started, Head.HASH: hash, Head.STEPS: len(steps),
        Head.FEATURES: terms if isinstance(terms, int) else 0, Head.DIGITS: -(-max(len(weights) - 1, 1).bit_length() // 8),
        Head.FIRST_STOP: len(words), Head.WORDS_SHIFT: known.shift, Head.SPANS: len(classes.spans) // 2,
        Head.ROOTS: len(tables.roots),
        Head.LOGS: len(arrays["logs"]), Head.DIRECT: _is_direct(analyzer, terms, words),
        Head.SPLIT: analyzer.split, Head.EXTRA: analyzer.wide,
        **{place: at[name] for name, place in _PLACES.items()},
    }  # fmt: skip
    arrays["head"][list(head)] = list(head.values())
    starts = at["numbers"] + 8 * np.cumsum([0, *map(len, numbers)])
    for i, (kind, _) in enumerate(steps):
        arrays["head"][Head.STEPS + 1 + 2 * i : Head.STEPS + 3 + 2 * i] = kind, starts[i]
    return ConstantBlock.of(**arrays)


_PLACES = {
    "blocks": Head.BLOCKS_AT, "kinds": Head.KINDS_AT, "words": Head.WORDS_AT, "word_starts": Head.WORD_STARTS_AT,
    "letters": Head.LETTERS_AT, "spans": Head.SPANS_AT, "symbols": Head.SYMBOLS_AT, "nodes": Head.NODES_AT,
    "roots": Head.ROOTS_AT, "weights": Head.WEIGHTS_AT, "logs": Head.LOGS_AT,
}  # fmt: skip


def _check_columns(terms: Mapping[str, int] | int, weights: np.ndarray, steps: Sequence[Step]) -> None:
    columns = {terms - 1} if isinstance(terms, int) else set(terms.values())
    per_column = [len(weights), *(len(numbers) for kind, numbers in steps if kind == SCALE and numbers is not None)]
    if any(size != len(weights) for size in per_column) or any(not 0 <= column < len(weights) for column in columns):
        raise VerifyError(f"columns of terms that do not fit {per_column} numbers")


def _logarithms(steps: Sequence[Step]) -> np.ndarray:
    if all(kind != LOG for kind, _ in steps):
        return np.zeros(0)
    with np.errstate(divide="ignore"):
        return np.log(np.arange(_LOGS, dtype=np.float64)) + 1.0  # type: ignore[no-any-return]


def _words_and_tables(analyzer: Analyzer, terms: Mapping[str, int]) -> tuple[list[str], TermTables]:
    """Returns the words that terms consist of (none for characters), and the tables of the terms that the analyzer can produce.
    """
    pairs = [(_symbols(term, analyzer), column) for term, column in terms.items()]
    pairs = [(symbols, column) for symbols, column in pairs if _can_occur(symbols, analyzer)]
    if analyzer.kind == WORD and analyzer.longest == 1:
        pairs.sort(key=lambda pair: pair[1])  # a word's number is then that of its term, and mostly its column
    lengths, columns = [len(symbols) for symbols, _ in pairs], [column for _, column in pairs]
    if analyzer.kind != WORD:
        codes = np.frombuffer("".join(str(symbols) for symbols, _ in pairs).encode("utf-32-le"), np.uint32)
        return [], _tables_of(codes, lengths, columns)
    flat = [word for symbols, _ in pairs for word in symbols]
    words = flat if analyzer.longest == 1 else sorted(set(flat))
    numbers = {word: number for number, word in enumerate(words)}
    return words, _tables_of(np.array([numbers[word] for word in flat]), lengths, columns)


def _is_direct(analyzer: Analyzer, terms: Mapping[str, int] | int, words: Sequence[str]) -> bool:
    if isinstance(terms, int) or analyzer.kind != WORD or analyzer.longest > 1:
        return False
    return all(terms[word] == number for number, word in enumerate(words))


def _symbols(term: str, analyzer: Analyzer) -> Sequence[str]:
    if analyzer.kind != WORD:
        return term
    return term.split(" ") if analyzer.longest > 1 else [term]


def _can_occur(symbols: Sequence[str], analyzer: Analyzer) -> bool:
    """Whether the analyzer can produce the term: a user's own vocabulary may hold terms of another length or shape."""
    if analyzer.kind == WORD and not analyzer.stop_words.isdisjoint(symbols):
        return False
    if analyzer.kind == CHAR_WB and 0 < len(symbols) < analyzer.shortest:  # a whole word, shorter than all n-grams
        inside = str(symbols)[1:-1]
        return inside != "" and str(symbols) == f" {inside} " and inside.split() == [inside]
    return analyzer.shortest <= len(symbols) <= analyzer.longest


def _tables_of(flat: np.ndarray, lengths: Sequence[int], columns: Sequence[int]) -> TermTables:
    """Builds the tables of terms whose symbols are concatenated in `flat`."""
    sizes = np.array(lengths, np.int64)
    symbols = np.zeros((len(sizes), sizes.max(initial=0)), np.int64)
    symbols[np.arange(symbols.shape[1]) < sizes[:, None]] = flat
    return term_tables(symbols, sizes, np.array(columns, np.int64))
