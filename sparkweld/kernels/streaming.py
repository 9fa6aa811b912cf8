"""Kernels whose results go past the caches, for results so large that no cache holds them until they are read.

An ordinary store reads the line that it writes, so that a result costs memory twice. A line that is written whole by a
non-temporal store is not read, and throws nothing else out of the caches. The caller has to give outputs at multiples of
`ALIGNMENT` bytes, and shapes `streams` allows.
"""

from __future__ import annotations

import re

from llvmlite import binding

from sparkweld.ir.program import Program
from sparkweld.kernels.shape import MODEL_TILE, shape_of

#: Multiples of this are the addresses of a streaming kernel's outputs.
ALIGNMENT = 64
_BITS = {"double": 64, "i64": 64, "float": 32, "i32": 32}
#: Stores of whole vectors of results: what else is stored as a vector says a better alignment than that of a byte.
_STORE = re.compile(r"^( +store <(\d+) x (double|float|i64|i32)> .*, align )1((?:, .*)?)$", re.MULTILINE)
_LAST = "  ret void"


def can_stream(program: Program) -> bool:
    """Whether a program's results are plain numbers, of every row, and nothing in memory lies between them and its inputs."""
    shape = shape_of(program)
    if shape is None or shape.filtered or shape.blocks or shape.allocates or any(shape.nullable):
        return False
    return len(program.loops) == 1 and program.loops[0].groups is None and shape.tile == MODEL_TILE


def with_streaming_stores(module: binding.ModuleRef, symbol: str) -> binding.ModuleRef:
    """The optimised module with such stores: vectors start at multiples of their size, for tiles are whole vectors.

    A fence behind them orders them before what tells other threads of the results. Other CPUs than x86-64 keep their stores.
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
