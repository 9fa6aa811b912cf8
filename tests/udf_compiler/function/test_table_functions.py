"""Checks the proofs about the rows of table functions, from the bytecode of `eval`."""

from __future__ import annotations

import pytest
from pyspark.sql import Row
from pyspark.sql.types import StringType, StructField, StructType

from udf_compiler.function.table_functions import changes_no_rows, plain_of, yields_tuples

SCHEMA = StructType([StructField("word", StringType())])


class Tuples:
    def eval(self, text):
        for word in text.split():
            yield (word,)
        yield ("end",)


class Displays:
    def eval(self, text):
        yield [text]
        yield {"word": text}


class Variables:
    """On one line, CPython 3.13 stores and loads the row by one instruction, whose argument is a tuple of names."""

    def eval(self, rows):
        for row in rows: yield row  # noqa: E701, UP028


class Branches:
    def eval(self, text):
        yield (text,) if text else [text]


class Rows:
    def eval(self, text):
        for word in text.split():
            yield Row(word=word)


class Changed:
    def eval(self, text):
        row = [text]
        yield row
        row[0] = ""


@pytest.mark.parametrize(
    ("handler", "tuples", "fixed"),
    [
        (Tuples, True, True), (Displays, False, True), (Rows, False, True), (Variables, False, True), (Branches, False, True),
        (Changed, False, False),
    ],
)  # fmt: skip
def test_what_is_proved(handler, tuples, fixed):
    made = plain_of(handler, SCHEMA, over_arrow=True)
    assert (yields_tuples(made), changes_no_rows(made)) == (tuples, fixed)
