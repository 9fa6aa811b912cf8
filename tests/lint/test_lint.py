"""Checks `python -m sparkweld lint`: faults of jobs with their lines, hints as diffs, exit codes, no Spark started."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from sparkweld.cli import main
from sparkweld.lint import Report, check
from sparkweld.lint.importing import run as import_target
from udf_compiler.frontends.tracing.lower import BY_VALUE

HEAD = """\
import random
import numpy as np
import pandas as pd
from pyspark.sql import SparkSession, functions as F
from pyspark.sql.functions import pandas_udf, udf, col

"""


@pytest.fixture
def lint(tmp_path, monkeypatch):
    """Writes a job and lints it; lines are counted from the first after the imports."""
    monkeypatch.chdir(tmp_path)

    def run(text: str, **options: bool) -> Report:
        Path("job.py").write_text(HEAD + textwrap.dedent(text), encoding="utf-8")
        return check("job.py", **options)

    return run


def faults(report: Report) -> list[tuple[str, str, int]]:
    """Returns (UDF, code, line after the head) of the warnings."""
    skip = HEAD.count("\n")
    return [(u.name, f.code, f.line - skip) for u in report.udfs for f in u.findings if f.severity == "warning"]


CLEAN = """
    @pandas_udf("double")
    def root(s: pd.Series) -> pd.Series:
        return np.sqrt(s.astype("float64"))
