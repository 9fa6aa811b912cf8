"""Checks the permitted dependencies between packages and modules, and the sizes of files and functions, from their sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# The layers, from the lowest one up. A layer may import itself and the layers that are listed before it.
# A layer is a package, or a subpackage of a large package. Imports inside functions count, too.
LAYERS = (
    "sparkweld.base",  # errors, reasons and the minimums of packages
    "sparkweld.contract",
    "sparkweld.serving",
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
    *("udf_compiler.frontends.networks", "udf_compiler.frontends.onnx", "udf_compiler.frontends.torch"),
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
    "sparkweld.mlflow",
    "sparkweld.lint",
    "sparkweld.report",
    "sparkweld.profiling",
    "sparkweld.cli",
    "sparkweld",  # the lazy names of the package itself
    "jobs",
)

# Layers that a layer must not import, although they are listed before it. Code that runs in executors needs no optimizer, and
# code that compiles nothing needs no kernels.
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

PYSPARK_LAYERS = {"sparkweld.api", "sparkweld.bridge", "sparkweld.lint", "sparkweld.profiling", "jobs"}
PY4J_FILES = {"sparkweld/bridge/jvm.py"}
# Payloads and broadcasts are unpickled as in a worker, with pyspark's own classes, in the compile service only. The code in
# a fused function's payload runs in Spark's worker.
PYSPARK_FILES = {"sparkweld/worker/grouping.py", "sparkweld/worker/row_local.py"} | {
    f"udf_compiler/{name}.py"
    for name in (
        *("backends/aggregates/row_values", "backends/cascades/full_models", "backends/cascades/substitution"),
        *("backends/worker_pipelines/payload", "frontends/python/rows", "frontends/python/values", "rebuild/objects"),
        *("function/environment", "function/model_files", "function/payload", "function/wrappers", "process/spark_line"),
        *("frontends/python/data_types", "frontends/python/row_class", "function/table_functions"),
        "requests/table_functions",
    )
}


def sources() -> list[str]:
    """Returns all Python files of the product, relative to the root."""
    return _sources(ROOT)


@cache
def _sources(root: Path) -> list[str]:
    folders = [root / name for name in ("sparkweld", "udf_compiler", "jobs")]
    return sorted(str(path.relative_to(root)) for folder in folders for path in folder.rglob("*.py"))


def none_is_wrong(problems: Callable[[str], Iterable[str]]) -> None:
    """Fails with the problems of all files."""
    wrong = [problem for path in sources() for problem in problems(path)]
    assert not wrong, "\n".join(wrong)


def layer_of(module: str) -> str | None:
    """Returns the layer of a module; None for modules of other projects."""
    parts = module.split(".")
    if parts[0] not in ("sparkweld", "udf_compiler", "jobs"):
        return None
    if parts[0] == "jobs" or len(parts) == 1 or parts[1] == "__main__":
        return parts[0]
    if module.startswith(("sparkweld.errors", "sparkweld.reasons", "sparkweld.minimums")):
        return "sparkweld.base"
    return ".".join(next((parts[:n] for n in (3, 2) if ".".join(parts[:n]) in LAYERS), parts[:2]))


@cache
def tree_of(path: str) -> ast.Module:
    """Returns the syntax tree of a file."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"), path)


@cache
def nodes_of(path: str) -> list[ast.AST]:
    """Returns the imports, functions and comparisons of a file: a walk over all nodes takes as long as parsing them."""
    kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.AsyncFunctionDef, ast.Compare)
    return [node for node in ast.walk(tree_of(path)) if isinstance(node, kinds)]


