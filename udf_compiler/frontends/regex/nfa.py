"""Compiles a pattern tree to a thread program in priority order (Pike's virtual machine), the order of a backtracking engine.

In this order, the threads find the match that backtracking finds first. Two threads at one instruction have the same future, so
only the first continues. Backtracking may take exponential time there, and this does not. The result is exact. No repeat has a
body that may match the empty string (`parse` refuses those), and no requested group is inside a repeat.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from udf_compiler.frontends.regex.parse import Assertion, Chars, Choice, Group, Node, Ranges, Repeat, Sequence_, Unsupported

#: Longest program; each repeat {m,n} is unrolled.
PROGRAM_LIMIT = 4000


@dataclass(frozen=True)
class Take:
    """Reads a code point of the set and continues at the next instruction."""

    ranges: Ranges


@dataclass
class Split:
    """Continues at every target, in priority order."""

    targets: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Save:
    """Stores the current position in a tag."""

    tag: int


@dataclass(frozen=True)
class Check:
    """Continues if the assertion holds."""

    assertion: Assertion


@dataclass(frozen=True)
class Match:
    """Ends a match."""


Instruction = Take | Split | Save | Check | Match


def program_of(root: Node, groups: tuple[int, ...], fullmatch: bool) -> tuple[Instruction, ...]:
    """Compiles a pattern tree.

    `groups`: the groups to tag, where 0 is the match. The group at index i gets the tags 2i and 2i + 1.
    """
    writer = _Writer({group: at for at, group in enumerate(groups)})
    writer.node(Group(0, root))
    if fullmatch:
        writer.emit(Check(Assertion("end")))
    writer.emit(Match())
    return tuple(writer.code)


class _Writer:
    def __init__(self, tags: dict[int, int]) -> None:
        self.tags = tags
        self.code: list[Instruction] = []

    def emit(self, instruction: Instruction) -> int:
        if len(self.code) >= PROGRAM_LIMIT:
            raise Unsupported(f"needs more than {PROGRAM_LIMIT} steps")
        self.code.append(instruction)
        return len(self.code) - 1

    def node(self, node: Node) -> None:
        match node:
            case Chars():
                self.emit(Take(node.ranges))
            case Sequence_():
                for part in node.parts:
                    self.node(part)
            case Choice():
                self._choice(node)
            case Repeat():
                self._repeat(node)
            case Group():
                self._group(node)
            case Assertion():
                self.emit(Check(node))

    def _group(self, node: Group) -> None:
        tag = self.tags.get(node.number)
        if tag is None:
            self.node(node.body)
            return
        self.emit(Save(2 * tag))
        self.node(node.body)
        self.emit(Save(2 * tag + 1))

    def _choice(self, node: Choice) -> None:
        split = Split()
        self.emit(split)
        ends = []
        for branch in node.branches:
            split.targets.append(len(self.code))
            self.node(branch)
            end = Split()
            self.emit(end)
            ends.append(end)
        for end in ends:
            end.targets.append(len(self.code))

    def _repeat(self, node: Repeat) -> None:
        for _ in range(node.least):
            self.node(node.body)
        if node.most is None:
            split = Split()
            loop = self.emit(split)
            body = len(self.code)
            self.node(node.body)
            self.emit(Split([loop]))
            split.targets += self._ordered(body, len(self.code), node.greedy)
            return
        optional: list[tuple[Split, int]] = []
        for _ in range(node.most - node.least):
            split = Split()
            self.emit(split)
            optional.append((split, len(self.code)))
            self.node(node.body)
        for split, body in optional:
            split.targets += self._ordered(body, len(self.code), node.greedy)

    @staticmethod
    def _ordered(body: int, after: int, greedy: bool) -> list[int]:
        return [body, after] if greedy else [after, body]
