"""Runs the JVM self-checks of the native bridge, one pytest result per check.

The programs under tests/jvm are compiled against the built jar, and each runs in a separate JVM.
"""

from __future__ import annotations

import ctypes
import hashlib
import pathlib
import re
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

from tests.helpers import class_archive
from tests.helpers.class_archive import JVM as JVM_OPTIONS
from tests.helpers.lines import LINE, differs_before

ROOT = pathlib.Path(__file__).resolve().parents[2]
OPENED = ["java.lang", "java.nio", "java.util", "sun.nio.ch"]

JVM = ROOT / "tests" / "jvm"
#: Each has a `main`, in which `check("NAME", ...)` names a check.
PROGRAMS = sorted(path.stem for path in JVM.glob("*Check.java"))
SLOW = {"ColumnCheck", "StringCheck", "RowBlockCheck", "RowWriterCheck", "SelectedRowsCheck"}
#: These share a JVM, whose start and classes take two CPU seconds. The others change what a JVM has loaded, or end in it.
TOGETHER = [*sorted(SLOW), "MalformedCheck", "RowCacheCheck", "StringArenaCheck"]


def checks_of(program: str) -> list[str]:
    """Returns the names of a program's checks, which only its source states."""
    names = re.findall(r'\bcheck\("([\w-]+)"', (JVM / f"{program}.java").read_text(encoding="utf-8"))
    assert names and len(set(names)) == len(names), program
    return names


of_views = differs_before((4, 3), "its Arrow columns cannot be views of strings")
MARKS = {"malformed-arrow-views": [of_views], "string-arrow-view": [of_views]}
CHECKS = [
    pytest.param(program, name, marks=MARKS.get(name, []) + [pytest.mark.slow] * (program in SLOW))
    for program in PROGRAMS
    for name in checks_of(program)
]


@pytest.fixture(scope="module")
def jar(builder: types.ModuleType) -> pathlib.Path:
    return builder.build()


@pytest.fixture(scope="module")
def classes(builder: types.ModuleType, jar: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Returns the command that runs one of the check programs, which are compiled against the jar."""
    tools = builder.Toolchain.find()
    folder = tmp_path_factory.mktemp("classes")
    path = f"{jar}:{tools.jars}/*"
    sources = sorted(str(source) for each in (JVM, *builder.line_folders(tools.line, JVM)) for source in each.glob("*.java"))
    javac = pathlib.Path(tools.java).with_name("javac")
    answer = subprocess.run([str(javac), "-cp", path, "-d", str(folder), *sources], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    opens = [flag for package in OPENED for flag in ("--add-opens", f"java.base/{package}=ALL-UNNAMED")]
    loaded = class_archive.class_path(JVM_OPTIONS, tools.jars)
    return [tools.java, "-Xmx512m", "-XX:+UseSerialGC", "-Xcheck:jni", *opens, "-cp", f"{loaded}:{folder}:{jar}"]


def run_program(classes: list[str], program: str, *arguments: str) -> str:
    """Returns the output of a program, which must end normally."""
    answer = subprocess.run(
        [*classes, program, *arguments], capture_output=True, text=True, errors="replace", timeout=180, check=False
    )
    print(answer.stdout[-8000:], answer.stderr[-8000:], sep="\n")
    assert answer.returncode == 0, f"{program} ended with {answer.returncode}"
    assert "WARNING in native method" not in answer.stdout + answer.stderr  # output of -Xcheck:jni
    return answer.stdout


def run_check(classes: list[str], program: str, *arguments: str) -> dict[str, str]:
    """Returns the outcome of each check of a program: "ok", "absent", or the reason for its failure."""
    return outcomes_of(program, run_program(classes, program, *arguments))


def outcomes_of(program: str, printed: str) -> dict[str, str]:
    outcomes = {}
    for line in printed.splitlines():
        word, _, rest = line.partition(" ")
        if word in ("ok", "absent", "FAILED"):
            name, _, reason = rest.partition(": ")
            outcomes[name] = reason if word == "FAILED" else word
    assert set(outcomes) <= set(checks_of(program)), "a check whose name is no literal would not be a test"
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


def link_arguments(shim: pathlib.Path, folder: pathlib.Path) -> list[str]:
    """Writes a kernel and a second copy of the shim, and returns where the linker finds them and llvmlite."""
    vector_exp = libmvec_exp()
    (folder / "kernel.o").write_bytes(make_object(kernel_ir(vector_exp)))
    imports = ["exp", "memset"] + ([vector_exp[0]] if vector_exp else [])
    (folder / "imports.txt").write_text("\n".join(imports) + "\n")
    (folder / "other.so").write_bytes(shim.read_bytes())
    library = pathlib.Path(llvm.__file__).parent / "libllvmlite.so"
    digest = hashlib.sha256(llvm.get_host_cpu_features().flatten().encode()).hexdigest()[:16]
    return [str(folder), sys.executable, str(library), f"{llvm.get_host_cpu_name()}|{digest}"]


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


def write_tables(folder: pathlib.Path) -> None:
    few, many = parquet_table(5000, 200), parquet_table(5000, 5000)
    pq.write_table(few, folder / "dictionary.parquet", row_group_size=1700)
    pq.write_table(many, folder / "plain.parquet", use_dictionary=False, row_group_size=1700)
    # A dictionary that grows too large: Parquet switches to plain pages in the middle of a column chunk.
    pq.write_table(many, folder / "mixed.parquet", dictionary_pagesize_limit=4096, data_page_size=2048, write_batch_size=256)


@pytest.fixture(scope="module")
def outcomes(
    builder: types.ModuleType, jar: pathlib.Path, classes: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], dict[str, str]]:
    """Returns a function that returns the outcomes of a program. Each is run once, on the first use of it or of its JVM."""

    @cache
    def tables() -> str:
        folder = tmp_path_factory.mktemp("columns")
        write_tables(folder)
        return str(folder)

    arguments: dict[str, Callable[[], list[str]]] = {
        "NativeLinkCheck": lambda: link_arguments(jar.parent / builder.SHIM_NAME, tmp_path_factory.mktemp("link")),
        "RegistryCheck": lambda: ["SW510", "SW870"],
    }

    @cache
    def together() -> dict[str, str]:
        """Returns program -> its output, up to the last that ran."""
        printed = run_program(classes, "Checks", tables(), *TOGETHER).split("program ")[1:]
        return {part.partition("\n")[0]: part for part in printed}

    @cache
    def of(program: str) -> dict[str, str]:
        if program in TOGETHER:
            return outcomes_of(program, together()[program])
        return run_check(classes, program, *arguments.get(program, list)())

    return of


@pytest.mark.parametrize(("program", "name"), CHECKS)
def test_checks(outcomes: Callable[[str], dict[str, str]], program: str, name: str) -> None:
    outcome = outcomes(program).get(name, "the check did not run")
    if outcome == "absent" and LINE < (4, 0):
        pytest.skip("Spark 3 has no collations, and its Arrow has no views of strings")
    assert outcome == "ok"
