"""Stores the loaded classes of a Spark JVM in a file, from which the JVMs of tests and of the demo map them.

Until the end of its first query, a JVM of Spark uses nine CPU seconds, five of them to load classes. It maps an archive only when
JVM and jars are those that wrote it and the class path begins with theirs. It loads classes from the jars otherwise. `make test`
and `make demo` run this module, which writes the archive into the virtual environment once.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Options of every JVM that a test starts, Spark's and others. None lives long enough for the optimising compiler and a
#: concurrent collector to pay, and Spark's generated classes fill the default sizes of code cache and metaspace.
JVM = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m -XX:+UseSerialGC -XX:MetaspaceSize=512m"

#: A session that loads what most tests load: UDFs of every kind, files, and the nodes of usual plans.
PROGRAM = """
import numpy as np, pandas as pd
from pyspark.sql import SparkSession, Window, functions as F
import sparkweld

builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").config("spark.sql.shuffle.partitions", "2")
builder = builder.config("spark.driver.host", "127.0.0.1").config("spark.sparkweld.compile.tinyRows", "0")
spark = sparkweld.configure(builder.config("spark.sql.warehouse.dir", FOLDER)).getOrCreate()
double = F.pandas_udf(lambda x: x * 2.0, "double")
plain = F.udf(lambda x: None if x is None else x + 1.0, "double")
arrow = F.udf(lambda x: None if x is None else x + 1.0, "double", useArrow=True)
text = F.pandas_udf(lambda s: s.str.upper(), "string")
@F.pandas_udf("double")
def mean(x: pd.Series) -> float:
    return float(x.mean())
table = spark.range(0, 2000, 1, 2).selectExpr("id", "id % 7 as k", "if(id % 9 = 0, null, sqrt(id)) as x", "string(id) as s",
                                              "array(id, k) as a", "timestamp_seconds(id) as t")
table.write.partitionBy("k").parquet(FOLDER + "/p")
for enabled in ("false", "true"):
    spark.conf.set("spark.sparkweld.enabled", enabled)
    for backend in ("auto", "native"):
        spark.conf.set("spark.sparkweld.backend", backend)
        read = spark.read.parquet(FOLDER + "/p")
        read.select("id", double("x").alias("y"), text("s"), "a", "t").where("y > 20 or y is null").orderBy("id").toPandas()
        read.select(plain("x"), arrow("x")).collect()
        read.groupBy("k").agg(mean("x")).toPandas()
        read.groupBy("k").agg(F.sum(double("x")), F.countDistinct("s")).collect()
        some = table.select("id", double("x").alias("z")).limit(50)
        read.join(some, "id").select("z", "k").union(read.select("x", "k")).collect()
        read.withColumn("n", F.row_number().over(Window.partitionBy("k").orderBy(double("x")))).where("n < 3").collect()
        read.cache().select(double("x").alias("y")).repartition(2).orderBy("y").limit(3).collect()
        read.unpersist()
        read.select("x").mapInPandas(lambda parts: parts, "x double").count()
        read.groupBy("k").applyInPandas(lambda part: part[["x"]], "x double").count()
        sparkweld.explain(read.select(double("x")))
        listed = spark.createDataFrame([(1, "a", [1.0])], "i int, s string, v array<double>")
        listed.selectExpr("i + 1", "upper(s)", "v[0]").show()
    from pyspark.ml import Pipeline
    from pyspark.ml.classification import LogisticRegression, RandomForestClassifier
    from pyspark.ml.feature import VectorAssembler
    data = table.na.fill(0.0).selectExpr("x", "id", "double(k > 3) as label")
    for learner in (LogisticRegression(maxIter=2), RandomForestClassifier(numTrees=2, maxDepth=2)):
        assemble = VectorAssembler(inputCols=["x", "id"], outputCol="features")
        Pipeline(stages=[assemble, learner]).fit(data).transform(data).select("prediction", "probability").collect()
with open(FOLDER + "/class_path", "w") as file:
    file.write(spark._jvm.java.lang.System.getProperty("java.class.path"))
spark.stop()
"""


def archive(jvm_options: str) -> Path:
    """Returns where the archive of this JDK, these options and this pyspark is, if it has been written."""
    spec = importlib.util.find_spec("pyspark")
    assert spec is not None and spec.origin is not None
    jars = Path(spec.origin).parent / "jars"
    home = os.environ.get("JAVA_HOME", "")
    release = Path(home, "release")
    parts = [jvm_options, PROGRAM, home, release.read_text(encoding="utf-8") if release.is_file() else "", str(jars)]
    parts += [f"{jar.name} {jar.stat().st_size} {jar.stat().st_mtime_ns}" for jar in sorted(jars.glob("*.jar"))]
    return Path(sys.prefix) / f"spark-classes-{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:16]}.jsa"


def options(jvm_options: str) -> str:
    """Returns `jvm_options` with those that map the archive, where there is one."""
    return f"{jvm_options} {mapping(jvm_options)}".strip()


def mapping(jvm_options: str) -> str:
    """Returns the options that map the archive; "" where there is none. A JVM that it does not fit prints nothing."""
    stored = archive(jvm_options)
    return f"'-XX:SharedArchiveFile={stored}' -Xlog:cds*=off" if stored.is_file() else ""


def class_path(jvm_options: str, jars: Path) -> str:
    """Returns the class path of `jars` with which a JVM maps the archive, in the order of Spark's own JVM."""
    stored = _class_path_of(archive(jvm_options))
    return stored.read_text(encoding="utf-8") if stored.is_file() else f"{jars}/*"


def _class_path_of(stored: Path) -> Path:
    return stored.with_name(f"{stored.name}.class_path")


def write(jvm_options: str) -> None:
    """Writes the archive unless it exists, and removes those of earlier versions; a failure is one line, and no error."""
    stored = archive(jvm_options)
    if stored.is_file():
        return
    print("storing the classes of Spark for the JVMs of tests and of the demo (once, about a minute)", flush=True)
    for old in stored.parent.glob("spark-classes-*.jsa*"):
        old.unlink()
    made = stored.with_suffix(f".jsa.{os.getpid()}")
    folder = tempfile.mkdtemp(prefix="spark-classes-")
    flags = f"{jvm_options} -Xlog:cds*=off"
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "PYTHONPATH": str(ROOT), "JDK_JAVA_OPTIONS": flags}
    environment["SPARK_SUBMIT_OPTS"] = f"'-XX:ArchiveClassesAtExit={made}'"  # not in the JVM that builds Spark's command line
    try:
        command = [sys.executable, "-c", f"FOLDER = {folder!r}\n{PROGRAM}"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
        problem = done.stderr[-2000:] if done.returncode else ""
        of_spark = Path(folder, "class_path")
        loaded = of_spark.read_text(encoding="utf-8") if of_spark.is_file() else ""
    except (OSError, subprocess.SubprocessError) as error:
        problem = str(error)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if problem or not made.is_file():
        made.unlink(missing_ok=True)
        print(f"JVMs run without stored classes: {problem or 'the JVM wrote no archive'}")
    else:
        if loaded:
            _class_path_of(stored).write_text(loaded, encoding="utf-8")
        made.rename(stored)


if __name__ == "__main__":
    write(JVM)
