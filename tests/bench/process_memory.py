"""Reads a process's leak indicators (resident memory, children, executable mappings) and its CPU time from /proc."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any


def of_process(pid: int) -> dict[str, Any]:
    """Returns resident and anonymous megabytes, threads, open files, descendants, and linked-kernel mappings of `pid`.

    `executableMappings` counts anonymous executable pages: the JVM's own code heap has a constant number of them, and each
    linked kernel adds its own.
    """
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {
        "residentMb": _kilobytes(status["VmRSS"]) / 1024,
        "anonymousMb": _kilobytes(status["RssAnon"]) / 1024,
        "threads": int(status["Threads"]),
        "openFiles": len(list(Path(f"/proc/{pid}/fd").iterdir())),
        "children": len(descendants(pid)),
        "executableMappings": _executable_mappings(pid),
    }


def descendants(pid: int) -> list[int]:
    """Returns the ids of all living descendants of `pid`."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            children = [int(word) for word in (task / "children").read_text().split()]
        except FileNotFoundError:
            continue  # the thread ended between the listing and the reading
        for child in children:
            try:
                found += [child, *descendants(child)]
            except FileNotFoundError:
                continue  # the child ended meanwhile
    return found


def cpu_seconds(without: Collection[int] = ()) -> float:
    """Returns the CPU seconds of all descendants of this process, ended ones included: the JVM with its workers and service.

    `without`: processes that are excluded from the measurement.
    """
    ticks = 0
    for pid in descendants(os.getpid()):
        if pid in without:
            continue
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except FileNotFoundError:
            continue  # it ended, and its parent's figures include it
        ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


def _kilobytes(text: str) -> int:
    return int(text.split()[0])


def _executable_mappings(pid: int) -> int:
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    fields = (line.split(maxsplit=5) for line in lines)
    return sum(1 for field in fields if "x" in field[1] and (len(field) == 5 or field[5].startswith("[anon")))
