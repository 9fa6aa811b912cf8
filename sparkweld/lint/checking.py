"""Builds the report of a target: the UDFs of a file, a module, a notebook, or all files of a folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from sparkweld.errors import UserError
from sparkweld.lint import importing
from sparkweld.lint.declarations import udfs as declarations
from sparkweld.lint.examining_source import only_read
from sparkweld.lint.findings import Finding, Report, Udf
from sparkweld.lint.sources import Source, files_of


def check(target: str, timeout: float = 120.0, run: bool = True) -> Report:
    """Reports on the UDFs of a file, module, notebook or folder. `run`: runs each file that declares a UDF, in a child process.

    Else it only reads the sources. Raises UserError when there is no such target, or a single file is not valid Python.
    """
    if not Path(target).is_dir():
        return _of_source(target, Source.of(importing.source_file(target)), timeout, run)
    folder = Path(target)
    reports = []
    for path in files_of(folder):
        try:
            source = Source.of(path)
        except UserError as error:
            reports.append(Report(str(path), (), (str(error),)))
            continue
        if any(declarations(source)):
            reports.append(_of_source(str(path), source, timeout, run, (folder,)))
    return Report(target, _sorted(udf for report in reports for udf in report.udfs), tuple(_notes(folder, reports)))


def _notes(folder: Path, reports: list[Report]) -> Iterable[str]:
    for report in reports:
        named = Path(report.target)
        here = str(named.relative_to(folder))
        for note in report.notes:
            own = note.removeprefix(named.name)
            yield note if str(named) in note else here + own if own != note else f"{here}: {note}"


def _of_source(target: str, source: Source, timeout: float, run: bool, folders: tuple[Path, ...] = ()) -> Report:
    notes: tuple[str, ...] = ()
    found: list[Udf] = []
    if run:
        answer = importing.run(target, timeout, folders)
        notes, found = answer.notes, [_placed(source, udf) for udf in answer.udfs]
    seen = {(udf.name, udf.line, udf.cell) for udf in found}
    for read in declarations(source):
        udf = _placed(source, only_read(source, read, "not run"))
        if (udf.name, udf.line, udf.cell) not in seen:
            found.append(udf)
    return Report(target, _sorted(found), notes)


def _placed(source: Source, udf: Udf) -> Udf:
    """Returns a UDF whose lines count in their cells, with the path that people use."""
    here = not udf.file or source.is_file(udf.file)
    file = _shown(source.path if here else Path(udf.file))
    if not here or not source.cells:
        return replace(udf, file=file)
    cell, line = source.cell_of(udf.line)

    def placed(finding: Finding) -> Finding:
        at, there = source.cell_of(finding.line or udf.line)
        return replace(finding, cell=at, line=there)

    return replace(udf, file=file, cell=cell, line=line, findings=tuple(map(placed, udf.findings)))


def _sorted(udfs: Iterable[Udf]) -> tuple[Udf, ...]:
    return tuple(sorted(dict.fromkeys(udfs), key=lambda udf: (udf.file, udf.cell, udf.line)))


def _shown(path: Path) -> str:
    """Returns the path relative to the working folder, where it is inside of it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
