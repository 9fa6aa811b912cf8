"""Packs a text model into the tables that its kernel reads (see `text_header`), and reads the model back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

import numpy as np

from sparkweld.ir.blocks import ConstantBlock, offsets
from sparkweld.ir.layouts.text_automata import TOKEN, TermTables, character_classes, term_tables, word_table
from sparkweld.ir.layouts.text_header import HEAD, Head
from sparkweld.ir.text_models import CHAR_WB, LOG, WORD, Analyzer, TextModel, steps_of

#: Number of precomputed logarithms in a block; those of greater counts are computed at run time.
_LOGS = 4096

#: Pattern of the characters of words separated by white space.
_NO_SPACE = r"\S"

#: Array of a block -> the type of its elements.
_PARTS = {
    "head": "i64", "blocks": "u16", "kinds": "u8", "words": "i64", "word_starts": "i64", "letters": "u8", "spans": "i64",
    "symbols": "i32", "nodes": "i32", "roots": "i32", "weights": "f64", "logs": "f64", "numbers": "f64",
}  # fmt: skip

#: Constant of a model -> its block. Requests about one function lay its models out once.
_LAID_OUT: WeakKeyDictionary[ConstantBlock, ConstantBlock] = WeakKeyDictionary()


def is_laid_out(block: ConstantBlock) -> bool:
    """Whether the block has the arrays that kernels read; needs no bytes of it."""
    return [(part.name, part.kind) for part in block.layout] == list(_PARTS.items()) and block.length("head") == HEAD


def laid_out(constant: ConstantBlock) -> ConstantBlock:
    """Returns the block that kernels read, for the constant of a `TextModel`, which must hold its bytes."""
    found = _LAID_OUT.get(constant)
    if found is None:
        found = _LAID_OUT[constant] = _block_of(TextModel(constant))
    return found


def _block_of(model: TextModel) -> ConstantBlock:
    analyzer, vocabulary, weights, steps = model.analyzer, model.vocabulary, model.weights, model.steps
    of_words = analyzer.kind == WORD
    classes = character_classes(analyzer.pattern, analyzer.least) if of_words else character_classes(_NO_SPACE)
    words, tables = _words_and_tables(analyzer, vocabulary)
    known = word_table([*words, *sorted(analyzer.stop_words)])
    arrays: dict[str, np.ndarray] = {
        "head": np.zeros(HEAD, np.int64), "blocks": classes.blocks, "kinds": classes.kinds, "words": known.slots,
        "word_starts": known.starts, "letters": known.letters, "spans": classes.spans,
        "symbols": tables.symbols, "nodes": tables.nodes, "roots": tables.roots,
        "weights": weights, "logs": _logarithms(steps), "numbers": model.block["numbers"],
    }  # fmt: skip
    at = offsets({name: [array] for name, array in arrays.items()})
    head = {
        Head.ANALYZER: analyzer.kind, Head.LEAST: analyzer.least if of_words else 0,
        Head.SHORTEST: analyzer.shortest, Head.LONGEST: analyzer.longest,
        Head.OUTPUTS: model.outputs, Head.STARTS: model.started, Head.HASH: model.hash, Head.STEPS: len(steps),
        Head.FEATURES: model.features, Head.DIGITS: -(-max(len(weights) - 1, 1).bit_length() // 8),
        Head.FIRST_STOP: len(words), Head.WORDS_SHIFT: known.shift, Head.SPANS: len(classes.spans) // 2,
        Head.ROOTS: len(tables.roots),
        Head.LOGS: len(arrays["logs"]), Head.DIRECT: not model.features and _is_direct(analyzer, vocabulary, words),
        Head.SPLIT: analyzer.split, Head.EXTRA: analyzer.wide,
        **{place: at[name] for name, place in _PLACES.items()},
    }  # fmt: skip
    arrays["head"][list(head)] = list(head.values())
    starts = at["numbers"] + 8 * np.cumsum([0, *(len(numbers) for _, numbers in steps)])
    for i, (kind, _) in enumerate(steps):
        arrays["head"][Head.STEPS + 1 + 2 * i : Head.STEPS + 3 + 2 * i] = kind, starts[i]
    return ConstantBlock.of(**arrays)


_PLACES = {
    "blocks": Head.BLOCKS_AT, "kinds": Head.KINDS_AT, "words": Head.WORDS_AT, "word_starts": Head.WORD_STARTS_AT,
    "letters": Head.LETTERS_AT, "spans": Head.SPANS_AT, "symbols": Head.SYMBOLS_AT, "nodes": Head.NODES_AT,
    "roots": Head.ROOTS_AT, "weights": Head.WEIGHTS_AT, "logs": Head.LOGS_AT,
}  # fmt: skip


def _logarithms(steps: Sequence[tuple[int, np.ndarray]]) -> np.ndarray:
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


def _is_direct(analyzer: Analyzer, terms: Mapping[str, int], words: Sequence[str]) -> bool:
    return analyzer.kind == WORD and analyzer.longest == 1 and all(terms[word] == i for i, word in enumerate(words))


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


def model_of(block: ConstantBlock) -> TextModel:
    """Reads back the model of a block for kernels, without the terms that its analyzer cannot produce."""
    head, kinds = block["head"], block["head"][Head.STEPS + 1 :: 2]
    classes = (block["kinds"].reshape(-1, 128)[block["blocks"][: 0x110000 >> 7]].reshape(-1) & TOKEN).astype(np.int8)
    letters, starts = block["letters"].tobytes(), block["word_starts"].tolist()
    lengths = {at >> 32: at & 0xFFFFFFFF for at in block["words"][1::2].tolist() if at >= 0}
    words = [letters[start : start + lengths[number]].decode() for number, start in enumerate(starts)]
    kind, shortest, longest, least = (int(head[at]) for at in (Head.ANALYZER, Head.SHORTEST, Head.LONGEST, Head.LEAST))
    tokens = tuple(np.flatnonzero(np.diff(classes, prepend=0, append=0)).tolist())
    stop_words = frozenset(words[head[Head.FIRST_STOP] :])
    analyzer = Analyzer(kind, shortest, longest, tokens, least, stop_words, bool(head[Head.SPLIT]), bool(head[Head.EXTRA]))
    weights = block["weights"].reshape(-1, head[Head.OUTPUTS])
    steps = steps_of(kinds[: head[Head.STEPS]].tolist(), block["numbers"], len(weights))
    terms = int(head[Head.FEATURES]) or _terms_of(block, words)
    return TextModel.of(analyzer, terms, weights, steps, bool(head[Head.STARTS]), int(head[Head.HASH]))


def _terms_of(block: ConstantBlock, words: Sequence[str]) -> dict[str, int]:
    """Returns the terms of a block's automaton, and their columns."""
    of_words = block["head"][Head.ANALYZER] == WORD
    symbols, nodes = block["symbols"].tolist(), block["nodes"].reshape(-1, 8).tolist()
    prefixes: list[tuple[str, ...]] = [()]
    terms: dict[int, str] = {}
    for node, (column, _, _, _, first, count, _, _) in enumerate(nodes):
        if first == len(prefixes):  # the node's own children, not those of its suffix, which come earlier
            prefixes += [(*prefixes[node], words[s] if of_words else chr(s)) for s in symbols[first : first + count]]
        if column >= 0 and column not in terms:
            terms[column] = (" " if of_words else "").join(prefixes[node])
    return {term: column for column, term in terms.items()}
