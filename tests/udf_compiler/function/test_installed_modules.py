"""Checks that the compile service reimports installed packages and extension modules after a change, and records them."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig

import pytest

from tests.udf_compiler.function.test_modules import asked, codes, constants, names, service, write

__all__ = ["service"]


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Returns a folder of installed packages, which services have on the import path of their workers."""
    monkeypatch.setenv("PYTHONUSERBASE", str(tmp_path / "base"))
    folder = tmp_path / "base" / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    folder.mkdir(parents=True)
    monkeypatch.setenv("SPARKWELD_WORKER_PATH", str(folder))
    return folder


def test_a_package_that_is_installed_anew(service, installed):
    source = "import os\nfrom company.rates import K\nZONE = os.environ.get('HIDDEN')\ndef f(s): return s * K"
    write(installed, **{"company/__init__": source, "company/rates": "K = 3.0"})
    child = service(SPARKWELD_WITHHELD="HIDDEN")
    assert constants(reply := asked(child, "company")) == {"3.0"}
    assert names(reply) == ["company", "company.rates"]
    write(installed, **{"company/rates": "K = 4.0"})
    assert constants(asked(child, "company")) == {"4.0"}


def test_a_large_package_is_known_by_its_version(service, installed):
    parts = {f"large/part{number}": f"K = {number}.0" for number in range(220)}
    imports = "\n".join(f"from large import part{number}" for number in range(220))
    write(installed, **parts, **{"large/__init__": imports + "\ndef f(s): return s * part7.K"})
    about = installed / "large_rates-1.5.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: large-rates\nVersion: 1.5\n")
    (about / "top_level.txt").write_text("large\n")
    child = service(PYTHONPATH=str(installed))
    assert constants(reply := asked(child, "large")) == {"7.0"}
    assert names(reply) == [] and reply["libraries"]["large-rates"] == "1.5"


def test_a_module_that_would_shadow_an_installed_one(service, installed, tmp_path):
    before = tmp_path / "before"
    before.mkdir()
    write(installed, company="def f(s): return s * 3.0")
    folder = write(tmp_path / "folder", mylib="import scipy.special\ndef f(s): return s * 5.0")
    child = service(SPARKWELD_WORKER_PATH=os.pathsep.join(map(str, (before, folder, installed))))
    assert constants(asked(child, "company")) == {"3.0"}
    write(before, company="def f(s): return s * 4.0")
    assert constants(asked(child, "company")) == {"4.0"}
    assert constants(reply := asked(child, "mylib")) == {"5.0"}
    assert names(reply) == ["mylib"] and "scipy" in reply["libraries"]
    write(before, **{"scipy/__init__": "", "scipy/special": ""})
    assert codes(asked(child, "mylib")) == ["SW208"]


EXTENSION = """
#define PY_SSIZE_T_CLEAN
#include <Python.h>
static struct PyModuleDef about = {{PyModuleDef_HEAD_INIT, "{name}", NULL, -1, NULL}};
PyMODINIT_FUNC PyInit_{name}(void) {{
    PyObject *made = PyModule_Create(&about);
    if (made != NULL) PyModule_AddObject(made, "K", PyFloat_FromDouble({value}));
    return made;
}}
"""


def extension(folder, name, value):
    """Compiles an extension module with the constant K, and replaces an older one."""
    source, made = folder / f"{name}.c", folder / f"{name}.new"
    source.write_text(EXTENSION.format(name=name, value=value))
    command = ["cc", "-shared", "-fPIC", f"-I{sysconfig.get_path('include')}", str(source), "-o", str(made)]
    subprocess.run(command, check=True)
    os.replace(made, folder / (name + sysconfig.get_config_var("EXT_SUFFIX")))


def test_an_extension_that_has_changed_needs_a_new_process(service, tmp_path):
    folder = write(tmp_path / "folder", mylib="import fastrates\ndef f(s): return s * fastrates.K")
    extension(folder, "fastrates", 3.0)
    path = {"SPARKWELD_WORKER_PATH": str(folder)}
    child = service(**path)
    assert constants(reply := asked(child, "mylib")) == {"3.0"}
    assert names(reply) == ["fastrates", "mylib"]
    extension(folder, "fastrates", 5.0)
    assert asked(child, "mylib")["status"] == "stale"
    assert constants(asked(service(**path), "mylib")) == {"5.0"}
