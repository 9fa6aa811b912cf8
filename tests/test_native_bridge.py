"""Runs the JVM self-checks of the native bridge, one pytest result per check.

The programs under tests/jvm are compiled against the built jar, and each runs in a separate JVM.
"""

from __future__ import annotations

import ctypes
import hashlib
import pathlib
import subprocess
import sys
import types
from collections.abc import Callable
from functools import cache

import llvmlite.binding as llvm
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROOT = pathlib.Path(__file__).resolve().parent.parent
OPENED = ["java.lang", "java.nio", "java.util", "sun.nio.ch"]

LINK_CHECKS = [
    "missing-llvmlite",
    "not-llvmlite",
    "another-users",
    "locator",
    "start",
    "cpu",
    "call",
    "many-columns",
    "threads",
    "wrong-symbol",
    "missing-import",
    "undeclared-import",
    "garbage-object",
    "after-close",
    "no-growth",
]

COLUMN_CHECKS = [
    "off-heap",
    "on-heap",
    "off-heap-dictionary",
    "on-heap-dictionary",
    "dictionary-grows",
    "missing",
    "stale-nulls",
    "constant",
    "constant-changes",
    "arrow",
    "arrow-sliced",
    "arrow-unaligned",
    "native",
    "selected",
    "other-type",
    "mixed",
    "zero-copy",
    "unsupported",
    "parquet-off-heap",
    "parquet-on-heap",
    "memory",
]
TEXT_CHECKS = [
    "text-off-heap",
    "text-on-heap",
    "text-off-heap-dictionary",
    "text-on-heap-dictionary",
    "text-missing",
    "text-reused",
    "text-constant",
    "text-arrow",
    "text-arrow-large",
    "text-arrow-view",
    "text-arrow-sliced",
    "text-native",
    "text-selected",
    "text-getters",
    "text-mixed",
    "text-long",
    "text-zero-copy",
    "text-arena",
    "text-collations",
    "text-parquet-off-heap",
    "text-parquet-on-heap",
]
ROW_BLOCK_CHECKS = ["row-block-one-word", "row-block-many-words", "row-block-pieces", "joined-batches", "joined-batches-apart"]
ROW_WRITER_CHECKS = [
    "write-off-heap",
    "write-on-heap",
    "write-off-heap-ids",
    "write-on-heap-ids",
    "write-many",
    "write-constant",
    "write-arrow",
    "write-native",
    "write-selected",
    "write-long",
    "write-types",
]
ROW_CHECKS = ["rows-off-heap", "rows-on-heap", "null-counts", "constants"]
REGISTRY_CHECKS = [
    "registry-once",
    "registry-threads",
    "registry-capacity",
    "registry-killed",
    "registry-held",
    "registry-unfreed",
    "registry-failure",
    "registry-models",
]
MODEL_CHECKS = ["models-shared", "models-threads", "models-bound", "models-held", "models-failure", "models-driver"]
MALFORMED_CHECKS = [
    "malformed-arrow-texts",
    "malformed-arrow-large-texts",
    "malformed-arrow-views",
    "malformed-arrow-lists",
    "malformed-arrow-short",
    "malformed-arrow-unaligned",
    "malformed-off-heap",
    "malformed-on-heap",
    "malformed-dictionary",
]
RACE_CHECKS = ["race-slower", "race-faster", "race-cheap", "race-short", "race-flagged", "race-flags-count", "race-unmeasured"]
MEMORY_CHECKS = [
    "memory-none",
    "memory-column",
    "memory-arena",
    "memory-asked",
    "memory-not-asked",
    "memory-given-back",
    "memory-rows",
]
ROW_CACHE_CHECKS = ["row-cache-values", "row-cache-keeps", "row-cache-long", "row-cache-shared", "row-cache-advice"]


@pytest.fixture(scope="module")
def jar(builder: types.ModuleType) -> pathlib.Path:
    return builder.build()


