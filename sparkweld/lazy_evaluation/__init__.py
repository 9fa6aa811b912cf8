"""Runs NumPy and pandas calls on local data lazily, with the compiler, annotations and kernels of Spark's UDFs.

Follows Weld's lazy API (arXiv 1709.06416, section 4) and its Grizzly. `lazy` wraps data, and calls on it are recorded. A
requested value runs all that it needs in one pipeline. Calls that cannot be captured run in NumPy or pandas, on real data.

Start at `session`. Users hold the objects of `values` and `frame`, `recording` handles each call, and `evaluating` runs
pipelines.
"""

from sparkweld.lazy_evaluation.evaluating import compute
from sparkweld.lazy_evaluation.session import explain, lazy

__all__ = ["compute", "explain", "lazy"]
