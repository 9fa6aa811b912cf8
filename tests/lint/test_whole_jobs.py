"""Lints folders of whole jobs: UDFs that an import does not reach, missing packages, notebooks, and what Spark's plan refuses."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from sparkweld.cli import main
from sparkweld.lint import Report, Udf, check
from tests.helpers.lines import LINE, differs_before

NESTED = """
    import argparse
    import hashlib
    import random
    import sys

    import pandas as pd
    from pyspark.sql import SparkSession, functions as F
    from pyspark.sql.functions import pandas_udf, udf as make
    from pyspark.sql.types import IntegerType, StringType, StructField, StructType

    def with_bucket(df, n):
        def __digest(text):
            return int(hashlib.md5(text.encode()).hexdigest(), 16)
        return df.withColumn("bucket", make(lambda x: __digest(x) % n)(df.key))

    def with_total(df, args):
        schema = StructType([StructField("net", IntegerType())])
        return df.withColumn("net", make(lambda x: (x - args.rebate,), schema)("price"))

    def with_owner(df, found):
        known = found[0][0]
        return df.filter(F.udf(lambda x: x in known, "boolean")("owner"))

    class Job:
        def __init__(self, spark):
            self.spark = spark

        def clean(self, text):
            return text.strip() if text else None

        def run(self):
            clean = F.udf(self.clean, StringType())
            @pandas_udf("double")
            def ranked(s):
                return s.rank()
            return self.spark.table("t").select(clean("a"), ranked("b"))

    def register(spark):
        spark.udf.register("half", lambda x: x / 2, "double")

    if __name__ == "__main__":
        FACTOR = 3
        scaled = make(lambda x: x * FACTOR, "long")
        @make("string")
        def town(country):
            return random.choice(["a", "b"])
        Job(SparkSession.builder.getOrCreate()).run()
"""

REFUSED = """
    import pandas as pd
    from pyspark.sql import SparkSession, Window, functions as F

    spark = SparkSession.builder.getOrCreate()
    frame = spark.table("t")

    later = F.udf(lambda x: x + 1, "long").asNondeterministic()

    @F.pandas_udf("double")
    def spread(v: pd.Series) -> float:
        return v.median()

    def same(batches):
        yield from batches

    def pinned(batches):
        for pdf in batches:
            yield pdf[["x"]]

    def joined(left, right):
        return left

    def normalized(pdf):
        return pdf.assign(v=pdf.v - pdf.v.mean())

    def counted(key, batches, state):
        yield pd.DataFrame({"n": [1]})

    @F.udtf(returnType="word: string")
    class Words:
        def eval(self, text):
            yield text,

    frame.select(spread("x").over(Window.partitionBy("g")))
    frame.mapInPandas(pinned, "x double", barrier=True)
    frame.groupBy("g").cogroup(frame.groupBy("g")).applyInPandas(joined, "g long")
    frame.groupBy("g").applyInPandas(normalized, "g long, v double")
    frame.groupBy("g").applyInPandasWithState(counted, "n long", "n long", "append", "NoTimeout")
"""

WITHOUT_MACHINE = """
    import argparse
    import os
    import socket

    import joblib
    import no_such_package.parts as parts
    from no_such_package.names import *
    from pyspark.sql import SparkSession, functions as F

    try:
        import no_such_speedup
    except ImportError:
        no_such_speedup = None

    parser = argparse.ArgumentParser()
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--day", required=True)
    args = parser.parse_args()
    assert no_such_speedup is None
    spark = SparkSession.builder.getOrCreate()
    PATH = os.environ["NO_SUCH_VARIABLE"]
    open("ran", "w").close()
    model = joblib.load(PATH)

    @F.udf("double")
    def euros(x):
        return x * args.rate

    @F.udf("string")
    def on_day(x):
        return args.day + x

    @F.udf("boolean")
    def inside(x) -> Geometry:
        return parts.Shape(x).contains(CENTRE)

    @F.udf("long")
    def scored(x):
        return int(model.predict([[x]])[0])

    spark.table("t").mapInPandas(lambda batches: batches, "x double")
"""

SHARED = """
    import os
    HOST = os.environ["NO_SUCH_VARIABLE"]
    def initials(name):
        return "".join(part[0] for part in name.split()) if name else ""
"""

RELATIVE = """
    from pyspark.sql import functions as F
    from .shared import HOST, initials
    from . import shared
    short = F.udf(initials, "string")
    @F.udf("string")
    def host(x):
        return x + HOST
