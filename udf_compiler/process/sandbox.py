"""Limits the compile service: memory, CPU time, file sizes, descriptors, core dumps.

The service runs the code of job authors on the driver's machine, as their workers do elsewhere. It remains their user's
process: a limit prevents a mistake from taking down the driver, but does not stop a malicious author. See docs/security.md.
"""

from __future__ import annotations

import ctypes
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from sparkweld.contract.constants import MAX_MEMORY_VARIABLE, UNPICKLE_VARIABLE

#: Environment variables from the JVM: the memory limit in bytes, and whether functions may be read at all.
MEMORY, UNPICKLE = MAX_MEMORY_VARIABLE, UNPICKLE_VARIABLE

_MAX_FILE_BYTES = 2 << 30
_FIRST_DESCRIPTOR = 3
_NO_NEW_PRIVILEGES = 38
#: A request stuck in pure C code is ended after this multiple of its own limit, and not before this number of seconds.
_CPU_FACTOR, _LEAST_CPU_SECONDS = 10, 120


def enter() -> None:
    """Sets the limits of this process permanently, and closes all inherited descriptors except its standard streams."""
    os.closerange(_FIRST_DESCRIPTOR, os.sysconf("SC_OPEN_MAX"))
    os.umask(0o077)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_FSIZE, _MAX_FILE_BYTES)
    memory = int(os.environ.get(MEMORY) or 0)
    if memory > 0:
        _lower(resource.RLIMIT_DATA, memory)
    with suppress(OSError, AttributeError):  # not Linux
        ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)  # set-user-ID programs gain no privileges


@contextmanager
def cpu_seconds(milliseconds: int) -> Iterator[None]:
    """Ends the process when the block exceeds a multiple of `milliseconds` of CPU time.

    C code may not be interruptible otherwise.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    limit = int(used + max(_LEAST_CPU_SECONDS, _CPU_FACTOR * milliseconds / 1000)) + 1
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))


def may_unpickle() -> bool:
    """Whether this process may read pickles of functions."""
    return os.environ.get(UNPICKLE, "auto") == "auto"


def _lower(which: int, limit: int) -> None:
    _, hard = resource.getrlimit(which)
    most = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(which, (most, most))
