"""Builds the report of a target: the findings of the import, then those of reading the source."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sparkweld.errors import UserError
from sparkweld.lint import importing, reading
from sparkweld.lint.findings import Answer, Finding, Found, Imported, Report, Udf
from sparkweld.reasons import has

_LINE = re.compile(r", line (\d+) of (.+)$")


def check(target: str, timeout: float = 120.0, run: bool = True) -> Report:
    """Reports on the UDFs of a file or module. `run`: imports it, in a child process; else only reads its source.

    Raises UserError when there is no such file or module, or it is not valid Python.
    """
    path = importing.source_file(target)
    try:
        source = reading.Source.of(path)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid Python: {error}") from None
    answer = importing.run(target, timeout) if run else Answer((), ())
    udfs = [_imported(source, entry) for entry in answer.udfs]
    seen = {(udf.name, udf.line) for udf in udfs if _same(udf.file, path)}
    for read in reading.udfs(source):
        if (read.name, read.line) not in seen:
            found = tuple(reading.findings(source, read))
            local = False if any(has(f.code, "reads_other_rows") for f in found) else None
            udfs.append(Udf(read.name, read.kind, _shown(path), read.line, local, "only read, not imported", found))
    return Report(target, tuple(sorted(udfs, key=lambda udf: (udf.file, udf.line))), answer.notes)


def _imported(source: reading.Source, entry: Imported) -> Udf:
    here = _same(entry.file, source.path)
    findings = tuple(_finding(source, entry, found, here) for found in entry.findings)
    file = _shown(Path(entry.file)) if entry.file else _shown(source.path)
    return Udf(entry.name, entry.kind, file, entry.line, entry.row_local, entry.verdict, findings)


def _finding(source: reading.Source, entry: Imported, found: Found, here: bool) -> Finding:
    place = _LINE.search(found.place)
    line = int(place.group(1)) if place and here and place.group(2) == source.path.name else entry.line
    diff: tuple[str, ...] = ()
    if has(found.code, "bare_array") and here:
        diff = reading.series_diff(source, reading.function_at(source, entry.line, entry.name))
    return Finding(found.severity, found.code, found.title, found.message, found.hint, line, diff)


def _same(file: str, path: Path) -> bool:
    return bool(file) and os.path.exists(file) and os.path.samefile(file, path)


def _shown(path: Path) -> str:
    """Returns the path relative to the working folder, where it is inside of it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
