"""Starts a standalone Spark cluster on the loopback address, submits jobs to it, and ends or stalls its processes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from event_log import event_log_arguments
from process_memory import descendants, of_process
from progress import tail
from submit import SPARK_HOME, spark_environment, spark_submit

HOST = "127.0.0.1"
WORKERS = 3
EXECUTOR = "CoarseGrainedExecutorBackend"
#: Memory of a worker, of which an executor's heap is a part.
WORKER_MEMORY, EXECUTOR_MEMORY, DRIVER_MEMORY = "1g", "512m", "768m"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether a server has opened this port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 120, every: float = 0.1) -> Any:
    """Returns the first true result of `condition`. RuntimeError after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(every)
    raise RuntimeError(f"{what} did not happen within {seconds:.0f} s")


class Cluster:
    """A master and `WORKERS` workers with one core and one loopback address each; a context manager, which ends all of them."""

    def __init__(self, folder: Path, worker_environment: Mapping[str, str] | None = None, decommission: bool = False) -> None:
        """`folder` receives the logs. `worker_environment` is that of the workers' machines, which executors inherit."""
        self.folder = folder
        self._port = free_port()
        self.master = f"spark://{HOST}:{self._port}"
        options = "-Dspark.decommission.enabled=true " if decommission else ""
        self._environment = {**spark_environment(), "SPARK_DAEMON_MEMORY": "256m", "SPARK_DAEMON_JAVA_OPTS": options + "-Xss1m"}
        # A machine of the cluster has its own packages, and not the driver's import path.
        self._environment.pop("PYTHONPATH", None)
        self._workers_only = dict(worker_environment or {})
        self._processes: list[subprocess.Popen[bytes]] = []
        self.workers: list[int] = []

    def __enter__(self) -> Cluster:
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            self._start("master", "master.Master", HOST, ["--port", str(self._port), "--webui-port", str(free_port())], {})
            wait_for("the start of the master", lambda: listens(self._port))
            for number in range(WORKERS):
                self.add_worker(number)
            wait_for("the registration of all workers", lambda: self._log("master").count("Registering worker") >= WORKERS)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add_worker(self, number: int) -> None:
        # Each has an address of its own: Spark runs no second copy of a task on the same host.
        host = f"127.0.0.{number + 1}"
        arguments = ["--cores", "1", "--memory", WORKER_MEMORY, "--work-dir", str(self.folder / f"work{number}"),
                     "--webui-port", str(free_port()), self.master]
        environment = {**self._workers_only, "SPARK_LOCAL_IP": host}
        self.workers.append(self._start(f"worker{number}", "worker.Worker", host, arguments, environment))

    def close(self) -> None:
        for process in reversed(self._processes):
            if process.poll() is None:
                end(process.pid)
                process.wait(30)

    def executors(self) -> list[int]:
        """Returns the ids of the executors' processes, by worker."""
        found = []
        for worker in self.workers:
            found += [pid for pid in _living(worker) if EXECUTOR in command_line(pid)]
        return found

    def executor_logs(self) -> Iterator[str]:
        """Yields what each executor of each application wrote to stderr."""
        for path in sorted(self.folder.glob("work*/app-*/*/stderr")):
            yield path.read_text(encoding="utf-8", errors="replace")

    def _start(self, name: str, kind: str, host: str, arguments: list[str], environment: Mapping[str, str]) -> int:
        command = [str(SPARK_HOME / "bin" / "spark-class"), f"org.apache.spark.deploy.{kind}", "--host", host, *arguments]
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env={**self._environment, **environment})
        self._processes.append(process)
        return process.pid

    def _log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8", errors="replace")


def end(pid: int) -> None:
    """Ends a process and its descendants at once, as the loss of its machine would."""
    for each in [pid, *_living(pid)]:
        _signal(each, signal.SIGKILL)


def stall(pid: int) -> None:
    """Stops a process and its descendants, as a machine that hangs."""
    for each in [pid, *_living(pid)]:
        _signal(each, signal.SIGSTOP)


