"""Compiles optimised programs to native kernels.

Start reading at `emit` (the row loop), then `driver`, `llvm_module` and `object_code`.
"""

from sparkweld.kernels.cache import ObjectCache
from sparkweld.kernels.loader import Kernel, KernelResult
from sparkweld.kernels.math_library import vector_math
from sparkweld.kernels.object_code import ObjectCode, compile_program, warm_up
from sparkweld.kernels.shape import check_size, program_allocates
from sparkweld.kernels.streaming import ALIGNMENT, can_stream
from sparkweld.kernels.target import host_cpu

__all__ = [
    "ALIGNMENT", "Kernel", "KernelResult", "ObjectCache", "ObjectCode", "can_stream", "check_size", "compile_program", "host_cpu",
    "program_allocates", "vector_math", "warm_up",
]  # fmt: skip
