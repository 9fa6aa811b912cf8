"""Checks whole string kernels: memory bounds, invalid UTF-8, the arena, filters, all of Unicode, long strings."""

from __future__ import annotations

import ctypes
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from sparkweld.ir import Program, evaluate, parse_program, print_program
from sparkweld.ir.ops import IsIn, Lookup, Optional, RegexCall, StrCall
from sparkweld.ir.ops.string_functions import FUNCTIONS
from sparkweld.ir.types import BOOL, F64, I64, STR
from sparkweld.kernels import Kernel, program_allocates
from sparkweld.kernels.runtime.loader import texts_of
from sparkweld.optimizer import optimize
from tests.helpers.columns import difference, extremes
from tests.helpers.kernels import check, check_loaded, load, program
from tests.helpers.programs import batch, programs
from tests.helpers.strings import TEXTS, random_texts
from tests.kernels.test_kernels import FencedArray
from udf_compiler.frontends.regex import compile_regex

SIZES = (0, 1, 7, 63, 64, 65, 1023, 1024, 1025, 4096)

#: The functions and ops of generated programs.
PROGRAM_KEYS = tuple("str regex is_in lookup equal less select optional value_of is_valid logical_and logical_not add".split())

#: One example of every function of one string.
ONE = {
    fn: next(op for op, types in StrCall.examples if isinstance(op, StrCall) and op.fn == fn)
    for fn, function in FUNCTIONS.items()
    if function.arguments == (STR,)
}


def objects(texts) -> np.ndarray:
    made = np.empty(len(texts), object)
    made[:] = texts
    return made


def calls(*ops: StrCall) -> Program:
    """Returns a program with each op applied to the column s."""

    def body(loop, columns):
        for number, op in enumerate(ops):
            loop.append(f"{number}", loop.emit(op, columns["s"]))

    return program({"s": STR}, body)


@pytest.fixture(scope="module")
def every_function() -> Kernel:
    """Returns a kernel with all of ONE, and the other string ops."""

    def body(loop, columns):
        s = columns["s"]
        for number, op in enumerate(ONE.values()):
            loop.append(f"{number}", loop.emit(op, s))
        for fn in ("contains_str", "find_str", "rfind_str", "count_str", "starts_with_str", "ends_with_str", "concat",
                   "remove_prefix_str", "remove_suffix_str", "split_str"):  # fmt: skip
            loop.append(fn, loop.emit(StrCall(fn), s, loop.value_of(loop.emit(StrCall("get", (-1,)), s))))
        at = [loop.const(value, I64) for value in (1, -2)]
        loop.append("char_at", loop.emit(StrCall("char_at"), s, at[1]))
        loop.append("substring", loop.emit(StrCall("substring"), s, *at))
        loop.append("in", loop.emit(IsIn.of(TEXTS, STR), s))
        loop.append("less", loop.call("less", s, loop.const("é", STR)))
        for number, (op, _) in enumerate(RegexCall.examples):
            loop.append(f"regex {number}", loop.emit(op, s))
        word = compile_regex(r"\b[é\w]+\b", 0, "search", (0,)).encode()
        loop.append("word", loop.emit(RegexCall("replace", "word", word, ("<", "0", ">")), s))

    return load(program({"s": STR}, body))


# Filters, NULLs, guards


@pytest.fixture(scope="module")
def filtered() -> Kernel:
    """Returns a kernel that filters input and computed strings, plain and nullable, beside columns of other widths."""

    def body(loop, columns):
        s, t, x = columns["s"], columns["t"], columns["x"]
        text = loop.value_of(t)
        loop.guard(loop.emit(StrCall("valid_utf8"), s))
        upper = loop.emit(StrCall("upper"), text)
        loop.append("s.same", s)
        loop.append("t.same", t)
        loop.append("piece", loop.emit(StrCall("split_part", (" ", -1, 1)), s))
        loop.append("both", loop.optional(loop.emit(StrCall("concat"), s, upper), loop.is_valid(t)))
        loop.append("longer", loop.select(loop.call("less", s, text), text, s))
        loop.append("length", loop.emit(StrCall("length"), s))
        loop.append("x.same", x)
        loop.append("short", loop.cast(x, BOOL))
        return loop.call("greater", loop.emit(StrCall("length"), s), loop.const(1, I64))

    return load(program({"s": STR, "t": STR.optional(), "x": F64}, body))


