"""Opens a folder that only this user can write, and accesses its files through the folder's descriptor.

All checks are made on open descriptors, never on a path that is opened later. So a link or another file that is placed there in
between has no effect. Raises `NotPrivate` for whatever other users may have written, and for anything but regular files.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import time
from collections.abc import Iterator
from pathlib import Path

_TEMPORARY = ".tmp"
#: Seconds after which a process that was writing a file is done, or dead.
_ORPHANED_SECONDS = 3600.0
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
# Without O_NONBLOCK the open of a FIFO waits for a writer.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: This user may have the right to traverse, but not to list, a folder above.
_PASSED = _FOLDER | os.O_PATH
#: Errors of opening a link, a socket, or a file without read permission.
_NOT_OPENED = (errno.ELOOP, errno.ENXIO, errno.EACCES, errno.EPERM)


class NotPrivate(Exception):
    """Signals that another user may have written a file or folder, or may write it. The message names it and the remedy."""


class PrivateFolder:
    """A folder of mode 0700 as an open descriptor. Use it in a `with` statement."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self._descriptor = path, descriptor

    @classmethod
    def open(cls, path: Path, create: bool = False) -> PrivateFolder | None:
        """Opens the folder; returns None when it is absent, unless `create`. Raises OSError and NotPrivate."""
        if not path.is_absolute():
            raise NotPrivate(f"{path} is not an absolute path; pass an absolute path")
        # Links above the folder are resolved once; from the root down, no component of the resolved path may be a link.
        parent = Path(os.path.realpath(path.parent))
        above = os.open("/", _PASSED)
        try:
            for depth, name in enumerate(parent.parts[1:], 1):
                _check_parent(above, Path(*parent.parts[:depth]))
                below = _opened(above, name, _PASSED, create)
                if below is None:
                    return None
                os.close(above)
                above = below
            _check_parent(above, parent)
            found = _opened(above, path.name, _FOLDER, create)
        except OSError as error:
            if error.errno == errno.ENOTDIR:
                raise NotPrivate(f"{path}, or a parent of it, is a link or a file; choose another folder") from error
            raise
        finally:
            os.close(above)
        if found is None:
            return None
        try:
            _check_folder(os.fstat(found), path)
        except NotPrivate:
            os.close(found)
            raise
        return cls(path, found)

    def __enter__(self) -> PrivateFolder:
        return self

    def __exit__(self, *exception: object) -> None:
        os.close(self._descriptor)

    def read(self, name: str, most: int, secret: bool = False) -> bytes | None:
        """Reads a file and marks it as just used; returns None when it is absent.

        Raises OSError. Raises NotPrivate for a file that others may have written, or, with `secret`, may have read. So it does
        for a file that has a second hard link, or more than `most` bytes.
        """
        try:
            file = os.open(name, _READ, dir_fd=self._descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in _NOT_OPENED:
                raise NotPrivate(f"{self.path / name} cannot be opened ({error.strerror}); remove it") from error
            raise
        try:
            _check_file(os.fstat(file), self.path / name, most, secret)
            with os.fdopen(file, "rb", closefd=False) as opened:
                content = opened.read(most + 1)
            if len(content) > most:
                raise NotPrivate(f"{self.path / name} grows while it is read; remove it")
            with contextlib.suppress(OSError):  # on a read-only disk no file is evicted by its time
                os.utime(file)
        finally:
            os.close(file)
        return content

    def write(self, name: str, content: bytes) -> None:
        """Replaces a file atomically: a reader sees the old file, none, or the whole new one. Raises OSError."""
        fresh = f"{secrets.token_hex(8)}{_TEMPORARY}"
        file = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=self._descriptor)
        try:
            with os.fdopen(file, "wb") as opened:
                opened.write(content)
            os.replace(fresh, name, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)
        except BaseException:
            os.unlink(fresh, dir_fd=self._descriptor)
            raise

    def remove(self, name: str) -> None:
        """Removes a file, which another process may have removed already. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._descriptor)

    def files(self, suffix: str) -> Iterator[tuple[str, os.stat_result]]:
        """Yields the files whose names end in `suffix`."""
        for entry in os.scandir(self._descriptor):
            if entry.name.endswith(suffix):
                with contextlib.suppress(FileNotFoundError):  # another process removed it
                    yield entry.name, entry.stat(follow_symlinks=False)

    def remove_orphans(self) -> None:
        """Removes the temporary files of processes that died while they wrote."""
        for name, status in list(self.files(_TEMPORARY)):
            if time.time() - status.st_mtime > _ORPHANED_SECONDS and not stat.S_ISDIR(status.st_mode):
                self.remove(name)


def _opened(above: int, name: str, flags: int, create: bool) -> int | None:
    """Opens the folder `name` in the folder `above`; returns None when it is absent. `create` makes it, for this user alone."""
    try:
        return os.open(name, flags, dir_fd=above)
    except FileNotFoundError:
        if not create:
            return None
    with contextlib.suppress(FileExistsError):  # another process made it
        os.mkdir(name, 0o700, dir_fd=above)
    return os.open(name, flags, dir_fd=above)


def _check_parent(descriptor: int, path: Path) -> None:
    """Raises NotPrivate for a folder above that everybody can write, unless its sticky bit is set.

    Whoever can write it could replace the folder below. A group that can write it is not a danger. A folder that it puts there
    is not owned by this user, or was created by this user.
    """
    mode = os.fstat(descriptor).st_mode
    if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
        raise NotPrivate(f"{path} is writable by everybody; remove that permission (chmod o-w), or choose another folder")


def _check_folder(status: os.stat_result, path: Path) -> None:
    if status.st_uid != os.geteuid():
        raise NotPrivate(f"{path} is owned by the user {status.st_uid}, not {os.geteuid()}; choose a folder of your own")
    if status.st_mode & _OTHERS_WRITE:
        raise NotPrivate(f"{path} can be written by others; remove it with its content, or choose another folder")


def _check_file(status: os.stat_result, path: Path, most: int, secret: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise NotPrivate(f"{path} is not a regular file; remove it")
    if status.st_uid != os.geteuid():
        raise NotPrivate(f"{path} is owned by the user {status.st_uid}, not {os.geteuid()}; remove it")
    if status.st_mode & (_OTHERS if secret else _OTHERS_WRITE):
        raise NotPrivate(f"{path} can be {'read' if secret else 'written'} by others; remove it")
    if status.st_nlink > 1:  # 0: another process has just replaced it
        raise NotPrivate(f"{path} has a second hard link; remove it")
    if status.st_size > most:
        raise NotPrivate(f"{path} has {status.st_size} bytes, more than {most}; remove it")
