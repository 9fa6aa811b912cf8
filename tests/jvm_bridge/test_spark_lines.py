"""Checks that what differs between lines of Spark stays behind the bridge's interface to Spark."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from sparkweld.bridge import jar
from tests.helpers.class_files import unresolved
from tests.helpers.lines import LINE, PythonEvalType
from udf_compiler.process import spark_line

ROOT = Path(__file__).resolve().parents[2]
MAIN = ROOT / "jvm-bridge" / "src" / "main"
FOLDERS = sorted([*MAIN.glob("spark-*"), *MAIN.glob("scala-*")])
INTERFACE = (MAIN / "scala" / "io" / "sparkweld" / "spark", MAIN / "scala" / "org" / "apache" / "spark")
#: Names of Spark that some line from 3.5 to 4.3 lacks, or has with another signature.
DIFFERING = """
    ArgumentMetadata ArrowEvalPythonEvaluatorFactory BatchEvalPythonEvaluatorFactory BinaryView
    ColumnarArrowEvalPythonEvaluatorFactory ExtendedExplainGenerator IsValidUTF8 LocalTableScanExec MapInArrow MapInArrowExec
    MapInBatchEvaluatorFactory MapInPandasExec NumericEvalContext PYTHON_UDF_MAX_BYTES_PER_BATCH ProjectingInternalRow
    PythonException PythonMapInArrow PythonMapInArrowExec PythonSQLMetrics TRANSPILED_PYTHON_UDF TimestampNanosVal
    UnsafeRowUtils ViewVarCharVector arrowMaxBytesPerBatch arrowPySparkUDFColumnarInputEnabled classic evalContext getSqlConf
    injectPreOperatorOptimizationRule pythonWorkerLoggingEnabled
