"""Captured computations to pipelines that run block by block: kernels and annotated calls over one set of rows.

After Mozart (Palkar and Zaharia, SOSP 2019): all stages run on one block of rows before the next block, so that what lies
between two stages stays in the cache. Here the stages between black-box calls are kernels, and row domains have an identity.

Start at `capture`, then `plan`, `stages` (what a stage does with a block), `run`. `block_size` says how many rows a block has.
"""

from sparkweld.pipelines.block_size import BlockSize
from sparkweld.pipelines.capture import Argument, BlackBox, Capture, Keep
from sparkweld.pipelines.errors import BrokenPromise, Undecided
from sparkweld.pipelines.plan import Pipeline, plan
from sparkweld.pipelines.run import Runner

__all__ = ["Argument", "BlackBox", "BlockSize", "BrokenPromise", "Capture", "Keep", "Pipeline", "Runner", "Undecided", "plan"]
