"""Caches the object code of programs, and the bitcode of functions that they call, on disk: one authenticated file for each.

Files are replaced atomically; the least recently used ones are evicted first. A file's name is a hash of all inputs of its
code. These are the program or function, the CPU, the host's vector math library, the versions of Numba, llvmlite and Unicode,
and the sources of `ir` and `kernels`.

Whoever can write a file here can run code in the JVM. So this user alone must own and be able to write the folder and its files.
Each file begins with the HMAC-SHA256 of its remaining bytes, under a random key stored in the same folder. The authenticated
bytes repeat the program or function, the CPU and the versions, so a file that was renamed is rejected.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
import unicodedata
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import sparkweld.ir
from sparkweld.contract.constants import CACHE_DIR_VARIABLE, CACHE_MAX_BYTES_VARIABLE, HEAD_WORDS, KEEPS
from sparkweld.errors import UserError
from sparkweld.ir.ops.lists import MOST_SUMMANDS
from sparkweld.ir.program import Program
from sparkweld.kernels.codegen.shape import kernel_symbol
from sparkweld.kernels.llvm.math_library import vector_math
from sparkweld.kernels.llvm.target import target_cpu
from sparkweld.kernels.runtime.object_code import ObjectCode
from sparkweld.kernels.runtime.private_folder import NotPrivate, PrivateFolder

if TYPE_CHECKING:
    from sparkweld.kernels.functions.strings.library import Function

DEFAULT_MAX_BYTES = 256 * 1024 * 1024

_SUFFIX = ".kernel"
_KEY = "authentication.key"
_PROBE = "doctor.probe"
_KEY_BYTES = 32
_MAC_BYTES = 32
_FORMAT = "sparkweld code 2"
#: No program within the limits of `shape.check_size` comes near this size.
_MOST_FILE_BYTES = 64 * 1024 * 1024


def default_folder() -> Path:
    """Returns ``$SPARKWELD_CACHE_DIR``, else ``sparkweld`` in the user's cache folder (``$XDG_CACHE_HOME`` or ``~/.cache``).

    A relative path stays relative, and ``~`` is not expanded for a user without a home: the cache then warns that it requires
    another folder.
    """
    chosen = os.environ.get(CACHE_DIR_VARIABLE)
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.path.expanduser(chosen or os.path.join(base, "sparkweld")))


def default_max_bytes() -> int:
    """Returns ``$SPARKWELD_CACHE_MAX_BYTES``, else 256 MB. Raises UserError for a value that is not a number."""
    text = os.environ.get(CACHE_MAX_BYTES_VARIABLE)
    if not text:
        return DEFAULT_MAX_BYTES
    if not text.isdecimal():
        raise UserError(f"{CACHE_MAX_BYTES_VARIABLE} is {text!r}; pass a number of bytes, such as {DEFAULT_MAX_BYTES}")
    return int(text)


@cache
def compiler_version() -> str:
    """Returns a hash of all inputs of code generation except the program and the CPU."""
    libraries = (version("numba"), version("llvmlite"), vector_math(), unicodedata.unidata_version)
    parts = (*libraries, str(HEAD_WORDS), str(KEEPS), str(MOST_SUMMANDS))
    digest = hashlib.sha256(" ".join(parts).encode())
    for folder in (Path(sparkweld.ir.__file__).parent, Path(__file__).parent.parent):
        for source in sorted(folder.rglob("*.py")):
            digest.update(source.relative_to(folder).as_posix().encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


class ObjectCache:
    """An on-disk cache of compiled code, in `folder`, limited to about `max_bytes`.

    Processes and threads may share a folder. A folder that cannot be written, or that other users can access, is not an error.
    The cache then finds and stores nothing, and `warning` holds the reason.
    """

    def __init__(self, folder: Path | None = None, max_bytes: int | None = None) -> None:
        self.folder = default_folder() if folder is None else Path(folder)
        self.max_bytes = default_max_bytes() if max_bytes is None else max_bytes
        self.warning: str | None = None
        self._trusted = True
        self._lock = threading.Lock()

    def path(self, program: Program, streams: bool = False) -> Path:
        """Returns the file of a program's object code."""
        return self.folder / _file_name(_program_identity(program, streams))

    def get(self, program: Program, streams: bool = False) -> ObjectCode | None:
        """Returns the object code of a program, or None when it is absent or its file was damaged (and is now removed)."""
        content = self._read(_program_identity(program, streams))
        return None if content is None else _decode(content, kernel_symbol(program, streams))

    def put(self, program: Program, code: ObjectCode, streams: bool = False) -> None:
        """Stores the object code of a program, and evicts old files while the folder is too large."""
        self._write(_program_identity(program, streams), _encode(code))

    def bitcode(self, function: Function) -> bytes:
        """Returns the bitcode of a function, which takes up to a second to make, from its file, or makes and stores it."""
        identity = _identity(f"function {function.symbol}")
        code = self._read(identity)
        if code is None:
            code = function.bitcode
            self._write(identity, code)
        return code

    def _read(self, identity: bytes) -> bytes | None:
        """Returns what `_write` stored, or None when it is absent or damaged (and is now removed)."""
        if not self._trusted:
            return None
        try:
            folder = PrivateFolder.open(self.folder)
            if folder is None:
                return None
            with folder:
                key, name = _key(folder), _file_name(identity)
                file = folder.read(name, _MOST_FILE_BYTES)
                if file is None:
                    return None
                content = None if key is None else _content(file, key, identity)
                if content is None:
                    folder.remove(name)
                return content
        except NotPrivate as problem:
            self._distrust(problem)
        except OSError as error:
            self._warn("read", error)
        return None

    def _write(self, identity: bytes, content: bytes) -> None:
        body = identity + b"\n" + content
        if not self._trusted or len(body) > _MOST_FILE_BYTES - _MAC_BYTES:
            return
        try:
            folder = PrivateFolder.open(self.folder, create=True)
            assert folder is not None
            with folder:
                folder.write(_file_name(identity), _mac(_made_key(folder), body) + body)
                self._shrink(folder)
                folder.remove_orphans()
        except NotPrivate as problem:
            self._distrust(problem)
        except OSError as error:
            self._warn("write", error)

    def check(self) -> None:
        """Creates the folder and its key, and sets `warning` when they cannot be used."""
        try:
            folder = PrivateFolder.open(self.folder, create=True)
            assert folder is not None
            with folder:
                _made_key(folder)
                folder.write(_PROBE, b"")
                folder.remove(_PROBE)
        except NotPrivate as problem:
            self._distrust(problem)
        except OSError as error:
            self._warn("write", error)

    def _shrink(self, folder: PrivateFolder) -> None:
        with self._lock:
            files = sorted((status.st_mtime_ns, status.st_size, name) for name, status in folder.files(_SUFFIX))
            excess = sum(size for _, size, _ in files) - self.max_bytes
            for _, size, name in files:
                if excess <= 0:
                    return
                folder.remove(name)
                excess -= size

    def _distrust(self, problem: NotPrivate) -> None:
        self._trusted = False
        self.warning = f"the kernel cache {self.folder} is not used, and every kernel is compiled again: {problem}"

    def _warn(self, what: str, error: OSError) -> None:
        reason = error.strerror or str(error)
        self.warning = f"cannot {what} the kernel cache {self.folder} ({reason}); every kernel is compiled again"


