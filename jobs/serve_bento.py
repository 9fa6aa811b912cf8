"""Answers HTTP requests with a program, by BentoML: the rows of concurrent requests to a worker are scored together.

    pip install bentoml
    SPARKWELD_PROGRAM=late.sparkweld bentoml serve --working-dir jobs serve_bento:Scorer
    curl localhost:3000/predict -H 'Content-Type: application/json' -d '{"row": {"dep_delay": 12.0, "carrier": "UA", ...}}'

POST /predict takes one row and answers {"result": ...}. A row that has no result has status 400, and a full queue status 503.
Copy this file and change it: it is an example.
"""

import asyncio
import os
from typing import Any

import bentoml
from bentoml.exceptions import InvalidArgument, ServiceUnavailable

import sparkweld
from sparkweld.serving.batching import Batcher, QueueFull, as_json


@bentoml.service
class Scorer:
    """One worker: the program of the file that SPARKWELD_PROGRAM names, with its queue."""

    def __init__(self) -> None:
        self.batcher = Batcher(sparkweld.load(os.environ["SPARKWELD_PROGRAM"]))

    @bentoml.api
    async def predict(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"result": as_json(await asyncio.wrap_future(self.batcher.submit(row)))}
        except QueueFull as error:
            raise ServiceUnavailable(str(error)) from None
        except Exception as error:  # noqa: BLE001 - a function may raise anything for a row, and the client gets its message
            raise InvalidArgument(f"{type(error).__name__}: {error}") from None
