"""Checks that the object-code cache rejects planted, damaged, renamed and foreign files."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import socket
import stat
import time
from pathlib import Path

import pytest

from sparkweld.ir import Program
from sparkweld.kernels import ObjectCache, compile_program
from sparkweld.kernels.codegen.shape import kernel_symbol
from sparkweld.kernels.llvm.target import target_cpu
from sparkweld.kernels.runtime import cache as cache_module
from sparkweld.kernels.runtime.object_code import ObjectCode
from tests.kernels.test_cache import ROOT, program, works


def compiled(folder: Path, p: Program | None = None) -> tuple[ObjectCache, Path]:
    """Returns a cache with one program in it, and the program's file."""
    cache = ObjectCache(folder)
    compile_program(p or program(), cache)
    assert cache.warning is None
    return cache, cache.path(p or program())


def not_used(folder: Path) -> str:
    """Returns the warning of a cache that finds nothing, stores nothing, and has no other effect."""
    names = set(os.listdir(folder)) if folder.is_dir() else set()
    cache = ObjectCache(folder)
    code = compile_program(program(), cache)
    assert not code.cached and works(code, program())
    assert (set(os.listdir(folder)) if folder.is_dir() else set()) == names
    assert cache.warning is not None
    return cache.warning


def test_a_new_folder_is_this_users_alone(tmp_path):
    before = os.umask(0)
    try:
        _, file = compiled(tmp_path / "above" / "cache")
    finally:
        os.umask(before)
    made = (file.parent.parent, file.parent, file, file.parent / "authentication.key")
    assert [stat.S_IMODE(path.stat().st_mode) for path in made] == [0o700, 0o700, 0o600, 0o600]


