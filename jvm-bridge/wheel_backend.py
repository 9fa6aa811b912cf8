"""Builds wheels, editable installs and sdists of the source tree, together with the JVM bridge.

This is setuptools' own PEP 517 backend with four commands changed (`tool.setuptools.cmdclass` in pyproject.toml). `build`
builds the bridge first. `bdist_wheel` tags the wheel for this platform, because it contains a shared object. `sdist`
contains the bridge's sources instead of its products.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from types import ModuleType

from setuptools import Command
from setuptools.build_meta import *  # noqa: F403  (the PEP 517 hooks that pip calls)
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build import build
from setuptools.command.sdist import sdist
from setuptools.errors import ExecError

HERE = Path(__file__).resolve().parent


def _build_module() -> ModuleType:
    """Loads `build.py` from beside this file, by path because other packages use its name."""
    spec = importlib.util.spec_from_file_location("sparkweld_bridge_build", HERE / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class BuildBridge(Command):
    """Builds jars and shims into `sparkweld/_bridge`, from where `package-data` takes them.

    It builds for the line of the pyspark that is installed; for all lines with `SPARKWELD_LINES=all` in the environment, as
    `make wheel` sets it.
    It is a separate command because setuptools turns errors of a changed `build_py` into warnings in editable installs.
    """

    description = "compile the Scala and C sources of the bridge"
    user_options: list[tuple[str, str | None, str]] = []
    editable_mode = False

    def initialize_options(self) -> None:
        self.editable_mode = False

    def finalize_options(self) -> None:
        pass

    def run(self) -> None:
        bridge = _build_module()
        try:
            for line in bridge.LINES if os.environ.get("SPARKWELD_LINES") == "all" else (None,):
                bridge.build(line=line)
        except bridge.BuildError as problem:
            raise ExecError(str(problem)) from None

    def get_source_files(self) -> list[str]:
        return []  # Sdist lists them

    def get_outputs(self) -> list[str]:
        return []  # build_py copies the products as package data

    def get_output_mapping(self) -> dict[str, str]:
        return {}


class Build(build):
    """Extends setuptools' `build`: builds the bridge first, into an empty folder."""

    sub_commands = [("build_bridge", None), *build.sub_commands]

    def run(self) -> None:
        # build/ outlives a build: a module removed from the sources would return in the next wheel
        shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


class PlatformWheel(bdist_wheel):
    """Tags wheels for any Python 3 of one platform: the shim binds to the JVM and llvmlite, not to CPython."""

    def finalize_options(self) -> None:
        self.distribution.has_ext_modules = lambda: True
        super().finalize_options()

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


class Sdist(sdist):
    """An sdist that can build the bridge and run the tests: all tracked sources, no products."""

    def make_distribution(self) -> None:
        self.filelist.extend(["Makefile", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", ".ci/run", ".pre-commit-config.yaml"])
        for folder in (".devcontainer", ".github", "conf", "jvm-bridge", "jobs", "tests"):
            self.filelist.graft(folder)
        self.filelist.prune("sparkweld/_bridge")
        for pattern in ("*.py[cod]", "__pycache__/*", ".pytest_cache/*", ".hypothesis/*"):
            self.filelist.global_exclude(pattern)
        super().make_distribution()
