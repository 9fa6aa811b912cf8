"""Formats reports of lint as SARIF 2.1.0, which services of code review display beside the lines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from sparkweld.lint.findings import WARNING, Finding, Report, Udf
from sparkweld.reasons import reasons

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def to_sarif(reports: Sequence[Report]) -> str:
    """Returns one log with one run for all reports; a remark has the level "note"."""
    found = [(udf, finding) for report in reports for udf in report.udfs for finding in udf.findings]
    codes = sorted({finding.code for _, finding in found})
    driver = {"name": "sparkweld lint", "version": version("sparkweld"), "rules": list(map(_rule, codes))}
    notes = [{"level": "note", "message": {"text": note}} for report in reports for note in report.notes]
    run = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": notes}],
        "columnKind": "unicodeCodePoints",
        "results": [_result(udf, finding, codes.index(finding.code)) for udf, finding in found],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(code: str) -> dict[str, Any]:
    entry = reasons()[code]
    return {
        "id": code,
        "shortDescription": {"text": f"{entry['title']}."},
        "fullDescription": {"text": entry["message"]},
        "help": {"text": entry["hint"] or entry["message"]},
        "properties": {"tags": [entry["category"]]},
    }


def _result(udf: Udf, finding: Finding, rule: int) -> dict[str, Any]:
    text = "\n".join(filter(None, (f"{udf.name}: {finding.message}", finding.hint, *finding.diff)))
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(udf.file)}}
    names = [{"name": udf.name, "kind": "function"}]
    if finding.cell:  # lines of a notebook's file are those of its JSON, which no reader knows
        names.append({"name": f"cell {finding.cell}, line {finding.line}", "kind": "module"})
    else:
        place["region"] = {"startLine": max(finding.line or udf.line, 1)}
    return {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": "warning" if finding.severity == WARNING else "note",
        "message": {"text": text},
        "locations": [{"physicalLocation": place, "logicalLocations": names}],
    }


def _uri(file: str) -> str:
    path = PurePath(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())

