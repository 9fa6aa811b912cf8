"""Checks the permitted dependencies between packages, from the import statements of every source file."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# Permitted imports of each layer. A layer is a package or a module; `base` is errors, reasons and context variables.
BASE = {"base"}
MAY_IMPORT = {
    "base": BASE,
    "ir": BASE | {"ir"},
    "optimizer": BASE | {"ir", "optimizer"},
    "udf_compiler": BASE | {"ir", "udf_compiler"},
    "kernels": BASE | {"ir", "kernels"},
    "willump": BASE | {"ir", "optimizer", "willump"},
    "annotations": BASE | {"ir", "optimizer", "annotations"},
    "pipelines": BASE | {"ir", "optimizer", "kernels", "annotations", "pipelines"},
    "local": BASE | {"ir", "optimizer", "udf_compiler", "kernels", "annotations", "pipelines", "local"},
    "fused": BASE | {"ir", "udf_compiler", "annotations", "pipelines", "local", "fused"},
    "bridge": BASE | {"bridge"},
    "api": BASE | {"ir", "optimizer", "udf_compiler", "kernels", "willump", "annotations", "pipelines", "bridge", "api"},
}
MAY_IMPORT["lint"] = MAY_IMPORT["api"] | {"lint"}
MAY_IMPORT["front"] = {*MAY_IMPORT, "front"}  # the lazy names of `sparkweld` itself, and the command line
MAY_IMPORT["jobs"] = {"jobs", "api", "front"}

FRONT_FILES = {"sparkweld/__init__.py", "sparkweld/__main__.py", "sparkweld/cli/main.py", "sparkweld/cli/doctor.py"}
BASE_FILES = {"sparkweld/errors.py", "sparkweld/reasons.py", "sparkweld/ir/context_variables.py"}

# The compile service is the only process that loads the compiler, the optimizer and the kernels together.
MEETING_POINTS = {
    "udf_compiler/backends/aggregates/compile.py": {"optimizer"},
    "udf_compiler/backends/cascades/cascade_payloads.py": {"willump"},
    "udf_compiler/backends/cascades/full_models.py": {"willump"},
    "udf_compiler/backends/cascades/ranking_payloads.py": {"willump"},
    "udf_compiler/backends/cascades/substitution.py": {"willump"},
    "udf_compiler/service/host.py": {"kernels"},
    "udf_compiler/requests/pipeline.py": {"optimizer"},
    "udf_compiler/backends/catalyst/parts.py": {"optimizer"},
    "udf_compiler/service/server.py": {"optimizer", "kernels", "fused"},
}
PYSPARK_LAYERS = {"api", "bridge", "jobs", "lint"}
PY4J_FILES = {"sparkweld/bridge/jvm.py"}
# Payloads and broadcasts are unpickled as in a worker, with pyspark's own classes, in the compile service only. The code in
# a fused function's payload runs in Spark's worker.
PYSPARK_FILES = {"udf_compiler/backends/worker_pipelines/payload.py", "sparkweld/worker/grouping.py"} | {
    f"udf_compiler/{name}.py"
    for name in (
        *("aggregates/row_values", "full_models", "substitution"),
        *("environment", "model_files", "payload", "rebuild", "scalar/rows", "wrappers"),
    )
}


def sources() -> list[str]:
    """Returns all Python files of the product, relative to the root."""
    folders = [ROOT / name for name in ("sparkweld", "udf_compiler", "jobs")]
    return sorted(str(path.relative_to(ROOT)) for folder in folders for path in folder.rglob("*.py"))


def layer_of_file(path: str) -> str:
    """Returns the layer of a file."""
    if path in FRONT_FILES:
        return "front"
    if path in BASE_FILES:
        return "base"
    parts = path.split("/")
    return parts[1].removesuffix(".py") if parts[0] == "sparkweld" else parts[0]


def layer_of_module(module: str) -> str | None:
    """Returns the layer of an imported module; None for modules of other projects."""
    parts = module.split(".")
    if parts[0] in ("udf_compiler", "jobs"):
        return parts[0]
    if parts[0] != "sparkweld":
        return None
    if len(parts) == 1 or f"sparkweld/{parts[1]}.py" in FRONT_FILES:
        return "front"
    return "base" if f"sparkweld/{parts[1]}.py" in BASE_FILES else parts[1]


def imports(path: str) -> Iterator[tuple[int, str]]:
    """Yields line and module of each import of a file, including those in functions; `from sparkweld import x` names x."""
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"), path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; name the module in full"
            module = node.module or ""
            nested = (f"{module}.{alias.name}" for alias in node.names) if module == "sparkweld" else (module,)
            yield from ((node.lineno, name) for name in nested)


@pytest.mark.parametrize("path", sources())
def test_imports_follow_the_arrows(path):
    layer = layer_of_file(path)
    assert layer in MAY_IMPORT, f"{path} belongs to no known layer; say in tests/test_layers.py what {layer} may import"
    allowed = MAY_IMPORT[layer] | MEETING_POINTS.get(path, set())
    wrong = [
        f"{path}:{line}: {layer} must not import {module}"
        for line, module in imports(path)
        if (target := layer_of_module(module)) is not None and target not in allowed
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", sources())
def test_spark_stays_in_its_places(path):
    roots = {module.split(".")[0] for _, module in imports(path)}
    if layer_of_file(path) not in PYSPARK_LAYERS and path not in PYSPARK_FILES:
        assert "pyspark" not in roots, f"{path} imports pyspark; only {sorted(PYSPARK_LAYERS)} may"
    if path not in PY4J_FILES:
        assert "py4j" not in roots, f"{path} imports py4j; only {sorted(PY4J_FILES)} may"


def test_the_arrows_catch_a_wrong_import(tmp_path, monkeypatch):
    folder = tmp_path / "sparkweld" / "ir"
    folder.mkdir(parents=True)
    (folder / "wrong.py").write_text("def f():\n    from sparkweld.kernels import emit\n    import pyspark.sql\n")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    with pytest.raises(AssertionError, match=r"wrong.py:2: ir must not import sparkweld.kernels"):
        test_imports_follow_the_arrows("sparkweld/ir/wrong.py")
    with pytest.raises(AssertionError, match="imports pyspark"):
        test_spark_stays_in_its_places("sparkweld/ir/wrong.py")


@pytest.mark.parametrize("module", ["sparkweld", "sparkweld.ir", "sparkweld.cli.main", "sparkweld.bridge.jar"])
def test_light_imports_load_no_spark(module):
    heavy = "{'pyspark', 'py4j', 'numba', 'sklearn'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
