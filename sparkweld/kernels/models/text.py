"""Rows of text to sums of weights of the terms in them, without a matrix of terms.

One pass over a row's symbols (code points, or words looked up in a table) finds the columns of its terms: by the automaton
of `ir.text_tables`, or by hashing n-grams. They are sorted, which gives each column's number of occurrences and the order in
which the library adds: that of CSR rows with sorted indices. The values are made anew for each sum over them.

Scratch: a head, and room for ENTRIES columns, twice. A row with more is gathered again for each range of columns that fits:
once it is full, what occurs twice is merged, and if little was won, the greater half of the columns is left for later.
"""

from __future__ import annotations

from sparkweld.ir.text_layout import ABOVE, CHAR, LOG, NORM_L1, NORM_L2, ONE, SCALE, WORD, Head
from sparkweld.ir.text_tables import BASIS, MIX, PRIME, SPACE, SYMBOL_BITS, TOKEN
from sparkweld.kernels.models.library import score_function
from sparkweld.kernels.strings.library import function
from sparkweld.kernels.strings.memory_access import (
    FLOAT,
    INT,
    as_float,
    bits_of,
    byte,
    load_f64,
    load_i32,
    load_u16,
    logarithm,
    magnitude,
    quotient,
    rest,
    shift_right,
    square_root,
    store_word,
    word,
    wrapping_multiply,
)
from sparkweld.kernels.strings.search import same_bytes
from sparkweld.kernels.strings.utf8 import decode, encode, size_at

#: Columns of a row that are held at a time.
ENTRIES = 8192
_HALF = ENTRIES // 2
_FEW = 32  # so many are sorted by insertion
_NO_END = 1 << 31

# Scratch: int64 values at these offsets, and then arrays.
_USED, _LOW, _HIGH, _STATE, _SEEN, _H, _K, _FED, _LETTER = range(0, 72, 8)
_NORMS = 128
_RING = 256
_COUNTS = _RING + 16 * 16
_FIRST = _COUNTS + 8 * 256
_SECOND = _FIRST + 8 * ENTRIES
#: Bytes of scratch.
SCRATCH = _SECOND + 8 * ENTRIES

_MIX, _BASIS = MIX - (1 << 64), BASIS - (1 << 64)
_PRIME = PRIME
_32 = 0xFFFFFFFF
_ANALYZER, _LEAST, _SHORTEST, _LONGEST = 8 * Head.ANALYZER, 8 * Head.LEAST, 8 * Head.SHORTEST, 8 * Head.LONGEST
_OUTPUTS, _STARTS, _FEATURES, _SIGNED = 8 * Head.OUTPUTS, 8 * Head.STARTS, 8 * Head.FEATURES, 8 * Head.SIGNED
_BLOCKS, _KINDS, _WORDS, _WORDS_MASK = 8 * Head.BLOCKS_AT, 8 * Head.KINDS_AT, 8 * Head.WORDS_AT, 8 * Head.WORDS_MASK
_LETTERS, _FIRST_STOP, _SLOTS, _SLOTS_MASK = 8 * Head.LETTERS_AT, 8 * Head.FIRST_STOP, 8 * Head.SLOTS_AT, 8 * Head.SLOTS_MASK
_NODES, _WEIGHTS, _LOGS_AT, _LOGS = 8 * Head.NODES_AT, 8 * Head.WEIGHTS_AT, 8 * Head.LOGS_AT, 8 * Head.LOGS
_DIGITS, _STEPS = 8 * Head.DIGITS, 8 * Head.STEPS


@function(INT, INT, result=INT)
def sort_few(registers: int, used: int) -> int:
    """Sorts entries by insertion."""
    first = registers + _FIRST
    i = 1
    while i < used:
        entry = word(first, 8 * i)
        j = i - 1
        while j >= 0 and word(first, 8 * j) > entry:
            store_word(first, 8 * j + 8, word(first, 8 * j))
            j -= 1
        store_word(first, 8 * j + 8, entry)
        i += 1
    return 0


