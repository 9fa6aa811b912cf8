"""Compares the bridge's codecs and rules, run in one JVM, with the results that tests/jvm/bridge.cases states."""

from __future__ import annotations

import os
import pathlib
import subprocess
import types
from collections.abc import Iterator

import pytest

from tests.helpers import class_archive
from tests.helpers.class_archive import JVM
from tests.helpers.lines import LINE, differs_before

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = ROOT / "tests" / "jvm" / "bridge.cases"
#: Packages that Spark opens; it analyzes and generates code in this JVM.
OPENED = ("java.lang", "java.lang.invoke", "java.nio", "java.util", "sun.nio.ch")


def read(text: str) -> Iterator[tuple[str, str]]:
    """Yields the lines of a table with their results: cases (`> KIND INPUT`), and other lines with no result."""
    line = None
    result: list[str] = []
    for each in text.splitlines():
        if not each.startswith(("> ", "#")) and each:
            result.append(each)
            continue
        if line is not None:
            yield line, "\n".join(result)
        line, result = each, []
    if line is not None:
        yield line, "\n".join(result)


def cases(text: str) -> dict[str, str]:
    found = [(line.removeprefix("> "), result) for line, result in read(text) if line.startswith("> ")]
    assert len(dict(found)) == len(found), "a case that is stated twice"
    return dict(found)


EXPECTED = cases(TABLE.read_text(encoding="utf-8"))
MARKS = {
    "sort SELECT x FROM t ORDER BY i, py_f(x), py_g(y) LIMIT 10": [
        differs_before((4, 3), "it orders the columns that it adds below a sort by name")
    ],
    "encode CAST(s AS date)": [differs_before((4, 0), "the cast has a time zone, which it does not use")],
    "bytes 00000004 'oops' 00000000": [differs_before((4, 1), "its Jackson says where the word ends, not where it begins")],
}


@pytest.fixture(scope="module")
def results(
    builder: types.ModuleType, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> dict[str, str]:
    """Returns the result of each case: all run in one JVM."""
    jar, tools, folder = builder.build(), builder.Toolchain.find(), tmp_path_factory.mktemp("cases")
    folders = [TABLE.parent, *builder.line_folders(tools.line, TABLE.parent)]
    sources = sorted(str(path) for each in folders for path in each.glob("*.scala"))
    builder.scalac(["-cp", str(jar), "-d", str(folder), *sources], tools, "the cases", [str(jar)])
    opens = [flag for package in OPENED for flag in ("--add-opens", f"java.base/{package}=ALL-UNNAMED")]
    loaded = class_archive.class_path(JVM, tools.jars)
    options = ["-Xmx1g", "-Duser.timezone=UTC", *opens, "-cp", f"{loaded}:{folder}:{jar}"]
    command = [tools.java, *options, "io.sparkweld.rules.BridgeCases", str(TABLE), str(jar)]
    settings = os.environ | {"SPARK_ANSI_SQL_MODE": "true"}  # the default from Spark 4.0 on
    ran = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=settings)
    assert ran.returncode == 0, ran.stderr[-4000:]
    made = cases(ran.stdout)
    if request.config.getoption("golden"):
        lines = [line for line, _ in read(TABLE.read_text(encoding="utf-8"))]
        rewritten = [f"{line}\n{made[line.removeprefix('> ')]}" if line.startswith("> ") else line for line in lines]
        TABLE.write_text("\n".join(rewritten) + "\n", encoding="utf-8")
    return made


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=MARKS.get(case, []), id=case.replace("::", ":")[:60]) for case in EXPECTED]
)
def test_case(results: dict[str, str], request: pytest.FixtureRequest, case: str) -> None:
    expected = cases(TABLE.read_text(encoding="utf-8")) if request.config.getoption("golden") else EXPECTED
    stated = expected[case] if LINE >= (4, 0) else expected[case].replace("MapInArrow", "PythonMapInArrow")
    assert results[case] == stated


def test_the_runner_agrees_on_generated_code(results: dict[str, str]) -> None:
    evaluated = [result for case, result in results.items() if case.startswith("evaluate ")]
    assert len(evaluated) >= 8 and not any("generated" in result for result in evaluated)
