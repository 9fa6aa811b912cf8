"""Represents sparse matrices of terms lazily: a text vectoriser's strings and analyzers, up to a model's sums.

scikit-learn's sparse matrix is in CSR form with ascending columns, and SciPy multiplies it with a dense matrix in that order, row
after row. The sums here do the same additions, so scores are equal, not only close.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.ops import TextSums, VectorSums
from sparkweld.ir.text_models import LOG, MOST_STEPS, NORM_L1, NORM_L2, NORM_MAX, SCALE, SIGNED, Analyzer, Step
from sparkweld.ir.types import F64, I64
from udf_compiler.frontends.models.by_version import validate_data
from udf_compiler.frontends.models.features import Features, guard_finite
from udf_compiler.frontends.models.labels import keep
from udf_compiler.frontends.models.sums import Scores
from udf_compiler.frontends.pandas.calls.reductions import argmax
from udf_compiler.frontends.tracing.lower import run_prototype
from udf_compiler.frontends.tracing.session import check_size, refuse

#: The setting `norm` of an estimator -> its step.
NORMS = {"l1": NORM_L1, "l2": NORM_L2, "max": NORM_MAX}
#: The limit on weights: more would make a constant block of over a gigabyte.
_MOST_WEIGHTS = 1 << 27


@dataclass(frozen=True)
class TextPart:
    """Columns of the terms of one string: the `chosen` of `columns`. `vocabulary`: term -> column, or None for hashing."""

    text: Value
    analyzer: Analyzer
    vocabulary: Mapping[str, int] | None
    columns: int
    hash: int = SIGNED
    steps: tuple[Step, ...] = ()
    chosen: np.ndarray | None = None

    @property
    def width(self) -> int:
        return self.columns if self.chosen is None else len(self.chosen)

    def step(self, kind: int, numbers: np.ndarray | None = None) -> TextPart:
        """Returns a copy with one more step; `numbers`: one per column, for SCALE."""
        if kind == SCALE and self.chosen is not None:
            assert numbers is not None
            numbers = self._spread(numbers)
        return replace(self, steps=(*self.steps, (kind, numbers)))

    def select(self, positions: np.ndarray) -> TextPart:
        """Returns a copy with some of the columns; the others become zero for later steps."""
        chosen = positions if self.chosen is None else self.chosen[positions]
        mask = np.zeros(self.columns)
        mask[chosen] = 1
        return replace(self, steps=(*self.steps, (SCALE, mask)), chosen=chosen)

    def sums(self, loop: LoopBuilder, weights: np.ndarray, starts: Sequence[Value]) -> list[Value]:
        """Returns ``starts + x @ weights``, from 0 without starts."""
        spread = weights if self.chosen is None else np.column_stack([self._spread(w) for w in weights.T])
        terms = self.columns if self.vocabulary is None else self.vocabulary
        op = TextSums.of(self.analyzer, terms, spread, self.steps, bool(starts), self.hash)
        return [loop.emit(op.at(i), self.text, *starts) for i in range(weights.shape[1])]

    def _spread(self, numbers: np.ndarray) -> np.ndarray:
        assert self.chosen is not None
        spread = np.zeros(self.columns)
        spread[self.chosen] = numbers
        return spread


@dataclass(frozen=True)
class NumberPart:
    """Numeric columns beside those of terms; zeros are not stored and add nothing."""

    values: tuple[Value, ...]

    @property
    def width(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class VectorPart:
    """The numbers of a stored Spark vector, dense or sparse in each row: the arguments of `VectorSums`."""

    arguments: tuple[Value, Value, Value]
    width: int
    steps: tuple[Step, ...] = ()

    def step(self, kind: int, numbers: np.ndarray | None = None) -> VectorPart:
        """Returns a copy with one more step; `numbers`: one per column, for SCALE."""
        return replace(self, steps=(*self.steps, (kind, numbers)))

    def sums(
        self, loop: LoopBuilder, weights: np.ndarray, starts: Sequence[Value], check: str
    ) -> tuple[list[Value], list[Value]]:
        """Returns ``starts + x @ weights``, from 0 without starts, and bounds on differences from Spark, which adds dense rows by
        BLAS.

        Guards rows that are not vectors of this width, or whose values violate `check`.
        """
        op = VectorSums.of(weights, self.steps, check, bool(starts))
        outputs = weights.shape[1]
        fine, *made = (loop.emit(op.at(at), *self.arguments, *starts) for at in range(1 + 2 * outputs))
        loop.guard(loop.call("equal", fine, loop.const(1, I64)), local=True)
        return made[:outputs], made[outputs:]


Part = TextPart | NumberPart | VectorPart


@dataclass(frozen=True)
class Terms:
    """A sparse matrix with columns of terms, as estimators see it: `parts` side by side over the rows of `loop`.

    An attribute of `Features` that it lacks is refused (SW852).
    """

    loop: LoopBuilder
    parts: tuple[Part, ...]
    dtype: np.dtype = field(default=np.dtype(np.float64))

    sparse = True
    has_texts = False
    names = None
    ndim = 2

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        refuse("SW852", what=f"an estimator (by `{name}`)")

    @property
    def width(self) -> int:
        return sum(part.width for part in self.parts)

    @property
    def kept(self) -> bool:
        """Whether some value is approximate: not bit-equal to the library's."""
        return any(kind == LOG for part in self.parts if isinstance(part, TextPart) for kind, _ in part.steps)

    def array(self, columns: Sequence[Value], **changes: Any) -> Features:
        """Returns an array of numbers over the same rows."""
        return Features(self.loop, tuple(columns), **{"kept": self.kept, **changes})

    def validated(self, model: Any, call: str, finite: bool | str, options: Mapping[str, Any]) -> Terms:
        """Applies ``validate_data(model, x, reset=False, **options)``. Refuses SW252 where it raises, SW852 for other formats."""
        prototype = importlib.import_module("scipy.sparse").csr_matrix((1, self.width), dtype=self.dtype)
        made = run_prototype(call, validate_data, model, prototype, **{"reset": False, **options})
        if made.dtype not in (np.float64, np.int64) or made.format != "csr":
            refuse("SW852", what=f"{call}, as {made.format} of {made.dtype},")
        values = [v for part in self.parts if isinstance(part, NumberPart) for v in part.values]
        if finite is not False:
            guard_finite(self.loop, [v for v in values if v.type.is_float], allow_nan=finite == "allow-nan")
        return replace(self, dtype=made.dtype)

    def scaled(self, numbers: np.ndarray) -> Terms:
        """Returns each column times its number."""
        made: list[Part] = []
        at = 0
        for part in self.parts:
            of_part = np.asarray(numbers[at : at + part.width], np.float64)
            at += part.width
            made.append(_times(self.loop, part, of_part) if isinstance(part, NumberPart) else part.step(SCALE, of_part))
        return replace(self, parts=tuple(made), dtype=np.dtype(np.float64))

    def select(self, support: np.ndarray) -> Terms:
        """Returns the columns of a mask."""
        made: list[Part] = []
        at = 0
        for part in self.parts:
            positions = np.flatnonzero(support[at : at + part.width])
            at += part.width
            if isinstance(part, TextPart):
                made.append(part.select(positions))
            elif isinstance(part, NumberPart):
                made.append(NumberPart(tuple(part.values[i] for i in positions)))
            else:
                refuse("SW852", what="a selector")
        return replace(self, parts=tuple(made))

    def step(self, kind: int, call: str, numbers: np.ndarray | None = None) -> Terms:
        """Adds a step that reads whole rows. Refuses (SW852) more than one part."""
        (part,) = self.parts if len(self.parts) == 1 else (None,)
        if not isinstance(part, TextPart | VectorPart):
            refuse("SW852", what=call)
        return replace(self, parts=(part.step(kind, numbers),))

    def scores(
        self, weights: np.ndarray, offsets: np.ndarray, call: str, first: bool = False, check: str = "none"
    ) -> ExactScores | StoredScores:
        """Returns ``x @ weights + offsets``; if `first`, ``offsets + x @ weights``. Refuses SW853 weights of 32 bits or too many.

        `check`: the condition on the values of a stored vector, see `VectorSums`.
        """
        if weights.dtype != np.float64 or weights.size > _MOST_WEIGHTS:
            refuse("SW853", call=call, dtype=f"{weights.dtype}[{weights.size}]")
        loop, at = self.loop, 0
        slack: list[Value] = []
        sums = [loop.const(float(offset), F64) for offset in offsets] if first else []
        for part in self.parts:
            of_part = weights[at : at + part.width]
            at += part.width
            if isinstance(part, TextPart):
                if len(part.steps) > MOST_STEPS:
                    refuse("SW852", what=f"more than {MOST_STEPS} steps in a row")
                sums = part.sums(loop, of_part, sums)
            elif isinstance(part, VectorPart):
                sums, slack = part.sums(loop, of_part, sums, check)
            else:
                sums = _number_sums(loop, part, of_part, sums)
        values = tuple(
            loop.call("add", total, loop.const(float(offset), F64)) if offset and not first else total
            for total, offset in zip(sums, offsets, strict=True)
        )
        check_size(loop)
        if slack:
            return StoredScores(self, weights, offsets, values, F64, tuple(slack))  # type: ignore[arg-type]
        return ExactScores(self, weights, offsets, values, F64, self.kept)  # type: ignore[arg-type]


