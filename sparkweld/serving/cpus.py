"""Names the features of CPUs: those of this one, and those of the levels for which a file may hold code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

_BASE = "sse sse2"
_SECOND = f"{_BASE} ssse3 sse4_1 sse4_2 popcnt"
_THIRD = f"{_SECOND} avx avx2 bmi1 bmi2 f16c fma abm movbe"
_FOURTH = f"{_THIRD} avx512f avx512bw avx512cd avx512dq avx512vl"
#: LLVM's names of the levels of x86-64 (x86-64 psABI, section 3.1.1), and all CPUs of 64-bit Arm -> the features that these CPUs
#: have in common, as /proc/cpuinfo names them.
LEVELS: Mapping[str, frozenset[str]] = MappingProxyType({
    "x86-64": frozenset(_BASE.split()), "x86-64-v2": frozenset(_SECOND.split()), "x86-64-v3": frozenset(_THIRD.split()),
    "x86-64-v4": frozenset(_FOURTH.split()), "aarch64": frozenset(("fp", "asimd")),
})  # fmt: skip


def machine_of(level: str) -> str:
    """Returns the machine of a level, as `uname` names it."""
    return "aarch64" if level == "aarch64" else "x86_64"


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
