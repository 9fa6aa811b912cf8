"""Lays out automata, and the templates of replacements, as the bytes that kernels read.

An automaton is:

- the int64 of `TableHead`,
- 256 bytes that are 1 for each byte that leaves the first row unchanged,
- the classes of ASCII as uint16,
- the bounds past ASCII, the rows, the actions, and the first rows after each class.

Bounds are pairs of uint32: a code point, and the class from there on. A row has two uint32 for each class. The first is the
offset of the next row among the rows. The second is that of the action among the actions, 0 for none. An action is the int32 of
`ActionHead`, then for each move the int32 of `Move`.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

from sparkweld.ir.ops.automata import POSITION, Automaton


class TableHead(IntEnum):
    """Index of each int64 of an automaton's head. Members named `*_AT` hold byte offsets."""

    BOUNDS = 0  # the number of bounds past ASCII
    BOUNDS_AT = 1
    ROWS_AT = 2
    ACTIONS_AT = 3
    AFTER_AT = 4  # of the first rows after each class
    START = 5  # the first row at the beginning
    REGISTERS = 6  # bytes of the registers
    END_CLASS = 7  # the class of END


class ActionHead(IntEnum):
    """Index of each int32 of an action before its moves."""

    ACCEPTS = 0
    MOVES = 1  # their number


class Move(IntEnum):
    """Index of each int32 of a move: the offsets of two registers. The second is negative for a source that is no register."""

    TO = 0
    SOURCE = 1


class Element(IntEnum):
    """Index of each int64 of an element of a template: a group or -1, and a literal's offset and length."""

    GROUP = 0
    LITERAL_AT = 1
    LENGTH = 2


#: Offsets of the bytes that leave the first row unchanged, of the classes of ASCII, and of the bounds.
SKIPS = 8 * len(TableHead)
ASCII = SKIPS + 256
BOUNDS = ASCII + 256
#: The source of a move that marks a register as not set.
UNSET = -2


def tables_of(automaton: Automaton) -> bytes:
    """Returns the tables, laid out as the module describes."""
    width = automaton.symbols + 1
    actions, offsets = _actions_of(automaton)
    entries = np.column_stack([np.array(automaton.targets) * 8 * width, [offsets[a] for a in automaton.acts]]).astype("<u4")
    ranges = zip(automaton.bounds, automaton.classes, _ends(automaton), strict=True)
    later = [(max(bound, 128), kind) for bound, kind, end in ranges if end > 128]
    parts = [np.array(later, "<u4").tobytes(), entries.tobytes(), actions]
    parts.append((np.array(automaton.after) * 8 * width).astype("<u4").tobytes())
    starts = np.cumsum([BOUNDS, *map(len, parts)])
    head = {
        TableHead.BOUNDS: len(later), TableHead.BOUNDS_AT: BOUNDS, TableHead.ROWS_AT: starts[1], TableHead.ACTIONS_AT: starts[2],
        TableHead.AFTER_AT: starts[3], TableHead.START: automaton.start * 8 * width,
        TableHead.REGISTERS: 8 * automaton.registers, TableHead.END_CLASS: width - 1,
    }  # fmt: skip
    ascii_classes = [automaton.class_of(code) for code in range(128)]
    fixed = [np.array(list(head.values()), "<i8").tobytes(), _skips(automaton, ascii_classes)]
    return b"".join([*fixed, np.array(ascii_classes, "<u2").tobytes(), *parts])


def _ends(automaton: Automaton) -> tuple[int, ...]:
    return (*automaton.bounds[1:], 0x110000)


def _skips(automaton: Automaton, ascii_classes: list[int]) -> bytes:
    """Returns 1 for each byte that leads from the first row to itself without an action."""
    first = automaton.start * (automaton.symbols + 1)
    stays = [automaton.targets[first + c] == automaton.start and automaton.acts[first + c] == 0 for c in ascii_classes]
    return bytes(stays).ljust(256, b"\0")


def _actions_of(automaton: Automaton) -> tuple[bytes, list[int]]:
    """Returns the actions and the offset of each one. The first 8 bytes belong to none, so that no action has offset 0."""
    data, offsets = bytes(8), []
    for accepts, *moves in automaton.actions:
        offsets.append(len(data) if accepts or moves else 0)
        if offsets[-1]:
            flat = [accepts, len(moves) // 2]
            for to, source in zip(moves[::2], moves[1::2], strict=True):
                flat += [8 * to, 8 * source if source >= 0 else -1 if source == POSITION else UNSET]
            data += np.array(flat, "<i4").tobytes()
    return data, offsets


def template_of(parts: tuple[str, ...]) -> bytes:
    """Returns a template of literals that alternate with group numbers.

    The number of elements comes first, as int64, then the elements, then the literals.
    """
    texts = [part.encode() if at % 2 == 0 else b"" for at, part in enumerate(parts)]
    groups = [int(part) if at % 2 else -1 for at, part in enumerate(parts)]
    first = 8 * (1 + len(Element) * len(parts))
    offsets = first + np.cumsum([0, *map(len, texts)])
    rows = [value for group, offset, text in zip(groups, offsets, texts, strict=False) for value in (group, offset, len(text))]
    return np.array([len(parts), *rows], "<i8").tobytes() + b"".join(texts)
