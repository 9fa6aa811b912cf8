"""Checks which Python table functions become plain functions, and compares the kernels of these with the rows that they yield."""

from __future__ import annotations

import base64
import json
import re

import pyarrow as pa
import pytest
from pyspark import cloudpickle
from pyspark.sql.types import ArrayType, IntegerType, StringType, StructField, StructType

from sparkweld.contract.replies import PayloadReply
from sparkweld.contract.requests import read_request
from sparkweld.errors import Refusal
from sparkweld.ir import evaluate, parse_program
from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import column, python_step, request, udf
from tests.helpers.compiled import inputs_of, rows_of
from tests.helpers.lines import PythonEvalType
from tests.helpers.pythons import since
from udf_compiler.requests.table_functions import compile_table

ROWS = ArrayType(StructType().add("w", StringType()).add("n", IntegerType()), containsNull=False)
BATCH = pa.RecordBatch.from_pydict({"s": pa.array(["a bb a", "", None, "é 7 é é"])})
LIMIT = 3


class Words:
    def eval(self, s):
        for word in (s or "").split():
            yield word, len(word)


class Dicts:
    def eval(self, s):
        if s is None:
            return
        for at in range(LIMIT):
            if at % 2:
                yield {"w": s, "n": at}


class Helped:
    separator = " "

    def part(self, word):
        return word.upper()

    def eval(self, s):
        for word in (s or "").split(self.separator):
            yield self.part(word), LIMIT


class Listed:
    def eval(self, s):
        return [(word, 1) for word in (s or "").split()]


class Reused:
    """Spark converts each row when it is yielded."""

    def eval(self, s):
        row = [None, 0]
        for word in (s or "").split():
            row[0] = word
            row[1] += 1
            yield row


class Changed:
    def eval(self, s):
        row = [s, 1]
        yield row
        row[1] = 2
        yield row


class Unseen:
    def eval(self, s):
        seen = []
        for word in (s or "").split():
            if word not in seen:
                seen.append(word)
                yield word, len(seen)
        yield None, 0


class Delegating:
    def eval(self, s):
        yield from zip((s or "").split(), range(LIMIT), strict=False)
        yield from [(s, 1), (s, 2)]


class Nothing:
    def eval(self, s):
        if s == "never":
            yield s, 1


class Initialised:
    def __init__(self):
        self.n = LIMIT * 2
        self.separator = re.compile(r"\s")
        self.shown = {"a": "first", "é": "accent"}
        self.buffer = []
        self.ends = {"bb", "7"}

    def part(self, word):
        return self.shown.get(word, word.upper())

    def eval(self, s):
        for word in self.separator.split(s or ""):
            yield self.part(word), self.n + len(self.buffer) + (word in self.ends)

    def terminate(self):
        pass


class Buffered:
    def __init__(self):
        self.words = []

    def eval(self, s):
        self.words.append(s)
        yield s, len(self.words)


class BufferedAtTimes:
    def __init__(self):
        self.words = []

    def eval(self, s):
        for word in (s or "").split():
            if word == "bb":
                self.words.append(word)
        yield s, len(self.words)


class Cached:
    def __init__(self):
        self.known = {}

    def eval(self, s):
        if s not in self.known:
            self.known[s] = 1
        yield s, len(self.known)


class Renewed:
    def __init__(self):
        self.words = ["a"]

    def eval(self, s):
        if s == "bb":
            self.words = [*self.words, s]
        yield s, len(self.words)


class ChangedByName:
    def __init__(self):
        self.words = ["a"]

    def eval(self, s):
        words = self.words
        if s == "never":
            words.append(s)
        yield s, len(words)


class ChangedInHandler:
    def __init__(self):
        self.failed = 0

    def eval(self, s):
        try:
            n = int(s)
        except ValueError:
            self.failed += 1
            n = 0
        yield s, n + self.failed


class Printing:
    def __init__(self):
        print("made")

    def eval(self, s):
        yield s, 1


class Raising:
    def __init__(self):
        self.n = [1][LIMIT]

    def eval(self, s):
        yield s, 1


