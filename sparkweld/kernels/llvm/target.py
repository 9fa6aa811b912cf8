"""Describes the CPU that kernels are compiled for to LLVM: this host, a level of x86-64, or any CPU of 64-bit Arm."""

from __future__ import annotations

import hashlib
import platform
from functools import cache

from llvmlite import binding

from sparkweld.errors import InternalError
from sparkweld.serving.cpus import LEVELS, machine_of

#: The level that this process compiles for; empty for this host.
_chosen: list[str] = []


def choose_level(level: str) -> None:
    """Compiles for a level of `LEVELS` from now on. Raises InternalError after something was compiled for this host.

    Compiled functions are cached for the life of a process, so a process compiles for one CPU.
    """
    if target_machine.cache_info().currsize or cpu_features.cache_info().currsize:
        raise InternalError("a process compiles for one CPU, and this one has begun")
    _chosen.append(level)


@cache
def target_machine(shared: bool = False) -> binding.TargetMachine:
    """Returns LLVM's description of the CPU.

    Objects address their imports by 64 bits, so a JIT linker may place them anywhere. `shared`: they are position-independent
    instead, for a shared library.
    """
    if _chosen:
        binding.initialize_all_targets()
        binding.initialize_all_asmprinters()
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_triple(_triple())
    placed = {"reloc": "pic", "codemodel": "default"} if shared else {"reloc": "static", "codemodel": "large", "jit": True}
    return target.create_target_machine(cpu=_name(), features=_flags(), opt=3, **placed)


@cache
def cpu_features() -> frozenset[str]:
    """Returns the CPU's instruction set extensions. For those that kernels ask for, LLVM and /proc/cpuinfo have one name."""
    if _chosen:
        return LEVELS[_chosen[0]]
    return frozenset(name for name, has in binding.get_host_cpu_features().items() if has)


@cache
def target_cpu() -> str:
    """Returns the CPU that object code is made for: ``<LLVM's name>|<16 hex digits of the SHA-256 of its features>``."""
    return f"{_name()}|{hashlib.sha256(_flags().encode()).hexdigest()[:16]}"


def is_arm() -> bool:
    """Whether kernels are compiled for 64-bit Arm, each CPU of which multiplies and adds in one instruction."""
    return (machine_of(_chosen[0]) if _chosen else platform.machine()) in ("aarch64", "arm64")


def _triple() -> str:
    own: str = binding.get_process_triple()
    return f"{machine_of(_chosen[0])}-unknown-linux-gnu" if _chosen else own


def _name() -> str:
    if _chosen and is_arm():
        return "generic"
    return _chosen[0] if _chosen else binding.get_host_cpu_name()


def _flags() -> str:
    """Returns the features for LLVM; a level's name implies its own."""
    return "" if _chosen else binding.get_host_cpu_features().flatten()