@pytest.mark.parametrize("rows", SIZES)
def test_filter(filtered, rows):
    check_loaded(filtered, {i.name: extremes(i.type, rows) for i in filtered.program.inputs}, rows)


@pytest.mark.parametrize("valid", [True, False])
def test_no_nulls_and_only_nulls(filtered, valid):
    columns = {"s": extremes(STR, 300), "t": Optional(extremes(STR, 300), np.full(300, valid)), "x": np.ones(300)}
    check_loaded(filtered, columns, 300)


def test_constants_and_no_inputs():
    def body(loop, columns):
        loop.append("c", loop.const('a "quoted"\nline \0 é😀', STR))
        loop.append("e", loop.const("", STR))
        loop.append("n", loop.optional(loop.const("x", STR), loop.const(False, BOOL)))

    kernel = load(program({}, body))
    for rows in SIZES:
        check_loaded(kernel, {}, rows)


def test_rows_that_a_filter_drops_take_nothing_of_the_arena():
    def body(loop, columns):
        loop.guard(loop.emit(StrCall("valid_utf8"), columns["s"]))
        loop.append("upper", loop.emit(StrCall("upper"), columns["s"]))
        return loop.call("greater", loop.emit(StrCall("length"), columns["s"]), loop.const(3, I64))

    kernel = load(program({"s": STR}, body))
    texts = objects(["abcdef", "ab"] * 500)
    check_loaded(kernel, {"s": texts}, 1000)
    data = np.frombuffer(b"abcdef", np.uint8)
    views = np.array([(data.ctypes.data, 6), (data.ctypes.data, 2)] * 50, np.int64)
    nulls, out, kept = np.zeros(100, np.uint8), np.empty((100, 2), np.int64), np.empty(100, np.int32)
    arena = np.empty(900, np.uint8)
    ends = np.array([arena.ctypes.data, arena.ctypes.data + 900], np.int64)
    kernel.call([a.ctypes.data for a in (views, nulls, out, nulls, kept, ends)], 100)
    assert ends[0] - arena.ctypes.data == 300


# The arena


def test_arena_overflows_and_the_kernel_runs_again(filtered, monkeypatch):
    """The next call starts with an arena that is large enough."""
    columns, calls = {i.name: extremes(i.type, 1000) for i in filtered.program.inputs}, []
    assert program_allocates(filtered.program)
    filtered.arena_bytes = 1
    own = filtered.call
    monkeypatch.setattr(filtered, "call", lambda *given: calls.append(given) or own(*given))
    check_loaded(filtered, columns, 1000)
    assert len(calls) > 1
    calls.clear()
    check_loaded(filtered, columns, 1000)
    assert len(calls) == 1


def test_only_programs_with_new_strings_require_an_arena():
    assert not program_allocates(calls(StrCall("strip", (None,)), StrCall("slice", (1, -1, 1)), StrCall("parse_int")))
    for op in (StrCall("lower"), StrCall("slice", (None, None, -1)), StrCall("zfill", (3,)), StrCall("repeat", (2,))):
        assert program_allocates(calls(op))


def test_arena_protocol():
    """The cursor counts requested bytes beyond the end; nothing is written there, and those strings are empty."""
    kernel = load(calls(StrCall("upper")))
    data = np.frombuffer(b"abcdefghij", np.uint8)
    views = np.array([(data.ctypes.data + at, 2) for at in range(0, 10, 2)], np.int64)
    nulls, out = np.zeros(5, np.uint8), np.empty((5, 2), np.int64)
    for size in range(12):
        fenced = FencedArray(np.zeros(size, np.uint8))
        ends = np.array([fenced.address, fenced.address + size], np.int64)
        kernel.call([a.ctypes.data for a in (views, nulls, out, nulls)] + [0, ends.ctypes.data], 5)
        assert ends[0] - fenced.address == 10 and ends[1] == fenced.address + size
        got = [ctypes.string_at(int(address), int(length)) for address, length in out.tolist()]
        whole = size // 2
        assert got == [b"AB", b"CD", b"EF", b"GH", b"IJ"][:whole] + [b""] * (5 - whole)


