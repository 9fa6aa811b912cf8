"""Defines the ops of text models: weighted sums over a document's terms, as a vectoriser and a matrix product compute them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import ClassVar

import numpy as np

from sparkweld.ir.blocks import ConstantBlock
from sparkweld.ir.layouts.text_blocks import is_laid_out, laid_out, model_of
from sparkweld.ir.ops.base import Op
from sparkweld.ir.ops.models import ModelOp
from sparkweld.ir.text_models import (
    ABOVE,
    CHAR,
    CHAR_WB,
    LOG,
    NORM_L1,
    NORM_L2,
    NORM_MAX,
    ONE,
    SCALE,
    SIGNED,
    SPARK,
    WORD,
    Analyzer,
    Step,
    TextModel,
    is_text_model,
)
from sparkweld.ir.types import F64, STR, Type


class TextOp(ModelOp):
    """Base of the ops of text models, in whose results a document is the first argument.

    Block: a `TextModel`, and in lowered programs its tables for kernels.
    """

    __slots__ = ()

    @property
    def is_laid_out(self) -> bool:
        """Whether the block has the tables for kernels."""
        return is_laid_out(self.block)

    @property
    def model(self) -> TextModel:
        """The text model, which is read back from the tables for kernels; the block must hold its bytes."""
        return model_of(self.block) if self.is_laid_out else TextModel(self.block)

    def laid_out(self) -> TextOp:
        """Returns the op that reads the same model from tables for kernels."""
        return replace(self, block=laid_out(self.block))  # type: ignore[type-var]

    def _wants_model(self, args: tuple[Type, ...]) -> None:
        self._wants(self.is_laid_out or is_text_model(self.block), "a text model's block", args)


@dataclass(frozen=True, slots=True)
class TextSums(TextOp):
    """Sums, over the columns of a row's terms in ascending order, of the term's value times its weight: `outputs` f64.

    A value is the number of occurrences of the term, transformed by the model's steps. Arguments: the document, and when
    `started` one f64 an output, the initial values of the sums. Everything else is in the block.
    """

    outputs: int
    started: bool
    block: ConstantBlock
    output: int = 0
    name: ClassVar[str] = "text_sums"

    @staticmethod
    def of(
        analyzer: Analyzer, terms: Mapping[str, int] | int, weights: np.ndarray, steps: Sequence[Step] = (),
        started: bool = False, hash: int = SIGNED,
    ) -> TextSums:  # fmt: skip
        """Builds the op from the arguments of `TextModel.of`."""
        return TextSums(weights.shape[1], started, TextModel.of(analyzer, terms, weights, steps, started, hash).block)

    def results(self, *args: Type) -> tuple[Type, ...]:
        wanted = (STR, *(F64,) * self.outputs) if self.started else (STR,)
        self._wants(args == wanted, f"{', '.join(map(str, wanted))}", args)
        self._wants_model(args)
        return (F64,) * self.outputs

    def evaluate_all(self, *args: np.ndarray) -> list[np.ndarray]:
        text, *starts = args
        model = self.model
        weights = model.weights
        sums = np.column_stack(starts) if self.started else np.zeros((len(text), self.outputs))
        for row, counts in enumerate(model.counts(text)):
            columns = np.array(sorted(counts), np.int64)
            values = model.transformed(np.array([counts[c] for c in columns], np.float64), columns)
            for column, value in zip(columns, values, strict=True):
                sums[row] += value * weights[column]
        return list(sums.T)


@dataclass(frozen=True, slots=True)
class TextTotals(TextOp):
    """Totals over a document's terms that bound a sum of `TextSums` without sorting the terms: four f64.

    Four values of each occurrence of a term are summed, in unspecified order. These are its weight for the sum number `sum`
    times its scale, its scale squared, its scale, and 1. A scale is the number of the model's first step where that is SCALE,
    else 1. Terms that are hashed with signs are not supported.
    """

    sum: int
    block: ConstantBlock
    output: int = 0
    name: ClassVar[str] = "text_totals"

    def results(self, *args: Type) -> tuple[Type, ...]:
        self._wants(args == (STR,), "str", args)
        self._wants(self.sum >= 0, "the number of a sum", args)
        self._wants_model(args)
        return (F64,) * 4

    def evaluate_all(self, *args: np.ndarray) -> list[np.ndarray]:
        model = self.model
        weights, scales = model.weights[:, self.sum], model.scales
        totals = np.zeros((len(args[0]), 4))
        for row, counts in enumerate(model.counts(args[0])):
            for column, count in counts.items():
                scale = scales[column]
                totals[row] += np.array([weights[column] * scale, scale * scale, scale, 1.0]) * abs(count)
        return list(totals.T)


def _example(
    analyzer: Analyzer,
    terms: Sequence[str] | int,
    steps: Sequence[Step],
    outputs: int,
    started: bool = False,
    hash: int = SIGNED,
) -> tuple[TextSums, tuple[Type, ...]]:
    columns = terms if isinstance(terms, int) else len(terms)
    weights = np.random.default_rng(columns).normal(size=(columns, outputs))
    known = terms if isinstance(terms, int) else {term: column for column, term in enumerate(terms)}
    op = TextSums.of(analyzer, known, weights, steps, started, hash)
    return op, (STR, *(F64,) * (outputs * started))


_NO_SPACE = (0, 9, 14, 32, 33, 0x110000)


@cache
def _examples() -> tuple[tuple[Op, tuple[Type, ...]], ...]:
    return (
        _example(Analyzer(WORD, 1, 2), ["abc", "xé", "abc xé", "12"], [(SCALE, np.arange(1.0, 5.0)), (NORM_L2, None)], 2),
        _example(Analyzer(CHAR, 1, 3), ["a", " ", "é", "ab", "a é", "ß"], [(LOG, None), (NORM_L1, None)], 1, True),
        _example(Analyzer(CHAR_WB, 2, 3), ["a ", " a", " ab", "bc", " é "], [(ONE, None), (NORM_MAX, None)], 1),
        _example(Analyzer(CHAR, 1, 2), 7, [(NORM_L2, None), (ABOVE, np.array([0.1]))], 3),
        _example(Analyzer(WORD, 1, 1, _NO_SPACE, 0, split=True), ["abc", "", "a", "é"], [(SCALE, np.arange(1.0, 5.0))], 1),
        _example(Analyzer(WORD, 2, 2, _NO_SPACE, 0, frozenset({"a"}), split=True), 11, [], 2, True, SPARK),
        _example(Analyzer(WORD, 1, 1, _NO_SPACE, 2, wide=True), 5, [(ONE, None)], 1, False, SPARK),
    )


@cache
def _total_examples() -> tuple[tuple[Op, tuple[Type, ...]], ...]:
    """Returns examples with weights and scales whose sums are exact in any order."""
    words, steps = {"abc": 0, "xé": 1, "abc xé": 2, "12": 3}, [(SCALE, np.array([1.0, 0.5, 0.0, 3.0])), (NORM_L2, None)]
    weights = np.array([[1.0, -2.0], [0.5, 4.0], [-8.0, 1.0], [0.25, 0.0]])
    characters = {"a": 0, " ": 1, "é": 2, "ab": 3}
    models = (
        (1, TextModel.of(Analyzer(WORD, 1, 2), words, weights, steps)),
        (0, TextModel.of(Analyzer(CHAR, 1, 2), characters, weights, [(NORM_L1, None)])),
        (0, TextModel.of(Analyzer(CHAR_WB, 1, 2), characters, weights[:, :1])),
        (1, TextModel.of(Analyzer(WORD, 1, 1, _NO_SPACE, 2), 4, weights, [(ONE, None)], hash=SPARK)),
    )
    return tuple((TextTotals(sum, model.block), (STR,)) for sum, model in models)


class _WhenAsked:
    """Computes the examples on first use: their tables cover all code points, which would add a second to every import."""

    def __init__(self, examples: Callable[[], tuple[tuple[Op, tuple[Type, ...]], ...]]) -> None:
        self.examples = examples

    def __get__(self, op: Op | None, owner: type[Op]) -> tuple[tuple[Op, tuple[Type, ...]], ...]:
        return self.examples()


TextSums.examples = _WhenAsked(_examples)  # type: ignore[assignment]
TextTotals.examples = _WhenAsked(_total_examples)  # type: ignore[assignment]
