"""Checks command bytes: functions that a worker can unpickle are read, others are refused with the reason."""

from __future__ import annotations

import functools
import sys
import textwrap
import zipfile

import numpy as np
import pytest
from pyspark import cloudpickle
from pyspark.sql.types import DoubleType, IntegerType
from pyspark.util import fail_on_stopiteration

from sparkweld.contract.requests import BroadcastFile
from sparkweld.errors import Refusal
from tests.helpers.answers import worker
from tests.helpers.compile_requests import payload
from udf_compiler.function.environment import broadcasts, module_path
from udf_compiler.function.payload import load_command, name_of, unwrap
from udf_compiler.process.spark_line import BROADCASTS


class _BroadcastHandle:
    """Pickles as PySpark's Broadcast does on the driver."""

    def __init__(self, number):
        self.number = number

    def __reduce__(self):
        return BROADCASTS._from_id, (self.number,)


def _broadcast_file(path, value):
    path.write_bytes(cloudpickle.dumps(value))
    return str(path)


def test_a_lambda_and_its_return_type():
    command = load_command(payload(lambda a: a + 1, IntegerType()))
    assert command.function(41) == 42
    assert command.return_type == IntegerType()


def test_partials_callables_and_bound_methods():
    class Scale:
        def __init__(self, k):
            self.k = k

        def __call__(self, a):
            return a * self.k

        def times(self, a):
            return a * self.k

    for function in (functools.partial(lambda k, a: a * k, 3), Scale(3), Scale(3).times):
        assert load_command(payload(function)).function(2) == 6


def test_a_command_above_the_threshold_is_a_broadcast_of_its_bytes(tmp_path):
    weights = np.arange(200_000.0)
    inner = payload(lambda a: a + weights[-1])
    path = _broadcast_file(tmp_path / "b", inner)
    with broadcasts([BroadcastFile(id=7, path=path)]):
        command = load_command(cloudpickle.dumps(_BroadcastHandle(7)))
    assert command.function(1.0) == 200_000.0
    assert 7 not in BROADCASTS._broadcastRegistry


def test_a_broadcast_inside_a_function_is_read_on_request(tmp_path):
    handle = _BroadcastHandle(3)
    bytes_ = payload(lambda a: a * handle.value["k"])
    path = tmp_path / "b"
    with broadcasts([BroadcastFile(id=3, path=str(path))]):
        command = load_command(bytes_)  # the file does not exist yet
        _broadcast_file(path, {"k": 5})
        assert command.function(2) == 10


@pytest.mark.parametrize("given", [[], [BroadcastFile(id=3)]], ids=["unknown", "encrypted"])
def test_a_broadcast_without_a_file_is_refused(given):
    handle = _BroadcastHandle(3)
    with broadcasts(given), pytest.raises(Refusal) as refused:
        load_command(payload(lambda a: a * handle.value))
    assert refused.value.code == "SW205"
    assert "spark.io.encryption.enabled" in refused.value.hint


def test_a_command_in_a_file_that_is_gone_is_refused(tmp_path):
    with broadcasts([BroadcastFile(id=3, path=str(tmp_path / "gone"))]), pytest.raises(Refusal) as refused:
        load_command(cloudpickle.dumps(_BroadcastHandle(3)))
    assert refused.value.code == "SW205"
    assert "gone" in refused.value.message


def _raise_on_reading():
    raise ValueError("no luck\nat all")


class _Raises:
    def __reduce__(self):
        return _raise_on_reading, ()


class _Exits:
    def __reduce__(self):
        return sys.exit, (3,)


@pytest.mark.parametrize(
    "code, bytes_, expected",
    [
        ("SW201", b"cno_such_module_anywhere\nf\n.", "no_such_module_anywhere"),
        ("SW202", b"cnumpy\nno_such_name\n.", "no_such_name"),
        ("SW203", b"", "EOFError"),
        ("SW203", b"\x80\x05garbage", "UnpicklingError"),
        ("SW203", payload(lambda a: a)[:-20], "truncated"),
        ("SW203", cloudpickle.dumps([1, 2]), "holds a list"),
        ("SW203", cloudpickle.dumps((1, DoubleType())), "holds a tuple"),
        ("SW204", cloudpickle.dumps(_Raises()), "ValueError: no luck at all"),
        ("SW204", cloudpickle.dumps(_Exits()), "SystemExit: 3"),
    ],
)
def test_an_unreadable_model_is_refused(code, bytes_, expected):
    with pytest.raises(Refusal) as refused:
        load_command(bytes_)
    assert refused.value.code == code
    assert expected in refused.value.message


def _module_function(folder, name, body):
    """Returns a payload that names `name.f`, pickled while the module is importable, which is unloaded here afterwards."""
    (folder / f"{name}.py").write_text(textwrap.dedent(body))
    sys.path.insert(0, str(folder))
    try:
        module = __import__(name)
        return payload(module.f)
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop(name, None)


def test_a_module_function_needs_its_include(tmp_path):
    bytes_ = _module_function(tmp_path, "weld_job_a", "def f(a): return a + 1\n")
    with pytest.raises(Refusal) as refused, module_path(worker(includes=[])):
        load_command(bytes_)
    assert refused.value.code == "SW201"
    assert "--py-files" in refused.value.hint
    before = list(sys.path)
    with module_path(worker(includes=[str(tmp_path)])):
        assert sys.path[1] == str(tmp_path)
        assert load_command(bytes_).function(1) == 2
    assert sys.path == before


def test_modules_of_other_includes_are_forgotten(tmp_path):
    bytes_ = _module_function(tmp_path, "weld_job_b", "def f(a): return 0\n")
    (tmp_path / "weld_job_b.py").unlink()
    for version in (1, 2):
        archive = tmp_path / f"v{version}.zip"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("weld_job_b.py", f"def f(a): return {version}\n")
        with module_path(worker(includes=[str(archive)])):
            assert load_command(bytes_).function(1) == version
            assert load_command(bytes_).function(1) == version
    with module_path(worker(includes=[])), pytest.raises(Refusal):
        load_command(bytes_)


def test_a_changed_include_is_read_again(tmp_path):
    bytes_ = _module_function(tmp_path, "weld_job_c", "def f(a): return 0\n")
    (tmp_path / "weld_job_c.py").unlink()
    archive = tmp_path / "same.zip"
    for version in (1, 22):
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("weld_job_c.py", f"def f(a): return {version}\n")
        with module_path(worker(includes=[str(archive)])):
            assert load_command(bytes_).function(1) == version


def test_pysparks_own_wrapper_is_taken_off():
    def f(a):
        return a

    assert unwrap(fail_on_stopiteration(f)) is f

    def user_wrapper(*args, **kwargs):
        return f(*args, **kwargs)

    assert unwrap(user_wrapper) is user_wrapper


def test_names_of_callables():
    class Model:
        def __call__(self, a):
            return a

    assert name_of(functools.partial(functools.partial(len), 1)) == "len"
    assert name_of(Model()) == "Model"
