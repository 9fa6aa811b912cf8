"""Links object code to shared libraries, with the machine's C compiler or with one that links for other machines."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from sparkweld.errors import UserError
from sparkweld.serving.cpus import LEVELS, machine_of
from sparkweld.serving.forms import Kernel

#: Level of `cpus.LEVELS` -> (the shared library for it, the bytes of memory of a call).
Others = Mapping[str, tuple[bytes, int]]

_COMPILERS = ("cc", "gcc", "clang")
#: The oldest glibc of a library for another machine, which is that of SparkWeld's wheels.
_GLIBC = "2.17"


def linked(kernel: Kernel) -> bytes:
    """Returns a kernel as a shared library. Raises UserError without a C compiler."""
    code = kernel.object_code()
    return code if kernel.is_linked else link({"kernel.o": code}, [])


def link(files: Mapping[str, bytes], options: Sequence[str], machine: str = "") -> bytes:
    """Compiles and links files, given by name, to a shared library, whose bytes it returns.

    `machine`: that of the library, by default this one. Raises UserError.
    """
    compiler = _compiler(machine or os.uname().machine)
    with tempfile.TemporaryDirectory(prefix="sparkweld-link-") as folder:
        for name, data in files.items():
            (Path(folder) / name).write_bytes(data)
        inputs = [name for name in files if name.endswith((".o", ".c", ".S"))]
        for libraries in (["-lmvec", "-lm"], ["-lm"]):  # musl, macOS and Arm have no libmvec, and then no kernel imports from it
            command = [*compiler, "-shared", "-fPIC", "-O2", *options, *inputs, "-Wl,--no-undefined", "-o", "made.so", *libraries]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
            if not done.returncode:
                return (Path(folder) / "made.so").read_bytes()
        raise UserError(f"{compiler[0]} cannot link the program: {done.stderr.strip()[-400:]}")


def _compiler(machine: str) -> list[str]:
    """Returns the command of a C compiler that links for a machine. Raises UserError where there is none."""
    names: tuple[str, ...] = _COMPILERS
    if machine == os.uname().machine:
        missing = "saving and exporting a program requires a C compiler to link it: install gcc or clang"
    else:
        names = (f"{machine}-linux-gnu-gcc",)
        missing = f"code for {machine} requires a linker for it: pip install ziglang, or install {names[0]}"
    found = next((os.path.abspath(path) for path in map(shutil.which, names) if path), None)
    if found is not None:
        return [found]
    if machine != os.uname().machine and importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc", "-target", f"{machine}-linux-gnu.{_GLIBC}", "-s"]
    raise UserError(missing)


def code_for(kernels: Sequence[Kernel], cpus: Sequence[str]) -> dict[int, Others]:
    """Returns, by the id of each kernel, its shared libraries for levels of CPUs: `cpus`, or those that its file held.

    Raises UserError for an unknown level, without a linker for it, and for kernels of a file, which cannot be compiled again.
    """
    if not cpus:
        return {id(kernel): kernel.others for kernel in kernels}
    unknown = [cpu for cpu in cpus if cpu not in LEVELS]
    if unknown or isinstance(cpus, str):
        raise UserError(f"cpus is {cpus!r}: pass a list of {', '.join(LEVELS)}")
    compile_for = kernels[0].compile_for
    if compile_for is None:
        raise UserError("a program that was loaded from a file cannot be compiled for other CPUs: save it where it was compiled")
    made: dict[int, dict[str, tuple[bytes, int]]] = {id(kernel): {} for kernel in kernels}
    for level in dict.fromkeys(cpus):
        compiled = compile_for(level, [kernel.program for kernel in kernels])
        for kernel, (code, memory) in zip(kernels, compiled, strict=True):
            made[id(kernel)][level] = link({"kernel.o": code}, [], machine_of(level)), memory
    return dict(made)
