"""Checks files with code for levels of x86-64 and for Arm: which code runs where, its instructions, results and errors."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

import sparkweld
from sparkweld.errors import InternalError, UserError
from sparkweld.kernels.llvm import target
from sparkweld.kernels.runtime.object_code import undefined_symbols
from sparkweld.kernels.runtime.other_cpus import compile_for
from sparkweld.serving import file, linking
from sparkweld.serving.cpus import LEVELS, cpu_features
from tests.serving.test_file import changed
from tests.serving.test_programs import trees

REAL = cpu_features()
X86 = [level for level in LEVELS if level != "aarch64"]
pytestmark = pytest.mark.skipif(file.os.uname().machine != "x86_64", reason="levels of x86-64")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Returns the path of a program of trees with code for all levels of x86-64, its rows, and the compiled program's results."""
    fitted, features = trees()
    program = sparkweld.compile(fitted, {"age": "double", "pay": "double"})
    path = tmp_path_factory.mktemp("cpus") / "trees.sparkweld"
    program.save(path, cpus=X86)
    return path, features.astype(float), program(features.astype(float))


@pytest.mark.parametrize("level", ["", *X86])
def test_each_level_returns_the_same(saved, monkeypatch, level):
    path, rows, wanted = saved
    if not LEVELS.get(level, REAL) <= REAL:
        pytest.skip("not a feature of this CPU")
    monkeypatch.setattr(file, "cpu_features", lambda: LEVELS.get(level, REAL))
    used = []
    library = file._library
    monkeypatch.setattr(file, "_library", lambda code, where: used.append(code) or library(code, where))
    program = sparkweld.load(path)
    for count in (len(rows), 3):  # the forms for many rows and for few
        assert np.array_equal(program(rows[:count]), wanted[:count])
    with zipfile.ZipFile(path) as archive:
        folder = f"kernels/{level}/" if level else "kernels/"
        stored = [archive.read(name) for name in archive.namelist() if name.rpartition("/")[0] + "/" == folder]
    assert len(used) == 2 and set(used) == set(stored)


@pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump is not installed")
def test_the_instructions_of_a_level(saved, tmp_path):
    path, *_ = saved
    registers = {}
    with zipfile.ZipFile(path) as archive:
        for level in X86:
            name = next(name for name in archive.namelist() if name.startswith(f"kernels/{level}/"))
            (tmp_path / "code.so").write_bytes(archive.read(name))
            shown = subprocess.run(["objdump", "-d", tmp_path / "code.so"], capture_output=True, text=True, check=True).stdout
            registers[level] = [name for name in ("%xmm", "%ymm", "%zmm") if name in shown]
    narrow = ["%xmm"]
    assert registers == {"x86-64": narrow, "x86-64-v2": narrow, "x86-64-v3": ["%xmm", "%ymm"],
                         "x86-64-v4": ["%xmm", "%ymm", "%zmm"]}  # fmt: skip


def test_a_loaded_file_is_saved_with_its_code(saved, tmp_path):
    path, *_ = saved
    program = sparkweld.load(path)
    program.save(tmp_path / "again.sparkweld")
    assert (tmp_path / "again.sparkweld").read_bytes() == path.read_bytes()
    with pytest.raises(UserError, match="save it where it was compiled"):
        program.save(tmp_path / "more.sparkweld", cpus=["x86-64-v3"])


def test_functions_of_libm(tmp_path, monkeypatch):
    """The versions of libmvec for other registers may differ in the last digits."""
    program = sparkweld.compile(lambda x, s: np.exp(x) + len(s), {"x": "double", "s": "string"}, "double")
    program.save(tmp_path / "f.sparkweld", cpus=["x86-64-v2"])
    monkeypatch.setattr(file, "cpu_features", lambda: LEVELS["x86-64-v2"])
    values = np.linspace(-20, 20, 1000)
    made = sparkweld.load(tmp_path / "f.sparkweld")({"x": values, "s": ["ab"] * 1000})
    np.testing.assert_allclose(np.asarray(made), np.exp(values) + 2, rtol=4 * 2.0**-52)


def test_other_cpus(saved, tmp_path, monkeypatch):
    """A file without code for a CPU is rejected; one from before levels loads."""
    path, rows, wanted = saved

    def without_levels(data):
        manifest = json.loads(data)
        del manifest["levels"]
        for form in manifest["forms"]:
            for kernel in form["kernels"]:
                del kernel["memory"]
        return json.dumps(manifest).encode()

    old = changed(path, tmp_path / "old.sparkweld", "manifest.json", without_levels)
    assert np.array_equal(sparkweld.load(old)(rows), wanted)
    monkeypatch.setattr(file, "cpu_features", lambda: frozenset({"sse"}))
    for one in (path, old):
        with pytest.raises(UserError, match="save it with cpus="):
            sparkweld.load(one)


