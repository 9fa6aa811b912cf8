"""Stores a program in one file, and loads it: an uncompressed zip archive of shared libraries, blocks and a manifest.

The archive holds machine code. So `load` opens only files that this user or root owns and that nobody else may write, or one
whose SHA-256 the caller states. A manifest says whether the file holds a pickled function. `load` unpickles it with
``python=True`` only, and not before a row requires it.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import io
import json
import os
import pickle
import stat
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from sparkweld.errors import UserError
from sparkweld.serving.cpus import LEVELS, cpu_features, machine_of
from sparkweld.serving.forms import Form, Kernel, Parts
from sparkweld.serving.linking import Others, code_for, linked
from sparkweld.serving.original import Original
from sparkweld.serving.runner import Runner, aligned
from sparkweld.serving.signature import Column, Signature

FORMAT = 1
_MANIFEST = "manifest.json"
_PICKLE = "function.pickle"
_MOST_BYTES = 1 << 31


@dataclass(frozen=True)
class Contents:
    """What a file says about itself, without running any of it. `holds_pickle`: loading its function runs the author's code."""

    name: str
    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
    holds_pickle: bool
    digest: str


def save(program: Parts, path: str | os.PathLike[str], python: bool, cpus: Sequence[str] = ()) -> None:
    """Writes the file atomically; `ServedProgram.save` describes the arguments.

    Raises UserError without a linker, without a function to store, for an unknown CPU, and for an unwritable path.
    """
    if python and program.original is None:
        raise UserError(f"{program.name} does not hold its function, so python=True has nothing to store")
    entries: dict[str, bytes] = {}
    forms = []
    ordered = sorted(program.forms.items(), key=lambda item: sorted(item[0]))
    kernels = {id(kernel): kernel for _, form in ordered for kernel in (form.kernel, form.few_kernel)}
    others = code_for(list(kernels.values()), cpus)
    for missing, form in ordered:
        of_form = [form.kernel] if form.few_kernel is form.kernel else [form.kernel, form.few_kernel]
        stored = [_stored(kernel, others[id(kernel)], entries) for kernel in of_form]
        forms.append({"nulls": sorted(missing), "kernels": stored})
    function = None
    if python and program.original is not None:
        entries[_PICKLE] = program.original.pickled
        function = {"takes": program.original.takes, "names": program.original.names}
    manifest = {
        "format": FORMAT, "name": program.name, "struct": program.struct, "byRow": program.by_row, "forms": forms,
        "inputs": [asdict(c) for c in program.inputs], "outputs": [asdict(c) for c in program.outputs],
        "function": function, "cpu": sorted(cpu_features()), "machine": os.uname().machine,
        "levels": sorted(next(iter(others.values()))),
        "entries": {name: hashlib.sha256(data).hexdigest() for name, data in entries.items()},
    }  # fmt: skip
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as archive:
        for name, data in {_MANIFEST: json.dumps(manifest, sort_keys=True).encode(), **entries}.items():
            archive.writestr(zipfile.ZipInfo(name), data)  # without a time, so that equal programs are equal files
    write(os.fspath(path), made.getvalue())


def inspect(path: str | os.PathLike[str], digest: str | None = None) -> Contents:
    """Returns what a file holds, by the checks of `load`, without linking or unpickling anything."""
    where = os.fspath(path)
    archive, manifest, data = _opened(where, digest)
    with archive, _damage_named(where):
        holds_pickle = _PICKLE in manifest["entries"]
        return Contents(str(manifest["name"]), *_columns(manifest), holds_pickle, hashlib.sha256(data).hexdigest())


