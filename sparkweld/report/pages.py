"""Writes a summary as text for a terminal, and as one HTML page that needs no other file."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from sparkweld.report.summary import FunctionTotal, Summary

#: Place of a run -> its name for people.
WHERE = {"kernel": "kernel", "pipeline": "pipeline in Python", "python": "Python", "spark": "Spark's expressions"}
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1b1f24; }
table { border-collapse: collapse; width: 100%; } th, td { border: 1px solid #d0d7de; padding: .3rem .5rem; text-align: left;
vertical-align: top; overflow-wrap: break-word; } td.n { text-align: right; white-space: nowrap; } th { background: #f6f8fa; }
section { overflow-x: auto; } .bar { background: #d0d7de; height: 1rem; }
.bar span { display: block; height: 1rem; background: #1a7f37; }
"""


def to_text(summary: Summary, most: int = 20) -> str:
    """Returns the summary in lines: totals, functions, and reasons by their cost."""
    lines = [*_totals(summary), "", "functions, by time:"]
    lines += [f"  {_line(total)}" for total in summary.functions[:most]]
    if len(summary.functions) > most:
        lines.append(f"  and {len(summary.functions) - most} more")
    if summary.refusals:
        lines += ["", "what would help most:"]
        for reason in summary.refusals[:most]:
            where = f" at {reason.place}" if reason.place else ""
            functions = "; ".join(reason.functions)
            lines.append(f"  {reason.python_seconds:,.2f} s: {functions}: {reason.code} {reason.title}: {reason.message}{where}")
            lines += [f"      {reason.hint}"] if reason.hint else []
    return "\n".join([*lines, *(f"note: {note}" for note in summary.notes)])


def _totals(summary: Summary) -> list[str]:
    one = summary.application
    how = "with SparkWeld" if one.plugin else "without SparkWeld"
    lines = [
        f"{one.name} ({one.id}), Spark {one.spark}, {how}: {len(one.queries)} queries with Python functions",
        f"time in kernels {summary.kernel_seconds:,.2f} s, in Python {summary.python_seconds:,.2f} s",
    ]
    if one.plugin:
        lines.append(f"planning of these queries {sum(query.planning_millis for query in one.queries) / 1e3:,.2f} s")
    if one.plugin and summary.native_share is not None:
        most = "" if summary.is_measured else "at most "
        lines.append(f"{most}{100 * summary.native_share:.1f} % of the functions' time was native")
    if summary.would_be_native is not None:
        saved = summary.would_be_native * summary.python_seconds
        lines.append(
            f"functions that would be native took {100 * summary.would_be_native:.1f} % of the time in Python: at most "
            f"{saved:,.2f} s of task time can be saved"
        )
    if any(total.basis == "stage" for total in summary.functions):
        lines.append("Spark did not measure some functions: their time in Python is that of their stages, an upper bound")
    return lines


def _line(total: FunctionTotal) -> str:
    parts = [f"{total.function}: {WHERE.get(total.where, total.where)}", f"{total.queries} queries", f"{total.rows:,} rows"]
    if total.kernel_seconds:
        parts.append(f"{total.kernel_seconds:,.2f} s in kernels")
    if total.rows and total.kernel_seconds:
        parts.append(f"{1e9 * total.kernel_seconds / total.rows:,.1f} ns a row")
    if total.where == "python" and not total.python_seconds:
        parts.append("time not measured")
    if total.python_seconds:
        parts.append(f"{total.python_seconds:,.2f} s in Python")
    if total.python_batches:
        parts.append(f"{total.python_batches:,} of {total.batches:,} batches in Python")
    parts += [", ".join(total.codes)] if total.codes else []
    parts += [total.verdict.text] if total.verdict is not None else []
    return ", ".join(parts)


def to_html(summary: Summary) -> str:
    """Returns the page. Every name and message is escaped."""
    one = summary.application
    title = f"SparkWeld: {one.name}"
    share = summary.native_share if one.plugin else summary.would_be_native
    bar = ""
    if share is not None:
        label = "functions' time that was native" if one.plugin else "time in Python that would be native"
        bar = (
            f'<div class="bar" role="img" aria-label="{escape(label)}: {100 * share:.1f} %">'
            f'<span style="width: {100 * share:.1f}%"></span></div>'
        )
    functions = table(
        "Functions",
        ("Function", "Kind", "Where", "Queries", "Rows", "Kernel ns a row", "Kernel s", "Python s", "Python batches", "Reasons",
         "Lint"),
        [
            (t.function, ", ".join(t.kinds), WHERE.get(t.where, t.where), t.queries, t.rows,
             round(1e9 * t.kernel_seconds / t.rows, 1) if t.rows and t.kernel_seconds else "", round(t.kernel_seconds, 3),
             "not measured" if t.where == "python" and not t.python_seconds else round(t.python_seconds, 3), t.python_batches,
             ", ".join(t.codes), "" if t.verdict is None else t.verdict.text)
            for t in summary.functions
        ],
    )  # fmt: skip
    reasons = table(
        "What would help most", ("Python s", "Queries", "Functions", "Reason", "Place", "What to do"),
        [
            (round(r.python_seconds, 3), r.queries, "; ".join(r.functions), f"{r.code} {r.title}: {r.message}", r.place, r.hint)
            for r in summary.refusals
        ],
    )  # fmt: skip
    queries = table(
        "Queries", ("Query", "Description", "Seconds", "Status", "Functions"),
        [
            (q.id, q.description, round(q.millis / 1e3, 2), "failed" if q.failed else "succeeded",
             "; ".join(f"{', '.join(run.functions)}: {WHERE.get(run.where, run.where)}" for run in q.runs))
            for q in one.queries
        ],
    )  # fmt: skip
    head = "".join(f"<p>{escape(line)}</p>" for line in (*_totals(summary), *summary.notes))
    return document(title, f"{head}{bar}\n{functions}{reasons}{queries}", _STYLE)


def document(title: str, content: str, style: str) -> str:
    """Returns a page with a heading. `content` is HTML."""
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        f"<style>{style}</style></head>\n<body><main><h1>{escape(title)}</h1>{content}</main></body></html>\n"
    )


def table(title: str, heads: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Returns a heading and a table, whose cells are escaped; an empty string without rows."""
    if not rows:
        return ""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = "\n".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return (
        f'<h2>{escape(title)}</h2>\n<section tabindex="0" aria-label="{escape(title)}"><table><thead><tr>{head}</tr></thead>\n'
        f"<tbody>{body}</tbody></table></section>\n"
    )


def _cell(value: object) -> str:
    if isinstance(value, int | float):
        return f'<td class="n">{value:,}</td>'
    return f"<td>{escape(str(value))}</td>"
