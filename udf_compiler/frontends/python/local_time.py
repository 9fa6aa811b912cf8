"""Provides the offset of the local time of a worker's process, and records that the function depends on it.

The compile service has the zone of the driver's workers. Before a task uses such a kernel, its executor compares the zone of its
own workers, as it compares the versions of libraries.
"""

from __future__ import annotations

from udf_compiler.frontends.python.durations import SECOND
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.function.modules import MODULES
from udf_compiler.process.local_time import constant_offset


def local_offset() -> int:
    """Returns the microseconds of local time ahead of UTC. Refuses (SW264) a zone whose offset changes."""
    offset = constant_offset()
    if offset is None:
        refuse("SW264", call="local time in a zone whose offset from UTC changes")
    MODULES.depends_on_local_time()
    return offset * SECOND