"""

EXPORTED = """\
# Databricks notebook source
# MAGIC %md
# MAGIC # A notebook

# COMMAND ----------

# MAGIC %run ./settings

# COMMAND ----------

dbutils.widgets.text("day", "")
password = dbutils.secrets.get(scope="jdbc", key="password")
frame = spark.read.parquet(base_path + dbutils.widgets.get("day"))
display(frame)

# COMMAND ----------

from pyspark.sql.functions import *

@udf("string")
def size(x):
    return "large" if x > 1000 else "small"
"""

CELLS = [
    ("markdown", "# A notebook"),
    ("code", "%pip install -q something\nfrom pyspark.sql import functions as F\nimport numpy as np\nimport pandas as pd\n"),
    ("code", "%%sql\nselect 1"),
    ("code", "files = !ls\nframe = spark.table('t')\nframe?\nif files:\n    %matplotlib inline\n"),
    ("code", "text = '''\n%none\n'''\n\n@F.pandas_udf('double')\ndef root(s):\n    return np.where(s > 0, s, 0)\n"),
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Returns a folder of jobs, in which a file without UDFs must not run."""
    made = tmp_path_factory.mktemp("jobs")
    files = {"nested": NESTED, "refused": REFUSED, "machine": WITHOUT_MACHINE, "shop/shared": SHARED, "shop/job": RELATIVE}
    for name, text in files.items():
        made.joinpath(f"{name}.py").parent.mkdir(exist_ok=True)
        made.joinpath(f"{name}.py").write_text(textwrap.dedent(text))
    made.joinpath("exported.py").write_text(EXPORTED)
    made.joinpath("setup.py").write_text("open('set_up', 'w').close()\n")
    made.joinpath("old.py").write_text("print 'Python 2'\n")
    made.joinpath(".hidden").mkdir()
    made.joinpath(".hidden/job.py").write_text("def f(:")
    cells = [{"cell_type": kind, "source": text.splitlines(True)} for kind, text in CELLS]
    made.joinpath("cells.ipynb").write_text(json.dumps({"cells": cells}))
    return made


@pytest.fixture(scope="module")
def report(folder) -> Report:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return check(".")


def of(report: Report, file: str) -> dict[str, Udf]:
    return {f"{udf.name}:{udf.line}" if udf.name == "<lambda>" else udf.name: udf for udf in report.udfs if udf.file == file}


def codes(udf: Udf) -> list[str]:
    return [finding.code for finding in udf.findings]


def test_functions_inside_functions_are_compiled_from_their_code(report):
    found = {name: udf.verdict for name, udf in of(report, "nested.py").items()}
    first = NESTED.splitlines().index
    line = next(at for at, text in enumerate(NESTED.splitlines(), 1) if "__digest(x)" in text)
    bucket, total, owner = (found[f"<lambda>:{line + at}"] for at in (0, 4, 8))
    assert bucket.startswith("compiled for (string)") and bucket.endswith(", if n is an int")
    type = "long" if LINE >= (4, 2) else "double"  # a pickled int is NULL in a column of doubles
    assert total.startswith(f"compiled for ({type})") and total.endswith(", if args.rebate is an int")
    assert owner.startswith("compiled for") and owner.endswith("if known is a list of strings")
    assert found["clean"].startswith("compiled for (string)")
    assert "compiled for" in found[f"<lambda>:{first('    def register(spark):') + 2}"]
    assert found[f"<lambda>:{first('        FACTOR = 3') + 2}"].startswith("compiled for")


def test_faults_of_functions_inside_functions_are_found(report):
    found = of(report, "nested.py")
    assert found["ranked"].row_local is False and codes(found["ranked"]) == ["SW250"]
    assert codes(found["town"]) == ["SW704"] and "it calls random.choice" in found["town"].findings[0].message
    assert found["town"].verdict.startswith("not compiled (")


