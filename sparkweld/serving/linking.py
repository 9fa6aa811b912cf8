"""Links object code to shared libraries with the machine's C compiler, and names the CPU features that its code may use."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from sparkweld.errors import UserError
from sparkweld.serving.forms import Kernel

_COMPILERS = ("cc", "gcc", "clang")


def linked(kernel: Kernel) -> bytes:
    """Returns a kernel as a shared library. Raises UserError without a C compiler."""
    code = kernel.object_code()
    return code if kernel.is_linked else link({"kernel.o": code}, [])


def link(files: Mapping[str, bytes], options: Sequence[str]) -> bytes:
    """Compiles and links files, given by name, to a shared library, whose bytes it returns. Raises UserError."""
    compiler = next((found for found in map(shutil.which, _COMPILERS) if found), None)
    if compiler is None:
        raise UserError("saving and exporting a program requires a C compiler to link it: install gcc or clang")
    with tempfile.TemporaryDirectory(prefix="sparkweld-link-") as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        inputs = [name for name in files if name.endswith((".o", ".c", ".S"))]
        for libraries in (["-lmvec", "-lm"], ["-lm"]):  # musl and macOS have no libmvec, and then no kernel imports from it
            command = [compiler, "-shared", "-fPIC", "-O2", *options, *inputs, "-Wl,--no-undefined", "-o", "made.so", *libraries]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if not done.returncode:
                return (Path(folder) / "made.so").read_bytes()
        raise UserError(f"{compiler} cannot link the program: {done.stderr.strip()[-400:]}")


@cache
def cpu_features() -> frozenset[str]:
    """Returns the features that the kernel says this CPU has; a program runs only where all those of its own CPU are."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return frozenset({os.uname().machine})
    lines = (line.partition(":") for line in text.splitlines())
    found = next((value for name, _, value in lines if name.strip() in ("flags", "Features")), "")
    return frozenset(flag for flag in found.split() if flag.startswith(_VECTOR)) if found else frozenset()


#: Beginnings of the names of features that change which instructions LLVM emits.
_VECTOR = (
    "sse", "ssse", "avx", "fma", "f16c", "bmi", "popcnt", "abm", "movbe", "adx", "aes", "vaes", "pclmul", "vpclmul", "sha",
    "gfni", "amx", "asimd", "sve", "fp", "crc32", "atomics", "bf16", "i8mm", "dcpop", "lrcpc",
)  # fmt: skip
