"""Executes commands from stdin inside one Spark session and writes measurements to stdout; child of spark_processes.py.

PYSPARK_SUBMIT_ARGS passes Spark's settings, as spark-submit arguments. Each request and reply is one line of JSON. Commands
run one at a time, so that a parent with several such children can alternate between them and never measures two queries at
once.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

# Only replies go to the real stdout: output of Spark or a job is redirected to stderr.
REPLIES = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)
sys.path.insert(0, str(Path(__file__).resolve().parent))

import encoder_cases  # noqa: E402
import etl_functions  # noqa: E402 - the path to it is set above
import etl_pipelines  # noqa: E402
import everyday_cases  # noqa: E402
import formulas  # noqa: E402
import group_cases  # noqa: E402
import never_slower_cases  # noqa: E402
import process_memory  # noqa: E402
import scoring_cases  # noqa: E402
import scoring_tables  # noqa: E402
import udf_cases  # noqa: E402
from cpu_cases import Case  # noqa: E402
from etl_cases import EtlCase  # noqa: E402
from pyspark import cloudpickle  # noqa: E402
from pyspark.sql import Column, DataFrame, SparkSession  # noqa: E402
from pyspark.sql import functions as F  # noqa: E402

# As if the job's own file defined the functions: pickled by value, because the workers cannot import these modules.
cloudpickle.register_pickle_by_value(formulas)
cloudpickle.register_pickle_by_value(udf_cases)
cloudpickle.register_pickle_by_value(scoring_cases)
cloudpickle.register_pickle_by_value(never_slower_cases)
cloudpickle.register_pickle_by_value(group_cases)
cloudpickle.register_pickle_by_value(everyday_cases)
cloudpickle.register_pickle_by_value(etl_pipelines)
cloudpickle.register_pickle_by_value(etl_functions)

#: Name -> module with cases whose CPU time is measured.
CPU_CASES = {"never_slower_cases": never_slower_cases, "everyday_cases": everyday_cases, "encoder_cases": encoder_cases}


class Worker:
    """One session and the tables that it has read; every public method is a command."""

    def __init__(self) -> None:
        begin = time.monotonic()
        self.spark = SparkSession.builder.appName("sparkweld bench").getOrCreate()
        self.spark.sparkContext.setLogLevel("WARN")
        self.session_seconds = time.monotonic() - begin
        self._inputs: dict[tuple[str, str], DataFrame] = {}
        self._tables: dict[str, DataFrame] = {}
        self._models: dict[str, Any] = {}

    def hello(self) -> dict[str, Any]:
        """Returns the JVM's process id, and how long the session took to start."""
        handle = self.spark.sparkContext._jvm.java.lang.ProcessHandle.current()
        return {"pid": int(handle.pid()), "sessionSeconds": self.session_seconds,
                "cores": self.spark.sparkContext.defaultParallelism}

    def weld_batches(self) -> dict[str, Any]:
        """Returns for the last query: the number of batches that its Weld operators ran in kernels, and in Python."""
        store = self.spark._jsparkSession.sharedState().statusStore()
        last = store.executionsList().last().executionId()
        graph, values = store.planGraph(last), store.executionMetrics(last)
        batches = {"kernels": 0, "python": 0}
        nodes = graph.allNodes()
        for node in (nodes.apply(i) for i in range(nodes.size())):
            metrics = node.metrics()
            for metric in (metrics.apply(i) for i in range(metrics.size())):
                value = values.get(metric.accumulatorId())
                for kind in batches:
                    if metric.name() == f"batches run in {kind}".replace("python", "Python") and value.isDefined():
                        batches[kind] += int(str(value.get()).replace(",", ""))
        return batches

    def run(self, case: str, way: str, source: str, folder: str) -> dict[str, Any]:
        """Runs one query into the noop sink and times it. `way`: scan, udf or sql; `source`: parquet, join or cached."""
        begin = time.monotonic()
        self._query(case, way, source, folder).write.format("noop").mode("overwrite").save()
        return {"seconds": time.monotonic() - begin}

    def plan(self, case: str, way: str, source: str, folder: str) -> dict[str, Any]:
        """Returns the query's physical plan as explain prints it."""
        return {"text": _plan(self._query(case, way, source, folder))}

    def write(self, case: str, source: str, folder: str, target: str) -> dict[str, Any]:
        """Writes `id` and the UDFs' outputs as Parquet, for comparison with another session's."""
        chosen = formulas.formula(case)
        frame = chosen.prepare(self._input(("id", *chosen.columns), source, folder))
        frame.select("id", *_named(chosen.udfs(frame))).write.mode("overwrite").parquet(target)
        return {}

    def run_udfs(self, case: str, way: str, folder: str) -> dict[str, Any]:
        """Runs one case of udf_cases.py into the noop sink and times it. `way`: udf or sql."""
        begin = time.monotonic()
        self._udf_case(case, way, folder).write.format("noop").mode("overwrite").save()
        return {"seconds": time.monotonic() - begin}

    def write_udfs(self, case: str, way: str, folder: str, target: str) -> dict[str, Any]:
        """Writes all rows of a case, for comparison with another session's."""
        self._udf_case(case, way, folder).write.mode("overwrite").parquet(target)
        return {}

    def plan_udfs(self, case: str, way: str, folder: str) -> dict[str, Any]:
        """Returns the physical plan of a case, in the form of `plan`."""
        return {"text": _plan(self._udf_case(case, way, folder))}

    def _udf_case(self, case: str, way: str, folder: str) -> DataFrame:
        chosen = udf_cases.udf_case(case)
        return getattr(chosen, {"udf": "udfs", "sql": "sql"}[way])(self._table(folder))

    def _table(self, folder: str) -> DataFrame:
        if folder not in self._tables:  # lists files and reads their schema, in a separate job that is not part of the query
            self._tables[folder] = self.spark.read.parquet(folder)
        return self._tables[folder]

    def run_scoring(self, case: str, way: str, folder: str, trained: str) -> dict[str, Any]:
        """Runs one case of scoring_cases.py into the noop sink and times it. `way`: udf or scan.

        The model is fitted beforehand, on the rows of the folder `trained`.
        """
        frame = self._scored(case, way, folder, trained)
        begin = time.monotonic()
        frame.write.format("noop").mode("overwrite").save()
        return {"seconds": time.monotonic() - begin}

    def write_scoring(self, case: str, folder: str, trained: str, target: str) -> dict[str, Any]:
        """Writes all rows of a case, for comparison with another session's."""
        self._scored(case, "rows", folder, trained).write.mode("overwrite").parquet(target)
        return {}

    def _scored(self, case: str, way: str, folder: str, trained: str) -> DataFrame:
        chosen = next(c for c in scoring_cases.CASES if c.name == case)
        frame = self._table(folder)
        if way == "scan":
            return frame.select(*chosen.columns)
        if case not in self._models:
            self._models[case] = chosen.model(scoring_tables.training_rows(trained))
        scored = self._models[case](frame)
        return scored.select("id", "score") if way == "rows" else scored.select("score")

    def run_case(self, module: str, name: str, folder: str, times: int) -> dict[str, Any]:
        """Runs one case of a module in CPU_CASES `times` times; returns CPU seconds of this process and its descendants."""
        frame, case = self._table(folder), _cpu_case(module, name)
        begin = process_memory.cpu_seconds() + time.process_time()
        for _ in range(times):
            case.query(frame).write.format("noop").mode("overwrite").save()
        return {"seconds": process_memory.cpu_seconds() + time.process_time() - begin}

    def write_case(self, module: str, name: str, folder: str, target: str) -> dict[str, Any]:
        """Writes all rows of a case, for comparison with another session's."""
        _cpu_case(module, name).query(self._table(folder)).write.mode("overwrite").parquet(target)
        return {}

    def run_etl(self, name: str, way: str, tables: dict[str, str]) -> dict[str, Any]:
        """Runs one case of etl_pipelines.py or etl_functions.py; returns CPU seconds. `way`: udfs or sql."""
        read = self._etl_tables(tables)
        begin = process_memory.cpu_seconds() + time.process_time()
        getattr(_etl_case(name), way)(read).write.format("noop").mode("overwrite").save()
        return {"seconds": process_memory.cpu_seconds() + time.process_time() - begin}

    def write_etl(self, name: str, way: str, tables: dict[str, str], target: str) -> dict[str, Any]:
        """Writes all rows of a case, for comparison with another session's."""
        getattr(_etl_case(name), way)(self._etl_tables(tables)).write.mode("overwrite").parquet(target)
        return {}

    def _etl_tables(self, tables: dict[str, str]) -> dict[str, DataFrame]:
        found = {}
        for name, folder in tables.items():
            base, _, form = name.partition(".")
            if folder not in self._tables and form == "csv":
                schema = self._table(folder.removesuffix(".csv")).schema
                self._tables[folder] = self.spark.read.csv(folder, schema=schema, header=True)
            elif folder not in self._tables and form == "text":
                self._tables[folder] = self.spark.read.text(folder).withColumnRenamed("value", "line")
            found[base] = self._table(folder)
        return found

    def run_groups(self, case: str, way: str, folder: str) -> dict[str, Any]:
        """Runs one case of group_cases.py into the noop sink and times it."""
        begin = time.monotonic()
        group_cases.group_case(case).query(self._table(folder)).write.format("noop").mode("overwrite").save()
        return {"seconds": time.monotonic() - begin}

    def write_groups(self, case: str, way: str, folder: str, target: str) -> dict[str, Any]:
        """Writes all rows of a case, for comparison with another session's."""
        group_cases.group_case(case).query(self._table(folder)).write.mode("overwrite").parquet(target)
        return {}

    def same_rows(self, left: str, right: str) -> dict[str, Any]:
        """Returns whether two folders hold the same rows, by hashes of all columns."""
        tables = [self.spark.read.parquet(folder) for folder in (left, right)]
        if tables[0].schema != tables[1].schema:
            return {"equal": False}
        hashes = [t.select(F.xxhash64(*t.columns).alias("hash")).toPandas()["hash"].sort_values().to_numpy() for t in tables]
        return {"equal": bool(len(hashes[0]) == len(hashes[1]) and (hashes[0] == hashes[1]).all())}

    def checksums(self, case: str, way: str, source: str, folder: str) -> dict[str, Any]:
        """Returns per output over all rows: count, non-null count, NaN count, sum, sum of squares, least and greatest."""
        frame = self._query(case, way, source, folder)
        sums: list[Column] = [F.count(F.lit(1)).alias("rows")]
        for name in formulas.formula(case).outputs:
            column = F.col(name)
            sums += [F.count(column).alias(f"{name}.values"), F.count_if(F.isnan(column)).alias(f"{name}.nan"),
                     F.sum(column).alias(f"{name}.sum"), F.sum(column * column).alias(f"{name}.squares"),
                     F.min(column).alias(f"{name}.least"), F.max(column).alias(f"{name}.greatest")]
        return {"checksums": frame.agg(*sums).first().asDict()}

    def forget(self) -> dict[str, Any]:
        """Drops cached tables."""
        self._inputs.clear()
        self.spark.catalog.clearCache()
        return {}

    def plan_seconds(self, name: str, folder: str, repeats: int, pause: float) -> dict[str, Any]:
        """Times a query from a new DataFrame to its physical plan, `repeats` times. Sleeps for `pause` seconds before each."""
        import function_queries
        import plain_queries

        build = {**plain_queries.QUERIES, **function_queries.QUERIES}[name]
        seconds = []
        for _ in range(repeats):
            frame = build(self.spark, folder)
            time.sleep(pause)
            begin = time.monotonic()
            frame._jdf.queryExecution().executedPlan()
            seconds.append(time.monotonic() - begin)
        return {"seconds": seconds}

    def varied_query(self, folder: str, constant: float) -> dict[str, Any]:
        """Runs a UDF that closes over `constant`: another constant is another program."""
        begin = time.monotonic()
        self._varied(folder, constant).write.format("noop").mode("overwrite").save()
        return {"seconds": time.monotonic() - begin}

    def varied_plan(self, folder: str, constant: float) -> dict[str, Any]:
        """Returns the plan of that query, in the form of `plan`."""
        return {"text": _plan(self._varied(folder, constant))}

    def memory(self, collect: bool) -> dict[str, Any]:
        """Returns the JVM's current resources (process_memory.py), after a garbage collection when `collect`."""
        if collect:
            self.spark.sparkContext._jvm.java.lang.System.gc()
            time.sleep(0.2)
        return process_memory.of_process(self.hello()["pid"])

    def _varied(self, folder: str, constant: float) -> DataFrame:
        return self.spark.read.parquet(folder).select(formulas.shifted_score(constant)("price", "strike"))

    def _query(self, case: str, way: str, source: str, folder: str) -> DataFrame:
        chosen = formulas.formula(case)
        frame = chosen.prepare(self._input(chosen.columns, source, folder))
        if way == "scan":
            return frame.select(*chosen.columns)
        if way == "sql":
            return chosen.sql(frame)
        return frame.select(*_named(chosen.udfs(frame)))

    def _input(self, columns: tuple[str, ...], source: str, folder: str) -> DataFrame:
        frame = self.spark.read.parquet(folder)
        if source == "parquet":
            return frame.select(*columns)
        if source == "join":
            # A small build side: all rows pass through the join, and its output is row-based.
            few = self.spark.range(1000).select(F.col("id").alias("k"))
            joined = frame.join(F.broadcast(few), frame["id"] % 1000 == few["k"])
            return joined.select(*columns)
        if source != "cached":
            raise ValueError(f"no such source: {source}")
        key = (",".join(columns), folder)
        if key not in self._inputs:
            self._inputs[key] = frame.select(*columns).cache()
            self._inputs[key].count()
        return self._inputs[key]


def _cpu_case(module: str, name: str) -> Case:
    return next(case for case in CPU_CASES[module].CASES if case.name == name)


def _etl_case(name: str) -> EtlCase:
    return next(case for case in (*etl_pipelines.CASES, *etl_functions.CASES) if case.name == name)


def _plan(frame: DataFrame) -> str:
    return str(frame._jdf.queryExecution().toString().partition("== Physical Plan ==")[2].strip())


def _named(columns: dict[str, Column]) -> list[Column]:
    return [column.alias(name) for name, column in columns.items()]


def main() -> None:
    worker = Worker()
    for line in sys.stdin:
        command = json.loads(line)
        try:
            reply = {"ok": True, **getattr(worker, command.pop("do"))(**command)}
        except Exception:  # noqa: BLE001 - the process boundary: the parent raises the error
            reply = {"ok": False, "error": traceback.format_exc()}
        REPLIES.write(json.dumps(reply) + "\n")
        REPLIES.flush()
    worker.spark.stop()


if __name__ == "__main__":
    main()