@function(INT, INT, INT, result=INT)
def sort_many(registers: int, used: int, digits: int) -> int:
    """Sorts entries by the bytes of their columns, the lowest first."""
    source = registers + _FIRST
    target = registers + _SECOND
    counts = registers + _COUNTS
    shift = 32
    while shift < 32 + 8 * digits:
        i = 0
        while i < 256:
            store_word(counts, 8 * i, 0)
            i += 1
        i = 0
        while i < used:
            at = 8 * (shift_right(word(source, 8 * i), shift) & 255)
            store_word(counts, at, word(counts, at) + 8)
            i += 1
        place = 0
        i = 0
        while i < 256:
            number = word(counts, 8 * i)
            store_word(counts, 8 * i, place)
            place += number
            i += 1
        i = 0
        while i < used:
            entry = word(source, 8 * i)
            at = 8 * (shift_right(entry, shift) & 255)
            place = word(counts, at)
            store_word(target, place, entry)
            store_word(counts, at, place + 8)
            i += 1
        other = source
        source = target
        target = other
        shift += 8
    if source != registers + _FIRST:
        i = 0
        while i < used:
            store_word(target, 8 * i, word(source, 8 * i))
            i += 1
    return 0


@function(INT, INT, result=INT)
def merge_entries(registers: int, block: int) -> int:
    """Sorts the entries and merges those of one column; gives their number."""
    used = word(registers, _USED)
    if used <= _FEW:
        sort_few(registers, used)
    else:
        sort_many(registers, used, word(block, _DIGITS))
    first = registers + _FIRST
    merged = 0
    i = 0
    while i < used:
        column = load_i32(first, 8 * i + 4)
        count = 0
        while i < used and load_i32(first, 8 * i + 4) == column:
            count += load_i32(first, 8 * i)
            i += 1
        store_word(first, 8 * merged, column << 32 | count & _32)
        merged += 1
    store_word(registers, _USED, merged)
    return merged


@function(INT, INT, INT, INT, result=INT)
def add_entry(registers: int, block: int, column: int, count: int) -> int:
    """Counts a term of the row, unless its column is out of the range at hand."""
    if column < word(registers, _LOW) or column >= word(registers, _HIGH):
        return 0
    used = word(registers, _USED)
    if used == ENTRIES:
        used = merge_entries(registers, block)
        if used > _HALF:
            end = load_i32(registers + _FIRST, 8 * _HALF + 4)
            store_word(registers, _HIGH, end)
            store_word(registers, _USED, _HALF)
            if column >= end:
                return 0
            used = word(registers, _USED)
    store_word(registers + _FIRST, 8 * used, column << 32 | count & _32)
    store_word(registers, _USED, used + 1)
    return 0


@function(INT, INT, INT, result=INT)
def transition(slots: int, mask: int, key: int) -> int:
    """The node that a transition leads to, -1 when there is none."""
    h = wrapping_multiply(key, _MIX)
    slot = (h ^ shift_right(h, 32)) & mask
    while True:
        found = word(slots, 16 * slot)
        if found == key:
            return word(slots, 16 * slot + 8)
        if found < 0:
            return -1
        slot = slot + 1 & mask


@function(INT, INT, INT, result=INT)
def step(registers: int, block: int, symbol: int) -> int:
    """Moves on by a symbol and counts the terms that end with it."""
    slots = block + word(block, _SLOTS)
    nodes = block + word(block, _NODES)
    at = word(registers, _STATE)
    node = transition(slots, word(block, _SLOTS_MASK), at << SYMBOL_BITS | symbol)
    while node < 0 and at != 0:
        at = load_i32(nodes, 16 * at + 12)
        node = transition(slots, word(block, _SLOTS_MASK), at << SYMBOL_BITS | symbol)
    if node < 0:
        store_word(registers, _STATE, 0)
        return 0
    store_word(registers, _STATE, load_i32(nodes, 16 * node + 8))
    if load_i32(nodes, 16 * node) < 0:
        node = load_i32(nodes, 16 * node + 4)
    while node != 0:
        add_entry(registers, block, load_i32(nodes, 16 * node), 1)
        node = load_i32(nodes, 16 * node + 4)
    return 0


@function(INT, result=INT)
def mixed_key(k: int) -> int:
    """MurmurHash3's mixing of four bytes."""
    k = wrapping_multiply(k, 0xCC9E2D51) & _32
    k = (k << 15 | shift_right(k, 17)) & _32
    return wrapping_multiply(k, 0x1B873593) & _32


