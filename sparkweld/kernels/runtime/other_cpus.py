"""Compiles programs for CPUs other than this one, in a process of its own.

Compiled functions are cached for the life of a process, so each process compiles for one CPU. The child gets programs in
their text form and returns position-independent object code, both as JSON.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sparkweld.errors import InternalError
from sparkweld.ir.text import parse_program
from sparkweld.kernels.llvm.target import choose_level
from sparkweld.kernels.runtime.cache import ObjectCache
from sparkweld.kernels.runtime.object_code import compile_shared

#: The child imports this package from where this process found it, and the rest from the same folders. It has no other path from
#: its environment or working directory, so relative entries, which mean the latter, are left out.
_PATH = [str(Path(__file__).resolve().parents[3]), *(p for p in sys.path if isinstance(p, str) and os.path.isabs(p))]
#: What modules print while they are imported does not belong to the reply.
_CHILD = (
    "import sys, json, os; reply = os.dup(1); os.dup2(2, 1); sys.path[:] = json.loads(sys.argv[1]); "
    f"from {__name__} import child; child(sys.argv[2], reply)"
)


def compile_for(level: str, programs: Sequence[str]) -> list[tuple[bytes, int]]:
    """Returns (the object code, the bytes of memory of a call) of each program, in its text form, for a level of `LEVELS`."""
    command = [sys.executable, "-I", "-c", _CHILD, json.dumps(_PATH), level]
    done = subprocess.run(command, input=json.dumps(list(programs)).encode(), capture_output=True, check=False)
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip()[-400:]
        raise InternalError(f"the process that compiles for {level} ended with {done.returncode}: {last}")
    return [(base64.b64decode(code), memory) for code, memory in json.loads(done.stdout)]


def child(level: str, reply: int) -> None:
    """Reads the programs from standard input, and writes their code to a file descriptor."""
    choose_level(level)
    cache = ObjectCache()
    made = [compile_shared(parse_program(text), cache) for text in json.load(sys.stdin)]
    with open(reply, "w") as file:
        json.dump([(base64.b64encode(code).decode(), memory) for code, memory in made], file)
