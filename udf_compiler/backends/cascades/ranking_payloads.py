"""Replaces the fitted model of a payload by the small model that finds its candidates, for `ranking` requests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sparkweld.cascades import store
from sparkweld.cascades.certificate import RankCertificate
from sparkweld.cascades.ranker import Ranker
from sparkweld.contract.replies import RankingReply, Refused
from sparkweld.contract.requests import RankingRequest
from sparkweld.reasons import refusal
from udf_compiler.backends.cascades.substitution import Shelf, Substituting, as_text, compiled, returns_watched
from udf_compiler.function.environment import worker_environment
from udf_compiler.function.payload import read_command


def with_ranking(request: RankingRequest, blobs: Sequence[bytes]) -> RankingReply:
    """Returns the payload and the limits of a candidate ranking; a payload None when the request's first UDF holds no model.

    Refuses an unusable ranking (SW950, SW951), and models
    that no ranking matches (SW952). Refuses a function that returns something other than the certified score of its model
    (SW953).
    """
    udf = request.first_udf.udf
    payloads = []
    certificates: list[RankCertificate] = []
    for watched in (True, False):
        shelf = Shelf(Path(request.rankings), RankCertificate, partial(_ranker, watched, certificates))
        with worker_environment(request):
            pickler = Substituting(shelf)
            payloads.append(pickler.pickled(read_command(blobs[udf.payload])))
        if pickler.found_none(shelf, RankCertificate, request.rankings):
            return RankingReply(payload=None)
    told = certificates[0]
    made = compiled(request, list(blobs), udf.payload, payloads[0])
    if isinstance(made.reply, Refused):
        first = made.reply.refusals[0]
        raise refusal("SW953", what="ranking", udf=udf.name, why=f"{first.code} {first.message}")
    if made.program is None or not returns_watched(made.program, request.outputs[0]):
        raise refusal("SW953", what="ranking", udf=udf.name, why=f"its result is not {told.score}, unchanged")
    return RankingReply(
        payload=as_text(payloads[1], udf),
        limit=told.limit,
        least=told.least,
        most=None if told.extrapolates else told.most,
        fewest=told.least_k,
        path=shelf.used[0],
    )


def _ranker(watched: bool, told: list[RankCertificate], path: Path) -> Ranker:
    made, certificate = store.load_ranking(path)
    told.append(certificate)
    made.watched = watched
    return made
