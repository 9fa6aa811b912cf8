"""Runs a scenario on one side, with the plugin or without it, and collects its rows, times, batches and warnings."""

from __future__ import annotations

import os
import pickle
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from cluster import HOST, Cluster, Job, submit
from event_log import KERNEL_BATCHES, OTHER_BATCHES, weld_totals

SCRIPT = Path(__file__).with_name("cluster_job.py")
FILES = 24
SERVER = ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
#: Distributions of other versions than the driver's, for the workers' machines.
OTHER_LIBRARIES = ("scikit-learn", "numpy")

HIDE_NUMBA = """
from importlib.machinery import PathFinder

found = PathFinder.find_spec


def find(name, path=None, target=None):
    return None if name.partition(".")[0] in ("llvmlite", "numba") else found(name, path, target)


PathFinder.find_spec = find
"""


def prepare(folder: Path, rows: int) -> Path:
    """Writes a table of `rows` rows in `FILES` files, with NULLs and NaNs, and a fitted model. Returns the folder."""
    made = folder / f"clusters-{rows}"
    if made.exists():
        return made
    from sklearn.ensemble import RandomForestRegressor

    new = folder / f"clusters-{rows}.new"
    shutil.rmtree(new, ignore_errors=True)
    (new / "rows").mkdir(parents=True)
    random = np.random.default_rng(7)
    for number, ids in enumerate(np.array_split(np.arange(rows), FILES)):
        count = len(ids)
        text = [None if n % 11 == 0 else f" Store-{n % 101}-Dept {n % 7}" for n in ids]
        a = pa.array(random.normal(size=count), mask=random.random(count) < 0.05)
        columns = {"id": ids, "key": random.integers(0, 500, count), "text": text, "a": a, "b": random.normal(size=count),
                   "c": random.normal(size=count)}
        pq.write_table(pa.table(columns), new / "rows" / f"part-{number:02}.parquet")
    import pandas as pd

    x = pd.DataFrame(random.normal(size=(2000, 3)), columns=["a", "b", "c"])
    model = RandomForestRegressor(8, max_depth=6, random_state=0).fit(x, x.a * x.b + np.sin(x.c))
    (new / "model.pkl").write_bytes(pickle.dumps(model))
    new.rename(made)
    return made


@dataclass
class Side:
    """One side of one scenario."""

    scenario: str
    plugin: bool
    folder: Path
    data: Path
    seconds: float = 0.0
    outputs: list[Path] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    _executor_logs: list[str] = field(default_factory=list)

    @contextmanager
    def cluster(self, worker_environment: Mapping[str, str] | None = None, decommission: bool = False) -> Iterator[Cluster]:
        """Yields a cluster of this side's own; keeps the executors' logs at its end."""
        with Cluster(self.folder, worker_environment, decommission) as cluster:
            yield cluster
        self._executor_logs += cluster.executor_logs()

    def submit(self, cluster: Cluster, arguments: list[str], conf: Mapping[str, str] | None = None, name: str = "job",
               output: str = "", environment: Mapping[str, str] | None = None) -> Job:
        """Submits the job; `output` is a folder that an earlier job has written to, by default one for `name`."""
        target = self.folder / (output or f"{name}-output")
        paths = ["--output", str(target), *(["--input", str(self.data)] if arguments[0] != "range" else [])]
        made = submit(cluster, name, self.plugin, SCRIPT, [*arguments, *paths], conf or {}, environment)
        if target not in self.outputs:
            self.outputs.append(target)
        self.jobs.append(made)
        return made

    def serve(self, cluster: Cluster, port: int) -> Job:
        """Starts a Connect server on the cluster."""
        conf = {"spark.connect.grpc.binding.port": str(port), "spark.connect.grpc.binding.address": HOST}
        made = submit(cluster, "server", self.plugin, "spark-internal", [], conf, options=SERVER)
        self.jobs.append(made)
        return made

    def finish(self, job: Job) -> None:
        """Waits for a job, whose time counts."""
        self.seconds += job.wait()

    def rows(self) -> list[pa.Table]:
        """Returns the rows that each query wrote, in the order of their ids where they have any."""
        tables = []
        for output in self.outputs:
            for query in sorted(output.glob("query*")):
                table = _read(query)
                tables.append(table.sort_by("id") if "key" in table.column_names else table)
        return tables

    def batches(self) -> tuple[int, int]:
        """Returns the batches that ran in kernels, and those that ran in Python instead."""
        totals = [weld_totals(job.folder / "events") for job in self.jobs]
        return (sum(each.get(KERNEL_BATCHES, 0) for each in totals),
                sum(each.get(name, 0) for each in totals for name in OTHER_BATCHES))

    def warnings(self) -> list[tuple[str, ...]]:
        """Returns SparkWeld's warnings, for the driver of each job and for each executor."""
        logs = [job.log.read_text(encoding="utf-8", errors="replace") for job in self.jobs]
        return [tuple(re.findall(r" (?:WARN|ERROR) .*?(SparkWeld: .*)", log)) for log in (*logs, *self._executor_logs)]


def _read(folder: Path) -> pa.Table:
    """Reads the files of a query; those that a stream has committed, when it is one's."""
    return pq.read_table(folder) if not (folder / "_spark_metadata").is_dir() else pa.concat_tables(
        [pq.read_table(path) for path in _committed(folder)])


def _committed(folder: Path) -> list[Path]:
    import json

    found: dict[str, None] = {}
    logs = [path for path in (folder / "_spark_metadata").iterdir() if not path.name.startswith(".")]
    for log in sorted(logs, key=lambda path: int(path.name.split(".")[0])):
        for line in log.read_text(encoding="utf-8").splitlines()[1:]:
            found[json.loads(line)["path"].removeprefix("file://")] = None
    return [Path(path) for path in found]


def other_libraries(folder: Path) -> Path:
    """Installs each of `OTHER_LIBRARIES` in the version before the driver's into a folder, once. Returns the folder."""
    from importlib.metadata import version

    made = folder / "clusters-libraries"
    if not made.exists():
        new = folder / "clusters-libraries.new"
        shutil.rmtree(new, ignore_errors=True)
        wanted = [f"{name}<{version(name)}" for name in OTHER_LIBRARIES]
        subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(new), *wanted],
                       check=True, env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
        new.rename(made)
    return made


def without_numba(folder: Path) -> dict[str, str]:
    """Returns the environment of machines whose Python finds neither Numba nor llvmlite."""
    hiding = folder / "hiding"
    hiding.mkdir(parents=True, exist_ok=True)
    (hiding / "sitecustomize.py").write_text(HIDE_NUMBA)
    return {"PYTHONPATH": str(hiding)}


def llvmlite_of_driver(folder: Path) -> dict[str, str]:
    """Returns the environment of a driver whose llvmlite the executors do not use, as on another machine.

    It is a copy in a folder that the group may write. An executor loads no library from such a folder on the driver's word.
    """
    import llvmlite.binding

    packages = folder / "packages"
    library = Path(llvmlite.binding.__file__).with_name("libllvmlite.so")
    shutil.copytree(library.parents[1], packages / "llvmlite", ignore=shutil.ignore_patterns("tests", "__pycache__"))
    packages.chmod(0o775)
    return {"PYTHONPATH": str(packages)}
