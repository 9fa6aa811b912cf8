"""Optimised programs to native kernels. Start at `emit` (the row loop), then `driver`, then `object_code`."""

from sparkweld.kernels.loader import Kernel, KernelResult
from sparkweld.kernels.math_library import vector_math
from sparkweld.kernels.object_code import ObjectCode, check_size, compile_program, host_cpu

__all__ = ["Kernel", "KernelResult", "ObjectCode", "check_size", "compile_program", "host_cpu", "vector_math"]
