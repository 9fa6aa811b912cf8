"""Finds the offset of local time from UTC in this process, where it is the same at all times.

Python converts between naive datetimes and timestamps in the zone of the process, which TZ or the machine decides, not the
session's zone. `worker_modules.py` computes the same on an executor.
"""

from __future__ import annotations

import os
import time
from functools import lru_cache


def constant_offset() -> int | None:
    """Returns the seconds of local time ahead of UTC; None in a zone whose offset changes."""
    return _constant_offset(os.environ.get("TZ"), time.tzname)


@lru_cache(maxsize=8)
def _constant_offset(variable: str | None, names: tuple[str, str]) -> int | None:
    """Samples the centuries of real rules every 12 days, and the years 5 to 9990 every 32 years."""
    times = (*range(-(2**32), 2**32, 10**6), *range(-62 * 10**9, 253 * 10**9, 10**9))
    found = {time.localtime(at).tm_gmtoff for at in times}
    return found.pop() if len(found) == 1 else None


def described() -> str:
    """Returns the zone as it is compared with that of other machines."""
    return str(constant_offset())
