"""Times HTTP requests for single rows on the loopback interface: with micro-batching, one call a request, and scikit-learn.

    make bench BENCH=serving_http   (or: python tests/bench/bench_serving_http.py [--seconds S])

The model reads a text, two categories and three numbers. Each side is a FastAPI service in a process of its own, with one worker
of uvicorn. Between 1 and 32 clients each keep one connection open and send the next request when the answer to the last one
has come. Clients and the service share the machine's cores. All answers are compared with the model's. The second table is
without HTTP: threads of one process wait for their rows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from serving_cases import text_model
from serving_sides import times_of

import sparkweld
from sparkweld.serving.batching import Batcher

CLIENTS = (1, 8, 32)
ROUNDS = 3
JOBS = Path(__file__).resolve().parents[2] / "jobs"
#: Relative difference of libm's logistic function.
BOUND = 1e-12


def service(side: str, folder: Path) -> Any:
    """Returns the FastAPI service of a side. Runs in the process of the service."""
    if side == "micro-batching":
        sys.path.insert(0, str(JOBS))
        import serve_fastapi

        return serve_fastapi.app_of(sparkweld.load(folder / "program.sparkweld"))
    from fastapi import FastAPI

    made = FastAPI()
    if side == "one call a request":
        program = sparkweld.load(folder / "program.sparkweld")

        @made.post("/predict")
        async def of_program(row: dict[str, Any]) -> dict[str, Any]:
            return {"result": program.predict_row(**row)}

        return made
    fitted = joblib.load(folder / "model.joblib")

    @made.post("/predict")
    def of_library(row: dict[str, Any]) -> dict[str, Any]:
        return {"result": float(fitted.predict_proba(pd.DataFrame([row]))[0, 1])}

    return made


SIDES = ("micro-batching", "one call a request", "scikit-learn")


class Started:
    """A service in a process of its own. `port`: where it listens."""

    def __init__(self, side: str, folder: Path) -> None:
        command = [sys.executable, __file__, "--serve", side, "--folder", str(folder)]
        self._child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._child.stdout is not None
        self.port = int(self._child.stdout.readline())

    def close(self) -> None:
        self._child.terminate()
        self._child.wait()


async def client(port: int, requests: Sequence[tuple[bytes, float]], seconds: float, times: list[float]) -> None:
    """Sends one request after another, each in one packet, and compares the answers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    end, at = time.perf_counter() + seconds, 0
    try:
        while not times or time.perf_counter() < end:
            request, wanted = requests[at % len(requests)]
            at += 1
            started = time.perf_counter_ns()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            size = next(int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length"))
            body = await reader.readexactly(size)
            times.append((time.perf_counter_ns() - started) / 1e3)
            if not head.startswith(b"HTTP/1.1 200") or abs(json.loads(body)["result"] - wanted) > BOUND * wanted:
                raise RuntimeError(f"a wrong answer: {head!r} {body!r}")
    finally:
        writer.close()


async def asked(port: int, clients: int, requests: Sequence[tuple[bytes, float]], seconds: float) -> list[float]:
    """Returns the microseconds of all requests of so many concurrent clients."""
    found: list[list[float]] = [[] for _ in range(clients)]
    step = max(len(requests) // clients, 1)
    works: list[Awaitable[None]] = [client(port, requests[at * step :] + requests[: at * step], seconds, own)
                                    for at, own in enumerate(found)]  # fmt: skip
    await asyncio.gather(*works)
    return [x for own in found for x in own]


def cell(times: Sequence[float], seconds: float) -> str:
    return f"{len(times) / seconds:,.0f} ({np.median(times) / 1e3:,.2f}, {np.percentile(times, 99) / 1e3:,.2f})"


def over_http(folder: Path, requests: Sequence[tuple[bytes, float]], seconds: float) -> None:
    services = {side: Started(side, folder) for side in SIDES}
    try:
        found: dict[tuple[str, int], list[float]] = {}
        for clients in CLIENTS:
            for started in services.values():
                asyncio.run(asked(started.port, clients, requests, seconds / 10))
            for _ in range(ROUNDS):
                for side, started in services.items():
                    times = asyncio.run(asked(started.port, clients, requests, seconds / ROUNDS))
                    found.setdefault((side, clients), []).extend(times)
        table({side: [cell(found[side, clients], seconds) for clients in CLIENTS] for side in SIDES}, "clients over HTTP")
    finally:
        for started in services.values():
            started.close()


def in_process(program: Any, library: Callable[[], Any], row: dict[str, Any], seconds: float) -> None:
    batcher = Batcher(program)
    sides: dict[str, Callable[[], Any]] = {
        "micro-batching": lambda: batcher.submit(row).result(), "one call a request": lambda: program.predict_row(**row),
        "the library": library,
    }  # fmt: skip
    cells = {name: [cell(times_of(call, seconds, threads), seconds) for threads in CLIENTS] for name, call in sides.items()}
    batcher.close()
    table(cells, "threads of one process")
    print(f"\n{batcher.rows / batcher.calls:.1f} rows a call of micro-batching on average")


def table(cells: dict[str, list[str]], what: str) -> None:
    heads = [f"{n}" for n in CLIENTS]
    print(f"\nRequests a second (p50, p99 in ms) of {what}:\n\n| side | {' | '.join(heads)} |\n|---|" + "---:|" * len(heads))
    for side, found in cells.items():
        print(f"| {side} | {' | '.join(found)} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each side and number of clients")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.serve:
        serve(arguments.serve, arguments.folder)
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        frame, fitted = text_model()
        program = sparkweld.compile(fitted, frame.head(10), proba=True)
        program.save(folder / "program.sparkweld")
        joblib.dump(fitted, folder / "model.joblib")
        rows = frame.head(500).to_dict("records")
        wanted = fitted.predict_proba(frame.head(500))[:, 1].tolist()
        bodies = [json.dumps(row).encode() for row in rows]
        head = "POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
        requests = [(head.format(len(body)).encode() + body, y) for body, y in zip(bodies, wanted, strict=True)]
        over_http(folder, requests, arguments.seconds)
        one = frame.head(1)
        in_process(program, lambda: fitted.predict_proba(one), rows[0], arguments.seconds / 3)


def serve(side: str, folder: Path) -> None:
    """Runs a service on a free port of the loopback interface, and prints the port."""
    import uvicorn

    # asyncio sends answers at once (TCP_NODELAY) only on sockets that name their protocol.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen(128)
    print(listening.getsockname()[1], flush=True)
    uvicorn.Server(uvicorn.Config(service(side, folder), log_level="error", access_log=False, loop="asyncio")).run([listening])


if __name__ == "__main__":
    main()
