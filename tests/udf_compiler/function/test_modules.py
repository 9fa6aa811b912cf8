"""Checks how the compile service imports, reloads and records user modules."""

from __future__ import annotations

import hashlib
import os
import textwrap
import zipfile

import pytest

from sparkweld.ir import parse_program
from tests.helpers.compile_requests import python_step, request, udf
from tests.udf_compiler.service.test_service import Child

STEP = python_step(r=udf(0, "a"))


def payload_of(module, name="f"):
    """Returns a pickle of `module.name`, built without the module, with the return type of a command."""
    from pyspark.serializers import CPickleSerializer
    from pyspark.sql.types import DoubleType

    of_type = CPickleSerializer().dumps(DoubleType())
    assert of_type[:2] == b"\x80\x05"
    body = of_type[2:].removesuffix(b".")
    body = body[9:] if body[:1] == b"\x95" else body  # without a frame
    return b"\x80\x05c" + f"{module}\n{name}\n".encode() + body + b"\x86."


def write(folder, **modules):
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in modules.items():
        path = folder / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
    return folder


@pytest.fixture
def service(tmp_path):
    """Starts services with variables of the JVM; their own folder is empty."""
    started = []

    def start(**environment):
        own = tmp_path / f"own{len(started)}"
        own.mkdir()
        started.append(Child(own, **{"SPARKWELD_LOCAL": "true", "PYTHONPATH": "", **environment}))
        return started[-1]

    yield start
    for child in started:
        child.stop()


def asked(child, module, name="f", **python):
    header = request(STEP)
    header["python"] = {"includes": [], **python}
    return child.ask([payload_of(module, name)], **header).header


def codes(reply):
    return [refusal["code"] for refusal in reply.get("refusals", ())] or reply.get("message", reply["status"])


def constants(reply):
    assert reply["status"] == "ok", reply["refusals"][0]["message"]
    return {str(let.op.value) for let in parse_program(reply["program"]).loops[0].body if hasattr(let.op, "value")} - {"nan"}


def names(reply):
    return [module["name"] for module in reply.get("modules", ())]


def test_the_folder_of_the_workers_has_precedence(service, tmp_path):
    """`python -m pyspark.daemon` has its folder before PYTHONPATH, and files added to the job before that."""
    folder = write(tmp_path / "folder", mylib="def f(s): return s * 3.0")
    on_path = write(tmp_path / "path", mylib="def f(s): return s * 5.0")
    added = write(tmp_path / "added", mylib="def f(s): return s * 7.0")
    child = service(SPARKWELD_WORKER_PATH=str(on_path))
    at = {"folder": str(folder)}
    assert constants(asked(child, "mylib", importable=True, **at)) == {"3.0"}
    assert constants(asked(child, "mylib", importable=False, **at)) == {"5.0"}
    assert constants(asked(child, "mylib")) == {"5.0"}
    assert constants(asked(child, "mylib", includes=[str(added)])) == {"5.0"}  # it is inserted behind the first entry
    (on_path / "mylib.py").unlink()
    assert constants(asked(child, "mylib", includes=[str(added)])) == {"7.0"}
    assert constants(asked(child, "mylib", importable=True, includes=[str(added)], **at)) == {"3.0"}


def test_an_edited_module_is_imported_again(service, tmp_path):
    """That includes a module that it imports, a submodule, one in an archive, and one that is now found elsewhere."""
    first = write(tmp_path / "first")
    folder = write(
        tmp_path / "folder",
        mylib="from pack.inner import K\nimport other\ndef f(s): return s * K + other.L",
        other="L = 2.5",
        **{"pack/__init__": "", "pack/inner": "K = 3.0"},
    )
    child = service(SPARKWELD_WORKER_PATH=os.pathsep.join(map(str, (first, folder))))
    assert constants(reply := asked(child, "mylib")) == {"3.0", "2.5"}
    assert names(reply) == ["mylib", "other", "pack", "pack.inner"]
    source = (folder / "other.py").read_bytes()
    assert reply["modules"][1]["digest"] == hashlib.sha256(source).hexdigest()
    write(folder, **{"pack/inner": "K = 4.0"})
    assert constants(asked(child, "mylib")) == {"4.0", "2.5"}
    write(folder, other="L = 3.5")
    assert constants(asked(child, "mylib")) == {"4.0", "3.5"}
    write(first, other="L = 9.5")
    assert constants(asked(child, "mylib")) == {"4.0", "9.5"}
    with zipfile.ZipFile(tmp_path / "job.zip", "w") as archive:
        archive.writestr("zipped.py", "def f(s): return s * 11.0")
    inside = {"includes": [str(tmp_path), str(tmp_path / "job.zip")]}
    assert constants(asked(child, "zipped", **inside)) == {"11.0"}
    with zipfile.ZipFile(tmp_path / "job.zip", "w") as archive:
        archive.writestr("zipped.py", "def f(s): return s * 12.0")
    assert constants(asked(child, "zipped", **inside)) == {"12.0"}


