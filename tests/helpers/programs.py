"""Draws random well-typed programs and batches for them, over every op, type, NULL and domain of the IR.

`programs()` is a Hypothesis strategy; `batch(program, rows, seed)` returns inputs rich in edge values. Both the optimizer and
the kernels are tested with them against `evaluate`.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from hypothesis import strategies as st

from sparkweld.ir import ROWS, Input, LoopBuilder, Program, ProgramBuilder, Result, Type, Value
from sparkweld.ir.ops import OPS, Array, Call, Cast, ModelOp, Op, Optional
from sparkweld.ir.types import BOOL, DTYPES, F64, INTEGERS_OF_TIMES, LISTS, STR, Items
from tests.helpers.strings import TEXTS, random_texts

KINDS = tuple(DTYPES)


def op_key(op: Op) -> str:
    """Returns the name that a draw picks first, so that functions with many inner loops are as likely as those with few."""
    return op.fn if isinstance(op, Call) else op.name


def _examples() -> dict[str, list[tuple[Op, tuple[Type, ...]]]]:
    by_key: dict[str, list[tuple[Op, tuple[Type, ...]]]] = defaultdict(list)
    for cls in OPS:
        for op, types in cls.examples:
            if types:
                by_key[op_key(op)].append((op, types))
    return dict(by_key)


EXAMPLES = _examples()
#: The constant blocks of the examples, for programs in text form.
BLOCKS = [op.block for examples in EXAMPLES.values() for op, _ in examples if isinstance(op, ModelOp)]

#: Ops that shape programs rather than compute: drawn more often than one in two hundred.
_FREQUENT = ("select", "optional", "value_of", "is_valid", "cast", "logical_and", "logical_or", "logical_not", "isnan", "add")


def edges(type: Type) -> np.ndarray:
    """Returns the edge values of a type."""
    if type == BOOL:
        return np.array([False, True])
    if type == STR:
        return np.array(TEXTS, object)
    if type.is_list:
        element = edges(type.element)
        return np.array([Items(type.element.kind, tuple(element[:n].tolist())) for n in (0, 1, 2, 5, len(element))], object)
    if type.is_float:
        limits = np.finfo(type.dtype)
        values = [0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 1.5, 2.5, -2.0, 3.0, 127.5, 1e10, -1e10, 2.0**31, 2.0**53, 2.0**63, 1e30]
        values += [float(limits.max), float(limits.min), float(limits.tiny), float(limits.smallest_subnormal)]
        return np.array([*values, np.nan, np.inf, -np.inf], type.dtype)
    limits = np.iinfo(type.dtype)
    return np.array([0, 1, -1, 2, -2, 3, 7, 63, 100, limits.max, limits.min, limits.max - 1, limits.min + 1], type.dtype)


@st.composite
def programs(draw: st.DrawFn, max_loops: int = 4, max_values: int = 10, keys: tuple[str, ...] = ()) -> Program:
    """Draws a verified program. `keys`: names of elementwise functions and ops to draw from; empty means all."""
    inputs = [Input(f"in{i}", draw(_types())) for i in range(draw(st.integers(1, 4)))]
    builder = ProgramBuilder("random", inputs)
    domains: dict[str, list[str]] = {ROWS: [i.name for i in inputs]}
    parents = {ROWS: ""}
    for number in range(draw(st.integers(1, max_loops))):
        domain = draw(st.sampled_from([*domains, list(domains)[-1]]))
        loop = builder.loop(f"loop{number}", domain)
        grower = _Grower(draw, loop, _visible(domain, domains, parents), keys)
        grower.grow(draw(st.integers(max_values // 2, max_values)))
        made = _close(draw, grower, number)
        names = [append.column for append in loop.appends]
        if made:
            domains[made], parents[made] = names, domain
        else:
            domains[domain] += names
    domain = draw(st.sampled_from([*domains, list(domains)[-1]]))
    made = [name for name in domains[domain] if name.startswith("c")] or domains[domain]
    outputs = draw(st.lists(st.sampled_from(made), min_size=1, max_size=3, unique=True)) if made else []
    return builder.finish(draw(st.sampled_from([outputs, outputs, outputs, []])))


def _types() -> st.SearchStrategy[Type]:
    return st.builds(Type, st.sampled_from(KINDS), st.booleans())


def _visible(domain: str, domains: dict[str, list[str]], parents: dict[str, str]) -> list[str]:
    columns: list[str] = []
    while domain:
        columns += domains[domain]
        domain = parents[domain]
    return columns


def _close(draw: st.DrawFn, grower: _Grower, number: int) -> str | None:
    """Adds appends, guards and sometimes a `where`; returns the domain that the loop creates."""
    loop, values = grower.loop, grower.values
    for at in range(draw(st.integers(1, 3)) if draw(st.integers(0, 9)) else 0):
        loop.append(f"c{number}_{at}", draw(st.sampled_from([*values, *values[-3:]])))
    for _ in range(draw(st.integers(0, 2))):
        loop.guard(grower.of_type(BOOL))
    if not draw(st.integers(0, 3)):
        loop.guard_some(grower.of_type(BOOL))
    if not draw(st.booleans()):
        loop.close()
        return None
    loop.close(where=grower.of_type(BOOL), makes=f"d{number}")
    return f"d{number}"


class _Grower:
    """Draws the values of one loop."""

    def __init__(self, draw: st.DrawFn, loop: LoopBuilder, columns: list[str], keys: tuple[str, ...]) -> None:
        self.draw, self.loop, self.columns = draw, loop, columns
        self.keys = keys or tuple(sorted(EXAMPLES))
        self.values: list[Value] = []

    def grow(self, count: int) -> None:
        frequent = [key for key in _FREQUENT if key in self.keys] or list(self.keys)
        self.values += [self.read(), self.read()]
        for _ in range(count):
            what = self.draw(st.sampled_from(["read", "op", "op", "frequent", "frequent"]))
            if what == "read":
                self.values.append(self.read())
                continue
            key = self.draw(st.sampled_from(frequent if what == "frequent" else self.keys))
            op, types = self.draw(st.sampled_from(EXAMPLES[key]))
            self.values.append(self.loop.emit(op, *(self.of_type(t) for t in types)))

    def read(self) -> Value:
        if not self.columns:
            return self.constant(F64)
        return self.loop.read(self.draw(st.sampled_from(self.columns)))

    def of_type(self, type: Type) -> Value:
        """Returns a value of the type: an existing one, one derived from it, or a constant."""
        found = [v for v in self.values if v.type == type]
        if found and self.draw(st.integers(0, 9)):
            return self.draw(st.sampled_from(found))
        if type.nullable:
            return self.loop.optional(self.of_type(type.plain()), self.of_type(BOOL))
        sources = [v for v in self.values if v.type.kind == type.kind or _casts(v.type.plain(), type)]
        if sources and self.draw(st.integers(0, 7)):
            source = self.loop.value_of(self.draw(st.sampled_from(sources)))
            return source if source.type == type else self.loop.emit(Cast(type), source)
        return self.constant(type)

    def constant(self, type: Type) -> Value:
        return self.loop.const(self.draw(st.sampled_from(list(edges(type)))), type)


def _casts(of: Type, to: Type) -> bool:
    kinds = {of.kind, to.kind}
    return kinds in map(set, INTEGERS_OF_TIMES.items()) or (of != to and not kinds & {*INTEGERS_OF_TIMES, *LISTS, "str"})


def batch(program: Program, rows: int, seed: int) -> dict[str, Array]:
    """Returns random input columns: a third edge values, a third small numbers, a third random bits; arbitrary values where
    NULL.
    """
    random = np.random.default_rng(seed)
    return {i.name: _column(random, i.type, rows) for i in program.inputs}


def _column(random: np.random.Generator, type: Type, rows: int) -> Array:
    values = _values(random, type.plain(), rows)
    if not type.nullable:
        return values
    rate = random.choice([0.0, 0.2, 1.0], p=[0.15, 0.7, 0.15])
    return Optional(values, random.random(rows) >= rate)


def _values(random: np.random.Generator, type: Type, rows: int) -> np.ndarray:
    if type == BOOL:
        return random.random(rows) < 0.5
    if type == STR:
        return random_texts(random, rows)
    if type.is_list:
        elements = _values(random, type.element, 3 * rows).tolist()
        ends = np.sort(random.integers(0, 3 * rows + 1, rows + 1))
        made = [Items(type.element.kind, tuple(elements[a:b])) for a, b in zip(ends[:-1], ends[1:], strict=True)]
        return np.array(made, object)
    small = random.integers(-20, 20, rows).astype(type.dtype)
    if type.is_float:
        small = small / type.dtype.type(4)
    bits = np.frombuffer(random.bytes(rows * type.dtype.itemsize), type.dtype)
    which = random.integers(0, 3, rows)
    return np.choose(which, [random.choice(edges(type), rows), small, bits])


def assert_equal_results(ours: Result, theirs: Result) -> None:
    """Asserts bitwise equal columns, selections and flagged rows; NaN payloads and values under NULL are ignored."""
    np.testing.assert_array_equal(ours.selection, theirs.selection)
    np.testing.assert_array_equal(ours.flagged, theirs.flagged)
    assert list(ours.columns) == list(theirs.columns)
    for name, column in ours.columns.items():
        assert_equal_arrays(column, theirs.columns[name], name)


def assert_equal_arrays(ours: Array, theirs: Array, name: str = "") -> None:
    """Asserts bitwise equality; NaN payloads and values under NULL are ignored."""
    assert isinstance(ours, Optional) == isinstance(theirs, Optional), name
    if isinstance(ours, Optional) and isinstance(theirs, Optional):
        np.testing.assert_array_equal(ours.valid, theirs.valid, err_msg=f"{name}: valid")
        ours, theirs = ours.values[ours.valid], theirs.values[theirs.valid]
    assert ours.dtype == theirs.dtype, name
    # of lists, NumPy calls Python, where any code that runs meanwhile may set the processor's flag of invalid operations
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(ours, theirs, err_msg=name)
    if ours.dtype.kind == "f":
        number = ~np.isnan(ours)
        np.testing.assert_array_equal(np.signbit(ours[number]), np.signbit(theirs[number]), err_msg=f"{name}: sign of zero")
