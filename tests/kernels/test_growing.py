"""Checks strings and lists that grow in kernels: equal results in linear time and memory."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql.types import StringType

from sparkweld.ir import parse_program
from sparkweld.ir.ops import Arg, Call, ListAppend, ListCall, ListStore, Region, StrCall
from sparkweld.ir.ops.base import Let
from sparkweld.ir.ops.regions import Block, Branch, Graph, Jump, Return
from sparkweld.ir.types import Items, Type
from sparkweld.kernels.codegen.sinking import sunk
from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import payload, python_step, request, udf
from tests.helpers.compiled import inputs_of, values_of
from tests.helpers.kernels import check, load, program
from tests.helpers.lines import PythonEvalType
from tests.helpers.strings import TEXTS
from tests.kernels.test_strings import objects

STR, STRS = Type("str"), Type("list<str>")
_CODES = {"the": "T", "of": "O", "and": "A", "to": "2"}


def lower_elements(v):
    return '","'.join([n.lower() for n in v.split('","')])


def by_a_dictionary(v):
    return " ".join([_CODES.get(w.lower(), w) for w in v.split('","')])


def built_twice(v):
    upper, lower = "", ""
    for word in v.split('","'):
        upper += word.upper() + ","
        lower += word.lower()[1:] + ";"
    return upper + lower


def appended_on_two_paths(v):
    made = []
    for word in v.split('","'):
        if len(word) > 3:
            made.append(word.upper())
        elif word != "b":
            made.append(word.lower() + "!")
    return "".join(made)


def of_words(count: int) -> str:
    return '","'.join(["Tree", "of", "THE", "b"] * (count // 4))


def compiled(function, name="v"):
    column = {"op": "Column", "name": name, "type": "string", "nullable": True}
    call = udf(0, column, returns="string", evalType=PythonEvalType.SQL_ARROW_BATCHED_UDF)
    asked = request(python_step(r=call), inputs={name: "string"}, nullable_state=[name])
    reply = compile_pipeline(asked, [payload(function, StringType())])
    assert reply["status"] == "ok", reply
    return parse_program(reply["program"], reply["blocks"])


@pytest.mark.nightly_cases("built_twice")
@pytest.mark.parametrize("function", [lower_elements, by_a_dictionary, built_twice, appended_on_two_paths])
def test_memory_is_linear_in_the_elements(function):
    p = compiled(function)
    kernel, used = load(p), []
    for count in (1000, 4000):
        text = of_words(count)
        kernel.arena_bytes = 1
        result = kernel.run(inputs_of(p, pa.record_batch({"v": [text]})), 1)
        assert values_of(result.columns[p.outputs[0]], StringType()) == [function(text)]
        used.append(kernel.arena_bytes)
    assert used[1] < 9 * used[0]


@pytest.mark.gate_cases(4)
@pytest.mark.parametrize("seed", range(12))
def test_values_that_grow_in_any_order(seed):
    """Older values of the same arena keep their contents, whichever value grows and in any interleaving."""
    random = np.random.default_rng(seed)

    def body(loop, columns):
        texts, lists = [columns["s"], columns["t"]], [loop.emit(ListCall("slice", STRS), columns["l"], *bounds(loop))]
        for _ in range(60):
            text, more = (texts[random.integers(len(texts))] for _ in range(2))
            match random.integers(4):
                case 0:
                    texts.append(loop.emit(StrCall("upper"), text))
                case 1:
                    texts.append(loop.emit(StrCall("concat"), text, more))
                case 2:
                    texts.append(loop.emit(StrCall("concat"), texts[-1], more))
                case _:
                    lists.append(loop.emit(ListAppend(STRS), lists[random.integers(len(lists))], more))
            if len(texts) > 30:
                break
        for number, value in enumerate(texts[-12:]):
            loop.append(f"t{number}", loop.emit(StrCall("slice", (0, 400, 1)), value))
        for number, value in enumerate(lists[-12:]):
            loop.append(f"l{number}", value)

    p = program({"s": STR, "t": STR, "l": STRS}, body)
    lists = np.array([Items("str", items) for items in ((), ("a",), ("b", "", "c"), ("é",) * 9)], object)
    check(p, {"s": objects(["", "a", "bc", "dé"]), "t": objects(["x", "", "yz", "Z" * 20]), "l": lists}, 4)


def bounds(loop):
    return loop.const(0, Type("i64")), loop.const(9, Type("i64"))


def test_values_of_one_path_are_computed_there():
    p = compiled(by_a_dictionary)
    graph = next(let.op.graph for let in p.loops[0].body if isinstance(let.op, Region))
    moved = sunk(graph)
    moved.check()
    assert max(appends(block) for block in graph.blocks) > 1, "the tracer does not need it any more"
    assert max(appends(block) for block in moved.blocks) == 1
    texts = np.array([of_words(count) for count in (0, 4, 40)] + ["", "the", "X"], object)
    given = [np.ones(len(texts), np.bool_), texts]  # that the argument is not None, and its value
    expected, valid = graph.run(given, 1000)
    assert [r.tolist() for r in moved.run(given, 1000)[0]] == [r.tolist() for r in expected]
    assert valid.all()


def test_no_read_of_a_list_moves_past_a_store():
    numbers, at = Type("list<i64>"), ListCall("at", Type("list<i64>"))
    args = [Let(Arg(0, numbers)), Let(Arg(1, Type("i64")))]
    read, stored = Let(at, (0, 1)), Let(ListStore(numbers), (0, 1, 1))
    first = Block(
        (numbers, Type("i64")),
        (*args, read, stored, Let(at, (3, 1)), Let(Call("greater"), (1, 2))),
        (),
        Branch(5, Jump(1, (2,)), Jump(1, (4,))),
    )
    last = Block((Type("i64"),), (Let(Arg(0, Type("i64"))),), (), Return((0,)))
    one = replace(first, end=Branch(5, Jump(1, (2,)), Jump(2, (4,))))
    moved = sunk(Graph((one, last, last), (Type("i64"),)))
    assert [let.op for let in moved.blocks[0].body].count(at) == 1, "only the read behind the store moves"
    assert read in moved.blocks[0].body
    assert sunk(Graph((first, last), (Type("i64"),))).blocks[0] == first


def appends(block) -> int:
    return sum(isinstance(let.op, ListAppend) for let in block.body)


def every_character(s: str) -> str:
    return "".join([s[i] + s[-1 - i] for i in range(len(s))])


def pairs_of_characters(s: str) -> str:
    made = ""
    for i in range(len(s) + 2):
        made += s[i : i + 2] + s[i - 3 : i] + s[: i // 2] + "."
    return made


def both_ends(s: str) -> str:
    i, j, made = 0, len(s) - 1, ""
    while i < j:
        made += s[j] + s[i]
        i, j = i + 1, j - 1
    return made


def back_and_forth(s: str) -> str:
    made, other = "", s[1:]
    for i in range(len(s)):
        made += s[i * 7 % len(s)] + s[-1 - i * 5 % len(s)]
        text = s if i % 3 else other
        if i < len(text):
            made += text[i]
    return made


@pytest.mark.nightly_cases("both_ends")
@pytest.mark.parametrize("function", [every_character, pairs_of_characters, both_ends, back_and_forth])
def test_characters_by_index(function):
    p = compiled(function, "s")
    texts = [*TEXTS, "aé€😀" * 9, "abcdefghijkl" * 5 + "é", "é" * 40, "x" * 70]
    got = load(p).run(inputs_of(p, pa.record_batch({"s": texts})), len(texts))
    assert got.flagged == 0
    assert values_of(got.columns[p.outputs[0]], StringType()) == [function(text) for text in texts]


def test_loops_over_indices_take_linear_time():
    p = compiled(lambda s: str(sum([1 for i in range(len(s)) if s[i] == "z" or s[-1 - i] == "z"])), "s")
    kernel, spent = load(p), []
    for size in (2_000, 40_000):
        inputs = inputs_of(p, pa.record_batch({"s": ["é" + "abcz" * (size // 4)]}))
        run = kernel.bound(inputs, 1)
        run()
        spent.append(min(timed(run) for _ in range(5)))
    assert spent[1] < 100 * spent[0], "of 20 times as many characters"


def timed(call) -> float:
    started = time.thread_time()
    call()
    return time.thread_time() - started


def nested(s: str) -> str:
    if s.startswith("x"):
        t = s.swapcase().title()
        if t.endswith("é") or len(s) > 30:
            return t.casefold() + s.upper()
        return t[::-1]
    if "a" in s and s.find("b") > 1:
        return s.replace("a", "bcd").strip()
    return s if s.isdecimal() else s.lower() + "!"


@pytest.mark.parametrize("function", [nested, lambda s: s.title() if s[:1] == "x" and s.upper().endswith("Y") else None])
def test_calls_are_made_where_they_are_needed(function):
    p = compiled(function, "s")
    texts = [*TEXTS, *("x" + t for t in TEXTS), "xay", "x y", "xyé", "aab" * 9]
    got = load(p).run(inputs_of(p, pa.record_batch({"s": texts})), len(texts))
    assert got.flagged == 0
    assert values_of(got.columns[p.outputs[0]], StringType()) == [function(text) for text in texts]


def test_rows_that_need_no_new_string_take_nothing_of_the_arena():
    p = compiled(lambda s: s.title().swapcase() if s.startswith("x") else s, "s")
    kernel = load(p)
    kernel.arena_bytes = 1
    texts = ["abc" * 1000, "y", "é" * 50]
    got = kernel.run(inputs_of(p, pa.record_batch({"s": texts})), len(texts))
    assert values_of(got.columns[p.outputs[0]], StringType()) == texts
    assert kernel.arena_bytes == 1
