"""Writes JSON documents, and lists their keys and values, as `sparkweld.ir.json_documents` defines."""

from __future__ import annotations

from sparkweld.kernels.functions.strings.arena import give_back, reserve
from sparkweld.kernels.functions.strings.json_reading import (
    escaped,
    escaped_code_point,
    is_end,
    json_elements,
    json_kind,
    json_string,
)
from sparkweld.kernels.functions.strings.json_scan import is_space, skip_separators, string_end, value_end
from sparkweld.kernels.functions.strings.json_writing import put_unit, short_escape
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import (
    BOOL,
    INT,
    VIEW,
    address_of,
    byte,
    copy,
    length_of,
    store_byte,
    view,
    word,
)
from sparkweld.kernels.functions.strings.search import equal
from sparkweld.kernels.functions.strings.splitting import put_piece
from sparkweld.kernels.functions.strings.utf8 import decode, encode, size_at

_QUOTE, _BACKSLASH, _COMMA, _COLON, _SPACE = 34, 92, 44, 58, 32
#: The most bytes that `json_written` makes of one: an escape of a byte.
_GROWTH = 6
_MOST_MEMBERS, _EXACT_DIGITS = 64, 15


@function(INT, VIEW, INT, result=INT)
def put_members(to: int, v: int, number: int) -> int:
    """Counts the members of an object, and writes the views of their keys (`number` 0) or values to `to` unless that is 0."""
    a = address_of(v)
    n = length_of(v)
    count = 0
    if n == 0 or byte(a, 0) != 123:
        return 0
    i = 1
    while True:
        i = skip_separators(a, i, n, _COMMA)
        if is_end(a, i, n):
            return count
        end = value_end(a, i, n)
        start = skip_separators(a, end, n, _COLON)
        stop = value_end(a, start, n)
        if stop == start or end == i:
            return count
        if to != 0:
            if number == 0:
                put_piece(to, count, view(a + i, end - i))
            else:
                put_piece(to, count, view(a + start, stop - start))
        count += 1
        i = stop


@function(INT, VIEW, INT, result=VIEW)
def json_members(arena: int, v: int, number: int) -> int:
    """Returns the list of the JSON of an object's keys (`number` 0) or values."""
    count = put_members(0, v, number)
    to = reserve(arena, 16 * count)
    if to == 0:
        return view(0, 0)
    put_members(to, v, number)
    return view(to, count)


@function(INT, VIEW, result=VIEW)
def json_values(arena: int, v: int) -> int:
    """Returns the list of the JSON of an object's values."""
    return json_members(arena, v, 1)


@function(INT, VIEW, result=VIEW)
def decoded_list(arena: int, items: int) -> int:
    """Replaces each JSON of a new list by its string."""
    to = address_of(items)
    count = length_of(items)
    i = 0
    while i < count:
        put_piece(to, i, json_string(arena, view(word(to, 16 * i), word(to, 16 * i + 8))))
        i += 1
    return items


@function(INT, VIEW, result=VIEW)
def json_keys(arena: int, v: int) -> int:
    """Returns the list of an object's keys."""
    return decoded_list(arena, json_members(arena, v, 0))


@function(INT, VIEW, result=VIEW)
def json_parts(arena: int, v: int) -> int:
    """Returns the list of the JSON of an array's elements or of an object's values."""
    if length_of(v) > 0 and byte(address_of(v), 0) == 123:
        return json_members(arena, v, 1)
    return json_elements(arena, v)


@function(INT, VIEW, result=VIEW)
def json_strings(arena: int, v: int) -> int:
    """Returns the list of the strings of an array's elements or of an object's values."""
    return decoded_list(arena, json_parts(arena, v))


@function(VIEW, INT, INT, result=BOOL)
def json_uniform(v: int, kind: int, null: int) -> bool:
    """Whether all elements of an array, or values of an object, are of a class, or null where `null` is 1."""
    a = address_of(v)
    n = length_of(v)
    if n == 0 or (byte(a, 0) != 91 and byte(a, 0) != 123):
        return True
    keyed = byte(a, 0) == 123
    i = 1
    while True:
        i = skip_separators(a, i, n, _COMMA)
        if is_end(a, i, n):
            return True
        end = value_end(a, i, n)
        if end == i:
            return True
        if keyed:
            i = skip_separators(a, end, n, _COLON)
            end = value_end(a, i, n)
            if end == i:
                return True
        found = json_kind(view(a + i, end - i))
        if found != kind and (null == 0 or found != 0):
            return False
        i = end


@function(INT, INT, INT, result=BOOL)
def is_plain_number(a: int, i: int, end: int) -> bool:
    """Whether Python writes the number between two offsets as it is, which it reads as an int or a float."""
    negative = byte(a, i) == 45
    if negative:
        i += 1
    whole = i
    while i < end and byte(a, i) >= 48 and byte(a, i) <= 57:
        i += 1
    if i == whole:
        return False
    if i == end:
        return not negative or i > whole + 1 or byte(a, whole) != 48
    if byte(a, i) != 46:
        return False
    size = i - whole
    begin = i + 1
    i = begin
    while i < end and byte(a, i) >= 48 and byte(a, i) <= 57:
        i += 1
    if i < end or i == begin:
        return False
    if i == begin + 1 and byte(a, begin) == 48:
        return size <= _EXACT_DIGITS
    if byte(a, i - 1) == 48 or size + i - begin > _EXACT_DIGITS:
        return False
    if size > 1 or byte(a, whole) != 48 or i < begin + 4:
        return True
    return byte(a, begin) != 48 or byte(a, begin + 1) != 48 or byte(a, begin + 2) != 48 or byte(a, begin + 3) != 48