@dataclass(frozen=True)
class ExactScores(Scores):
    """Scores that are bit-equal to the library's, so that nothing is guarded; logarithms are the exception."""

    logarithms: bool = False

    def kept(self, call: str) -> None:
        if self.logarithms:
            keep("log", "1 ULP of the logarithm of counts past 4095", call)

    def positive(self, fn: str = "greater") -> Value:
        return self.x.loop.call(fn, self.values[0], self.x.loop.const(0, F64))

    def largest(self) -> Value:
        return argmax(self.x.loop, self.values)


@dataclass(frozen=True)
class StoredScores(Scores):
    """Scores of stored vectors, bit-equal to Spark's for sparse rows. `sizes`: sums of all ``|x * w|`` of dense rows, else 0."""

    sizes: tuple[Value, ...] = ()

    def error(self, at: int) -> Value:
        """Returns the bound on a score's difference from Spark's: 0 where the row is sparse."""
        loop, info = self.x.loop, np.finfo(np.float64)
        dense = loop.call("not_equal", self.sizes[at], loop.const(0.0, F64))  # true for NaN, too
        size = loop.call("add", self.sizes[at], loop.const(abs(float(self.offsets[at])), F64))
        scaled = loop.call("multiply", size, loop.const(2 * (self.terms + 2) * float(info.eps), F64))
        bound = loop.call("add", scaled, loop.const(self.terms * float(info.tiny), F64))
        return loop.select(dense, bound, loop.const(0.0, F64))


