"""Writes and reads directories of certified models: the models, the certificate and, for cascades, the cost curve.

    cascade.pkl, ranking.pkl            the models; reading a pickle runs code, so protect it like any model file
    certificate.json, ranking.json      the promise, with digests of the other files and a seal over itself; written last
    curve.csv, curve.svg                the tested settings as data and as a chart

The directory appears whole or not at all. Files that were edited, truncated or written by other library versions are refused.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import pickle
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sparkweld.cascades.cascade import Cascade
from sparkweld.cascades.certificate import CascadeCertificate, Certificate, RankCertificate, library_versions
from sparkweld.cascades.fingerprint import fingerprint
from sparkweld.cascades.ranker import Ranker
from sparkweld.contract.replies import Watch
from sparkweld.errors import Refusal, UserError
from sparkweld.reasons import refusal

C = TypeVar("C", bound=Certificate)
K = TypeVar("K", bound=Certificate, covariant=True)
R = TypeVar("R")

#: The number of attempts to read a directory that is being replaced.
_TRIES = 5
#: AT_FDCWD and RENAME_EXCHANGE of Linux.
_HERE, _EXCHANGE = -100, 2


class Certified(Protocol[K]):
    """A fitted cascade or ranking that can be stored."""

    @property
    def certificate(self) -> K: ...

    @property
    def full(self) -> Any: ...

    @property
    def kept(self) -> Any: ...

    def pictures(self) -> dict[str, bytes]: ...


def place(path: Any, told: type[Certificate] | Certificate) -> Path:
    """Returns a directory that `save` can write; a fit calls it before it starts. Raises UserError for any other path."""
    if not isinstance(path, str | os.PathLike) or not os.fspath(path) or "://" in os.fspath(path):
        raise UserError(f"path={path!r}: pass a directory of this machine to write to")
    found = Path(path).absolute()
    try:
        if found.exists() and not (found / told.FILE).exists() and any(found.iterdir()):
            raise UserError(f"{found} contains something other than a {told.WHAT}; pass another path")
    except OSError as error:
        raise UserError(f"{found} cannot be written: {error}; pass another path") from error
    above = next(parent for parent in found.parents if parent.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise UserError(f"{found} cannot be written: {above} is not a writable directory; pass another path")
    return found


def directory(path: Any) -> Path:
    """Returns a directory to read. Raises UserError for a value that is not a path."""
    if not isinstance(path, str | os.PathLike) or not isinstance(os.fspath(path), str) or "\0" in os.fspath(path):
        raise UserError(f"path={path!r}: pass the directory that a fit wrote")
    return Path(path)


def save(made: Certified[C], path: Path) -> C:
    """Writes the directory, replacing an existing one. Returns the certificate as written."""
    told = made.certificate
    files = {told.MODELS: _pickled(made.kept), **made.pictures()}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    told = replace(told, model=fingerprint(made.full), digests=digests)
    record = asdict(told)
    sealed = json.dumps({**record, "seal": _seal(record)}, indent=1, sort_keys=True) + "\n"
    _write(path, {**files, told.FILE: sealed.encode()}, told)
    return told


def load(path: Path) -> tuple[Cascade, CascadeCertificate]:
    """Returns the cascade of a directory. Refuses SW950 (unreadable, truncated, edited) and SW951 (other library versions)."""
    return _of_one_state(path, _load)


def _load(path: Path) -> tuple[Cascade, CascadeCertificate]:
    told = read_certificate(path, CascadeCertificate)
    cascade = _models(path, told)
    if not isinstance(cascade, Cascade) or fingerprint(cascade.full) != told.model:
        raise refusal("SW950", what=told.WHAT, path=path, why=f"{told.MODELS} contains another model than the certificate names")
    cascade.about = (*told.lines(), f"cascade: {path}")
    cascade.watched = Watch(
        path=str(path.absolute()), band=told.band, sure_cost=told.sure_cost, full_cost=told.full_cost, labels=False,
        **asdict(told.calibration),
    )  # fmt: skip
    return cascade, told


def load_ranking(path: Path) -> tuple[Ranker, RankCertificate]:
    """Returns the estimator that replaces the full model, and the certificate of a directory. Refuses SW950 and SW951."""
    return _of_one_state(path, _load_ranking)


def _load_ranking(path: Path) -> tuple[Ranker, RankCertificate]:
    told = read_certificate(path, RankCertificate)
    ranker = Ranker(_models(path, told), told.column, told.classes)
    ranker.about = (*told.lines(), f"ranking: {path}")
    return ranker, told


def _of_one_state(path: Path, read: Callable[[Path], R]) -> R:
    """Reads a directory; retries when `save` replaced it between two of its files."""
    for _ in range(_TRIES):
        before = _identity(path)
        try:
            return read(path)
        except Refusal:
            if before == _identity(path):
                raise
    return read(path)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def read_certificate(path: Path, kind: type[C]) -> C:
    """Returns the certificate of a directory after checking its seal. Refuses SW950."""
    try:
        record = json.loads(_content(path, kind.FILE, kind.WHAT).decode("utf-8"))
        seal = record.pop("seal")
        told = kind.of(record)
    except FileNotFoundError:
        raise refusal("SW950", what=kind.WHAT, path=path, why=f"it has no {kind.FILE}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise refusal("SW950", what=kind.WHAT, path=path, why=f"{kind.FILE} cannot be read: {error}") from None
    if seal != _seal(record):
        raise refusal("SW950", what=kind.WHAT, path=path, why=f"{kind.FILE} was edited")
    return told


def directories(path: Path, kind: type[Certificate]) -> Iterator[Path]:
    """Yields the directories with such a certificate: the path itself, or its direct subfolders."""
    if (path / kind.FILE).exists():
        yield path
    elif path.is_dir():
        _refuse_open(path, path.stat().st_mode, path, kind.WHAT)
        yield from sorted(inner for inner in path.iterdir() if inner.is_dir() and (inner / kind.FILE).exists())


def _content(path: Path, name: str, what: str) -> bytes:
    """Returns the bytes of a file in a directory. Raises OSError. Refuses (SW950) world-writable files, as unpickling runs
    code.
    """
    # without O_NONBLOCK, opening a FIFO blocks until it has a writer
    with open(path / name, "rb", opener=lambda file, flags: os.open(file, flags | os.O_NONBLOCK)) as opened:
        status = os.fstat(opened.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise refusal("SW950", what=what, path=path, why=f"{name} is not a regular file")
        _refuse_open(path, path.stat().st_mode, path, what)
        _refuse_open(path / name, status.st_mode, path, what)
        _refuse_planted(path, what)
        return opened.read()


def _refuse_open(found: Path, mode: int, path: Path, what: str) -> None:
    if mode & stat.S_IWOTH:
        raise refusal("SW950", what=what, path=path, why=f"{found} is writable by everybody; remove that permission (chmod o-w)")


def _refuse_planted(path: Path, what: str) -> None:
    """Refuses (SW950) a directory that any user of this machine could have created, such as another user's in /tmp."""
    real = path.resolve()
    for found, above in zip((real, *real.parents), real.parents, strict=False):
        mode = above.stat().st_mode
        owned = found.stat().st_uid in (0, os.geteuid())
        if mode & stat.S_IWOTH and not (mode & stat.S_ISVTX and owned):
            why = f"every user of this machine could have put {found} into {above}; move it to a folder that only some can write"
            raise refusal("SW950", what=what, path=path, why=why)