@function(INT, VIEW, result=BOOL)
def has_distinct_keys(arena: int, v: int) -> bool:
    """Whether no key of an object occurs twice; False for one with too many members."""
    count = put_members(0, v, 0)
    if count > _MOST_MEMBERS:
        return False
    before = word(arena, 0)
    keys = json_keys(arena, v)
    if length_of(keys) < count:
        return True
    to = address_of(keys)
    distinct = True
    i = 1
    while i < count:
        k = 0
        while k < i:
            if equal(view(word(to, 16 * i), word(to, 16 * i + 8)), view(word(to, 16 * k), word(to, 16 * k + 8))):
                distinct = False
            k += 1
        i += 1
    if word(arena, 0) <= word(arena, 8):  # otherwise the caller must learn how much the kernel requires
        give_back(arena, word(arena, 0) - before)
    return distinct


@function(INT, INT, INT, result=INT)
def token_end(a: int, i: int, n: int) -> int:
    """Returns the offset of the first quote, bracket, separator or space from offset i on."""
    while i < n:
        c = byte(a, i)
        if c == _QUOTE or c == 91 or c == 93 or c == 123 or c == 125 or c == _COMMA or c == _COLON or is_space(c):
            return i
        i += 1
    return n


@function(INT, VIEW, result=BOOL)
def json_writable(arena: int, v: int) -> bool:
    """Whether `json_written` returns what Python writes of the document."""
    a = address_of(v)
    n = length_of(v)
    i = 0
    while i < n:
        c = byte(a, i)
        if c == _QUOTE:
            i = string_end(a, i, n)
        elif c == 91 or c == 93 or c == 125 or c == _COMMA or c == _COLON or is_space(c):
            i += 1
        elif c == 123:
            if not has_distinct_keys(arena, view(a + i, n - i)):
                return False
            i += 1
        else:
            end = token_end(a, i, n)
            named = c == 116 or c == 102 or c == 110 or c == 78 or c == 73
            if c == 45 and end > i + 1 and byte(a, i + 1) == 73:
                named = True
            if not named and not is_plain_number(a, i, end):
                return False
            i = end
    return True


@function(INT, INT, INT, result=INT)
def put_character(to: int, code: int, ascii: int) -> int:
    """Writes a code point as json.dumps does, and returns the number of bytes."""
    if short_escape(code) != 0:
        store_byte(to, 0, _BACKSLASH)
        store_byte(to, 1, short_escape(code))
        return 2
    if code < 32 or (code >= 127 and ascii != 0):
        if code > 0xFFFF:
            put_unit(put_unit(to, 0xD800 + ((code - 0x10000) >> 10)), 0xDC00 + (code & 0x3FF))
            return 12
        put_unit(to, code)
        return 6
    if code < 128:
        store_byte(to, 0, code)
        return 1
    return encode(to, code)


# Long: one loop over the characters of a string.
@function(INT, VIEW, INT, result=INT)
def put_again(to: int, v: int, ascii: int) -> int:
    """Writes the string of a text in quotes as json.dumps does, and returns the number of bytes."""
    a = address_of(v)
    n = length_of(v)
    if n > 1 and byte(a, n - 1) == _QUOTE:
        n -= 1
    store_byte(to, 0, _QUOTE)
    used = 1
    i = 1
    while i < n:
        c = byte(a, i)
        if c == _BACKSLASH:
            point = escaped_code_point(a, i, n)
            if point >= 0:
                used += put_character(to + used, point, ascii)
                i += 12 if point > 0xFFFF else 6
            else:
                i += 1
                if i < n and byte(a, i) < 128:
                    used += put_character(to + used, escaped(byte(a, i)), ascii)
                    i += 1
        elif c < 128:
            used += put_character(to + used, c, ascii)
            i += 1
        else:
            size = size_at(a, i, n)
            if ascii != 0:
                used += put_character(to + used, decode(a, i, size), 1)
            else:
                copy(to + used, a + i, size)
                used += size
            i += size
    store_byte(to, used, _QUOTE)
    return used + 1


@function(INT, VIEW, INT, result=VIEW)
def json_written(arena: int, v: int, ascii: int) -> int:
    """Returns a document as json.dumps(json.loads(v), ensure_ascii=ascii) writes it, where it is `json_writable`."""
    a = address_of(v)
    n = length_of(v)
    room = _GROWTH * n + 8
    to = reserve(arena, room)
    if to == 0:
        return view(0, 0)
    used = 0
    i = 0
    while i < n:
        c = byte(a, i)
        if c == _QUOTE:
            end = string_end(a, i, n)
            if end > n:
                end = n
            used += put_again(to + used, view(a + i, end - i), ascii)
            i = end
        else:
            if not is_space(c):
                store_byte(to, used, c)
                used += 1
            if c == _COMMA or c == _COLON:
                store_byte(to, used, _SPACE)
                used += 1
            i += 1
    give_back(arena, room - used)
    return view(to, used)