@function(INT, INT, INT, result=INT)
def feed(registers: int, a: int, n: int) -> int:
    """Hashes n more bytes (MurmurHash3_x86_32, Appleby; as sklearn.utils.murmurhash3_32 with seed 0)."""
    h = word(registers, _H)
    k = word(registers, _K)
    fed = word(registers, _FED)
    i = 0
    while i < n:
        k |= byte(a, i) << 8 * (fed & 3)
        fed += 1
        i += 1
        if fed & 3 == 0:
            h ^= mixed_key(k)
            h = (h << 13 | shift_right(h, 19)) & _32
            h = wrapping_multiply(h, 5) + 0xE6546B64 & _32
            k = 0
    store_word(registers, _H, h)
    store_word(registers, _K, k)
    store_word(registers, _FED, fed)
    return 0


@function(INT, result=INT)
def fed_hash(registers: int) -> int:
    """The hash of all bytes fed, signed; the next byte begins a new one."""
    h = word(registers, _H) ^ mixed_key(word(registers, _K)) ^ word(registers, _FED)
    h ^= shift_right(h, 16)
    h = wrapping_multiply(h, 0x85EBCA6B) & _32
    h ^= shift_right(h, 13)
    h = wrapping_multiply(h, 0xC2B2AE35) & _32
    h ^= shift_right(h, 16)
    store_word(registers, _H, 0)
    store_word(registers, _K, 0)
    store_word(registers, _FED, 0)
    if h >= 1 << 31:
        h -= 1 << 32
    return h


@function(INT, INT, INT, result=INT)
def count_hashed(registers: int, block: int, size: int) -> int:
    """Counts the n-gram of the last `size` symbols."""
    seen = word(registers, _SEEN)
    i = seen - size
    while i < seen:
        at = registers + _RING + 16 * (i & 15)
        if word(block, _ANALYZER) == WORD:
            if i > seen - size:
                store_word(registers, _LETTER, 32)
                feed(registers, registers + _LETTER, 1)
            feed(registers, word(at, 0), word(at, 8))
        else:
            feed(registers, registers + _LETTER, encode(registers + _LETTER, word(at, 0)))
        i += 1
    h = fed_hash(registers)
    features = word(block, _FEATURES)
    sign = 1
    if h < 0:
        if word(block, _SIGNED) != 0:
            sign = -1
        h = -h
        if h == _NO_END:  # as the library does where abs() would overflow
            h = _NO_END - features
            if h < 0:
                h += features
    return add_entry(registers, block, rest(h, features), sign)


@function(INT, INT, INT, INT, result=INT)
def take(registers: int, block: int, first: int, second: int) -> int:
    """The row's next symbol: a code point, a word's number, or for hashing a word's address and length."""
    if word(block, _FEATURES) == 0:
        return step(registers, block, first)
    seen = word(registers, _SEEN)
    at = registers + _RING + 16 * (seen & 15)
    store_word(at, 0, first)
    store_word(at, 8, second)
    seen += 1
    store_word(registers, _SEEN, seen)
    size = word(block, _SHORTEST)
    while size <= word(block, _LONGEST) and size <= seen:
        count_hashed(registers, block, size)
        size += 1
    return 0


@function(INT, INT, result=INT)
def kind_of(block: int, code: int) -> int:
    """What a code point may be."""
    number = load_u16(block + word(block, _BLOCKS), 2 * (code >> 7))
    return byte(block + word(block, _KINDS), (number << 7) + (code & 127))


@function(INT, INT, INT, INT, result=INT)
def word_number(block: int, h: int, a: int, n: int) -> int:
    """The number of a word by its hash and bytes, -1 when the table has it not."""
    slots = block + word(block, _WORDS)
    letters = block + word(block, _LETTERS)
    mask = word(block, _WORDS_MASK)
    slot = h & mask
    while True:
        at = slots + 32 * slot
        number = word(at, 24)
        if number < 0:
            return -1
        if word(at, 0) == h and word(at, 16) == n and same_bytes(letters + word(at, 8), a, n):
            return number
        slot = slot + 1 & mask


