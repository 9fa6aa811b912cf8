"""Checks the health of an installation, and reports a remedy for each fault: `python -m sparkweld doctor`.

The last checks build a kernel end to end. The compile service produces object code; a separate JVM loads the shim, links the
code and calls it.
"""

from __future__ import annotations

import ctypes
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

from sparkweld.bridge import jar, java
from sparkweld.errors import UserError
from sparkweld.minimums import MINIMUMS, release, too_old

if TYPE_CHECKING:  # see _cache
    from sparkweld.contract.replies import HelloReply

T = TypeVar("T")

OK, WARN, FAIL = "OK", "WARN", "FAIL"
SERVICE_SECONDS = 60
KERNEL_CLASS = "io.sparkweld.nativelib.KernelCheck"
ROWS = 100  # KernelCheck passes the kernel the values 0, 1, 2 ... 99
RELATIVE_ERROR = 1e-14
PACKAGES = {"pyspark": "pyspark>=3.5,<4.4", "llvmlite": "numba", **{n: f"{n}>={v}" for n, v in MINIMUMS.items()},
            "pandas": f"pandas>={MINIMUMS['pandas']},<3"}  # fmt: skip


@dataclass(frozen=True)
class Check:
    """One line of the report: the subject of the check, its status (OK, WARN or FAIL), the observation, and the remedy."""

    name: str
    status: str
    detail: str
    mend: str = ""


def examine(spark_home: str | None = None) -> list[Check]:
    """Runs all checks and returns them in order.

    A check whose precondition failed reports that; none raises for a fault of the machine.
    """
    checks: list[Check] = []
    look: list[tuple[str, Callable[[], Check]]] = [
        ("Java", _java),
        ("Spark", lambda: _spark(spark_home)),
        ("jar", lambda: _jar(spark_home)),
        ("shim", lambda: _shim(spark_home)),
        ("libmvec", _libmvec),
        ("cache", _cache),
    ]
    for name, check in look:
        checks.append(_guarded(name, check))
    python = os.environ.get("PYSPARK_PYTHON") or sys.executable
    service = _Service(python)
    try:
        hello, checked = _service(service)
        checks += _packages(hello, spark_home) if hello is not None else []
        checks.append(checked)
        checks.append(_guarded("kernel", lambda: _kernel(service, hello)))
    finally:
        service.close()
    return checks


def to_text(checks: list[Check]) -> str:
    """Formats the report for people: one line a check, the remedy below it, and a closing line."""
    lines = []
    for check in checks:
        lines.append(f"{check.status:<5} {check.name}: {check.detail}")
        if check.mend:
            lines.append(f"      {check.mend}")
    failed = [check.name for check in checks if check.status == FAIL]
    lines.append(f"to fix: {', '.join(failed)}" if failed else "SparkWeld can run here")
    return "\n".join(lines)


def to_json(checks: list[Check]) -> str:
    """Formats the report for programs: a list of objects with name, status, detail and mend."""
    return json.dumps([asdict(check) for check in checks], indent=2)


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except UserError as fault:
        return Check(name, FAIL, str(fault))


def _java() -> Check:
    program = java.java_program()
    release, text = java.java_version(program)
    if release < java.MINIMUM_JAVA:
        mend = f"Install a JDK {java.MINIMUM_JAVA} or newer, or point JAVA_HOME at one."
        return Check("Java", FAIL, f"{text} at {program} is too old", mend)
    return Check("Java", OK, f"{text} at {program}")


def _spark(explicit: str | None) -> Check:
    home = jar.spark_home(explicit)
    version = jar.spark_version(home)
    try:
        line = jar.line_of(version)
    except UserError:
        mend = f"Use Spark {', '.join(jar.LINES)}: on another version the plugin warns once and leaves every query to Spark."
        return Check("Spark", FAIL, f"{version} in {home} is not supported", mend)
    if line not in jar.TESTED_LINES:
        mend = f"Use Spark {' or '.join(jar.TESTED_LINES)}. For experiments, set spark.sparkweld.untestedLines.enabled=true."
        return Check("Spark", WARN, f"{version} in {home} is not completely tested, and the plugin inactive there", mend)
    return Check("Spark", OK, f"{version} in {home}")