def _key(folder: PrivateFolder) -> bytes | None:
    """Returns the key of the folder's files, or None when there is none yet. Raises NotPrivate."""
    key = folder.read(_KEY, _KEY_BYTES, secret=True)
    if key is not None and len(key) != _KEY_BYTES:
        raise NotPrivate(f"{folder.path / _KEY} has {len(key)} bytes, not {_KEY_BYTES}; remove it")
    return key


def _made_key(folder: PrivateFolder) -> bytes:
    """Returns the key of the folder's files, and creates it when there is none.

    When two processes create a key, the later one wins. Files that the other process wrote in between fail authentication and are
    compiled again.
    """
    if _key(folder) is None:
        folder.write(_KEY, secrets.token_bytes(_KEY_BYTES))
    key = _key(folder)
    if key is None:
        raise NotPrivate(f"{folder.path / _KEY} was removed while it was written; use a folder that nothing else cleans")
    return key


def _program_identity(program: Program, streams: bool) -> bytes:
    return _identity(f"{program.digest}{' streams' if streams else ''}")


def _identity(what: str) -> bytes:
    """Returns the bytes that identify the code of a program or function: format, `what`, CPU and compiler version."""
    return "\n".join((_FORMAT, what, target_cpu(), compiler_version())).encode()


def _file_name(identity: bytes) -> str:
    return f"{hashlib.sha256(identity).hexdigest()}{_SUFFIX}"


def _content(file: bytes, key: bytes, identity: bytes) -> bytes | None:
    """Returns the content of a file: MAC of the rest, identity, line feed, content.

    Returns None unless the file is complete and was made with this key for this identity.
    """
    body = file[_MAC_BYTES:]
    if not hmac.compare_digest(file[:_MAC_BYTES], _mac(key, body)) or not body.startswith(identity + b"\n"):
        return None
    return body[len(identity) + 1 :]


def _encode(code: ObjectCode) -> bytes:
    """Serialises object code: lines of memory and imports, a NUL byte, the object."""
    return b"\n".join((str(code.memory).encode(), " ".join(code.imports).encode())) + b"\0" + code.data


def _decode(content: bytes, symbol: str) -> ObjectCode:
    """Inverts `_encode` for this CPU."""
    head, _, data = content.partition(b"\0")
    memory, _, imports = head.decode().partition("\n")
    return ObjectCode(symbol, tuple(imports.split()), target_cpu(), data, int(memory))


def _mac(key: bytes, body: bytes) -> bytes:
    return hmac.digest(key, body, "sha256")
