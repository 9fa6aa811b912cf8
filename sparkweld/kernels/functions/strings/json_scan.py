"""Scans JSON: validates a document as Python's json, and finds the ends of strings and values.

`json_check` decides which documents Python parses. All other functions accept any bytes, and equal Python's parser on valid JSON.
"""

from __future__ import annotations

from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import BOOL, INT, VIEW, address_of, byte, length_of, view
from sparkweld.kernels.functions.strings.radixes import digit_of

VALID, INVALID, UNDECIDED = 1, 0, -1

_MOST_DEPTH = 60
_LONGEST = 200
_QUOTE, _BACKSLASH, _MINUS, _COMMA, _COLON = 34, 92, 45, 44, 58


@function(INT, result=BOOL)
def is_space(c: int) -> bool:
    """Whether JSON allows the byte between tokens."""
    return c == 32 or c == 9 or c == 10 or c == 13


@function(INT, INT, INT, result=INT)
def skip_space(a: int, i: int, n: int) -> int:
    while i < n and is_space(byte(a, i)):
        i += 1
    return i


@function(INT, INT, INT, result=INT)
def hex_unit(a: int, i: int, n: int) -> int:
    """Returns the number of the four hexadecimal digits after \\u at offset i, -1 when that is not there."""
    if i + 6 > n or byte(a, i) != _BACKSLASH or byte(a, i + 1) != 117:
        return -1
    value = 0
    k = 2
    while k < 6:
        digit = digit_of(byte(a, i + k))
        if digit > 15:
            return -1
        value = value * 16 + digit
        k += 1
    return value


@function(INT, INT, INT, result=VIEW)
def check_string(a: int, i: int, n: int) -> int:
    """Returns the offset after the string that begins at offset i, -1 for an invalid one, and whether a surrogate is alone."""
    odd = 0
    i += 1
    while i < n:
        c = byte(a, i)
        if c == _QUOTE:
            return view(i + 1, odd)
        if c < 32:
            return view(-1, odd)
        if c == _BACKSLASH:
            if i + 1 >= n:
                return view(-1, odd)
            e = byte(a, i + 1)
            if e == 117:
                unit = hex_unit(a, i, n)
                if unit < 0:
                    return view(-1, odd)
                if unit >= 0xD800 and unit < 0xDC00:
                    low = hex_unit(a, i + 6, n)
                    if low >= 0xDC00 and low < 0xE000:
                        i += 6
                    else:
                        odd = 1
                elif unit >= 0xDC00 and unit < 0xE000:
                    odd = 1
                i += 6
            elif e == 34 or e == 92 or e == 47 or e == 98 or e == 102 or e == 110 or e == 114 or e == 116:
                i += 2
            else:
                return view(-1, odd)
        else:
            i += 1
    return view(-1, odd)


@function(INT, INT, INT, result=INT)
def skip_plain_digits(a: int, i: int, n: int) -> int:
    while i < n and byte(a, i) >= 48 and byte(a, i) <= 57:
        i += 1
    return i


@function(INT, INT, INT, result=INT)
def check_number(a: int, i: int, n: int) -> int:
    """Returns the offset after the number that begins at offset i, -1 for an invalid one, -2 if it may be below all floats."""
    if byte(a, i) == _MINUS:
        i += 1
    end = skip_plain_digits(a, i, n)
    if end == i:
        return -1
    if byte(a, i) == 48:
        end = i + 1
    if end + 1 < n and byte(a, end) == 46:
        after = skip_plain_digits(a, end + 1, n)
        if after > end + 1:
            end = after
    if end < n and byte(a, end) | 32 == 101:
        start = end + 1
        if start < n and (byte(a, start) == 43 or byte(a, start) == _MINUS):
            start += 1
        after = skip_plain_digits(a, start, n)
        if after > start + 2 and byte(a, start - 1) == _MINUS:
            return -2
        if after > start:
            end = after
    return end


@function(INT, INT, INT, INT, INT, result=BOOL)
def has_word(a: int, i: int, n: int, word: int, size: int) -> bool:
    """Whether a word is at offset i."""
    if i + size > n:
        return False
    k = 0
    while k < size:
        if byte(a, i + k) != byte(word, k):
            return False
        k += 1
    return True


