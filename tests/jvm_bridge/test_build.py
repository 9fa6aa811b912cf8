"""Checks jvm-bridge/build.py on missing tools, unchanged inputs and damaged outputs."""

from __future__ import annotations

import pathlib
import types
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def fake_jdk(folder: pathlib.Path, version: str) -> pathlib.Path:
    """Creates a Java home whose `java -version` reports `version`, without headers."""
    (folder / "bin").mkdir(parents=True)
    java = folder / "bin" / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2024-01-01' >&2\n")
    java.chmod(0o755)
    return folder


def test_all_missing_tools_are_named_at_once(
    builder: types.ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    monkeypatch.setenv("CC", "no-such-compiler")
    monkeypatch.setattr(builder.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(builder.BuildError) as caught:
        builder.build(tmp_path / "out")
    text = str(caught.value)
    for part in ("a JDK 17 or newer", "nowhere", "no-such-compiler", "pip install 'pyspark", builder.INSTALL_LINE):
        assert part in text


@pytest.mark.parametrize(
    ("version", "said"), [("11.0.2", "a JDK 17 or newer"), ("1.8.0_392", "a JDK 17 or newer"), ("21.0.1", "jni.h")]
)
def test_a_jdk_that_will_not_do(
    builder: types.ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path, version: str, said: str
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_jdk(tmp_path / "jdk", version)))
    with pytest.raises(builder.BuildError, match=said):
        builder.Toolchain.find()


def test_options_of_java_in_the_environment_are_no_reason_to_build(
    builder: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = []
    for options in ("-Xint", "-XX:TieredStopAtLevel=1"):
        monkeypatch.setenv("JDK_JAVA_OPTIONS", options)
        versions.append(builder.Toolchain.find().java_version)
    assert versions[0] == versions[1]


@pytest.fixture
def sources(builder: types.ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> pathlib.Path:
    """Replaces the sources of the bridge by one C function and no class, which take a second to compile."""
    folder = tmp_path / "src"
    for part in ("c", "scala", "resources"):
        (folder / part).mkdir(parents=True)
    (folder / "c" / "shim.c").write_text("int answer(void) { return 42; }\n")
    monkeypatch.setattr(builder, "SOURCES", folder)
    return folder


def test_a_source_that_does_not_compile_keeps_the_last_jar(
    builder: types.ModuleType, sources: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    jar = builder.build(tmp_path / "out", quiet=True)
    before = jar.read_bytes()
    (sources / "c" / "shim.c").write_text("int answer(void) { return }\n")
    with pytest.raises(builder.BuildError, match="compiling the C shim failed"):
        builder.build(tmp_path / "out", quiet=True)
    assert jar.read_bytes() == before
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        [builder.LOCK_NAME, builder.STAMP_NAME, builder.JAR_NAME, builder.SHIM_NAME])


def test_only_names_an_existing_folder(builder: types.ModuleType, tmp_path: pathlib.Path) -> None:
    with pytest.raises(builder.BuildError, match="io/sparkweld/nothing"):
        builder.build(tmp_path, only=["io/sparkweld/nothing"])


@pytest.mark.slow
def test_a_build_is_reproducible_and_skipped_when_nothing_changed(
    builder: types.ModuleType, sources: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    for name, body in (("host", "val rows = Seq(1, 2).map(_ + 1)"), ("nativelib", "class Inner; val inner = new Inner"),
                       ("plan", "val other = io.sparkweld.none.Missing")):  # fmt: skip
        package = sources / "scala" / "io" / "sparkweld" / name
        package.mkdir(parents=True)
        (package / "Some.scala").write_text(f"package io.sparkweld.{name}\nobject Some {{ {body} }}\n")
    two, out = ["io/sparkweld/host", "io/sparkweld/nativelib"], tmp_path / "out"
    jar = builder.build(out, only=two, quiet=True)
    first, made = jar.read_bytes(), jar.stat().st_mtime_ns
    with zipfile.ZipFile(jar) as archive:
        names = archive.namelist()
        assert all(info.date_time == builder.ZIP_DATE for info in archive.infolist())
    assert f"native/linux-{builder.c_compilers.this_machine()}/{builder.SHIM_NAME}" in names
    assert {"io/sparkweld/host/Some.class", "io/sparkweld/nativelib/Some$Inner.class"} <= set(names)
    assert (out / builder.SHIM_NAME).is_file()

    builder.build(out, only=two, quiet=True)
    assert jar.stat().st_mtime_ns == made

    jar.write_bytes(first[:-100])  # a damaged jar is rebuilt, with the same bytes
    builder.build(out, only=two, quiet=True)
    assert jar.read_bytes() == first
