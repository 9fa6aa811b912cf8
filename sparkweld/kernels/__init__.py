"""Compiles optimised programs to native kernels.

Start reading at `emit` (the row loop), then `driver`, `llvm_module` and `object_code`.
"""

from sparkweld.kernels.codegen.shape import check_size, program_allocates
from sparkweld.kernels.codegen.streaming import ALIGNMENT, can_stream
from sparkweld.kernels.llvm.math_library import vector_math
from sparkweld.kernels.llvm.target import host_cpu
from sparkweld.kernels.runtime.cache import ObjectCache
from sparkweld.kernels.runtime.loader import Kernel, KernelResult
from sparkweld.kernels.runtime.object_code import ObjectCode, compile_program, warm_up

__all__ = [
    "ALIGNMENT", "Kernel", "KernelResult", "ObjectCache", "ObjectCode", "can_stream", "check_size", "compile_program", "host_cpu",
    "program_allocates", "vector_math", "warm_up",
]  # fmt: skip
