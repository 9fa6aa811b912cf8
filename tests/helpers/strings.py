"""Provides test strings: edge cases of string functions, and random strings that resemble them."""

from __future__ import annotations

import numpy as np

#: Empty, ASCII of lengths around a machine word, every UTF-8 length, one-to-many case mappings, sigmas, spaces, digits,
#: numbers.
TEXTS = (
    "", "a", "A", "0", " ", "\0", "\x7f", "\x80", "é", "€", "😀", "ß", "İ", "ı", "ŉ", "ΐ", "ﬃ", "ǅ", "Ǆ", "ͅ",
    "Σ", "ΑΣ", "ΑΣ Β", "ΑΣ.", "Α.ΣΒ", "ΟΔΥΣΣΕΥΣ", "a\u0301Σ", "Σ\u0301", "aΣ\u0301b", "ab", "aa", "aaa",
    "aaaaa", "abab", "abc", "a b", "a b c", " a", "a ", "  a  b  ", "a, b, c",
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0", "\u2003x\u3000", "\u200bx", "hello world", "Hello World", "HELLO",
    "hELLO wORLD", "they're bill's", "x1y2", "éa é", "aéaéa", "😀b😀", "a😀b€cédß", "ｆｕｌｌ", "ﬀ", "\U0001e943",
    "\u1e9e", "\ud7ff\ue000", "\U0010ffff", "\u0800", "\u07ff", "\uffff", "abcdefg", "abcdefgh", "abcdefghi",
    "abcdefghijklmnop", "a longer text than eight", "The quick brown fox jumps over the lazy dog, é", "x" * 20,
    "x" * 19 + "é", "ab" * 40 + "abc", "7", "-7", "+7", " 42 ", "4_2", "4__2", "_42", "42_", "-", "+", "--1",
    "007", "1 2", "0x1f", "٣", "²", "½", "一", "1٣", "\x1c7", "7\x1c", "9223372036854775807",
    "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "1" * 40, "0" * 30 + "5", "1.5",
    "-1.5", ".5", "5.", ".", "1e5", "1E-5", "1e", "e5", "1e+", "1.5e22", "1e23", "1e-22", "1e-23",
    "9007199254740993", "0.1", "1_0.0_1", "1_.0", "1._0", "1e1_0", "1_e10", "inf", "-INF", "Infinity",
    "infinit", "nan", "+NaN", "nane", "1e400", "0e999", "-0", "-0.0", "123456789012345678",
    "0.3000000000000000444", "00000000000000000000001.25", "True", "a12", "12a", "a1b", "a123b45", "#1#",
)  # fmt: skip

_ALPHABETS = ("ab", "abA 01", "aé ß", "ΑΣσς. a\u0301", " \t\u2003x", "0123456789+-_.eE ", "😀€éaİŉ")


def random_texts(random: np.random.Generator, rows: int) -> np.ndarray:
    """Returns an object array of `rows` strings: half from `TEXTS`, half drawn from small alphabets."""
    made = np.empty(rows, object)
    chosen = random.integers(0, 2 * len(TEXTS), rows)
    lengths = random.geometric(0.12, rows) - 1
    for row in range(rows):
        alphabet = _ALPHABETS[chosen[row] % len(_ALPHABETS)]
        own = "".join(alphabet[i] for i in random.integers(0, len(alphabet), lengths[row]))
        made[row] = TEXTS[chosen[row]] if chosen[row] < len(TEXTS) else own
    return made
