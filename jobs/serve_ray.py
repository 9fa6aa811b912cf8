"""Answers HTTP requests with a program, by Ray Serve: the rows of concurrent requests to a replica are scored together.

    pip install 'ray[serve]'
    PYTHONPATH=jobs serve run serve_ray:app program=/models/late.sparkweld
    curl localhost:8000/ -d '{"dep_delay": 12.0, "carrier": "UA", ...}'

POST takes one row as a JSON object and answers {"result": ...}, or {"error": ...} with status 422 or 503. Each node requires the
program's file, which the user of Ray or root owns. Copy this file and change it: it is an example.
"""

import asyncio
from typing import Any

from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse

import sparkweld
from sparkweld.serving.batching import Batcher, QueueFull, as_json


@serve.deployment(max_ongoing_requests=256)
class Scorer:
    """One replica: a program with its queue."""

    def __init__(self, program: str) -> None:
        self.batcher = Batcher(sparkweld.load(program))

    async def __call__(self, request: Request) -> JSONResponse:
        try:
            row = await request.json()
            return JSONResponse({"result": as_json(await asyncio.wrap_future(self.batcher.submit(row)))})
        except QueueFull as error:
            return JSONResponse({"error": str(error)}, 503)
        except Exception as error:  # noqa: BLE001 - a function may raise anything for a row, and the client gets its message
            return JSONResponse({"error": f"{type(error).__name__}: {error}"}, 422)


def app(args: dict[str, Any]) -> serve.Application:
    """Returns the application of the program at the path `args["program"]`."""
    return Scorer.bind(args["program"])
