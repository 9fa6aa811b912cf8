"""Compares ``str`` and ``repr`` of lists of the row with PySpark's worker."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pyspark.sql.types import StringType

from sparkweld.contract.constants import ARROW_BATCHED, SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker

PLAIN = [["a", "b"], [], None, ["a, b", "[c]"], ["é", "ß", "日本", "😀"], ["x" * 100, ""], ["ı", "Ω", "ж", 'say "x"']]
ESCAPED = [["it's"], ["back\\slash"], ["tab\t"], ["\xa0"], ["\u200b"], ["a'b\"c"], ["\xad"], ["\x7f"]]
NUMBERS = {
    pa.float64(): [[1.0, -0.0, 1e22, float("nan"), 0.1], [], [float("inf"), 1e-7, 123456789.123]],
    pa.float32(): [[1.5, 0.1], [], None], pa.int64(): [[1, -5, 2**62], [], None], pa.int8(): [[1, -5, 100], []],
    pa.bool_(): [[True, False], [], None],
}  # fmt: skip


def column(rows, element):
    return pa.record_batch({"x": pa.array(rows, pa.list_(element))})


def without_brackets(x):
    return str(x).replace("[", "").replace("]", "")


def shown(x):
    return "none" if x is None else repr([y for y in x if y])


def pieces(x):
    return str(x[0].split(",")) if x else "empty"


@pytest.mark.parametrize("function", [without_brackets, shown, pieces])
def test_lists_of_strings(function):
    compared = compare_with_worker(function, [column(PLAIN, pa.string())], StringType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused and (compared.decided, compared.flagged) == (1, 0), compared
    rows = [column([row], pa.string()) for row in ESCAPED]
    compared = compare_with_worker(function, rows, StringType(), ARROW_BATCHED)
    assert not compared.refused and compared.flagged == len(ESCAPED), compared


@pytest.mark.parametrize("element", NUMBERS, ids=str)
def test_lists_of_numbers(element):
    batch = column(NUMBERS[element], element)
    compared = compare_with_worker(without_brackets, [batch], StringType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused and (compared.decided, compared.flagged) == (1, 0), compared


@pytest.mark.parametrize("function", [str, lambda x: str(list(x))])
def test_lists_of_numpy_scalars_are_refused(function):
    batch = column([[1.5], []], pa.float64())
    assert compare_with_worker(lambda v: v.apply(function), [batch], StringType(), SCALAR_PANDAS).refused == "SW262"