def _jar(explicit: str | None) -> Check:
    home = jar.spark_home(explicit)
    path, there = jar.jar_path(jar.spark_version(home)), jar.installed_jar(home)
    if there is None:
        return Check("jar", OK, f"{path} (not among Spark's own jars: give jobs --jars, or run `sparkweld install`)")
    if there.read_bytes() != path.read_bytes():
        return Check("jar", WARN, f"{there} is not the jar of this package", "Run `python -m sparkweld install` again.")
    return Check("jar", OK, f"installed as {there}")


def _shim(explicit: str | None) -> Check:
    path = jar.shim_path(jar.spark_version(jar.spark_home(explicit)))
    try:
        ctypes.CDLL(str(path))
    except OSError as fault:
        mend = "It was built for another kind of machine: install the package again on this one."
        return Check("shim", FAIL, f"{path} does not load: {fault}", mend)
    return Check("shim", OK, f"{path} loads")


def _libmvec() -> Check:
    try:
        ctypes.CDLL("libmvec.so.1")
    except OSError:
        from sparkweld.kernels import vector_math

        if vector_math() == "own":
            return Check("libmvec", OK, "not in this C library; kernels have vector math of their own")
        mend = "Kernels work without it, with slower exp, log, sin ... It is part of glibc 2.22+ (aarch64: 2.38+)."
        return Check("libmvec", WARN, "this C library has no vector math, and this CPU has no fma", mend)
    return Check("libmvec", OK, "libmvec.so.1 loads")


def _cache() -> Check:
    # each check loads only what it uses, so that a fault there does not hide the others
    from sparkweld.kernels import ObjectCache

    cache = ObjectCache()
    cache.check()
    if cache.warning is not None:
        mend = "Set spark.sparkweld.cache.dir to an absolute path that only this user can write."
        return Check("cache", FAIL, cache.warning, mend)
    return Check("cache", OK, f"{cache.folder} is writable, by this user only")


class _Service:
    """A compile service for these checks alone, used over its pipes and killed after SERVICE_SECONDS at the latest.

    Like the JVM, it starts the service in an empty folder, because `python -m` imports from the folder where it is started.
    """

    def __init__(self, python: str) -> None:
        self.python = python if os.sep not in python else os.path.abspath(python)
        self._folder = tempfile.TemporaryDirectory(prefix="sparkweld-doctor-")
        self._errors = tempfile.TemporaryFile()
        self._process: subprocess.Popen[bytes] | None = None
        self._timer: threading.Timer | None = None
        self._next = 0

    def ask(self, answer: type[T], op: str, **fields: str) -> tuple[T, tuple[bytes, ...]]:
        """Sends one request and returns the reply. Raises UserError when the service cannot start, dies, or does not answer."""
        from sparkweld.contract.decoding import MessageError, decode
        from udf_compiler.service.protocol import StreamError, read_message, write_message

        process = self._started()
        assert process.stdin is not None and process.stdout is not None
        self._next += 1
        try:
            write_message(cast(BinaryIO, process.stdin), {"id": self._next, "op": op, **fields})
            reply = read_message(cast(BinaryIO, process.stdout))
        except (OSError, StreamError) as fault:
            raise UserError(f"it stopped during the request {op!r} ({fault}){self._said()}") from None
        if reply is None:
            raise UserError(f"it ended instead of answering {op!r}{self._said()}")
        if reply.header.get("status") != "ok":
            raise UserError(f"it answered {op!r} with: {reply.header.get('message', reply.header)}")
        try:
            return decode(answer, reply.header), reply.blobs
        except MessageError as fault:
            raise UserError(f"it answered {op!r} with a reply of another release: {fault}") from None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            command = [self.python, "-m", "udf_compiler.service"]
            try:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, cwd=self._folder.name,
                    env={**os.environ, "PYTHONPATH": _absolute(os.environ.get("PYTHONPATH", ""))},
                )  # fmt: skip
            except OSError as fault:
                raise UserError(f"cannot run {self.python}: {fault.strerror or fault}") from None
            self._timer = threading.Timer(SERVICE_SECONDS, self._process.kill)
            self._timer.daemon = True
            self._timer.start()
        return self._process

    def _said(self) -> str:
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace").strip()
        return f"; it wrote: {text[-600:]}" if text else f" (limit: {SERVICE_SECONDS} s)"

    def close(self) -> None:
        """Kills the child process and waits for it."""
        if self._timer is not None:
            self._timer.cancel()
        if self._process is not None:
            assert self._process.stdin is not None and self._process.stdout is not None
            self._process.kill()
            self._process.wait()
            try:
                self._process.stdin.close()
            except BrokenPipeError:
                pass  # unsent data for a child that died
            self._process.stdout.close()
        self._errors.close()
        self._folder.cleanup()


