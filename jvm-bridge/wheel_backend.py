"""Builds wheels, editable installs and sdists of the source tree, together with the JVM bridge.

This is setuptools' own PEP 517 backend with four commands changed (`tool.setuptools.cmdclass` in pyproject.toml). `build`
builds the bridge first. `bdist_wheel` tags the wheel for a platform, because it contains a shared object. `sdist`
contains the bridge's sources instead of its products.

By default the bridge is built for this machine and for the Spark that is installed, as an installation from source needs it.
With `SPARKWELD_WHEEL=x86_64` or `aarch64` in the environment, as `make wheel` sets it, the wheel is for distribution. It holds
the bridge for all lines of Spark. Its tag states that kind of machine and the oldest glibc that it needs (PEP 600).
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
#: The machine that a wheel for distribution is made for; None: the wheel is for an installation here.
MACHINE = os.environ.get("SPARKWELD_WHEEL")
#: Where the bridges of wheels for distribution are built, and found again by the next build.
PORTABLE = HERE.parent / "build" / "portable"


def _build_module() -> ModuleType:
    """Loads `build.py` from beside this file, by path because other packages use its name."""
    spec = importlib.util.spec_from_file_location("sparkweld_bridge_build", HERE / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class BuildBridge(Command):
    """Builds the bridge: into `sparkweld/_bridge`, from where `package-data` takes it, or for distribution into `build/portable`.

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
            if MACHINE is None:
                bridge.build()
            else:
                for line in bridge.LINES:
                    bridge.build(PORTABLE / f"spark-{line}", line=line, portable=True)
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
        if MACHINE is not None:
            self._take_portable_bridges(MACHINE)

    def _take_portable_bridges(self, machine: str) -> None:
        """Replaces the bridge of this machine, which `package-data` names, with those for distribution."""
        bridge, target = _build_module(), Path(self.build_lib) / "sparkweld" / "_bridge"
        shutil.rmtree(target, ignore_errors=True)
        for line in bridge.LINES:
            source, made = PORTABLE / f"spark-{line}", target / f"spark-{line}"
            made.mkdir(parents=True)
            shutil.copyfile(source / bridge.JAR_NAME, made / bridge.JAR_NAME)
            shutil.copyfile(source / machine / bridge.SHIM_NAME, made / bridge.SHIM_NAME)


class PlatformWheel(bdist_wheel):
    """Tags wheels for any Python 3 of one platform: the shim binds to the JVM and llvmlite, not to CPython."""

    def finalize_options(self) -> None:
        if MACHINE is not None:
            compilers = _build_module().c_compilers
            if MACHINE not in compilers.WHEEL_MACHINES:
                raise ExecError(f"SPARKWELD_WHEEL is {MACHINE}: wheels are made for {', '.join(compilers.WHEEL_MACHINES)}")
            self.plat_name = f"manylinux_{compilers.WHEEL_GLIBC.replace('.', '_')}_{MACHINE}"
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
