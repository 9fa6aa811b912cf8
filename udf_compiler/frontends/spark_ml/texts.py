"""Lowers Spark's tokenizers and word counters to `Terms`, without materializing words or vectors.

`Words` is a string together with its splitting rule; `Terms` is the sparse vector of its word counts. Sums over `Terms` equal
those of Spark to the last bit, since Spark adds a sparse vector's products in the order of their indices.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np

from sparkweld.ir import LoopBuilder
from sparkweld.ir.ops import StrCall
from sparkweld.ir.text_models import LONGEST_HASHED, ONE, SIGNED, SPARK, WORD, Analyzer
from udf_compiler.frontends.models.sparse_text_features import Terms, TextPart
from udf_compiler.frontends.spark_ml.scaling import scale
from udf_compiler.frontends.spark_ml.stages import Argument, Maybe, Rule, Stage, Vector, Words

_CODE_POINTS = 0x110000


def tokens(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Words:
    """Implements Tokenizer and RegexTokenizer.

    With `gaps`, code points of a set separate words; without, words are runs of these code points. NULL is guarded, as Spark
    raises for it. The kernel converts to lower case as Python does. Java differs for some letters and at the ends of words, so
    rows with such letters are guarded.
    """
    (given,) = args
    assert isinstance(given, Maybe)
    text, lowercase, least = given.value, stage.params["lowercase"], stage.params["least"]
    if given.valid is not None:
        loop.guard(given.valid)
    if lowercase:
        loop.guard(loop.emit(StrCall("lacks", (_of_other_case(stage.arrays["lower"].tobytes()),)), text))
        text = loop.emit(StrCall("lower"), text)
    members = tuple(stage.arrays["members"].tolist())
    gaps, repeated = stage.params["gaps"], stage.params["repeated"]
    split = gaps and not repeated and least == 0
    if not split and (least < 1 or not (gaps or repeated)):
        stage.refuse(f"minTokenLength={least}" if gaps else "a pattern of one character")
    inside = _others(members) if gaps else members
    return Words(text, Analyzer(WORD, 1, 1, inside, least, split=split, wide=True), lowercase)


@cache
def _of_other_case(pairs: bytes) -> str:
    """Returns the letters whose lower case differs in Java, or depends on neighbouring letters.

    `pairs`: int32; each code point that changes in lower case in the JVM, and the result, or -1 if that is several code points.
    """
    codes, lower = np.frombuffer(pairs, np.int32).reshape(-1, 2).T
    java = dict(zip(codes.tolist(), lower.tolist(), strict=True))
    letters = {code for code in (*range(0xD800), *range(0xE000, _CODE_POINTS)) if code in java or chr(code).lower() != chr(code)}
    return "".join(sorted({chr(c) for c in letters if java.get(c, c) < 0 or chr(c).lower() != chr(java.get(c, c))} | {"\u03a3"}))


def _others(members: tuple[int, ...]) -> tuple[int, ...]:
    """Returns the code points outside these ranges, as ranges."""
    ends = [0, *members, _CODE_POINTS]
    return tuple(end for pair in zip(ends[::2], ends[1::2], strict=True) if pair[0] < pair[1] for end in pair)


def without_words(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Words:
    """Implements StopWordsRemover."""
    words = _words(stage, args)
    if not (stage.params["caseSensitive"] or words.lowercase):
        stage.refuse("words that are not in lower case (caseSensitive=False)")
    if words.analyzer.longest > 1:
        stage.refuse("n-grams")
    stop_words = words.analyzer.stop_words | frozenset(stage.params["words"])
    return replace(words, analyzer=replace(words.analyzer, stop_words=stop_words))


def ngrams(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Words:
    """Implements NGram: each `n` consecutive words, joined by spaces."""
    words, n = _words(stage, args), stage.params["n"]
    if words.analyzer.longest > 1:
        stage.refuse("n-grams")
    return replace(words, analyzer=replace(words.analyzer, shortest=n, longest=n))


def hashed(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Vector:
    """Implements HashingTF: the count of words with each hash, or 1 if `binary`."""
    words = _words(stage, args)
    if words.analyzer.longest > LONGEST_HASHED:
        stage.refuse(f"n-grams of {words.analyzer.longest} words")
    return _counts(stage, loop, TextPart(words.text, words.analyzer, None, stage.params["size"], SPARK))


def counted(stage: Stage, loop: LoopBuilder, args: Sequence[Argument]) -> Vector:
    """Implements CountVectorizerModel: the count of each word of the vocabulary, or 1 if `binary`."""
    words = _words(stage, args)
    if stage.number("least") not in (0.0, 1.0):
        stage.refuse(f"minTF={stage.number('least')}")
    if words.analyzer.longest > 1 and words.may_hold(" "):
        stage.refuse("n-grams of words with spaces")
    vocabulary = {word: column for column, word in enumerate(stage.params["words"])}
    return _counts(stage, loop, TextPart(words.text, words.analyzer, vocabulary, len(vocabulary), SIGNED))


def _counts(stage: Stage, loop: LoopBuilder, part: TextPart) -> Vector:
    return Vector(Terms(loop, (part.step(ONE) if stage.params["binary"] else part,)), "sparse")


def _words(stage: Stage, args: Sequence[Argument]) -> Words:
    (words,) = args
    if not isinstance(words, Words):
        stage.refuse("words that are not from a tokenizer")
    return words


STAGES: dict[str, Rule] = {
    "Tokenizer": tokens,
    "RegexTokenizer": tokens,
    "StopWordsRemover": without_words,
    "NGram": ngrams,
    "HashingTF": hashed,
    "CountVectorizerModel": counted,
    "IDFModel": scale,
}

#: Functions that return words.
WORDS = frozenset({"Tokenizer", "RegexTokenizer", "StopWordsRemover", "NGram"})
