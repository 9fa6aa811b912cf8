"""Prints the row loop, the LLVM IR and the assembly of a program's kernel.

python -m sparkweld.kernels PROGRAM.txt [--show source|llvm|optimised|assembly ...]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sparkweld.errors import SparkWeldError
from sparkweld.ir.text import parse_program
from sparkweld.kernels.codegen.llvm_module import linked_module, optimised_module, row_loop_source
from sparkweld.kernels.llvm.target import target_machine

_VIEWS = {
    "source": row_loop_source,
    "llvm": lambda program: str(linked_module(program)[0]),
    "optimised": lambda program: str(optimised_module(program)[0]),
    "assembly": lambda program: target_machine().emit_assembly(optimised_module(program)[0]),
}


def main(arguments: list[str] | None = None) -> int:
    """Runs the command and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m sparkweld.kernels", description="Show the kernel of a program.")
    parser.add_argument("program", type=Path, help="file with the text of an optimised program, - for standard input")
    parser.add_argument("--show", nargs="+", choices=_VIEWS, default=["source", "assembly"], help="what to print")
    options = parser.parse_args(arguments)
    try:
        text = sys.stdin.read() if str(options.program) == "-" else options.program.read_text(encoding="utf-8")
        program = parse_program(text)
        for view in options.show:
            print(f"# {view}\n{_VIEWS[view](program)}")
    except (OSError, SparkWeldError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
