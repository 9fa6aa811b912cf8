"""Lowers string ops to calls of `kernels.functions.strings`, with their parameters as constants of the module.

A builder takes the values of the op's arguments, followed by the arena's address when the op allocates. For a nullable result it
returns a pair whose second element is negative for NULL: a view, or {the value's bits, validity}.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial

from llvmlite import ir

from sparkweld.errors import InternalError
from sparkweld.ir.ops import Op, RegexCall, StrCall
from sparkweld.ir.ops.matches import READS
from sparkweld.ir.ops.string_functions import MOST_TIMES, Param, strip_accents_ascii, strip_accents_unicode
from sparkweld.kernels.codegen.lowerings import codecs
from sparkweld.kernels.codegen.lowerings.constant_data import constant_bytes, integer, stack_words, text
from sparkweld.kernels.codegen.lowerings.string_values import CALLS
from sparkweld.kernels.functions.strings import (
    automata,
    automaton_tables,
    building,
    case,
    character_index,
    character_sets,
    numbers,
    search,
    splitting,
    substrings,
    unicode_tables,
    utf8,
)
from sparkweld.kernels.functions.strings.arena import reserve
from sparkweld.kernels.functions.strings.library import Function
from sparkweld.kernels.functions.strings.memory_access import build_view
from sparkweld.kernels.functions.strings.unicode_tables import (
    ALNUM,
    ALPHA,
    CASED,
    DECIMAL,
    DIGIT,
    IGNORABLE,
    LOWER,
    NUMERIC,
    SPACE,
    TITLE,
    UPPER,
)
from sparkweld.kernels.llvm.integers import Builder

_I1, _I64 = ir.IntType(1), ir.IntType(64)

Build = Callable[..., ir.Value]


def compare(fn: str) -> Build:
    """Returns the builder of a comparison of two strings."""
    if fn in ("equal", "not_equal"):
        return search.equal.build if fn == "equal" else lambda b, v, w: b.not_(search.equal.build(b, v, w))
    symbol = {"less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">="}[fn]
    return lambda b, v, w: b.icmp_signed(symbol, search.compare.build(b, v, w), integer(0))


def string_op(op: Op) -> Build:
    """Returns the builder of a string op. Raises InternalError for one without a kernel."""
    match op:
        case StrCall():
            if op.fn not in _CALLS:
                raise InternalError(f"str.{op.fn} has no kernel")
            return partial(_CALLS[op.fn], op.params)
        case RegexCall():
            return partial(_regex, op)
    raise InternalError(f"{op.name} has no kernel")


def _regex(op: RegexCall, b: Builder, v: ir.Value, arena: ir.Value | None = None) -> ir.Value:
    table = constant_bytes(b, automaton_tables.tables_of(op.automaton))
    if op.fn in ("test", "group"):
        words = _words_of_match(b, op)
        if op.fn == "test":
            return automata.test.build(b, words, v, table)
        return automata.group_text.build(b, words, v, table, integer(op.index))
    head, limit, index = (stack_words(b, op.automaton.registers + 1), v, table), integer(op.limit), integer(op.index)
    match op.fn:
        case "count":
            return automata.count_matches.build(b, *head, limit)
        case "reads_little":
            return automata.reads_little.build(b, *head, limit, integer(READS))
        case "split_part":
            return automata.split_by_match.build(b, *head, limit, index)
        case "split_count":
            return b.add(automata.count_matches.build(b, *head, limit), integer(1))
        case "all" | "split":
            return automata.list_matches.build(b, arena, *head, limit, integer(-1) if op.fn == "split" else index)
        case "replace":
            template = constant_bytes(b, automaton_tables.template_of(op.template))
            return automata.replace_matches.build(b, arena, *head, template, limit)
    raise InternalError(f"{op.fn} of a pattern has no kernel")


def _words_of_match(b: Builder, op: RegexCall) -> ir.Value:
    """Returns the address of the stack words that all tests and groups of an automaton in the calling function share."""
    name = f"match.{hashlib.sha256(op.tables.encode()).hexdigest()[:24]}"
    for known in b.function.entry_basic_block.instructions:
        if known.name == name:
            return known
    words = stack_words(b, op.automaton.registers + automata.TEST_WORDS, name)
    with b.goto_entry_block():
        length = b.add(words, integer(8 * (op.automaton.registers + 2)))
        b.store(integer(-2), b.inttoptr(length, _I64.as_pointer()))  # no string has this length, and NULL has -1
    return words


def _near(function: Function) -> Build:
    """Builds a call with stack words in front, in which the function stores its last position."""

    def build(params: _Params, b: Builder, *values: ir.Value) -> ir.Value:
        words = stack_words(b, character_index.WORDS)
        with b.goto_entry_block():
            for at in range(character_index.WORDS):
                b.store(integer(0), b.inttoptr(b.add(words, integer(8 * at)), _I64.as_pointer()))
        return function.build(b, words, *values)

    return build


_Params = tuple[Param, ...]


def _call(function: Function, *extra: int) -> Build:
    """Builds a call of the function on the arguments, the parameters and the `extra` constants."""

    def build(params: _Params, b: Builder, *values: ir.Value) -> ir.Value:
        return function.build(b, *values, *(_parameter(b, p) for p in params), *map(integer, extra))

    return build


def _parameter(b: Builder, value: Param) -> ir.Value:
    return text(b, value) if isinstance(value, str) else integer(search.NO_END if value is None else value)


def _with_arena(function: Function, *extra: int) -> Build:
    """Like `_call`, with the arena in front."""

    def build(params: _Params, b: Builder, *values: ir.Value) -> ir.Value:
        *arguments, arena = values
        return _call(function, *extra)(params, b, arena, *arguments)

    return build


def _with_spaces(function: Function) -> Build:
    def build(params: _Params, b: Builder, v: ir.Value) -> ir.Value:
        characters = unicode_tables.spaces() if params[0] is None else str(params[0])
        return function.build(b, v, constant_bytes(b, unicode_tables.character_set(characters)))

    return build


def _lacks(params: _Params, b: Builder, v: ir.Value) -> ir.Value:
    return character_sets.lacks.build(b, v, constant_bytes(b, unicode_tables.character_set(str(params[0]))))


def _slice(params: _Params, b: Builder, v: ir.Value, arena: ir.Value | None = None) -> ir.Value:
    start, stop, step = params
    if arena is None:
        return substrings.substring.build(b, v, integer(int(start or 0)), integer(search.NO_END if stop is None else int(stop)))
    ends = [integer(substrings.NO_BOUND if end is None else int(end)) for end in (start, stop)]
    return substrings.stepped_slice.build(b, arena, v, *ends, integer(int(step or 1)))


def _split(by_text: Function, by_spaces: Function, *extra: int) -> Build:
    def build(params: _Params, b: Builder, v: ir.Value) -> ir.Value:
        numbers_ = [integer(int(p or 0)) for p in params[1:]]
        if params[0] is not None:
            return by_text.build(b, v, text(b, str(params[0])), *numbers_, *map(integer, extra))
        spaces = constant_bytes(b, unicode_tables.character_set(unicode_tables.spaces()))
        return by_spaces.build(b, v, *numbers_, *map(integer, extra), spaces)

    return build


def _split_list(from_right: int) -> Build:
    def build(params: _Params, b: Builder, v: ir.Value, arena: ir.Value) -> ir.Value:
        most = integer(int(params[1] or 0))
        if params[0] is not None:
            return splitting.split_list.build(b, arena, v, text(b, str(params[0])), most, integer(from_right))
        spaces = constant_bytes(b, unicode_tables.character_set(unicode_tables.spaces()))
        return splitting.words_list.build(b, arena, v, most, integer(from_right), spaces)

    return build


def _any_of(function: Function) -> Build:
    def build(params: _Params, b: Builder, v: ir.Value) -> ir.Value:
        found: ir.Value = ir.Constant(_I1, 0)
        for param in params:
            found = b.or_(found, function.build(b, v, text(b, str(param))))
        return found

    return build


def _search(function: Function) -> Build:
    def build(params: _Params, b: Builder, v: ir.Value) -> ir.Value:
        wanted, start, end = params
        return function.build(b, v, text(b, str(wanted)), integer(int(start or 0)), _parameter(b, end))

    return build


def _concat(params: _Params, b: Builder, *values: ir.Value) -> ir.Value:
    *parts, arena = values
    if len(parts) == 2:
        return building.concat.build(b, arena, *parts)
    size = integer(0)
    for part in parts:
        size = b.add(size, b.extract_value(part, 1))
    start = at = reserve.build(b, arena, size)
    for part in parts:
        at = building.put.build(b, at, part)
    whole, nothing = build_view(b, start, size), build_view(b, integer(0), integer(0))
    return b.select(b.icmp_signed("!=", start, integer(0)), whole, nothing)


def _pad(side: int) -> Build:
    def build(params: _Params, b: Builder, v: ir.Value, arena: ir.Value) -> ir.Value:
        width, fill = params
        return building.pad.build(b, arena, v, text(b, str(fill)), integer(int(width or 0)), integer(side))

    return build


def _flags(b: Builder, wanted: int) -> ir.Value:
    return constant_bytes(b, unicode_tables.flags(wanted))


def _lower(method: str, how: int) -> Build:
    def build(params: _Params, b: Builder, v: ir.Value, arena: ir.Value) -> ir.Value:
        table = constant_bytes(b, unicode_tables.mapping(method))
        return case.lower.build(b, arena, v, integer(how), table, _flags(b, CASED | IGNORABLE))

    return build


def _upper(params: _Params, b: Builder, v: ir.Value, arena: ir.Value) -> ir.Value:
    return case.upper.build(b, arena, v, constant_bytes(b, unicode_tables.mapping("upper")))


def _mixed(how: int, other: str) -> Build:
    def build(params: _Params, b: Builder, v: ir.Value, arena: ir.Value) -> ir.Value:
        tables = [constant_bytes(b, unicode_tables.mapping(method)) for method in ("lower", other)]
        wanted = CASED | IGNORABLE | ((UPPER | LOWER) if how == case.TO_SWAPPED else 0)
        return case.mixed_case.build(b, arena, v, integer(how), *tables, _flags(b, wanted))

    return build


def _translate(params: _Params, b: Builder, v: ir.Value, arena: ir.Value) -> ir.Value:
    keys, *texts = map(str, params)
    table = unicode_tables.mapping_of(dict(zip(map(ord, keys), texts, strict=True)))
    # Bytes that are not UTF-8 may be decoded as a code point of any size, from one byte at least.
    growth = max(3, *(len(text.encode()) for text in texts))
    return case.translate.build(b, arena, v, constant_bytes(b, table), integer(growth))


def _strip_accents(strip: Callable[[str], str]) -> Build:
    def build(params: _Params, b: Builder, v: ir.Value, arena: ir.Value) -> ir.Value:
        table, growth = unicode_tables.without_accents(strip)
        return case.strip_accents.build(b, arena, v, constant_bytes(b, table), integer(growth))

    return build


def _class(wanted: int) -> Build:
    return lambda params, b, v: case.all_flagged.build(b, v, integer(wanted), _flags(b, wanted))


def _case_class(wanted: int, unwanted: int) -> Build:
    return lambda params, b, v: case.has_only.build(b, v, integer(wanted), integer(unwanted), _flags(b, wanted | unwanted))


_CALLS: dict[str, Build] = {
    "valid_utf8": _call(utf8.valid_utf8), "is_ascii": _call(utf8.is_ascii), "length": _call(utf8.length),
    "lacks": _lacks, "isdigit": _class(DIGIT), "isalpha": _class(ALPHA), "isalnum": _class(ALNUM), "isdecimal": _class(DECIMAL),
    "isnumeric": _class(NUMERIC), "isspace": _class(SPACE), "islower": _case_class(LOWER, UPPER | TITLE),
    "isupper": _case_class(UPPER, LOWER | TITLE),
    "istitle": lambda params, b, v: case.is_title.build(b, v, _flags(b, UPPER | TITLE | LOWER)),
    "lower": _lower("lower", case.TO_LOWER), "casefold": _lower("casefold", case.TO_FOLDED), "upper": _upper,
    "swapcase": _mixed(case.TO_SWAPPED, "upper"), "title": _mixed(case.TO_TITLE, "title"),
    "capitalize": _mixed(case.TO_CAPITALIZED, "title"),
    "strip": _with_spaces(character_sets.strip), "lstrip": _with_spaces(character_sets.lstrip),
    "rstrip": _with_spaces(character_sets.rstrip),
    "remove_prefix": _call(substrings.remove_prefix), "remove_suffix": _call(substrings.remove_suffix),
    "slice": _slice, "substring": _near(character_index.slice_near), "get": _call(substrings.char_at),
    "char_at": _near(character_index.char_near),
    "split_part": _split(substrings.split_part, substrings.words_part, 0),
    "rsplit_part": _split(substrings.split_part, substrings.words_part, 1),
    "split": _split_list(0), "rsplit": _split_list(1),
    "split_count": _split(substrings.split_count, substrings.words_count),
    "partition_part": _call(substrings.partition_part, 0), "rpartition_part": _call(substrings.partition_part, 1),
    "contains": _call(search.contains), "contains_str": _call(search.contains),
    "starts_with": _any_of(search.starts_with), "starts_with_str": _call(search.starts_with),
    "ends_with": _any_of(search.ends_with), "ends_with_str": _call(search.ends_with),
    "find": _search(search.find), "rfind": _search(search.rfind), "count": _search(search.count),
    "find_str": _call(search.find, 0, search.NO_END), "rfind_str": _call(search.rfind, 0, search.NO_END),
    "count_str": _call(search.count, 0, search.NO_END), "remove_prefix_str": _call(substrings.remove_prefix),
    "remove_suffix_str": _call(substrings.remove_suffix), "split_str": _with_arena(splitting.split_by),
    "code_point": _call(utf8.code_point),
    "replace": _with_arena(building.replace), "concat": _concat, "translate": _translate, "repeat": _with_arena(building.repeat),
    "repeat_some": lambda params, b, v, times, arena: building.repeat_some.build(b, arena, v, times, integer(MOST_TIMES)),
    "strip_accents_ascii": _strip_accents(strip_accents_ascii), "strip_accents_unicode": _strip_accents(strip_accents_unicode),
    "rjust": _pad(0), "ljust": _pad(1), "center": _pad(2), "zfill": _with_arena(building.zfill),
    "from_code_point": _with_arena(building.from_code_point),
    "fixed_digits": _call(numbers.fixed_digits),
    **CALLS, **codecs.CALLS,
}  # fmt: skip
