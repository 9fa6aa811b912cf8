"""Extracts substrings as views, so that nothing is copied. A substring that does not exist is NULL: its length is -1."""

from __future__ import annotations

from sparkweld.kernels.functions.strings.arena import give_back, reserve
from sparkweld.kernels.functions.strings.character_sets import skip_others, skip_others_back, skip_set, skip_set_back
from sparkweld.kernels.functions.strings.library import function
from sparkweld.kernels.functions.strings.memory_access import INT, VIEW, address_of, copy, length_of, view
from sparkweld.kernels.functions.strings.search import (
    NO_END,
    count_bytes,
    ends_with,
    find_bytes,
    offset_of,
    rfind_bytes,
    starts_with,
)
from sparkweld.kernels.functions.strings.utf8 import advance, count_code_points, retreat, size_at, step_back

_NOTHING = -1


@function(VIEW, VIEW, result=VIEW)
def remove_prefix(v: int, w: int) -> int:
    if starts_with(v, w):
        return view(address_of(v) + length_of(w), length_of(v) - length_of(w))
    return v


@function(VIEW, VIEW, result=VIEW)
def remove_suffix(v: int, w: int) -> int:
    if ends_with(v, w):
        return view(address_of(v), length_of(v) - length_of(w))
    return v


@function(VIEW, INT, INT, result=VIEW)
def substring(v: int, start: int, stop: int) -> int:
    """Returns v[start:stop]."""
    begin = offset_of(v, start)
    end = offset_of(v, stop)
    if end < begin:
        end = begin
    return view(address_of(v) + begin, end - begin)


@function(VIEW, INT, result=VIEW)
def char_at(v: int, position: int) -> int:
    """Returns v[position], or NULL."""
    a = address_of(v)
    n = length_of(v)
    if position >= 0:
        begin = advance(a, n, 0, position)
    else:
        after = retreat(a, n, -(position + 1))
        if after <= 0:
            return view(0, _NOTHING)
        begin = step_back(a, after)
    if begin >= n:
        return view(0, _NOTHING)
    return view(a + begin, size_at(a, begin, n))


#: Represents an omitted end (None) of a slice.
NO_BOUND = NO_END + 1


@function(INT, INT, INT, INT, result=INT)
def slice_bound(position: int, count: int, step: int, first: int) -> int:
    """Returns an end of a slice of `count` code points, as `PySlice_AdjustIndices` does; `first` replaces None."""
    if position == NO_BOUND:
        return first
    low = 0
    high = count
    if step < 0:
        low = -1
        high = count - 1
    if position < 0:
        position += count
        if position < low:
            return low
    if position > high:
        return high
    return position


@function(INT, VIEW, INT, INT, INT, result=VIEW)
def stepped_slice(arena: int, v: int, start: int, stop: int, step: int) -> int:
    """Returns a copy of v[start:stop:step]."""
    a = address_of(v)
    n = length_of(v)
    count = count_code_points(a, n)
    if step > 0:
        at = slice_bound(start, count, step, 0)
        end = slice_bound(stop, count, step, count)
    else:
        at = slice_bound(start, count, step, count - 1)
        end = slice_bound(stop, count, step, -1)
    to = reserve(arena, n)
    if to == 0:
        return view(0, 0)
    used = 0
    if count == n:
        while (step > 0 and at < end) or (step < 0 and at > end):
            copy(to + used, a + at, 1)
            used += 1
            at += step
    else:
        i = advance(a, n, 0, at)
        while i < n and used < n and ((step > 0 and at < end) or (step < 0 and at > end)):
            size = size_at(a, i, n)
            if used + size > n:
                size = n - used
            copy(to + used, a + i, size)
            used += size
            at += step
            if step > 0:
                i = advance(a, n, i, step)
            else:
                i = retreat(a, i, -step)
    give_back(arena, n - used)
    return view(to, used)


@function(VIEW, VIEW, INT, INT, result=VIEW)
def split_forward(v: int, separator: int, most: int, index: int) -> int:
    """Returns v.split(separator, most)[index] for index >= 0, or NULL; most < 0 is no limit."""
    a = address_of(v)
    n = length_of(v)
    m = length_of(separator)
    while True:
        at = -1
        if most != 0:
            at = find_bytes(a, n, address_of(separator), m)
        if at < 0:
            if index == 0:
                return view(a, n)
            return view(0, _NOTHING)
        if index == 0:
            return view(a, at)
        a += at + m
        n -= at + m
        most -= 1
        index -= 1


@function(VIEW, VIEW, INT, INT, result=VIEW)
def split_backward(v: int, separator: int, most: int, index: int) -> int:
    """Returns v.rsplit(separator, most)[-1 - index] for index >= 0, or NULL; most < 0 is no limit."""
    a = address_of(v)
    n = length_of(v)
    m = length_of(separator)
    while True:
        at = -1
        if most != 0:
            at = rfind_bytes(a, n, address_of(separator), m)
        if at < 0:
            if index == 0:
                return view(a, n)
            return view(0, _NOTHING)
        if index == 0:
            return view(a + at + m, n - at - m)
        n = at
        most -= 1
        index -= 1


