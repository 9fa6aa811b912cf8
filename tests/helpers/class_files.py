"""Reads class files of jars, and finds references to classes, methods and fields that other jars lack."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_UTF8, _CLASS, _FIELD, _METHOD, _INTERFACE_METHOD = 1, 7, 9, 10, 11
#: Tag of an entry of the constant pool -> the length of its contents.
_LENGTHS = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
_JAVA = ("java/", "javax/", "jdk/", "sun/")
#: Members of Java's classes that a class of Spark most often extends. Those of other classes of Java are taken to exist.
_OF_JAVA = {
    "java/lang/Object": {"clone", "equals", "finalize", "getClass", "hashCode", "notify", "notifyAll", "toString", "wait"},
    "java/lang/AutoCloseable": {"close"}, "java/io/Closeable": {"close"}, "java/io/Serializable": set(),
    "java/lang/Cloneable": set(), "java/lang/Comparable": {"compareTo"}, "java/lang/Runnable": {"run"},
}  # fmt: skip


@dataclass(frozen=True)
class ClassFile:
    """A class: its supertypes, its members as (name, descriptor), and the members of other classes that it refers to."""

    name: str
    supertypes: tuple[str, ...]
    members: frozenset[tuple[str, str]]
    references: frozenset[tuple[str, str, str]]
    classes: frozenset[str]


def unresolved(jar: Path, libraries: list[Path]) -> list[str]:
    """Returns the classes and members that classes of a jar refer to, and that neither it nor the libraries have."""
    own = {one.name: one for one in _classes(jar)}
    places = {name.removesuffix(".class"): path for path in libraries for name in _names(path)}

    @cache
    def find(name: str) -> ClassFile | None:
        if name in own or name not in places:
            return own.get(name)
        with zipfile.ZipFile(places[name]) as opened:
            return parse(opened.read(f"{name}.class"))

    @cache
    def has(owner: str, member: str, descriptor: str) -> bool:
        found = find(owner)
        if found is None:
            return owner.startswith(_JAVA) and member in _OF_JAVA.get(owner, {member})
        return (member, descriptor) in found.members or any(has(each, member, descriptor) for each in found.supertypes)

    missing = set()
    for one in own.values():
        missing |= {name for name in one.classes if find(name) is None and not name.startswith((*_JAVA, "["))}
        members = {(owner, *member) for owner, *member in one.references if find(owner) is not None}
        missing |= {f"{owner}.{member}{of}" for owner, member, of in members if not has(owner, member, of)}
    return sorted(missing)


def parse(data: bytes) -> ClassFile:
    """Reads a class file (chapter 4 of the specification of the JVM)."""
    pool, at = _constants(data)
    _, this, parent, count = struct.unpack_from(">HHHH", data, at)
    interfaces = struct.unpack_from(f">{count}H", data, at + 8)
    at += 8 + 2 * count

    def text(index: int) -> str:
        return pool[index][1].decode("utf-8", "replace")

    def name(index: int) -> str:
        return text(struct.unpack(">H", pool[index][1])[0])

    members = set()
    for _ in ("fields", "methods"):
        (count,) = struct.unpack_from(">H", data, at)
        at += 2
        for _ in range(count):
            _, called, descriptor, attributes = struct.unpack_from(">HHHH", data, at)
            members.add((text(called), text(descriptor)))
            at += 8
            for _ in range(attributes):
                at += 6 + struct.unpack_from(">I", data, at + 2)[0]
    references = set()
    for tag, content in pool.values():
        if tag in (_FIELD, _METHOD, _INTERFACE_METHOD):
            owner, pair = struct.unpack(">HH", content)
            called, descriptor = struct.unpack(">HH", pool[pair][1])
            references.add((name(owner), text(called), text(descriptor)))
    classes = {name(index) for index, (tag, _) in pool.items() if tag == _CLASS}
    supertypes = tuple(name(index) for index in (parent, *interfaces) if index)
    return ClassFile(name(this), supertypes, frozenset(members), frozenset(references), frozenset(classes))


def _constants(data: bytes) -> tuple[dict[int, tuple[int, bytes]], int]:
    """Returns the entries of the constant pool as (tag, contents), and the position behind it."""
    (count,) = struct.unpack_from(">H", data, 8)
    pool, at, index = {}, 10, 1
    while index < count:
        tag = data[at]
        length, start = _LENGTHS.get(tag, 0), at + 1
        if tag == _UTF8:
            (length,) = struct.unpack_from(">H", data, start)
            start += 2
        pool[index] = tag, data[start : start + length]
        at = start + length
        index += 2 if tag in (5, 6) else 1  # long and double take two entries
    return pool, at


def _classes(jar: Path) -> Iterator[ClassFile]:
    with zipfile.ZipFile(jar) as opened:
        yield from (parse(opened.read(name)) for name in opened.namelist() if name.endswith(".class"))


def _names(jar: Path) -> list[str]:
    with zipfile.ZipFile(jar) as opened:
        return [name for name in opened.namelist() if name.endswith(".class") and not name.startswith("META-INF")]
