"""Reads a literal of Python as JSON, as ast.literal_eval; `sparkweld.ir.json_documents.literal` defines the result."""

from __future__ import annotations

from sparkweld.kernels.functions.strings.arena import give_back, reserve
from sparkweld.kernels.functions.strings.json_scan import check_number, has_word
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import INT, VIEW, address_of, byte, copy, length_of, store_byte, view

_QUOTE, _APOSTROPHE, _BACKSLASH, _COMMA, _COLON = 34, 39, 92, 44, 58
_MOST_DEPTH, _LONGEST = 60, 200


@function(INT, INT, INT, INT, result=INT)
def skip_blanks(a: int, i: int, n: int, lines: int) -> int:
    """Returns the offset after spaces and tabs, and after ends of lines where `lines` is 1."""
    while i < n and (byte(a, i) == 32 or byte(a, i) == 9 or (lines != 0 and byte(a, i) == 10)):
        i += 1
    return i


@function(INT, INT, INT, INT, result=VIEW)
def put_literal_string(to: int, a: int, i: int, n: int) -> int:
    """Writes the string at offset i as JSON; returns the offset after it, -1 if unknown, and the number of bytes."""
    if i < n and (byte(a, i) == 117 or byte(a, i) == 85):
        i += 1
    if i >= n or (byte(a, i) != _QUOTE and byte(a, i) != _APOSTROPHE):
        return view(-1, 0)
    quote = byte(a, i)
    store_byte(to, 0, _QUOTE)
    used = 1
    i += 1
    while i < n and byte(a, i) != quote:
        c = byte(a, i)
        if c < 32 or c == _BACKSLASH:
            return view(-1, 0)
        if c == _QUOTE:
            store_byte(to, used, _BACKSLASH)
            used += 1
        store_byte(to, used, c)
        used += 1
        i += 1
    if i >= n or (i + 1 < n and byte(a, i + 1) == quote):
        return view(-1, 0)
    store_byte(to, used, _QUOTE)
    return view(i + 1, used + 1)


@function(INT, INT, INT, INT, INT, INT, result=VIEW)
def put_literal_atom(to: int, a: int, i: int, n: int, words: int, json: int) -> int:
    """Writes the string, number or constant at offset i; returns the offset after it, -1 if unknown, and the number of bytes.

    `words` is TrueFalseNone, `json` truefalsenull.
    """
    if i >= n:
        return view(-1, 0)
    c = byte(a, i)
    if c == _QUOTE or c == _APOSTROPHE or c == 117 or c == 85:
        return put_literal_string(to, a, i, n)
    if has_word(a, i, n, words, 4):
        copy(to, json, 4)
        return view(i + 4, 4)
    if has_word(a, i, n, words + 4, 5):
        copy(to, json + 4, 5)
        return view(i + 5, 5)
    if has_word(a, i, n, words + 9, 4):
        copy(to, json + 9, 4)
        return view(i + 4, 4)
    if c != 45 and (c < 48 or c > 57):
        return view(-1, 0)
    end = check_number(a, i, n)
    if end < 0 or end - i > _LONGEST:
        return view(-1, 0)
    copy(to, a + i, end - i)
    return view(end, end - i)


# Long: one loop over the states of the grammar.
@function(INT, VIEW, INT, INT, result=VIEW)
def python_literal(arena: int, v: int, words: int, json: int) -> int:
    """Returns the JSON of a literal, NULL where it is unknown."""
    a = address_of(v)
    n = length_of(v)
    room = 2 * n + 8
    to = reserve(arena, room)
    if to == 0:
        return view(0, 0)
    used = 0
    depth = 0
    kinds = 0  # a bit for each open bracket: 1 for a dict
    state = 0  # 0: a value follows; 1: a value ended; 2: a bracket opened; 3: a comma has been read
    i = skip_blanks(a, 0, n, 0)
    while True:
        if state == 1 and depth == 0:
            if skip_blanks(a, i, n, 1) < n:
                i = -1
            give_back(arena, room - used)
            if i < 0:
                return view(0, -1)
            return view(to, used)
        if depth > 0:
            i = skip_blanks(a, i, n, 1)
        if i >= n:
            give_back(arena, room - used)
            return view(0, -1)
        c = byte(a, i)
        closes = (c == 125 and kinds & 1 != 0) or (c == 93 and kinds & 1 == 0)
        known = True
        if state != 0 and depth > 0 and closes:
            store_byte(to, used, c)
            used += 1
            depth -= 1
            kinds = kinds >> 1
            state = 1
            i += 1
        elif state == 1:
            known = c == _COMMA
            state = 3
            i += 1
        else:
            if state == 3:
                store_byte(to, used, _COMMA)
                used += 1
            if state != 0 and kinds & 1 != 0:
                key = put_literal_string(to + used, a, i, n)
                known = address_of(key) >= 0
                if known:
                    used += length_of(key)
                    i = skip_blanks(a, address_of(key), n, 1)
                    known = i < n and byte(a, i) == _COLON
                if known:
                    store_byte(to, used, _COLON)
                    used += 1
                    i = skip_blanks(a, i + 1, n, 1)
                    known = i < n
            state = 1
            if known:
                c = byte(a, i)
                if c == 91 or c == 123:
                    known = depth < _MOST_DEPTH
                    store_byte(to, used, c)
                    used += 1
                    depth += 1
                    kinds = kinds << 1
                    if c == 123:
                        kinds |= 1
                    state = 2
                    i += 1
                else:
                    atom = put_literal_atom(to + used, a, i, n, words, json)
                    known = address_of(atom) >= 0
                    if known:
                        used += length_of(atom)
                        i = address_of(atom)
        if not known:
            give_back(arena, room - used)
            return view(0, -1)