def load(path: str | os.PathLike[str], digest: str | None, python: bool) -> Parts:
    """Returns the parts of a stored program, ready to run; `sparkweld.load` describes the arguments and errors."""
    where = os.fspath(path)
    archive, manifest, _ = _opened(where, digest)
    with archive, _damage_named(where):
        read = _reader(archive, manifest, where)
        level = _runnable(manifest, where)
        forms = {}
        for stored in manifest["forms"]:
            made = [_linked(kernel, level, read, where) for kernel in stored["kernels"]]
            forms[frozenset(stored["nulls"])] = Form(*made[0], *made[-1])
        if frozenset() not in forms:
            raise ValueError("no form for rows without NULLs")
        original, function = None, manifest["function"]
        if function is not None and python:
            pickled = read(_PICKLE)
            original = Original(_later(pickled, where), function["takes"], tuple(function["names"]), pickled)
        return Parts(manifest["name"], *_columns(manifest), manifest["struct"], manifest["byRow"], forms, original)


def _columns(manifest: dict[str, Any]) -> tuple[tuple[Column, ...], tuple[Column, ...]]:
    """Returns the inputs and the outputs."""
    inputs, outputs = (tuple(Column(**column) for column in manifest[side]) for side in ("inputs", "outputs"))
    return inputs, outputs


def _runnable(manifest: dict[str, Any], where: str) -> str:
    """Returns "" where this CPU can run the code of the CPU that saved the file, else the highest level whose code it can run.

    Raises UserError where there is none.
    """
    here, machine = os.uname().machine, manifest["machine"]
    order = ["", *sorted(LEVELS.keys() & frozenset(manifest.get("levels", ())), key=lambda level: -len(LEVELS[level]))]
    lacking = {level: sorted((LEVELS.get(level) or frozenset(manifest["cpu"])) - cpu_features()) for level in order}
    found = next((x for x in order if here == (machine_of(x) if x else machine) and not lacking[x]), None)
    if found is None:
        what = f"{machine} with {', '.join(lacking[''][:6])}" if lacking[""] else machine
        raise UserError(
            f"{where} was saved for another CPU ({what}): compile and save the program on this kind of CPU, or save it with cpus="
        )
    return found


@contextlib.contextmanager
def _damage_named(where: str) -> Iterator[None]:
    """Raises UserError where a manifest lacks something, or its parts do not belong together."""
    try:
        yield
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        what = f"its manifest does not describe a program ({type(error).__name__}: {error})"
        raise UserError(f"{where} is damaged: {what}") from None


def _stored(kernel: Kernel, others: Others, entries: dict[str, bytes]) -> dict[str, Any]:
    """Adds the code and the blocks of a kernel to the entries of a file, and returns their names with its signature."""
    blocks = {f"blocks/{hashlib.sha256(block).hexdigest()}": block.tobytes() for block in kernel.blocks}
    name = f"kernels/{kernel.signature.symbol}.so"
    entries.update({name: linked(kernel), **blocks})
    for level, (code, _) in others.items():
        entries[f"kernels/{level}/{kernel.signature.symbol}.so"] = code
    return {
        "code": name, "blocks": list(blocks), "signature": kernel.signature.to_json(),
        "memory": {level: memory for level, (_, memory) in others.items()},
    }  # fmt: skip


def _linked(stored: dict[str, Any], level: str, read: Callable[[str], bytes], where: str) -> tuple[Kernel, Runner]:
    """Inverts `_stored`, and links the code for a level to this process."""
    signature = Signature.of_json(stored["signature"])
    blocks = tuple(_block(read(name)) for name in stored["blocks"])
    own, memory = read(stored["code"]), stored.get("memory", {})
    others = {name: (read(f"kernels/{name}/{signature.symbol}.so"), int(memory[name])) for name in memory}
    code, needed = others[level] if level else (own, signature.memory)
    library = _library(code, where)
    address = ctypes.cast(getattr(library, signature.symbol), ctypes.c_void_p).value or 0
    if not 0 <= needed < _MOST_BYTES or (needed > 0) != bool(blocks):
        raise ValueError(f"{needed} bytes of memory")
    runner = Runner(replace(signature, memory=needed), address, blocks, library)
    return Kernel(signature, blocks, lambda: own, is_linked=True, others=others), runner


