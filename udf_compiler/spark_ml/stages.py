"""What a request says of the functions of Spark's ML library, as the objects that rules take: stages and vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from sparkweld.ir import LoopBuilder, Value
from sparkweld.ir.text_blocks import Analyzer
from sparkweld.ir.types import F64
from udf_compiler.catalyst_values import Maybe
from udf_compiler.models.features import Features
from udf_compiler.models.terms import Terms
from udf_compiler.trace.session import refuse


@dataclass(frozen=True, eq=False)
class Stage:
    """One function: its `name` says what it computes, `params` are settings, `arrays` what was learned.

    `made` remembers what a rule has laid out of the arrays, for the function's next call.
    """

    name: str
    params: dict[str, Any]
    arrays: dict[str, np.ndarray]
    made: dict[str, Any] = field(default_factory=dict)

    def number(self, key: str) -> float:
        """A setting that is a double."""
        return number(self.params[key])

    @property
    def takes(self) -> int | None:
        """How many numbers its vectors have, where what it has learned tells that."""
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
        """Refuses (SW901) a setting or a value that its rule does not know."""
        refuse("SW901", what=f"{self.name} with {what}")


def number(text: str) -> float:
    """A double as Java's `Double.toHexString` writes it."""
    return {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}.get(text) or float.fromhex(text)


@dataclass(frozen=True)
class Vector:
    """The vector of each row of a loop, as columns of doubles; no vector object is made.

    `form`: how Spark would store it, "dense", "sparse", "compressed" (whichever is smaller, row by row) or "mixed" (dense where
    the f64 `dense` is 1, else sparse); empty where that depends on what is not known here. `stored`: the same numbers as a stored
    vector has them, where sums over that are cheaper than over columns. `errors`: how far each number may lie from Spark's, where
    some do; a label is chosen by no such number unless the difference cannot matter. `when_written` adds the guards without which
    the form would not be known.
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
        """Whether it counts the words of a text, or is stored with very many numbers: no columns, for weighted sums only."""
        return isinstance(self.features, Terms)

    @property
    def summed(self) -> Features | Terms:
        """What weighted sums are taken of."""
        return self.stored or self.features

    @property
    def written(self) -> tuple[Value, ...]:
        """The columns of a result: the numbers, and behind them where a mixed one is dense."""
        return self.values if self.dense is None else (*self.values, self.dense)

    @property
    def loop(self) -> LoopBuilder:
        return self.features.loop

    @property
    def values(self) -> tuple[Value, ...]:
        return self.features.values

    def of(self, values: Sequence[Value], form: str = "") -> Vector:
        """Another vector of the same rows, as far off Spark's as this one."""
        return Vector(self.features.array(values), form, dense=self.dense if form == "mixed" else None)

    def sized(self, size: int, stage: Stage) -> Vector:
        """The vector itself. Refuses (SW904) one of another size than the stage wants: Spark raises for each row."""
        if self.size != size:
            refuse("SW904", what=stage.name, wanted=size, given=self.size)
        return self


@dataclass(frozen=True)
class Words:
    """The words of each row's `text`, as it is cut into them. `lowercase`: all of them are in lower case."""

    text: Value
    analyzer: Analyzer
    lowercase: bool

    def may_hold(self, character: str) -> bool:
        """Whether a word may have this character inside."""
        ends = self.analyzer.pattern
        assert isinstance(ends, tuple)
        return any(first <= ord(character) < end for first, end in zip(ends[::2], ends[1::2], strict=True))


#: What a function takes: vectors, words of texts, and values that may be NULL.
Argument = Vector | Words | Maybe
#: A function's translation: its stage, the loop, its arguments (a struct's fields one by one) to its result.
Rule = Callable[[Stage, LoopBuilder, Sequence[Argument]], Argument]


def vector_of(loop: LoopBuilder, values: Sequence[Value], form: str, errors: Callable[[], list[Value]] | None = None) -> Vector:
    """A vector of doubles that no other vector is part of."""
    return Vector(Features(loop, tuple(values)), form, errors)


def double(loop: LoopBuilder, value: float) -> Value:
    """A constant."""
    return loop.const(value, F64)


def one_vector(args: Sequence[Argument]) -> Vector:
    """The only argument of a function of vectors."""
    (x,) = args
    assert isinstance(x, Vector)
    return x


__all__ = ["Argument", "Maybe", "Rule", "Stage", "Vector", "Words", "double", "number", "one_vector", "vector_of"]
