"""Finds the jars of a line of Spark that is not installed: pip downloads the pyspark of that line into a cache, once.

A pyspark package holds the whole of Spark (400 MB). Only its jars are kept, in `$SPARKWELD_BUILD_CACHE`, by default
`~/.cache/sparkweld-build`.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile


class BuildError(Exception):
    """Raised when the bridge cannot be built; the message names what is missing, the places searched, and the remedy."""


def of_line(line: str) -> tuple[pathlib.Path, str]:
    """Returns the folder of jars and the version of a pyspark of `line`, such as 4.1; downloads the newest unless there is one.

    Raises BuildError when pip cannot download it.
    """
    cache = cache_folder()
    known = sorted(cache.glob(f"pyspark-{line}.*/jars"), key=lambda path: _release(path.parent.name))
    if not known:
        known = [_download(f"{line}.*", cache)]
    return known[-1], known[-1].parent.name.removeprefix("pyspark-")


def of_release(version: str) -> pathlib.Path:
    """Returns the folder of jars of a release, such as 4.1.0, in a part of the cache that builds do not use."""
    cache = cache_folder() / "releases"
    cache.mkdir(mode=0o700, exist_ok=True)
    jars = cache / f"pyspark-{version}" / "jars"
    return jars if jars.is_dir() else _download(version, cache)


def cache_folder() -> pathlib.Path:
    """Returns the folder of downloaded jars, which only this user may write: the build runs the compiler in them."""
    given = os.environ.get("SPARKWELD_BUILD_CACHE")
    folder = pathlib.Path(given) if given else pathlib.Path.home() / ".cache" / "sparkweld-build"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    state = folder.stat()
    if state.st_uid != os.getuid() or state.st_mode & 0o022:
        raise BuildError(f"{folder}: other users may write it; make it yours alone (chmod 700), or set SPARKWELD_BUILD_CACHE")
    return folder


def _download(version: str, cache: pathlib.Path) -> pathlib.Path:
    print(f"downloading pyspark {version} for its jars (400 MB, once)", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="download-", dir=cache) as scratch:
        folder = pathlib.Path(scratch)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                   "--no-build-isolation", "--dest", str(folder), f"pyspark=={version}"]
        answer = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        archives = list(folder.glob("pyspark-*.tar.gz"))
        if answer.returncode != 0 or not archives:
            raise BuildError(f"pip cannot download pyspark {version}:\n{answer.stdout.rstrip()}\n"
                             "Install a pyspark of that line, or check pip's index and the network.")
        made = folder / "made"
        _take_jars(archives[0], made / "jars")
        target = cache / archives[0].name.removesuffix(".tar.gz")
        if not target.exists():  # another build may have been faster
            shutil.move(made, target)
    return target / "jars"


def _take_jars(archive: pathlib.Path, target: pathlib.Path) -> None:
    target.mkdir(parents=True)
    with tarfile.open(archive) as members:
        for member in members:
            path = pathlib.PurePosixPath(member.name)
            if member.isfile() and path.parts[1:-1] == ("deps", "jars") and path.suffix == ".jar":
                source = members.extractfile(member)
                assert source is not None
                with source, (target / path.name).open("wb") as out:
                    shutil.copyfileobj(source, out)


def _release(name: str) -> tuple[int, ...]:
    return tuple(int(part) for part in name.removeprefix("pyspark-").split(".") if part.isdigit())
