"""Finds the C compiler of a build: that of this machine, or for wheels one that compiles for other machines and an older glibc.

The compiler of wheels is `zig cc`, which PyPI's package `ziglang` contains with the headers and symbol lists of each glibc.
A shim that gcc links here asks for this machine's glibc or a newer one.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from typing import NamedTuple

from spark_jars import BuildError

#: The machines that wheels are made for.
WHEEL_MACHINES = ("x86_64", "aarch64")
#: The oldest glibc on which the shim of a wheel loads. It is that of RHEL 7, and the first one with aarch64.
WHEEL_GLIBC = "2.17"
_ZIG_FLAGS = ("-s", "-fno-sanitize=undefined")


class Compiler(NamedTuple):
    """The C compiler of a build."""

    #: For each machine that the shim is compiled for: how to call the compiler, with options.
    commands: dict[str, list[str]]
    #: What the compiler says of its version.
    version: str


def this_machine() -> str:
    """Returns the name of this machine's kind: x86_64, aarch64 or what the system calls it."""
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())


def find(portable: bool) -> Compiler:
    """Returns `$CC`, or the first of cc, gcc and clang on PATH; if `portable`, the one for wheels.

    Raises BuildError when there is none.
    """
    return _for_wheels() if portable else _for_this_machine()


def _for_this_machine() -> Compiler:
    wanted = [os.environ["CC"]] if os.environ.get("CC") else ["cc", "gcc", "clang"]
    path = next((found for found in map(shutil.which, wanted) if found), None)
    if path is None:
        raise BuildError(f"a C compiler: none of {', '.join(wanted)} is on PATH")
    return Compiler({this_machine(): [path]}, _first_line([path, "--version"]))


def _for_wheels() -> Compiler:
    if importlib.util.find_spec("ziglang") is None:
        raise BuildError(f"a C compiler for wheels: {sys.executable} has no package ziglang (pip install ziglang)")
    zig = [sys.executable, "-m", "ziglang"]
    commands = {
        machine: [*zig, "cc", "-target", f"{machine}-linux-gnu.{WHEEL_GLIBC}", *_ZIG_FLAGS] for machine in WHEEL_MACHINES
    }
    return Compiler(commands, f"zig {_first_line([*zig, 'version'])}")


def _first_line(command: list[str]) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return (answer.stdout.splitlines() or ["unknown"])[0]
