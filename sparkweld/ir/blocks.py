"""Defines constant blocks: read-only arrays that a kernel reads through an address passed with each call.

Learned parameters may take a gigabyte, so they are never part of a program's text or of LLVM's constants. A program names its
blocks by digest and layout. The kernel's code depends on the layout alone, so a retrained model of the same shape reuses the
code. A few dozen numbers, such as the weights of a linear model, belong in `Const` and `Lookup`.

    block = ConstantBlock.of(weights=np.zeros((3, 4)), bias=np.zeros(4))
    block["weights"]            # float64[12]
    block.offset("bias")        # 128, bytes from the block's address
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from sparkweld.errors import VerifyError

#: Alignment in bytes of each array of a block, and of the block in memory.
ALIGNMENT = 64

_DTYPES = {f"{kind}{8 * size}": np.dtype(f"{kind}{size}") for kind in "iuf" for size in (1, 2, 4, 8) if (kind, size) != ("f", 1)}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}


@dataclass(frozen=True, slots=True)
class Part:
    """One array of a block: its name (an identifier), dtype (``f64``, ``u8``), length, and byte offset in the block."""

    name: str
    kind: str
    length: int
    offset: int

    @property
    def dtype(self) -> np.dtype:
        """The NumPy dtype."""
        return _DTYPES[self.kind]

    @property
    def end(self) -> int:
        """Byte offset where the next array begins."""
        return round_up(self.offset + self.length * self.dtype.itemsize)

    def __str__(self) -> str:
        return f"{self.name}={self.kind}[{self.length}]"


class _WeaklyReferable:
    """Adds what a class with slots needs for weak references; the option of `dataclass` needs Python 3.11."""

    __slots__ = ("__weakref__",)


@dataclass(frozen=True, slots=True)
class ConstantBlock(_WeaklyReferable):
    """Named one-dimensional arrays, stored one after another. Blocks are equal when layout and digest are.

    `digest`: SHA-256 of layout and bytes, in hex. `data`: uint8[size], read-only and aligned, or None where only the layout is
    known, which is enough to compile.
    """

    layout: tuple[Part, ...]
    digest: str
    data: np.ndarray | None = field(compare=False, repr=False, default=None)

    @staticmethod
    def of(**arrays: object) -> ConstantBlock:
        """Builds the block of these arrays, each flattened in C order.

        Raises VerifyError for a dtype that blocks do not support.
        """
        return ConstantBlock.joined({name: [np.asarray(array)] for name, array in arrays.items()})

    @staticmethod
    def joined(arrays: Mapping[str, Sequence[np.ndarray]]) -> ConstantBlock:
        """Builds the block of arrays that are given in pieces, one or more, which are copied only once.

        Raises VerifyError for a dtype that blocks do not support, and for pieces of different dtypes.
        """
        flat = {name: [np.ascontiguousarray(piece).reshape(-1) for piece in pieces] for name, pieces in arrays.items()}
        layout = _layout_of(flat)
        data = aligned(_size(layout))
        for part in layout:
            at = part.offset
            for piece in flat[part.name]:
                data[at : at + piece.nbytes] = piece.view(np.uint8)
                at += piece.nbytes
        return ConstantBlock(layout, _digest(layout, data)).with_data(data)

    @property
    def size(self) -> int:
        """Size in bytes, a multiple of ALIGNMENT."""
        return _size(self.layout)

    def with_data(self, data: np.ndarray | None) -> ConstantBlock:
        """Returns the block with these bytes, or without any.

        Checks only the size: the caller vouches that the bytes match the digest.
        """
        if data is None:
            return replace(self, data=None)
        if data.nbytes != self.size or data.dtype != np.uint8:
            raise VerifyError(f"a block of {self.size} bytes got {data.nbytes}")
        data = data if data.ctypes.data % ALIGNMENT == 0 or not data.size else _copied(data)
        data.flags.writeable = False
        return replace(self, data=data)

    def part(self, name: str) -> Part:
        """Returns the layout entry of an array. Raises VerifyError for an unknown name."""
        for part in self.layout:
            if part.name == name:
                return part
        raise VerifyError(f"a block of {', '.join(map(str, self.layout))} has no {name}")

    def offset(self, name: str) -> int:
        """Returns the byte offset of an array from the block's address."""
        return self.part(name).offset

    def length(self, name: str) -> int:
        """Returns the number of elements of an array."""
        return self.part(name).length

    def __getitem__(self, name: str) -> np.ndarray:
        """Returns the array, read-only. Raises VerifyError where only the layout is known."""
        part = self.part(name)
        if self.data is None:
            raise VerifyError(f"the bytes of block {self.digest[:12]} are not loaded")
        return self.data[part.offset : part.offset + part.length * part.dtype.itemsize].view(part.dtype)

    def __str__(self) -> str:
        return " ".join([json.dumps(self.digest), *map(str, self.layout)])


def round_up(size: int) -> int:
    """Rounds `size` up to a multiple of ALIGNMENT."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def offsets(arrays: Mapping[str, Sequence[np.ndarray]]) -> dict[str, int]:
    """Returns the byte offset of each array in ``ConstantBlock.joined(arrays)``, for an array that stores these offsets.

    Raises VerifyError as `ConstantBlock.joined` does.
    """
    return {part.name: part.offset for part in _layout_of(arrays)}


def aligned(size: int) -> np.ndarray:
    """Returns a zeroed uint8[size] whose address is a multiple of ALIGNMENT."""
    space = np.zeros(size + ALIGNMENT, np.uint8)
    start = -space.ctypes.data % ALIGNMENT
    return space[start : start + size]


_PART = re.compile(r"([a-z_][a-z0-9_]*)=([a-z]+\d+)\[(\d+)\]$")


def parse_block(text: str) -> ConstantBlock:
    """Parses ``str(block)`` to a block without its bytes. Raises VerifyError."""
    digest, *parts = text.split()
    found = [_PART.match(part) for part in parts]
    if not all(found) or not (digest.startswith('"') and digest.endswith('"')):
        raise VerifyError(f"expected a digest and arrays, got {text!r}")
    return ConstantBlock(_layout((m[1], m[2], int(m[3])) for m in found if m), digest[1:-1])


def _layout_of(arrays: Mapping[str, Sequence[np.ndarray]]) -> tuple[Part, ...]:
    return _layout((name, _kind(name, *pieces), sum(p.size for p in pieces)) for name, pieces in arrays.items())


def _layout(arrays: Iterator[tuple[str, str, int]]) -> tuple[Part, ...]:
    layout: list[Part] = []
    for name, kind, length in arrays:
        if kind not in _DTYPES or not name.isidentifier() or name in (p.name for p in layout):
            raise VerifyError(f"a block holds no array {name!r} of {kind}")
        layout.append(Part(name, kind, length, layout[-1].end if layout else 0))
    return tuple(layout)


def _size(layout: tuple[Part, ...]) -> int:
    return layout[-1].end if layout else 0


def _kind(name: str, array: np.ndarray, *others: np.ndarray) -> str:
    if array.dtype not in _NAMES or any(other.dtype != array.dtype for other in others):
        raise VerifyError(f"a block holds no array of {array.dtype}, which {name!r} is")
    return _NAMES[array.dtype]


def _digest(layout: tuple[Part, ...], data: np.ndarray) -> str:
    digest = hashlib.sha256(" ".join(map(str, layout)).encode() + b"\n")
    digest.update(data.data)
    return digest.hexdigest()


def _copied(data: np.ndarray) -> np.ndarray:
    copy = aligned(data.size)
    copy[:] = data
    return copy