def test_no_file_with_a_flipped_bit_is_accepted(tmp_path):
    cache, file = compiled(tmp_path)
    whole = file.read_bytes()
    key = (tmp_path / "authentication.key").read_bytes()
    identity = cache_module._program_identity(program(), False)
    assert cache_module._content(whole, key, identity) is not None
    flipped = bytearray(whole)
    for bit in range(8 * len(whole)):
        flipped[bit // 8] ^= 1 << bit % 8
        assert cache_module._content(bytes(flipped), key, identity) is None
        flipped[bit // 8] ^= 1 << bit % 8
    for at in (0, 31, 32, 40, 150, 300, len(whole) - 1):  # the same through the folder, at each section of the file
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert cache.get(program()) is None and not file.exists() and cache.warning is None


@pytest.mark.parametrize("head", ["as it was once", "nested", "endless"])
def test_a_planted_file_is_not_linked(tmp_path, head):
    """It has the right name, and the proof that an earlier release accepted: a hash of its own object."""
    cache, file = compiled(tmp_path)
    data = b"\x7fELF planted"
    told = {"symbol": kernel_symbol(program()), "imports": [], "cpu": target_cpu(), "memory": 0, "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest()}  # fmt: skip
    heads = {"as it was once": json.dumps(told).encode() + b"\n" + data, "nested": b"[" * 200_000, "endless": b"x" * 1_000_000}
    file.write_bytes(heads[head])
    assert cache.get(program()) is None and not file.exists()


def test_the_file_of_another_program_form_or_compiler_is_not_taken(tmp_path, monkeypatch):
    cache, file = compiled(tmp_path)
    other = cache.path(program(3.0))
    other.write_bytes(file.read_bytes())
    assert cache.get(program(3.0)) is None
    streams = cache.path(program(), streams=True)
    streams.write_bytes(file.read_bytes())
    assert cache.get(program(), streams=True) is None
    for changed in ("compiler_version", "target_cpu"):
        whole = file.read_bytes()
        with monkeypatch.context() as patch:
            patch.setattr(cache_module, changed, lambda: "another")
            cache.path(program()).write_bytes(whole)
            assert cache.get(program()) is None
    assert cache.get(program()) is not None


@pytest.mark.parametrize("mode", [0o770, 0o720, 0o707, 0o777, 0o1777])
def test_a_folder_that_others_can_write_is_not_used(tmp_path, mode):
    _, file = compiled(tmp_path / "cache")
    (tmp_path / "cache").chmod(mode)
    assert str(tmp_path / "cache") in not_used(tmp_path / "cache")


def test_a_folder_that_others_can_read_is_used(tmp_path):
    compiled(tmp_path / "cache")
    (tmp_path / "cache").chmod(0o755)
    assert compile_program(program(), ObjectCache(tmp_path / "cache")).cached


@pytest.mark.parametrize(("mode", "used"), [(0o777, False), (0o1777, True), (0o711, True)])
def test_parent_folders_matter_where_everybody_may_write_them(tmp_path, mode, used):
    (tmp_path / "above").mkdir()
    (tmp_path / "above").chmod(mode)
    cache = ObjectCache(tmp_path / "above" / "cache")
    compile_program(program(), cache)
    assert (cache.warning is None) == used
    assert (tmp_path / "above" / "cache").exists() == used


@pytest.fixture
def foreign(monkeypatch):
    """Changes a path's owner to another user, or switches this process to another user where that is not permitted."""

    def give(path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, 12345, 12345)
        else:
            own = os.geteuid()
            monkeypatch.setattr(os, "geteuid", lambda: own + 1)

    return give


@pytest.mark.parametrize("what", ["folder", "file", "key"])
def test_a_file_of_another_user_is_not_used(tmp_path, foreign, what):
    _, file = compiled(tmp_path / "cache")
    foreign({"folder": file.parent, "file": file, "key": file.parent / "authentication.key"}[what])
    assert "owned by" in not_used(tmp_path / "cache")


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_is_not_used(tmp_path, mode):
    _, file = compiled(tmp_path)
    file.chmod(mode)
    assert "written by others" in not_used(tmp_path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_can_read_is_not_used(tmp_path, mode):
    compiled(tmp_path)
    (tmp_path / "authentication.key").chmod(mode)
    assert "read by others" in not_used(tmp_path)


@pytest.mark.parametrize("target", ["kernel", "key"])
@pytest.mark.parametrize("kind", ["link", "dangling link", "hard link", "fifo", "socket", "folder", "device", "too large"])
def test_irregular_files_are_not_read(tmp_path, kind, target):
    _, file = compiled(tmp_path / "cache")
    path = file if target == "kernel" else tmp_path / "cache" / "authentication.key"
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    if kind == "link":
        path.symlink_to(elsewhere)
    elif kind == "dangling link":
        path.symlink_to(tmp_path / "nothing")
    elif kind == "hard link":
        path.hardlink_to(elsewhere)
    elif kind == "fifo":
        os.mkfifo(path, 0o600)  # nobody writes into it: a plain open waits for ever
    elif kind == "socket":
        os.chdir(path.parent)  # the path itself may be too long for a socket
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(path.name)
        os.chdir(ROOT)
        path.chmod(0o600)
    elif kind == "folder":
        path.mkdir(mode=0o700)
    elif kind == "device":
        if os.geteuid() == 0:
            os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero: it has no end
        else:
            path.symlink_to("/dev/zero")
    else:
        path.touch(mode=0o600)
        os.truncate(path, 1 << 40)
    started = time.monotonic()
    assert str(path) in not_used(tmp_path / "cache")
    assert time.monotonic() - started < 20


def test_a_folder_that_is_a_link_is_not_used(tmp_path):
    compiled(tmp_path / "real")
    (tmp_path / "cache").symlink_to(tmp_path / "real")
    assert "link" in not_used(tmp_path / "cache")


def test_a_link_above_the_folder_is_followed(tmp_path):
    compiled(tmp_path / "real" / "cache")
    (tmp_path / "home").symlink_to(tmp_path / "real")
    assert compile_program(program(), ObjectCache(tmp_path / "home" / "cache")).cached


@pytest.mark.parametrize("size", [0, 1, 31, 33])
def test_a_key_of_another_size_is_not_used(tmp_path, size):
    compiled(tmp_path)
    key = tmp_path / "authentication.key"
    key.write_bytes(b"k" * size)
    assert str(key) in not_used(tmp_path)
    assert key.read_bytes() == b"k" * size


def test_files_of_another_key_are_made_again(tmp_path):
    cache, file = compiled(tmp_path)
    (tmp_path / "authentication.key").write_bytes(b"k" * 32)
    assert cache.get(program()) is None and not file.exists()
    assert not compile_program(program(), cache).cached and compile_program(program(), cache).cached
    (tmp_path / "authentication.key").unlink()
    assert cache.get(program()) is None and not file.exists()
    assert not compile_program(program(), cache).cached and compile_program(program(), cache).cached
    assert cache.warning is None


def test_orphans_of_processes_that_ended_are_removed(tmp_path):
    compiled(tmp_path)
    for name, age in (("old", 7200), ("new", 60)):
        path = tmp_path / f"{name}.tmp"
        path.touch()
        os.utime(path, (time.time() - age, time.time() - age))
    (tmp_path / "folder.tmp").mkdir()
    os.utime(tmp_path / "folder.tmp", (0, 0))
    cache = ObjectCache(tmp_path)
    compile_program(program(3.0), cache)
    assert {path.name for path in tmp_path.glob("*.tmp")} == {"new.tmp", "folder.tmp"} and cache.warning is None


@pytest.mark.parametrize("home", ["none", "relative"])
def test_a_user_without_a_home_has_no_cache(monkeypatch, home):
    for name in ("SPARKWELD_CACHE_DIR", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    if home == "none":
        monkeypatch.setattr("posixpath.expanduser", lambda path: path)  # as for a user that the system does not know
    else:
        monkeypatch.setenv("SPARKWELD_CACHE_DIR", "some/cache")
    cache = ObjectCache()
    assert works(compile_program(program(), cache), program())
    assert cache.warning is not None and "absolute" in cache.warning


def test_object_code_past_the_size_of_a_file_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_module, "_MOST_FILE_BYTES", 1 << 17)
    cache = ObjectCache(tmp_path)
    cache.put(program(), ObjectCode("s", (), "c", bytes(1 << 17)))
    assert list(tmp_path.iterdir()) == [] and cache.warning is None


def test_a_cache_on_a_disk_that_cannot_be_written_is_read(tmp_path, monkeypatch):
    cache, _ = compiled(tmp_path)

    def fail(*arguments, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    for name in ("utime", "replace", "unlink", "mkdir"):
        monkeypatch.setattr(os, name, fail)
    assert compile_program(program(), cache).cached and cache.warning is None
