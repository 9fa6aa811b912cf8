"""Represents a profile, and writes it as text, as HTML for notebooks, and as a dict."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from sparkweld.profiling.advice import Advice
from sparkweld.profiling.measuring import Measured, Times
from sparkweld.report.applications import Application, Query, of_event
from sparkweld.report.pages import WHERE, table
from sparkweld.report.summary import FunctionTotal, summarize

_TIMES = "Runs", "Without SparkWeld", "With SparkWeld", "Ratio"
_FUNCTIONS = "Function", "Where", "Rows", "Kernel ns a row", "Python s", "Python s without SparkWeld", "Reasons"
_STYLE = """
.sparkweld td { text-align: left; vertical-align: top; } .sparkweld td.n { text-align: right; white-space: nowrap; }
.sparkweld pre { background: #8881; padding: .5em; overflow-x: auto; } .sparkweld ins { color: #1a7f37; text-decoration: none; }
.sparkweld del { color: #cf222e; text-decoration: none; }
"""
_CACHED = "The query reads a cached table, and the functions that filled it did not run: unpersist it to profile them."
_PROOF = "With this change, the query ran in a kernel and had the same rows on this data:"


@dataclass(frozen=True, repr=False)
class Profile:
    """What `sparkweld.profile` found out about a query. ``print`` it, show it in a notebook, or call `as_dict`."""

    measured: Measured
    advice: tuple[Advice, ...]

    def as_dict(self) -> dict[str, Any]:
        """Returns the profile as plain data.

        - ``times``: the seconds ``off`` and ``on`` of the runs ``first`` and ``repeated``; the latter is None where time ran out.
        - ``rows``: the ``outcome`` of the comparison ("equal", "equal to nine digits", "different" or "not comparable"), the
          number of ``rows``, and ``text``. ``columns`` differ, and ``skipped`` were not compared.
        - ``functions``: one entry for each function and place, as in `python -m sparkweld report`, and ``python_seconds_off``.
        - ``advice``: each reason with ``code``, ``hint``, ``place`` and ``line``; ``diff`` has the lines of a unified diff.
        - ``entries``: those of ``sparkweld.explain(df, format="dict")``.
        - ``notes``: strings.
        """
        measured = self.measured
        repeated = None if measured.repeated is None else {**asdict(measured.repeated), "pairs": measured.pairs}
        return {
            "times": {"first": asdict(measured.first), "repeated": repeated},
            "rows": asdict(measured.comparison),
            "functions": [{**asdict(one), "python_seconds_off": self._python_off(one)} for one in self._functions()],
            "advice": [asdict(one) for one in self.advice],
            "entries": measured.explanation["entries"],
            "notes": self._notes(),
        }

    def __str__(self) -> str:
        lines = [f"rows: {self.measured.comparison.outcome}. {self.measured.comparison.text}", ""]
        lines += _aligned([_TIMES, *self._times()])
        if functions := self._rows():
            lines += ["", *_aligned([_FUNCTIONS, *functions])]
        for one in self.advice:
            where = f" at {one.place}" if one.place else ""
            lines += ["", f"{one.function}: {one.code} {one.title}: {one.message}{where}"]
            lines += [f"    {one.line}"] if one.line else []
            lines += [f"  {_PROOF}", *(f"    {line}" for line in one.diff)] if one.diff else [f"  {one.hint}"]
        return "\n".join([*lines, *(f"note: {note}" for note in self._notes())])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        """Returns the profile as HTML, for notebooks. Every name and message is escaped."""
        comparison = self.measured.comparison
        head = f"<p><strong>Rows: {escape(comparison.outcome)}.</strong> {escape(comparison.text)}</p>"
        advice = "".join(_advice(one) for one in self.advice)
        notes = "".join(f"<p>{escape(note)}</p>" for note in self._notes())
        return (
            f'<div class="sparkweld"><style>{_STYLE}</style>{head}{table("Times", _TIMES, self._times())}'
            f"{table('Functions', _FUNCTIONS, self._rows())}{'<h2>What would help</h2>' if advice else ''}{advice}{notes}</div>"
        )

    def _functions(self) -> tuple[FunctionTotal, ...]:
        runs = tuple(map(of_event, self.measured.on))
        query = Query(0, "", 0, int(1000 * self.measured.first.on), False, runs)
        return summarize(Application("", "", "", True, (query,)), {}).functions

    def _python_off(self, total: FunctionTotal) -> float | None:
        """Returns the seconds that the same functions took in Python without kernels; None where Spark did not measure them."""
        millis = [run["pythonMillis"] for run in self.measured.off if ", ".join(run["functions"]) == total.function]
        return sum(millis) / 1e3 if any(millis) else None

    def _times(self) -> list[tuple[str, str, str, str]]:
        made = [("first, with the comparison of rows", *_seconds(self.measured.first))]
        if self.measured.repeated is not None:
            made.append((f"shortest of {self.measured.pairs} more", *_seconds(self.measured.repeated)))
        return made

    def _rows(self) -> list[tuple[str | int | float, ...]]:
        return [
            (one.function, WHERE.get(one.where, one.where), one.rows if one.where != "spark" else "",
             round(1e9 * one.kernel_seconds / one.rows, 1) if one.rows and one.kernel_seconds else "",
             round(one.python_seconds, 3) if one.python_seconds else "",
             "not measured" if (off := self._python_off(one)) is None else round(off, 3), ", ".join(one.codes))
            for one in self._functions()
        ]  # fmt: skip

    def _notes(self) -> list[str]:
        notes = []
        if self.measured.facts.cached:
            notes.append(_CACHED)
        if not self.measured.on and not self.measured.explanation["entries"]:
            notes.append("The query has no Python function and no model that SparkWeld runs.")
        for one in self._functions():
            if one.python_batches:
                counts = f"{one.python_batches:,} of {one.batches:,} batches"
                notes.append(f"{one.function}: {counts} ran in Python, as some of their rows require.")
        return notes


def _seconds(times: Times) -> tuple[str, str, str]:
    return f"{times.off:.2f} s", f"{times.on:.2f} s", f"{times.off / max(times.on, 1e-3):.1f}x"


def _aligned(rows: list[Any]) -> list[str]:
    """Returns the lines of a table for a terminal."""
    shown = [[f"{cell:,}" if isinstance(cell, int | float) else str(cell) for cell in row] for row in rows]
    kept = [at for at in range(len(shown[0])) if any(row[at] for row in shown[1:])]
    widths = {at: max(len(row[at]) for row in shown) for at in kept}
    return ["  ".join(row[at].ljust(widths[at]) for at in kept).rstrip() for row in shown]


def _advice(one: Advice) -> str:
    where = f" <em>at {escape(one.place)}</em>" if one.place else ""
    line = f"<pre>{escape(one.line)}</pre>" if one.line and not one.diff else ""
    diff = "\n".join(map(_diff_line, one.diff))
    hint = f"<p>{escape(_PROOF)}</p><pre>{diff}</pre>" if one.diff else f"<p>{escape(one.hint)}</p>"
    return f"<p><code>{escape(one.function)}</code>: {one.code} {escape(one.title)}: {escape(one.message)}{where}</p>{line}{hint}"


def _diff_line(line: str) -> str:
    tag = {"+": "ins", "-": "del"}.get(line[:1])
    return escape(line) if tag is None else f"<{tag}>{escape(line)}</{tag}>"
