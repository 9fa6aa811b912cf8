"""Checks the object-code cache: hits, damage, limits, unusable folders, concurrent processes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sparkweld.errors import UserError
from sparkweld.ir import Input, Program, ProgramBuilder, print_program
from sparkweld.ir.ops import StrCall
from sparkweld.ir.types import F64, STR
from sparkweld.kernels import Kernel, ObjectCache, compile_program
from sparkweld.kernels.functions.strings.library import Function
from sparkweld.kernels.runtime.cache import DEFAULT_MAX_BYTES, default_folder, default_max_bytes

ROOT = Path(__file__).parents[2]


def program(factor: float = 2.0) -> Program:
    builder = ProgramBuilder("scaled", [Input("a", F64)])
    loop = builder.loop("loop")
    loop.append("o", loop.call("multiply", loop.read("a"), loop.const(factor, F64)))
    loop.close()
    return builder.finish(["o"])


def works(code, p: Program, factor: float = 2.0) -> bool:
    a = np.arange(100.0)
    return np.array_equal(Kernel.load(code, p).run({"a": a}, 100).columns["o"], a * factor)


def test_a_second_compilation_uses_the_cache(tmp_path):
    cache, p = ObjectCache(tmp_path / "new" / "folder"), program()
    first, second = compile_program(p, cache), compile_program(p, cache)
    assert (first.cached, second.cached) == (False, True)
    assert (first.data, first.imports, first.symbol, first.cpu) == (second.data, second.imports, second.symbol, second.cpu)
    assert works(second, p) and cache.warning is None
    assert not compile_program(program(3.0), cache).cached


class Made:
    """A function whose bitcode is made at most once."""

    symbol = "sparkweld.string.made"

    def __init__(self) -> None:
        self.left = [b"code"]

    @property
    def bitcode(self) -> bytes:
        return self.left.pop()


def test_a_function_is_made_once(tmp_path):
    cache, function = ObjectCache(tmp_path), Made()
    assert [cache.bitcode(function), cache.bitcode(function), ObjectCache(tmp_path).bitcode(function)] == [b"code"] * 3
    (file,) = tmp_path.glob("*.kernel")
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(IndexError):  # a damaged file is not used, and the function is made again
        cache.bitcode(function)
    assert not file.exists() and cache.bitcode(Made()) == b"code"
    other = Made()
    other.symbol = "sparkweld.string.other"
    other.left = [b"of the other"]
    assert cache.bitcode(other) == b"of the other" and cache.warning is None


def test_functions_of_the_cache_are_linked(tmp_path, monkeypatch):
    """The kernel's object code is the same, and the process that reads a function does not make it."""
    cache, p = ObjectCache(tmp_path), texts()
    made = compile_program(p, cache)
    cache.path(p).unlink()
    monkeypatch.setattr(Function, "bitcode", property(lambda self: pytest.fail(f"{self.name} is made again")))
    again = compile_program(p, cache)
    assert not again.cached and again.data == made.data


def texts() -> Program:
    builder = ProgramBuilder("texts", [Input("a", STR)])
    loop = builder.loop("loop")
    loop.append("o", loop.emit(StrCall("upper"), loop.read("a")))
    loop.close()
    return builder.finish(["o"])


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "text", "other program"])
def test_a_damaged_file_is_removed_and_made_again(tmp_path, damage):
    cache, p = ObjectCache(tmp_path), program()
    compile_program(p, cache)
    path = cache.path(p)
    content = bytearray(path.read_bytes())
    if damage == "other program":
        other = program(3.0)
        compile_program(other, cache)
        content[:] = cache.path(other).read_bytes()
    content[-100] ^= damage == "flipped"
    path.write_bytes({"cut": content[:-7], "empty": b"", "text": b"{}\n\0"}.get(damage, bytes(content)))
    assert cache.get(p) is None
    assert not path.exists()
    again = compile_program(p, cache)
    assert not again.cached and works(again, p) and compile_program(p, cache).cached


