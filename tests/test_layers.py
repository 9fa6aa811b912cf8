"""Checks the permitted dependencies between packages, from the import statements of every source file."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# The rooms of the house, from the ground up: a room may import the rooms above it in this list, and itself.
# A room is a package, or the part of a large package that is named here. Imports inside functions count, too.
ROOMS = (
    "sparkweld.base",  # errors and reasons
    "sparkweld.ir",
    "sparkweld.optimizer",
    *("sparkweld.kernels.llvm", "sparkweld.kernels.functions", "sparkweld.kernels.codegen", "sparkweld.kernels.runtime"),
    "sparkweld.kernels",
    "sparkweld.annotations",
    "sparkweld.pipelines",
    "sparkweld.worker",
    "sparkweld.cascades",
    *("udf_compiler", "udf_compiler.frontends", "udf_compiler.backends"),  # docstrings
    "udf_compiler.process",
    "udf_compiler.frontends.tracing",
    "udf_compiler.function",
    *("udf_compiler.frontends.regex", "udf_compiler.frontends.python", "udf_compiler.frontends.pandas"),
    *("udf_compiler.frontends.arrow", "udf_compiler.frontends.models"),
    "udf_compiler.rebuild",
    "udf_compiler.frontends.mlflow",
    "udf_compiler.boundary",
    *("udf_compiler.frontends.spark_ml", "udf_compiler.frontends.catalyst"),
    "udf_compiler.probing",
    "udf_compiler.eval_types",
    *("udf_compiler.backends.catalyst", "udf_compiler.backends.aggregates"),
    "udf_compiler.backends.worker_pipelines",
    "udf_compiler.requests",
    "udf_compiler.backends.cascades",  # compiles the changed payload as a request
    "udf_compiler.service",
    "sparkweld.lazy_evaluation",
    "sparkweld.bridge",
    "sparkweld.api",
    "sparkweld.lint",
    "sparkweld.cli",
    "sparkweld",  # the lazy names of the package itself
    "jobs",
)

# What a room must not import, although it is above it: what runs in executors needs no optimizer, and what compiles no kernels.
NOT = {
    "sparkweld.kernels": {"sparkweld.optimizer"},
    "sparkweld.kernels.llvm": {"sparkweld.optimizer"},
    "sparkweld.kernels.functions": {"sparkweld.optimizer"},
    "sparkweld.kernels.codegen": {"sparkweld.optimizer"},
    "sparkweld.kernels.runtime": {"sparkweld.optimizer"},
    "sparkweld.annotations": {"sparkweld.kernels", "sparkweld.optimizer"},
    "sparkweld.cascades": {"sparkweld.kernels", "sparkweld.annotations", "sparkweld.pipelines", "sparkweld.worker"},
    "sparkweld.bridge": {"udf_compiler"},
    "jobs": {"udf_compiler", "sparkweld.kernels", "sparkweld.ir", "sparkweld.optimizer"},
}
# The compile service is the only process that loads the compiler, the optimizer and the kernels together.
CORE_ABOVE_IR = {
    *("sparkweld.optimizer", "sparkweld.kernels", "sparkweld.annotations", "sparkweld.pipelines", "sparkweld.worker"),
    "sparkweld.cascades",
}
MAY_MEET = {
    "udf_compiler.backends.aggregates": {"sparkweld.optimizer"},
    "udf_compiler.backends.catalyst": {"sparkweld.optimizer"},
    "udf_compiler.backends.cascades": {"sparkweld.cascades"},
    "udf_compiler.backends.worker_pipelines": {"sparkweld.annotations", "sparkweld.pipelines", "sparkweld.worker"},
    "udf_compiler.requests": {"sparkweld.optimizer"},
    "udf_compiler.service": {"sparkweld.optimizer", "sparkweld.kernels"},
}

PYSPARK_ROOMS = {"sparkweld.api", "sparkweld.bridge", "sparkweld.lint", "jobs"}
PY4J_FILES = {"sparkweld/bridge/jvm.py"}
# Payloads and broadcasts are unpickled as in a worker, with pyspark's own classes, in the compile service only. The code in
# a fused function's payload runs in Spark's worker.
PYSPARK_FILES = {"sparkweld/worker/grouping.py"} | {
    f"udf_compiler/{name}.py"
    for name in (
        *("backends/aggregates/row_values", "backends/cascades/full_models", "backends/cascades/substitution"),
        *("backends/worker_pipelines/payload", "frontends/python/rows", "rebuild/objects"),
        *("function/environment", "function/model_files", "function/payload", "function/wrappers"),
    )
}


def sources() -> list[str]:
    """Returns all Python files of the product, relative to the root."""
    folders = [ROOT / name for name in ("sparkweld", "udf_compiler", "jobs")]
    return sorted(str(path.relative_to(ROOT)) for folder in folders for path in folder.rglob("*.py"))


def room_of(module: str) -> str | None:
    """Returns the room of a module; None for modules of other projects."""
    parts = module.split(".")
    if parts[0] not in ("sparkweld", "udf_compiler", "jobs"):
        return None
    if parts[0] == "jobs" or len(parts) == 1 or parts[1] == "__main__":
        return parts[0]
    if module.startswith(("sparkweld.errors", "sparkweld.reasons")):
        return "sparkweld.base"
    return ".".join(next((parts[:n] for n in (3, 2) if ".".join(parts[:n]) in ROOMS), parts[:2]))


def module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def may_import(room: str, target: str) -> bool:
    """Whether a room may import another one."""
    if room == target:
        return True
    inside = {target, ".".join(target.split(".")[:2]), target.split(".")[0]}
    if room.startswith("udf_compiler") and inside & CORE_ABOVE_IR and not inside & MAY_MEET.get(room, set()):
        return False
    return ROOMS.index(target) < ROOMS.index(room) and not inside & NOT.get(room, set())


def imports(path: str) -> Iterator[tuple[int, str]]:
    """Yields line and module of each import of a file, including those in functions; `from sparkweld import x` names x."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"), path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; name the module in full"
            module = node.module or ""
            for alias in node.names:
                nested = f"{module}.{alias.name}"
                yield node.lineno, nested if module == "sparkweld" or nested in ROOMS else module