def _times(loop: LoopBuilder, part: NumberPart, numbers: np.ndarray) -> NumberPart:
    pairs = zip(part.values, numbers, strict=True)
    return NumberPart(tuple(loop.call("multiply", loop.cast(v, F64), loop.const(float(n), F64)) for v, n in pairs))


def _number_sums(loop: LoopBuilder, part: NumberPart, weights: np.ndarray, starts: Sequence[Value]) -> list[Value]:
    sums = list(starts) or [loop.const(0, F64)] * weights.shape[1]
    for value, row in zip(part.values, weights, strict=True):
        wide = loop.cast(value, F64)
        products = [loop.call("multiply", wide, loop.const(float(w), F64)) for w in row]
        sums = [loop.call("add", total, product) for total, product in zip(sums, products, strict=True)]
    return sums


def joined_terms(parts: Sequence[Features | Terms], call: str, sparse: bool = True) -> Terms:
    """Returns ``scipy.sparse.hstack(parts).tocsr()`` when some of `parts` are terms.

    Refuses SW853 strings and other widths of floats. Refuses SW852 a dense result, which a ColumnTransformer may choose at its
    fit.
    """
    if not sparse:
        refuse("SW852", what=f"{call}, which returns a dense array (sparse_threshold)")
    made: list[Part] = []
    for part in parts:
        if isinstance(part, Terms):
            made += part.parts
        elif part.has_texts or any(t.is_float and t != F64 for t in part.types):
            refuse("SW853", call=call, dtype=", ".join(map(str, part.types)))
        else:
            made.append(NumberPart(part.values))
    all_integers = all(isinstance(p, Terms) and p.dtype == np.int64 for p in parts)
    loop = next(p.loop for p in parts)
    return Terms(loop, tuple(made), np.dtype(np.int64 if all_integers else np.float64))
