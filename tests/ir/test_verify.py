"""Checks the verifier: each rule has a program that breaks it, and the message for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sparkweld.errors import VerifyError
from sparkweld.ir import ROWS, Append, Input, Let, Loop, Program, ProgramBuilder, Type, parse_program, verify
from sparkweld.ir.ops import Call, Cast, Const, IsIn, Lookup, Read
from sparkweld.ir.types import BOOL, F64, I64

FIXTURES = Path(__file__).parents[1] / "fixtures" / "ir"


def cases() -> list[object]:
    found: list[object] = []
    for path in sorted(FIXTURES.glob("verify_*.ir")):
        for part in path.read_text(encoding="utf-8").split("# ")[1:]:
            message, _, text = part.partition("\n")
            found.append(pytest.param(message.strip(), text.strip(), id=message.strip()[:60]))
    return found


@pytest.mark.parametrize("message, text", cases())
def test_rule(message: str, text: str) -> None:
    with pytest.raises(VerifyError) as caught:
        parse_program(text)
    assert str(caught.value) == message


X = Input("x", F64)
READ = Let(Read("x", F64))

#: Programs that the text form cannot express.
BROKEN: dict[str, Program] = {
    "an argument is not an earlier value": Program("p", (X,), (Loop("f", ROWS, (Let(Call("exp"), (0,)),)),), ()),
    "appends %1, which does not exist": Program("p", (X,), (Loop("f", ROWS, (READ,), (Append("y", 1),)),), ()),
    "%3 is not a bool value": Program("p", (X,), (Loop("f", ROWS, (READ,), (), (3,)),), ()),
    "require each other": Program("p", (X,), (Loop("f", ROWS, (READ,), makes="kept"),), ()),
    "not an identifier": Program("p", (Input("b", BOOL),), (Loop("f", ROWS, (Let(Read("b", BOOL)),), where=0, makes="a b"),), ()),
}


@pytest.mark.parametrize("message", BROKEN)
def test_rule_without_text(message: str) -> None:
    with pytest.raises(VerifyError, match=message):
        verify(BROKEN[message])


def test_a_valid_program_is_returned_unchanged() -> None:
    program = Program("p", (X,), (Loop("f", ROWS, (READ,), (Append("y", 0),)),), ("y",))
    assert verify(program) is program
    assert verify(replace(program, outputs=("x",))).outputs == ("x",)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Type("u8"), "unknown type"),
        (lambda: Call("frobnicate"), "unknown elementwise function"),
        (lambda: Call("modf", 2), r"modf has 2 result\(s\)"),
        (lambda: Call("add").infer(F64, I64), "no inner loop"),
        (lambda: Call("add").infer(F64), "expects 2 plain value"),
        (lambda: Call("exp").infer(Type("date")), "a function of dates"),
        (lambda: Cast(Type("f64", True)).infer(F64), "one plain value that casts"),
        (lambda: Cast(Type("date")).infer(F64), "casts to date"),
        (lambda: Const("1.5", I64).infer(), "is not a literal of type i64"),
        (lambda: Const("yes", BOOL).infer(), "is not a bool literal"),
        (lambda: Const("0", Type("i64", True)).infer(), "makes plain values"),
        (lambda: IsIn(("2", "1"), I64).infer(I64), "strictly ascending keys"),
        (lambda: Lookup(("1",), I64, (), I64).infer(I64), "as many plain values as keys"),
    ],
)
def test_ops_check_their_arguments(make, message: str) -> None:
    with pytest.raises(VerifyError, match=message):
        make()


def test_the_builder_checks_too() -> None:
    builder = ProgramBuilder("p", [X, Input("b", BOOL)])
    one, two = builder.loop("one"), builder.loop("two")
    with pytest.raises(VerifyError, match="another loop"):
        two.call("exp", one.read("x"))
    with pytest.raises(VerifyError, match="a guard requires a bool"):
        one.guard(one.read("x"))
    assert one.call("exp", one.read("x")).id == one.call("exp", one.read("x")).id
