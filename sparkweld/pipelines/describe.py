"""Formats a pipeline for explain: its stages, where each runs, rows per block and bytes moved."""

from __future__ import annotations

from sparkweld.pipelines.block_size import l2_bytes, live_bytes
from sparkweld.pipelines.plan import Native, Pipeline, Stage
from sparkweld.pipelines.run import Runner


def described(runner: Runner) -> str:
    """Returns the output of `explain`."""
    pipeline, metrics, size = runner.pipeline, runner.metrics, runner.block_size
    how = "set" if size.fixed else f"L2 {l2_bytes() >> 10:,} KB, {live_bytes(pipeline)} live bytes per row"
    lines = [
        f"pipeline {pipeline.name}: {len(pipeline.stages)} stages, {runner.threads} threads",
        f"  block: {size.rows:,} rows ({how})",
        *(f"  {number}. {stage_text(pipeline, stage)}" for number, stage in enumerate(pipeline.stages, 1)),
    ]
    if metrics.runs:
        lines.append(
            f"  ran {metrics.runs} times: {metrics.rows:,} rows in {metrics.blocks:,} blocks, {metrics.bytes_in:,} bytes in, "
            f"{metrics.bytes_out:,} out, {metrics.kernel_seconds:.3f} s in kernels, {metrics.call_seconds:.3f} s in calls, "
            f"{metrics.fallbacks} fallbacks to the original"
        )
    return "\n".join(lines)


def stage_text(pipeline: Pipeline, stage: Stage) -> str:
    """Returns a line about one stage: its kind, and the number of columns that it reads and produces."""
    columns = f"{len(stage.taken)} columns in, {len(stage.made)} out"
    if isinstance(stage, Native):
        filtered = ", new rows" if stage.program.loops[0].where is not None else ""
        return f"kernel: {stage.program.size} operations, {columns}{filtered}"
    filtered = "" if stage.step.makes in (None, stage.domain) else ", new rows"
    merged = ", merged" if stage.step.makes is None else ""
    place = f" ({stage.step.place})" if stage.step.place else ""
    return f"call: {stage.step.name}{place}, {columns}{filtered}{merged}"
