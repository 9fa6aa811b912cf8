"""Looks up the strings of a column in a table of keys."""

from __future__ import annotations

from sparkweld.kernels.functions.models.library import score_function
from sparkweld.kernels.functions.strings.key_tables import find_key
from sparkweld.kernels.functions.strings.memory_access import store_word, view, word


@score_function
def key_numbers(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:
    """Computes `KeyTable`. Parameter: the offset of the values, 0 without values."""
    texts = word(arguments, 0)
    values = block + word(parameters, 0)
    numbers = word(outputs, 0)
    results = 0
    if values != block:
        results = word(outputs, 8)
    row = 0
    while row < rows:
        number = find_key(view(word(texts, 16 * row), word(texts, 16 * row + 8)), block)
        if numbers != 0:
            store_word(numbers, 8 * row, number)
        if results != 0:
            value = 0
            if number >= 0:
                value = word(values, 8 * number)
            store_word(results, 8 * row, value)
        row += 1
    return 0


FUNCTIONS = (key_numbers,)
