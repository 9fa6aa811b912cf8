"""Lints the UDFs of a job: whether results depend on batches, what would be compiled, and how to fix faults.

`check` runs the steps: a child process imports the target with Spark replaced (`importing`, `stubs`) and examines the declared
functions (`examining`). The source code is also read (`reading`), for UDFs that the import did not reach and for hints as diffs.
`findings` holds the result.
"""

from sparkweld.lint.checking import check
from sparkweld.lint.findings import Finding, Report, Udf

__all__ = ["Finding", "Report", "Udf", "check"]
