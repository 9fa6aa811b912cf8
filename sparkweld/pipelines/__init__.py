"""Plans captured computations as pipelines of kernels and annotated calls, and runs all stages block by block.

As in Mozart (Palkar and Zaharia, SOSP 2019), all stages run on a block of rows before the next one. So intermediate columns stay
in the cache. Here the stages between black-box calls are kernels, and each row domain has an identity.

Start at `capture`, then `plan`, `stages` (which run one stage on a block) and `run`. `block_size` chooses the rows of a block.
"""

from sparkweld.pipelines.block_size import BlockSize
from sparkweld.pipelines.capture import Argument, BlackBox, Capture, Keep
from sparkweld.pipelines.errors import BrokenPromise, Undecided
from sparkweld.pipelines.plan import Pipeline, plan
from sparkweld.pipelines.run import Runner

__all__ = ["Argument", "BlackBox", "BlockSize", "BrokenPromise", "Capture", "Keep", "Pipeline", "Runner", "Undecided", "plan"]
