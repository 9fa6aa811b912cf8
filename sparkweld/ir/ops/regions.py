"""Defines the op of a scalar function with branches and loops: a control-flow graph of basic blocks, run for each row.

Basic blocks take arguments, as in MLIR, instead of phi nodes: a value reaches another block only as an argument of a jump. The
ops in a block are those of a loop's body, so a region defines no arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from sparkweld.errors import VerifyError
from sparkweld.ir.ops.base import Array, Let, Op, Optional, of_rows
from sparkweld.ir.ops.elementwise import LIBM_ULP, Call
from sparkweld.ir.ops.leaves import Const, Read
from sparkweld.ir.ops.lists import ListStore
from sparkweld.ir.types import BOOL, F64, I64, STR, Type

#: Maximum number of backward jumps of one row before the region leaves without results.
STEPS = 1 << 22

#: As above, where a run must be short and the region stores elements of lists in place.
_STEPS_IN_PLACE = 300

#: Functions of libm, as Python calls them.
LIBM: dict[str, Callable[..., float]] = {
    **{name: getattr(math, name) for name in "exp expm1 log log2 log10 log1p sin cos tan sinh cosh tanh".split()},
    **{name: getattr(math, name) for name in ("exp2", "cbrt") if hasattr(math, name)},  # since 3.11
    "arcsin": math.asin, "arccos": math.acos, "arctan": math.atan, "arcsinh": math.asinh, "arccosh": math.acosh,
    "arctanh": math.atanh, "arctan2": math.atan2, "power": math.pow, "float_power": math.pow,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Arg(Op):
    """Argument `number` of the enclosing basic block."""

    number: int
    type: Type
    name: ClassVar[str] = "arg"

    def infer(self, *args: Type) -> Type:
        self._wants(not args, "no argument", args)
        return self.type

    def evaluate(self, *args: Array) -> Array:
        raise VerifyError("arg has no meaning outside of a region")


@dataclass(frozen=True, slots=True)
class Jump:
    """A jump to the block `target` with these values as its arguments."""

    target: int
    args: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Branch:
    """One jump where the bool value `condition` is True, another where it is False."""

    condition: int
    yes: Jump
    no: Jump


@dataclass(frozen=True, slots=True)
class Return:
    """The end of the region, with a value for each result."""

    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Leave:
    """The end of the region without results."""


End = Jump | Branch | Return | Leave


@dataclass(frozen=True, slots=True)
class Block:
    """A basic block. `params`: types of its arguments. Where one of `guards` is False, the region ends without results."""

    params: tuple[Type, ...]
    body: tuple[Let, ...]
    guards: tuple[int, ...]
    end: End

    @property
    def jumps(self) -> tuple[Jump, ...]:
        """The jumps that may end the block."""
        if isinstance(self.end, Branch):
            return self.end.yes, self.end.no
        return (self.end,) if isinstance(self.end, Jump) else ()


@dataclass(frozen=True, slots=True)
class Graph:
    """Basic blocks; the first one takes the arguments of the region. `results`: types of the results."""

    blocks: tuple[Block, ...]
    results: tuple[Type, ...]
    _hash: list[int] = field(default_factory=list, compare=False, repr=False)

    def __hash__(self) -> int:
        if not self._hash:  # computed once, since passes look up ops by their hash
            self._hash.append(hash((self.blocks, self.results)))
        return self._hash[0]

    def __reduce__(self) -> tuple[type[Graph], tuple[tuple[Block, ...], tuple[Type, ...]]]:
        return Graph, (self.blocks, self.results)  # another process has other hashes

    def check(self) -> Graph:
        """Returns the graph itself. Raises VerifyError for inconsistent values, blocks or types."""
        known = all(t in (I64, F64, STR) or (t.is_list and not t.nullable) for t in self.results)
        if not self.blocks or not self.results or not known:
            raise VerifyError("a region requires blocks, and results of type i64, f64, str or lists")
        for number, block in enumerate(self.blocks):
            try:
                self._check_block(block)
            except VerifyError as error:
                raise VerifyError(f"block {number} of a region: {error}") from None
        return self

    def _check_block(self, block: Block) -> None:
        types = types_of(block)
        if any(not (0 <= g < len(types) and types[g] == BOOL) for g in block.guards):
            raise VerifyError("a guard is not a bool value of the block")
        for jump in block.jumps:
            if not 0 <= jump.target < len(self.blocks):
                raise VerifyError(f"a jump leads to block {jump.target}, which does not exist")
            self._check_values(jump.args, types, self.blocks[jump.target].params, f"jump to block {jump.target}")
        if isinstance(block.end, Return):
            self._check_values(block.end.values, types, self.results, "return")
        if isinstance(block.end, Branch):
            self._check_values((block.end.condition,), types, (BOOL,), "branch")

    @staticmethod
    def _check_values(values: Sequence[int], types: Sequence[Type], wanted: Sequence[Type], what: str) -> None:
        got = tuple(types[v] if 0 <= v < len(types) else None for v in values)
        if got != tuple(wanted):
            raise VerifyError(f"{what} expects ({', '.join(map(str, wanted))}), got ({', '.join(map(str, got))})")

    def run(self, args: Sequence[np.ndarray], steps: int) -> tuple[list[np.ndarray], np.ndarray]:
        """Returns (an array for each result, which rows have results). Rows in the same block run together."""
        rows = max((len(a) for a in args), default=1)
        results = [np.full(rows, t.zero, t.dtype) for t in self.results]
        valid, left = np.zeros(rows, np.bool_), np.full(rows, steps)
        waiting: dict[int, list[tuple[np.ndarray, list[Array]]]] = {0: [(np.arange(rows), list(args))]}
        while waiting:
            number = min(waiting)
            at, given = _together(waiting.pop(number))
            block = self.blocks[number]
            values, decided = _evaluated(block, given, len(at))
            if isinstance(block.end, Return):
                for result, value in zip(results, block.end.values, strict=True):
                    result[at[decided]] = values[value][decided]  # type: ignore[index]
                valid[at[decided]] = True
            for jump, taken in _taken(block, values, decided):
                if jump.target <= number:
                    left[at[taken]] -= 1
                    taken = taken & (left[at] >= 0)
                if taken.any():
                    passed = [_some(values[a], taken) for a in jump.args]
                    waiting.setdefault(jump.target, []).append((at[taken], passed))
        return results, valid


def types_of(block: Block) -> list[Type]:
    """Returns the type of each value of a block. Raises VerifyError."""
    types: list[Type] = []
    for index, let in enumerate(block.body):
        if any(not 0 <= a < index for a in let.args) or isinstance(let.op, Read):
            raise VerifyError(f"%{index} = {let.op.name}: an argument is not an earlier value")
        if isinstance(let.op, Arg) and block.params[let.op.number : let.op.number + 1] != (let.op.type,):
            raise VerifyError(f"%{index} = arg: the block has no argument {let.op.number} of type {let.op.type}")
        if isinstance(let.op, Call) and let.op.fn in LIBM_ULP and not types[let.args[0]].is_int:  # a power of ints is exact
            if let.op.fn not in LIBM or types[let.args[0]] != F64:
                raise VerifyError(f"{let.op.fn} is not a libm function that Python calls")
        types.append(let.op.infer(*(types[a] for a in let.args)))
    return types


def _together(parts: list[tuple[np.ndarray, list[Array]]]) -> tuple[np.ndarray, list[Array]]:
    if len(parts) == 1:
        return parts[0]
    columns = zip(*(given for _, given in parts), strict=True)
    return np.concatenate([at for at, _ in parts]), [np.concatenate(column) for column in columns]


def _evaluated(block: Block, given: Sequence[Array], rows: int) -> tuple[list[Array], np.ndarray]:
    """Returns (values of the block, the rows whose guards hold)."""
    values: list[Array] = []
    for let in block.body:
        if isinstance(let.op, Arg):
            values.append(given[let.op.number])
            continue
        operands = [values[a] for a in let.args]
        if isinstance(let.op, Call) and let.op.fn in LIBM and np.asarray(operands[0]).dtype == np.float64:
            values.append(_libm(let.op, operands))
            continue
        values.append(of_rows(let.op.evaluate(*operands), rows))
    decided = np.ones(rows, np.bool_)
    for guard in block.guards:
        decided = decided & np.asarray(values[guard])
    return values, decided


def _libm(op: Call, operands: Sequence[Any]) -> np.ndarray:
    function = LIBM[op.fn]

    def row(*xs: float) -> float:
        try:
            return function(*xs)
        except (ValueError, OverflowError):  # the infinities and NaN of libm
            return float(op.ufunc(*xs))

    with np.errstate(all="ignore"):
        return np.array([row(*xs) for xs in zip(*(o.tolist() for o in operands), strict=True)], np.float64)


def _taken(block: Block, values: Sequence[Array], decided: np.ndarray) -> list[tuple[Jump, np.ndarray]]:
    if isinstance(block.end, Branch):
        condition = np.asarray(values[block.end.condition])
        return [(block.end.yes, decided & condition), (block.end.no, decided & ~condition)]
    return [(jump, decided) for jump in block.jumps]


def _some(array: Array, rows: np.ndarray) -> Array:
    return array[rows]  # type: ignore[index]


@dataclass(frozen=True, slots=True)
class Region(Op):
    """Result `output` of the graph; NULL where the region ends without results.

    It ends so at a guard that is False, at `leave`, and after `steps` backward jumps. Functions of libm compute libm's own bits.
    """

    graph: Graph
    output: int = 0
    steps: int = STEPS
    name: ClassVar[str] = "region"

    def hurried(self, steps: int) -> Region:
        """Returns the region with at most `steps` backward jumps, and at most their square root in each run of a region in it.

        A region that stores elements of lists in place has fewer: `evaluate` copies the list for each store.
        """
        if any(isinstance(let.op, ListStore) for block in self.graph.blocks for let in block.body):
            steps = min(steps, _STEPS_IN_PLACE)
        if self.steps <= steps:
            return self
        blocks = (replace(block, body=hurried(block.body, math.isqrt(steps))) for block in self.graph.blocks)
        return replace(self, graph=Graph(tuple(blocks), self.graph.results), steps=steps)

    def infer(self, *args: Type) -> Type:
        graph = _checked(self.graph)
        wanted = graph.blocks[0].params
        self._wants(bool(args) and args == wanted, f"({', '.join(map(str, wanted))})", args)
        if not 0 <= self.output < len(graph.results) or self.steps < 0:
            raise VerifyError(f"a region of {len(graph.results)} result(s) has no result {self.output}")
        return graph.results[self.output].optional()

    def at(self, output: int) -> Region:
        """Returns the op for another result of the same graph."""
        return replace(self, output=output)

    def evaluate(self, *args: Array) -> Array:
        return self.evaluate_all(*args)[self.output]

    def evaluate_all(self, *args: Array) -> list[Array]:
        """Returns all results of the graph."""
        results, valid = self.graph.run([np.atleast_1d(a) for a in np.broadcast_arrays(*args)], self.steps)  # type: ignore[arg-type]
        return [Optional(result, valid) for result in results]


def hurried(body: Sequence[Let], steps: int) -> tuple[Let, ...]:
    """Returns the body with `Region.hurried` in place of each region."""
    return tuple(replace(let, op=let.op.hurried(steps)) if isinstance(let.op, Region) else let for let in body)


@lru_cache(maxsize=256)
def _checked(graph: Graph) -> Graph:
    return graph.check()


def _block(params: tuple[Type, ...], body: Sequence[tuple[Op, tuple[int, ...]]], end: End, guards: tuple[int, ...] = ()) -> Block:
    arguments = (Let(Arg(number, type)) for number, type in enumerate(params))
    return Block(params, (*arguments, *(Let(op, args) for op, args in body)), guards, end)


#: The greatest common divisor; leaves where the remainder would overflow.
_GCD = Graph(
    (
        _block((I64, I64), [(Const("0", I64), ()), (Call("not_equal"), (1, 2))], Branch(3, Jump(1, (0, 1)), Jump(2, (0,)))),
        _block(
            (I64, I64),
            [(Const(str(-(2**63)), I64), ()), (Call("not_equal"), (0, 2)), (Call("remainder"), (0, 1))],
            Jump(0, (1, 4)),
            guards=(3,),
        ),
        _block((I64,), [], Return((0,))),
    ),
    (I64,),
)
#: The square root by Newton's method, and the number of its steps; leaves at an approximation that is not positive.
_NEWTON = Graph(
    (
        _block((F64,), [(Const("0", I64), ()), (Call("exp"), (0,))], Jump(1, (0, 0, 1))),
        _block(
            (F64, F64, I64),
            [
                (Call("multiply"), (1, 1)), (Call("subtract"), (3, 0)), (Call("fabs"), (4,)),
                (Const("0x1.0p-20", F64), ()), (Call("greater"), (5, 6)),
            ],
            Branch(7, Jump(2, (0, 1, 2)), Jump(3, (1, 2))),
        ),
        _block(
            (F64, F64, I64),
            [
                (Call("divide"), (0, 1)), (Call("add"), (1, 3)), (Const("0x1.0p-1", F64), ()), (Call("multiply"), (4, 5)),
                (Const("1", I64), ()), (Call("add"), (2, 7)), (Const("0x0.0p+0", F64), ()), (Call("greater"), (1, 9)),
            ],
            Branch(10, Jump(1, (0, 6, 8)), Jump(4)),
        ),
        _block((F64, I64), [], Return((0, 1))),
        _block((), [], Leave()),
    ),
    (F64, I64),
)
Region.examples = ((Region(_GCD), (I64, I64)), *((Region(_NEWTON, output, 100), (F64,)) for output in (0, 1)))
