"""Checks constant blocks: layout, digest, text form, and programs whose block bytes are stored elsewhere."""

from __future__ import annotations

import numpy as np
import pytest

from sparkweld.errors import VerifyError
from sparkweld.ir import ConstantBlock, Input, Program, ProgramBuilder, evaluate, parse_program, print_program
from sparkweld.ir.blocks import ALIGNMENT, parse_block
from sparkweld.ir.ops import Distances, Mlp
from sparkweld.ir.types import F64


def test_arrays_are_returned_aligned_and_read_only():
    arrays = {
        "u8": np.arange(5, dtype=np.uint8), "i32": np.arange(-3, 3, dtype=np.int32), "empty": np.zeros(0, np.float32),
        "f64": np.array([[1.5, np.nan], [-0.0, np.inf]]), "u64": np.array([2**64 - 1], np.uint64),
    }  # fmt: skip
    block = ConstantBlock.of(**arrays)
    assert block.size % ALIGNMENT == 0 and block.data is not None and block.data.ctypes.data % ALIGNMENT == 0
    for name, array in arrays.items():
        assert block[name].dtype == array.dtype and block[name].tobytes() == array.tobytes()
        assert block.offset(name) % ALIGNMENT == 0 and block.length(name) == array.size
        assert not block[name].flags.writeable
    assert ConstantBlock.of(**arrays) == block
    assert parse_block(str(block)) == block and parse_block(str(block)).data is None


def test_digest_tells_bytes_and_layouts_apart():
    ones, zeros = (ConstantBlock.of(x=np.full(3, v)) for v in (1.0, 0.0))
    named, narrow = ConstantBlock.of(y=np.zeros(3)), ConstantBlock.of(x=np.zeros(3, np.int64))
    assert len({b.digest for b in (ones, zeros, named, narrow)}) == 4
    assert ConstantBlock.of(x=np.array([-0.0, 0.0, 0.0])) != zeros


def test_arrays_that_no_block_holds():
    for array in (np.array(["a"]), np.array([True]), np.array([1j])):
        with pytest.raises(VerifyError, match="holds no array"):
            ConstantBlock.of(x=array)
    block = ConstantBlock.of(x=np.zeros(3))
    with pytest.raises(VerifyError, match="has no y"):
        block["y"]
    with pytest.raises(VerifyError, match="are not loaded"):
        parse_block(str(block))["x"]
    with pytest.raises(VerifyError, match="got 3"):
        block.with_data(np.zeros(3, np.uint8))
    for text in ('"abc" x=f64', "abc x=f64[1]", '"abc" x=b8[1]', '"abc" x=f64[1] x=f64[1]'):
        with pytest.raises(VerifyError):
            parse_block(text)


def _program(*ops: Mlp | Distances) -> Program:
    builder = ProgramBuilder("models", [Input("x", F64), Input("y", F64)])
    loop = builder.loop("models")
    arguments = loop.read("x"), loop.read("y")
    for number, op in enumerate(ops):
        loop.append(f"out{number}", loop.emit(op, *arguments))
    loop.close()
    return builder.finish([f"out{number}" for number in range(len(ops))])


def test_programs_name_their_blocks():
    first, second = (Mlp.of([np.full((2, 2), w)], [np.zeros(2)]) for w in (1.0, 2.0))
    program = _program(first, second, first.at(1), Distances.of(np.eye(2)))
    assert [b.digest for b in program.blocks] == [o.block.digest for o in (first, second, Distances.of(np.eye(2)))]
    again = parse_program(print_program(program), program.blocks)
    assert again == program
    x = np.array([1.0, 2.0])
    assert evaluate(again, {"x": x, "y": x}, 2).columns["out1"].tolist() == [4.0, 8.0]
    with pytest.raises(VerifyError, match="are not loaded"):
        evaluate(parse_program(print_program(program)), {"x": x, "y": x}, 2)


def test_a_model_trained_again_is_the_same_code_and_another_program():
    first, second = (_program(Mlp.of([np.full((2, 1), w)], [np.zeros(1)])) for w in (1.0, 2.0))
    assert first != second and first.digest == second.digest
    other = _program(Mlp.of([np.ones((2, 2))], [np.zeros(2)]))
    assert other.digest != first.digest
    twice = _program(*(Mlp.of([np.full((2, 1), w)], [np.zeros(1)]) for w in (1.0, 2.0)))
    once = _program(*(Mlp.of([np.full((2, 1), 1.0)], [np.zeros(1)]) for _ in range(2)))
    assert twice.digest != once.digest


@pytest.mark.parametrize(
    "change",
    [
        ("block @0", "block @1"),
        ("block @0", "block @x"),
        ("weights=f64[2]", "weights=f64[3]"),
        ("weights=f64[2]", "weights=f32[2]"),
        ("@0, 0]", "@1, 0]"),
        ("@0, 0]", "0, 0]"),
        ("@0, 0]", "@0, 1]"),
        ('"identity", "identity"', '"identity", "sine"'),
    ],
)
def test_text_that_is_no_program(change):
    text = print_program(_program(Mlp.of([np.ones((2, 1))], [np.zeros(1)])))
    assert change[0] in text
    with pytest.raises(VerifyError):
        parse_program(text.replace(*change))


def test_pieces_of_arrays() -> None:
    """A block of pieces equals that of the whole arrays; pieces of another dtype are rejected."""
    whole = np.arange(12.0).reshape(4, 3)
    made = ConstantBlock.joined({"a": [whole[:1], whole[1:1], whole[1:]], "b": [np.zeros(2, np.int32)]})
    assert made == ConstantBlock.of(a=whole, b=np.zeros(2, np.int32)) and made["a"].tolist() == list(range(12))
    with pytest.raises(VerifyError, match="no array"):
        ConstantBlock.joined({"a": [whole, whole.astype(np.float32)]})
