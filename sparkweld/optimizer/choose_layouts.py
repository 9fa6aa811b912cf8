"""Chooses the form in which kernels read each model, once no pass reads it any more.

A program is built of logical ops. For a forest, that is `ForestSums`, whose constant is the trees of the library. This step
replaces it by `TreeEnsemble`, whose constant has the arrays of a form: masks or walks, sized for the caches. The ops of text
models stay, and get the tables in which kernels find terms as their constant.
"""

from __future__ import annotations

from dataclasses import replace

from sparkweld.ir import Let, Program
from sparkweld.ir.ops import ForestSums
from sparkweld.ir.ops.texts import TextOp
from sparkweld.ir.ops.trees import laid_out
from sparkweld.optimizer.passes.eliminate_common_subexpressions import eliminate_common_subexpressions


def choose_layouts(program: Program) -> Program:
    """Replaces the logical ops whose constants hold their bytes.

    Different ops may get the same layout. A kernel computes a result of a model once, so their values become one value.
    """
    loops = tuple(replace(loop, body=tuple(map(_laid_out, loop.body))) for loop in program.loops)
    return program if loops == program.loops else eliminate_common_subexpressions(replace(program, loops=loops))


def _laid_out(let: Let) -> Let:
    if isinstance(let.op, ForestSums) and let.op.block.data is not None:
        return Let(laid_out(let.op), let.args)
    if isinstance(let.op, TextOp) and not let.op.is_laid_out and let.op.block.data is not None:
        return Let(let.op.laid_out(), let.args)
    return let
