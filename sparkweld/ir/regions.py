"""Prints and parses the graph of a `Region` op, which the op stores as text:

    -> i64
    block (i64, i64)
      %0: i64 = arg[0, i64]
      guard %3
      branch %4 1(%0) 2()

A block ends with one of ``jump 1(%0)``, ``branch``, ``return %0`` and ``leave``. Its values and guards are written as in a loop.
"""

from __future__ import annotations

import re

from sparkweld.errors import VerifyError
from sparkweld.ir.ops.regions import Block, Branch, End, Graph, Jump, Leave, Return, types_of
from sparkweld.ir.program import Let
from sparkweld.ir.text import Parser, print_op
from sparkweld.ir.types import Type, parse_type

_JUMP = re.compile(r"(\d+)\(((?:%\d+ ?)*)\)")
_ENDS = ("jump ", "branch ", "return ", "leave")


def print_graph(graph: Graph) -> str:
    """Returns the text form, from which `parse_graph` restores an equal graph."""
    lines = ["-> " + " ".join(map(str, graph.results))]
    for block in graph.blocks:
        lines.append(f"block ({', '.join(map(str, block.params))})")
        for index, (let, type) in enumerate(zip(block.body, types_of(block), strict=True)):
            lines.append(f"  %{index}: {type} = {print_op(let.op)}{''.join(f' %{a}' for a in let.args)}")
        lines += [f"  guard %{guard}" for guard in block.guards]
        lines.append(f"  {_print_end(block.end)}")
    return "\n".join([*lines, ""])


def _print_end(end: End) -> str:
    match end:
        case Jump():
            return f"jump {_print_jump(end)}"
        case Branch():
            return f"branch %{end.condition} {_print_jump(end.yes)} {_print_jump(end.no)}"
        case Return():
            return "return" + "".join(f" %{v}" for v in end.values)
    return "leave"


def _print_jump(jump: Jump) -> str:
    return f"{jump.target}({' '.join(f'%{a}' for a in jump.args)})"


def parse_graph(text: str) -> Graph:
    """Parses the output of `print_graph` and checks the graph. Raises VerifyError."""
    parser = _GraphParser(text, {})
    try:
        return parser.graph().check()
    except (VerifyError, ValueError) as error:
        raise VerifyError(f"region, line {parser.at + 1}: {error}") from None


class _GraphParser(Parser):
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
