"""Links object code to shared libraries with the machine's C compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from sparkweld.errors import UserError
from sparkweld.serving.cpus import LEVELS
from sparkweld.serving.forms import Kernel

#: Level of x86-64 -> (the shared library for it, the bytes of memory of a call).
Others = Mapping[str, tuple[bytes, int]]

_COMPILERS = ("cc", "gcc", "clang")


def linked(kernel: Kernel) -> bytes:
    """Returns a kernel as a shared library. Raises UserError without a C compiler."""
    code = kernel.object_code()
    return code if kernel.is_linked else link({"kernel.o": code}, [])


def link(files: Mapping[str, bytes], options: Sequence[str]) -> bytes:
    """Compiles and links files, given by name, to a shared library, whose bytes it returns. Raises UserError."""
    compiler = next((os.path.abspath(found) for found in map(shutil.which, _COMPILERS) if found), None)
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


def code_for(kernels: Sequence[Kernel], cpus: Sequence[str]) -> dict[int, Others]:
    """Returns, by the id of each kernel, its shared libraries for levels of x86-64: `cpus`, or those that its file held.

    Raises UserError for an unknown level, on another machine, and for kernels of a file, which cannot be compiled again.
    """
    if not cpus:
        return {id(kernel): kernel.others for kernel in kernels}
    unknown = [cpu for cpu in cpus if cpu not in LEVELS]
    if unknown or isinstance(cpus, str) or os.uname().machine != "x86_64":
        raise UserError(f"cpus is {cpus!r}: pass a list of {', '.join(LEVELS)}, on an x86-64 machine")
    compile_for = kernels[0].compile_for
    if compile_for is None:
        raise UserError("a program that was loaded from a file cannot be compiled for other CPUs: save it where it was compiled")
    made: dict[int, dict[str, tuple[bytes, int]]] = {id(kernel): {} for kernel in kernels}
    for level in dict.fromkeys(cpus):
        compiled = compile_for(level, [kernel.program for kernel in kernels])
        for kernel, (code, memory) in zip(kernels, compiled, strict=True):
            made[id(kernel)][level] = link({"kernel.o": code}, []), memory
    return dict(made)