def test_only_the_dependencies_of_a_function_are_recorded(service, tmp_path):
    folder = write(
        tmp_path / "folder",
        base="K = 2.0",
        one="import base\ndef f(s): return s * base.K",
        two="from base import K\ndef f(s): return s + K",
        late="def f(s):\n    import two\n    return two.f(s)",
        alone="def f(s): return s - 1.5",
    )
    child = service(SPARKWELD_WORKER_PATH=str(folder))
    assert names(asked(child, "one")) == ["base", "one"]
    assert names(asked(child, "two")) == ["base", "two"]
    assert names(asked(child, "alone")) == ["alone"]
    assert names(asked(child, "late")) == ["base", "late", "two"]
    other = {**request(STEP), "op": "reads", "python": {"includes": []}}  # the traces of the first request answer it
    assert names(child.ask([payload_of("two")], **other).header) == ["base", "two"]
    wanted = {about["name"]: about["digest"] for about in asked(child, "one")["modules"]}
    assert names(asked(child, "one", modules=wanted)) == ["base", "one"]
    write(folder, base="K = 4.0")
    assert codes(asked(child, "one", modules=wanted)) == ["SW869"]


def test_a_missing_module_may_appear_later(service, tmp_path):
    folder = write(tmp_path / "folder")
    child = service(SPARKWELD_WORKER_PATH=str(folder))
    assert codes(asked(child, "mylib")) == ["SW201"]
    write(folder, mylib="def f(s): return s * 3.0")
    assert constants(asked(child, "mylib")) == {"3.0"}


def test_modules_of_sparkweld_are_never_imported_from_a_folder_of_the_job(service, tmp_path):
    """The worker would import it, so nothing is compiled; and the service does not run it."""
    ran = tmp_path / "ran"
    folder = write(tmp_path / "folder", mylib="def f(s): return s * 3.0")
    child = service()
    at = {"folder": str(folder), "importable": True}
    assert constants(asked(child, "mylib", **at)) == {"3.0"}
    planted = f"open({str(ran)!r}, 'w')"
    for name in ("queue", "json", "numba", "pandas", "sparkweld/__init__", "udf_compiler/__init__", "numpy/__init__"):
        write(folder, **{name: planted})
        assert codes(asked(child, "mylib", **at)) == ["SW208"], name
        (folder / f"{name}.py").unlink()
    write(folder, cmd=planted, mylib="import cmd\ndef f(s): return s * 3.0")  # one that nothing has imported yet
    assert codes(asked(child, "mylib", **at)) == ["SW208"]
    (folder / "cmd.py").unlink()
    assert not ran.exists()
    assert constants(asked(child, "mylib", **at)) == {"3.0"}


