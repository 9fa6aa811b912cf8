"""Splits test files among processes, of which only the first ones start Spark.

A process that runs Spark waits for jobs, services and child processes a third of its time. On two cores, a third process fills
these gaps. Without a Spark of its own it needs one gigabyte rather than five.
"""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

#: The folder of the tests that have a Spark session.
_SPARK = "tests/spark/"
#: The number of processes that start Spark.
_PROCESSES = 2


class SparkInTwoProcesses(LoadFileScheduling):
    """Assigns each process the next file, and those after the second the next one without Spark."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        if int(node.gateway.id.removeprefix("gw")) >= _PROCESSES:  # `nodes` has them in the order in which they were ready
            scope = next((scope for scope in self.workqueue if not scope.startswith(_SPARK)), None)
            if scope is None:
                node.shutdown()
                return
            self.workqueue.move_to_end(scope, last=False)
        super()._assign_work_unit(node)
