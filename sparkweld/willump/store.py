"""A fitted cascade to a directory, and back: both models, the certificate, the cost curve as data and as a picture.

    cascade.pkl        the estimator; reading it runs what it holds, as with any pickle: keep the directory as you keep models
    certificate.json   what was promised, with digests of the other files and a seal over itself; written last
    curve.csv          the settings that were looked at
    curve.svg          the same, drawn

The directory appears whole or not at all. What was edited, cut short or made by other libraries is refused, not guessed at.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

from sparkweld.errors import UserError
from sparkweld.reasons import refusal
from sparkweld.willump.cascade import Cascade
from sparkweld.willump.certificate import Calibration, Certificate
from sparkweld.willump.fingerprint import fingerprint
from sparkweld.willump.fitting import Fitted, library_versions
from sparkweld.willump.plot import curve_svg

T = TypeVar("T")
CERTIFICATE, MODELS, CURVE, PICTURE = "certificate.json", "cascade.pkl", "curve.csv", "curve.svg"


def save(fitted: Fitted, path: Path) -> Certificate:
    """Writes the directory; one that is there already is replaced. Gives the certificate as it was written."""
    certificate = fitted.certificate
    models = pickled(fitted.cascade)
    rows = certificate.split_rows["choose"]
    files = {
        MODELS: models,
        CURVE: _csv(fitted).encode(),
        PICTURE: curve_svg(fitted.curve, certificate.full_cost, rows, certificate.allowed).encode(),
    }
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    certificate = replace(certificate, model=fingerprint(fitted.cascade.full), digests=digests)
    record = asdict(certificate)
    files[CERTIFICATE] = sealed(record)
    write(path, files, CERTIFICATE)
    return certificate


def load(path: Path) -> tuple[Cascade, Certificate]:
    """The cascade of a directory. Refuses SW950 (unreadable, half-written, edited) and SW951 (other library versions)."""
    certificate = read_certificate(path)
    cascade = unpickled(path, MODELS, certificate.digests, certificate.versions)
    if not isinstance(cascade, Cascade) or fingerprint(cascade.full) != certificate.model:
        raise refusal("SW950", path=path, what=f"{MODELS} holds another model than the certificate names")
    cascade.about = (*certificate.lines(), f"cascade: {path}")
    cascade.watched = {"path": str(path), "band": certificate.band, **asdict(certificate.calibration)}
    return cascade, certificate


def read_certificate(path: Path) -> Certificate:
    """The certificate of a directory, its seal checked. Refuses SW950."""
    return read_sealed(path, CERTIFICATE, lambda record: _certificate(path, record))


def _certificate(path: Path, record: dict[str, Any]) -> Certificate:
    if "calibration" not in record:
        raise refusal("SW950", path=path, what="an earlier version wrote its certificate, without the calibration")
    found = record["calibration"]
    calibration = Calibration(**{**found, "edges": tuple(found["edges"]), "counts": tuple(found["counts"])})
    tuples = {name: tuple(record[name]) for name in ("efficient", "groups")}
    return Certificate(**{**record, **tuples, "calibration": calibration})


def directories(path: Path) -> Iterator[Path]:
    """The cascades of a folder: itself, or those of its folders that say they are one."""
    if (path / CERTIFICATE).exists():
        yield path
    elif path.is_dir():
        yield from sorted(inner for inner in path.iterdir() if inner.is_dir() and (inner / CERTIFICATE).exists())


def sealed(record: dict[str, Any]) -> bytes:
    """A certificate's fields as JSON, with a seal over them."""
    return (json.dumps({**record, "seal": _seal(record)}, indent=1, sort_keys=True) + "\n").encode()


def read_sealed(path: Path, name: str, make: Callable[[dict[str, Any]], T]) -> T:
    """What `make` makes of the fields of the certificate `name` in a directory, its seal checked. Refuses SW950."""
    try:
        record = json.loads((path / name).read_text(encoding="utf-8"))
        seal = record.pop("seal")
        certificate = make(record)
    except FileNotFoundError:
        raise refusal("SW950", path=path, what=f"it has no {name}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise refusal("SW950", path=path, what=f"{name} does not read: {error}") from None
    if seal != _seal(record):
        raise refusal("SW950", path=path, what=f"{name} was edited")
    return certificate


def unpickled(path: Path, models: str, digests: Mapping[str, str], versions: Mapping[str, str]) -> Any:
    """What the file `models` holds, once all files are those of the certificate. Refuses SW950, and SW951 for other versions."""
    data = b""
    for name, digest in digests.items():
        try:
            found = (path / name).read_bytes()
        except OSError as error:
            raise refusal("SW950", path=path, what=f"{name} cannot be read ({error.strerror})") from None
        if hashlib.sha256(found).hexdigest() != digest:
            raise refusal("SW950", path=path, what=f"{name} is not the file that was written with the certificate")
        data = found if name == models else data
    now = library_versions()
    changed = [f"{name} {version}, here {now.get(name)}" for name, version in versions.items() if now.get(name) != version]
    if changed:
        raise refusal("SW951", path=path, what="; ".join(changed))
    try:
        return pickle.loads(data)
    except Exception as error:  # unpickling runs code of other packages: whatever it raises, there is no model
        raise refusal("SW950", path=path, what=f"{models} does not load: {type(error).__name__}: {error}") from error


def pickled(models: Any) -> bytes:
    """Raises UserError for what cannot be pickled."""
    try:
        return pickle.dumps(models, protocol=5)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UserError(f"the models cannot be pickled ({error}); define their functions in a module") from error


def _seal(record: dict[str, Any]) -> str:
    return hashlib.sha256(("sparkweld cascade 2\n" + json.dumps(record, sort_keys=True)).encode()).hexdigest()


def _csv(fitted: Fitted) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["groups", "model", "threshold", "unsure", "worse", "better", "cost_ns", "passes"])
    for p in fitted.curve:
        row = ["+".join(p.groups), p.about, repr(p.threshold), f"{p.unsure:.6f}", p.worse, p.better, f"{p.cost:.1f}", p.passes]
        writer.writerow(row)
    return out.getvalue()


def write(path: Path, files: dict[str, bytes], certificate: str) -> None:
    """Writes a directory whole, or not at all; one with such a certificate is replaced."""
    path = path.absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not (path / certificate).exists() and any(path.iterdir()):
            raise UserError(f"{path} holds something else than a cascade; give another path")
        fresh = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error}; give another path") from error
    try:
        for name, data in files.items():
            with open(fresh / name, "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
        fresh.chmod(0o755)
        if path.exists():
            old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
            path.rename(old / "old")
            fresh.rename(path)
            shutil.rmtree(old)
        else:
            fresh.rename(path)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise UserError(f"{path} cannot be written: {error}; give another path") from error