@pytest.fixture(scope="module")
def classes(builder: types.ModuleType, jar: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Returns the command that runs one of the check programs, which are compiled against the jar."""
    tools = builder.Toolchain.find()
    folder = tmp_path_factory.mktemp("classes")
    path = f"{jar}:{tools.jars}/*"
    sources = sorted(str(source) for source in (ROOT / "tests" / "jvm").glob("*.java"))
    javac = pathlib.Path(tools.java).with_name("javac")
    answer = subprocess.run([str(javac), "-cp", path, "-d", str(folder), *sources], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    opens = [flag for package in OPENED for flag in ("--add-opens", f"java.base/{package}=ALL-UNNAMED")]
    return [tools.java, "-Xmx512m", "-XX:+UseSerialGC", "-Xcheck:jni", *opens, "-cp", f"{folder}:{path}"]


def run_check(classes: list[str], program: str, *arguments: str) -> dict[str, str]:
    """Returns the outcome of each check of a program: "ok", or the reason for its failure."""
    answer = subprocess.run(
        [*classes, program, *arguments], capture_output=True, text=True, errors="replace", timeout=180, check=False
    )
    print(answer.stdout[-8000:], answer.stderr[-8000:], sep="\n")
    assert answer.returncode == 0, f"{program} ended with {answer.returncode}"
    assert "WARNING in native method" not in answer.stdout + answer.stderr  # output of -Xcheck:jni
    outcomes = {}
    for line in answer.stdout.splitlines():
        word, _, rest = line.partition(" ")
        if word in ("ok", "FAILED"):
            name, _, reason = rest.partition(": ")
            outcomes[name] = reason if word == "FAILED" else "ok"
    return outcomes


def libmvec_exp() -> tuple[str, int] | None:
    """Returns the widest exp of libmvec that this CPU supports, and its number of lanes."""
    try:
        library = ctypes.CDLL("libmvec.so.1")
    except OSError:
        return None
    features = llvm.get_host_cpu_features()
    widths = [("avx512f", "_ZGVeN8v_exp", 8), ("avx2", "_ZGVdN4v_exp", 4), ("sse2", "_ZGVbN2v_exp", 2)]
    for feature, name, lanes in widths:
        if features.get(feature) and hasattr(library, name):
            return name, lanes
    return None


def kernel_ir(vector_exp: tuple[str, int] | None) -> str:
    """Returns a kernel in the contract's ABI: one double in, exp(x) + table[row % 4] out, vectorised where libmvec exists."""
    name, lanes = vector_exp or ("exp", 1)
    value = f"<{lanes} x double>" if lanes > 1 else "double"
    declares = "declare double @exp(double)\n" + (f"declare {value} @{name}({value})\n" if lanes > 1 else "")
    return f"""
@table = private constant [4 x double] [double 0.25, double 0.5, double 0.75, double 1.0]
{declares}
declare ptr @memset(ptr, i32, i64)
define void @sw_check(ptr %columns, i64 %n, ptr %result) {{
entry:
  %in = load ptr, ptr %columns
  %out_slot = getelementptr i64, ptr %columns, i64 2
  %out = load ptr, ptr %out_slot
  %nulls_slot = getelementptr i64, ptr %columns, i64 3
  %nulls = load ptr, ptr %nulls_slot
  %ignored = call ptr @memset(ptr %nulls, i32 0, i64 %n)
  store i64 %n, ptr %result
  %guards = getelementptr i64, ptr %result, i64 1
  store i64 0, ptr %guards
  %null_count = getelementptr i64, ptr %result, i64 2
  store i64 0, ptr %null_count
  br label %blocks
blocks:
  %b = phi i64 [0, %entry], [%b_next, %block]
  %b_next = add i64 %b, {lanes}
  %fits = icmp sle i64 %b_next, %n
  br i1 %fits, label %block, label %rows
block:
  %b_in = getelementptr double, ptr %in, i64 %b
  %x = load {value}, ptr %b_in, align 8
  %y = call {value} @{name}({value} %x)
  %b_out = getelementptr double, ptr %out, i64 %b
  store {value} %y, ptr %b_out, align 8
  br label %blocks
rows:
  %i = phi i64 [%b, %blocks], [%i_next, %row]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %row, label %shifts
row:
  %i_in = getelementptr double, ptr %in, i64 %i
  %u = load double, ptr %i_in
  %v = call double @exp(double %u)
  %i_out = getelementptr double, ptr %out, i64 %i
  store double %v, ptr %i_out
  %i_next = add i64 %i, 1
  br label %rows
shifts:
  %k = phi i64 [0, %rows], [%k_next, %shift]
  %left = icmp slt i64 %k, %n
  br i1 %left, label %shift, label %done
shift:
  %entry_of_row = and i64 %k, 3
  %constant = getelementptr [4 x double], ptr @table, i64 0, i64 %entry_of_row
  %c = load double, ptr %constant
  %k_out = getelementptr double, ptr %out, i64 %k
  %before = load double, ptr %k_out
  %after = fadd double %before, %c
  store double %after, ptr %k_out
  %k_next = add i64 %k, 1
  br label %shifts
done:
  ret void
}}
"""


def make_object(ir: str) -> bytes:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(),
        features=llvm.get_host_cpu_features().flatten(),
        opt=2,
        reloc="pic",
        codemodel="jitdefault",
        jit=True,
    )
    return machine.emit_object(llvm.parse_assembly(ir))


