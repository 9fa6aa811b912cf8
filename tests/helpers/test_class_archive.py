"""Checks that the archive of Spark's classes is used where it exists, and that tests run without one that cannot be written."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import class_archive

JVM = "-Xss1m"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    return tmp_path


def test_options_name_an_archive_that_exists():
    assert (class_archive.options(JVM), class_archive.mapping(JVM)) == (JVM, "")
    class_archive.archive(JVM).touch()
    assert class_archive.options(JVM).startswith(f"{JVM} '-XX:SharedArchiveFile={class_archive.archive(JVM)}'")
    assert class_archive.options("-Xss2m") == "-Xss2m"  # written with other options


def test_it_is_written_once_and_replaces_older_ones(monkeypatch, environment, capsys):
    (environment / "spark-classes-0.jsa").touch()

    def jvm(command, env, **_):
        Path(ast.literal_eval(command[-1].split()[2]), "class_path").write_text("/b.jar:/a.jar")
        Path(env["SPARK_SUBMIT_OPTS"].split("=")[1].strip("'")).touch()
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", jvm)
    assert class_archive.class_path(JVM, Path("/jars")) == "/jars/*"
    class_archive.write(JVM)
    stored = class_archive.archive(JVM)
    assert sorted(path.name for path in environment.iterdir()) == [stored.name, f"{stored.name}.class_path"]
    assert class_archive.class_path(JVM, Path("/jars")) == "/b.jar:/a.jar"  # a JVM maps the archive for this order alone
    assert "once, about a minute" in capsys.readouterr().out
    monkeypatch.setattr(subprocess, "run", None)
    class_archive.write(JVM)
    assert not capsys.readouterr().out


@pytest.mark.parametrize("status", [0, 1])
def test_a_jvm_that_writes_none_is_no_error(monkeypatch, environment, capsys, status):
    monkeypatch.setattr(subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, status, "", "no space"))
    class_archive.write(JVM)
    problem = "no space" if status else "the JVM wrote no archive"
    assert f"JVMs run without stored classes: {problem}" in capsys.readouterr().out
    assert not list(environment.iterdir())
