"""Checks the text form: every op and generated programs round-trip, and invalid text is refused with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sparkweld.errors import VerifyError
from sparkweld.ir import Input, Program, ProgramBuilder, parse_program, print_program
from sparkweld.ir.ops import OPS, Op
from sparkweld.ir.types import DTYPES, Type, decode, encode
from tests.helpers.programs import edges, op_key, programs

FIXTURES = Path(__file__).parents[1] / "fixtures" / "ir"
EXAMPLES = [(op, types) for cls in OPS for op, types in cls.examples]


def program_of(op: Op, types: tuple[Type, ...]) -> Program:
    builder = ProgramBuilder("one op", [Input(f"in{at}", type) for at, type in enumerate(types)])
    loop = builder.loop("one op")
    loop.append("out", loop.emit(op, *(loop.read(f"in{at}") for at in range(len(types)))))
    loop.close()
    return builder.finish(["out"])


@pytest.mark.parametrize("key", sorted({op_key(op) for op, _ in EXAMPLES}))
def test_every_op_round_trips(key: str) -> None:
    for op, types in EXAMPLES:
        if op_key(op) == key:
            program = program_of(op, types)
            again = parse_program(print_program(program))
            assert again == program
            assert again.digest == program.digest


@given(programs())
@settings(max_examples=150, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
def test_generated_programs_round_trip(program: Program) -> None:
    text = print_program(program)
    assert parse_program(text) == program
    assert print_program(parse_program(text)) == text


@given(st.text())
@settings(max_examples=100, derandomize=True, deadline=None, database=None)
def test_any_name_round_trips(name: str) -> None:
    builder = ProgramBuilder(name, [Input(name, Type("f64"))])
    loop = builder.loop(name)
    loop.append(name + "'", loop.read(name))
    loop.close()
    program = builder.finish([name + "'"])
    assert parse_program(print_program(program)) == program


@pytest.mark.parametrize("kind", DTYPES)
def test_literals_keep_every_bit(kind: str) -> None:
    type = Type(kind)
    for value in edges(type):
        again = decode(encode(value, type), type)
        if type.is_view:
            assert again == value
            continue
        assert again.dtype == type.dtype
        if value == value:
            assert again.tobytes() == value.tobytes()
        else:
            assert again != again


def test_indentation_and_empty_lines_do_not_matter() -> None:
    program = program_of(*EXAMPLES[0])
    text = "\n\n".join(line.strip() for line in print_program(program).splitlines())
    assert parse_program(text) == program


def error_cases() -> list[object]:
    """Returns (message, text) of tests/fixtures/ir/*.ir: `# message` lines, each with a program that raises it."""
    found: list[object] = []
    for path in sorted(FIXTURES.glob("text_*.ir")):
        for part in path.read_text(encoding="utf-8").split("# ")[1:]:
            message, _, text = part.partition("\n")
            found.append(pytest.param(message.strip(), text.strip(), id=message.strip()[:60]))
    return found


@pytest.mark.parametrize("message, text", error_cases())
def test_text_that_is_no_program(message: str, text: str) -> None:
    with pytest.raises(VerifyError) as caught:
        parse_program(text)
    assert str(caught.value) == message
