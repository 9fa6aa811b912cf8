"""Converts a thread program to a deterministic automaton by subset construction.

A state is a list of threads in priority order. An assertion needs the code point before a position and the one after it. So
threads wait before assertions until the next symbol is read. A state remembers only the kind of the previous symbol, and
only as far as some assertion needs it. `$` before a final newline marks its threads: they survive only if the string ends
after the next symbol.

When only the existence of a match is requested, order and tags do not matter, and the first match ends the run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from sparkweld.ir.ops.automata import POSITION, UNSET, Automaton, minimised
from udf_compiler.frontends.regex.nfa import Check, Match, Save, Split, Take, program_of
from udf_compiler.frontends.regex.parse import Assertion, Ranges, Unsupported, contains, group_bodies, nullable, parse, union

#: Size limits of the table, which kernels embed as constants.
STATE_LIMIT, ENTRY_LIMIT = 1500, 60_000
REGISTER_LIMIT = 48

_NEWLINE: Ranges = ((10, 10),)

#: Kinds of context before a position: the beginning of the string, a newline, a word character, any other.
_BEGIN, _LINE, _WORD, _OTHER = "begin", "line", "word", "other"

#: The pseudo-instruction of a matched thread that `$` holds back: the string must end after the next symbol.
_MATCHED = -1

#: In moves: a scratch register that no thread uses.
_SPARE = -3

#: The kind of the next symbol, and the sets of the assertions about it that have it.
_Ahead = tuple[str, frozenset[Ranges]]
_END: _Ahead = ("end", frozenset())

#: (instruction, tags, whether the string must end before the next symbol). A tag is a register, POSITION or UNSET.
_Thread = tuple[int, tuple[int, ...], bool]


@dataclass(frozen=True)
class _State:
    """A DFA state: threads after the previous symbol.

    `before` is the kind of that symbol; `searching`: whether a match may still begin. `behind`: the sets of the assertions about
    the code point before a position that have the symbol.
    """

    threads: tuple[_Thread, ...]
    before: str
    searching: bool
    behind: frozenset[Ranges] = frozenset()


@lru_cache(maxsize=256)
def compile_regex(pattern: str, flags: int, mode: str, groups: tuple[int, ...] = (), repeated: bool = False) -> Automaton:
    """Returns the automaton of a pattern. Raises Unsupported, and re.error.

    - `mode`: "search", "match" (at the beginning) or "fullmatch".
    - `groups`: the groups whose bounds are requested, first 0 for the match itself; empty to test only whether there is a match.
    - `repeated`: the automaton will search for successive matches, in linear time unless `overruns` is true.
    """
    parsed = parse(pattern, flags)
    if repeated and nullable(parsed.root):
        raise Unsupported("may match the empty string, which occurs between any two characters")
    bodies = group_bodies(parsed.root)
    for group in groups:
        if group and bodies[group][0]:
            raise Unsupported("repeats a group whose match is requested")
    return _Builder(program_of(parsed.root, groups, mode == "fullmatch"), groups, mode == "search").automaton()


class _Builder:
    def __init__(self, program: tuple[object, ...], groups: tuple[int, ...], search: bool) -> None:
        self.program, self.search = program, search
        self.tags = 2 * len(groups)
        assertions = {i.assertion for i in program if isinstance(i, Check)}
        kinds = {a.kind for a in assertions}
        self.lines = bool(kinds & {"line_begin", "line_end", "end_or_newline"})
        words = {a.chars for a in assertions if a.kind in ("boundary", "no_boundary")}
        if len(words) > 1:
            raise Unsupported("has two kinds of word boundaries")
        self.words = next(iter(words), ())
        self.behind = frozenset(a.chars for a in assertions if a.kind in ("behind", "not_behind"))
        self.ahead = frozenset(a.chars for a in assertions if a.kind in ("ahead", "not_ahead"))
        self.begins = bool(kinds & {"begin", "line_begin", "boundary", "no_boundary"})
        self._classes()
        self.numbers: dict[_State, int] = {}
        self.actions: dict[tuple[int, ...], int] = {(0,): 0}
        self.registers = self.tags

    def _classes(self) -> None:
        """Numbers the symbol classes: sets of code points that no set of the program distinguishes."""
        sets = list({i.ranges for i in self.program if isinstance(i, Take)})
        if self.lines:
            sets.append(_NEWLINE)
        if self.words:
            sets.append(self.words)
        sets += [*(self.behind | self.ahead)]
        bounds = union(sets)
        columns = [_membership(ranges, bounds) for ranges in sets]
        numbers: dict[tuple[bool, ...], int] = {}
        classes = [numbers.setdefault(signature, len(numbers)) for signature in zip(*columns, strict=True)] or [0]
        self.bounds, self.classes = _joined(bounds or [0], classes)
        self.symbols = len(numbers) or 1
        self.sets = {ranges: frozenset(_of(column, classes)) for ranges, column in zip(sets, columns, strict=True)}
        self.sort = [_OTHER] * self.symbols
        for ranges, sort in ((self.words, _WORD), (_NEWLINE, _LINE)):
            for symbol in self.sets.get(ranges, ()):
                self.sort[symbol] = sort

    def automaton(self) -> Automaton:
        start = self._number(_State((), _BEGIN if self.begins else _OTHER, True))
        after = [self._number(self._state((), symbol, True)) for symbol in range(self.symbols)]
        targets, acts = [0] * (self.symbols + 1), [0] * (self.symbols + 1)
        row = 0
        while row < len(self.numbers):
            for state in list(self.numbers)[row:]:
                self._row(state, targets, acts)
                row += 1
                if row > STATE_LIMIT or len(targets) > ENTRY_LIMIT:
                    raise Unsupported("needs too large an automaton")
        spare = self.registers  # one register more than the threads use
        actions = tuple(tuple(spare if part == _SPARE else part for part in action) for action in self.actions)
        registers = spare + 1 if actions != tuple(self.actions) else spare
        made = Automaton(
            self.bounds, self.classes, tuple(targets), tuple(acts), actions, start, tuple(after), self.tags // 2, registers
        )
        return minimised(made).check()

    def _state(self, threads: tuple[_Thread, ...], symbol: int, searching: bool) -> _State:
        """Returns the state with these threads after a symbol."""
        return _State(threads, self._before(symbol), searching, self._having(self.behind, symbol))

    def _having(self, sets: frozenset[Ranges], symbol: int) -> frozenset[Ranges]:
        return frozenset(ranges for ranges in sets if symbol in self.sets[ranges])

    def _number(self, state: _State) -> int:
        return self.numbers.setdefault(state, len(self.numbers) + 1)

    def _before(self, symbol: int) -> str:
        sort = self.sort[symbol]
        if sort == _LINE and not self.lines or sort == _WORD and not self.words:
            return _OTHER
        return sort if self.begins else _OTHER

    def _row(self, state: _State, targets: list[int], acts: list[int]) -> None:
        fresh: dict[_Ahead, tuple[list[_Thread], tuple[int, ...] | None]] = {}
        for symbol in range(self.symbols + 1):
            ahead = (self.sort[symbol], self._having(self.ahead, symbol)) if symbol < self.symbols else _END
            if ahead not in fresh:
                fresh[ahead] = self._closure(state, ahead)
            threads, accepted = fresh[ahead]
            target, act = self._step(state, symbol, threads, accepted)
            targets.append(target)
            acts.append(act)

    def _closure(self, state: _State, ahead: _Ahead) -> tuple[list[_Thread], tuple[int, ...] | None]:
        """Returns the threads ready to read a symbol of the kind `ahead`, and the tags of the first matched thread, or None.

        Threads of lower priority than the match are cut off.
        """
        threads: list[_Thread] = []
        seen: set[tuple[int, bool]] = set()
        stack: list[_Thread] = []
        if state.searching:
            stack.append((0, (UNSET,) * self.tags, False))
        stack += [(at, tags, False) for at, tags, must_end in reversed(state.threads) if not must_end or ahead == _END]
        while stack:
            at, tags, ends = stack.pop()
            if (at, ends) in seen:
                continue
            seen.add((at, ends))
            instruction = Match() if at == _MATCHED else self.program[at]
            match instruction:
                case Match() if not ends:
                    return threads, tags
                case Match():
                    threads.append((_MATCHED, tags, True))
                case Take():
                    threads.append((at, tags, ends))
                case Split():
                    stack += [(target, tags, ends) for target in reversed(instruction.targets)]
                case Save():
                    stack.append((at + 1, (*tags[: instruction.tag], POSITION, *tags[instruction.tag + 1 :]), ends))
                case Check():
                    holds = self._holds(instruction.assertion, state, ahead)
                    if holds is not False:
                        stack.append((at + 1, tags, ends or holds is None))
        return threads, None

    def _holds(self, assertion: Assertion, state: _State, following: _Ahead) -> bool | None:
        """Whether an assertion holds; None if it holds only when the string ends after the next symbol."""
        before, (ahead, sets) = state.before, following
        match assertion.kind:
            case "behind" | "not_behind":
                return (assertion.chars in state.behind) == (assertion.kind == "behind")
            case "ahead" | "not_ahead":
                return (assertion.chars in sets) == (assertion.kind == "ahead")
            case "begin":
                return before == _BEGIN
            case "line_begin":
                return before in (_BEGIN, _LINE)
            case "end":
                return ahead == "end"
            case "line_end":
                return ahead in ("end", _LINE)
            case "end_or_newline":
                return True if ahead == "end" else None if ahead == _LINE else False
        if before == _BEGIN and ahead == "end":  # the empty string
            return assertion.kind == "no_boundary" and re.search(r"\B", "") is not None
        return ((before == _WORD) != (ahead == _WORD)) == (assertion.kind == "boundary")

    def _step(
        self, state: _State, symbol: int, threads: list[_Thread], accepted: tuple[int, ...] | None
    ) -> tuple[int, int]:
        """Returns the next state and the action of a state on a symbol."""
        following: dict[int, _Thread] = {}
        if symbol < self.symbols and not (accepted is not None and not self.tags):
            for at, tags, ends in threads:
                if at == _MATCHED or symbol in self.sets[self.program[at].ranges]:  # type: ignore[attr-defined]
                    to = _MATCHED if at == _MATCHED else at + 1
                    following.setdefault(2 * to + ends, (to, tags, ends))
        searching = state.searching and self.search and accepted is None and symbol < self.symbols
        moves: list[int] = [1 if accepted is not None else 0]
        for register, source in enumerate(accepted or ()):
            moves += [register, source]
        ordered, working = self._renamed(list(following.values()))
        moves += working
        act = self.actions.setdefault(tuple(moves), len(self.actions))
        if not ordered and not searching:
            return 0, act
        return self._number(self._state(tuple(ordered), symbol, searching)), act

    def _renamed(self, threads: list[_Thread]) -> tuple[list[_Thread], list[int]]:
        """Renumbers the registers of the threads' tags by first appearance and returns the moves that realize it."""
        if not self.tags:
            return sorted(threads), []  # existence only: the order does not matter
        registers: dict[int, int] = {}
        renamed = []
        for at, tags, ends in threads:
            new = tuple(t if t == UNSET else registers.setdefault(t, self.tags + len(registers)) for t in tags)
            renamed.append((at, new, ends))
        self.registers = max(self.registers, self.tags + len(registers))
        if self.registers > REGISTER_LIMIT:
            raise Unsupported("needs too many registers")
        return renamed, _in_order({to: source for source, to in registers.items() if to != source})