@function(VIEW, VIEW, INT, result=INT)
def split_count(v: int, separator: int, most: int) -> int:
    """Returns len(v.split(separator, most))."""
    a = address_of(v)
    n = length_of(v)
    m = length_of(separator)
    if most < 0:
        return count_bytes(a, n, address_of(separator), m) + 1
    count = 1
    while most != 0:
        at = find_bytes(a, n, address_of(separator), m)
        if at < 0:
            return count
        a += at + m
        n -= at + m
        most -= 1
        count += 1
    return count


@function(VIEW, VIEW, INT, INT, INT, result=VIEW)
def split_part(v: int, separator: int, most: int, index: int, from_right: int) -> int:
    """Returns v.split(separator, most)[index], or of rsplit, or NULL.

    A separator may overlap itself, so an index from the other end requires counting the substrings first. A separator of one byte
    cannot, and without a limit split and rsplit are equal.
    """
    if most < 0 and length_of(separator) == 1:
        if index < 0:
            return split_backward(v, separator, most, -1 - index)
        return split_forward(v, separator, most, index)
    if from_right == 0:
        if index < 0:
            index += split_count(v, separator, most)
        if index < 0:
            return view(0, _NOTHING)
        return split_forward(v, separator, most, index)
    if index >= 0:
        index = split_count(v, separator, most) - 1 - index
    else:
        index = -1 - index
    if index < 0:
        return view(0, _NOTHING)
    return split_backward(v, separator, most, index)


@function(VIEW, INT, INT, result=INT)
def words_count(v: int, most: int, spaces: int) -> int:
    """Returns len(v.split(None, most))."""
    a = address_of(v)
    n = length_of(v)
    count = 0
    i = skip_set(a, 0, n, spaces)
    while i < n:
        count += 1
        if most == 0:
            return count
        most -= 1
        i = skip_set(a, skip_others(a, i, n, spaces), n, spaces)
    return count


@function(VIEW, INT, INT, INT, result=VIEW)
def words_forward(v: int, most: int, index: int, spaces: int) -> int:
    """Returns v.split(None, most)[index] for index >= 0, or NULL."""
    a = address_of(v)
    n = length_of(v)
    i = skip_set(a, 0, n, spaces)
    while i < n:
        end = n
        if most != 0:
            end = skip_others(a, i, n, spaces)
        if index == 0:
            return view(a + i, end - i)
        most -= 1
        index -= 1
        i = skip_set(a, end, n, spaces)
    return view(0, _NOTHING)


@function(VIEW, INT, INT, INT, result=VIEW)
def words_backward(v: int, most: int, index: int, spaces: int) -> int:
    """Returns v.rsplit(None, most)[-1 - index] for index >= 0, or NULL."""
    a = address_of(v)
    i = skip_set_back(a, length_of(v), spaces)
    while i > 0:
        begin = 0
        if most != 0:
            begin = skip_others_back(a, i, spaces)
        if index == 0:
            return view(a + begin, i - begin)
        most -= 1
        index -= 1
        i = skip_set_back(a, begin, spaces)
    return view(0, _NOTHING)


@function(VIEW, INT, INT, INT, INT, result=VIEW)
def words_part(v: int, most: int, index: int, from_right: int, spaces: int) -> int:
    """Returns v.split(None, most)[index], or of rsplit, or NULL.

    Both lists have the same length, and without a limit they are equal.
    """
    if most < 0:
        if index < 0:
            return words_backward(v, most, -1 - index, spaces)
        return words_forward(v, most, index, spaces)
    if from_right == 0:
        if index < 0:
            index += words_count(v, most, spaces)
        if index < 0:
            return view(0, _NOTHING)
        return words_forward(v, most, index, spaces)
    if index >= 0:
        index = words_count(v, most, spaces) - 1 - index
    else:
        index = -1 - index
    if index < 0:
        return view(0, _NOTHING)
    return words_backward(v, most, index, spaces)


@function(VIEW, VIEW, INT, INT, result=VIEW)
def partition_part(v: int, separator: int, part: int, from_right: int) -> int:
    """Returns v.partition(separator)[part], or of rpartition."""
    a = address_of(v)
    n = length_of(v)
    m = length_of(separator)
    if from_right == 0:
        at = find_bytes(a, n, address_of(separator), m)
    else:
        at = rfind_bytes(a, n, address_of(separator), m)
    if at < 0:
        whole = 0
        if from_right != 0:
            whole = 2
        if part == whole:
            return v
        return view(a, 0)
    if part == 0:
        return view(a, at)
    if part == 1:
        return view(a + at, m)
    return view(a + at + m, n - at - m)