def test_an_absurd_length_is_an_overflow_and_no_crash():
    kernel = load(calls(StrCall("repeat", (1 << 60,)), StrCall("ljust", (1 << 60, "é")), StrCall("zfill", (1 << 60,))))
    data = np.frombuffer(b"abcdefghij", np.uint8)
    views, nulls, out = np.array([[data.ctypes.data, 10]]), np.zeros(1, np.uint8), np.empty((3, 2), np.int64)
    arena = np.zeros(64, np.uint8)
    ends = np.array([arena.ctypes.data, arena.ctypes.data + 64], np.int64)
    outputs = [address for row in out for address in (row.ctypes.data, nulls.ctypes.data)]
    kernel.call([views.ctypes.data, nulls.ctypes.data, *outputs, 0, ends.ctypes.data], 1)
    assert ends[0] - ends[1] > 1 << 40 and not out[:, 1].any()


# Memory bounds and bytes that are not UTF-8


def _broken_texts() -> list[bytes]:
    random = np.random.default_rng(3)
    leads = bytes.fromhex("00 41 7f 80 bf c0 c2 df e0 e1 ed ef f0 f1 f4 f5 ff 90 a0 ce a3")
    made = [bytes([a, b, c][:n]) for a in leads for b in leads for c in leads[::4] for n in (1, 2, 3)]
    made += [bytes(random.choice(list(leads), random.integers(1, 24)).tolist()) for _ in range(600)]
    return sorted(set(made))


def _texts_of_bytes(data: list[bytes]) -> np.ndarray:
    return objects([d.decode("utf-8", "surrogateescape") for d in data])


def test_valid_utf8_is_that_of_python():
    data = [*_broken_texts(), *(t.encode() for t in TEXTS), b"abcdefgh\xc3", b"abcdefgh\xe2\x82\xac", b"\xf4\x90\x80\x80"]
    data += [bytes([a, b, 0x80, 0x80]) for a in range(0xE0, 256) for b in range(256)]
    p = calls(StrCall("valid_utf8"), StrCall("is_ascii"))
    check(p, {"s": _texts_of_bytes(data)}, len(data))


@pytest.mark.parametrize("fence_before", [False, True])
def test_functions_read_no_byte_outside_their_strings(every_function, fence_before):
    # A fault here ends the process, so a pass is the proof. Results of invalid bytes are arbitrary; the others are checked.
    broken = _broken_texts()[::9]
    data = [t.encode() for t in TEXTS] + broken
    fenced = [FencedArray(np.frombuffer(d, np.uint8), fence_before=fence_before) for d in data]
    views = np.array([(f.address, len(d)) for f, d in zip(fenced, data, strict=True)], np.int64)
    rows, outputs = len(data), len(every_function.program.outputs)
    out, nulls = np.zeros((outputs, rows, 2), np.int64), np.zeros((outputs, rows), np.uint8)
    arena = np.empty(1 << 24, np.uint8)
    ends = np.array([arena.ctypes.data, arena.ctypes.data + arena.size], np.int64)
    addresses = [a.ctypes.data for pair in zip(out, nulls, strict=True) for a in pair]
    every_function.call([views.ctypes.data, nulls.ctypes.data, *addresses, 0, ends.ctypes.data], rows)
    assert ends[0] < ends[1]
    at = list(ONE).index("title")
    for row, text in enumerate(TEXTS):
        address, length = out[at, row].tolist()
        assert ctypes.string_at(address, length).decode() == text.title()


# All of Unicode


def test_classes_of_every_code_point():
    codes = [c for c in range(0x32000) if not 0xD800 <= c < 0xE000] + list(range(0x32000, sys.maxunicode + 1, 97))
    names = ["isdigit", "isalpha", "isalnum", "isdecimal", "isnumeric", "isspace", "islower", "isupper", "istitle"]
    check(calls(*map(StrCall, names)), {"s": objects([chr(c) for c in codes])}, len(codes))


