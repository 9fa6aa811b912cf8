"""Sets and removes members of JSON documents, as `sparkweld.ir.json_documents` defines."""

from __future__ import annotations

from sparkweld.kernels.functions.strings.arena import reserve
from sparkweld.kernels.functions.strings.json_documents import put_members
from sparkweld.kernels.functions.strings.json_reading import is_end, is_key
from sparkweld.kernels.functions.strings.json_scan import skip_separators, value_end
from sparkweld.kernels.functions.strings.json_writing import put_quoted
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import INT, VIEW, address_of, byte, copy, length_of, store_byte, view

_COMMA, _COLON, _SPACE = 44, 58, 32


# Long: one loop over the members.
@function(INT, VIEW, VIEW, VIEW, result=VIEW)
def json_put(arena: int, v: int, key: int, value: int) -> int:
    """Returns an object after ``v[key] = value``, where `value` is JSON; any other string unchanged."""
    a = address_of(v)
    n = length_of(v)
    if n == 0 or byte(a, 0) != 123:
        return v
    quoted = put_quoted(0, key, 0)
    size = length_of(value)
    room = n + quoted + size + put_members(0, v, 0) * size + 8
    to = reserve(arena, room)
    if to == 0:
        return view(0, 0)
    used = 0
    last = 0
    stop = 1
    i = 1
    more = True
    while more:
        i = skip_separators(a, i, n, _COMMA)
        more = not is_end(a, i, n)
        if more:
            end = value_end(a, i, n)
            start = skip_separators(a, end, n, _COLON)
            after = value_end(a, start, n)
            more = after > start and end > i
            if more:
                stop = after
                if is_key(arena, view(a + i, end - i), key):
                    copy(to + used, a + last, start - last)
                    used += start - last
                    copy(to + used, address_of(value), size)
                    used += size
                    last = stop
                i = stop
    if last > 0:
        copy(to + used, a + last, n - last)
        return view(to, used + n - last)
    copy(to, a, stop)
    used = stop
    if stop > 1:
        store_byte(to, used, _COMMA)
        store_byte(to, used + 1, _SPACE)
        used += 2
    used += put_quoted(to + used, key, 0)
    store_byte(to, used, _COLON)
    store_byte(to, used + 1, _SPACE)
    used += 2
    copy(to + used, address_of(value), size)
    used += size
    store_byte(to, used, 125)
    return view(to, used + 1)


@function(INT, VIEW, VIEW, result=VIEW)
def json_drop(arena: int, v: int, key: int) -> int:
    """Returns an object without a key; any other string unchanged."""
    a = address_of(v)
    n = length_of(v)
    if n == 0 or byte(a, 0) != 123:
        return v
    to = reserve(arena, n + 4 * put_members(0, v, 0) + 4)
    if to == 0:
        return view(0, 0)
    store_byte(to, 0, 123)
    used = 1
    i = 1
    while True:
        i = skip_separators(a, i, n, _COMMA)
        end = i
        start = i
        stop = i
        if not is_end(a, i, n):
            end = value_end(a, i, n)
            start = skip_separators(a, end, n, _COLON)
            stop = value_end(a, start, n)
        if stop == start or end == i:
            store_byte(to, used, 125)
            return view(to, used + 1)
        if not is_key(arena, view(a + i, end - i), key):
            if used > 1:
                store_byte(to, used, _COMMA)
                store_byte(to, used + 1, _SPACE)
                used += 2
            copy(to + used, a + i, end - i)
            used += end - i
            store_byte(to, used, _COLON)
            store_byte(to, used + 1, _SPACE)
            used += 2
            copy(to + used, a + start, stop - start)
            used += stop - start
        i = stop
