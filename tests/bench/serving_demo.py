"""Starts jobs/serve.py with a model, asks it over HTTP on the loopback interface, and compares the answers with the model's."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import joblib
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from progress import Progress
from submit import REPOSITORY, spark_environment

#: Rows that are asked for, threads of clients, and the largest relative difference of an answer: libm's logistic function.
ROWS, CLIENTS, BOUND = 2000, 16, 1e-14


def show_service(model: Path, table: Path, progress: Progress) -> int:
    """Reports the requests a second, in short and in the details; returns 1 where an answer is not the model's."""
    command = [sys.executable, str(REPOSITORY / "jobs" / "serve.py"), "--model", str(model), "--example", str(table), "--proba",
               "--port", "0"]  # fmt: skip
    progress.detail(f"serve.py: {' '.join(command)}")
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=spark_environment({"PYTHONPATH": str(REPOSITORY)}))
    try:
        assert child.stdout is not None
        title, address = child.stdout.readline().strip(), child.stdout.readline().strip()
        if not address:
            progress.say("FAILED: the service did not start")
            return 1
        fitted = joblib.load(model)
        frame = pq.ParquetFile(table).read_row_group(0, list(fitted.feature_names_in_)).slice(0, ROWS).to_pandas()
        return report(title, address, frame, fitted.predict_proba(frame)[:, 1], progress)
    finally:
        child.terminate()
        child.wait()


def report(title: str, address: str, frame: pd.DataFrame, expected: np.ndarray, progress: Progress) -> int:
    records = frame.astype(object).to_dict("records")
    rows = [{name: None if value != value else value for name, value in row.items()} for row in records]
    ask(address, rows[:200])  # so that both runs find the server's threads and the kernel's caches warm
    single, one = timed(lambda: ask(address, rows))
    parts = [rows[at::CLIENTS] for at in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as threads:
        together, many = timed(lambda: list(threads.map(lambda part: ask(address, part), parts)))
    answers = np.empty(len(rows))
    for at, part in enumerate(many):
        answers[at::CLIENTS] = part
    worst = max(float(np.max(np.abs(found - expected) / expected)) for found in (np.array(one), answers))
    progress.detail(f"\n--- HTTP on the loopback interface, by jobs/serve.py ---\n{title}\nPOST {address}")
    alone, side_by_side = (f"{len(rows) / seconds:,.0f}" for seconds in (single, together))
    progress.detail("| clients | requests | requests a second |\n|---|---:|---:|")
    progress.detail(f"| 1 | {len(rows):,} | {alone} |\n| {CLIENTS} | {len(rows):,} | {side_by_side} |")
    progress.detail(f"\nlargest relative difference from the model's predict_proba: {worst:.1e}")
    progress.say(f"service: {alone} requests a second from 1 client, {side_by_side} from {CLIENTS}")
    if worst > BOUND:
        progress.say("FAILED: the service's answers are not the model's")
        return 1
    return 0


def ask(address: str, rows: Sequence[dict[str, Any]]) -> list[float]:
    """Returns the answers for rows, asked one after another on one connection."""
    where = urlsplit(address)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
    found = []
    try:
        for row in rows:
            connection.request("POST", where.path, json.dumps(row), {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
            if response.status != 200:
                raise RuntimeError(f"the service answered {response.status}: {answer}")
            found.append(answer["result"])
    finally:
        connection.close()
    return found


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    made = run()
    return time.perf_counter() - begin, made