@function(INT, INT, INT, INT, INT, result=INT)
def take_word(registers: int, block: int, h: int, a: int, n: int) -> int:
    """The row's next word, unless it is to be left out."""
    number = word_number(block, h ^ shift_right(h, 32), a, n)
    if number >= word(block, _FIRST_STOP):
        return 0
    if number < 0 and word(block, _FEATURES) == 0:
        store_word(registers, _STATE, 0)
        return 0
    if word(block, _FEATURES) == 0:
        return take(registers, block, number, 0)
    return take(registers, block, a, n)


@function(INT, INT, INT, INT, result=INT)
def scan_words(registers: int, block: int, a: int, n: int) -> int:
    """Takes the runs of code points of tokens that are long enough."""
    ascii_kinds = block + word(block, _KINDS) + (load_u16(block + word(block, _BLOCKS), 0) << 7)
    least = word(block, _LEAST)
    i = 0
    while i < n:
        begin = i
        length = 0
        h = 0 ^ _BASIS
        size = 1
        inside = 1
        while i < n and inside != 0:
            c = byte(a, i)
            if c < 128:
                inside = byte(ascii_kinds, c) & TOKEN
                size = 1
            else:
                size = size_at(a, i, n)
                inside = kind_of(block, decode(a, i, size)) & TOKEN
            if inside != 0:
                end = i + size
                while i < end:
                    h = wrapping_multiply(h ^ byte(a, i), _PRIME)
                    i += 1
                length += 1
        if length >= least:
            take_word(registers, block, h, a + begin, i - begin)
        if inside == 0:
            i += size
    return 0


@function(INT, INT, INT, INT, result=INT)
def scan_chars(registers: int, block: int, a: int, n: int) -> int:
    """Takes the code points, one space for several of white space."""
    i = 0
    while i < n:
        size = size_at(a, i, n)
        code = decode(a, i, size)
        i += size
        if kind_of(block, code) & SPACE != 0:
            spaces = 1
            while spaces != 0 and i < n:
                size = size_at(a, i, n)
                if kind_of(block, decode(a, i, size)) & SPACE != 0:
                    code = 32
                    i += size
                else:
                    spaces = 0
        take(registers, block, code, 0)
    return 0


@function(INT, INT, result=INT)
def end_word(registers: int, block: int) -> int:
    """Closes a word between white space. One that is shorter than all n-grams counts as a whole."""
    take(registers, block, 32, 0)
    seen = word(registers, _SEEN)
    if seen < word(block, _SHORTEST) and word(block, _FEATURES) != 0:
        count_hashed(registers, block, seen)
    return 0


@function(INT, INT, INT, INT, result=INT)
def scan_padded(registers: int, block: int, a: int, n: int) -> int:
    """Takes the words between white space, each for itself, with a space before and behind it."""
    i = 0
    inside = 0
    while i < n:
        size = size_at(a, i, n)
        code = decode(a, i, size)
        i += size
        if kind_of(block, code) & SPACE != 0:
            if inside != 0:
                end_word(registers, block)
            inside = 0
        else:
            if inside == 0:
                store_word(registers, _STATE, 0)
                store_word(registers, _SEEN, 0)
                take(registers, block, 32, 0)
            inside = 1
            take(registers, block, code, 0)
    if inside != 0:
        end_word(registers, block)
    return 0


@function(INT, INT, INT, INT, INT, result=INT)
def gather(registers: int, block: int, a: int, n: int, low: int) -> int:
    """The number of columns from `low` on, in order; all up to the one that _HIGH then holds."""
    store_word(registers, _USED, 0)
    store_word(registers, _LOW, low)
    store_word(registers, _HIGH, _NO_END)
    store_word(registers, _STATE, 0)
    store_word(registers, _SEEN, 0)
    if word(block, _ANALYZER) == WORD:
        scan_words(registers, block, a, n)
    elif word(block, _ANALYZER) == CHAR:
        scan_chars(registers, block, a, n)
    else:
        scan_padded(registers, block, a, n)
    return merge_entries(registers, block)


