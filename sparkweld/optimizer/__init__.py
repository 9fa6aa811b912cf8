"""The optimizer: any verified program to the one loop that a kernel compiles. Start at `pipeline`."""

from sparkweld.optimizer.pipeline import PASSES, optimize

__all__ = ["PASSES", "optimize"]
