"""Builds programs of one loop for tests, and compares their kernels with `evaluate`."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np

from sparkweld.ir import Input, LoopBuilder, Program, ProgramBuilder, Value, evaluate
from sparkweld.ir.ops import Array, Optional
from sparkweld.ir.types import Type
from sparkweld.kernels import Kernel, ObjectCache, ObjectCode, compile_program
from sparkweld.optimizer.choose_layouts import choose_layouts
from tests.helpers.columns import difference
from tests.helpers.sampling import every_case


def program(inputs: dict[str, Type], body: Callable[[LoopBuilder, dict[str, Value]], Value | None]) -> Program:
    """Returns a program of one loop; `body` appends its outputs and returns the filter's condition, if any."""
    builder = ProgramBuilder("test", [Input(name, type) for name, type in inputs.items()])
    loop = builder.loop("loop")
    where = body(loop, {name: loop.read(name) for name in inputs})
    outputs = [append.column for append in loop.appends]
    loop.close(where, None if where is None else "kept")
    return builder.finish(outputs)


class FunctionCache(ObjectCache):
    """Caches the functions that kernels call, which all tests share, but no programs: each test compiles its own."""

    def get(self, program: Program, streams: bool = False) -> ObjectCode | None:
        return None

    def put(self, program: Program, code: ObjectCode, streams: bool = False) -> None:
        """Stores nothing."""


#: One function of this many has its kernels compared in `make test`.
#: It is odd, so that parametrised tests of groups have kernels of both forms (`one_form` of groups.py).
SHARE = 5
#: Test -> its cases and functions so far, which are kept, so that no other function has the id.
_COMPARED: dict[str, dict[tuple[str, int], tuple[int, Any]]] = {}


def runs_kernels(function: Any) -> bool:
    """Whether the running test compares the kernels of `function`, beside its programs.

    Of the functions of a test, in its cases and loops, `make test` does so for the first of every `SHARE`. Machine code is most
    of the time. `make nightly` does so for all of them. tests/kernels compares the kernels of all ops.
    """
    test, _, case = os.environ.get("PYTEST_CURRENT_TEST", "").partition("[")
    if not test or every_case():
        return True
    compared = _COMPARED.setdefault(test, {})
    number, _ = compared.setdefault((case, id(function)), (len(compared), function))
    return number % SHARE == 0


def compiled(p: Program, streams: bool = False) -> ObjectCode:
    """Compiles a program as it is, with functions from the cache of this run."""
    return compile_program(p, FunctionCache(), streams)


def load_as_is(p: Program, streams: bool = False) -> Kernel:
    return Kernel.load(compiled(p, streams), p)


def load(p: Program) -> Kernel:
    return load_as_is(choose_layouts(p))


def check(p: Program, inputs: dict[str, Array], rows: int, ulp: int = 0) -> None:
    """Asserts that the kernel and `evaluate` agree on these inputs."""
    check_loaded(load(p), inputs, rows, ulp)


def check_loaded(kernel: Kernel, inputs: dict[str, Array], rows: int, ulp: int = 0) -> None:
    p = kernel.program
    got, expected = kernel.run(inputs, rows), evaluate(p, inputs, rows)
    flagged = np.count_nonzero(expected.flagged)
    assert got.flagged == flagged or (p.loops[0].some and (got.flagged > 0) == (flagged > 0))
    if p.loops[0].where is not None:
        assert got.selection is not None and got.selection.tolist() == expected.selection.tolist()
    for name in p.outputs:
        problem = difference(got.columns[name], expected.columns[name], ulp)
        assert problem is None, f"{name}, {rows} rows: {problem}"
        column = got.columns[name]
        nulls = ~column.valid if isinstance(column, Optional) else np.zeros(0, np.bool_)
        assert got.nulls[name] == np.count_nonzero(nulls)
        assert not isinstance(column, Optional) or not any(column.values[nulls].tolist()), "NULL rows are 0 or empty"
