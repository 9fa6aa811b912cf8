"""Prints ops, and the graphs of regions, in the text form of programs; `text` parses it.

A graph is a string field of its op:

    -> i64
    block (i64, i64)
      %0: i64 = arg[0, i64]
      guard %3
      branch %4 1(%0) 2()

A block ends with one of ``jump 1(%0)``, ``branch``, ``return %0`` and ``leave``. Its values and guards are written as in a loop.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.ops.base import Op
from sparkweld.ir.ops.elementwise import Call
from sparkweld.ir.ops.lists import ListCall
from sparkweld.ir.ops.regions import Branch, End, Graph, Jump, Return, types_of
from sparkweld.ir.ops.strings import StrCall
from sparkweld.ir.types import Type


def print_op(op: Op, blocks: Mapping[ConstantBlock, int] = MappingProxyType({})) -> str:
    """Prints an op without its arguments: ``const["0x1.8p+0", f64]``; an elementwise call by its function's name alone."""
    if isinstance(op, Call):
        return op.fn if not op.output else f"{op.fn}.{op.output}"
    if isinstance(op, StrCall):
        return f"{StrCall.name}.{op.fn}" + (json.dumps(list(op.params)) if op.params else "")
    if isinstance(op, ListCall):
        return f"{ListCall.name}.{op.fn}[{op.type}]"
    fields = [_print_field(getattr(op, f.name), blocks) for f in dataclasses.fields(op)]  # type: ignore[arg-type]
    return op.name + (f"[{', '.join(fields)}]" if fields else "")


def _print_field(value: object, blocks: Mapping[ConstantBlock, int]) -> str:
    if isinstance(value, Type):
        return str(value)
    if isinstance(value, ConstantBlock):
        return f"@{blocks[value]}" if value in blocks else f"@{value.digest[:12]}"
    if isinstance(value, Graph):
        return json.dumps(print_graph(value))
    if isinstance(value, tuple):
        return json.dumps(list(value))
    return json.dumps(value)


@lru_cache(maxsize=256)  # the ops of several results share one graph
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