def test_the_least_recently_used_files_are_removed_first(tmp_path):
    cache = ObjectCache(tmp_path)
    programs = [program(float(k)) for k in range(5)]
    for at, p in enumerate(programs):
        compile_program(p, cache)
        os.utime(cache.path(p), ns=(at, at))
    assert cache.get(programs[0]) is not None  # used just now
    size = cache.path(programs[0]).stat().st_size
    small = ObjectCache(tmp_path, max_bytes=3 * size + size // 2)
    compile_program(program(9.0), small)
    left = [p for p in programs if cache.path(p).exists()]
    assert left == [programs[0], programs[4]]
    assert cache.path(program(9.0)).exists()


@pytest.mark.parametrize("blocked", ["file in the way", "not a folder"])
def test_a_folder_that_cannot_be_used_costs_the_cache_only(tmp_path, blocked):
    (tmp_path / "blocked").write_text("")
    folder = tmp_path / "blocked" if blocked == "file in the way" else tmp_path / "blocked" / "below"
    cache, p = ObjectCache(folder), program()
    code = compile_program(p, cache)
    assert not code.cached and works(code, p)
    assert not compile_program(p, cache).cached
    assert cache.warning is not None and str(folder) in cache.warning


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_write_that_fails_costs_the_cache_only(tmp_path, monkeypatch, reason):
    def fail(*arguments, **options):
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(os, "replace", fail)
    cache = ObjectCache(tmp_path)
    assert works(compile_program(program(), cache), program())
    assert cache.warning is not None and os.strerror(reason) in cache.warning
    assert list(tmp_path.iterdir()) == []


def test_no_temporary_file_is_left(tmp_path):
    compile_program(program(), ObjectCache(tmp_path))
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".kernel", ".key"]


def test_two_processes_compile_the_same_program(tmp_path):
    text = tmp_path / "program.txt"
    text.write_text(print_program(program()))
    script = (
        "import sys, pathlib\n"
        "from sparkweld.ir import parse_program\n"
        "from sparkweld.kernels import ObjectCache, compile_program\n"
        "program = parse_program(pathlib.Path(sys.argv[1]).read_text())\n"
        "for _ in range(20):\n"
        "    cache = ObjectCache(pathlib.Path(sys.argv[2]))\n"
        "    code = compile_program(program, cache)\n"
        "    assert cache.warning is None, cache.warning\n"
        "    cache.put(program, code)\n"
    )
    arguments = [sys.executable, "-c", script, str(text), str(tmp_path / "cache")]
    running = [subprocess.Popen(arguments, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    for process in running:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
    assert works(compile_program(program(), ObjectCache(tmp_path / "cache")), program())
    assert len(list((tmp_path / "cache").glob("*.kernel"))) == 1
    assert len(list((tmp_path / "cache").iterdir())) == 2  # and the key


def test_the_environment_determines_the_folder_and_the_limit(monkeypatch, tmp_path):
    for name in ("SPARKWELD_CACHE_DIR", "SPARKWELD_CACHE_MAX_BYTES", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    assert default_folder() == Path.home() / ".cache" / "sparkweld"
    assert default_max_bytes() == DEFAULT_MAX_BYTES
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "sparkweld"
    monkeypatch.setenv("SPARKWELD_CACHE_DIR", str(tmp_path / "mine"))
    monkeypatch.setenv("SPARKWELD_CACHE_MAX_BYTES", "12345")
    cache = ObjectCache()
    assert (cache.folder, cache.max_bytes) == (tmp_path / "mine", 12345)
    monkeypatch.setenv("SPARKWELD_CACHE_MAX_BYTES", "12 MB")
    with pytest.raises(UserError, match="12 MB"):
        default_max_bytes()


def test_a_cached_program_needs_no_numba(tmp_path):
    compile_program(program(), ObjectCache(tmp_path))
    (tmp_path / "program.txt").write_text(print_program(program()))
    script = (
        "import sys, pathlib\n"
        "from sparkweld.ir import parse_program\n"
        "from sparkweld.kernels import ObjectCache, compile_program\n"
        "program = parse_program(pathlib.Path(sys.argv[1]).read_text())\n"
        "assert compile_program(program, ObjectCache(pathlib.Path(sys.argv[2]))).cached\n"
        "assert 'numba' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path / "program.txt"), str(tmp_path)], cwd=ROOT, check=True)
