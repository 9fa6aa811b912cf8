"""Checks pip's outputs (the wheel, the editable install, the sdist), and that files around the code agree."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pyspark
import pytest
import yaml
from packaging.requirements import Requirement

from sparkweld.bridge.jar import LINES
from sparkweld.cli import doctor
from sparkweld.minimums import MINIMUMS
from tests.helpers.metadata import EXTRAS, listed, minimums, oldest_python
from udf_compiler.frontends.mlflow.udfs import CHECKED_VERSIONS
from udf_compiler.frontends.models.tested_versions import LIBRARIES
from udf_compiler.frontends.onnx.session import OLDEST
from udf_compiler.frontends.python.regions.versions import KNOWN
from udf_compiler.service import host

ROOT = Path(__file__).resolve().parents[2]
TOP_LEVEL = {
    ".ci", ".devcontainer", ".github", ".gitignore", ".pre-commit-config.yaml", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE",
    "Makefile", "README.md", "SECURITY.md", "conf", "docs", "jobs", "jvm-bridge", "pyproject.toml", "sparkweld", "tests",
    "udf_compiler",
}  # fmt: skip
GITHUB = ROOT / ".github"
LINE = ".".join(pyspark.__version__.split(".")[:2])
IN_SDIST = {"PKG-INFO", "setup.cfg", "sparkweld.egg-info", "build", "dist"}


def test_the_metadata_has_the_minimums_that_the_service_checks():
    """And neither Spark nor a library of models: installing SparkWeld never changes those that are there."""
    assert minimums("dependencies") == MINIMUMS


def test_doctor_recommends_the_requirements_of_the_metadata():
    required = [*listed("dependencies"), *listed("spark")]
    assert sorted(required) == sorted(set(doctor.PACKAGES.values()) - {"numba"})  # for llvmlite, which Numba requires


@pytest.mark.parametrize("package", MINIMUMS)
def test_the_warning_and_doctor_state_the_minimum_of_the_metadata(monkeypatch: pytest.MonkeyPatch, package: str):
    minimum = minimums("dependencies")[package]
    versions = {"pyspark": pyspark.__version__, package: "0.9"}
    monkeypatch.setattr(host, "version_of", lambda name: versions.get(name, "99.0"))
    hello = host.describe_host()
    sentence = f"{package} 0.9 is older than {minimum}, the oldest that SparkWeld supports"
    assert hello.numba_error == sentence  # the plugin's warning
    failed = [check for check in doctor._packages(hello, None) if check.status == doctor.FAIL]
    assert [check.detail for check in failed] == [sentence]
    assert f"{package}>={minimum}" in failed[0].mend


def test_the_extras_have_the_minimums_of_the_code():
    """Those of the lines of Spark, of tested model libraries, and of Python."""
    found = minimums(*EXTRAS)
    assert found.pop("pyspark") == LINES[0]
    runtime = minimums("onnx")
    assert runtime["onnxruntime"] == ".".join(map(str, OLDEST)) and runtime["onnx"]
    assert found.pop("mlflow-skinny") == CHECKED_VERSIONS[0]
    assert found["xgboost"] == "1.7.6"  # the last digits of 1.7.0 differ
    found |= minimums("torch")
    lines = {package: ".".join(minimum.split(".")[:2]) for package, minimum in found.items()}
    assert lines == {library.package: library.lines[0] for library in LIBRARIES.values()}
    assert oldest_python() == ".".join(map(str, min(KNOWN)))


def test_what_the_tests_need_is_installed():
    """Tests of a library skip without it, so the gate must not run without one that the metadata requires."""
    required = [Requirement(line) for line in listed("test")]
    here = [one.name for one in required if one.marker is None or one.marker.evaluate()]
    installed = {found.metadata["Name"].lower() for found in importlib.metadata.distributions()}
    assert [name for name in here if name not in installed] == []


def test_the_script_for_clusters_installs_the_minimum_of_numba():
    assert f"'numba>={MINIMUMS['numba']}'" in (ROOT / "conf" / "platforms" / "install.sh").read_text()


def test_a_matrix_set_installs_exactly_the_minimums():
    lines = (ROOT / "tests" / "libraries" / "sets" / "oldest.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    assert {name: ".".join(pinned[name].split(".")[: version.count(".") + 1]) for name, version in MINIMUMS.items()} == MINIMUMS
    # PyTorch, whose wheels require libraries for GPUs, is compared on its own: docs/internals/tests.md
    oldest = {library.package: library.lines[0] for library in LIBRARIES.values() if library.package != "torch"}
    assert {name: ".".join(pinned[name].split(".")[:2]) for name in oldest} == oldest


def test_the_makefile_installs_the_requirements_of_the_build():
    wanted = listed("requires")
    line = re.search(r"^BUILD_REQUIRES := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert line is not None
    newest = re.search(r"^SPARK := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert newest is not None
    assert re.findall(r"'([^']+)'", line[1].replace("$(SPARK)", newest[1])) == wanted


def test_the_flag_is_all_that_the_default_conf_has():
    lines = (ROOT / "conf" / "spark-defaults.conf").read_text().split()
    assert lines == ["spark.plugins", "io.sparkweld.SparkWeldPlugin"]


def test_no_new_top_level_names():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    # an unpacked sdist is not a checkout: there, the unpacked files except pip's own
    unpacked = [path.name for path in ROOT.iterdir() if path.name not in IN_SDIST and path.name[0] != "."]
    names = listed.stdout.splitlines() or unpacked
    assert {name.split("/")[0] for name in names} <= TOP_LEVEL


def _yaml(path: Path) -> dict[Any, Any]:
    return yaml.safe_load(path.read_text())


def _steps() -> dict[str, list[dict[str, Any]]]:
    """Returns the steps of each workflow and action, by file name."""
    jobs = {path.name: _yaml(path)["jobs"].values() for path in (GITHUB / "workflows").iterdir()}
    workflows = {name: [step for job in of for step in job["steps"]] for name, of in jobs.items()}
    return workflows | {path.parent.name: _yaml(path)["runs"]["steps"] for path in (GITHUB / "actions").glob("*/action.yml")}


def test_workflows_run_make_targets_that_the_docs_name():
    commands = [step["run"] for steps in _steps().values() for step in steps if "run" in step]
    targets = {target for command in commands for target in re.findall(r"\bmake ([a-z]+)", command)}
    assert targets == {"check", "test", "compat", "nightly"}
    for name in ("README.md", "CONTRIBUTING.md"):
        documented = set(re.findall(r"(?:^|`)make ([a-z]+)", (ROOT / name).read_text(), re.MULTILINE))
        assert documented & targets
        targets |= documented
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text())
    assert (ROOT / ".devcontainer" / container["build"]["dockerfile"]).is_file()
    targets |= set(re.findall(r"make ([a-z]+)", container["postCreateCommand"]))
    targets |= set(re.findall(r"`make ([a-z]+)", (GITHUB / "pull_request_template.md").read_text()))
    assert targets <= set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_workflows_run_each_older_line_of_spark():
    compat = _yaml(GITHUB / "workflows" / "test.yml")["jobs"]["compat"]["strategy"]["matrix"]["include"]
    nightly = _yaml(GITHUB / "workflows" / "nightly.yml")["jobs"]["lines"]["strategy"]["matrix"]["spark"]
    assert [job["spark"] for job in compat] == nightly == list(LINES[:-1])


def test_workflows_need_no_secrets_and_pin_major_versions():
    for name, steps in _steps().items():
        used = [step["uses"] for step in steps if "uses" in step]
        assert used, name
        for action in used:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", action) or (ROOT / action / "action.yml").is_file(), (name, action)
    for path in (GITHUB / "workflows").iterdir():
        assert "secrets." not in path.read_text(), path.name
        assert _yaml(path)["permissions"] == {"contents": "read"}, path.name


def test_the_check_runs_on_each_push_with_each_python():
    check = _yaml(GITHUB / "workflows" / "check.yml")
    assert check[True] == {"push": None, "pull_request": None}  # YAML 1.1 reads the key `on` as a boolean
    assert check["jobs"]["check"]["strategy"]["matrix"]["python-version"] == ["3.11", "3.12", "3.13"]
    by_action = {step["uses"].partition("@")[0]: step["with"] for step in _steps()["setup"] if "uses" in step}
    assert by_action["actions/setup-java"]["java-version"] == "17"
    assert by_action["actions/cache"]["path"] == ".venv*"
    assert "hashFiles('pyproject.toml')" in by_action["actions/cache"]["key"]


def test_the_commit_hooks_are_commands_of_make_check():
    # without the variables of a `make` that runs these tests, such as PYTHON
    passed_on = ("MAKEFLAGS", "MAKEOVERRIDES", "PYTHON", "SPARK")
    environment = {name: value for name, value in os.environ.items() if name not in passed_on}
    command = ["make", "--dry-run", "check"]
    recipe = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
    (repository,) = _yaml(ROOT / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local"
    assert [hook["id"] for hook in repository["hooks"]] == ["ruff", "mypy"]
    for hook in repository["hooks"]:
        assert hook["language"] == "system" and not hook["pass_filenames"]
        assert hook["entry"] in recipe.splitlines()


def test_the_issue_forms_have_distinct_fields():
    forms = [path for path in (GITHUB / "ISSUE_TEMPLATE").iterdir() if path.name != "config.yml"]
    assert {path.name for path in forms} == {"bug.yml", "refused_udf.yml", "wrong_rows.yml"}
    assert _yaml(GITHUB / "ISSUE_TEMPLATE" / "config.yml") == {"blank_issues_enabled": False}
    for path in forms:
        form = _yaml(path)
        assert {"name", "description", "labels", "body"} == set(form), path.name
        fields = [field for field in form["body"] if field["type"] != "markdown"]
        assert all(field["attributes"]["label"] for field in fields), path.name
        assert len({field["id"] for field in fields}) == len(fields), path.name


@pytest.mark.parametrize("package", ["sparkweld", "udf_compiler"])
def test_the_packages_are_marked_as_typed(package: str):
    assert (ROOT / package / "py.typed").is_file()
    assert "py.typed" in listed(package)


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
        f"sparkweld/_bridge/spark-{LINE}/sparkweld.jar",
        f"sparkweld/_bridge/spark-{LINE}/libsparkweld_jni.so",
        "sparkweld/py.typed",
        "sparkweld/reasons.json",
        "sparkweld/contract/constants.json",
        "sparkweld/contract/schema.json",
        "udf_compiler/py.typed",
        "udf_compiler/service/server.py",
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
    assert {".github/workflows/check.yml", ".pre-commit-config.yaml", "sparkweld/py.typed", "udf_compiler/py.typed"} <= names
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


def test_a_jdk_that_all_lines_of_spark_support_is_preferred(tmp_path):
    """A newer one is used where there is no other, and that of JAVA_HOME always."""

    def jdk(version: str) -> Path:
        home = tmp_path / f"jdk-{version}"
        for path in (home / "bin" / "java", home / "include" / "jni.h"):
            path.parent.mkdir(parents=True)
            path.write_text("#!/bin/sh\n")
            path.chmod(0o755)
        (home / "release").write_text(f'JAVA_VERSION="{version}"\n')
        return home

    def found(**more: str) -> str:
        script = ["/bin/sh", str(ROOT / "jvm-bridge" / "prerequisites.sh"), "java-home"]
        environment = {"PATH": str(newest / "bin"), "JVMS": str(tmp_path), **more}
        return subprocess.run(script, env=environment, capture_output=True, text=True, check=False).stdout.strip()

    newest = jdk("25.0.1")
    tools = newest / "bin"
    for tool in ("sed", "dirname", "readlink", "head"):
        (tools / tool).symlink_to(shutil.which(tool))
    assert found() == str(newest)
    jdk("11.0.2")
    assert found() == str(newest)
    older = jdk("17.0.9")
    assert found() == str(older) and found(JAVA_HOME=str(newest)) == str(newest)


def test_versions_of_pyenv_are_found_beside_its_shims(tmp_path):
    """A shim runs whichever version is chosen at the moment, or fails."""
    shims, versions = tmp_path / "shims", tmp_path / "versions" / "3.99.0" / "bin"
    for folder in (shims, versions):
        folder.mkdir(parents=True)
    (shims / "python3.99").write_text("#!/bin/sh\necho 'python3.99: command not found' >&2\nexit 127\n")
    (shims / "python3.99").chmod(0o755)
    (versions / "python3.99").symlink_to(sys.executable)
    path = f"{shims}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYENV_ROOT": str(tmp_path), "PYTHON": "python3.99"}
    script = ROOT / "jvm-bridge" / "prerequisites.sh"
    found = subprocess.run(["sh", script, "python"], env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == str(versions / "python3.99")