def _models(path: Path, told: Certificate) -> Any:
    """Returns the unpickled models after comparing all files with the certificate's digests."""
    data = b""
    for name, digest in told.digests.items():
        try:
            found = _content(path, name, told.WHAT)
        except OSError as error:
            raise refusal("SW950", what=told.WHAT, path=path, why=f"{name} cannot be read ({error.strerror})") from None
        if hashlib.sha256(found).hexdigest() != digest:
            raise refusal("SW950", what=told.WHAT, path=path, why=f"{name} is not the file that was written with the certificate")
        data = found if name == told.MODELS else data
    now = library_versions()
    changed = [f"{name} {version}, here {now.get(name)}" for name, version in told.versions.items() if now.get(name) != version]
    if changed:
        raise refusal("SW951", what=told.WHAT, path=path, versions="; ".join(changed))
    try:
        return pickle.loads(data)
    except Exception as error:  # unpickling runs code of other packages, which may raise anything
        why = f"{told.MODELS} does not load: {type(error).__name__}: {error}"
        raise refusal("SW950", what=told.WHAT, path=path, why=why) from error


def _pickled(models: Any) -> bytes:
    """Returns the pickle. Raises UserError for models that cannot be pickled."""
    try:
        return pickle.dumps(models, protocol=5)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UserError(f"the models cannot be pickled ({error}); define their functions in a module") from error


def _seal(record: dict[str, Any]) -> str:
    return hashlib.sha256(("sparkweld cascade 2\n" + json.dumps(record, sort_keys=True)).encode()).hexdigest()


def _write(path: Path, files: dict[str, bytes], told: Certificate) -> None:
    """Writes a directory whole or not at all, replacing one that holds such a certificate."""
    path = place(path, told)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error}; pass another path") from error
    try:
        for name, data in files.items():
            with open(fresh / name, "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
        fresh.chmod(0o755)
        if path.exists():
            if not _exchanged(fresh, path):
                old = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
                path.rename(old / "old")
                fresh.rename(path)
                fresh = old
            shutil.rmtree(fresh)
        else:
            fresh.rename(path)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise UserError(f"{path} cannot be written: {error}; pass another path") from error


def _exchanged(one: Path, other: Path) -> bool:
    """Exchanges the names of two directories atomically (Linux's renameat2); returns whether it succeeded."""
    call = getattr(ctypes.CDLL(None), "renameat2", None)
    return call is not None and call(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0
