"""Estimates the nanoseconds per row that a pipeline saves against the function it replaces.

tests/bench/bench_pipelines.py measures and prints the constants. Costs common to both sides are in neither: the calls, and
PySpark's work before and after the function. The plugin adds the gain of larger batches where it can build them.
"""

from __future__ import annotations

from collections.abc import Iterable

from sparkweld.ir import Let
from sparkweld.ir.ops import Call, Const, IsValid, MakeOptional, Read, ValueOf
from sparkweld.pipelines import Pipeline
from sparkweld.pipelines.plan import Native

#: Nanoseconds per row of one operation by pandas, by Arrow and in a kernel: arithmetic and comparisons, libm functions, strings.
_ARITHMETIC, _ARROW_ARITHMETIC, _KERNEL_ARITHMETIC = 2.0, 0.8, 0.05
_LIBM, _ARROW_LIBM, _KERNEL_LIBM = 8.0, 7.0, 2.2
_STRINGS, _ARROW_STRINGS, _KERNEL_STRINGS = 100.0, 25.0, 42.0
#: Nanoseconds to move one string into a kernel or out of it: a Python string, an Arrow string.
_TEXT, _ARROW_TEXT = 90.0, 16.0
#: Nanoseconds of one stage per block, independent of the rows.
_STAGE = 30_000.0
#: Operations without a counterpart in a library.
_NOTHING = (Const, Read, IsValid, ValueOf, MakeOptional)


def saved(pipeline: Pipeline, block_rows: int) -> float:
    """Returns the nanoseconds per row that the pipeline saves in blocks of `block_rows`; negative when it costs more."""
    kernels = [stage.program for stage in pipeline.stages if isinstance(stage, Native) and not stage.only_looks_for_nulls]
    total = -_STAGE * len(pipeline.stages) / block_rows
    for program in kernels:
        total += sum(_of_operation(let, pipeline.arrow) for loop in program.loops for let in loop.body)
        texts = _texts(pipeline, (*(i.name for i in program.inputs), *program.outputs))
        total -= (_ARROW_TEXT if pipeline.arrow else _TEXT) * texts
    return total


def _texts(pipeline: Pipeline, columns: Iterable[str]) -> int:
    types = [pipeline.types.get(column) for column in columns]
    return sum(type is not None and type.is_view for type in types)


def may_repeat(pipeline: Pipeline, calls: int) -> bool:
    """Whether calls may be saved, which makes the saving unknown.

    An elementwise call runs once for equal strings. Equal calls among the `calls` traced ones run once.
    """
    return any(call.annotation.elementwise for call in pipeline.calls) or len(pipeline.calls) < calls


def _of_operation(let: Let, arrow: bool) -> float:
    op = let.op
    if isinstance(op, _NOTHING):
        return 0.0
    if op.name.startswith(("str", "regex")):
        return (_ARROW_STRINGS if arrow else _STRINGS) - _KERNEL_STRINGS
    if isinstance(op, Call) and op.bound is not None:
        return (_ARROW_LIBM if arrow else _LIBM) - _KERNEL_LIBM
    return (_ARROW_ARITHMETIC if arrow else _ARITHMETIC) - _KERNEL_ARITHMETIC