def test_variables_that_a_module_reads(service, tmp_path):
    """The service has fewer variables than workers: a module that reads one of the others is refused."""
    reading = "import os\nK = float(os.environ.get('{0}', '2'))\ndef f(s): return s * K"
    folder = write(
        tmp_path / "folder",
        absent=reading.format("ABSENT"),
        hidden=reading.format("HIDDEN"),
        given=reading.format("GIVEN"),
        spark="import os\nK = float(os.getenv('SPARK_FACTOR', '2'))\ndef f(s): return s * K",
        all="import os\nK = float(len([k for k in os.environ]))\ndef f(s): return s * K",
        library="import scipy.special\ndef f(s): return s * 3.0",
        decorated="import pandas as pd\nfrom pyspark.sql.functions import pandas_udf\nfrom pyspark.sql.types import DoubleType\n"
        "def f(s): return s * 3.0\n"
        "@pandas_udf(DoubleType())\ndef g(s: pd.Series) -> pd.Series: return s\n",
    )
    about = {
        "SPARKWELD_WORKER_PATH": str(folder),
        "SPARKWELD_WITHHELD": "HIDDEN,OTHER",
        "SPARKWELD_JOB_VARIABLES": "GIVEN",
        "GIVEN": "5",
    }
    child = service(**about)
    assert constants(asked(child, "absent")) == {"2.0"}
    assert constants(asked(child, "given")) == {"5.0"}
    for module in ("hidden", "spark", "all"):
        assert codes(asked(child, module)) == ["SW209"], module
    for module in ("library", "decorated"):
        assert constants(asked(child, module)) == {"3.0"}, module
    away = service(**{**about, "SPARKWELD_LOCAL": "false"})
    assert codes(asked(away, "absent")) == ["SW209"]
    assert constants(asked(away, "given")) == {"5.0"}


def test_files_that_a_module_opens(service, tmp_path):
    """They are recorded like the files of models, and a change reimports the module."""
    source = "import json, pathlib\nK = json.loads((pathlib.Path(__file__).parent / 'rates.json').read_text())\n"
    folder = write(tmp_path / "folder", rates=source + "def f(s): return s * K")
    (folder / "rates.json").write_text("3.25")
    child = service()
    reply = asked(child, "rates", includes=["/no/such", str(folder)])
    assert constants(reply) == {"3.25"}
    (file,) = reply["files"]
    assert (file["path"], file["ofJob"]) == (str(folder / "rates.json"), False)
    assert file["digest"] == hashlib.sha256(b"3.25").hexdigest()
    (folder / "rates.json").write_text("4.5")
    assert constants(asked(child, "rates", includes=["/no/such", str(folder)])) == {"4.5"}
    (file,) = asked(child, "rates", includes=[str(folder)])["files"]
    assert (file["path"], file["ofJob"]) == ("rates.json", True)


def test_nothing_is_written_beside_a_users_module(service, tmp_path):
    folder = write(tmp_path / "folder", mylib="def f(s): return s * 3.0")
    assert constants(asked(service(), "mylib", folder=str(folder), importable=True)) == {"3.0"}
    assert [path.name for path in folder.iterdir()] == ["mylib.py"]


def test_relative_names_are_those_of_the_workers_folder(service, tmp_path):
    folder = write(tmp_path / "folder", mylib="K = float(open('k.txt').read())\ndef f(s): return s * K")
    (folder / "k.txt").write_text("6.5")
    child = service(SPARKWELD_WORKER_PATH=str(folder))
    assert codes(asked(child, "mylib")) == ["SW204"]
    assert constants(asked(child, "mylib", folder=str(folder))) == {"6.5"}


def test_versions_of_packages(service, tmp_path):
    """Versions of Python, of core packages, and of packages that the function or its module imports are recorded."""
    folder = write(
        tmp_path / "folder", mylib="from scipy.special import expit\ndef f(s): return s * 3.0", plain="def f(s): return s"
    )
    child = service(SPARKWELD_WORKER_PATH=str(folder))
    assert set(asked(child, "mylib")["libraries"]) >= {"python", "numpy", "pandas", "pyarrow", "scipy"}
    assert set(asked(child, "plain")["libraries"]) == {"python", "numpy", "pandas", "pyarrow"}


def test_answers_without_a_task_to_check_modules(service, tmp_path):
    folder = write(tmp_path / "folder", mylib="def f(s): return s * 3.0")
    child = service(SPARKWELD_WORKER_PATH=str(folder), SPARKWELD_LOCAL="false")
    for local, expected in ((True, "ok"), (False, ["SW873"])):
        header = {**request(STEP), "op": "reads", "python": {"includes": [], "local": local}}
        assert codes(child.ask([payload_of("mylib")], **header).header) == expected
    assert constants(asked(child, "mylib", local=False)) == {"3.0"}
