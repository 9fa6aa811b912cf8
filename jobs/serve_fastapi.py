"""Answers HTTP requests with a program, by FastAPI: the rows of concurrent requests are scored together.

    pip install fastapi uvicorn
    SPARKWELD_PROGRAM=late.sparkweld uvicorn --app-dir jobs --factory serve_fastapi:app
    curl localhost:8000/predict -H 'Content-Type: application/json' -d '{"dep_delay": 12.0, "carrier": "UA", ...}'

POST /predict takes one row as a JSON object and answers {"result": ...}, or {"detail": ...} with status 422 for a row that has no
result. A full queue answers with status 503. Copy this file and change it: it is an example.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, HTTPException

import sparkweld
from sparkweld.serving.batching import Batcher, QueueFull, as_json
from sparkweld.serving.program import ServedProgram


def app() -> FastAPI:
    """Returns the service of the program in the file that SPARKWELD_PROGRAM names. Each worker of uvicorn loads it."""
    return app_of(sparkweld.load(os.environ["SPARKWELD_PROGRAM"]))


def app_of(program: ServedProgram, most_waiting: int = 10_000) -> FastAPI:
    """Returns the service of a program; at most `most_waiting` rows wait."""
    batcher = Batcher(program, most_waiting=most_waiting)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        batcher.close()

    service = FastAPI(title=program.parts.name, lifespan=lifespan)
    service.state.batcher = batcher

    @service.get("/columns")
    async def columns() -> dict[str, str]:
        return {column.name: column.type for column in program.inputs}

    @service.post("/predict")
    async def predict(row: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"result": as_json(await asyncio.wrap_future(batcher.submit(row)))}
        except QueueFull as error:
            raise HTTPException(503, str(error), headers={"Retry-After": "1"}) from None
        except Exception as error:  # noqa: BLE001 - a function may raise anything for a row, and the client gets its message
            raise HTTPException(422, f"{type(error).__name__}: {error}") from None

    return service
