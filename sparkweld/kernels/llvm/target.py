"""Describes this host to LLVM as the compilation target."""

from __future__ import annotations

import hashlib
from functools import cache

from llvmlite import binding


@cache
def target_machine(shared: bool = False) -> binding.TargetMachine:
    """Returns LLVM's description of this host.

    Objects address their imports by 64 bits, so a JIT linker may place them anywhere. `shared`: they are position-independent
    instead, for a shared library.
    """
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_triple(binding.get_process_triple())
    features = binding.get_host_cpu_features().flatten()
    placed = {"reloc": "pic", "codemodel": "default"} if shared else {"reloc": "static", "codemodel": "large", "jit": True}
    return target.create_target_machine(cpu=binding.get_host_cpu_name(), features=features, opt=3, **placed)


@cache
def host_cpu() -> str:
    """Returns the CPU that object code is made for: ``<LLVM's name>|<16 hex digits of the SHA-256 of its features>``."""
    features = binding.get_host_cpu_features().flatten()
    return f"{binding.get_host_cpu_name()}|{hashlib.sha256(features.encode()).hexdigest()[:16]}"