@pytest.fixture(scope="module")
def link_outcomes(
    builder: types.ModuleType, jar: pathlib.Path, classes: list[str], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("link")
    vector_exp = libmvec_exp()
    (folder / "kernel.o").write_bytes(make_object(kernel_ir(vector_exp)))
    imports = ["exp", "memset"] + ([vector_exp[0]] if vector_exp else [])
    (folder / "imports.txt").write_text("\n".join(imports) + "\n")
    (folder / "other.so").write_bytes((jar.parent / builder.SHIM_NAME).read_bytes())
    library = pathlib.Path(llvm.__file__).parent / "libllvmlite.so"
    digest = hashlib.sha256(llvm.get_host_cpu_features().flatten().encode()).hexdigest()[:16]
    return run_check(
        classes, "NativeLinkCheck", str(folder), sys.executable, str(library), f"{llvm.get_host_cpu_name()}|{digest}"
    )


@pytest.mark.parametrize("name", LINK_CHECKS)
def test_link(link_outcomes: dict[str, str], name: str) -> None:
    assert link_outcomes.get(name, "the check did not run") == "ok"


def parquet_table(rows: int, distinct: int) -> pa.Table:
    """Returns a table with every type that kernels take, with no, few and many NULLs, of at most `distinct` values a column."""
    random = np.random.default_rng(3)
    columns = {}
    makers = {
        "bool": (pa.bool_(), lambda x: x % 2 == 0),
        "byte": (pa.int8(), lambda x: x % 100 - 50),
        "short": (pa.int16(), lambda x: x % 30000 - 15000),
        "int": (pa.int32(), lambda x: x * 1000003 % 2**31),
        "long": (pa.int64(), lambda x: x * 10**12),
        "float": (pa.float32(), lambda x: x / np.float32(3)),
        "double": (pa.float64(), lambda x: x / 7),
        "date": (pa.date32(), lambda x: x),
        "timestamp": (pa.timestamp("us", "UTC"), lambda x: x * 10**9),
        "timestamp_ntz": (pa.timestamp("us"), lambda x: x - 50),
        "millis": (pa.timestamp("ms", "UTC"), lambda x: x * 1000),
        "string": (pa.string(), lambda x: np.array(["é" * (i % 30) + str(i) for i in x], dtype=object)),
    }
    for name, (kind, make) in makers.items():
        for label, share in (("none", 0.0), ("few", 0.05), ("many", 0.9)):
            values = make(random.integers(0, distinct, rows))
            if kind == pa.date32():
                values = values.astype("int32")
            columns[f"{name}_{label}"] = pa.array(values, mask=random.random(rows) < share).cast(kind)
    return pa.table(columns)


@pytest.fixture(scope="module")
def column_outcomes(classes: list[str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("columns")
    few, many = parquet_table(5000, 200), parquet_table(5000, 5000)
    pq.write_table(few, folder / "dictionary.parquet", row_group_size=1700)
    pq.write_table(many, folder / "plain.parquet", use_dictionary=False, row_group_size=1700)
    # A dictionary that grows too large: Parquet switches to plain pages in the middle of a column chunk.
    pq.write_table(many, folder / "mixed.parquet", dictionary_pagesize_limit=4096, data_page_size=2048, write_batch_size=256)
    checks = [("ColumnCheck", str(folder)), ("TextCheck", str(folder)), ("RowBlockCheck",), ("RowWriterCheck",)]
    return {name: outcome for check in checks for name, outcome in run_check(classes, *check).items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", COLUMN_CHECKS + TEXT_CHECKS + ROW_BLOCK_CHECKS + ROW_WRITER_CHECKS)
def test_columns(column_outcomes: dict[str, str], name: str) -> None:
    assert column_outcomes.get(name, "the check did not run") == "ok"


@pytest.fixture(scope="module")
def row_outcomes(classes: list[str]) -> dict[str, str]:
    return run_check(classes, "SelectedRowsCheck")


@pytest.mark.slow
@pytest.mark.parametrize("name", ROW_CHECKS)
def test_selected_rows(row_outcomes: dict[str, str], name: str) -> None:
    assert row_outcomes.get(name, "the check did not run") == "ok"


#: Check programs -> their arguments and the checks.
PROGRAMS = {
    "RegistryCheck": (("SW510", "SW870"), REGISTRY_CHECKS), "ModelMemoryCheck": ((), MODEL_CHECKS),
    "RowCacheCheck": ((), ROW_CACHE_CHECKS), "MalformedCheck": ((), MALFORMED_CHECKS), "MemoryCheck": ((), MEMORY_CHECKS),
    "RaceCheck": ((), RACE_CHECKS), "CpuWatchCheck": ((), ["watch-cpu", "watch-sleep", "watch-suspended"]),
}  # fmt: skip


@pytest.fixture(scope="module")
def outcomes(classes: list[str]) -> Callable[[str], dict[str, str]]:
    """Returns a function that runs each program once, on its first use."""
    return cache(lambda program: run_check(classes, program, *PROGRAMS[program][0]))


@pytest.mark.parametrize(("program", "name"), [(program, name) for program, (_, names) in PROGRAMS.items() for name in names])
def test_checks(outcomes: Callable[[str], dict[str, str]], program: str, name: str) -> None:
    assert outcomes(program).get(name, "the check did not run") == "ok"