def _later(data: bytes, where: str) -> Callable[..., Any]:
    """Returns a function that unpickles the stored one at its first call."""
    found: list[Callable[..., Any]] = []

    def call(*args: Any) -> Any:
        if not found:
            try:
                found.append(pickle.loads(data))
            except Exception as error:  # an unpickler runs any code
                raise UserError(f"the function in {where} cannot be unpickled here: {type(error).__name__}: {error}") from error
        return found[0](*args)

    return call


def _opened(where: str, digest: str | None) -> tuple[zipfile.ZipFile, dict[str, Any], bytes]:
    """Returns the archive, its manifest and its bytes, after the checks that `load` describes."""
    try:
        with open(where, "rb", opener=_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_BYTES:
                raise UserError(f"{where} is not a program: pass the path of a file that ServedProgram.save wrote")
            if digest is None and (status.st_uid not in (0, os.geteuid()) or status.st_mode & 0o022):
                raise UserError(
                    f"{where} holds machine code, and somebody else owns it or may write it: pass digest= with the SHA-256 of "
                    "the file that you trust, or make it yours alone (chown, chmod go-w)"
                )
            data = file.read()
    except (OSError, ValueError) as error:  # the latter for a path with a NUL
        raise UserError(f"the program {where} cannot be read: {error}") from None
    if digest is not None and hashlib.sha256(data).hexdigest() != digest.lower():
        raise UserError(f"{where} is not the file with the SHA-256 {digest}: it has {hashlib.sha256(data).hexdigest()}")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise zipfile.BadZipFile("an entry is compressed")  # and could expand to any size
        manifest = json.loads(archive.read(_MANIFEST))
        version = manifest["format"]
    except (zipfile.BadZipFile, KeyError, RuntimeError, TypeError, ValueError) as error:  # of an encrypted entry, too
        raise UserError(f"{where} is not a program, or is truncated: {error}") from None
    if version != FORMAT:
        raise UserError(f"{where} has format {version}; this version of SparkWeld reads {FORMAT}: compile and save it again")
    return archive, manifest, data


def _without_waiting(path: str, flags: int) -> int:
    """Opens a file; a named pipe without a writer, too, at once."""
    return os.open(path, flags | os.O_NONBLOCK)


def _reader(archive: zipfile.ZipFile, manifest: dict[str, Any], where: str) -> Callable[[str], bytes]:
    """Returns a function that reads an entry and compares it with its SHA-256."""

    def read(name: str) -> bytes:
        try:
            data = archive.read(name)
        except (KeyError, zipfile.BadZipFile, OSError, RuntimeError) as error:
            raise UserError(f"{where} is damaged: {error}") from None
        if hashlib.sha256(data).hexdigest() != manifest["entries"].get(name):
            raise UserError(f"{where} is damaged: {name} is not what was saved")
        return data

    return read


def _block(data: bytes) -> np.ndarray:
    block = aligned(len(data))
    block[:] = np.frombuffer(data, np.uint8)
    block.flags.writeable = False
    return block


def _library(data: bytes, where: str) -> ctypes.CDLL:
    """Links a shared library from memory, so that no file can take its place between the check and the link.

    Its descriptor stays open: the dynamic linker knows a library by its path, which another descriptor must not have.
    """
    descriptor = os.memfd_create("sparkweld")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(data)
        return ctypes.CDLL(f"/proc/self/fd/{descriptor}")
    except OSError as error:
        os.close(descriptor)
        raise UserError(f"the kernel in {where} cannot be linked here: {error}") from None


def write(path: str, data: bytes) -> None:
    """Writes a file atomically, readable by all and writable by its owner only. Raises UserError."""
    folder = os.path.dirname(os.path.abspath(path))
    made = ""
    try:
        descriptor, made = tempfile.mkstemp(dir=folder, prefix=".sparkweld-")
        with open(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(file.fileno(), 0o644)
        os.replace(made, path)
    except OSError as error:
        if made:
            with contextlib.suppress(OSError):
                os.unlink(made)
        raise UserError(f"{path} cannot be written: {error}") from None
