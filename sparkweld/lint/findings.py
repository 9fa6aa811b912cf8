"""Holds lint's findings, and formats them for people and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

WARNING, INFO = "warning", "info"


@dataclass(frozen=True)
class Finding:
    """A fault of one UDF (`WARNING`: counts for the exit code) or a remark (`INFO`). `diff`: lines of a unified diff.

    `cell`: the number of the cell of a notebook in which `line` counts; 0 in other files.
    """

    severity: str
    code: str
    title: str
    message: str
    hint: str
    line: int
    diff: tuple[str, ...] = ()
    cell: int = 0


@dataclass(frozen=True)
class Udf:
    """A UDF of the target. `row_local`: None when it is not known. `verdict`: whether it would be compiled, or why not."""

    name: str
    kind: str
    file: str
    line: int
    row_local: bool | None
    verdict: str
    findings: tuple[Finding, ...] = ()
    cell: int = 0


    @property
    def compiled(self) -> bool:
        """Whether a kernel would run it."""
        return self.verdict.startswith("compiled for")


@dataclass(frozen=True)
class Answer:
    """What the importing process reports. `notes`: obstacles. The file of a function without code is the empty string."""

    udfs: tuple[Udf, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """All UDFs of one target, in order of place. `notes`: obstacles that prevented lint from examining all of it."""

    target: str
    udfs: tuple[Udf, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def warnings(self) -> int:
        return sum(finding.severity == WARNING for udf in self.udfs for finding in udf.findings)

    def to_json(self) -> str:
        return json.dumps({**asdict(self), "warnings": self.warnings}, indent=2)

    def to_text(self) -> str:
        """Formats one line for each UDF and each finding, as compilers print them, and a summary."""
        lines = []
        for udf in self.udfs:
            verdict = "; ".join(filter(None, (_LOCALITY[udf.row_local], udf.verdict)))
            lines.append(f"{_place(udf.file, udf.cell, udf.line)}: {udf.name} ({udf.kind}): {verdict}")
            for finding in udf.findings:
                place = _place(udf.file, finding.cell, finding.line or udf.line)
                lines.append(f"{place}: {finding.severity} {finding.code} {finding.title}: {finding.message}")
                lines += [f"    {text}" for text in (finding.hint, *finding.diff) if text]
        lines += [f"note: {note}" for note in self.notes]
        local, compiled = sum(udf.row_local is True for udf in self.udfs), sum(udf.compiled for udf in self.udfs)
        counts = f"{_count(len(self.udfs), 'UDF')}, {local} row-local, {compiled} compiled, {_count(self.warnings, 'warning')}"
        lines.append(f"{self.target}: {counts}")
        return "\n".join(lines)


_LOCALITY = {True: "row-local", False: "not row-local", None: ""}


def _place(file: str, cell: int, line: int) -> str:
    return f"{file}:cell {cell}:{line}" if cell else f"{file}:{line}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