def test_case_of_every_code_point():
    codes = [c for c in range(sys.maxunicode + 1) if not 0xD800 <= c < 0xE000]
    texts = ["".join(map(chr, codes[at : at + 40])) for at in range(0, len(codes), 40)]
    texts += [f"{a}{chr(c)}Σ{chr(c)}{a}" for c in [*range(0x3000), *range(0xA600, 0xAB70), *range(0xFE00, 0x10800)] for a in "a "]
    names = ["lower", "upper", "swapcase", "title", "capitalize", "casefold"]
    check(calls(*map(StrCall, names)), {"s": objects(texts)}, len(texts))


# Sizes


@pytest.mark.nightly("test_any_text", "tests/spark/udf_compiler/test_bad_input.py::test_a_text_of_ten_megabytes")
def test_ten_megabytes():
    long = "The quick brown fox, " * 490_000 + "é needle"
    texts = objects([long, " " * 10_000_000 + "x" + "\u2003" * 1000, "", "é" * 5_000_000])
    ops = [
        StrCall("lower"), StrCall("strip", (None,)), StrCall("length"), StrCall("find", ("needle", None, None)),
        StrCall("slice", (-7, None, 1)), StrCall("slice", (None, None, -1)), StrCall("replace", ("fox, ", "ß", -1)),
        StrCall("count", ("own", None, None)), StrCall("split_part", (None, -1, -1)), StrCall("valid_utf8"),
    ]  # fmt: skip
    check(calls(*ops), {"s": texts}, 4)


