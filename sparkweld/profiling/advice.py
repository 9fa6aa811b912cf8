"""Collects the reasons of functions in Python, with diffs after which the query has had the same rows."""

from __future__ import annotations

import json
import linecache
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark import cloudpickle

from sparkweld.bridge import profiled
from sparkweld.errors import Refusal
from sparkweld.profiling.edits import Edited, edited
from sparkweld.profiling.measuring import Measured, rows_and_runs
from udf_compiler.function.environment import broadcasts
from udf_compiler.function.payload import Command, load_command

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_PLACE = re.compile(r"^(.+), line (\d+) of (.+)$")


@dataclass(frozen=True)
class Advice:
    """What to do about one reason for which a function ran in Python.

    `line`: the source at its place, if that is found. `diff`: a change of the function, which then ran in a kernel with the same
    rows on this data. It is empty where no such change is known.
    """

    function: str
    code: str
    title: str
    message: str
    hint: str
    place: str
    line: str = ""
    diff: tuple[str, ...] = ()


def advise(df: DataFrame, measured: Measured, seconds: float) -> tuple[Advice, ...]:
    """Returns advice on each reason. `seconds`: no changed query runs if the query took longer than this."""
    reasons = _reasons(measured.on)
    if not reasons:
        return ()
    held = {one.name: one for one in profiled.functions(df)}
    commands = {name: command for name, one in held.items() if (command := _loaded(one)) is not None}
    found: list[Advice] = []
    for name in dict.fromkeys(name for name, _ in reasons):
        own = [reason for of, reason in reasons if of == name]
        change = _proved(df, measured, held[name], commands[name], own, seconds) if name in commands else None
        for at, reason in enumerate(own):
            line = _line_of(reason["place"], [command.function for command in commands.values()])
            diff = change.diff if change is not None and at == 0 else ()
            found.append(
                Advice(name, reason["code"], reason["title"], reason["message"], reason["hint"], reason["place"], line, diff)
            )
    return tuple(found)


def _reasons(runs: Iterable[Mapping[str, Any]]) -> list[tuple[str, Mapping[str, str]]]:
    """Returns the reasons with the functions that they are about, each once: those of the place, if it names one."""
    found: dict[tuple[str, str, str, str], tuple[str, Mapping[str, str]]] = {}
    for run in runs:
        for reason in run["refusals"]:
            place = _PLACE.match(reason["place"])
            named = [name for name in run["functions"] if place and place[1] == name]
            for name in named or run["functions"]:
                found.setdefault((name, reason["code"], reason["message"], reason["place"]), (name, reason))
    return list(found.values())


def _loaded(function: profiled.Function) -> Command | None:
    """Returns the function of this session; None for one that cannot be unpickled here, or whose broadcast is encrypted."""
    try:
        with broadcasts(function.broadcasts):
            return load_command(function.command)
    except (Refusal, OSError):
        return None


def _proved(
    df: DataFrame, measured: Measured, held: profiled.Function, command: Command, reasons: list[Mapping[str, str]], seconds: float
) -> Edited | None:
    """Returns a change of the function, if the query then has the same rows and runs the function in a kernel."""
    kind = json.loads(held.type)
    change = edited(command.function, tuple(reason["code"] for reason in reasons), kind if isinstance(kind, str) else "")
    if change is None or not measured.facts.deterministic or measured.first.on > seconds:
        return None
    changed = profiled.replaced(df, held.command, cloudpickle.dumps((change.function, command.return_type)))
    try:
        digest, runs = rows_and_runs(changed, kernels=True)
    except Exception:  # noqa: BLE001 - the changed function may raise anything, and then is no advice
        return None
    where = {run["where"] for run in runs if held.name in run["functions"]}
    compared = len(measured.comparison.skipped) == 0
    return change if compared and digest == measured.digest and where and where <= {"kernel", "spark"} else None


def _line_of(place: str, functions: Iterable[Any]) -> str:
    """Returns the line of source at the place of a reason, if one of the query's functions is in that file."""
    if (found := _PLACE.match(place)) is None:
        return ""
    files = {function.__code__.co_filename for function in functions if hasattr(function, "__code__")}
    for file in files:
        if Path(file).name == found[3]:
            line = linecache.getline(file, int(found[2])).strip()
            return "" if line.startswith(("@", "def ")) else line  # a reason without a line of its own
    return ""
