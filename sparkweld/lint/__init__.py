"""Lints the UDFs of a job: whether results depend on batches, what would be compiled, and how to fix faults.

`check` runs the steps. A child process runs each file with Spark and missing packages replaced (`importing`, `running`, `stubs`,
`missing`). It examines the UDFs that the run declared (`examining`), and those that only the source declares (`declarations`).
The latter are built from their own code (`building`, `examining_source`), or only read (`reading`). `findings` holds the result.
"""

from sparkweld.lint.checking import check
from sparkweld.lint.findings import Finding, Report, Udf

__all__ = ["Finding", "Report", "Udf", "check"]
