"""Chooses the form in which kernels read each model and pattern, once no pass reads it any more.

A program is built of logical ops. For a forest, that is `ForestSums`, whose constant is the trees of the library. This step
replaces it by `TreeEnsemble`, whose constant has the arrays of a form: masks or walks, sized for the caches. The ops of text
models stay, and get the tables in which kernels find terms as their constant.

A test of a pattern may have the automaton that finds the groups of its match. One run of it then serves the test and all groups.
A test without such groups gets an automaton that ends at the first match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache

from sparkweld.ir import Let, Program
from sparkweld.ir.ops import ForestSums, Op, RegexCall, Region
from sparkweld.ir.ops.regions import Graph
from sparkweld.ir.ops.texts import TextOp
from sparkweld.ir.ops.trees import laid_out
from sparkweld.optimizer.passes.eliminate_common_subexpressions import eliminate_common_subexpressions


def choose_layouts(program: Program, few_rows: bool = False) -> Program:
    """Replaces the logical ops whose constants hold their bytes, and the automata of tests whose groups are not read.

    Different ops may get the same layout. A kernel computes a result of a model once, so their values become one value.
    `few_rows`: the program is called for a few rows at a time.
    """
    lets = [let for loop in program.loops for let in loop.body]
    grouped = frozenset(op.tables for op in _patterns(lets) if op.fn == "group")
    change = lru_cache(maxsize=None)(lambda op: _laid_out(op, grouped, few_rows))  # a region occurs once for each of its results
    loops = tuple(replace(loop, body=_changed(loop.body, change)) for loop in program.loops)
    return program if loops == program.loops else eliminate_common_subexpressions(replace(program, loops=loops))


def _patterns(lets: Iterable[Let]) -> Iterator[RegexCall]:
    """Yields the ops of patterns, also those in regions."""
    graphs = dict[Graph, None]()
    for let in lets:
        if isinstance(let.op, RegexCall):
            yield let.op
        elif isinstance(let.op, Region):
            graphs[let.op.graph] = None
    for graph in graphs:
        yield from _patterns(let for block in graph.blocks for let in block.body)


def _changed(body: tuple[Let, ...], change: Callable[[Op], Op]) -> tuple[Let, ...]:
    return tuple(let if (op := change(let.op)) is let.op else Let(op, let.args) for let in body)


def _laid_out(op: Op, grouped: frozenset[str], few_rows: bool) -> Op:
    if isinstance(op, ForestSums) and op.block.data is not None:
        return laid_out(op, few_rows)
    if isinstance(op, TextOp) and not op.is_laid_out and op.block.data is not None:
        return op.laid_out()
    if isinstance(op, RegexCall) and op.fn == "test" and op.automaton.groups and op.tables not in grouped:
        return replace(op, tables=op.automaton.without_groups().encode())
    if isinstance(op, Region):
        bodies = [_changed(block.body, lambda inner: _laid_out(inner, grouped, few_rows)) for block in op.graph.blocks]
        blocks = tuple(replace(block, body=body) for block, body in zip(op.graph.blocks, bodies, strict=True))
        return op if blocks == op.graph.blocks else replace(op, graph=Graph(blocks, op.graph.results))
    return op
