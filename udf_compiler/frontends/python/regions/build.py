"""Builds a region's graph from an interpreted function: retraces its blocks until no block receives two constants for a leaf.

A block is traced for the first state that reaches it, with that state's numbers as constants. If another state arrives with
another number, that leaf is an argument of the block in the next pass. There are finitely many leaves, so the passes end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sparkweld.ir import LoopBuilder, ProgramBuilder, Value
from sparkweld.ir.ops import Arg, Const
from sparkweld.ir.ops.regions import Block, Branch, End, Graph, Jump, Leave, Return
from sparkweld.ir.types import I64, STR, Type
from udf_compiler.frontends.python.lists import is_list, of_list
from udf_compiler.frontends.python.nested_lists import Lists, TracedLists
from udf_compiler.frontends.python.path_explorer import Explorer, Fork, Node, explorer, leaves
from udf_compiler.frontends.python.records import Records, TracedRecords
from udf_compiler.frontends.python.regions.code import BRANCHES, WHERE, Code
from udf_compiler.frontends.python.regions.instructions import advance
from udf_compiler.frontends.python.regions.list_kinds import (
    as_known,
    as_logged,
    check_shared,
    empty_of,
    of_both,
    of_kind,
    varying,
)
from udf_compiler.frontends.python.regions.machine import Machine
from udf_compiler.frontends.python.regions.mappings import Mapping
from udf_compiler.frontends.python.regions.results import Kind, kind_of_whole, order_of, results_of, types_of
from udf_compiler.frontends.python.regions.returned import returned
from udf_compiler.frontends.python.regions.shapes import Shape, kind_of_leaf
from udf_compiler.frontends.python.regions.state import UNSET, State, within
from udf_compiler.frontends.python.regions.stored import Stored
from udf_compiler.frontends.python.strings import TracedPieces
from udf_compiler.frontends.python.values import TYPES, TracedScalar, is_scalar
from udf_compiler.frontends.tracing.session import refuse
from udf_compiler.frontends.tracing.utf8 import is_utf8

#: A graph with more blocks is refused: types or constants differ in too many ways.
_MOST_BLOCKS = 400
_MOST_PASSES = 60
#: The most values in all blocks, arguments of blocks aside: compiling more takes seconds.
_MOST_VALUES = 5000
#: The most constants that a variable has at a loop head as constants, each with a copy of the loop.
_MOST_TEXTS = 8
#: The most paths within one block, where calls fork.
_MOST_PATHS = 64

@dataclass(eq=False)
class _Draft:
    """A block under construction. `parent` is its only predecessor, from which it takes values on demand."""

    number: int
    loop: LoopBuilder
    parent: _Draft | None = None
    params: list[Type] = field(default_factory=list)
    passed: list[int] = field(default_factory=list)
    guards: list[int] = field(default_factory=list)
    end: Any = None
    taken: dict[int, Value] = field(default_factory=dict)

    def argument(self, type: Type) -> Value:
        self.params.append(type)
        return self.loop.emit(Arg(len(self.params) - 1, type))

    def value(self, value: Value) -> Value:
        """Returns a value of the block where the paths began as a value of this block: copies constants, passes others."""
        if value.loop is self.loop:
            return value
        assert self.parent is not None, "a block got a value of another loop, whose number is that of another value here"
        if value.id not in self.taken:
            outer = self.parent.value(value)
            op = outer.loop.body[outer.id].op
            if isinstance(op, Const):
                self.taken[value.id] = self.loop.emit(op)
            else:
                self.passed.append(outer.id)
                self.taken[value.id] = self.argument(value.type)
        return self.taken[value.id]

    def leaf(self, x: Any) -> Any:
        return TracedScalar(x.kind, self.value(x.value), x.span, x.numpy) if is_scalar(x) else x


@dataclass(eq=False)
class _Version:
    """The block of one shape. `first`: the leaves that it was traced for; `open`: which of them are its arguments."""

    draft: _Draft
    first: list[Any]
    open: list[bool]


@dataclass(eq=False)
class GraphBuilder:
    """Builds the graph of one function.

    `varying`: leaves that are arguments, by (shape, number). `lengths`: list lengths, and keys of dicts, at loop heads.
    `growing`: the kinds of those lists and dicts that differ. `texts`: the constant strings of variables at loop heads, as
    many as remain constants. These four persist between passes. `whole`: the function is the UDF itself, whose result may be a
    tuple or dict of several kinds, as of a struct. `splits`: a block ends after each instruction that forks, so that the paths
    meet before the next one. `merges`: lists whose lengths differ become lists of the row wherever paths meet, not only in loops.
    """

    machine: Machine
    outer: dict[int, Any]
    regions: dict[Any, Any]
    whole: bool = False
    splits: bool = False
    merges: bool = False
    varying: set[tuple[Any, int]] = field(default_factory=set)
    lengths: dict[tuple[Any, int], Any] = field(default_factory=dict)
    growing: dict[tuple[Any, int], Any] = field(default_factory=dict)
    texts: dict[tuple[int, str], set[str]] = field(default_factory=dict)
    drafts: list[_Draft] = field(default_factory=list)
    versions: dict[Any, _Version] = field(default_factory=dict)
    work: list[tuple[_Draft, State]] = field(default_factory=list)
    returns: list[tuple[_Draft, Any]] = field(default_factory=list)
    raised: Exception | None = None
    changed: bool = False

    @property
    def code(self) -> Code:
        return self.machine.code

    def build(self, begin: State) -> tuple[Graph, tuple[Kind, ...]]:
        """Returns the graph and the kinds of its results; with several kinds, the first result is the kind's number.

        `begin` has the arguments as variables; symbolic ones become arguments of the region, in the order of `Shape`. The region
        ends without results where the variable WHERE is False. Refuses SW281. Raises the function's own exception when no path
        returns.
        """
        for _ in range(_MOST_PASSES):
            self.drafts, self.versions, self.work, self.returns, self.changed = [], {}, [], [], False
            self.machine.unknown.clear()
            entry = self._draft()
            state = begin.mapped(partial(_argument, entry), self.outer)
            if WHERE in state.variables:
                entry.guards.append(state.variables.pop(WHERE).value.id)
            if state.next in self.code.joins:  # within a loop
                self._go_on(entry, state, self.code.joins)
            else:
                self.work.append((entry, state))
            while self.work:
                self._run(*self.work.pop())
            if not self.changed:
                return self._finished()
        refuse("SW281", limit=_MOST_PASSES)

    def _draft(self, parent: _Draft | None = None) -> _Draft:
        if len(self.drafts) == _MOST_BLOCKS:
            refuse("SW281", limit=_MOST_BLOCKS)
        self.drafts.append(_Draft(len(self.drafts), ProgramBuilder("region", ()).loop("block"), parent))
        return self.drafts[-1]

    def _run(self, draft: _Draft, state: State) -> None:
        run = Explorer(draft.loop, self.code.catches, limit=_MOST_PATHS, regions=self.regions, inside=True)
        tree = run.explore(lambda: self._advance(state.copied(self.outer)))
        places = Counter(leaf.value.next for leaf in leaves(tree) if leaf.error is None)
        self._place(draft, tree, self.code.joins | {next for next, count in places.items() if count > 1})

    def _advance(self, state: State) -> State:
        """Advances to the next join, branch or return."""
        code, first = self.code, True
        while state.result is UNSET and (first or state.next not in code.joins):
            first = False
            branches = code.instructions[state.next].name.startswith(BRANCHES)
            advance(self.machine, code, state)
            if branches or state.writes or (self.splits and explorer().forks):
                break
        return state

    def _place(self, draft: _Draft, tree: Node, joins: frozenset[int]) -> None:
        """Ends a block, or the blocks after it, according to the outcomes in its tree of paths."""
        draft.guards += [draft.value(g.condition).id for g in tree.guards]
        if isinstance(tree, Fork):
            condition = draft.value(tree.condition)
            yes, no = self._draft(draft), self._draft(draft)
            draft.end = (condition.id, yes, no)
            self._place(yes, tree.yes, joins)
            self._place(no, tree.no, joins)
        elif tree.error is not None:
            self.raised = self.raised or tree.error
            draft.end = Leave()
        elif tree.value.result is not UNSET:
            self.returns.append((draft, returned(draft, tree.value.result, self.whole)))
        else:
            self._go_on(draft, tree.value, joins)

    def _go_on(self, draft: _Draft, state: State, joins: frozenset[int]) -> None:
        live = self.code.live[state.next]
        state.variables = {name: x for name, x in state.variables.items() if name in live}
        held = (part for x in (*state.stack, *state.variables.values()) for part in within(x))
        pieces = [x for x in held if type(x) is TracedPieces]
        if pieces:
            instead = {id(x): of_list(x.of(draft.loop, draft.value(x.value))) for x in pieces}
            state = state.mapped(lambda x: x, self.outer, instead)
        if state.writes:
            state = state.mapped(draft.leaf, self.outer, moves=draft.parent is not None).written(draft.loop)
        if state.next not in joins:
            self.work.append((draft, state.mapped(draft.leaf, self.outer, moves=draft.parent is not None)))
            return
        if state.next in self.code.heads:
            state = self._with_texts(draft, state)
        if self.merges or state.next in self.code.heads:
            state = self._with_growing(draft, state)
        shape = Shape(self.outer)
        key = shape.of_state(state)
        version = self.versions.get(key)
        if version is None:
            version = self.versions[key] = self._version(key, state, shape.leaves)
        passed = []
        for number, (leaf, first, is_open) in enumerate(zip(shape.leaves, version.first, version.open, strict=True)):
            if is_open:
                passed.append(_as_value(draft, leaf).id)
            elif not _is_same(leaf, first):
                self.varying.add((key, number))
                self.changed = True
        draft.end = (version.draft, passed)

    def _with_texts(self, draft: _Draft, state: State) -> State:
        """Returns the state at a loop head: a variable with many constant strings, as of ``text += "x"``, is one of the row."""
        for name, x in state.variables.items():
            if type(x) is not str or not is_utf8(x):
                continue
            known = self.texts.setdefault((state.next, name), set())
            if len(known) <= _MOST_TEXTS:
                known.add(x)
                self.changed = self.changed or len(known) > _MOST_TEXTS
            if len(known) > _MOST_TEXTS:
                state.variables[name] = TracedScalar("str", draft.loop.const(x, STR))
        return state

    def _with_growing(self, draft: _Draft, state: State) -> State:
        """Returns the state at a loop head; lists whose length differs between rounds become lists of the row."""
        shape = Shape(self.outer, loose=True)
        key = shape.of_state(state)
        instead: dict[int, Any] = {}
        for number, items in enumerate(shape.lists):
            place = (key, number)
            kind, size = varying(items)
            differs = size is None or self.lengths.setdefault(place, size) != size
            if kind is not None and place in self.growing:
                kind_of_all = of_both(self.growing[place], kind)
            else:
                kind_of_all = kind if differs else None
            if kind_of_all is not None and kind_of_all != self.growing.get(place):
                self.growing[place], self.changed = kind_of_all, True
            known = self.growing.get(place)
            if type(items) is Mapping and known is not None:
                log = as_logged(draft, items, kind, known)
                instead.update({id(items): log} if log is not None else {})
            if isinstance(known, Records | Lists | Stored):
                check_shared(state, items, known, self.outer)
                made = of_kind(draft, items, kind, known, (state.next, 1 + number))
                instead.update({id(items): made} if made is not None else {})
            elif type(items) is not Mapping and known is not None:
                made = as_known(draft, items, kind, known)
                instead.update({id(items): made} if made is not None else {})
        return state.mapped(lambda x: x, self.outer, instead) if instead else state

    def _version(self, key: Any, state: State, leaves: Sequence[Any]) -> _Version:
        draft = self._draft()
        open_ = [is_scalar(x) or (key, n) in self.varying for n, x in enumerate(leaves)]
        remaining = iter(open_)

        def argument(x: Any) -> Any:
            if not next(remaining):
                return x
            kind, numpy = kind_of_leaf(x)
            return TracedScalar(kind, draft.argument(TYPES[kind]), numpy=numpy)

        self.work.append((draft, state.mapped(argument, self.outer)))
        return _Version(draft, list(leaves), open_)

    def _finished(self) -> tuple[Graph, tuple[Kind, ...]]:
        if self.machine.unknown:
            refuse("SW282", what="an empty list in a list of lists that it assigns to,")
        self._settle_empty_lists()
        kinds = tuple(sorted({kind_of_whole(x) for _, x in self.returns}, key=order_of))
        if not kinds and self.raised is not None:
            raise self.raised
        if not kinds:
            refuse("SW284")
        types = ([I64] if len(kinds) > 1 else []) + [type for kind in kinds for type in types_of(kind)]
        for draft, x in self.returns:
            draft.end = Return(results_of(draft.loop, x, kinds))
        self._check_ops()
        return Graph(tuple(_block(d) for d in self.drafts), tuple(types)).check(), kinds

    def _settle_empty_lists(self) -> None:
        """Turns empty lists into the kind of the other returned lists, if these have a single kind."""
        lists: set[Any] = {(x.kind, x.numpy) for _, x in self.returns if is_list(x)}
        lists |= {x.kind for _, x in self.returns if type(x) in (TracedRecords, TracedLists)}
        if len(lists) != 1:
            return
        (kind,) = lists
        for at, (draft, x) in enumerate(self.returns):
            if type(x) is list:
                self.returns[at] = (draft, empty_of(draft.loop, kind))

    def _check_ops(self) -> None:
        """Refuses (SW258) a graph with too many values for a region."""
        ops = [let.op for draft in self.drafts for let in draft.loop.body if not isinstance(let.op, Arg)]
        if len(ops) > _MOST_VALUES:
            refuse("SW258", limit=_MOST_VALUES)


def _argument(draft: _Draft, x: Any) -> Any:
    return TracedScalar(x.kind, draft.argument(x.value.type), x.span, x.numpy) if is_scalar(x) else x


def _as_value(draft: _Draft, x: Any) -> Value:
    if is_scalar(x):
        return draft.value(x.value)
    return draft.loop.const(x, TYPES[type(x).__name__])


def _is_same(a: Any, b: Any) -> bool:
    return not is_scalar(a) and type(a) is type(b) and repr(a) == repr(b)


def _block(draft: _Draft) -> Block:
    return Block(tuple(draft.params), tuple(draft.loop.body), tuple(dict.fromkeys(draft.guards)), _end(draft.end))


def _end(end: Any) -> End:
    match end:
        case (int() as condition, _Draft() as yes, _Draft() as no):
            return Branch(condition, Jump(yes.number, tuple(yes.passed)), Jump(no.number, tuple(no.passed)))
        case (_Draft() as target, list() as passed):
            return Jump(target.number, tuple(passed))
    assert isinstance(end, Return | Leave)
    return end
