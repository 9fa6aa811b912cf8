"""Runs the scenarios of a standalone cluster, and states what SparkWeld is expected to do in each."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cluster import Cluster, Job, decommission, end, free_port, listens, resident_megabytes, resume, stall, wait_for
from cluster_sides import SCRIPT, Side, llvmlite_of_driver, other_libraries, without_numba
from progress import tail
from submit import spark_environment

SCORE = ["score"]


@dataclass(frozen=True)
class Scenario:
    """`run` submits the jobs of one side. `kernels`: whether batches must run in kernels. `fallbacks`: whether some must not.

    `warning`: a part of the one warning that each executor and the driver log; without it, SparkWeld must not warn at all.
    `happened`: a pattern in the driver's log of both sides, the proof that the disruption reached Spark.
    """

    name: str
    run: Callable[[Side], None]
    kernels: bool = True
    fallbacks: bool = False
    warning: str = ""
    happened: str = ""


def all_well(side: Side) -> None:
    with side.cluster() as cluster:
        side.finish(side.submit(cluster, SCORE))


def worker_lost(side: Side) -> None:
    """A worker's machine is lost while the second stage runs, with its executor and the shuffle files of the first stage."""
    with side.cluster() as cluster:
        job = side.submit(cluster, SCORE)
        job.wait_for_tasks(2, shuffled=True)
        end(cluster.workers[0])
        side.finish(job)


def executor_lost(side: Side) -> None:
    """An executor is killed in the middle of a stage; its worker starts another."""
    with side.cluster() as cluster:
        job = side.submit(cluster, SCORE)
        job.wait_for_tasks(5)
        end(cluster.executors()[0])
        side.finish(job)


def no_numba(side: Side) -> None:
    with side.cluster(without_numba(side.folder)) as cluster:
        side.finish(side.submit(cluster, SCORE, environment=llvmlite_of_driver(side.folder)))


def other_versions(side: Side) -> None:
    with side.cluster({"PYTHONPATH": str(other_libraries(side.data.parent))}) as cluster:
        side.finish(side.submit(cluster, SCORE))


def decommissioned(side: Side) -> None:
    """A worker leaves in the middle of a stage; Spark moves its shuffle files to the others."""
    conf = {f"spark.{name}": "true" for name in (
        "decommission.enabled", "storage.decommission.enabled", "storage.decommission.shuffleBlocks.enabled")}
    with side.cluster(decommission=True) as cluster:
        job = side.submit(cluster, SCORE, conf)
        job.wait_for_tasks(8)
        decommission(cluster.workers[0])
        side.finish(job)


def speculation(side: Side) -> None:
    """An executor hangs in the middle of a stage; Spark runs its task a second time."""
    conf = {"spark.speculation": "true", "spark.speculation.quantile": "0.5", "spark.speculation.multiplier": "1.5"}
    with side.cluster() as cluster:
        job = side.submit(cluster, SCORE, conf)
        job.wait_for_tasks(5)
        hangs = cluster.executors()[0]
        stall(hangs)
        wake = threading.Timer(25, resume, [hangs])
        wake.start()
        side.finish(job)
        wake.cancel()
        resume(hangs)


def dynamic_allocation(side: Side) -> None:
    """Executors end while the job pauses between two queries, and start again for the second."""
    conf = {"enabled": "true", "shuffleTracking.enabled": "true", "shuffleTracking.timeout": "3s", "minExecutors": "0",
            "executorIdleTimeout": "3s", "cachedExecutorIdleTimeout": "3s"}
    with side.cluster() as cluster:
        job = side.submit(cluster, [*SCORE, "--queries", "2", "--pause", "15"],
                          {f"spark.dynamicAllocation.{key}": value for key, value in conf.items()})
        side.finish(job)
        side.facts["executors"] = len(list(cluster.executor_logs()))


def connect(side: Side) -> None:
    """Two users run different jobs at the same time, by one Connect server on the cluster."""
    with side.cluster() as cluster:
        grpc = free_port()
        server = side.serve(cluster, grpc)
        wait_for("the start of the Connect server", lambda: listens(grpc), 180)
        began = time.monotonic()
        clients = [_client(side, user, grpc, factor) for user, factor in (("ann", 2.0), ("bob", 3.0))]
        for client, log in clients:
            if client.wait(600):
                raise RuntimeError(f"a client of Connect failed; {log} ends:\n{tail(log)}")
        side.seconds += time.monotonic() - began
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(60)


def _client(side: Side, user: str, port: int, factor: float) -> tuple[subprocess.Popen[bytes], Path]:
    output, log = side.folder / f"{user}-output", side.folder / f"{user}.log"
    side.outputs.append(output)
    command = [sys.executable, str(SCRIPT), *SCORE, "--factor", str(factor), "--input", str(side.data), "--output", str(output)]
    environment = {**spark_environment(), "SPARK_REMOTE": f"sc://127.0.0.1:{port}/;user_id={user}"}
    with log.open("wb") as out:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=environment), log


def streaming(side: Side) -> None:
    """A stream's driver is killed after three batches; the same job continues from the checkpoint."""
    with side.cluster() as cluster:
        first = side.submit(cluster, ["stream"], name="first", output="stream")
        commits = side.folder / "stream" / "checkpoint" / "commits"
        wait_for("three batches of the stream", lambda: commits.is_dir() and len(list(commits.glob("[0-9]*"))) >= 3, 300)
        end(first.process.pid)
        first.process.wait(30)
        side.facts["batches before the restart"] = len(list(commits.glob("[0-9]*")))
        side.finish(side.submit(cluster, ["stream"], name="second", output="stream"))
        side.facts["batches"] = len(list(commits.glob("[0-9]*")))


def range_of(rows: int) -> Callable[[Side], None]:
    """Returns a scenario that computes a function of `rows` numbers, and reads the executors' memory meanwhile."""

    def run(side: Side) -> None:
        with side.cluster() as cluster:
            job = side.submit(cluster, ["range", "--rows", str(rows)])
            side.facts["resident MB"] = _peak(cluster, job)
            job.wait()
            printed = job.log.read_text().split("SECONDS ")[1].split()[0]
            side.seconds += float(printed)

    return run


def _peak(cluster: Cluster, job: Job) -> int:
    """Returns the largest resident memory of an executor with its Python workers until the job ends, in MB."""
    peak = 0.0
    while job.process.poll() is None:
        peak = max(peak, *(resident_megabytes(pid) for pid in cluster.executors()), 0.0)
        time.sleep(0.5)
    return round(peak)


def scenarios(ranges: list[int]) -> list[Scenario]:
    """Returns all scenarios; `ranges` are the sizes of the last ones."""
    made = [
        Scenario("all well", all_well),
        Scenario("worker lost", worker_lost, happened="Lost executor"),
        Scenario("executor lost", executor_lost, happened="Lost executor"),
        Scenario("executors without Numba", no_numba, kernels=False, fallbacks=True, warning="no llvmlite"),
        Scenario("executors with other versions", other_versions, kernels=False, fallbacks=True, warning="the driver has"),
        Scenario("worker decommissioned", decommissioned, happened="Decommission executors"),
        Scenario("executor hangs, speculation", speculation, happened=r"as the attempt \d+ succeeded"),
        Scenario("dynamic allocation", dynamic_allocation, happened="killed by driver"),
        Scenario("two users on Connect", connect),
        Scenario("stream restarted", streaming),
    ]
    return made + [Scenario(f"range of {rows:,}", range_of(rows)) for rows in ranges]
