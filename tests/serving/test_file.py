"""Checks stored programs: what they hold, that they load without compiler and libraries, and which files are rejected."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import subprocess
import sys
import zipfile

import pytest

import sparkweld
from sparkweld.errors import UserError
from sparkweld.serving import file
from tests.serving.test_programs import BONUS, bonus, trees


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """Returns the path of a stored function, and of one with its pickle."""
    folder = tmp_path_factory.mktemp("programs")
    program = sparkweld.compile(bonus, BONUS, "double")
    program.save(folder / "plain.sparkweld")
    program.save(folder / "python.sparkweld", python=True)
    return folder / "plain.sparkweld", folder / "python.sparkweld"


def test_a_model_loads_without_its_library_and_the_compiler(tmp_path):
    fitted, features = trees()
    program = sparkweld.compile(fitted, {"age": "double", "pay": "double"})
    program.save(tmp_path / "trees.sparkweld")
    script = (
        "import sys, json, sparkweld\n"
        "program = sparkweld.load(sys.argv[1])\n"
        "print(json.dumps([program.predict_row(age=a, pay=p) for a, p in json.loads(sys.argv[2])]))\n"
        "heavy = {'numba', 'llvmlite', 'sklearn', 'lightgbm', 'pandas', 'pyspark', 'udf_compiler', 'sparkweld.ir'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    rows = features.astype(float).to_numpy()[:20].tolist()
    command = [sys.executable, "-c", script, str(tmp_path / "trees.sparkweld"), json.dumps(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == fitted.predict(features)[:20].tolist()
    again = sparkweld.load(tmp_path / "trees.sparkweld")
    again.save(tmp_path / "again.sparkweld")
    assert (tmp_path / "again.sparkweld").read_bytes() == (tmp_path / "trees.sparkweld").read_bytes()


def test_several_programs_in_one_process(stored, tmp_path):
    other = sparkweld.compile(lambda a: a * 2.0, {"a": "double"}, "double")
    other.save(tmp_path / "other.sparkweld")
    first, second = sparkweld.load(stored[0]), sparkweld.load(tmp_path / "other.sparkweld")
    assert (first.predict_row(pay=100.0, age=20, job="cook"), second.predict_row(a=4.0)) == (9.0, 8.0)


def test_a_function_is_stored_on_request_and_unpickled_for_flagged_rows_only(stored, monkeypatch):
    plain, python = stored
    assert [file.inspect(path).holds_pickle for path in stored] == [False, True]
    flagged = {"pay": 1.0, "age": 18, "job": "smith"}
    for path, asked in ((plain, True), (python, False)):
        with pytest.raises(UserError, match="does not hold the function"):
            sparkweld.load(path, python=asked).predict_row(**flagged)
    loads = []
    monkeypatch.setattr(pickle, "loads", lambda data: loads.append(data) or (lambda *row: bonus(*row)))
    program = sparkweld.load(python, python=True)
    assert program.predict_row(pay=None, age=1, job=None) is None and not loads
    with pytest.raises(ZeroDivisionError):
        program.predict_row(**flagged)
    assert len(loads) == 1
    with pytest.raises(UserError, match="does not hold its function"):
        sparkweld.load(plain).save(plain.parent / "no.sparkweld", python=True)
    assert not (plain.parent / "no.sparkweld").exists()


def test_files_of_others_require_a_digest(stored, tmp_path):
    path = tmp_path / "shared.sparkweld"
    path.write_bytes(stored[0].read_bytes())
    path.chmod(0o666)
    with pytest.raises(UserError, match="somebody else owns it or may write it"):
        sparkweld.load(path)
    with pytest.raises(UserError, match="somebody else owns it or may write it"):
        file.inspect(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert sparkweld.load(path, digest=digest).predict_row(pay=100.0, age=20, job="cook") == 9.0
    with pytest.raises(UserError, match="is not the file with the SHA-256"):
        sparkweld.load(path, digest="0" * 64)
    path.chmod(0o644)
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
        with pytest.raises(UserError, match="somebody else owns it"):
            sparkweld.load(path)


def changed(path, to, name, edit):
    """Writes the archive with one entry changed."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(to, "w") as new:
        for entry in old.namelist():
            data = old.read(entry)
            new.writestr(entry, edit(data) if entry == name else data)
    return to


def kernel_of(path):
    with zipfile.ZipFile(path) as archive:
        return next(name for name in archive.namelist() if name.startswith("kernels/"))


def test_damaged_files(stored, tmp_path):
    data = stored[0].read_bytes()
    cases = {
        "truncated": data[: len(data) // 2], "empty": b"", "other": b"PK\x05\x06" + bytes(18),
        "edited": data.replace(b"bonus", b"b0nus"),
    }  # fmt: skip
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError):
            sparkweld.load(tmp_path / name)
    kernel = changed(stored[0], tmp_path / "kernel", kernel_of(stored[0]), lambda data: data[:-1] + b"x")
    with pytest.raises(UserError, match="is not what was saved"):
        sparkweld.load(kernel)
    for edit, message in [
        (lambda m: m | {"format": 99}, "has format 99"), (lambda m: m | {"machine": "s390x"}, "for another CPU"),
        (lambda m: m | {"cpu": ["avx9000"]}, "for another CPU"), (lambda m: m | {"inputs": [{"name": "pay"}]}, "is damaged"),
        (lambda m: m | {"forms": [m["forms"][0] | {"kernels": []}]}, "is damaged"), (lambda m: m | {"forms": 3}, "is damaged"),
    ]:  # fmt: skip
        of_manifest = lambda data, edit=edit: json.dumps(edit(json.loads(data))).encode()  # noqa: E731
        other = changed(stored[0], tmp_path / "manifest", "manifest.json", of_manifest)
        with pytest.raises(UserError, match=message):
            sparkweld.load(other)
    with pytest.raises(UserError, match="cannot be read"):
        sparkweld.load(tmp_path / "absent")
    with pytest.raises(UserError, match="cannot be written"):
        sparkweld.load(stored[0]).save(tmp_path / "no" / "folder")


def test_changes_of_headers(stored, tmp_path):
    """Flips bits of the archive's directory and of the headers of its entries: versions, flags, methods, sizes and names."""
    data = stored[0].read_bytes()
    with zipfile.ZipFile(stored[0]) as archive:
        heads = [at for entry in archive.infolist() for at in range(entry.header_offset, entry.header_offset + 30)]
        heads += range(archive.start_dir, len(data))
    path, rejected = tmp_path / "changed", 0
    for at in heads:
        for bit in range(at % 2, 8, 2):
            path.write_bytes(data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :])
            try:
                file.inspect(path)
                sparkweld.load(path) if at % 97 == 0 else None
            except UserError:
                rejected += 1
    assert rejected > len(heads) / 2


def test_files_that_are_no_programs(stored, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero", tmp_path, "a\0b"):
        with pytest.raises(UserError):
            sparkweld.load(path)
    with zipfile.ZipFile(stored[0]) as old, zipfile.ZipFile(tmp_path / "deflated", "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            new.writestr(entry, old.read(entry))
    with pytest.raises(UserError, match="compressed"):
        sparkweld.load(tmp_path / "deflated")


def test_saving_requires_a_c_compiler(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    program = sparkweld.compile(lambda a: a + 1.0, {"a": "double"}, "double")
    with pytest.raises(UserError, match="install gcc or clang"):
        program.save(tmp_path / "program")
    assert not (tmp_path / "program").exists()
