"""Reads the UDFs of a job and says of each whether its result depends on batches, what would be compiled, and what to mend.

`check` runs the steps: a child process imports the target with Spark replaced (`importing`, `stubs`) and examines the functions
that it met (`examining`); the source text is read as well (`reading`), for what the import did not reach and for hints
as diffs; `findings` holds the result.
"""

from sparkweld.lint.checking import check
from sparkweld.lint.findings import Finding, Report, Udf

__all__ = ["Finding", "Report", "Udf", "check"]
