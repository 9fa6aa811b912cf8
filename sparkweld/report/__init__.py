"""Reports from an event log of Spark what became of an application's Python functions; `of` is the entry.

The functions of applications that ran without the plugin are those of Spark's plans. Lint says of job files which of them would
be compiled.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sparkweld.report.applications import read
from sparkweld.report.event_log import events
from sparkweld.report.summary import Summary, Verdict, summarize


def of(path: str | Path, jobs: Sequence[str] = (), timeout: float = 120.0) -> Summary:
    """Returns the report on the application of an event log.

    `jobs`: files, folders or modules whose functions are examined as `sparkweld lint` does; they are imported. `timeout`: seconds
    of one import. Raises UserError for a path that is no event log or no job.
    """
    application = read(events(Path(path)))
    verdicts, notes = _verdicts(jobs, timeout)
    return summarize(application, verdicts, notes)


def _verdicts(jobs: Sequence[str], timeout: float) -> tuple[dict[str, Verdict], list[str]]:
    """Returns lint's verdict on each function of the jobs, by name; where names repeat, the worst one."""
    if not jobs:
        return {}, []
    # the compiler, which only this requires
    from sparkweld.lint import check

    found: dict[str, Verdict] = {}
    notes: list[str] = []
    for job in jobs:
        report = check(job, timeout)
        notes += report.notes
        for udf in report.udfs:
            verdict = Verdict(udf.compiled, udf.verdict, f"{udf.file}:{udf.line}")
            if udf.name not in found or not verdict.compiled:
                found[udf.name] = verdict
    return found, notes
