"""Rewrites a kernel's result stores to non-temporal ones, for results larger than the caches.

An ordinary store reads the cache line that it writes, so a result costs memory bandwidth twice. A line that non-temporal stores
write completely is neither read nor does it evict other lines. The caller must align outputs to `ALIGNMENT` bytes, and compile
such kernels for programs that `can_stream` accepts only.
"""

from __future__ import annotations

import re

from llvmlite import binding

from sparkweld.ir.layouts.model_memory import MODEL_TILE
from sparkweld.ir.program import Program
from sparkweld.kernels.codegen.shape import shape_of

#: Alignment of a streaming kernel's outputs, in bytes.
ALIGNMENT = 64
_BITS = {"double": 64, "i64": 64, "float": 32, "i32": 32}
#: Stores of whole vectors of results: all other vector stores have an alignment above one byte.
_STORE = re.compile(r"^( +store <(\d+) x (double|float|i64|i32)> .*, align )1((?:, .*)?)$", re.MULTILINE)
_LAST = "  ret void"


def can_stream(program: Program) -> bool:
    """Whether a program's results are plain numbers, one for every row, and it has no filter, blocks or arena."""
    shape = shape_of(program)
    if shape is None or shape.filtered or shape.blocks or shape.allocates or any(shape.nullable):
        return False
    return len(program.loops) == 1 and program.loops[0].groups is None and shape.tile == MODEL_TILE


def with_streaming_stores(module: binding.ModuleRef, symbol: str) -> binding.ModuleRef:
    """Returns the optimised module with streaming stores. Vectors are aligned to their size, as tiles are whole vectors.

    A fence after the stores orders them before any signal to other threads that the results are ready. Modules for CPUs other
    than x86-64 are returned unchanged.
    """
    if not module.triple.startswith("x86_64"):
        return module
    text, found = _STORE.subn(_streamed, str(module))
    if not found:
        return module
    start = text.index(f"define void @{symbol}(")
    end = text.index("\n}", start)
    text = text[:start] + text[start:end].replace(_LAST, f"  call void @llvm.x86.sse.sfence()\n{_LAST}") + text[end:]
    number = 1 + max(map(int, re.findall(r"^!(\d+) = ", text, re.MULTILINE)), default=-1)
    text = text.replace("!nontemporal !-", f"!nontemporal !{number}")
    made = binding.parse_assembly(f"{text}\ndeclare void @llvm.x86.sse.sfence()\n!{number} = !{{i32 1}}\n")
    made.verify()
    return made


def _streamed(store: re.Match[str]) -> str:
    size = int(store[2]) * _BITS[store[3]] // 8
    return f"{store[1]}{min(size, ALIGNMENT)}{store[4]}, !nontemporal !-"
