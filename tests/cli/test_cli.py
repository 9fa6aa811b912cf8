"""Checks the command line: the output and exit codes of each command; user faults end in one line, not a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pyspark
import pytest

import sparkweld
from sparkweld.api import session
from sparkweld.bridge import jar
from sparkweld.cli import doctor, main
from sparkweld.errors import UserError
from tests.helpers.golden import SETTINGS, with_conf_table

ROOT = Path(__file__).parents[2]
CORE_JAR = next((Path(pyspark.__file__).parent / "jars").glob("spark-core_*.jar")).name


def fake_spark(folder: Path) -> Path:
    """Creates a folder that suffices as a Spark for commands that only read its jars."""
    (folder / "jars").mkdir(parents=True)
    (folder / "jars" / CORE_JAR).touch()
    return folder


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main.main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_jar_prints_one_existing_path(capsys):
    code, out, _ = run(capsys, "jar")
    assert code == 0
    assert out == f"{sparkweld.jar_path()}\n"
    assert Path(out.strip()).is_file()


def test_module_and_version():
    done = subprocess.run([sys.executable, "-m", "sparkweld", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"sparkweld {sparkweld.__version__}\n"


def test_no_command_prints_help(capsys):
    code, out, _ = run(capsys)
    assert code == 2
    assert "doctor" in out and "install" in out


def test_unknown_command_is_a_usage_error(capsys):
    with pytest.raises(SystemExit, match="2"):
        main.main(["instal"])
    assert "invalid choice: 'instal'" in capsys.readouterr().err


def test_install_and_uninstall(capsys, tmp_path):
    home = fake_spark(tmp_path / "spark")
    target = home / "jars" / "sparkweld.jar"
    code, out, _ = run(capsys, "install", "--spark-home", str(home))
    assert code == 0 and f"installed {target} (Spark {pyspark.__version__})" in out
    assert target.read_bytes() == sparkweld.jar_path().read_bytes()
    assert run(capsys, "install", "--spark-home", str(home))[1].startswith("already there:")
    target.write_bytes(b"an older jar")
    assert run(capsys, "install", "--spark-home", str(home))[1].startswith("installed")
    assert sorted(path.name for path in target.parent.iterdir()) == [CORE_JAR, "sparkweld.jar"]
    assert run(capsys, "uninstall", "--spark-home", str(home)) == (0, f"removed {target}\n", "")
    assert not target.exists()
    assert run(capsys, "uninstall", "--spark-home", str(home))[1].startswith("nothing to remove")


def test_install_prefers_spark_home_of_the_environment(capsys, tmp_path, monkeypatch):
    home = fake_spark(tmp_path / "spark")
    monkeypatch.setenv("SPARK_HOME", str(home))
    assert run(capsys, "install")[0] == 0
    assert (home / "jars" / "sparkweld.jar").is_file()


def test_install_into_no_spark(capsys, tmp_path):
    code, out, err = run(capsys, "install", "--spark-home", str(tmp_path))
    assert (code, out) == (1, "")
    assert err == (
        f"sparkweld install: no Spark in {tmp_path} (from --spark-home): its folder jars/ has no spark-core jar\n"
    )


def test_install_into_an_unwritable_spark(capsys, tmp_path, monkeypatch):
    home = fake_spark(tmp_path / "spark")

    def refuse(source, target):
        raise PermissionError(13, "Permission denied")  # root writes anywhere, so a mode of the folder proves nothing

    monkeypatch.setattr(jar.shutil, "copyfile", refuse)
    code, _, err = run(capsys, "install", "--spark-home", str(home))
    assert code == 1
    assert "Permission denied" in err and f"--jars {sparkweld.jar_path()}" in err
    assert "Traceback" not in err


def test_the_error_of_a_missing_bridge_states_how_to_build_it(capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(jar, "_PACKAGE", tmp_path)
    code, _, err = run(capsys, "jar")
    assert code == 1
    assert "jvm-bridge/build.py" in err


def test_no_java_is_one_line(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    code, _, err = run(capsys, "conf")
    assert code == 1
    assert err.startswith(f"sparkweld conf: no Java: JAVA_HOME is {tmp_path}")


def test_conf_table_is_the_one_in_the_docs(capsys):
    code, table, _ = run(capsys, "conf")
    assert code == 0
    assert "| `spark.sparkweld.enabled` | " in table
    text = SETTINGS.read_text(encoding="utf-8")
    assert with_conf_table(text) == text, "the table of docs/settings.md is out of date: `make golden` rewrites it"


def test_doctor_fails_for_a_package_below_its_minimum(monkeypatch):
    monkeypatch.setattr(doctor, "_line", lambda explicit: None)
    versions = {"pyspark": "4.3.0", "llvmlite": "0.44.0", "numba": "0.61.2"}
    versions |= {"numpy": "1.26.4", "pandas": "3.0.1", "pyarrow": "14.0.2"}
    checks = {check.name: check for check in doctor._packages(SimpleNamespace(versions=versions, numba_error=None), None)}
    assert [name for name, check in checks.items() if check.status == "FAIL"] == ["numba"]
    assert "older than 0.62" in checks["numba"].detail and "numba>=0.62" in checks["numba"].mend
    assert checks["pandas"].status == "WARN" and checks["numpy"].status == "OK"


def test_doctor_warns_of_a_line_that_is_not_completely_tested(monkeypatch, tmp_path):
    monkeypatch.setattr(jar, "spark_version", lambda home: "4.1.4")
    monkeypatch.setattr(jar, "TESTED_LINES", ("4.3",))
    check = doctor._spark(str(fake_spark(tmp_path / "spark")))
    assert check.status == "WARN" and "untestedLines" in check.mend


@pytest.mark.slow
def test_doctor_reports_how_to_fix_a_fault(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    (tmp_path / "file").touch()
    monkeypatch.setenv("SPARKWELD_CACHE_DIR", str(tmp_path / "file" / "cache"))
    code, out, err = run(capsys, "doctor")
    assert code == 1
    lines = out.splitlines()
    assert any(line.startswith("FAIL  Java") for line in lines)
    assert any(line.startswith("FAIL  cache") for line in lines)
    assert any("Install a JDK 17" in line for line in lines)
    assert "Traceback" not in out + err


@pytest.mark.slow
def test_doctor_finds_this_machine_well_and_imports_nothing_of_the_current_folder(tmp_path):
    """The latter holds for the command and the compile service: `python -m` puts that folder first on the import path."""
    folder, ran = tmp_path / "folder", tmp_path / "ran"
    folder.mkdir()
    # CPython 3.10 itself imports `runpy`, and what that imports, from there for `python -m`
    own = {"sys", "builtins"} | ({"runpy", "pkgutil"} if sys.version_info < (3, 11) else set())
    for name in [*sys.stdlib_module_names - own, "numpy", "pandas", "numba", "llvmlite", "pyspark", "pyarrow"]:
        (folder / f"{name}.py").write_text(f"open({str(ran)!r}, 'a').write(__name__)\nraise ImportError(__name__)")
    environment = {**os.environ, "SPARKWELD_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "sparkweld", "doctor", "--json"]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert not ran.exists(), ran.read_text()
    checks = {check["name"]: check["status"] for check in json.loads(done.stdout)}
    assert done.returncode == 0, done.stdout
    assert {"Java", "Spark", "numba", "llvmlite", "pandas", "pyarrow", "libmvec", "shim", "cache"} <= set(checks)
    assert set(checks.values()) <= {"OK", "WARN"}
    assert checks["compile service"] == checks["kernel"] == "OK", done.stdout


# configure: its effects on a builder, without starting a session


class Builder:
    """The subset of SparkSession.Builder that configure uses."""

    def __init__(self, **options: str) -> None:
        self._options = {key.replace("_", "."): value for key, value in options.items()}

    def config(self, key: str, value: str) -> Builder:
        self._options[key] = value
        return self


@pytest.fixture
def no_session(monkeypatch, tmp_path):
    """Simulates a process in which no Spark was started, with a separate Spark installation."""
    from pyspark import SparkContext

    home = fake_spark(tmp_path / "spark")
    monkeypatch.setenv("SPARK_HOME", str(home))
    for name in ("SPARK_REMOTE", "SPARK_API_MODE", "SPARK_CONF_DIR", "PYSPARK_SUBMIT_ARGS", "PYSPARK_GATEWAY_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name in ("_active_spark_context", "_gateway", "_jvm"):
        monkeypatch.setattr(SparkContext, name, None)
    return home


def test_configure_sets_the_flag_and_the_jar(no_session):
    builder = Builder()
    assert sparkweld.configure(builder) is builder
    assert builder._options == {"spark.plugins": jar.PLUGIN_CLASS, "spark.jars": str(sparkweld.jar_path())}
    once = dict(builder._options)
    sparkweld.configure(builder)
    assert builder._options == once


def test_configure_needs_no_numba(tmp_path):
    """The queries of a driver without it run as Spark planned them."""
    for name in ("numba", "llvmlite"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name} is not here')")
    program = "from sparkweld import configure, explain; from pyspark.sql import SparkSession; configure(SparkSession.builder)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_configure_appends(no_session):
    builder = Builder(spark_plugins="a.B", spark_jars="/x.jar")
    sparkweld.configure(builder)
    assert builder._options["spark.plugins"] == f"a.B,{jar.PLUGIN_CLASS}"
    assert builder._options["spark.jars"] == f"/x.jar,{sparkweld.jar_path()}"


def test_configure_keeps_the_names_of_files_and_submit_arguments(no_session, monkeypatch):
    (no_session / "conf").mkdir()
    (no_session / "conf" / "spark-defaults.conf").write_text("# mine\nspark.plugins = a.B\nspark.jars\t/x.jar\n")
    builder = Builder()
    sparkweld.configure(builder)
    assert builder._options["spark.plugins"] == f"a.B,{jar.PLUGIN_CLASS}"
    assert builder._options["spark.jars"] == f"/x.jar,{sparkweld.jar_path()}"
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--jars /y.jar --conf 'spark.plugins=c.D' pyspark-shell")
    builder = Builder()
    sparkweld.configure(builder)
    assert builder._options["spark.plugins"] == f"c.D,{jar.PLUGIN_CLASS}"
    assert builder._options["spark.jars"] == f"/y.jar,{sparkweld.jar_path()}"


def test_configure_leaves_the_jar_out_when_it_is_installed(no_session):
    jar.install(no_session)
    builder = Builder()
    sparkweld.configure(builder)
    assert builder._options == {"spark.plugins": jar.PLUGIN_CLASS}


@pytest.mark.parametrize("options", [{"spark_remote": "sc://host"}, {"spark_api_mode": "connect"}])
def test_configure_refuses_connect(no_session, options):
    with pytest.raises(UserError, match="belongs on its server"):
        sparkweld.configure(Builder(**options))


def test_configure_refuses_connect_of_the_environment(no_session, monkeypatch):
    monkeypatch.setenv("SPARK_REMOTE", "sc://host")
    with pytest.raises(UserError, match="sc://host"):
        sparkweld.configure(Builder())


def test_split_ignores_blanks():
    assert session._split(" a , ,b,") == ["a", "b"]
    assert session._split(None) == []


def test_unknown_names_of_the_package_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'explian'; it has .*explain"):
        sparkweld.explian  # noqa: B018
    assert {"configure", "explain"} <= set(dir(sparkweld))
    assert os.path.isabs(sparkweld.jar_path())


@pytest.mark.parametrize("version", ["4.3.0", "4.3.0-SNAPSHOT", "4.3.1-amzn-0"])
def test_versions_of_vendors_belong_to_their_line(tmp_path, version):
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / f"spark-core_2.13-{version}.jar").touch()
    assert jar.spark_version(tmp_path) == version
    assert jar.line_of(version) == "4.3"
