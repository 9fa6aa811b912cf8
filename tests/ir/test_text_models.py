"""Checks text models as constants: their settings and terms, and what is read back from the tables for kernels."""

from __future__ import annotations

import numpy as np
import pytest

from sparkweld.ir.ops import TextSums, TextTotals
from sparkweld.ir.text_models import LOG, SCALE, SPARK, WORD, Analyzer, TextModel

DOCUMENTS = np.array(
    ["", "abc xé 12", "a é ß  abé", " ab\tbc é ", "😀 a😀b", "a a,a", "abc  abc ", "a a é xé abc xé", "\0 a"], object
)


@pytest.mark.parametrize("number", range(len(TextSums.examples) + len(TextTotals.examples)))
def test_the_tables_for_kernels_hold_the_model(number):
    op, types = [*TextSums.examples, *TextTotals.examples][number]
    rows = [DOCUMENTS, *(np.arange(float(len(DOCUMENTS))) for _ in types[1:])]
    results = [[column.tobytes() for column in one.evaluate_all(*rows)] for one in (op, op.laid_out())]
    assert results[0] == results[1] and any(map(any, results[0]))
    assert op.laid_out().model.vocabulary == op.model.vocabulary


def test_a_constant_holds_the_model():
    analyzer = Analyzer(WORD, 1, 2, (32, 33, 65, 0x110000), 3, frozenset({"é", '"'}), split=True, wide=True)
    weights = np.arange(6.0).reshape(3, 2)
    steps = [(LOG, None), (SCALE, np.array([1.0, -0.0, np.nan]))]
    model = TextModel.of(analyzer, {"b": 2, "": 0, "日本 a": 1}, weights, steps, True, SPARK)
    assert model.analyzer == analyzer and (model.outputs, model.started, model.features, model.hash) == (2, True, 0, SPARK)
    assert list(model.vocabulary.items()) == [("b", 2), ("", 0), ("日本 a", 1)]  # in their order, which decides the tables
    assert model.weights.tolist() == weights.tolist()
    assert [(kind, numbers.tobytes()) for kind, numbers in model.steps] == [(LOG, b""), (SCALE, steps[1][1].tobytes())]
