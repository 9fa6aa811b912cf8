"""Draws random Arrow functions: pyarrow.compute calls and Array methods over every column type, both correct and incorrect
uses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import pyarrow as pa

from sparkweld.ir.types import Type
from tests.helpers.columns import special_values
from tests.helpers.generated_batches import WORDS
from tests.helpers.templates import Grammar

#: Kind of a column -> its types. N: numbers, B: bools, S: strings, D: dates, L: lists of numbers, W: lists of strings.
TYPES: Mapping[str, Sequence[pa.DataType]] = {
    "N": (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.int64(), pa.float32(), pa.float64(), pa.float64()),
    "B": (pa.bool_(),),
    "S": (pa.string(),),
    "D": (pa.date32(),),
    "L": (pa.list_(pa.float64()), pa.list_(pa.int64()), pa.list_(pa.int32())),
    "W": (pa.list_(pa.string()),),
}
#: Types that kernels do not support; they are drawn rarely.
SELDOM = (pa.timestamp("us", "UTC"), pa.timestamp("us"), pa.decimal128(10, 2), pa.binary(), pa.duration("us"))

_TWO = """add subtract multiply add_checked subtract_checked multiply_checked divide divide_checked power power_checked atan2
bit_wise_and bit_wise_or bit_wise_xor shift_left shift_right shift_left_checked min_element_wise max_element_wise coalesce
logb""".split()
_ONE = """abs abs_checked negate negate_checked sign floor ceil trunc round bit_wise_not sqrt sqrt_checked exp expm1 ln ln_checked
log10 log2 log1p sin cos tan atan tanh""".split()
_TEXTS = """utf8_lower utf8_upper ascii_lower ascii_upper utf8_trim_whitespace utf8_ltrim_whitespace utf8_rtrim_whitespace
utf8_capitalize utf8_title utf8_reverse utf8_swapcase""".split()
_TESTS = """equal not_equal less less_equal greater greater_equal""".split()
_LOGIC = "and_ or_ xor and_not and_kleene or_kleene and_not_kleene".split()

_FORMS: dict[str, tuple[str, ...]] = {
    "N": (
        *[f"pc.{name}({{N}}, {{N}})" for name in (*_TWO, *_TWO[:8])], *[f"pc.{name}({{N}})" for name in _ONE],
        *["pc.if_else({B}, {N}, {N})"] * 6, *["pc.fill_null({N}, {c})", "{N}.fill_null({c})", "pc.cast({N}, {t})"] * 3,
        *["{N}.cast({t})", "pc.coalesce({N}, {N}, {N})", "pc.cast({B}, {t})"] * 2,
        "pc.round({N}, ndigits={k})", "pc.round({N}, 0, {m})", "pc.round({N}, round_mode={m})", "pc.round_to_multiple({N}, 5)",
        "pc.min_element_wise({N}, {N}, skip_nulls=False)", "pc.max_element_wise({N}, {c}, {N})", "pc.cast({N}, {t}, safe=False)",
        "pc.utf8_length({S})", "pc.binary_length({S})", "pc.find_substring({S}, {p})", "pc.count_substring({S}, {p})",
        "pc.count_substring_regex({S}, '[a-c]')", "pc.list_value_length({A})", "pc.list_element({L}, {k})",
        "{L}.value_lengths()", "pc.index_in({N}, value_set=pa.array([1, 2, None]))", "pc.choose({N}, {N}, {N})",
        "pc.year({D})", "pc.month({D})", "pc.day_of_week({D})", "pc.days_between({D}, {D})",
        "pc.case_when(pc.make_struct({B}), {N}, {N})",
        "pc.add(x={N}, y={N})", "pc.multiply({N}, {N}, memory_pool=None)", "pc.if_else(cond={B}, left={N}, right={N})",
        "pa.array({N}.to_numpy(zero_copy_only=False) * 2)", "pa.array({N}.to_numpy() + 1)", "pa.array({N}.to_pandas() * 2)",
        "pa.array({N}.fill_null({c}).to_numpy() - 1)", "pa.array(np.where({N}.to_numpy(False) > 0, 1.0, 2.0))",
        "pa.array(np.abs({N}.to_numpy(zero_copy_only=False)), from_pandas=True)", "pa.array({N}.to_numpy(False), {t})",
        "pa.array(pd.Series({N}.to_numpy(zero_copy_only=False)) + 1)",
        "pa.array([None if v is None else v + 1 for v in {N}.to_pylist()])",
        "pa.array([v for v in {N}])", "pa.array([v.as_py() for v in {N}], {t})", "pc.subtract({N}, pc.mean({N}))",
        "pc.cumulative_sum({N})",
        "pc.call_function('add', [{N}, {N}])", "pc.add({N}, pa.array([1, 2]))", "pc.rank({N})", "pc.pairwise_diff({N})",
        "pc.replace_with_mask({N}, {B}, {c})", "pa.array(np.add({N}, 1))", "pc.is_in({N}, pa.array([1])).cast({t})",
    ),
    "B": (
        *[f"pc.{name}({{{k}}}, {{{k}}})" for name in _TESTS for k in "NNS"], *[f"pc.{name}({{D}}, {{D}})" for name in _TESTS[:3]],
        *[f"pc.{name}({{B}}, {{B}})" for name in (*_LOGIC, *_LOGIC)], "pc.invert({B})", "pc.is_null({A})", "{A}.is_null()",
        "pc.is_valid({A})", "{A}.is_valid()", "pc.is_nan({N})", "{N}.is_nan()", "pc.is_finite({N})", "pc.is_inf({N})",
        "{N}.is_null(nan_is_null=True)", "pc.is_null({A}, nan_is_null=True)", "pc.true_unless_null({A})", "pc.is_in({N}, {v})",
        "pc.is_in({N}, value_set={v}, skip_nulls=True)", "pc.is_in({S}, value_set=pa.array(['a', 'ab', None]))",
        "pc.is_in({D}, value_set=pa.array([datetime.date(1970, 1, 1)]))", "pc.is_in({B}, value_set=pa.array([True, None]))",
        "pc.starts_with({S}, {p})", "pc.ends_with({S}, {p})", "pc.match_substring({S}, {p})",
        "pc.starts_with({S}, pattern={p}, ignore_case=True)",
        "pc.match_substring({S}, {p}, ignore_case=True)", "pc.match_like({S}, 'a%')", "pc.match_substring_regex({S}, '^[a-c]+')",
        "pc.string_is_ascii({S})", "pc.utf8_is_alpha({S})", "pc.utf8_is_digit({S})", "pc.utf8_is_upper({S})",
        "pc.if_else({B}, {B}, {B})", "pc.fill_null({B}, {b})", "pc.cast({N}, pa.bool_())", "pc.is_leap_year({D})",
        "pa.array({N}.to_numpy(zero_copy_only=False) > {c})", "pa.array(~{B}.fill_null(True).to_numpy(zero_copy_only=False))",
        "pc.coalesce({B}, {b})", "pc.equal({A}, {A})", "pc.max_element_wise({B}, {B})",
        "pc.is_in({S}, pa.array(['a'], pa.large_string()))",
    ),
    "S": (
        *[f"pc.{name}({{S}})" for name in _TEXTS], "pc.utf8_slice_codeunits({S}, {k}, 2)",
        "pc.utf8_slice_codeunits({S}, start={k})",
        "pc.utf8_slice_codeunits({S}, 0, 3, 2)", "pc.replace_substring({S}, {q}, {p})",
        "pc.replace_substring({S}, pattern='a', replacement='bb')",
        "pc.replace_substring({S}, 'a', 'b', max_replacements=1)", "pc.replace_substring_regex({S}, r'\\d', '')",
        "pc.binary_join_element_wise({S}, {S}, '-')", "pc.binary_join_element_wise({S}, {S}, {S}, {p})",
        "pc.utf8_trim({S}, ' a')",
        "pc.binary_join_element_wise({S}, {S}, '-', null_handling='skip')",
        "pc.binary_join_element_wise({S}, {p}, '', null_handling='replace')",
        *["pc.if_else({B}, {S}, {S})"] * 3, "pc.fill_null({S}, {p})", "{S}.fill_null({p})", "pc.coalesce({S}, {S})",
        "pc.cast({A}, pa.string())",
        "{N}.cast('string')", "pc.utf8_lpad({S}, 5)", "pc.utf8_rpad({S}, width=4, padding='*')", "pc.utf8_zero_fill({S}, 4)",
        "pc.strftime({D}, format='%Y-%m')", "pc.list_element({W}, {k})", "pc.binary_join({W}, ',')",
        "pc.utf8_replace_slice({S}, 0, 1, 'z')",
        "pc.utf8_ltrim({S}, characters={p})", "pc.utf8_rtrim({S}, 'b ')", "pc.binary_repeat({S}, 2)",
        "pc.min_element_wise({S}, {S})",
        "pa.array([s.upper() for s in {S}.to_pylist()])",
        "pa.array([None if s is None else s[:2] for s in {S}.to_pylist()], pa.string())",
        "pa.array({S}.to_pandas().str.upper())", "pc.utf8_normalize({S}, 'NFC')", "pc.extract_regex({S}, '(?P<x>a)')",
        "{S}.dictionary_encode()",
    ),
    "D": (
        "pc.if_else({B}, {D}, {D})", "pc.fill_null({D}, datetime.date(2020, 2, 29))", "pc.coalesce({D}, {D})",
        "pc.cast({N}, pa.date32())",
        "pc.min_element_wise({D}, {D})", "pc.max_element_wise({D}, {D}, skip_nulls=False)",
        "pc.floor_temporal({D}, unit='month')", "pc.cast({S}, pa.date32())",
        "pc.strptime({S}, format='%Y', unit='s')", "pc.add({D}, 1)", "pc.subtract({D}, {D})",
        "{N}.cast(pa.int32()).cast(pa.date32())",
    ),
    "L": (
        "pc.list_slice({L}, 0, 2)", "pc.list_slice({L}, start={k})", "pc.if_else({B}, {L}, {L})", "pc.fill_null({L}, [])",
        "pc.list_slice({L}, 0, 3, 2)",
    ),
    "W": ("pc.list_slice({W}, 0, 2)", "pc.split_pattern({S}, ',')", "pc.utf8_split_whitespace({S})", "pc.coalesce({W}, {W})"),
    "A": ("{N}", "{B}", "{S}", "{D}", "{L}", "{W}"),
    "X": (
        "pc.add({A})", "pc.add({A}, {A}, {A})", "pc.equal({A}, {A})", "pc.if_else({A}, {A}, {A})", "pc.fill_null({A}, {A})",
        "pc.negate({A})",
        "pc.coalesce()", "pc.coalesce({A})", "pc.coalesce({A}, {A})", "pc.is_in({A}, {A})", "pc.is_in({A}, [1, 2])",
        "pc.is_in({A})",
        "pc.cast({A}, {A})", "pc.cast({A}, None)", "pc.cast({A}, 'nothing')", "pc.cast({A})", "{A} + {A}", "-{A}",
        "{A} == {A}", "{A} > 1",
        "{A}[0]", "{A}[:2]", "{A}[::-1]", "{A}[None]", "{A}.slice(1)", "{A}.slice(0)", "len({A})", "{A}.to_pylist()",
        "pa.chunked_array([{A}])",
        "{A}.value_counts()", "pc.value_counts({A})", "{A}.unique()", "{A}.drop_null()", "pc.sort_indices({A})",
        "pc.min_max({A})", "pc.sum({A})",
        "{A}.sum()", "{A}.filter({B})", "pc.filter({A}, {B})", "{A}.take(pa.array([0]))", "pa.concat_arrays([{A}, {A}])",
        "{A}.null_count",
        "{A}.type", "{A}.view({t})", "{A}.equals({A})", "np.asarray({A})", "{A}.to_pandas()", "pa.nulls(len({A}))",
        "pa.repeat(1, len({A}))",
        "iter({A})", "str({A})", "repr({A})", "hash({A})", "pc.nothing({A})", "{A}.nothing", "pc.add({A}, options=None)",
        "{A}.cast(target_type={t}, safe=True)",
        "pa.array({A})", "pa.array([{A}])", "pa.array({A}, {t})", "pa.scalar({A})", "pc.scalar({A})",
        "pa.StructArray.from_arrays([{A}], names=['a'])",
        "pa.StructArray.from_arrays([{A}, {A}], ['a', 'a'])", "pa.StructArray.from_arrays({A}, names='ab')", "pa.Array({A})",
        "{A}.to_numpy()",
        "pa.RecordBatch.from_arrays([{A}], names=['a'])", "pa.record_batch({'a': {A}})", "pa.table({'a': {A}})",
        "{A}.field('a')", "{A}.flatten()",
        "pc.struct_field({A}, 'a')", "pc.struct_field({A}, [])", "pc.struct_field({A}, None)", "pc.list_element({A}, {A})",
        "pc.list_element({A}, 'a')",
        "pc.list_slice({A}, 2, 1)", "pc.list_slice({A}, -1)", "pc.list_flatten({A})", "pc.list_value_length()",
        "pc.utf8_lower({A})",
        "pc.utf8_trim({S}, '')", "pc.utf8_trim({S})", "pc.starts_with({S}, {S})", "pc.starts_with({S})", "pc.starts_with({S}, 1)",
        "pc.count_substring({S}, '')", "pc.find_substring({S}, '')",
        "pc.find_substring({S}, pattern=None)",
        "pc.utf8_slice_codeunits({S})", "pc.utf8_slice_codeunits({S}, None)", "pc.utf8_slice_codeunits({S}, 0, 2, 0)",
        "pc.utf8_slice_codeunits({S}, 1.5)",
        "pc.binary_join_element_wise()", "pc.binary_join_element_wise({S})", "pc.binary_join_element_wise({S}, {A})",
        "pc.round({A}, 'a')",
        "pc.round({N}, round_mode='no')", "pc.round({N}, 10**9)", "pc.add({N}, 2**70)", "pc.add({N}, 1j)",
        "pc.add({N}, object())", "pc.add({N}, 'a')",
        "pc.power({N}, -1)", "pc.power({N}, 2)", "pc.divide({N}, 0)", "pc.min_element_wise()", "pc.max_element_wise({A})",
        "pc.max_element_wise({A}, None)",
        "pc.if_else(True, {N}, {N})", "pc.if_else(None, {A}, {A})", "pc.if_else({B}, None, None)", "pc.if_else({B}, {A})",
        "pc.if_else({B}, [1], [2])",
        "pc.fill_null({A}, None)", "pc.fill_null(None, {A})", "pc.fill_null({A}, float('nan'))", "pc.fill_null({A}, 2**40)",
        "pc.fill_null({A})",
        "pc.is_null(1)", "pc.is_null(None)", "pc.is_valid()", "pc.invert(True)", "pc.and_kleene({B}, None)",
        "pc.or_kleene(None, None)",
        "pa.types.is_integer({A}.type)", "pa.compute.add({N}, {N})", "pa.nothing({A})", "{A}", "None", "1", "'a'", "[{A}]",
        "({A}, {A})", "{'a': {A}}",
        "pa.array({N}.to_numpy(zero_copy_only=False), mask={B}.to_numpy(False))", "{N}.to_numpy(writable=True)",
        "{N}.to_numpy('a')", "pa.array(None)",
        "pa.array([])", "pa.array({N}.to_numpy(False).tolist())", "pa.array(pd.Series({N}))", "pd.Series({N})",
        "pd.Series({S}).str.upper()", "math.sqrt({N})",
        "abs({N})", "sum({N})", "max({N}, {N})", "round({N})", "float({N})", "bool({B})", "not {B}", "{N} if {B} else {N}",
        "{N} in {N}", "isinstance({A}, pa.Array)",
        "sorted({A})", "list({A})", "zip({A}, {A})", "f'{{A}}'", "re.sub('a', 'b', {S})", "lambda: {A}", "print({A})",
        "pc.random(3)", "pc.add(*[{N}] * 2)",
        "pc.add({N}, pc.scalar({c}))", "pa.scalar('a')", "pa.scalar(datetime.datetime(2020, 1, 1))",
        "pc.equal({D}, datetime.datetime(2020, 1, 1))",
        "pc.equal({D}, '2020-01-01')", "pc.greater({D}, 5)", "pc.and_({N}, {N})", "pc.invert({N})", "pc.is_nan({S})",
        "pc.negate({B})", "pc.add({B}, {B})",
    ),
}  # fmt: skip
_CONSTANTS: dict[str, tuple[str, ...]] = {
    "c": ("0", "1", "-1", "2.5", "0.0", "float('nan')", "pa.scalar(1, pa.int8())", "100", "None", "True"),
    "t": (
        "pa.int8()", "pa.int32()", "pa.int64()", "pa.float32()", "pa.float64()", "'int16'", "'double'", "pa.bool_()",
        "pa.int64()", "pa.float64()", "pa.uint8()",
    ),
    "k": ("0", "1", "2", "-1", "0"),
    "m": ("'half_up'", "'half_to_even'", "'down'", "'towards_zero'", "'half_towards_infinity'"),
    "p": ("'a'", "'ab'", "''", "' '", "'é'", "'b'", "'1'"),
    "q": ("'a'", "'ab'", "' '", "'é'"),  # pyarrow loops forever on ''
    "b": ("True", "False", "None"),
    "v": (
        "pa.array([0, 1, 2])", "pa.array([1, None], pa.int32())", "pa.array([0.0, 1.0, float('nan')])",
        "pa.array([], pa.int64())",
        "pa.array([1, 127], pa.int8())", "pa.chunked_array([[1], [2]])", "pa.array([True])",
    ),
}  # fmt: skip
#: Forms for a kind that has no column, derived from a column {0} of another kind.
_WITHOUT: dict[str, tuple[str, ...]] = {
    "N": ("pc.cast(pc.is_null({0}), pa.int32())", "pc.cast(pc.is_valid({0}), 'double')", "pa.scalar(1.5)"),
    "B": ("pc.is_null({0})", "pc.is_valid({0})", "pa.scalar(True)"),
    "S": ("pc.if_else(pc.is_null({0}), 'yes', 'no')", "pc.if_else(pc.is_valid({0}), pa.scalar('é'), None)", "pa.scalar('ab')"),
    "D": ("pc.if_else(pc.is_valid({0}), datetime.date(2020, 2, 29), None)", "datetime.date(1970, 1, 1)"),
    "L": ("pa.scalar([1.0, 2.0])",),
    "W": ("pa.scalar(['a'])",),
}
_NUMBERS = (
    "(1)", "(0.5)", "(-3)", "(0)", "(300)", "(2**40)", "None", "pa.scalar(1, pa.int8())", "pa.scalar(2.5, pa.float32())",
    "pa.scalar(None, pa.int64())",
)  # fmt: skip


def grammar(columns: Mapping[str, str], struct: str | None) -> Grammar:
    """Returns the grammar for columns of these kinds; with `struct`, they are fields of that argument."""
    leaves: dict[str, tuple[str, ...]] = dict(_CONSTANTS)
    shown = {n: (f"{struct}.field('{n}')", f"pc.struct_field({struct}, '{n}')") if struct else (n, n) for n in columns}
    first = next(iter(shown.values()))[0]
    for kind, without in _WITHOUT.items():
        mine = tuple(form for name, of in columns.items() if of == kind for form in shown[name])
        leaves[kind] = mine * 2 or tuple(form.replace("{0}", first) for form in without)
        leaves[kind] += _NUMBERS[:3] if kind == "N" and mine else ()
    leaves["A"] = leaves["X"] = tuple(form for pair in shown.values() for form in pair)
    return Grammar({**_FORMS, "N": (*_FORMS["N"], *_NUMBERS)}, leaves)


@cache
def arrow_batches(types: tuple[pa.DataType, ...], names: str) -> tuple[pa.RecordBatch, ...]:
    """Returns batches: extremes with and without NULLs, slices, all NULL, one row, and ordinary rows (the last batch)."""
    rng = np.random.default_rng(31)
    wild = [_values(rng, type, 48, wild=True) for type in types]
    tame = [_values(rng, type, 30, wild=False) for type in types]
    nulls = [[None if rng.random() < 0.25 else v for v in values] for values in wild]
    made = [wild, nulls, [[None] * 3 for _ in types], [column[:1] for column in tame], tame]
    batches = [pa.RecordBatch.from_arrays([pa.array(v, t) for v, t in zip(b, types, strict=True)], list(names)) for b in made]
    return (batches[0], batches[1].slice(5, 31), *batches[2:4], batches[4].slice(3), batches[4])


def _values(rng: np.random.Generator, type: pa.DataType, rows: int, wild: bool) -> list[object]:
    """Returns values of a type as Python objects."""
    if pa.types.is_list(type):
        return [_values(rng, type.value_type, int(rng.integers(0, 4)), wild) for _ in range(rows)]
    if pa.types.is_string(type):
        words = np.array(WORDS if wild else [w for w in WORDS if w.isascii()], object)
        return [str(w) for w in rng.choice(words, rows)]
    if pa.types.is_boolean(type):
        return [bool(x) for x in rng.integers(0, 2, rows)]
    if pa.types.is_integer(type) or pa.types.is_floating(type):
        kind = ("f" if pa.types.is_floating(type) else "i") + str(type.bit_width)
        drawn = rng.choice(special_values(Type(kind)), rows) if wild else rng.integers(-9, 10, rows)
        return drawn.tolist()  # type: ignore[no-any-return]
    days = rng.integers(-3_000, 30_000, rows) if not wild else rng.choice([0, -1, 365, -719162, 2932896, 11016, 18321], rows)
    if pa.types.is_date32(type):
        return pa.array(days, pa.int32()).cast(type).to_pylist()  # type: ignore[no-any-return]
    if pa.types.is_timestamp(type):
        return (days % 30_000 * 86_400_000_000 + 1).tolist()  # type: ignore[no-any-return]
    if pa.types.is_binary(type):
        return [bytes([int(d) % 256]) for d in days]
    return [int(d) % 10_000 for d in days]


__all__ = ["SELDOM", "TYPES", "arrow_batches", "grammar"]