@given(st.lists(st.text(max_size=40), min_size=1, max_size=20))
@settings(max_examples=60, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_any_text(every_function: Kernel, texts: list[str]) -> None:
    check_loaded(every_function, {"s": objects(texts)}, len(texts))


# Several ops


def test_chains():
    def body(loop, columns):
        s = columns["s"]
        word = loop.value_of(loop.emit(StrCall("split_part", (None, -1, -1)), loop.emit(StrCall("lower"), s)))
        initial = loop.emit(StrCall("slice", (0, 1, 1)), word)
        loop.append("initial", loop.emit(StrCall("concat"), initial, loop.const(".", STR), s))
        loop.append("key", loop.emit(Lookup.of({t.lower(): n for n, t in enumerate(sorted(TEXTS))}, STR, I64), word))
        loop.append("known", loop.emit(IsIn.of(TEXTS, STR), word))
        length = loop.emit(StrCall("int_to_str"), loop.emit(StrCall("length"), s))
        loop.append("padded", loop.emit(StrCall("zfill", (9,)), length))
        loop.append("twice", loop.emit(StrCall("count", ("a", None, None)), loop.emit(StrCall("repeat", (2,)), s)))

    check(program({"s": STR}, body), {"s": extremes(STR, 5000)}, 5000)


def test_large_tables():
    random = np.random.default_rng(5)
    keys = sorted({*random_texts(random, 4000).tolist(), *(f"key {n}" for n in range(5000))})

    def body(loop, columns):
        loop.append("in", loop.emit(IsIn.of(keys[::2], STR), columns["s"]))
        loop.append("text", loop.emit(Lookup.of({k: k[::-1] for k in keys[::3]}, STR, STR), columns["s"]))
        loop.append("bool", loop.emit(Lookup.of({k: len(k) > 5 for k in keys[::3]}, STR, BOOL), columns["s"]))

    texts = objects([*keys, *random_texts(random, 1000)])
    check(program({"s": STR}, body), {"s": texts}, len(texts))


# Numbers


def test_numbers_to_text_and_back():
    random = np.random.default_rng(11)
    rows = 20000
    whole = random.integers(np.iinfo(np.int64).min, np.iinfo(np.int64).max, rows, dtype=np.int64) >> random.integers(0, 64, rows)
    short = np.round(random.normal(size=rows) * 10.0 ** random.integers(-3, 12, rows), 3)
    floats = np.where(random.random(rows) < 0.7, short, extremes(F64, rows))

    def body(loop, columns):
        for name, value in (("i", columns["i"]), ("x", columns["x"])):
            kind = "int" if name == "i" else "float"
            text = loop.emit(StrCall(f"{kind}_to_str"), value)
            loop.append(f"{name}.text", text)
            loop.append(f"{name}.back", loop.emit(StrCall(f"parse_{kind}"), text))
            loop.append(f"{name}.decided", loop.emit(StrCall(f"parse_{kind}_decided"), text))

    p = program({"i": I64, "x": F64}, body)
    inputs = {"i": whole, "x": floats}
    check(p, inputs, rows)
    results = evaluate(p, inputs, rows).columns
    assert results["i.back"].valid.all() and np.array_equal(results["i.back"].values, whole)
    decided = results["x.decided"]
    assert np.mean(decided) > 0.6
    assert difference(results["x.back"].values[decided], floats[decided]) is None


def test_shortest_text_of_any_float():
    """Python's `repr` of random bits, powers of two and their neighbours, subnormals, integers and short decimals is
    reproduced.
    """
    random = np.random.default_rng(23)
    powers = np.concatenate([2.0 ** np.arange(-1074, 1024), 10.0 ** np.arange(-323, 309)])
    near = np.concatenate([powers, np.nextafter(powers, np.inf), np.nextafter(powers, 0.0)])
    bits = np.frombuffer(random.bytes(8 * 60_000), np.float64)
    wholes = np.concatenate([2.0**53 + np.arange(-50, 50), 1e15 + np.arange(50), 1e16 + 2 * np.arange(50.0), np.arange(1000.0)])
    short = np.round(random.normal(size=20_000) * 10.0 ** random.integers(-12, 20, 20_000), 4)
    subnormals = (random.integers(0, 1 << 52, 4000) >> random.integers(0, 52, 4000)).view(np.float64)
    floats = np.concatenate([near, -near, bits, wholes, short, subnormals])
    p = program({"x": F64}, lambda loop, columns: loop.append("text", loop.emit(StrCall("float_to_str"), columns["x"])))
    check(p, {"x": floats}, len(floats))


def test_ties_of_fixed_decimals():
    random = np.random.default_rng(29)
    rows = 30_000
    ties = (random.integers(-(10**6), 10**6, rows) + 0.5) / 10.0 ** random.integers(0, 8, rows)
    floats = np.where(random.random(rows) < 0.3, np.nextafter(ties, random.choice([-np.inf, np.inf], rows)), ties)

    def body(loop, columns):
        for decimals, separator in ((2, ""), (0, ","), (1, ""), (3, ""), (7, "_")):
            loop.append(f"{decimals}", loop.emit(StrCall("format_fixed", (decimals, separator)), columns["x"]))

    check(program({"x": F64}, body), {"x": floats}, rows)


# Programs


@given(programs(max_loops=2, max_values=12, keys=PROGRAM_KEYS).map(print_program), st.integers(0, 2**32 - 1))
@settings(
    max_examples=20, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=False
)
def test_generated_programs(text: str, seed: int) -> None:
    p = optimize(parse_program(text))
    assume(not {i.name for i in p.inputs} & set(p.outputs))
    inputs = batch(p, 200, seed)
    got, expected = load(p).run(inputs, 200), evaluate(p, inputs, 200)
    assert (got.flagged > 0) == bool(expected.flagged.any())
    if p.loops[0].where is not None:
        assert got.selection is not None and got.selection.tolist() == expected.selection.tolist()
    for name in p.outputs:
        assert difference(got.columns[name], expected.columns[name]) is None, f"{name} of\n{p}"


@pytest.mark.parametrize("texts", [["", ""], ["a", "", "é", ""], ["b", "\udc80", "a"], ["€uro", "€uro", "", "x" * 99]], ids=ascii)
def test_views_become_strings_at_any_address(texts):
    encoded = [text.encode("utf-8", "surrogateescape") for text in texts]
    memory = ctypes.create_string_buffer(b"\xff".join(encoded))  # bytes between two strings are never read
    starts = np.cumsum([0, *(len(data) + 1 for data in encoded[:-1])]) + ctypes.addressof(memory)
    lengths = np.array([len(data) for data in encoded])
    views = np.column_stack([np.where(lengths > 0, starts, 0), lengths])
    for order in (slice(None), slice(None, None, -1), [0, 0, 1], slice(0, 0)):
        assert texts_of(views[order]).tolist() == np.array(texts, object)[order].tolist()
