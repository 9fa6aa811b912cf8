"""Checks calls of a program while another call of the same thread runs: by a signal's handler and by a value's own code."""

from __future__ import annotations

import signal

import numpy as np
import pytest

import sparkweld
from sparkweld.serving.runner import Runner


@pytest.fixture
def between(monkeypatch):
    """Returns a function that makes kernels of a program call another function directly after they return."""

    def install(program, call):
        for runner in {runner for form in program.parts.forms.values() for runner in (form.runner, form.few_runner)}:
            kernel, pending = runner._function, [True]

            def run(*arguments, kernel=kernel, pending=pending):
                kernel(*arguments)
                if pending:
                    pending.clear()
                    signal.raise_signal(signal.SIGUSR1)

            runner._function = run
        before = signal.signal(signal.SIGUSR1, lambda *_: call())
        restore.append(before)

    restore: list[object] = []
    yield install
    signal.signal(signal.SIGUSR1, restore[0] if restore else signal.SIG_DFL)


@pytest.mark.parametrize("rows", [1, 5, 40])
def test_a_handler_that_calls_the_program(between, rows):
    program = sparkweld.compile(lambda a, b: a * 2 + b, {"a": "double", "b": "double"}, "double")
    matrix, other = np.arange(2.0 * rows).reshape(rows, 2), np.full((rows, 2), -7.0)
    made = []
    between(program, lambda: made.append((program(other).tolist(), program.predict_row(a=1.0, b=1.0))))
    assert program(matrix).tolist() == (matrix[:, 0] * 2 + matrix[:, 1]).tolist()
    assert made and all(one == ([-21.0] * rows, 3.0) for one in made)


def test_a_handler_while_a_row_or_strings_are_computed(between):
    program = sparkweld.compile(lambda a: a + "é" + a, {"a": "string"}, "string")
    made = []
    between(program, lambda: made.append((program({"a": ["other"] * 3}).tolist(), program.predict_row(a="what"))))
    assert program.predict_row(a="row") == "rowérow"
    between(program, lambda: made.append((program({"a": ["other"] * 3}).tolist(), program.predict_row(a="what"))))
    assert program({"a": ["row", "b", ""]}).tolist() == ["rowérow", "béb", "é"]
    assert len(made) == 2 and made[0] == made[1] == (["otheréother"] * 3, "whatéwhat")


def test_the_memory_of_a_thread_is_put_back_after_an_error():
    program = sparkweld.compile(lambda a: a * 2, {"a": "long"}, "long")
    runner: Runner = program.parts.forms[frozenset()].few_runner
    assert program.predict_row(a=1) == 2
    thread = runner._threads.found
    with pytest.raises(Exception, match="does not hold long"):
        program.predict_row(a="x")
    assert runner._threads.found is thread
