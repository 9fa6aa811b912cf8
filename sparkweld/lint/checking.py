"""Builds the report of a target: the findings of the import, then those of reading the source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sparkweld.errors import UserError
from sparkweld.lint import importing, reading
from sparkweld.lint.findings import Answer, Report, Udf
from sparkweld.reasons import has


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
    seen = {(udf.name, udf.line) for udf in answer.udfs if source.is_file(udf.file)}
    udfs = [replace(udf, file=_shown(Path(udf.file or path))) for udf in answer.udfs]
    for read in reading.udfs(source):
        if (read.name, read.line) not in seen:
            found = tuple(reading.findings(source, read))
            local = False if any(has(f.code, "reads_other_rows") for f in found) else None
            udfs.append(Udf(read.name, read.kind, _shown(path), read.line, local, "only read, not imported", found))
    return Report(target, tuple(sorted(udfs, key=lambda udf: (udf.file, udf.line))), answer.notes)


def _shown(path: Path) -> str:
    """Returns the path relative to the working folder, where it is inside of it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
