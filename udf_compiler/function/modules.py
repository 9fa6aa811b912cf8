"""Imports user modules from where a worker imports them, again after changes, and records the imports.

The meaning of a function that is pickled by reference depends on its module at the place where it runs. So a request uses
the workers' `sys.path` and working directory, and a module whose file has changed is imported again. The reply names each
module that the function depends on, with the digest of its file. The service's own imports never come from the folders of a
job.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.machinery import BuiltinImporter, ExtensionFileLoader, FrozenImporter, ModuleSpec, PathFinder
from typing import Any

from sparkweld.contract.replies import ModelFile, SearchedPath, UserModule
from sparkweld.reasons import refusal
from udf_compiler.function.distributions import LOCAL_TIME, versions
from udf_compiler.function.module_paths import (
    FileState,
    Seen,
    Stale,
    WorkerPath,
    file_of,
    file_state,
    imports_for_itself,
    is_known_library,
    is_library_file,
    reserved,
    same_file,
)
from udf_compiler.function.module_watch import watching
from udf_compiler.process.process_state import ProcessState, warnings_raise

#: If a function needs more modules than this of an installed package, the package's version is recorded instead.
_MOST_MODULES = 200

_BY_CODE = "Reading the function, or importing its modules,"


@dataclass(slots=True)
class Loaded:
    """A user module.

    - `state`: the state of its file, or of the archive that holds it, before it ran.
    - `installed`: it belongs to an installed package.
    - `variables` and `files`: the environment variables that it read, and the files that it opened, while it ran.
    - `changes`: the process state that the request that ran it has changed.
    """

    spec: ModuleSpec
    state: FileState
    installed: bool = False
    imports: set[str] = field(default_factory=set)
    variables: set[str] = field(default_factory=set)
    files: dict[str, FileState] = field(default_factory=dict)
    digest: str | None = None
    changes: str = ""

    def described(self, name: str) -> UserModule:
        path, size, modified = self.state
        if self.digest is None:
            self.digest = _digest(self.spec)
            if path and file_state(path) != self.state:
                self.digest = "changed while it was imported"  # no file has this digest
        return UserModule(
            name=name, path=path, bytes=size, modified=modified, digest=self.digest, installed=self.installed
        )


@dataclass(frozen=True, slots=True)
class ModuleRecord:
    """What the functions of a request depend on, for its reply; `files`: those that modules have opened."""

    modules: tuple[UserModule, ...] = ()
    searched: tuple[SearchedPath, ...] = ()
    files: tuple[ModelFile, ...] = ()
    libraries: Mapping[str, str] = field(default_factory=dict)


class Modules:
    """The user modules in `sys.modules`, and those that the running request depends on."""

    def __init__(self) -> None:
        self.loaded: dict[str, Loaded] = {}
        #: Counts how often modules were forgotten; anything derived from them before is invalid.
        self.generation = 0
        self._path: WorkerPath | None = None
        self._seen = Seen()
        self._touched: set[str] = set()
        self._packages: set[str] = set()
        #: Installed packages first imported for a request and identified by their versions.
        self.libraries: set[str] = set()
        #: Environment variables that code inside a pickle of the request has read.
        self.variables: set[str] = set()

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Starts the record of one request's dependencies."""
        self._touched, self._packages, self._path, self.variables = set(), set(), None, set()
        yield

    @contextmanager
    def using(self, path: WorkerPath, wanted: Mapping[str, str] | None = None) -> Iterator[None]:
        """Sets the import path and the folder of a worker inside the block.

        `wanted`: module -> digest, when only these are acceptable. Refuses SW208 (one of the service's modules differs in
        the worker) and SW209 (a module reads an environment variable that may differ there). Refuses SW227 (user code
        changes this process) and SW869 (a module has changed). Raises Stale.
        """
        self._path = path
        with path.entered(self._seen):
            self._forget_changed()
            path.check_shadows(self._seen, self.libraries)
            try:
                with self._importing(), self._taking_back(), watching(self):
                    yield
            finally:  # failed imports are retried
                self.loaded = {name: module for name, module in self.loaded.items() if name in sys.modules}
            path.check_shadows(self._seen, self.libraries)
            self._check(wanted)

    @contextmanager
    def _taking_back(self) -> Iterator[None]:
        """Reverts and refuses (SW227) changes that user code makes to this process inside the block.

        The modules imported by it are marked, because a later request finds them loaded and they then change nothing.
        """
        if warnings_raise():
            raise refusal("SW227", by="PYTHONWARNINGS", what="warnings to errors")
        known, before = set(self.loaded), ProcessState()
        try:
            yield
        finally:
            changes = ", ".join(before.taken_back())
            if changes:
                self.generation += 1
                made = [module for name, module in self.loaded.items() if name not in known]
                for module in [module for module in made if not module.installed] or made:
                    module.changes = changes
                raise refusal("SW227", by=_BY_CODE, what=changes)

    def found(self, name: str, spec: ModuleSpec) -> None:
        """Records a module `name` that the import system has found and will load."""
        file = file_of(spec)
        places = [file] if file is not None else [os.path.join(folder, "") for folder in spec.submodule_search_locations or ()]
        installed = all(map(is_library_file, places))
        if places and installed and is_known_library(name):
            self.libraries.add(name.partition(".")[0])
        elif places:
            self.loaded[name] = Loaded(spec, file_state(file) if file is not None else ("", -1, -1), installed)

    def imported(self, importer: str, names: Sequence[str]) -> None:
        """Records that code of the module `importer` has imported `names`.

        Installed packages that a library imports on its own behalf are recorded by version.
        """
        known = [name for name in names if name in self.loaded or name in self.libraries]
        if known and imports_for_itself(importer):
            installed = [name for name in known if name in self.loaded and self.loaded[name].installed]
            self._packages.update(name.partition(".")[0] for name in installed)
            known = [name for name in known if name not in installed]
        if known:
            self.touch(known, importer)

    def touch(self, names: Iterable[str], importer: str = "") -> None:
        """Records that the request, or a module of it, depends on these modules."""
        into = self.loaded[importer].imports if importer in self.loaded else self._touched
        into.update(names)

    def depends_on_local_time(self) -> None:
        """Records that the request depends on the time zone of the workers' processes."""
        self.libraries.add(LOCAL_TIME)
        self.touch([LOCAL_TIME])

    def touched(self) -> frozenset[str]:
        """Returns the user modules and packages that the request depends on, directly or through imports of its modules."""
        reached, ahead = set[str](), list(self._touched)
        while ahead:
            name = ahead.pop()
            if name in reached or not (name in self.loaded or name in self.libraries):
                continue
            reached.add(name)
            if name in self.loaded:
                ahead += [*self.loaded[name].imports, name.rpartition(".")[0]]
        return frozenset(reached)

    def record(self) -> ModuleRecord:
        """Returns the modules, opened files and package versions that the functions of the request depend on."""
        if self._path is None:
            return ModuleRecord()
        names, packages = self._named()
        libraries = versions(packages)
        if not names:
            return ModuleRecord(libraries=libraries)
        files = {path: state for name in names for path, state in self.loaded[name].files.items()}
        return ModuleRecord(
            tuple(self.loaded[name].described(name) for name in names),
            tuple(SearchedPath(path=path, modified=file_state(path)[2]) for path in self._path.searched()),
            tuple(self._path.described(state, _digest_of(path)) for path, state in sorted(files.items())),
            libraries,
        )

    def _named(self) -> tuple[list[str], list[str]]:
        """Returns the modules of the request that are recorded by file, and the packages that are recorded by version."""
        touched = self.touched()
        found = sorted(touched & self.loaded.keys())
        counts = Counter(name.partition(".")[0] for name in found if self.loaded[name].installed)
        large = {package for package, count in counts.items() if count > _MOST_MODULES}
        names = [name for name in found if not (self.loaded[name].installed and name.partition(".")[0] in large)]
        return names, sorted((touched - self.loaded.keys()) | large | self._packages)

    def holds(self, described: Sequence[UserModule]) -> bool:
        """Whether the modules of a record are those loaded now. Valid only inside `using`, which drops changed modules."""
        known = (self.loaded.get(about.name) for about in described)
        return all(k is not None and k.described("").digest == a.digest for k, a in zip(known, described, strict=True))

    def _check(self, wanted: Mapping[str, str] | None) -> None:
        assert self._path is not None
        for variable in sorted(self.variables):
            if not self._path.knows_variable(variable):
                self.generation += 1
                raise refusal("SW209", module="__main__", variable=variable)
        for name in self._named()[0]:
            module = self.loaded[name]
            if module.changes:
                raise refusal("SW227", by=_BY_CODE, what=module.changes)
            for variable in sorted(module.variables):
                if not self._path.knows_variable(variable):
                    raise refusal("SW209", module=name, variable=variable)
            if wanted is not None and wanted.get(name) != module.described(name).digest:
                raise refusal("SW869", module=name, what="its file has changed")

    def _forget_changed(self) -> None:
        """Drops all user modules when an import would find another file for one of them.

        Modules of installed packages import no user modules, so they are dropped only when one of them has changed. Raises
        Stale when a dropped module is machine code, which a process links once.
        """
        changed = [module for name, module in self.loaded.items() if self._is_changed(name, module)]
        if changed:
            every = any(module.installed for module in changed)
            gone = {name: module for name, module in self.loaded.items() if every or not module.installed}
            if any(isinstance(module.spec.loader, ExtensionFileLoader) for module in gone.values()):
                raise Stale
            self._forget(gone)

    def _is_changed(self, name: str, module: Loaded) -> bool:
        if name not in sys.modules:
            return True
        parent, _, _ = name.rpartition(".")
        if parent and module.installed:  # an installed package has one location
            return file_state(module.state[0]) != module.state
        search = getattr(sys.modules.get(parent), "__path__", None) if parent else None
        spec = find(name, search)
        if spec is None or not same_file(spec, module.spec):
            return True
        file = file_of(spec)
        if file is not None and file_state(file) != module.state:
            return True
        return any(file_state(path) != state for path, state in module.files.items())

    def _forget(self, gone: Mapping[str, Loaded]) -> None:
        """Forgets these modules, so that the next import runs them again."""
        self.generation += 1
        folders = {os.path.dirname(module.state[0]) or module.state[0] for module in gone.values()}
        archives = {module.state[0] for module in gone.values()}
        for name in gone:
            sys.modules.pop(name, None)
            del self.loaded[name]
        importlib.invalidate_caches()
        for entry in list(sys.path_importer_cache):
            if entry in folders or any(entry == a or entry.startswith(a + os.sep) for a in archives):
                del sys.path_importer_cache[entry]

    @contextmanager
    def _importing(self) -> Iterator[None]:
        """Records imports inside the block, and writes no bytecode into users' folders."""
        finder, plain, by_name = _Finder(self), builtins.__import__, importlib.import_module
        bytecode = sys.dont_write_bytecode

        def recorded(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:
            module = plain(name, globals, locals, fromlist, level)
            if self.loaded or self.libraries:
                importer = (globals or {}).get("__name__") or ""
                if not importer or _is_import_system(importer):  # imported by a call, or by machine code that is being imported
                    importer = _importer()
                self.imported(importer, _names(name, (globals or {}).get("__package__") or importer, fromlist or (), level))
            return module

        def recorded_by_name(name: str, package: str | None = None) -> Any:
            module = by_name(name, package)
            if self.loaded or self.libraries:
                level = len(name) - len(name.lstrip("."))
                self.imported(_importer(), _names(name[level:], package or "", (), level))
            return module

        before = next((i for i, known in enumerate(sys.meta_path) if known is PathFinder), 0)
        sys.meta_path.insert(before, finder)
        builtins.__import__, importlib.import_module, sys.dont_write_bytecode = recorded, recorded_by_name, True
        try:
            yield
        finally:
            builtins.__import__, importlib.import_module, sys.dont_write_bytecode = plain, by_name, bytecode
            sys.meta_path.remove(finder)


class _Finder:
    """Finds modules as Python does, but finds the service's own only where they were at its start."""

    def __init__(self, modules: Modules) -> None:
        self._modules = modules

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        top = name.partition(".")[0]
        if path is None and top in reserved():
            spec = PathFinder.find_spec(name, WorkerPath.own())
            if spec is not None:
                return spec
        spec = find(name, path)
        if spec is not None and (path is None or top not in reserved() or top in self._modules.loaded):
            self._modules.found(name, spec)
        return spec


def _names(name: str, package: str, fromlist: Sequence[str], level: int) -> list[str]:
    """Returns the absolute names of the modules that an import statement may reach."""
    if level:
        above = package.rsplit(".", level - 1)[0]
        name = f"{above}.{name}" if name else above
    parts = name.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))] + [f"{name}.{attribute}" for attribute in fromlist]


def _importer() -> str:
    """Returns the module whose code runs, ignoring frames of the import system."""
    frame = sys._getframe(2)
    while frame.f_back is not None and _is_import_system(str(frame.f_globals.get("__name__"))):
        frame = frame.f_back
    return str(frame.f_globals.get("__name__"))


def _is_import_system(name: str) -> bool:
    return name.partition(".")[0] == "importlib" or name == __name__


def find(name: str, search: Any = None) -> ModuleSpec | None:
    """Returns where an import finds a module: on the path, or by a finder that an installed package has added."""
    for finder in sys.meta_path[:]:
        if finder is not BuiltinImporter and finder is not FrozenImporter and not isinstance(finder, _Finder):
            spec = finder.find_spec(name, search)
            if spec is not None:
                return spec
    return None


def _digest_of(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return "gone"


def _digest(spec: ModuleSpec) -> str:
    """Returns the SHA-256 of a module's file; empty for a package without one."""
    read = getattr(spec.loader, "get_data", None)
    if spec.origin is None or read is None:
        return ""
    try:
        return hashlib.sha256(read(spec.origin)).hexdigest()
    except OSError:
        return "gone"


#: The modules of this process, like `sys.modules`.
MODULES = Modules()