class Ended:
    def eval(self, s):
        yield s, 1

    def terminate(self):
        yield None, 2


class Counting:
    n = 0

    def eval(self, s):
        self.n += 1
        yield s, self.n


class Short:
    def eval(self, s):
        yield (s,)


class FewKeys:
    def eval(self, s):
        yield {"w": s}


class Keyed:
    def eval(self, s):
        for word in (s or "").split():
            yield {"w": word, "n": 1, "x": 2}


class OfJson:
    def eval(self, s):
        if s is None:
            return
        data = json.loads('{"user": "u", "events": ["a", null, "' + s + '"], "n": 7}')
        user = data.get("user")
        for event in data.get("events", []):
            yield event or user, data.get("n")


class OfMembers:
    def eval(self, s):
        if s is None:
            return
        for key, item in json.loads('{"a": {"n": 1}, "b": {"n": null}, "c": {}, "' + s + '": {}}').items():
            yield key, item.get("n")


class NoneYielded:
    def eval(self, s):
        yield None


class OfTuples:
    def eval(self, s):
        return ((s, 1),), ((s, 2),)


def asked(handler, returns=ROWS):
    """Returns the reply, and the request for a program of its function."""
    names = [f"r{at}" for at in range(2 * len(returns.elementType) + 1)]
    step = python_step(r=udf(0, column("s", "string"), evalType=PythonEvalType.SQL_BATCHED_UDF, returnType=returns.jsonValue()))
    step["udfs"][0]["fields"] = names
    question = request(step, inputs={"s": "string"}, outputs=names, nullable_state=["s"])
    return compile_table(read_request(question | {"op": "table"}), [cloudpickle.dumps(handler)]), question


HANDLERS = [
    Words, Dicts, Helped, Initialised, Listed, Reused, Changed, Unseen, OfJson, OfMembers, since((3, 12), Delegating), Nothing,
]  # fmt: skip


@pytest.mark.parametrize("handler", HANDLERS)
def test_rows_of_one_row(handler):
    reply, question = asked(handler)
    assert isinstance(reply, PayloadReply) and reply.payload
    payload = base64.b64decode(reply.payload)
    function, returns = cloudpickle.loads(payload)
    assert returns == ROWS
    compiled = compile_pipeline(question, [payload])
    program = parse_program(compiled["program"], compiled["blocks"])
    result = evaluate(program, inputs_of(program, BATCH), BATCH.num_rows)
    assert not result.flagged.any()
    expected = [list(map(ROWS.elementType.toInternal, function(s))) for s in BATCH["s"].to_pylist()]
    assert [[tuple(row.values()) for row in rows] for rows in rows_of(program, result, ROWS)] == expected


@pytest.mark.parametrize(
    ("handler", "code"),
    [
        (Printing, "SW313"), (Raising, "SW313"), (Ended, "SW313"), (Counting, "SW217"), (Buffered, "SW295"),
        (BufferedAtTimes, "SW295"), (Cached, "SW601"), (Renewed, "SW217"), (ChangedByName, "SW295"), (ChangedInHandler, "SW217"),
        (Short, "SW311"), (FewKeys, "SW311"), (Keyed, "SW311"),
        (NoneYielded, "SW226"), (OfTuples, "SW311"), (len, "SW203"),
    ],
)  # fmt: skip
def test_refused_functions(handler, code):
    with pytest.raises(Refusal) as refused:
        asked(handler)
    assert refused.value.code == code


def test_columns_that_are_not_nullable_are_refused():
    returns = ArrayType(StructType([StructField("w", StringType()), StructField("n", IntegerType(), nullable=False)]), False)
    with pytest.raises(Refusal) as refused:
        asked(Words, returns)
    assert refused.value.code == "SW313"


def test_rows_in_python_are_checked():
    function, _ = cloudpickle.loads(base64.b64decode(asked(Words)[0].payload))
    assert function("a bb") == [("a", 1), ("bb", 2)] and function(None) == []
    assert function.__module__ == "__main__", "workers have no module of this package"
