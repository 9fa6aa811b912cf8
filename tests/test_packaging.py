"""Checks pip's outputs (the wheel, the editable install, the sdist), and files that must agree with pyproject.toml."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOP_LEVEL = {
    ".ci", ".gitignore", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "conf", "docs", "jobs", "jvm-bridge",
    "pyproject.toml", "sparkweld", "tests", "udf_compiler",
}  # fmt: skip
IN_SDIST = {"PKG-INFO", "setup.cfg", "sparkweld.egg-info", "build", "dist"}


def _toml_list(text: str, key: str) -> list[str]:
    """Returns the list of strings under a key; tomllib requires Python 3.11 and this must run on 3.10."""
    found = re.search(rf"^{key} = (\[.*?\])", text, re.MULTILINE | re.DOTALL)
    assert found is not None, key
    return ast.literal_eval(found[1])


def test_the_makefile_installs_what_the_build_requires():
    wanted = _toml_list((ROOT / "pyproject.toml").read_text(), "requires")
    line = re.search(r"^BUILD_REQUIRES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert line is not None
    assert re.findall(r"'([^']+)'", line[1]) == wanted


def test_the_flag_is_all_that_the_default_conf_has():
    lines = (ROOT / "conf" / "spark-defaults.conf").read_text().split()
    assert lines == ["spark.plugins", "io.sparkweld.SparkWeldPlugin"]


def test_no_new_top_level_names():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    # an unpacked sdist is not a checkout: there, the unpacked files except pip's own
    unpacked = [path.name for path in ROOT.iterdir() if path.name not in IN_SDIST and path.name[0] != "."]
    names = listed.stdout.splitlines() or unpacked
    assert {name.split("/")[0] for name in names} <= TOP_LEVEL


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_wheel_carries_the_bridge(tmp_path):
    _pip("wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(tmp_path), ".")
    (wheel,) = tmp_path.glob("*.whl")
    assert re.fullmatch(r"sparkweld-[\d.]+-py3-none-linux_(x86_64|aarch64)\.whl", wheel.name)
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (archive.read(name).decode() for name in names if name.endswith(".dist-info/WHEEL"))
    assert {
        "sparkweld/_bridge/sparkweld.jar",
        "sparkweld/_bridge/libsparkweld_jni.so",
        "sparkweld/reasons.json",
        "udf_compiler/service.py",
    } <= names
    assert not [name for name in names if name.startswith(("tests/", "jobs/", "jvm-bridge/")) or "build-stamp" in name]
    assert "Root-Is-Purelib: false" in metadata
    target = tmp_path / "installed"
    _pip("install", "--no-deps", "--target", str(target), str(wheel))
    code = "import sparkweld, udf_compiler; print(sparkweld.jar_path()); print(udf_compiler.__file__)"
    command, environment = [sys.executable, "-c", code], {"PYTHONPATH": str(target)}
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment)
    assert all(line.startswith(str(target)) for line in done.stdout.split())


@pytest.mark.slow
def test_the_sdist_carries_sources_and_no_products(tmp_path):
    code = f"import sys; sys.path.insert(0, 'jvm-bridge'); import wheel_backend as b; b.build_sdist({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (sdist,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"jvm-bridge/build.py", "jvm-bridge/wheel_backend.py", "jvm-bridge/prerequisites.sh", "Makefile"} <= names
    assert "jvm-bridge/src/main/c/sparkweld_jni.c" in names
    assert "jvm-bridge/src/main/scala/io/sparkweld/SparkWeldPlugin.scala" in names
    assert not [name for name in names if name.endswith((".jar", ".so", ".pyc"))]


def test_the_installed_package_knows_its_bridge():
    import sparkweld

    assert sparkweld.jar_path().is_file()
    with zipfile.ZipFile(sparkweld.jar_path()) as jar:
        names = set(jar.namelist())
    assert "io/sparkweld/SparkWeldPlugin.class" in names
    assert "sparkweld/reasons.json" in names
    assert any(re.fullmatch(r"native/linux-\w+/libsparkweld_jni\.so", name) for name in names)
