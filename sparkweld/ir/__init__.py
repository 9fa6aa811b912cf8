"""Defines the intermediate representation: typed loops over row domains. Start at `program`, then `ops`, then `text`."""

from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.build import LoopBuilder, ProgramBuilder, Value, Work, counted
from sparkweld.ir.evaluate import Result, evaluate
from sparkweld.ir.merges import Groups, Key, Merge
from sparkweld.ir.ops.base import Let
from sparkweld.ir.program import ROWS, Append, Input, Loop, Program, print_program
from sparkweld.ir.text import parse_program
from sparkweld.ir.types import Type
from sparkweld.ir.verify import verify

__all__ = [
    "ROWS", "Append", "ConstantBlock", "Groups", "Input", "Key", "Let", "Loop", "LoopBuilder", "Merge", "Program",
    "ProgramBuilder", "Result", "Type", "Value", "Work", "counted", "evaluate", "parse_program", "print_program", "verify",
]  # fmt: skip