@pytest.mark.parametrize("path", sources())
def test_imports_follow_the_arrows(path):
    room = room_of(module_of(path))
    assert room in ROOMS, f"{path} belongs to no known room; say in tests/test_layers.py where {room} is"
    wrong = [
        f"{path}:{line}: {room} must not import {module}"
        for line, module in imports(path)
        if (target := room_of(module)) is not None and not may_import(room, target)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", sources())
def test_spark_stays_in_its_places(path):
    roots = {module.split(".")[0] for _, module in imports(path)}
    if room_of(module_of(path)) not in PYSPARK_ROOMS and path not in PYSPARK_FILES:
        assert "pyspark" not in roots, f"{path} imports pyspark; only {sorted(PYSPARK_ROOMS)} may"
    if path not in PY4J_FILES:
        assert "py4j" not in roots, f"{path} imports py4j; only {sorted(PY4J_FILES)} may"


def test_the_arrows_catch_a_wrong_import(tmp_path, monkeypatch):
    folder = tmp_path / "sparkweld" / "ir"
    folder.mkdir(parents=True)
    (folder / "wrong.py").write_text("def f():\n    from sparkweld.kernels import emit\n    import pyspark.sql\n")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    with pytest.raises(AssertionError, match=r"wrong.py:2: sparkweld.ir must not import sparkweld.kernels"):
        test_imports_follow_the_arrows("sparkweld/ir/wrong.py")
    with pytest.raises(AssertionError, match="imports pyspark"):
        test_spark_stays_in_its_places("sparkweld/ir/wrong.py")


@pytest.mark.parametrize("module", ["sparkweld", "sparkweld.ir", "sparkweld.cli.main", "sparkweld.bridge.jar"])
def test_light_imports_load_no_spark(module):
    heavy = "{'pyspark', 'py4j', 'numba', 'sklearn'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