def functions_of(path: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Returns all functions of a file."""
    return [node for node in nodes_of(path) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def module_of(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def may_import(layer: str, target: str) -> bool:
    """Whether a layer may import another one."""
    if layer == target:
        return True
    inside = {target, ".".join(target.split(".")[:2]), target.split(".")[0]}
    if layer.startswith("udf_compiler") and inside & CORE_ABOVE_IR and not inside & MAY_MEET.get(layer, set()):
        return False
    return LAYERS.index(target) < LAYERS.index(layer) and not inside & NOT.get(layer, set())


def imports(path: str) -> Iterator[tuple[int, str]]:
    """Yields line and module of each import of a file, including those in functions; `from sparkweld import x` names x."""
    for node in nodes_of(path):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import; name the module in full"
            module = node.module or ""
            for alias in node.names:
                nested = f"{module}.{alias.name}"
                yield node.lineno, nested if module == "sparkweld" or nested in LAYERS else module


#: Imports inside functions: file or folder -> modules, or packages of them, and the reason. The rest is imported at the top.
_SKLEARN = "scikit-learn takes a second to load, and workers that only score need nothing from it"
_PY4J = "pyspark-client, for Connect, has no py4j"
_BY_VALUE = "functions that are pickled by value import their libraries themselves"
_STAGES = "the compile service loads in stages: its hello, the frontends, and the kernels, which may be missing"
_COMMAND = "a command loads only what it uses, and `doctor` reports a part that does not load"
LATE = {
    "sparkweld/__init__.py": (
        ("importlib.metadata", "sparkweld.profiling"), "these take longer to load than the package itself",
    ),
    "sparkweld/api/asking.py": (("sparkweld.kernels", "udf_compiler"), "the compiler loads only where a decorator first uses it"),
    "sparkweld/api/cascade.py": (
        ("sparkweld.api.cascade_advice", "sparkweld.api.cascade_functions", "sparkweld.api.cascade_queries"),
        "the compiler loads only where a query is examined or timed, or where a cascade is applied",
    ),
    "sparkweld/api/measuring.py": (("sparkweld.api.model_kernels",), "the compiler loads only where it measures"),
    "sparkweld/api/saved_models.py": (("pyspark.ml",), "pyspark.ml loads slowly, and only its own models need it"),
    "sparkweld/api/scoring_ml.py": (("pyspark.ml",), "pyspark.ml loads slowly, and only its own models need it"),
    "sparkweld/api/session.py": (("pyspark", "sparkweld.bridge"), "`configure` takes a builder of any client; " + _PY4J),
    "sparkweld/api/verdict.py": (("numpy", "pandas"), "a module that declares UDFs may not use pandas itself"),
    "sparkweld/api": (("sparkweld.bridge",), _PY4J),
    "sparkweld/bridge/profiled.py": (("pyspark.sql",), "the bridge itself loads no SQL classes, which Connect's client replaces"),
    "sparkweld/cascades": (("sklearn",), _SKLEARN),
    "sparkweld/cli": (("importlib.metadata", "sparkweld", "udf_compiler"), _COMMAND),
    "sparkweld/kernels/runtime/object_code.py": (("sparkweld.kernels.codegen",), "a cached kernel needs no Numba"),
    "sparkweld/report/__init__.py": (("sparkweld.lint",), "only --jobs needs the compiler"),
    "sparkweld/lint/child.py": (("sparkweld.lint",), "Spark may print as it loads; standard output must be reserved before"),
    "udf_compiler/frontends/python/values.py": (("pyspark.ml",), "pyspark.ml loads slowly, and few functions see its vectors"),
    "sparkweld/mlflow/saving.py": (("sparkweld.api",), "workers load models, and need no compiler for it"),
    "sparkweld/serving": (("pandas",), "a stored program loads in milliseconds, and pandas takes far longer"),
    "sparkweld/worker/grouping.py": (("pyspark.sql.conversion",), "PySpark 4.0 and 4.1 lack it, and never run this function"),
    "sparkweld/worker": (("pyarrow",), _BY_VALUE),
    "udf_compiler/backends/worker_pipelines/payload.py": (
        ("collections.abc", "importlib", "pandas", "pyarrow", "pyspark", "sys"), _BY_VALUE,
    ),
    "udf_compiler/function/table_functions.py": (("pyspark.sql.conversion",), _BY_VALUE),
    "udf_compiler/function/wrappers.py": (("pyspark.pandas",), "it takes a second, and only its own functions need it"),
    "udf_compiler/process/process_state.py": (("numpy", "pandas", "pyarrow"), _STAGES),
    "udf_compiler/requests/trace_cache.py": (("sparkweld.ir",), _STAGES),
    "udf_compiler/service": (("llvmlite", "sparkweld.ir", "sparkweld.kernels", "udf_compiler"), _STAGES),
}

#: Folders of tests that mirror no package: rules about the repository, tests of what tests share, and kinds of queries.
OTHER_TESTS = {"repository", "bench", "helpers", "spark", "spark/semantics", "spark/generated"}
SCALA = ROOT / "jvm-bridge" / "src" / "main" / "scala" / "io" / "sparkweld"

#: Limits on the lines of a file and of a function. A longer one states its reason in a comment: ``# Long: it is one table``,
#: among a file's first lines, or above the function.
MOST_OF_A_FILE, MOST_OF_A_FUNCTION, _REASON = 400, 60, "# Long: "


def against_the_arrows(path: str) -> Iterator[str]:
    """Yields the imports of a file that its layer must not have."""
    layer = layer_of(module_of(path))
    if layer not in LAYERS:
        yield f"{path} belongs to no known layer; add {layer} to LAYERS in tests/repository/test_layers.py"
        return
    for line, module in imports(path):
        if (target := layer_of(module)) is not None and not may_import(layer, target):
            yield f"{path}:{line}: {layer} must not import {module}"


def test_imports_follow_the_arrows():
    none_is_wrong(against_the_arrows)


def read_layouts(path: str) -> Iterator[str]:
    """Yields the layouts of kernels that a frontend or a pass imports: these know only the logical models of programs."""
    if path.startswith(("udf_compiler/frontends/", "sparkweld/optimizer/")):
        layouts = (module for _, module in imports(path) if module.startswith("sparkweld.ir.layouts"))
        yield from (f"{path} imports {module}; only ops and kernels may" for module in layouts)


def test_frontends_and_passes_read_no_layouts():
    none_is_wrong(read_layouts)


def out_of_its_place(path: str) -> Iterator[str]:
    """Yields the libraries of Spark that a file must not import."""
    roots = {module.split(".")[0] for _, module in imports(path)}
    if layer_of(module_of(path)) not in PYSPARK_LAYERS and path not in PYSPARK_FILES and "pyspark" in roots:
        yield f"{path} imports pyspark; only {sorted(PYSPARK_LAYERS)} may"
    if path not in PY4J_FILES and "py4j" in roots:
        yield f"{path} imports py4j; only {sorted(PY4J_FILES)} may"


def test_spark_stays_in_its_places():
    none_is_wrong(out_of_its_place)


#: The modules that compare versions of Python.
OF_PYTHON_VERSIONS = ("sparkweld/ir/python_rules.py", "udf_compiler/frontends/python/regions/versions/__init__.py")


def compared_versions(path: str) -> Iterator[str]:
    for node in nodes_of(path):
        compared = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        if any("version_info" in ast.unparse(value) for value in compared) and path not in OF_PYTHON_VERSIONS:
            yield f"{path}:{node.lineno}: compares versions of Python; ask sparkweld.ir.python_rules"


def test_two_modules_compare_versions_of_python():
    none_is_wrong(compared_versions)


def late_imports(path: str) -> Iterator[tuple[int, str]]:
    """Yields line and module of each import inside a function."""
    inside = [(function.lineno, function.end_lineno or 0) for function in functions_of(path)]
    yield from ((line, module) for line, module in imports(path) if any(first < line <= last for first, last in inside))


def arrows() -> dict[str, set[str]]:
    """Returns the modules that each module imports, inside functions too, but not for annotations alone."""
    modules = {module_of(path): path for path in sources()}
    found: dict[str, set[str]] = {module: set() for module in modules}
    for module, path in modules.items():
        for node in _run(tree_of(path)):
            if isinstance(node, ast.Import):
                found[module] |= {alias.name for alias in node.names} & modules.keys()
            elif isinstance(node, ast.ImportFrom):
                named = {f"{node.module}.{alias.name}" for alias in node.names}
                is_package = len(named & modules.keys()) < len(named)
                found[module] |= (named | ({node.module or ""} if is_package else set())) & modules.keys()
    return {module: targets - {module} for module, targets in found.items()}


def _run(node: ast.AST) -> Iterator[ast.AST]:
    """Yields the nodes of the code that runs: all but the blocks under `TYPE_CHECKING`."""
    for child in ast.iter_child_nodes(node):
        if not (isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING"):
            yield child
            yield from _run(child)


def circles(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """Returns the sets of modules that reach each other (Tarjan's strongly connected components), with two or more modules."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(module: str) -> None:
        number[module] = low[module] = len(number)
        stack.append(module)
        for target in sorted(graph[module]):
            if target not in number:
                visit(target)
                low[module] = min(low[module], low[target])
            elif target in stack:
                low[module] = min(low[module], number[target])
        if low[module] == number[module]:
            at = stack.index(module)
            found.append(set(stack[at:]))
            del stack[at:]

    for module in sorted(graph):
        if module not in number:
            visit(module)
    return [circle for circle in found if len(circle) > 1]


def test_no_import_circles():
    found = circles(arrows())
    assert not found, "modules that import each other:\n" + "\n".join(" ".join(sorted(circle)) for circle in found)


def test_circles_are_found():
    assert circles({"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": {"d"}, "e": {"a"}}) == [{"a", "b", "c"}]


def late_without_a_reason(path: str) -> Iterator[str]:
    """Yields the imports inside functions of a file that LATE does not permit."""
    permitted = [name for known, (names, _) in LATE.items() if f"{path}/".startswith(f"{known}/") for name in names]
    for line, module in late_imports(path):
        if not any(module == name or module.startswith(name + ".") for name in permitted):
            yield f"{path}:{line}: import {module} at the top of the file"


def test_late_imports_have_a_reason():
    none_is_wrong(lambda path: late_without_a_reason(path) if layer_of(module_of(path)) != "jobs" else ())


def test_reasons_for_late_imports_are_used():
    for known, (names, _) in LATE.items():
        late = {module for path in sources() if f"{path}/".startswith(f"{known}/") for _, module in late_imports(path)}
        unused = [name for name in names if not any(module == name or module.startswith(name + ".") for module in late)]
        assert not unused, f"{known} no longer imports {unused} inside a function"


def _own_lines(function: ast.FunctionDef | ast.AsyncFunctionDef, path: str) -> int:
    """Returns the number of a function's lines that belong to no function within it."""
    whole = set(_lines(function))
    inside = (_lines(each) for each in functions_of(path) if each is not function and each.lineno in whole)
    return len(whole.difference(*inside))


def _lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> range:
    return range(function.lineno, (function.end_lineno or 0) + 1)


def too_long(path: str) -> Iterator[str]:
    """Yields a file and its functions that are long without a reason."""
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    if len(lines) > MOST_OF_A_FILE and not any(line.startswith(_REASON) for line in lines[:40]):
        yield f"{path} has {len(lines)} lines; state why at its top, or split it"
    for node in functions_of(path):
        first = min((node.lineno, *(decorator.lineno for decorator in node.decorator_list)))
        size, above = _own_lines(node, path), lines[first - 2].strip()
        if size > MOST_OF_A_FUNCTION and not above.startswith(_REASON):
            yield f"{path}:{node.lineno}: {node.name} has {size} lines; state why above it, or split it"


def test_files_and_functions_are_short():
    none_is_wrong(too_long)


def lacks_a_source(folder: Path) -> bool:
    """Whether a folder under tests/ mirrors no package of Python or of the bridge, and has no entry in `OTHER_TESTS`."""
    name = folder.as_posix()
    if name in OTHER_TESTS:
        return False
    if name in (".", "jvm_bridge"):
        return name == "." or not (ROOT / "jvm-bridge").is_dir()
    mirrored = name.removeprefix("spark/")
    if mirrored != name and (SCALA / mirrored).is_dir():
        return False
    package = ROOT / mirrored if mirrored.split("/")[0] == "udf_compiler" else ROOT / "sparkweld" / mirrored
    return not (package / "__init__.py").is_file()


def test_test_files_are_in_folders_that_mirror_the_source():
    folders = {path.parent.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")}
    assert len(folders) > 30
    wrong = [f"tests/{folder}: no such package" for folder in sorted(folders) if lacks_a_source(folder)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("folder", [".", "kernel", "sparkweld/ir", "udf_compiler/kernels", "spark/kernel", "boundary"])
def test_folders_without_a_source_are_found(folder):
    assert lacks_a_source(Path(folder))


def test_the_arrows_catch_a_wrong_import(tmp_path, monkeypatch):
    folder = tmp_path / "sparkweld" / "ir"
    folder.mkdir(parents=True)
    (folder / "wrong.py").write_text("def f():\n    from sparkweld.kernels import emit\n    import pyspark.sql\n")
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    with pytest.raises(AssertionError, match=r"wrong.py:2: sparkweld.ir must not import sparkweld.kernels"):
        test_imports_follow_the_arrows()
    with pytest.raises(AssertionError, match="imports pyspark"):
        test_spark_stays_in_its_places()


@pytest.mark.parametrize("module", ["sparkweld", "sparkweld.ir", "sparkweld.cli.main", "sparkweld.bridge.jar"])
def test_light_imports_load_no_spark(module):
    heavy = "{'pyspark', 'py4j', 'numba', 'sklearn'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
