"""NumPy and pandas calls on local data, captured and run by the same compiler, annotations and kernels as Spark's UDFs.

Weld's lazy API (arXiv 1709.06416, section 4), as in its Grizzly: `lazy` wraps data, calls on it are recorded and not run, and a
value that is asked for runs what it needs in one pipeline. What cannot be captured runs in NumPy or pandas, on real data.

Start at `session`; `values` and `frame` are what users hold, `recording` decides what becomes of a call, `evaluating` runs.
"""

from sparkweld.local.evaluating import compute, explain
from sparkweld.local.session import lazy

__all__ = ["compute", "explain", "lazy"]