def _in_order(moves: dict[int, int]) -> list[int]:
    """Sequentializes parallel moves; a cycle uses one scratch register."""
    left, ordered = dict(moves), []
    while left:
        free = next((to for to in left if to not in left.values()), None)
        if free is not None:
            ordered += [free, left.pop(free)]
            continue
        to = next(iter(left))  # only cycles remain: save one value in the scratch register
        ordered += [_SPARE, to]
        left = {t: _SPARE if s == to else s for t, s in left.items()}
    return ordered


def _membership(ranges: Ranges, bounds: list[int]) -> list[bool]:
    """Returns, for each bound, whether the code points from there to the next bound are in the set."""
    edges = sorted([(low, True) for low, _ in ranges] + [(high + 1, False) for _, high in ranges])
    inside, at, result = False, 0, []
    for bound in bounds:
        while at < len(edges) and edges[at][0] <= bound:
            inside = edges[at][1]
            at += 1
        result.append(inside)
    return result


def _of(column: list[bool], classes: list[int]) -> list[int]:
    return [c for member, c in zip(column, classes, strict=True) if member]


def _joined(bounds: list[int], classes: list[int]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Drops the bounds at which the class does not change."""
    kept = [i for i, c in enumerate(classes) if i == 0 or classes[i - 1] != c]
    return tuple(bounds[i] for i in kept), tuple(classes[i] for i in kept)


__all__ = ["compile_regex", "contains"]
