"""Computes totals over a string's terms, in the order of their occurrence: bounds of sums that need no sorting."""

from __future__ import annotations

from sparkweld.ir.layouts.text_header import Head
from sparkweld.ir.text_models import CHAR_WB, SCALE, SPARK, SPARK_SEED, WORD
from sparkweld.kernels.functions.models.library import model_function
from sparkweld.kernels.functions.models.text import ShortLoops, scan
from sparkweld.kernels.functions.models.text_entries import AWAITED, SCALES, STEPS, TOTAL, TOTALS, WEIGHED, WORDS
from sparkweld.kernels.functions.models.text_hashes import begin_hash
from sparkweld.kernels.functions.models.text_token_cache import known_area
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import INT, store_word, word

_ANALYZER, _LONGEST, _HASH, _WEIGHTS = 8 * Head.ANALYZER, 8 * Head.LONGEST, 8 * Head.HASH, 8 * Head.WEIGHTS_AT


@function(INT, INT, INT, INT, INT, INT, result=INT)
def total_text(registers: int, arguments: int, rows: int, block: int, outputs: int, output: int) -> int:
    """Computes the totals of each row's terms."""
    texts = word(arguments, 0)
    store_word(registers, WORDS, 0)
    store_word(registers, AWAITED, 0)
    if word(block, _ANALYZER) == CHAR_WB or word(block, _ANALYZER) == WORD and word(block, _LONGEST) == 1:
        store_word(registers, WORDS, known_area(word(arguments, 8), word(arguments, 16)))
    store_word(registers, WEIGHED, block + word(block, _WEIGHTS) + 8 * output)
    scales = 0
    if word(block, STEPS) > 0 and word(block, STEPS + 8) == SCALE:
        scales = block + word(block, STEPS + 16)
    store_word(registers, SCALES, scales)
    begin_hash(registers, SPARK_SEED * (word(block, _HASH) == SPARK))
    row = 0
    while row < rows:
        at = 0
        while at < TOTALS:
            store_word(registers + TOTAL, at, 0)
            at += 8
        scan(registers, block, word(texts, 16 * row), word(texts, 16 * row + 8))
        at = 0
        while at < TOTALS:
            column = word(outputs, at)
            if column != 0:
                store_word(column, 8 * row, word(registers + TOTAL, at))
            at += 8
        row += 1
    return 0


@model_function(*(INT,) * 6, kind=ShortLoops)
def text_totals(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:
    """Computes `TextTotals`."""
    return total_text(scratch, arguments, rows, block, outputs, word(parameters, 0))


FUNCTIONS = (text_totals,)