def test_a_hostile_working_directory(tmp_path, monkeypatch):
    """The child imports the package from where this process found it, whatever relative entries its path has."""
    (tmp_path / "sparkweld").mkdir()
    (tmp_path / "sparkweld" / "__init__.py").write_text("raise SystemExit('planted')")
    (tmp_path / "base64.py").write_text("raise SystemExit('planted')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *__import__("sys").path])
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    program = sparkweld.compile(lambda a: a * 2.0, {"a": "double"}, "double")
    program.save("p.sparkweld", cpus=["x86-64-v2"])
    assert sparkweld.load(tmp_path / "p.sparkweld").predict_row(a=4.0) == 8.0


@pytest.mark.parametrize("memory", [-5, 0, 10**30, float("inf"), "x"])
def test_edited_memory(saved, tmp_path, memory):
    path, *_ = saved

    def edited(data):
        manifest = json.loads(data)
        for form in manifest["forms"]:
            for kernel in form["kernels"]:
                kernel["signature"]["memory"] = memory
        return json.dumps(manifest).encode()

    with pytest.raises(UserError, match="is damaged"):
        sparkweld.load(changed(path, tmp_path / "edited.sparkweld", "manifest.json", edited))


def test_edited_forms_and_levels(saved, tmp_path, monkeypatch):
    """A file without forms is damaged; what a level requires is not taken from the file."""
    path, *_ = saved

    def edited(name, **changes):
        return changed(path, tmp_path / name, "manifest.json", lambda data: json.dumps({**json.loads(data), **changes}).encode())

    with pytest.raises(UserError, match="is damaged"):
        sparkweld.load(edited("a", forms=[]))
    other = edited("b", levels={"x86-64-v3": [], "any": []})
    monkeypatch.setattr(file, "cpu_features", lambda: LEVELS["x86-64-v2"])
    with pytest.raises(UserError, match="was saved for another CPU"):
        sparkweld.load(other)


ARM = 183  # EM_AARCH64, at byte 18 of an ELF file


def test_code_for_arm():
    """It imports scalar functions of libm alone: the vector versions are the kernel's own."""
    program = sparkweld.compile(lambda x, s: np.exp(x) + np.sin(x) + len(s), {"x": "double", "s": "string"}, "double")
    ((code, memory),) = compile_for("aarch64", [program.parts.forms[frozenset()].kernel.program])
    assert code[18] == ARM and memory == 0
    assert {*undefined_symbols(code)} <= {"exp", "sin", "memcpy", "memset"}


@pytest.mark.nightly("test_code_for_arm", "test_another_machine_requires_a_linker_for_it")
def test_a_file_with_code_for_arm(tmp_path, monkeypatch):
    """Every kernel is linked for Arm, and a machine with it chooses that code."""
    fitted, _ = trees()
    program = sparkweld.compile(fitted, {"age": "double", "pay": "double"})
    link, given = linking.link, []

    def linked(files, options, machine=""):
        if machine in ("", "x86_64"):
            return link(files, options, machine)
        given.append((machine, files["kernel.o"][18]))
        return b"for Arm"

    monkeypatch.setattr(linking, "link", linked)
    program.save(tmp_path / "p.sparkweld", cpus=["x86-64-v2", "aarch64"])
    program.save(tmp_path / "x86.sparkweld", cpus=["x86-64-v2"])
    assert given == [("aarch64", ARM)] * 2  # for many rows and for few
    assert sparkweld.load(tmp_path / "p.sparkweld").predict_row(age=30.0, pay=1.0) == program.predict_row(age=30.0, pay=1.0)
    monkeypatch.setattr(file.os, "uname", lambda: SimpleNamespace(machine="aarch64"))
    monkeypatch.setattr(file, "cpu_features", lambda: frozenset({"fp", "asimd", "crc32"}))
    used = []
    monkeypatch.setattr(file, "_library", lambda code, where: used.append(code) or pytest.fail("not to be linked here"))
    with pytest.raises(pytest.fail.Exception):
        sparkweld.load(tmp_path / "p.sparkweld")
    assert used == [b"for Arm"]
    with pytest.raises(UserError, match="was saved for another CPU"):
        sparkweld.load(tmp_path / "x86.sparkweld")


def test_another_machine_requires_a_linker_for_it(tmp_path, monkeypatch):
    program = sparkweld.compile(lambda a: a * 2.0, {"a": "double"}, "double")
    which = linking.shutil.which
    monkeypatch.setattr(linking.shutil, "which", lambda name: None if "aarch64" in name else which(name))
    monkeypatch.setattr(linking.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="code for aarch64 requires a linker for it: pip install ziglang"):
        program.save(tmp_path / "p.sparkweld", cpus=["aarch64"])
    assert not (tmp_path / "p.sparkweld").exists()


def test_wrong_levels(tmp_path):
    program = sparkweld.compile(lambda a: a * 2.0, {"a": "double"}, "double")
    for cpus in (["haswell"], "x86-64-v3", ["x86-64-v3", ""]):
        with pytest.raises(UserError, match="pass a list of x86-64, x86-64-v2"):
            program.save(tmp_path / "p.sparkweld", cpus=cpus)
    assert not (tmp_path / "p.sparkweld").exists()
    with pytest.raises(InternalError, match="the process that compiles for x86-64-v2 ended with 1"):
        compile_for("x86-64-v2", ["no program"])
    target.target_machine()
    with pytest.raises(InternalError, match="a process compiles for one CPU"):
        target.choose_level("x86-64-v2")
