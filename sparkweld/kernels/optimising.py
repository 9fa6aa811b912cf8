"""What LLVM's modules need after optimisation."""

from __future__ import annotations

from llvmlite import binding

from sparkweld.kernels import lanes
from sparkweld.kernels.target import target_machine


def drop_unused(module: binding.ModuleRef) -> None:
    """Removes the vector versions that the vectoriser did not call."""
    kept = [v for v in module.global_variables if v.name == lanes.KEPT]
    for variable in kept:
        variable.linkage, variable.name = "internal", "sparkweld.unused"
    passes = binding.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(module, binding.create_pass_builder(target_machine(), binding.create_pipeline_tuning_options()))
