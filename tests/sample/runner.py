"""Runs cases of the sample in Spark with the plugin off and on, compares their rows, and summarizes the verdicts of `explain`."""

from __future__ import annotations

import math
import warnings
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from pyspark import cloudpickle

import sparkweld
from sparkweld.api.settings import changed
from sparkweld.reasons import reasons
from tests.corpus.queries import ULP
from tests.helpers.differential import ENABLED, measured, run
from tests.helpers.outcomes import Outcome, differences, token
from tests.sample.case import Case

MODULES = ("commerce", "health", "money", "wording", "vectorised", "grouped")
#: Kinds of entries of `explain` for functions that run outside of Python, and for those that run in it.
NATIVE, IN_PYTHON = {"compiled", "spark_expressions"}, {"in_python", "pipeline_in_python"}
#: Codes of functions that stay in Python because of another function.
FOLLOWING = {"SW304", "SW323"}
#: A slow machine compiles the largest functions for longer than a query waits by default.
_ON = {ENABLED: "true", "spark.sparkweld.compile.timeout": "60s"}


@dataclass(frozen=True)
class Result:
    """The outcome of a case: whether it runs natively, the code of the reason if not, and how its rows differ, if they do."""

    case: Case
    native: bool
    code: str = ""
    problems: tuple[str, ...] = ()


def cases() -> list[Case]:
    """Returns all cases. Their functions are pickled by value, as are those of a script or a notebook."""
    modules = [import_module(f"tests.sample.functions.{name}") for name in MODULES]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    return [case for module in modules for case in module.case]


def result(spark: Any, tables: Any, case: Case) -> Result:
    """Runs a case with the plugin off and on in a session that has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of functions that no one may tidy
        with changed(spark, _ON):
            explained = sparkweld.explain(case.build(spark, tables), format="dict")
        expected, _ = run(spark, lambda: case.build(spark, tables), {ENABLED: "false"})
        actual, executed = run(spark, lambda: case.build(spark, tables), _ON)
    kept = bool(measured(executed).kept)
    native, code = verdict(explained)
    return Result(case, native, code, tuple(compare(case, expected, actual, kept)))


def verdict(explained: dict[str, Any]) -> tuple[bool, str]:
    """Returns whether all functions of a query run natively, and the code of the first refusal if not."""
    entries = explained["entries"]
    kinds = {entry["kind"] for entry in entries}
    if kinds & NATIVE and not kinds & IN_PYTHON:
        return True, ""
    codes = [refusal["code"] for entry in entries for refusal in entry["refusals"]]
    return False, min(codes, key=lambda code: code in FOLLOWING, default="none")


def compare(case: Case, expected: Outcome, actual: Outcome, approximate: bool) -> list[str]:
    """Describes how the outcomes of a case differ, in any order of their rows.

    Floats are equal to the bit or, if `approximate`, to about 1e-9 of the value. Of a case that is not stable, only the numbers
    of rows are compared.
    """
    if case.raises != bool(expected.error):
        return [f"without the plugin: {expected.error or 'no error'}"]
    if not case.stable and not actual.error:
        return [] if expected.size == actual.size else [f"{expected.size} rows, and {actual.size} with the plugin"]
    return differences(_sorted(expected), _sorted(actual), ULP if approximate else 0)


def _sorted(outcome: Outcome) -> Outcome:
    """Sorts rows by their floats last, so that rows whose floats differ slightly have the same places."""

    def key(row: tuple[Any, ...]) -> tuple[list[str], list[float]]:
        floats = [value for value in row if isinstance(value, float)]
        others = [token(value) for value in row if not isinstance(value, float)]
        return others, [math.inf if math.isnan(value) else value for value in floats]

    return outcome if outcome.rows is None else Outcome(tuple(sorted(outcome.rows, key=key)))


def native_of(results: Iterable[Result]) -> str:
    """Returns a share such as "97 of 105 (92 %)"."""
    natives = [each.native for each in results]
    return f"{sum(natives)} of {len(natives)} ({round(100 * sum(natives) / len(natives))} %)" if natives else "0 of 0"


def report(results: list[Result]) -> str:
    """Returns the native functions by kind and overall, the cases with equal rows, and the reasons of the other cases."""
    possible = [each for each in results if each.case.in_principle]
    lines = [f"{'kind':<8} {'native':<18} of those that a compiler could run exactly"]
    for kind in dict.fromkeys(each.case.kind for each in results):
        mine, of_mine = ([each for each in some if each.case.kind == kind] for some in (results, possible))
        lines.append(f"{kind:<8} {native_of(mine):<18} {native_of(of_mine)}")
    lines.append(f"{'all':<8} {native_of(results):<18} {native_of(possible)}")
    stable = [each for each in results if each.case.stable]
    lines += ["", f"equal rows: {sum(not each.problems for each in stable)} of the {len(stable)} cases that are stable"]
    lines += ["", "reasons for the others (* a compiler could run it exactly)"]
    by_code: dict[str, list[str]] = defaultdict(list)
    for each in results:
        if not each.native:
            by_code[each.code].append(each.case.name + (" *" if each.case.in_principle else ""))
    for code, names in sorted(by_code.items(), key=lambda item: (-len(item[1]), item[0])):
        title = reasons()[code]["title"] if code in reasons() else "no reason"
        lines.append(f"{code} {len(names):>3}  {title}: {', '.join(names)}")
    lines += [f"DIFFERENT {each.case.name}: {problem}" for each in results for problem in each.problems[:3]]
    return "\n".join(lines)
