"""Replaces the fitted model of a payload by the small model that finds its candidates, for `ranking` requests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sparkweld.cascades import store
from sparkweld.cascades.certificate import RankCertificate
from sparkweld.cascades.ranker import Ranker
from sparkweld.ir import parse_program
from sparkweld.reasons import refusal
from udf_compiler.backends.cascades.substitution import Shelf, Substituting, as_text, compiled, returns_watched
from udf_compiler.function.environment import worker_environment
from udf_compiler.function.payload import read_command


def with_ranking(request: dict[str, Any], blobs: Sequence[bytes]) -> dict[str, Any]:
    """Replies with status "ok" and the payload and limits of a candidate ranking, or a null payload.

    - `payload`: the function that returns the small model's score, in base64; null when the function of the request's first
      UDF holds no model.
    - `limit`: rows that score above it are candidates.
    - `least` and `most`: the range of the last score of an answer (null: unbounded above). `fewest`: the smallest number of
      rows of a query.
    - `path`: the path of the ranking.

    `rankings` in the request is a folder of rankings, or a single one. Refuses an unusable ranking (SW950, SW951), and models
    that no ranking matches (SW952). Refuses a function that returns something other than the certified score of its model
    (SW953).
    """
    udf = request["steps"][0]["udfs"][0]["udf"]
    payloads = []
    certificates: list[RankCertificate] = []
    for watched in (True, False):
        shelf = Shelf(Path(request["rankings"]), RankCertificate, partial(_ranker, watched, certificates))
        with worker_environment(request):
            pickler = Substituting(shelf)
            payloads.append(pickler.pickled(read_command(blobs[udf["payload"]])))
        if pickler.found_none(shelf, RankCertificate, request["rankings"]):
            return {"status": "ok", "payload": None}
    told = certificates[0]
    reply = compiled(request, list(blobs), udf["payload"], payloads[0])
    if reply["status"] != "ok":
        first = reply["refusals"][0]
        raise refusal("SW953", what="ranking", udf=udf["name"], why=f"{first['code']} {first['message']}")
    if not returns_watched(parse_program(reply["program"], reply["blocks"]), request["outputs"][0]):
        raise refusal("SW953", what="ranking", udf=udf["name"], why=f"its result is not {told.score}, unchanged")
    return {
        "status": "ok", "payload": as_text(payloads[1], udf), "limit": told.limit, "least": told.least,
        "most": None if told.extrapolates else told.most, "fewest": told.least_k, "path": shelf.used[0],
    }  # fmt: skip


def _ranker(watched: bool, told: list[RankCertificate], path: Path) -> Ranker:
    made, certificate = store.load_ranking(path)
    told.append(certificate)
    made.watched = watched
    return made
