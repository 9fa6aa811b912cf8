"""A fitted ranking to a directory, and back: `ranking.pkl`, the small model, and `ranking.json`, the certificate.

Of the full model its fingerprint alone is kept. What `store` says of cascades holds of these directories, too.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sparkweld.willump.fingerprint import fingerprint
from sparkweld.willump.ranking import RankCertificate, Ranking
from sparkweld.willump.store import pickled, read_sealed, sealed, unpickled, write

CERTIFICATE, MODEL = "ranking.json", "ranking.pkl"


def save(ranking: Ranking, path: Path) -> RankCertificate:
    """Writes the directory; one that is there already is replaced. Gives the certificate as it was written."""
    model = pickled(ranking.small)
    digests = {MODEL: hashlib.sha256(model).hexdigest()}
    certificate = replace(ranking.certificate, model=fingerprint(ranking.full), digests=digests)
    write(path, {MODEL: model, CERTIFICATE: sealed(asdict(certificate))}, CERTIFICATE)
    return certificate


def load(path: Path) -> tuple[Any, RankCertificate]:
    """The small model and the certificate. Refuses SW950 (unreadable, half-written, edited) and SW951 (other versions)."""
    certificate = read_sealed(path, CERTIFICATE, _certificate)
    return unpickled(path, MODEL, certificate.digests, certificate.versions), certificate


def _certificate(record: dict[str, Any]) -> RankCertificate:
    tuples = {name: tuple(record[name]) for name in ("efficient", "groups")}
    return RankCertificate(**{**record, **tuples, "factors": tuple((share, factor) for share, factor in record["factors"])})
