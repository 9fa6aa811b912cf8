"""Runs LLVM's passes over the modules of kernels and of the functions that kernels link."""

from __future__ import annotations

from llvmlite import binding

from sparkweld.kernels.llvm import lanes
from sparkweld.kernels.llvm.target import target_machine


def optimise(module: binding.ModuleRef, level: int = 3, *, vectorise: bool = False, unroll: bool = False) -> None:
    """Runs LLVM's pipeline; `vectorise` and `unroll` apply to its loops.

    All parallelism is between rows. SLP vectorisation, within a row, would take half of the pipeline's time and find none.
    """
    options = binding.create_pipeline_tuning_options(speed_level=level)
    options.slp_vectorization = False
    options.loop_vectorization, options.loop_unrolling = vectorise, unroll
    builder = binding.create_pass_builder(target_machine(), options)
    builder.getModulePassManager().run(module, builder)


def drop_unused(module: binding.ModuleRef) -> None:
    """Removes the vector versions that the vectoriser did not call."""
    kept = [v for v in module.global_variables if v.name == lanes.KEPT]
    for variable in kept:
        variable.linkage, variable.name = "internal", "sparkweld.unused"
    passes = binding.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, binding.create_pass_builder(target_machine(), binding.create_pipeline_tuning_options()))
