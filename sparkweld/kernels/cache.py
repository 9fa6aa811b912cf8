"""Compiled programs on disk: one checked file each, written at once, the least recently used ones removed first.

The file's name is a hash of everything that the object code depends on: the program, the CPU, the vector mathematics of
the host, the versions of Numba, llvmlite and Unicode, and the sources of `ir` and `kernels`. A file holds a JSON line and the
object; the line has the object's SHA-256, so a torn or damaged file is noticed, removed and made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
import unicodedata
from functools import cache
from importlib.metadata import version
from pathlib import Path

import sparkweld.ir
from sparkweld.errors import UserError
from sparkweld.ir.program import Program
from sparkweld.kernels.math_library import vector_math
from sparkweld.kernels.object_code import ObjectCode, kernel_symbol
from sparkweld.kernels.target import host_cpu

DEFAULT_MAX_BYTES = 256 * 1024 * 1024

_SUFFIX = ".kernel"


def default_folder() -> Path:
    """``$SPARKWELD_CACHE_DIR``, else ``sparkweld`` in the user's cache folder (``$XDG_CACHE_HOME`` or ``~/.cache``)."""
    chosen = os.environ.get("SPARKWELD_CACHE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "sparkweld"


def default_max_bytes() -> int:
    """``$SPARKWELD_CACHE_MAX_BYTES``, else 256 MB. Raises UserError for text that is no number."""
    text = os.environ.get("SPARKWELD_CACHE_MAX_BYTES")
    if not text:
        return DEFAULT_MAX_BYTES
    if not text.isdecimal():
        raise UserError(f"SPARKWELD_CACHE_MAX_BYTES is {text!r}; it has to be a number of bytes, {DEFAULT_MAX_BYTES} for example")
    return int(text)


@cache
def compiler_version() -> str:
    """Hash of what turns a program into object code here, the CPU aside."""
    parts = (version("numba"), version("llvmlite"), vector_math(), unicodedata.unidata_version)
    digest = hashlib.sha256(" ".join(parts).encode())
    for folder in (Path(sparkweld.ir.__file__).parent, Path(__file__).parent):
        for source in sorted(folder.rglob("*.py")):
            digest.update(source.relative_to(folder).as_posix().encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


class ObjectCache:
    """Object code by program, in `folder`, at most about `max_bytes` of it. Processes and threads may share a folder.

    A folder that cannot be written is no error: the cache then finds and keeps nothing, and `warning` says why, once set.
    """

    def __init__(self, folder: Path | None = None, max_bytes: int | None = None) -> None:
        self.folder = default_folder() if folder is None else Path(folder)
        self.max_bytes = default_max_bytes() if max_bytes is None else max_bytes
        self.warning: str | None = None
        self._lock = threading.Lock()

    def path(self, program: Program, streams: bool = False) -> Path:
        """The file of a program's object code."""
        what = f"{program.digest}{' streams' if streams else ''}\n{host_cpu()}\n{compiler_version()}"
        key = hashlib.sha256(what.encode()).hexdigest()
        return self.folder / f"{key}{_SUFFIX}"

    def get(self, program: Program, streams: bool = False) -> ObjectCode | None:
        """The object code of a program, None when it is not here or its file was damaged (and is now removed)."""
        path = self.path(program, streams)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            self._warn("read", error)
            return None
        code = _decode(content, kernel_symbol(program, streams))
        try:
            if code is None:
                path.unlink()
            else:
                os.utime(path)  # the order of removal is by this time
        except FileNotFoundError:
            pass  # another process removed it first
        except OSError as error:
            self._warn("write", error)
        return code

    def put(self, program: Program, code: ObjectCode, streams: bool = False) -> None:
        """Keeps the object code of a program, and removes old files while the folder is too large."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            # A reader sees the old file, no file or the whole new file: the rename is atomic.
            handle, name = tempfile.mkstemp(dir=self.folder, suffix=".tmp")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_encode(code))
                os.replace(name, self.path(program, streams))
            except BaseException:
                os.unlink(name)
                raise
            self._shrink()
        except OSError as error:
            self._warn("write", error)

    def _shrink(self) -> None:
        with self._lock:
            files = []
            for path in self.folder.glob(f"*{_SUFFIX}"):
                try:
                    status = path.stat()
                except FileNotFoundError:
                    continue  # another process removed it first
                files.append((status.st_mtime_ns, status.st_size, path))
            excess = sum(size for _, size, _ in files) - self.max_bytes
            for _, size, path in sorted(files):
                if excess <= 0:
                    return
                path.unlink(missing_ok=True)
                excess -= size

    def _warn(self, what: str, error: OSError) -> None:
        reason = error.strerror or str(error)
        self.warning = f"cannot {what} the kernel cache {self.folder} ({reason}); kernels are compiled anew each time"


def _encode(code: ObjectCode) -> bytes:
    head = {
        "symbol": code.symbol, "imports": code.imports, "cpu": code.cpu, "memory": code.memory,
        "size": len(code.data), "sha256": hashlib.sha256(code.data).hexdigest(),
    }  # fmt: skip
    return json.dumps(head).encode() + b"\n" + code.data


def _decode(content: bytes, symbol: str) -> ObjectCode | None:
    """Inverse of `_encode`; None for anything else than a whole file of this kernel and CPU."""
    line, _, data = content.partition(b"\n")
    try:
        head = json.loads(line)
        whole = head["size"] == len(data) and head["sha256"] == hashlib.sha256(data).hexdigest()
        ours = head["symbol"] == symbol and head["cpu"] == host_cpu()
        return ObjectCode(head["symbol"], tuple(head["imports"]), head["cpu"], data, head["memory"]) if whole and ours else None
    except (ValueError, KeyError, TypeError):
        return None