@function(INT, INT, INT, INT, result=INT)
def check_word(a: int, i: int, n: int, words: int) -> int:
    """Returns the offset after a constant at offset i, -1 when there is none."""
    if has_word(a, i, n, words, 4) or has_word(a, i, n, words + 9, 4):
        return i + 4
    if has_word(a, i, n, words + 4, 5):
        return i + 5
    if has_word(a, i, n, words + 13, 3):
        return i + 3
    if has_word(a, i, n, words + 17, 8):
        return i + 8
    if has_word(a, i, n, words + 16, 9):
        return i + 9
    return -1


# Long: one loop over the states of the grammar.
@function(VIEW, INT, result=INT)
def json_check(v: int, words: int) -> int:
    """Returns VALID, INVALID or UNDECIDED; `words` is truefalsenullNaN-Infinity."""
    a = address_of(v)
    n = length_of(v)
    depth = 0
    kinds = 0  # a bit for each open bracket: 1 for an object
    odd = 0
    state = 0  # 0: a value follows; 1: a value ended; 2: an object began; 3: a key follows; 4: an array began
    i = 0
    while True:
        i = skip_space(a, i, n)
        if state == 1 and depth == 0:
            if i < n:
                return INVALID
            return VALID - 2 * odd
        if i >= n:
            return INVALID
        c = byte(a, i)
        if state == 1:
            if c == _COMMA:
                state = 0
                if kinds & 1 != 0:
                    state = 3
            elif (c == 125 and kinds & 1 != 0) or (c == 93 and kinds & 1 == 0):
                depth -= 1
                kinds = kinds >> 1
            else:
                return INVALID
            i += 1
        elif (state == 2 and c == 125) or (state == 4 and c == 93):
            depth -= 1
            kinds = kinds >> 1
            state = 1
            i += 1
        elif state == 2 or state == 3:
            if c != _QUOTE:
                return INVALID
            key = check_string(a, i, n)
            odd |= length_of(key)
            if address_of(key) < 0:
                return INVALID
            i = skip_space(a, address_of(key), n)
            if i >= n or byte(a, i) != _COLON:
                return INVALID
            i += 1
            state = 0
        elif c == 123 or c == 91:
            if depth == _MOST_DEPTH:
                return UNDECIDED
            depth += 1
            kinds = kinds << 1
            state = 4
            if c == 123:
                kinds |= 1
                state = 2
            i += 1
        else:
            end = check_word(a, i, n, words)
            if c == _QUOTE:
                string = check_string(a, i, n)
                odd |= length_of(string)
                end = address_of(string)
            elif end < 0 and (c == _MINUS or (c >= 48 and c <= 57)):
                end = check_number(a, i, n)
                if end == -2 or end - i > _LONGEST:
                    return UNDECIDED
            if end < 0:
                return INVALID
            i = end
            state = 1


@function(INT, INT, INT, result=INT)
def string_end(a: int, i: int, n: int) -> int:
    """Returns the offset after the string that begins at offset i."""
    i += 1
    while i < n:
        c = byte(a, i)
        if c == _BACKSLASH:
            i += 2
        elif c == _QUOTE:
            return i + 1
        else:
            i += 1
    return n


@function(INT, INT, INT, result=INT)
def value_end(a: int, i: int, n: int) -> int:
    """Returns the offset after the value that begins at offset i."""
    depth = 0
    while i < n:
        c = byte(a, i)
        if c == _QUOTE:
            i = string_end(a, i, n)
            if depth == 0:
                return i
        elif c == 91 or c == 123:
            depth += 1
            i += 1
        elif c == 93 or c == 125:
            if depth == 0:
                return i
            depth -= 1
            i += 1
            if depth == 0:
                return i
        elif depth == 0 and (c == _COMMA or c == _COLON or is_space(c)):
            return i
        else:
            i += 1
    return n


@function(INT, INT, INT, INT, result=INT)
def skip_separators(a: int, i: int, n: int, separator: int) -> int:
    """Returns the offset after white space and commas or colons."""
    while i < n and (is_space(byte(a, i)) or byte(a, i) == separator):
        i += 1
    return i


@function(VIEW, result=VIEW)
def json_trim(v: int) -> int:
    """Returns the string without the white space of JSON at its ends."""
    a = address_of(v)
    n = length_of(v)
    i = skip_space(a, 0, n)
    while n > i and is_space(byte(a, n - 1)):
        n -= 1
    return view(a + i, n - i)
