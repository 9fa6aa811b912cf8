"""Checks what programs derive from their parts."""

from __future__ import annotations

from dataclasses import replace

from sparkweld.ir import parse_program

TEXT = """program "p" {
  input "a": f64
  loop "l" over rows {
    %0: f64 = read["a", f64]
    append "b" = %0
  }
  output "b"
}
"""


def test_a_changed_copy_has_a_digest_of_its_own():
    """Kernels are named by it: a program and a copy with other layouts once ran each other's code."""
    program = parse_program(TEXT)
    digest = program.digest
    copy = replace(program, outputs=())
    assert copy.digest != digest == program.digest
    assert replace(copy, outputs=program.outputs).digest == digest