def resume(pid: int) -> None:
    """Lets a stalled process and its descendants run again."""
    for each in [pid, *_living(pid)]:
        _signal(each, signal.SIGCONT)


def decommission(worker: int) -> None:
    """Asks a worker to leave the cluster, by the signal that Spark's workers know."""
    _signal(worker, signal.SIGPWR)


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def resident_megabytes(pid: int) -> float:
    """Returns the resident memory of a process; 0 when it has ended."""
    try:
        return float(of_process(pid)["residentMb"])
    except (OSError, KeyError, ValueError):
        return 0.0


def _living(pid: int) -> list[int]:
    try:
        return descendants(pid)
    except FileNotFoundError:
        return []


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass  # it has ended meanwhile


@dataclass
class Job:
    """A submitted application. `folder` has its log, its output and its event log."""

    name: str
    folder: Path
    process: subprocess.Popen[bytes]
    port: int
    started: float = field(default_factory=time.monotonic)

    @property
    def log(self) -> Path:
        return self.folder / "driver.log"

    def wait(self, seconds: float = 600) -> float:
        """Returns the seconds since the start, when the job has ended. RuntimeError when it fails."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            end(self.process.pid)
            raise RuntimeError(f"{self.name} took more than {seconds:.0f} s; {self.log} ends:\n{tail(self.log)}") from None
        if code != 0:
            raise RuntimeError(f"{self.name} ended with exit code {code}; {self.log} ends:\n{tail(self.log)}")
        return time.monotonic() - self.started

    def wait_for_tasks(self, count: int, shuffled: bool = False) -> None:
        """Returns when `count` tasks of a running stage have ended: of the first one, or of one that reads a shuffle."""
        wait_for(f"the end of {count} tasks of {self.name}", lambda: self._ended_tasks(shuffled) >= count, seconds=300)

    def _ended_tasks(self, shuffled: bool) -> int:
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.name} has ended before its disruption; {self.log} ends:\n{tail(self.log)}")
        stages = [stage for application in self._ask("applications") or []
                  for stage in self._ask(f"applications/{application['id']}/stages?status=active") or []]
        reading = [stage["numCompleteTasks"] for stage in stages if (stage["shuffleReadRecords"] > 0) == shuffled]
        return max(reading, default=0)

    def _ask(self, path: str) -> Any:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/api/v1/{path}", timeout=5) as answer:
                return json.load(answer)
        except (OSError, json.JSONDecodeError):
            return None  # the driver starts: the port is closed, or answers that it is starting


def submit(cluster: Cluster, name: str, plugin: bool, script: str | Path, arguments: list[str], conf: Mapping[str, str],
           environment: Mapping[str, str] | None = None, options: Sequence[str] = ()) -> Job:
    """Starts spark-submit for a job, with or without the flag. `options`: further ones of spark-submit."""
    folder = cluster.folder / name
    shutil.rmtree(folder, ignore_errors=True)
    events = folder / "events"
    events.mkdir(parents=True)
    port = free_port()
    settings = {"spark.ui.port": str(port), "spark.ui.showConsoleProgress": "false", "spark.driver.host": HOST,
                "spark.driver.bindAddress": HOST, "spark.executor.cores": "1", "spark.executor.memory": EXECUTOR_MEMORY,
                "spark.sql.shuffle.partitions": "12", "spark.sql.adaptive.coalescePartitions.enabled": "false",
                "spark.sql.files.maxPartitionBytes": "1m", "spark.sql.files.openCostInBytes": "1m", **conf}
    given = ["--master", cluster.master, "--driver-memory", DRIVER_MEMORY, *event_log_arguments(events), *options]
    for key, value in settings.items():
        given += ["--conf", f"{key}={value}"]
    command = spark_submit(plugin, [*given, str(script), *arguments])
    variables = {**spark_environment(), **(environment or {})}
    with (folder / "driver.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=variables)
    return Job(name, folder, process, port)
