"""Builds the bridge's Scala and C sources into `sparkweld.jar` and `libsparkweld_jni.so`, for one line of Spark or for all.

The Scala compiler and all classes on the classpath are those of the jars in a pyspark of that line. So the bridge always matches
the Spark that runs it, without sbt or Maven. The jar is reproducible (sorted entries, fixed dates). A build whose inputs did not
change is skipped.

    python jvm-bridge/build.py                     for the pyspark that is installed, into sparkweld/_bridge/spark-<line>
    python jvm-bridge/build.py --spark 4.1         for that line; pip downloads its pyspark once (`spark_jars.py`)
    python jvm-bridge/build.py --spark all         for all lines, as a wheel has them
    python jvm-bridge/build.py --out DIR           writes both files to DIR
    python jvm-bridge/build.py --only io/sparkweld/columns --out DIR   compiles some packages only (while developing)
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterable, Iterator, Sequence

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "jvm-bridge"))  # this file is also loaded by its path, and other packages use its name
try:
    import c_compilers
    import spark_jars
    from spark_jars import BuildError
finally:
    sys.path.remove(str(ROOT / "jvm-bridge"))

SOURCES = ROOT / "jvm-bridge" / "src" / "main"
DEFAULT_OUT = ROOT / "sparkweld" / "_bridge"
#: Files that the JVM and Python share: name in the jar -> source.
SHARED = {
    "sparkweld/reasons.json": ROOT / "sparkweld" / "reasons.json",
    "sparkweld/constants.json": ROOT / "sparkweld" / "contract" / "constants.json",
}
#: The lines of Spark that the bridge is built for.
LINES = tuple(json.loads(SHARED["sparkweld/constants.json"].read_text(encoding="utf-8"))["lines"])
JAR_NAME = "sparkweld.jar"
SHIM_NAME = "libsparkweld_jni.so"
STAMP_NAME = "build-stamp.json"
LOCK_NAME = ".build-lock"
MINIMUM_JAVA = 17
C_FLAGS = ("-O2", "-ftree-vectorize", "-std=gnu11", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Wextra",
           "-Werror=implicit")
C_LIBRARIES = ("-ldl",)
SCALA_FLAGS = ("-deprecation", "-feature", "-unchecked", "-encoding", "UTF-8")
#: By version of Scala. Spark 3 also runs on Java 8: `-release` rejects what Java got later.
SCALA_VERSION_FLAGS = {
    "2.12": ("-release", "8", "-Xlint:_,-missing-interpolator,-infer-any", "-opt:l:method", "-Wconf:msg=InlineInfoAttribute:s"),
    "2.13": ("-release", "17", "-Xlint:_,-missing-interpolator,-byname-implicit", "-opt:local",
             # scalac cannot read InlineInfoAttribute of one of Spark's classes and warns
             "-Wconf:cat=lint-infer-any:s,msg=InlineInfoAttribute:s"),
}
ZIP_DATE = (1980, 1, 1, 0, 0, 0)
INSTALL_LINE = "sudo apt-get install -y openjdk-17-jdk-headless gcc libc6-dev"


def build(
    out_dir: os.PathLike[str] | str | None = None,
    only: Sequence[str] = (),
    force: bool = False,
    quiet: bool = False,
    line: str | None = None,
    portable: bool = False,
) -> pathlib.Path:
    """Builds the jar and the shim into `out_dir` (default `sparkweld/_bridge/spark-<line>`) and returns the jar's path.

    `line` is a line of Spark; None for that of the pyspark that is installed. `only` limits the Scala sources to some package
    folders (such as `io/sparkweld/columns`). If `portable`, the jar holds a shim for each machine that wheels are made
    for, and each is also in a folder `<machine>` of `out_dir`. Returns at once when the sources, pyspark and the compilers did
    not change since the last build. Replaces the files atomically; a lock serializes builds. Raises BuildError when a tool is
    missing or a compiler fails.
    """
    tools = Toolchain.find(line, portable)
    out = pathlib.Path(out_dir) if out_dir is not None else DEFAULT_OUT / f"spark-{tools.line}"
    out.mkdir(parents=True, exist_ok=True)
    with _locked(out / LOCK_NAME):
        scala = _scala_sources(only, tools.line)
        stamp = {"inputs": _inputs_hash(tools, scala)}
        if not force and _is_current(out, stamp):
            return out / JAR_NAME
        started = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="sparkweld-build-") as scratch:
            work = pathlib.Path(scratch)
            shims = _compile_shims(tools, work)
            classes = _compile_scala(tools, scala, work)
            jar = work / JAR_NAME
            _pack(jar, _jar_entries(classes, shims), tools)
            (out / STAMP_NAME).unlink(missing_ok=True)
            for machine, shim in shims.items():
                _replace(shim, out / machine / SHIM_NAME if portable else out / SHIM_NAME)
            _replace(jar, out / JAR_NAME)
        stamp["outputs"] = _outputs_hash(out)
        (out / STAMP_NAME).write_text(json.dumps(stamp, indent=1) + "\n", encoding="utf-8")
    if not quiet:
        size = (out / JAR_NAME).stat().st_size // 1024
        print(f"built {out / JAR_NAME} ({size} KB) in {time.monotonic() - started:.1f} s", flush=True)
    return out / JAR_NAME


class Toolchain:
    """The tools of one build: `java` and the headers of its JDK, a C compiler, and the jars of pyspark."""

    def __init__(self, java: str, java_version: str, includes: list[str], compiler: c_compilers.Compiler,
                 jars: pathlib.Path, pyspark_version: str) -> None:
        self.java = java
        self.java_version = java_version
        self.includes = includes
        self.compiler = compiler
        self.jars = jars
        self.pyspark_version = pyspark_version
        self.line = ".".join(pyspark_version.split(".")[:2])

    @staticmethod
    def find(line: str | None = None, portable: bool = False) -> Toolchain:
        """Finds every tool, or raises one BuildError that names all missing ones. The arguments are those of `build`."""
        missing: list[str] = []
        found: dict[str, object] = {}
        for look in (_find_java, lambda: {"compiler": c_compilers.find(portable)}, lambda: _find_pyspark(line)):
            try:
                found.update(look())
            except BuildError as problem:
                missing.append(str(problem))
        if missing:
            raise BuildError("the bridge cannot be built:\n" + "\n".join(f"  - {text}" for text in missing)
                             + f"\non Debian or Ubuntu:  {INSTALL_LINE}")
        return Toolchain(**found)  # type: ignore[arg-type]


def _find_java() -> dict[str, object]:
    home = _java_home()
    java = home / "bin" / "java"
    if not os.access(java, os.X_OK):
        raise BuildError(f"a JDK {MINIMUM_JAVA} or newer: no executable {java} (set JAVA_HOME to a JDK)")
    answer = subprocess.run([str(java), "-version"], capture_output=True, text=True, check=False)
    version = (answer.stderr + answer.stdout).strip()
    match = re.search(r'^.*version "(?:1\.)?(\d+).*', version, re.MULTILINE)
    if match is None or int(match.group(1)) < MINIMUM_JAVA:
        raise BuildError(f"a JDK {MINIMUM_JAVA} or newer: {java} says {version.splitlines()[:1] or answer.returncode}")
    headers = home / "include"
    if not (headers / "jni.h").is_file():
        raise BuildError(f"jni.h: not in {headers}; {home} is a JRE, and a JDK {MINIMUM_JAVA} or newer is needed "
                         "(install one, or set JAVA_HOME to it)")
    # This line only: the others mention options of the environment, which do not affect the build.
    return {"java": str(java), "java_version": match.group(), "includes": [str(headers), str(headers / "linux")]}


def _java_home() -> pathlib.Path:
    """Returns JAVA_HOME when set, else the JDK that contains the resolved `javac` (or a JRE's `java`) of PATH."""
    if os.environ.get("JAVA_HOME"):
        return pathlib.Path(os.environ["JAVA_HOME"])
    for program in ("javac", "java"):
        path = shutil.which(program)
        if path is not None:
            return pathlib.Path(path).resolve().parent.parent
    raise BuildError(f"a JDK {MINIMUM_JAVA} or newer: JAVA_HOME is not set, and neither javac nor java is on PATH")


def _find_pyspark(line: str | None) -> dict[str, object]:
    if line is not None and line not in LINES:
        raise BuildError(f"Spark {line}: no line of Spark that the bridge is built for ({', '.join(LINES)})")
    installed = _installed_pyspark()
    if line is not None and (installed is None or not installed[1].startswith(f"{line}.")):
        jars, version = spark_jars.of_line(line)
        return {"jars": jars, "pyspark_version": version}
    if installed is None:
        raise BuildError(f"pyspark: {sys.executable} cannot import it (pip install 'pyspark>=3.5,<4.4')")
    jars, version = installed
    if not version.startswith(tuple(f"{known}." for known in LINES)):
        raise BuildError(f"pyspark {version}: the bridge is built for Spark {', '.join(LINES)}; install one of these")
    if not any(jars.glob("scala-compiler*.jar")):
        raise BuildError(f"pyspark's jars: no scala-compiler jar in {jars}; the pyspark of {sys.executable} has no "
                         "Spark in it (pyspark-client?); install the full pyspark package")
    return {"jars": jars, "pyspark_version": version}


def _installed_pyspark() -> tuple[pathlib.Path, str] | None:
    """Returns the folder of jars and the version of the pyspark of this Python; None when it has none."""
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        return None
    home = pathlib.Path(spec.origin).parent
    # read, not imported: importing pyspark takes a second, and its package metadata can be stale after a copy
    text = (home / "version.py").read_text(encoding="utf-8")
    match = re.search(r"""__version__(?:\s*:\s*str)?\s*=\s*["']([^"']+)["']""", text)
    if match is None:
        raise BuildError(f"pyspark's version: {home / 'version.py'} does not say it; reinstall pyspark")
    return home / "jars", match.group(1)


def _scala_sources(only: Sequence[str], line: str) -> list[pathlib.Path]:
    roots = source_folders(line)
    for name in only:
        if not any((root / name).is_dir() for root in roots):
            raise BuildError(f"--only: no folder {roots[0] / name}; give a package folder such as io/sparkweld/columns")
    return sorted({path for root in roots for name in only or [""] for path in (root / name).rglob("*.scala")})


def source_folders(line: str) -> list[pathlib.Path]:
    """Returns the folders of Scala sources for one line of Spark: the common one, and those of `line_folders`."""
    return [SOURCES / "scala", *line_folders(line, SOURCES)]


def line_folders(line: str, base: pathlib.Path) -> list[pathlib.Path]:
    """Returns the folders in `base` whose names cover a line of Spark.

    `spark-4` covers all lines of Spark 4, and `spark-4.1` one line. `spark-4.1+` covers this line and all later ones,
    `spark-4.0-4.2` the lines from the first to the last. `scala-2.12` belongs to the lines with this version of Scala.
    """
    folders = [path for path in base.glob("spark-*") if _covers(path.name.removeprefix("spark-"), line)]
    return sorted([*folders, *base.glob(f"scala-{scala_of(line)}")])


def scala_of(line: str) -> str:
    """Returns the version of Scala in pip's pyspark of a line, which decides the flags of the compiler."""
    return "2.12" if _covers("3", line) else "2.13"


def _covers(lines: str, line: str) -> bool:
    wanted = _numbers(line)
    first, dash, last = lines.removesuffix("+").partition("-")
    if lines.endswith("+"):
        return wanted >= _numbers(first)
    if dash:
        return _numbers(first) <= wanted <= _numbers(last)
    return wanted[: len(_numbers(first))] == _numbers(first)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


def _resources() -> list[tuple[str, pathlib.Path]]:
    base = SOURCES / "resources"
    found = [(path.relative_to(base).as_posix(), path) for path in base.rglob("*") if path.is_file()]
    return sorted([*found, *((name, path) for name, path in SHARED.items() if path.is_file())])


def _inputs_hash(tools: Toolchain, scala: Iterable[pathlib.Path]) -> str:
    """Returns the SHA-256 of all inputs: sources, resources, this file, the compilers and Spark's jars."""
    digest = hashlib.sha256()
    for text in (tools.java_version, tools.compiler.version, tools.pyspark_version, *tools.compiler.commands,
                 *sorted(jar.name for jar in tools.jars.glob("*.jar"))):
        digest.update(text.encode() + b"\0")
    c_sources = sorted((SOURCES / "c").glob("*.[ch]"))
    builders = (pathlib.Path(__file__), pathlib.Path(c_compilers.__file__))
    for path in (*builders, *c_sources, *scala, *(path for _, path in _resources())):
        digest.update(f"{os.path.relpath(path, ROOT)}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _outputs_hash(out: pathlib.Path) -> str:
    shims = sorted(out.rglob(SHIM_NAME))
    return hashlib.sha256(b"".join(path.read_bytes() for path in (out / JAR_NAME, *shims))).hexdigest()


def _is_current(out: pathlib.Path, stamp: dict[str, str]) -> bool:
    try:
        last = json.loads((out / STAMP_NAME).read_text(encoding="utf-8"))
        return bool(last["inputs"] == stamp["inputs"] and last["outputs"] == _outputs_hash(out))
    except (OSError, ValueError, KeyError, TypeError):
        return False  # no stamp, a truncated stamp or a missing output: build again


def _compile_shims(tools: Toolchain, work: pathlib.Path) -> dict[str, pathlib.Path]:
    """Compiles the shim for each machine of the compiler; returns the files by machine."""
    sources = sorted(str(path) for path in (SOURCES / "c").glob("*.c"))
    includes = [f"-I{folder}" for folder in tools.includes]
    shims = {}
    for machine, compiler in tools.compiler.commands.items():
        shims[machine] = work / machine / SHIM_NAME
        shims[machine].parent.mkdir()
        _run([*compiler, *C_FLAGS, *includes, *sources, "-o", str(shims[machine]), *C_LIBRARIES], "the C shim")
    return shims


def _compile_scala(tools: Toolchain, scala: Sequence[pathlib.Path], work: pathlib.Path) -> pathlib.Path:
    classes = work / "classes"
    classes.mkdir()
    if scala:
        flags = [*SCALA_FLAGS, *SCALA_VERSION_FLAGS[scala_of(tools.line)]]
        scalac([*flags, "-d", str(classes), *map(str, scala)], tools, "the Scala sources")
    return classes


def scalac(arguments: Sequence[str], tools: Toolchain, what: str, extra_classpath: Sequence[str] = ()) -> None:
    """Runs the Scala compiler of pyspark's jars. Raises BuildError with the compiler's output when it fails."""
    classpath = os.pathsep.join([*extra_classpath, str(tools.jars / "*")])
    command = [tools.java, "-Xss8m", "-Xmx1g", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", classpath,
               "scala.tools.nsc.Main", "-usejavacp", *arguments]
    _run(command, what)


def _run(command: Sequence[str], what: str) -> None:
    answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                            stdin=subprocess.DEVNULL, check=False)
    if answer.returncode != 0:
        raise BuildError(f"compiling {what} failed (exit {answer.returncode}):\n{answer.stdout.rstrip()}\n"
                         f"command: {' '.join(command[:12])} ...")
    if answer.stdout.strip():
        print(answer.stdout.rstrip(), file=sys.stderr, flush=True)


def _jar_entries(classes: pathlib.Path, shims: dict[str, pathlib.Path]) -> list[tuple[str, pathlib.Path]]:
    entries = [(path.relative_to(classes).as_posix(), path) for path in classes.rglob("*") if path.is_file()]
    entries += _resources()
    # the folder's name is what Shim.scala computes from os.name and os.arch
    entries += [(f"native/linux-{machine}/{SHIM_NAME}", shim) for machine, shim in shims.items()]
    return sorted(entries)


def _pack(jar: pathlib.Path, entries: Sequence[tuple[str, pathlib.Path]], tools: Toolchain) -> None:
    manifest = f"Manifest-Version: 1.0\r\nCreated-By: sparkweld\r\nSpark-Version: {tools.pyspark_version}\r\n\r\n"
    with zipfile.ZipFile(jar, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        archive.writestr(_zip_info("META-INF/MANIFEST.MF"), manifest)
        for name, path in entries:
            archive.writestr(_zip_info(name), path.read_bytes())


def _zip_info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=ZIP_DATE)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o100644 << 16
    return info


def _replace(made: pathlib.Path, target: pathlib.Path) -> None:
    """Replaces `target` with `made` atomically: a JVM that has the old file mapped keeps reading the old file."""
    target.parent.mkdir(exist_ok=True)
    near = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        shutil.copyfile(made, near)
        os.chmod(near, 0o644)
        os.replace(near, target)
    finally:
        near.unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: pathlib.Path) -> Iterator[None]:
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Builds SparkWeld's jar and native shim.")
    parser.add_argument("--spark", choices=[*LINES, "all"], help="line of Spark; default: that of the installed pyspark")
    parser.add_argument("--out", type=pathlib.Path, help="folder of jar and shim; default: sparkweld/_bridge/spark-<line>")
    parser.add_argument("--only", action="append", default=[], metavar="PACKAGE_DIR",
                        help="compile only this package folder (may be given more than once)")
    parser.add_argument("--force", action="store_true", help="build even when nothing changed")
    options = parser.parse_args(arguments)
    if options.spark == "all" and options.out is not None:
        parser.error("--out holds the files of one line: give --spark one too")
    try:
        for line in LINES if options.spark == "all" else [options.spark]:
            print(build(options.out, options.only, options.force, line=line))
    except BuildError as problem:
        print(f"build.py: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
