"""Parses programs from the text form that explain and fixtures show and that the driver sends to executors.

    program "speed" {
      input "distance": f64?
      loop "speed" over rows {
        %0: f64? = read["distance", f64?]
        %1: bool = is_valid %0
        guard %1
        append "kmh" = %2
      }
      loop "filter" over rows where %3 -> kept { ... }
      loop "aggregate" over rows by -> groups {
        %0: str? = read["carrier", str?]
        %1: f64? = read["delay", f64?]
        key "carrier" = %0
        merge "most" = max %1
      }
      output "kmh"
    }

Stages follow the inputs: ``stage {``, a program, lines such as ``whole "mean" = sum "x"``, and ``}``.
Constant blocks follow the inputs, ``block @0 "<digest>" weights=f64[30]``, and ops refer to them as ``@0``. The type after a
value's number is for the reader; the parser checks it against the inferred type.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable
from functools import lru_cache

from sparkweld.errors import VerifyError
from sparkweld.ir.blocks import ConstantBlock, parse_block
from sparkweld.ir.merges import Groups, Key, Merge
from sparkweld.ir.ops import OPS, Call, ListCall, Op, StrCall
from sparkweld.ir.ops.base import Let
from sparkweld.ir.ops.regions import Block, Branch, End, Graph, Jump, Leave, Return
from sparkweld.ir.program import Append, Input, Loop, Program, Stage
from sparkweld.ir.types import Type, parse_type
from sparkweld.ir.verify import verify
from sparkweld.ir.wholes import Whole

_OPS = {op.name: op for op in OPS}


def parse_program(text: str, blocks: Iterable[ConstantBlock] = ()) -> Program:
    """Parses the output of `print_program` and verifies the program. Raises VerifyError with the line number for invalid text.

    Blocks whose digests are among `blocks` get the bytes of those; other blocks have none.
    """
    parser = _Parser(text, {block.digest: block for block in blocks})
    try:
        program = parser.program()
    except (VerifyError, ValueError) as error:  # ValueError: an invalid string or number
        raise VerifyError(f"program text, line {parser.at + 1}: {error}") from None
    return verify(program)


_STRING = r'"(?:[^"\\]|\\.)*"'
_LET = re.compile(r"%(\d+): (\S+) = ([a-z0-9_.]+)(?:\[(.*)\])?((?: %\d+)*)$")
_LOOP = re.compile(rf"loop ({_STRING}) over (\w+)(?: where %(\d+) -> (\w+))?(?: by -> (\w+))? {{$")
_APPEND = re.compile(rf"append ({_STRING}) = %(\d+)$")
_KEY = re.compile(rf"key ({_STRING}) = %(\d+)$")
_MERGE = re.compile(rf"merge ({_STRING}) = (\w+)(?: %(\d+))?$")
_SOME = re.compile(r"guard some %(\d+) of %(\d+)$")
_WHOLE = re.compile(rf"whole ({_STRING}) = (\w+)((?: {_STRING})*)$")
_INPUT = re.compile(rf"input ({_STRING}): (\S+)$")
_BLOCK = re.compile(r"block @(\d+) (.*)$")
_ITEM = rf"(?:{_STRING}|-?\d+|null)"
_FIELD = re.compile(rf"\[(?:{_ITEM}(?:, )?)*\]|{_STRING}|[^,\s]+")


class _Parser:
    """Parses line by line; `at` is the index of the current line."""

    def __init__(self, text: str, known: dict[str, ConstantBlock]) -> None:
        self.known = known
        self.blocks: list[ConstantBlock] = []
        self.lines = [line.strip() for line in text.splitlines()]
        self.at = -1

    def program(self) -> Program:
        name = json.loads(self.match(re.compile(rf"program ({_STRING}) {{$"), "`program \"name\" {`")[1])
        inputs: list[Input] = []
        loops: list[Loop] = []
        outputs: list[str] = []
        stages: list[Stage] = []
        while (line := self.next()) != "}":
            if line.startswith("input "):
                found = self.match(_INPUT, "an input", again=True)
                inputs.append(Input(json.loads(found[1]), parse_type(found[2])))
            elif line.startswith("block "):
                self.blocks.append(self._block())
            elif line == "stage {":
                stages.append(self._stage())
            elif line.startswith("loop "):
                loops.append(self._loop())
            elif line.startswith("output "):
                outputs.append(json.loads(line.removeprefix("output ")))
            else:
                self.fail("an input, a loop or an output")
        return Program(name, tuple(inputs), tuple(loops), tuple(outputs), tuple(stages))

    def _stage(self) -> Stage:
        program, wholes = self.program(), []
        while self.next() != "}":
            found = self.match(_WHOLE, "a function of whole columns", again=True)
            wholes.append(Whole(json.loads(found[1]), found[2], tuple(map(json.loads, re.findall(_STRING, found[3])))))
        return Stage(program, tuple(wholes))

    def _block(self) -> ConstantBlock:
        found = self.match(_BLOCK, "a block", again=True)
        block = parse_block(found[2])
        if int(found[1]) != len(self.blocks) or block in self.blocks:
            self.fail(f"block {len(self.blocks)}")
        known = self.known.get(block.digest)
        return known if known == block else block

    def _loop(self) -> Loop:
        head = self.match(_LOOP, "a loop head", again=True)
        body: list[Let] = []
        types: list[Type] = []
        appends: list[Append] = []
        guards: list[int] = []
        some: list[tuple[int, int]] = []
        keys: list[Key] = []
        merges: list[Merge] = []
        while (line := self.next()) != "}":
            if line.startswith("guard %"):
                guards.append(int(line.removeprefix("guard %")))
            elif line.startswith("guard some "):
                pair = self.match(_SOME, "`guard some %1 of %0`", again=True)
                some.append((int(pair[2]), int(pair[1])))
            elif line.startswith("append "):
                found = self.match(_APPEND, "an append", again=True)
                appends.append(Append(json.loads(found[1]), int(found[2])))
            elif line.startswith("key "):
                found = self.match(_KEY, "a key", again=True)
                keys.append(Key(json.loads(found[1]), int(found[2])))
            elif line.startswith("merge "):
                found = self.match(_MERGE, "a merge", again=True)
                merges.append(Merge(json.loads(found[1]), found[2], None if found[3] is None else int(found[3])))
            else:
                body.append(self.let(len(body), types))
        where = int(head[3]) if head[3] else None
        groups = Groups(head[5], tuple(keys), tuple(merges)) if head[5] else None
        if groups is None and (keys or merges):
            raise VerifyError(f"loop {head[1]} has keys or merges, and no `by`")
        parts = (tuple(body), tuple(appends), tuple(guards))
        return Loop(json.loads(head[1]), head[2], *parts, where, head[4], tuple(some), groups)

    def let(self, index: int, types: list[Type]) -> Let:
        found = self.match(_LET, "a value, a guard or an append", again=True)
        let = Let(self._op(found[3], found[4]), tuple(int(a) for a in re.findall(r"\d+", found[5])))
        if int(found[1]) != index or any(a >= index for a in let.args):
            self.fail(f"value %{index} with earlier arguments")
        types.append(let.op.infer(*(types[a] for a in let.args)))
        if str(types[-1]) != found[2]:
            self.fail(f"type {types[-1]} for this value")
        return let

    def _op(self, name: str, fields: str | None) -> Op:
        if name.startswith(f"{StrCall.name}."):
            params = json.loads(f"[{fields or ''}]")
            return StrCall(name.removeprefix(f"{StrCall.name}."), tuple(params))
        if name.startswith(f"{ListCall.name}."):
            return ListCall(name.removeprefix(f"{ListCall.name}."), parse_type(fields or ""))
        if name not in _OPS:
            fn, _, output = name.partition(".")
            return Call(fn, int(output or 0))
        cls = _OPS[name]
        given = _FIELD.findall(fields or "")
        wanted = dataclasses.fields(cls)  # type: ignore[arg-type]
        if len(given) != len(wanted):
            self.fail(f"{len(wanted)} field(s) for {name}")
        return cls(*(self._field(text, str(f.type)) for text, f in zip(given, wanted, strict=True)))

    def _field(self, text: str, annotation: str) -> object:
        if annotation == "Graph":
            return parse_graph(str(_parse_field(text, "str")))
        if annotation != "ConstantBlock":
            return _parse_field(text, annotation)
        number = int(text.removeprefix("@")) if re.fullmatch(r"@\d+", text) else -1
        if not 0 <= number < len(self.blocks):
            self.fail("the number of a block")
        return self.blocks[number]

    def next(self) -> str:
        self.at += 1
        while self.at < len(self.lines) and not self.lines[self.at]:
            self.at += 1
        if self.at >= len(self.lines):
            raise VerifyError("the text ends before the closing `}`")
        return self.lines[self.at]

    def match(self, pattern: re.Pattern[str], expected: str, again: bool = False) -> re.Match[str]:
        found = pattern.match(self.lines[self.at] if again else self.next())
        return found or self.fail(expected)

    def fail(self, expected: str) -> re.Match[str]:
        raise VerifyError(f"expected {expected}, got {self.lines[self.at]!r}")


def _parse_field(text: str, annotation: str) -> object:
    if annotation == "Type":
        return parse_type(text)
    value = json.loads(text)
    what, wanted = _FIELD_TYPES[annotation]
    items = value if annotation.startswith("tuple") and isinstance(value, list) else [value]
    if isinstance(value, list) != annotation.startswith("tuple") or any(type(item) is not wanted for item in items):
        raise VerifyError(f"expected {what}, got {text}")
    return tuple(value) if isinstance(value, list) else value


#: Annotation of an op's field -> its description in messages, and the JSON type of its value or of the elements of its list.
_FIELD_TYPES: dict[str, tuple[str, type]] = {
    "str": ("a string", str), "int": ("an integer", int), "bool": ("true or false", bool),
    "float": ("a number with a point", float),
    "tuple[str, ...]": ("a list of strings", str), "tuple[int, ...]": ("a list of integers", int),
}  # fmt: skip

_JUMP = re.compile(r"(\d+)\(((?:%\d+ ?)*)\)")
_ENDS = ("jump ", "branch ", "return ", "leave")


@lru_cache(maxsize=256)  # the ops of several results share one graph
def parse_graph(text: str) -> Graph:
    """Parses the output of `printing.print_graph` and checks the graph. Raises VerifyError."""
    parser = _GraphParser(text, {})
    try:
        return parser.graph().check()
    except (VerifyError, ValueError) as error:
        raise VerifyError(f"region, line {parser.at + 1}: {error}") from None


class _GraphParser(_Parser):
    def graph(self) -> Graph:
        results = self.next()
        if not results.startswith("-> "):
            self.fail("the types of the results")
        blocks = []
        while any(self.lines[self.at + 1 :]):
            blocks.append(self._basic_block())
        return Graph(tuple(blocks), tuple(map(parse_type, results.split()[1:])))

    def _basic_block(self) -> Block:
        head = self.match(re.compile(r"block \((.*)\)$"), "a block")
        body: list[Let] = []
        types: list[Type] = []
        guards: list[int] = []
        while not (line := self.next()).startswith(_ENDS):
            if line.startswith("guard %"):
                guards.append(int(line.removeprefix("guard %")))
            else:
                body.append(self.let(len(body), types))
        params = tuple(parse_type(t) for t in head[1].split(", ") if t)
        return Block(params, tuple(body), tuple(guards), self._end(line))

    def _end(self, line: str) -> End:
        if line == "leave":
            return Leave()
        if line.startswith("return "):
            return Return(_numbers(line.removeprefix("return ")))
        jumps = [Jump(int(target), _numbers(args)) for target, args in _JUMP.findall(line)]
        if line.startswith("jump ") and len(jumps) == 1:
            return jumps[0]
        condition = re.match(r"branch %(\d+) ", line)
        if condition is None or len(jumps) != 2:
            self.fail("the end of a block")
        assert condition is not None
        return Branch(int(condition[1]), *jumps)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"%(\d+)", text))