def _absolute(path: str) -> str:
    """Drops the relative entries of an import path: they would resolve against the current folder."""
    return os.pathsep.join(entry for entry in path.split(os.pathsep) if os.path.isabs(entry))


def _service(service: _Service) -> tuple[HelloReply | None, Check]:
    from sparkweld.contract.replies import HelloReply

    try:
        hello, _ = service.ask(HelloReply, "hello")
    except UserError as fault:
        mend = f"Install SparkWeld in the Python that Spark's workers use ({service.python}): pip install sparkweld."
        return None, Check("compile service", FAIL, str(fault), mend)
    return hello, Check("compile service", OK, f"answers under {service.python} ({hello.cpu_name})")


def _packages(hello: HelloReply, explicit: str | None) -> Iterator[Check]:
    """Yields a check for each package, by the versions that the compile service's Python reports."""
    line = _line(explicit)
    for name, requirement in PACKAGES.items():
        version = hello.versions.get(name)
        mend = f"pip install '{requirement}' for that Python."
        if version is None:
            yield Check(name, FAIL, hello.numba_error or "cannot be imported", mend)
        elif (old := too_old({name: version})) is not None:
            yield Check(name, FAIL, old, mend)
        elif name == "pandas" and release(version) >= (3,):
            yield Check(name, WARN, f"{version} is newer than what SparkWeld supports (below 3): functions run in Python", mend)
        elif name == "pyspark" and line is not None and not version.startswith(f"{line}."):
            yield Check(name, FAIL, f"{version} is not Spark {line}, which jobs run with here", mend)
        else:
            yield Check(name, OK, version)


def _line(explicit: str | None) -> str | None:
    """Returns the line of Spark that jobs run with; None when there is none, which is another check."""
    try:
        return jar.line_of(jar.spark_version(jar.spark_home(explicit)))
    except UserError:
        return None


def _kernel(service: _Service, hello: HelloReply | None) -> Check:
    """Compiles one small program, lets a JVM link and call it, and compares the results with Python's."""
    from sparkweld.contract.replies import ObjectReply

    if hello is None:
        return Check("kernel", FAIL, "not tried: the compile service does not answer")
    reply, blobs = service.ask(ObjectReply, "object", program=_program())
    with tempfile.NamedTemporaryFile(prefix="sparkweld-doctor-", suffix=".o") as file:
        file.write(blobs[0])
        file.flush()
        arguments = [hello.llvmlite or "", file.name, reply.symbol, *reply.imports]
        answer = java.run_class(KERNEL_CLASS, arguments)
    if answer.returncode != 0:
        mend = "The text above is the native runtime's own; see \"When something is wrong\" in the README."
        return Check("kernel", FAIL, answer.stderr.strip()[-800:] or f"exit {answer.returncode}", mend)
    cpu, *results = answer.stdout.split("\n")[: ROWS + 1]
    wrong = [row for row, text in enumerate(results) if not _is_close(float.fromhex(text), _expected(row))]
    if wrong or len(results) != ROWS:
        return Check("kernel", FAIL, f"{len(wrong)} of {len(results)} results are wrong, the first at x = {wrong[:1]}")
    if cpu != reply.cpu:
        mend = "Executors then compile themselves, which costs each of them about a second once."
        return Check("kernel", WARN, f"Python sees the CPU {reply.cpu}, the JVM {cpu}", mend)
    return Check("kernel", OK, f"compiled, linked and called: {ROWS} results are right")


def _program() -> str:
    """Returns the program of ``exp(-x) * 2 + x``, which uses vector math where the host has it."""
    from sparkweld.ir import Input, ProgramBuilder, print_program
    from sparkweld.ir.types import F64

    builder = ProgramBuilder("doctor", [Input("x", F64)])
    loop = builder.loop("doctor")
    x = loop.read("x")
    scaled = loop.call("multiply", loop.call("exp", loop.call("negative", x)), loop.const(2.0, F64))
    loop.append("y", loop.call("add", scaled, x))
    loop.close()
    return print_program(builder.finish(["y"]))


def _expected(x: float) -> float:
    return math.exp(-x) * 2 + x


def _is_close(value: float, expected: float) -> bool:
    return math.isclose(value, expected, rel_tol=RELATIVE_ERROR)