@function(INT, INT, INT, INT, result=FLOAT)
def value_of(registers: int, block: int, index: int, steps: int) -> float:
    """The value of an entry behind so many steps."""
    entry = registers + _FIRST + 8 * index
    count = load_i32(entry, 0)
    column = load_i32(entry, 4)
    value = as_float(count)
    i = 0
    while i < steps:
        kind = word(block, _STEPS + 8 + 16 * i)
        numbers = block + word(block, _STEPS + 16 + 16 * i)
        if kind == SCALE:
            value = value * load_f64(numbers, 8 * column)
        elif kind == LOG:
            if count < word(block, _LOGS):
                value = load_f64(block + word(block, _LOGS_AT), 8 * count)
            else:
                value = logarithm(value) + 1.0
        elif kind == ONE:
            value = 1.0
        elif kind == ABOVE:
            above = value > load_f64(numbers, 0)
            value = 0.0
            if above:
                value = 1.0
        else:
            norm = load_f64(registers, _NORMS + 8 * i)
            if norm != 0.0:
                value = quotient(value, norm)
        i += 1
    return value


@function(INT, INT, INT, INT, INT, FLOAT, result=FLOAT)
def add_norm(registers: int, block: int, found: int, steps: int, kind: int, norm: float) -> float:
    """The norm so far, before its root, and that of more entries."""
    i = 0
    while i < found:
        value = value_of(registers, block, i, steps)
        if kind == NORM_L2:
            norm = norm + value * value
        elif kind == NORM_L1:
            norm = norm + magnitude(value)
        elif magnitude(value) > norm:
            norm = magnitude(value)
        i += 1
    return norm


@function(INT, INT, INT, INT, INT, result=INT)
def add_weights(registers: int, block: int, found: int, outputs: int, row: int) -> int:
    """Adds value times weight of the entries to each of a row's sums."""
    values = registers + _SECOND
    steps = word(block, _STEPS)
    i = 0
    while i < found:
        store_word(values, 8 * i, bits_of(value_of(registers, block, i, steps)))
        i += 1
    number = word(block, _OUTPUTS)
    output = 0
    while output < number:
        weights = block + word(block, _WEIGHTS) + 8 * output
        column = word(outputs, 8 * output)
        if column != 0:
            total = load_f64(column, 8 * row)
            i = 0
            while i < found:
                place = load_i32(registers + _FIRST, 8 * i + 4)
                total = total + load_f64(values, 8 * i) * load_f64(weights, 8 * number * place)
                i += 1
            store_word(column, 8 * row, bits_of(total))
        output += 1
    return 0


@function(INT, INT, INT, INT, INT, INT, result=INT)
def score_row(registers: int, block: int, a: int, n: int, outputs: int, row: int) -> int:
    """Adds a row's terms to its sums, after a pass over them for each norm."""
    steps = word(block, _STEPS)
    whole = 0
    found = 0
    at = 0
    while at <= steps:
        kind = 0
        if at < steps:
            kind = word(block, _STEPS + 8 + 16 * at)
        if at == steps or kind >= NORM_L1:
            norm = 0.0
            low = 0
            while low < _NO_END:
                if whole == 0:
                    found = gather(registers, block, a, n, low)
                    whole = low == 0 and word(registers, _HIGH) == _NO_END
                if at == steps:
                    add_weights(registers, block, found, outputs, row)
                else:
                    norm = add_norm(registers, block, found, at, kind, norm)
                low = word(registers, _HIGH)
            if at < steps:
                if kind == NORM_L2:
                    norm = square_root(norm)
                store_word(registers, _NORMS + 8 * at, bits_of(norm))
        at += 1
    return 0


@function(INT, INT, INT, INT, INT, result=INT)
def score_text(registers: int, arguments: int, rows: int, block: int, outputs: int) -> int:
    """The sums of each row: from 0, or from the arguments behind the text."""
    texts = word(arguments, 0)
    number = word(block, _OUTPUTS)
    store_word(registers, _H, 0)
    store_word(registers, _K, 0)
    store_word(registers, _FED, 0)
    row = 0
    while row < rows:
        output = 0
        while output < number:
            column = word(outputs, 8 * output)
            start = 0
            if word(block, _STARTS) != 0:
                start = word(word(arguments, 8 + 8 * output), 8 * row)
            if column != 0:  # else nothing uses this sum
                store_word(column, 8 * row, start)
            output += 1
        score_row(registers, block, word(texts, 16 * row), word(texts, 16 * row + 8), outputs, row)
        row += 1
    return 0


@score_function
def text_sums(arguments: int, rows: int, block: int, outputs: int, scratch: int, parameters: int) -> int:
    """TextSums."""
    return score_text(scratch, arguments, rows, block, outputs)


FUNCTIONS = (text_sums,)
