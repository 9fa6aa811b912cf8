"""Adds up the queries of an application: its functions and the reasons why they ran in Python, the most expensive first."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from sparkweld.report.applications import Application, Query, Run


@dataclass(frozen=True)
class Verdict:
    """What lint says of a function: whether it would be compiled, in words, and where it is."""

    compiled: bool
    text: str
    place: str


@dataclass(frozen=True)
class FunctionTotal:
    """A function, or functions that ran together, in one place ("kernel", "pipeline", "python", "spark"), over all queries.

    `kinds`: such as "pandas UDF"; without the plugin the names of Spark's nodes. `basis`: "stage" where Spark measured only the
    time of a function's whole stage. `verdict`: of lint, for job files that were passed.
    """

    function: str
    kinds: tuple[str, ...]
    where: str
    queries: int
    rows: int
    kernel_seconds: float
    python_seconds: float
    load_seconds: float
    batches: int
    python_batches: int
    guarded_rows: int
    basis: str
    approximate: tuple[str, ...]
    codes: tuple[str, ...]
    verdict: Verdict | None


@dataclass(frozen=True)
class RefusalTotal:
    """A reason with the functions it kept in Python, and the time that these took there."""

    code: str
    title: str
    message: str
    hint: str
    place: str
    functions: tuple[str, ...]
    queries: int
    python_seconds: float


@dataclass(frozen=True)
class Summary:
    """The report on an application. `native_share`: of the functions' time, None if nothing was measured.

    `is_measured`: Spark measured the time of all functions in Python. It does not where a limit or a failure ends a task early.
    `would_be_native`: the share of the time in Python that lint says would be native; None without job files.
    """

    application: Application
    kernel_seconds: float
    python_seconds: float
    native_share: float | None
    would_be_native: float | None
    is_measured: bool
    functions: tuple[FunctionTotal, ...]
    refusals: tuple[RefusalTotal, ...]
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> str:
        """Returns the summary as JSON."""
        return json.dumps(asdict(self), indent=2)


def summarize(application: Application, verdicts: Mapping[str, Verdict], notes: Iterable[str] = ()) -> Summary:
    """Adds up an application's queries. `verdicts`: of lint, by the name of the function."""
    groups: dict[tuple[str, str], list[tuple[Query, Run]]] = {}
    refusals: dict[tuple[str, str, str, str, str], list[tuple[Query, Run]]] = {}
    for query in application.queries:
        for run in query.runs:
            groups.setdefault((", ".join(run.functions), run.where), []).append((query, run))
            for reason in run.refusals:
                key = (reason["code"], reason["title"], reason["message"], reason["hint"], reason["place"])
                refusals.setdefault(key, []).append((query, run))
    functions = sorted(
        (_function(name, where, of, verdicts) for (name, where), of in groups.items()),
        key=lambda total: (-total.kernel_seconds - total.python_seconds, total.function),
    )
    reasons = sorted((_refusal(key, of) for key, of in refusals.items()), key=lambda total: (-total.python_seconds, total.code))
    kernel, python = (sum(getattr(total, name) for total in functions) for name in ("kernel_seconds", "python_seconds"))
    compiled = sum(total.python_seconds for total in functions if total.verdict is not None and total.verdict.compiled)
    return Summary(
        application, kernel, python, kernel / (kernel + python) if kernel + python else None,
        compiled / python if verdicts and python else None,
        all(total.where != "python" or total.python_seconds > 0 for total in functions),
        tuple(functions), tuple(reasons), tuple(notes),
    )  # fmt: skip


def _function(name: str, where: str, of: list[tuple[Query, Run]], verdicts: Mapping[str, Verdict]) -> FunctionTotal:
    def total(field: str) -> int:
        return sum(getattr(run, field) for _, run in of)

    runs = [run for _, run in of]
    found = [verdicts[function] for function in dict.fromkeys(f for run in runs for f in run.functions) if function in verdicts]
    worst = min(found, key=lambda verdict: verdict.compiled, default=None)
    every = {function for run in runs for function in run.functions} <= verdicts.keys()
    return FunctionTotal(
        name, tuple(dict.fromkeys(kind for run in runs for kind in run.kinds)), where, len({query.id for query, _ in of}),
        total("rows"), total("kernel_nanos") / 1e9, total("python_millis") / 1e3,
        total("load_millis") / 1e3, total("batches"), total("python_batches"), total("guarded_rows"),
        "stage" if any(run.basis == "stage" for run in runs) else "worker",
        tuple(dict.fromkeys(kept for run in runs for kept in run.approximate)),
        tuple(dict.fromkeys(reason["code"] for run in runs for reason in run.refusals)),
        worst if every or (worst is not None and not worst.compiled) else None,
    )  # fmt: skip


def _refusal(key: tuple[str, str, str, str, str], of: list[tuple[Query, Run]]) -> RefusalTotal:
    functions = tuple(dict.fromkeys(", ".join(run.functions) for _, run in of))
    return RefusalTotal(*key, functions, len({query.id for query, _ in of}), sum(run.python_millis for _, run in of) / 1e3)
