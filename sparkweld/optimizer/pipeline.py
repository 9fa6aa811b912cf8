"""Runs the passes in order, to a fixed point: reduces a program of many loops to an equal one of one loop over `rows`.

Two of Weld's passes need no module here. Inlining: values are SSA and shared by position, so a helper's result is never
recomputed. Size inference: every appended column has the size of its domain.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import replace

from sparkweld.errors import InternalError
from sparkweld.ir import ROWS, Loop, Program, verify
from sparkweld.ir.program import Stage
from sparkweld.optimizer.choose_layouts import choose_layouts
from sparkweld.optimizer.passes.drop_dead_filters import drop_dead_filters
from sparkweld.optimizer.passes.drop_guards import drop_guards
from sparkweld.optimizer.passes.eliminate_common_subexpressions import eliminate_common_subexpressions
from sparkweld.optimizer.passes.fold_constants import fold_constants
from sparkweld.optimizer.passes.fuse_chains import fuse_chains
from sparkweld.optimizer.passes.fuse_siblings import fuse_siblings
from sparkweld.optimizer.passes.predicate_filters import predicate_filters
from sparkweld.optimizer.passes.prune_trees import prune_trees
from sparkweld.optimizer.passes.prune_unused import prune_unused
from sparkweld.optimizer.passes.skip_models import skip_models

Pass = Callable[[Program], Program]

#: The passes in order: first those that merge many loops into one, then those over the values of that loop.
PASSES: tuple[Pass, ...] = (
    drop_dead_filters,  # first: the next three require that the domains form one chain
    fuse_chains,
    fuse_siblings,
    predicate_filters,  # requires one loop a domain
    eliminate_common_subexpressions,
    fold_constants,
    drop_guards,
    prune_trees,  # after the two before it, which make arguments constant and remove guards on its results
    prune_unused,  # after all passes that leave dead values
    skip_models,  # last: it adds values to the program that the others have minimized
)

#: Maximum rounds over PASSES; more indicate a bug. Each round fuses all it can, so real programs settle in three or four.
MAX_ROUNDS = 50


def optimize(
    program: Program, on_pass: Callable[[str, Program], None] | None = None, without: Container[Pass] = ()
) -> Program:
    """Returns the equal program with exactly one loop, over `rows`, that has at most one `where`, and models in their layouts.

    Equal: `evaluate` returns the same output columns bit for bit (except which NaN), the same selection and the same flagged
    rows. `on_pass(name, program)` is called after every pass that changed something; passes in `without` are skipped. Raises
    InternalError with the names of the passes that still change the program when it reaches no fixed point. Raises
    InternalError with the name of a pass that returns an invalid program.
    """
    if any(loop.groups is not None for loop in program.loops):
        return program  # a program that merges has exactly one loop
    if program.stages:
        return _staged(program, on_pass, without)
    if not program.loops:
        program = replace(program, loops=(Loop(program.name, ROWS, ()),))
    for _ in range(MAX_ROUNDS):
        changed: list[str] = []
        for rewrite in PASSES:
            after = program if rewrite in without else rewrite(program)
            if after is program:
                continue
            program = _verified(after, rewrite)
            changed.append(rewrite.__name__)
            if on_pass is not None:
                on_pass(rewrite.__name__, program)
        if not changed:
            return _laid_out(_one_loop(program), on_pass, without)
    raise InternalError(f"program {program.name!r} does not reach a fixed point: {', '.join(changed)} still change it")


def _staged(program: Program, on_pass: Callable[[str, Program], None] | None, without: Container[Pass]) -> Program:
    """Optimizes each stage and the program after them, from the last to the first, without columns that none of these reads."""
    last = optimize(program.last, on_pass, without)
    needed = {i.name for i in last.inputs}
    stages: list[Stage] = []
    for stage in reversed(program.stages):
        wholes = tuple(whole for whole in stage.wholes if whole.column in needed)
        if wholes:
            outputs = tuple(dict.fromkeys(arg for whole in wholes for arg in whole.args))
            made = optimize(replace(stage.program, outputs=outputs), on_pass, without)
            needed |= {i.name for i in made.inputs}
            stages.insert(0, Stage(made, wholes))
    inputs = tuple(i for i in program.inputs if i.name in needed)
    return verify(replace(last, inputs=inputs, stages=tuple(stages)))


def _laid_out(program: Program, on_pass: Callable[[str, Program], None] | None, without: Container[Pass]) -> Program:
    after = program if choose_layouts in without else choose_layouts(program)
    if after is program:
        return program
    if on_pass is not None:
        on_pass(choose_layouts.__name__, after)
    return _verified(after, choose_layouts)


def _verified(program: Program, rewrite: Pass) -> Program:
    try:
        return verify(program)
    except InternalError as error:
        raise InternalError(f"pass {rewrite.__name__} returned an invalid program: {error}") from error


def _one_loop(program: Program) -> Program:
    if len(program.loops) != 1 or program.loops[0].domain != ROWS:
        raise InternalError(f"program {program.name!r} has, after the last pass, {len(program.loops)} loops:\n{program}")
    return program
