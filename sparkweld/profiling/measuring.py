"""Runs a query without and with kernels, times both, and compares their rows."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sparkweld.api.explain import TINY_ROWS, explain
from sparkweld.api.settings import changed
from sparkweld.bridge import profiled
from sparkweld.profiling.rows import (
    Comparable,
    Digest,
    closeness,
    closeness_query,
    comparable,
    digest,
    digest_query,
    is_close,
)

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ENABLED = "spark.sparkweld.enabled"
#: A run as Spark alone makes it, and a run whose planning waits for kernels, however small the query and busy the machine is.
OFF: Mapping[str, str] = {ENABLED: "false"}
ON: Mapping[str, str] = {ENABLED: "true", TINY_ROWS: "0", "spark.sparkweld.compile.timeout": "120s"}
_MOST_PAIRS = 3

EQUAL, CLOSE, DIFFERENT, NOT_COMPARABLE = "equal", "equal to nine digits", "different", "not comparable"


@dataclass(frozen=True)
class Times:
    """Seconds of a run without and of a run with kernels; `comparing`: both also computed the hashes of all rows."""

    off: float
    on: float
    comparing: bool


@dataclass(frozen=True)
class Comparison:
    """How the rows of both runs compare (EQUAL, CLOSE, DIFFERENT or NOT_COMPARABLE), with the reason in words.

    `skipped`: names of the columns that were not compared. `columns`: names of those that differ.
    """

    outcome: str
    rows: int
    text: str
    columns: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()


@dataclass(frozen=True)
class Measured:
    """What was measured of a query. `first`: the first run of each kind; `repeated`: later ones, alternately, None without.

    `off` and `on`: what the nodes of the two first runs did, as the event `SparkWeldQuery` has it. `digest`: of the rows of the
    run without kernels.
    """

    first: Times
    repeated: Times | None
    pairs: int
    off: list[dict[str, Any]]
    on: list[dict[str, Any]]
    comparison: Comparison
    explanation: dict[str, Any]
    facts: profiled.Facts
    digest: Digest


def measure(df: DataFrame, seconds: float) -> Measured:
    """Measures a query; `seconds`: about the longest time that repetitions may take after the first two runs."""
    spark, columns = df.sparkSession, comparable(df)
    with changed(spark, dict(OFF)):  # else the compiler would know the functions before the first run
        facts = profiled.facts(df.alias("profiled"))
    before, off_digest, off = _first(df, columns, OFF)
    after, on_digest, on = _first(df, columns, ON)
    with changed(spark, dict(ON)):
        # a DataFrame keeps the plan of its first use, which may be that without kernels
        explanation = explain(df.alias("profiled"), format="dict")
    approximate = [text for entry in explanation["entries"] for text in entry.get("approximate", ())]
    comparison = _compared(df, columns, facts, tuple(dict.fromkeys(approximate)), off_digest, on_digest)
    repeated, pairs = _repeated(df, before + after, seconds)
    first = Times(before, after, comparing=True)
    return Measured(first, repeated, pairs, off, on, comparison, explanation, facts, off_digest)


def _first(df: DataFrame, columns: Comparable, settings: Mapping[str, str]) -> tuple[float, Digest, list[dict[str, Any]]]:
    """Runs the query with the hashes of its rows: returns the seconds, the hashes, and what its nodes did."""
    with changed(df.sparkSession, dict(settings)):
        query = digest_query(df, columns)
        begin = time.perf_counter()
        runs = profiled.Runs(query)
        found = digest(query)
        return time.perf_counter() - begin, found, runs.after()


def rows_and_runs(df: DataFrame, kernels: bool) -> tuple[Digest, list[dict[str, Any]]]:
    """Runs the query once: returns the hashes of its rows, and what its nodes did."""
    _, found, runs = _first(df, comparable(df), ON if kernels else OFF)
    return found, runs


def _repeated(df: DataFrame, spent: float, seconds: float) -> tuple[Times | None, int]:
    """Returns the shortest times of alternate runs, and their number, as far as the time suffices."""
    best: Times | None = None
    end, pairs = time.perf_counter() + seconds, 0
    while pairs < _MOST_PAIRS and time.perf_counter() + spent < end:
        off, on = (_written(df, settings) for settings in (OFF, ON))
        best = Times(min(off, best.off), min(on, best.on), False) if best is not None else Times(off, on, comparing=False)
        spent, pairs = off + on, pairs + 1
    return best, pairs


def _written(df: DataFrame, settings: Mapping[str, str]) -> float:
    """Runs the query into Spark's sink that discards rows; returns the seconds, with planning."""
    with changed(df.sparkSession, dict(settings)):
        begin = time.perf_counter()
        unique = df if len(set(df.columns)) == len(df.columns) else df.toDF(*(f"c{at}" for at in range(len(df.columns))))
        unique.write.format("noop").mode("overwrite").save()
        return time.perf_counter() - begin


def _compared(
    df: DataFrame, columns: Comparable, facts: profiled.Facts, approximate: tuple[str, ...], off: Digest, on: Digest
) -> Comparison:
    def outcome(kind: str, text: str, named: tuple[str, ...] = ()) -> Comparison:
        skipped = f" Not compared: {', '.join(columns.others)}, of types without a hash." if columns.others else ""
        return Comparison(kind, off.rows, text + skipped, named, columns.others)

    if not columns.at:
        counts = f"The runs have {off.rows:,} and {on.rows:,} rows."
        return outcome(NOT_COMPARABLE, f"No column has a type that can be compared. {counts}")
    if off == on:
        return outcome(EQUAL, f"All {off.rows:,} rows are equal, in any order.")
    if why := _incomparable(df, columns, facts, off):
        return outcome(NOT_COMPARABLE, why)
    differing = columns.differing(off, on)
    names = tuple(columns.names[at] for at in differing)
    may_round = off.rows == on.rows and (bool(approximate) or facts.float_sums)
    if may_round and differing and set(differing) <= set(columns.floats) and _agree(df, columns, differing):
        known = f"approximate operations: {'; '.join(approximate)}"
        why = known if approximate else "sums that add in another order"
        return outcome(CLOSE, f"Other columns are equal. {', '.join(names)} agree to nine digits; they differ by {why}.", names)
    counts = f"{off.rows:,} rows without SparkWeld and {on.rows:,} with it; " if off.rows != on.rows else ""
    return outcome(
        DIFFERENT, f"The rows differ: {counts}columns {', '.join(names)}. Please report this query. "
        "Until then, run it with spark.sparkweld.enabled=false.", names,
    )  # fmt: skip


def _incomparable(df: DataFrame, columns: Comparable, facts: profiled.Facts, off: Digest) -> str:
    """Returns why different rows say nothing about kernels; an empty string if they do."""
    if not facts.deterministic:
        return "The query has nondeterministic expressions, such as rand(), so each run returns other rows."
    _, again, _ = _first(df, columns, OFF)
    if again != off:
        return "Two runs without SparkWeld return different rows as well: the query is not deterministic."
    if facts.ordered:
        return f"The rows depend on the order of others ({', '.join(facts.ordered)}), which each run may change."
    return ""


def _agree(df: DataFrame, columns: Comparable, differing: tuple[int, ...]) -> bool:
    found = []
    for settings in (OFF, ON):
        with changed(df.sparkSession, dict(settings)):
            found.append(closeness(closeness_query(df, columns, differing)))
    return is_close(*found)