""".split()


def code(path: Path) -> str:
    """Returns a Scala source without its comments and strings."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r'"[^"\n]*"', '""', text)


def common() -> list[Path]:
    """Returns the sources that compile unchanged for every line, without the interface itself."""
    found = (MAIN / "scala").rglob("*.scala")
    return sorted(path for path in found if not any(path.is_relative_to(folder) for folder in INTERFACE))


def test_only_the_interface_names_what_differs_between_lines():
    differing = re.compile(rf"\b(?:{'|'.join(DIFFERING)})\b")
    found = [f"{path.relative_to(MAIN)}: {name}" for path in common() for name in sorted(set(differing.findall(code(path))))]
    assert len(common()) > 100 and FOLDERS, "no sources: have the folders moved?"
    assert not found, "use io.sparkweld.spark.CurrentSpark: " + ", ".join(found)


def test_only_the_interface_uses_private_members_of_spark():
    private = re.compile(r"org\.apache\.spark[\w.]*\.sparkweld\b")
    assert not [str(path.relative_to(MAIN)) for path in common() if private.search(code(path))]


def test_the_common_sources_see_the_methods_that_scala_212_lacks():
    """scala-2.12/io/sparkweld/package.scala adds them; a source in one clause, `package io.sparkweld.plan`, does not see it."""
    clause = re.compile(r"^package io\.sparkweld(?:\npackage \w+)?$", re.MULTILINE)
    assert not [str(path.relative_to(MAIN)) for path in common() if len(clause.findall(code(path))) != 1]


def test_common_sources_use_no_java_that_is_newer_than_java_8():
    names = r"HexFormat|ProcessHandle|delayedExecutor|Files\.(?:read|write)String|toHandle|getPackageName|Redirect\.DISCARD"
    newer = re.compile(rf"\b(?:{names})\b")
    assert not [f"{path.relative_to(MAIN)}: {name}" for path in common() for name in set(newer.findall(code(path)))]


def test_forwards_of_private_members_name_nothing_that_differs():
    differing = re.compile(rf"\b(?:{'|'.join(set(DIFFERING) - {'PythonException'})})\b")
    assert not [found for path in INTERFACE[1].rglob("*.scala") for found in differing.findall(code(path))]


@pytest.mark.parametrize("line", jar.LINES)
def test_every_line_has_the_public_names_once(builder, line):
    folders = [folder for folder in builder.source_folders(line) if folder in FOLDERS]
    text = "\n".join(code(path) for folder in folders for path in (folder / "io" / "sparkweld" / "spark").glob("*.scala"))
    names = re.findall(r"^(?:abstract class|trait|object) (\w+)", text, re.MULTILINE)
    classes = {"ConfiguredParquet", "ExplainProvider", "ForwardingColumnVector", "IntervalGetter", "NullPropagating", "Throwing"}
    assert {"BuiltFor", "CurrentSpark", *classes} <= set(names)
    assert len(names) == len(set(names))
    source = MAIN / f"spark-{line}" / "io" / "sparkweld" / "spark" / "CurrentSpark.scala"
    tested = str(line in jar.TESTED_LINES).lower()
    on_connect = ", testedOnConnect = false" * (line == "3.5")  # its PySpark has no Connect server to test with
    made = f'object BuiltFor extends SparkVersion("{line}", "{builder.scala_of(line)}", tested = {tested}{on_connect})'
    assert made in source.read_text()


@pytest.mark.nightly("test_every_line_has_the_public_names_once")
@pytest.mark.slow
@pytest.mark.parametrize("line", jar.LINES)
def test_a_jar_finds_all_of_spark_that_it_uses_in_the_first_release_of_its_line(builder, line):
    """A jar is compiled against the newest release. An older one may lack a method, or have it with another signature."""
    made, first = builder.build(line=line, quiet=True), builder.spark_jars.of_release(f"{line}.0")
    assert unresolved(made, sorted(first.glob("*.jar"))) == []


def test_make_runs_the_tests_of_every_line():
    made = subprocess.run(["make", "-pn", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"LINES := {' '.join(jar.LINES)}\n" in made.stdout


def test_the_compiler_knows_the_workers_of_every_line():
    assert all(spark_line.line_of(f"{line}.0").compared for line in jar.LINES)
    assert not spark_line.line_of("3.4.4").compared


@pytest.mark.parametrize(
    ("folder", "lines"),
    [
        ("4", ["4.0", "4.1", "4.2", "4.3", "4.10"]),
        ("4.1", ["4.1"]),
        ("4.1+", ["4.1", "4.2", "4.3", "4.10"]),
        ("3.5-4.1", ["3.5", "4.0", "4.1"]),
        ("4.0-4.2", ["4.0", "4.1", "4.2"]),
    ],
)
def test_the_name_of_a_folder_says_its_lines(builder, folder, lines):
    assert [line for line in ("3.5", "4.0", "4.1", "4.2", "4.3", "4.10", "5.0") if builder._covers(folder, line)] == lines + (
        ["5.0"] if folder.endswith("+") else []
    )


def test_every_folder_of_sources_belongs_to_a_line(builder):
    used = {folder for line in jar.LINES for folder in builder.source_folders(line)}
    assert set(FOLDERS) <= used


def test_eval_types_are_those_of_pyspark():
    names = dict(re.findall(r"val (\w+): Int = numbers\.(\w+)", code(INTERFACE[0] / "EvalTypes.scala")))
    numbers = json.loads((ROOT / "sparkweld" / "contract" / "constants.json").read_text(encoding="utf-8"))["evalTypes"]
    expected = {
        "Batched": "SQL_BATCHED_UDF", "ArrowBatched": "SQL_ARROW_BATCHED_UDF", "ScalarPandas": "SQL_SCALAR_PANDAS_UDF",
        "ScalarPandasIterator": "SQL_SCALAR_PANDAS_ITER_UDF", "MapPandas": "SQL_MAP_PANDAS_ITER_UDF",
        "GroupedMapPandas": "SQL_GROUPED_MAP_PANDAS_UDF", "GroupedAggPandas": "SQL_GROUPED_AGG_PANDAS_UDF",
        "MapArrow": "SQL_MAP_ARROW_ITER_UDF", "ScalarArrow": "SQL_SCALAR_ARROW_UDF",
        "ScalarArrowIterator": "SQL_SCALAR_ARROW_ITER_UDF",
    }  # fmt: skip
    if LINE < (4, 1):  # this Spark has no Arrow UDFs
        del expected["ScalarArrow"], expected["ScalarArrowIterator"], names["ScalarArrow"], names["ScalarArrowIterator"]
    assert {name: numbers[key] for name, key in names.items()} == {
        name: getattr(PythonEvalType, constant) for name, constant in expected.items()
    }