@differs_before((4, 2), "SW114 refuses functions of groups")
def test_what_the_plan_refuses_is_not_called_compiled(report):
    found = of(report, "refused.py")
    verdicts = {name: udf.verdict for name, udf in found.items()}
    assert [verdict for verdict in verdicts.values() if verdict.startswith("compiled")] == [verdicts["normalized"]]
    reasons = {name: udf.findings[-1].code for name, udf in found.items() if udf.findings}
    later = next(name for name in found if name.startswith("<lambda>"))
    assert reasons == {
        later: "SW302", "spread": "SW382", "pinned": "SW367", "joined": "SW301", "counted": "SW301", "Words": "SW309",
    }  # fmt: skip
    assert verdicts["spread"].startswith("not compiled over its window (SW382") and "in agg(): compiled" in verdicts["spread"]
    assert "struct<g: long, v: double>" in verdicts["normalized"] and found["normalized"].row_local is None
    assert report.warnings == 3, "in nested.py and cells.ipynb"


def test_a_job_without_its_packages_arguments_and_files_is_examined(report, folder):
    found = of(report, "machine.py")
    assert found["euros"].verdict.startswith("compiled for (double)")
    assert found["on_day"].verdict.startswith("compiled for (string)") and "if args.day is a str" in found["on_day"].verdict
    assert found["inside"].verdict == "only read (it uses no_such_package, not installed here)"
    assert found["scored"].verdict == "only read (only the running job knows model)"
    assert any(udf.kind == "mapInPandas" for udf in found.values())
    notes = [note for note in report.notes if note.startswith("machine.py")]
    assert notes[0] == "machine.py: not installed here, and replaced by stubs: no_such_package"
    assert "raised KeyError" in notes[1] and "('NO_SUCH_VARIABLE'); after that, only definitions were run" in notes[1]
    assert not folder.joinpath("ran").exists()


def test_relative_imports_of_modules_that_raise(report):
    assert of(report, "shop/shared.py")["initials"].verdict.startswith("compiled for (string)")
    assert ", if HOST is a" in of(report, "shop/job.py")["host"].verdict


def test_notebooks(report):
    assert of(report, "exported.py")["size"].verdict.startswith("compiled for")
    root = of(report, "cells.ipynb")["root"]
    assert (root.cell, root.line, codes(root), root.findings[0].line) == (5, 5, ["SW105"], 5)
    assert root.findings[0].diff == ("-    return np.where(s > 0, s, 0)", "+    return pd.Series(np.where(s > 0, s, 0))")
    assert "cells.ipynb:cell 5:5: root (pandas_udf)" in report.to_text()
    assert not any(note.startswith(("exported.py", "cells.ipynb")) for note in report.notes)


def test_files_without_udfs_do_not_run_and_bad_files_are_noted(report, folder):
    assert not folder.joinpath("set_up").exists()
    assert [note for note in report.notes if "old.py" in note and "not valid Python" in note]
    assert not any("hidden" in text for text in (*report.notes, *(udf.file for udf in report.udfs)))


def test_sarif_has_what_its_schema_requires(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main.main(["lint", "--sarif", "--no-import", "nested.py", "cells.ipynb"]) == 1
    log = json.loads(capsys.readouterr().out)
    assert log["version"] == "2.1.0" and log["$schema"].endswith("sarif-schema-2.1.0.json") and len(log["runs"]) == 1
    run = log["runs"][0]
    driver = run["tool"]["driver"]
    assert driver["name"] == "sparkweld lint"
    rules = [rule["id"] for rule in driver["rules"]]
    assert len(rules) == len(set(rules)) and all(rule["shortDescription"]["text"] for rule in driver["rules"])
    assert {result["ruleId"] for result in run["results"]} == set(rules) == {"SW105", "SW250", "SW704"}
    for result in run["results"]:
        assert result["level"] in ("none", "note", "warning", "error") and result["message"]["text"]
        assert rules[result["ruleIndex"]] == result["ruleId"]
        (place,) = result["locations"]
        assert place["physicalLocation"]["artifactLocation"]["uri"] in ("nested.py", "cells.ipynb")
        if "region" in place["physicalLocation"]:
            assert place["physicalLocation"]["region"]["startLine"] >= 1
        assert all(name["name"] for name in place["logicalLocations"])
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is True
    assert all(note["message"]["text"] for note in invocation["toolExecutionNotifications"])


def test_the_network_is_closed(tmp_path):
    job = tmp_path / "secrets_job.py"
    job.write_text(
        "import socket\nfrom pyspark.sql.functions import udf\n"
        "TOKEN = socket.create_connection(('192.0.2.1', 443), timeout=30)\n@udf('long')\ndef f(x):\n    return x + 1\n"
    )
    report = check(str(job))
    assert "raised NetworkUsed at line 3" in report.notes[0] and report.udfs[0].verdict.startswith("compiled for")