"""


def test_a_clean_job_has_no_warnings(lint):
    report = lint(CLEAN)
    (udf,) = report.udfs
    assert (udf.name, udf.kind, udf.file, udf.row_local, udf.findings) == ("root", "pandas_udf", "job.py", True, ())
    assert udf.verdict.startswith("compiled for (double)") and report.notes == () and report.warnings == 0


FAULTS = {
    "mean_of_the_batch": ("return s - s.mean()", "SW250"),
    "branch_on_a_column": ("return s if s > 1 else -s", "SW253"),
    "bare_array": ("return np.where(s > 1, s, 0)", "SW105"),
    "null_of_a_neighbour_that_raises": ("return s & 3", "SW701"),
    "null_of_a_neighbour_that_changes_a_value": ("return s.floordiv(s)", "SW701"),
    "literal_past_int32": ("return s + 3_000_000_000", "SW702"),
    "random_numbers": ("return s + np.random.rand()", "SW704"),
    "global_that_is_changed": ("global N; N = s; return s", "SW211"),
}


def test_faults_of_a_pandas_udf(lint):
    """One job declares them all, for each job is imported in a process of its own."""
    made = (f'@pandas_udf("double")\ndef {name}(s: pd.Series) -> pd.Series:\n    {body}\n' for name, (body, _) in FAULTS.items())
    report = lint("".join(made))
    expected = {name: code for name, (_, code) in FAULTS.items()}
    if BY_VALUE:  # the literal makes the column int64 and raises nowhere
        del expected["literal_past_int32"]
    assert {name: found for name, found, _ in faults(report)} == expected
    assert len(faults(report)) == len(expected), report.to_text()


def test_a_null_elsewhere_is_shown_with_a_row(lint):
    report = lint('@pandas_udf("long")\ndef f(s: pd.Series) -> pd.Series:\n    return s.floordiv(s)\n')
    (finding,) = report.udfs[0].findings
    assert finding.code == "SW701" and "for (0) it returns 0, and None when another row" in finding.message


def test_overflow_at_the_edge_is_a_remark(lint):
    report = lint('@pandas_udf("long")\ndef f(s: pd.Series) -> pd.Series:\n    return s + 1\n')
    assert faults(report) == [] and [f.severity for f in report.udfs[0].findings] == ["info"]


def test_the_inner_udf_of_a_chain(lint):
    text = """
        @pandas_udf("int")
        def half(s: pd.Series) -> pd.Series:
            return s.astype("float64") / 2

        @pandas_udf("double")
        def root(s: pd.Series) -> pd.Series:
            return np.sqrt(s.astype("float64"))

        spark = SparkSession.builder.getOrCreate()
        out = spark.read.parquet("x").withColumn("y", root(half(col("a"))) + 1).filter(F.col("y") > 2)
    """
    assert [(name, code) for name, code, _ in faults(lint(text))] == [("root", "SW703")]


def test_a_bare_array_gets_a_diff_that_mends_it(lint):
    report = lint("""
        @pandas_udf("long")
        def ä(s: pd.Series) -> pd.Series:
            return np.where(s > 10,
                            10, s)  # é
    """)
    (finding,) = report.udfs[0].findings
    assert finding.diff[-4:] == (
        "-    return np.where(s > 10,",
        "-                    10, s)  # é",
        "+    return pd.Series(np.where(s > 10,",
        "+                    10, s))  # é",
    )


def test_lines_are_those_of_the_fault(lint):
    assert faults(lint("""\
        @pandas_udf("double")
        def f(s: pd.Series) -> pd.Series:
            t = s * 2
            return t - t.mean()
    """)) == [("f", "SW250", 4)]


def test_declared_nondeterminism_is_no_fault(lint):
    report = lint('f = udf(lambda x: x + random.random(), "double").asNondeterministic()\n')
    assert faults(report) == [] and len(report.udfs) == 1


def test_all_ways_to_declare_are_seen(lint):
    report = lint("""
        import sparkweld
        spark = SparkSession.builder.getOrCreate()
        a = udf(lambda x: x, "long")
        b = F.pandas_udf(lambda s: s, returnType="double")
        @sparkweld.pandas_udf("double", exact=True)
        def c(s: pd.Series) -> pd.Series:
            return s * 2
        spark.udf.register("d", lambda x: x + 1, "long")
        def e(batches):
            for batch in batches:
                yield batch
        spark.table("t").mapInPandas(e, "id long, x double").write.parquet("o")
        spark.table("t").groupBy("g").applyInPandas(lambda g: g, "id long")
        @F.udf
        def h(x):
            return x
    """)
    kinds = ["udf", "pandas_udf", "pandas_udf", "udf", "mapInPandas", "applyInPandas", "udf"]
    found = [(u.name, u.kind) for u in report.udfs]
    assert sorted(found) == sorted(zip(["<lambda>", "<lambda>", "c", "<lambda>", "e", "<lambda>", "h"], kinds, strict=True))
    assert report.notes == ()


def test_code_that_the_import_does_not_reach_is_read(lint):
    text = """
        def main():
            @pandas_udf("double")
            def ranked(s: pd.Series) -> pd.Series:
                return s.rank()
            @pandas_udf("double")
            def mean(s: pd.Series) -> float:
                return s.mean()
        if __name__ == "__main__":
            main()
    """
    report = lint(text)
    assert [(u.name, u.row_local) for u in report.udfs] == [("ranked", False), ("mean", None)]
    assert [(name, code) for name, code, _ in faults(report)] == [("ranked", "SW250")]


def test_a_module_that_raises_is_read_to_its_end(lint):
    report = lint(textwrap.dedent(CLEAN) + "raise SystemExit(3)\n" + FAULT_AFTER)
    assert [(u.name, u.row_local) for u in report.udfs] == [("root", True), ("late", False)]
    assert len(report.notes) == 1 and "raised SystemExit at line 11" in report.notes[0], report.notes


FAULT_AFTER = '@pandas_udf("double")\ndef late(s: pd.Series) -> pd.Series:\n    return s.shift(1)\n'


def test_without_import_nothing_of_it_runs(lint, tmp_path):
    report = lint("open('ran', 'w').close()\n" + FAULT_AFTER, run=False)
    assert not (tmp_path / "ran").exists() and [code for _, code, _ in faults(report)] == ["SW250"]
    lint("open('ran', 'w').close()\n")
    assert (tmp_path / "ran").exists()


def test_spark_is_not_started(lint):
    report = lint("""
        from pyspark import SparkContext
        sc = SparkContext.getOrCreate()
        spark = SparkSession.builder.config("a", "b").getOrCreate()
        with open("out", "w") as file:
            file.write(f"{sc._jvm is not None} {type(spark).__module__}")
        total = 0
        for row in spark.sql("select 1").collect():
            total += row["x"]
        if spark.range(5).count() > 3:
            print("printed where it does no harm")
    """)
    assert report.notes == () and Path("out").read_text().endswith("sparkweld.lint.stubs")


def test_a_target_that_hangs_or_dies_is_only_read(tmp_path):
    slow = tmp_path / "slow.py"
    slow.write_text("import time\ntime.sleep(60)\n")
    assert "did not end within 2 s" in import_target(str(slow), 2.0).notes[0]
    dead = tmp_path / "dead.py"
    dead.write_text("import os\nos._exit(7)\n")
    assert "exit 7" in import_target(str(dead), 60.0).notes[0]


def test_exit_codes_and_output(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("clean.py").write_text(HEAD + textwrap.dedent(CLEAN))
    Path("faulty.py").write_text(HEAD + FAULT_AFTER)
    Path("broken.py").write_text("def f(:\n")
    assert main.main(["lint", "clean.py"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "clean.py: 1 UDF, 1 row-local, 1 compiled, 0 warnings"
    assert main.main(["lint", "--json", "faulty", "clean.py"]) == 1
    first = json.loads(capsys.readouterr().out.partition("\n}\n")[0] + "}")
    assert first["warnings"] == 1 and first["udfs"][0]["findings"][0]["code"] == "SW250"
    assert first["udfs"][0]["file"] == "faulty.py" and first["udfs"][0]["row_local"] is False
    for target in ("missing.py", "no.such.module", "broken.py", "json.decoder.nothing"):
        assert main.main(["lint", target]) == 2
        assert "sparkweld lint:" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main.main(["lint"])


def test_the_help_states_that_code_runs(capsys):
    with pytest.raises(SystemExit, match="0"):
        main.main(["lint", "--help"])
    assert "THE TARGET IS IMPORTED" in " ".join(capsys.readouterr().out.split())


def test_maps_are_tried_with_the_columns_that_they_name(lint):
    report = lint("""
        spark = SparkSession.builder.getOrCreate()
        def speeds(batches):
            for pdf in batches:
                yield pdf.assign(speed=pdf["distance"] / pdf.seconds)[["speed"]]
        def best(batches):
            for pdf in batches:
                yield pdf.sort_values("speed")[["speed"]]
        frame = spark.table("t")
        frame.mapInPandas(speeds, "speed double")
        frame.mapInPandas(best, schema="speed double")
        frame.mapInPandas(lambda batches: batches, schema=frame.schema)
    """)
    assert [(u.name, u.row_local) for u in report.udfs] == [("speeds", True), ("best", False), ("<lambda>", None)]
    assert [(name, code) for name, code, _ in faults(report)] == [("best", "SW250")]
    assert "only the running job knows its schema" in report.udfs[-1].verdict
