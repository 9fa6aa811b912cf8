"""Runs the C code under AddressSanitizer and UndefinedBehaviorSanitizer on random and malformed columns.

The program under tests/native calls every function that dereferences addresses, with buffers of exactly the permitted size,
and compares the results with a naive implementation.
"""

from __future__ import annotations

import pathlib
import subprocess
import types

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHIM = ROOT / "jvm-bridge" / "src" / "main" / "c"
NATIVE = ROOT / "tests" / "native"
FLAGS = ("-std=gnu11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
FAMILIES = ("columns", "texts", "lists", "rows", "cache", "merging")
CASES = 10_000


@pytest.fixture(scope="module")
def program(builder: types.ModuleType, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    tools = builder.Toolchain.find()
    made = tmp_path_factory.mktemp("native") / "fuzz"
    includes = [f"-I{folder}" for folder in (*tools.includes, SHIM, NATIVE)]
    sources = [str(source) for folder in (SHIM, NATIVE) for source in sorted(folder.glob("*.c"))]
    (compiler,) = tools.compiler.commands.values()
    command = [*compiler, *FLAGS, *includes, *sources, "-ldl", "-lm", "-o", str(made)]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return made


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.nightly)])
def test_the_shim_stays_in_bounds_and_returns_the_expected_values(program: pathlib.Path, seed: int) -> None:
    answer = subprocess.run([program, str(seed), str(CASES)], capture_output=True, text=True, timeout=300, check=False)
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-4000:]
    assert answer.stdout.split("\n") == [*(f"ok {family}" for family in FAMILIES), ""]


@pytest.mark.slow
def test_the_sanitizers_watch(program: pathlib.Path) -> None:
    answer = subprocess.run([program, "overrun"], capture_output=True, text=True, timeout=60, check=False)
    assert answer.returncode != 0 and "heap-buffer-overflow" in answer.stderr
