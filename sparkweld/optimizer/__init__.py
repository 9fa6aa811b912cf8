"""Optimizes any verified program to the single loop that a kernel compiles. Start at `pipeline`."""

from sparkweld.optimizer.pipeline import PASSES, optimize

__all__ = ["PASSES", "optimize"]
