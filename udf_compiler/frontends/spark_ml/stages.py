"""Defines the operands of the lowering rules for Spark ML functions: stages, vectors and words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.text_models import Analyzer
from sparkweld.ir.types import F64
from udf_compiler.frontends.models.features import Features
from udf_compiler.frontends.models.sparse_text_features import Terms
from udf_compiler.frontends.tracing.expression_rules import Maybe
from udf_compiler.frontends.tracing.session import refuse


@dataclass(frozen=True, eq=False)
class Stage:
    """One ML function: `name` identifies its rule, `params` are its settings, `arrays` its learned parameters.

    `made` caches layouts that a rule builds from the arrays, for the function's next call.
    """

    name: str
    params: Mapping[str, Any]
    arrays: dict[str, np.ndarray]
    made: dict[str, Any] = field(default_factory=dict)

    def number(self, key: str) -> float:
        """Returns a setting of type double."""
        return number(self.params[key])

    @property
    def takes(self) -> int | None:
        """Returns the size of its input vectors, where the learned parameters determine it; None otherwise."""
        for name, rows in (("coefficients", "intercepts"), ("theta", "pi"), ("scale", None), ("shift", None)):
            if name in self.arrays:
                return len(self.arrays[name]) // (1 if rows is None else len(self.arrays[rows]))
        for name in ("centers", "components"):
            if name in self.arrays:
                return len(self.arrays[name]) // int(self.params["count"])
        if "layers" in self.arrays:
            return int(self.arrays["layers"][0])
        return self.params.get("features")

    def refuse(self, what: str) -> NoReturn:
        """Refuses (SW901) a setting or a value that its rule does not support."""
        refuse("SW901", what=f"{self.name} with {what}")


def number(text: str) -> float:
    """Parses a double in the format of Java's `Double.toHexString`."""
    return {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}.get(text) or float.fromhex(text)


@dataclass(frozen=True)
class Vector:
    """The vector of each row of a loop, as columns of doubles; no vector objects are created.

    `form`: how Spark stores it, empty where it is unknown. It is "dense", "sparse", "compressed" (the smaller form of each row)
    or "mixed" (dense where the f64 `dense` is 1, else sparse). `stored`: the same numbers as a stored vector, where sums over
    it are cheaper than over columns. `errors`: the distance bound of each number from Spark's; None where all are equal. A
    label depends on an inexact number only if the error cannot change it. `when_written` adds the guards that make the form
    known.
    """

    features: Features | Terms
    form: str = ""
    errors: Callable[[], list[Value]] | None = None
    when_written: Callable[[], None] | None = None
    dense: Value | None = None
    stored: Terms | None = None

    @property
    def size(self) -> int:
        return self.features.width if isinstance(self.features, Terms) else len(self.features.columns)

    @property
    def is_words(self) -> bool:
        """Whether it holds word counts, or a stored vector too large for columns; both support weighted sums only."""
        return isinstance(self.features, Terms)

    @property
    def summed(self) -> Features | Terms:
        """Returns the operand of weighted sums: the stored vector, where there is one."""
        return self.stored or self.features

    @property
    def written(self) -> tuple[Value, ...]:
        """Returns the columns of a result: the numbers, followed by `dense` for the mixed form."""
        return self.values if self.dense is None else (*self.values, self.dense)

    @property
    def loop(self) -> LoopBuilder:
        return self.features.loop

    @property
    def values(self) -> tuple[Value, ...]:
        return self.features.values

    def of(self, values: Sequence[Value], form: str = "") -> Vector:
        """Returns a vector of other values for the same rows; it is approximate if this one is."""
        return Vector(self.features.array(values), form, dense=self.dense if form == "mixed" else None)

    def sized(self, size: int, stage: Stage) -> Vector:
        """Returns the vector itself. Refuses (SW904) a size that the stage does not accept: Spark raises for each row."""
        if self.size != size:
            refuse("SW904", what=stage.name, required=size, given=self.size)
        return self


@dataclass(frozen=True)
class Words:
    """The words of each row's string `text`, split by the `analyzer`. `lowercase`: all words are in lower case."""

    text: Value
    analyzer: Analyzer
    lowercase: bool

    def may_hold(self, character: str) -> bool:
        """Whether a word may contain this character."""
        ends = self.analyzer.pattern
        assert isinstance(ends, tuple)
        return any(first <= ord(character) < end for first, end in zip(ends[::2], ends[1::2], strict=True))


#: An argument of a function: a vector, the words of a string, or a value that may be NULL.
Argument = Vector | Words | Maybe
#: The lowering rule of a function: maps its stage, the loop and its arguments (structs flattened to fields) to its result.
Rule = Callable[[Stage, LoopBuilder, Sequence[Argument]], Argument]


def vector_of(loop: LoopBuilder, values: Sequence[Value], form: str, errors: Callable[[], list[Value]] | None = None) -> Vector:
    """Creates a vector of doubles."""
    return Vector(Features(loop, tuple(values)), form, errors)


def double(loop: LoopBuilder, value: float) -> Value:
    """Returns a double constant."""
    return loop.const(value, F64)


def one_vector(args: Sequence[Argument]) -> Vector:
    """Returns the only argument of a function of vectors."""
    (x,) = args
    assert isinstance(x, Vector)
    return x


__all__ = ["Argument", "Maybe", "Rule", "Stage", "Vector", "Words", "double", "number", "one_vector", "vector_of"]
