"""Compiles optimised programs to native kernels.

Start reading at `emit` (the row loop), then `driver`, `llvm_module` and `object_code`.
"""

from sparkweld.kernels.codegen.shape import check_size, program_allocates
from sparkweld.kernels.codegen.streaming import ALIGNMENT, can_stream
from sparkweld.kernels.llvm.math_library import vector_math
from sparkweld.kernels.llvm.target import target_cpu
from sparkweld.kernels.runtime.cache import ObjectCache
from sparkweld.kernels.runtime.loader import Kernel, KernelResult
from sparkweld.kernels.runtime.object_code import ObjectCode, compile_program, warm_up

__all__ = [
    "ALIGNMENT", "Kernel", "KernelResult", "ObjectCache", "ObjectCode", "can_stream", "check_size", "compile_program",
    "program_allocates", "target_cpu", "vector_math", "warm_up",
]  # fmt: skip
