"""Checks the queue that scores rows of concurrent requests together: its answers are those of single rows."""

from __future__ import annotations

import datetime
import math
import subprocess
import sys
import threading

import pandas as pd
import pytest

import sparkweld
from sparkweld.errors import UserError
from sparkweld.serving.batching import Batcher, QueueFull, as_json
from tests.serving.test_programs import BONUS, TABLE, bonus, model


class Held:
    """Keeps a queue's thread busy with one row until `release`, so that further rows gather."""

    def __init__(self, batcher):  # its program must not be shared with another test at the same time
        self._begun, self._go = threading.Event(), threading.Event()
        score = batcher.program.predict_row

        def first(**values):
            self._begun.set()
            assert self._go.wait(30)
            batcher.program.predict_row = score
            return score(**values)

        batcher.program.predict_row = first
        self.first = batcher.submit(rows_of(1)[0])
        assert self._begun.wait(30)

    def release(self):
        self._go.set()


def rows_of(count):
    return [{"pay": 100.0 * at, "age": 19 + at, "job": "smith" if at % 2 else "cook"} for at in range(count)]


@pytest.fixture
def batcher():
    made = Batcher(sparkweld.compile(bonus, BONUS, "double"), most_rows=50, most_waiting=60)
    yield made
    made.close()


def test_rows_that_arrive_together_are_scored_by_one_call(batcher):
    held = Held(batcher)
    asked = [batcher.submit(row) for row in rows_of(40)]
    held.release()
    assert [made.result(30) for made in asked] == [bonus(**row) for row in rows_of(40)]
    assert (batcher.calls, batcher.rows) == (2, 41)


def test_an_error_of_a_row_is_its_own(batcher):
    held = Held(batcher)
    rows = rows_of(12)
    rows[2] = {"pay": 1.0, "age": 18, "job": "smith"}
    rows[5] = {"pay": "1.0", "age": 20, "job": "cook"}
    rows[6] = {"pay": 1.0, "job": "cook"}
    rows[7] = rows[8] | {"more": 1}
    rows[9] = {"pay": None, "age": True, "job": None}
    asked = [batcher.submit(row) for row in rows]
    held.release()
    errors = {2: (ZeroDivisionError, ""), 5: (UserError, "'pay' does not hold double"), 6: (UserError, "'age' is missing"),
              7: (UserError, "'more' is not a column"), 9: (UserError, "'age' does not hold long")}  # fmt: skip
    for at, made in enumerate(asked):
        if at in errors:
            kind, message = errors[at]
            with pytest.raises(kind) as error:
                made.result(30)
            assert message in str(error.value)
        else:
            assert made.result(30) == bonus(**rows[at])


def test_a_full_queue_rejects_rows_and_a_closed_one_too(batcher):
    held = Held(batcher)
    asked = [batcher.submit(row) for row in rows_of(60)]
    with pytest.raises(QueueFull, match="60 rows wait for bonus"):
        batcher.submit(rows_of(1)[0])
    assert asked[3].cancel()
    held.release()
    assert [made.result(30) for at, made in enumerate(asked) if at != 3]
    assert batcher.rows == 60  # the first one and 59 of the others
    batcher.close()
    with pytest.raises(RuntimeError, match="closed"):
        batcher.submit(rows_of(1)[0])


def test_a_row_does_not_change_the_dtypes_of_others():
    def halves(n: pd.Series, s: pd.Series) -> pd.Series:
        return (n // 2 + 2**53).astype(str) + s

    program = sparkweld.compile(halves, {"n": "long", "s": "string"}, "string")
    rows = [{"n": 3, "s": "a"}, {"n": None, "s": "b"}, {"n": 2**60 + 1, "s": "c"}, {"n": 5, "s": None}]
    alone = []
    for row in rows:
        try:
            alone.append(program.predict_row(**row))
        except UserError as error:
            alone.append(str(error))
    batcher = Batcher(program)
    batcher.program.predict_row, score = lambda **values: (gate.wait(30), score(**values))[1], program.predict_row
    gate = threading.Event()
    asked = [batcher.submit(row) for row in [rows[0], *rows]]
    gate.set()
    assert [made.result(30) for made in asked[1:]] == alone
    batcher.close()


def test_a_model_scores_rows_of_threads():
    fitted = model()
    program = sparkweld.compile(fitted, TABLE, proba=True)
    batcher, rows = Batcher(program), TABLE.to_dict("records")
    expected, wrong = [program.predict_row(**row) for row in rows], []

    def ask(start):
        for at in range(start, len(rows), 8):
            if batcher.submit(rows[at]).result(30) != expected[at]:
                wrong.append(at)

    threads = [threading.Thread(target=ask, args=(start,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    batcher.close()
    assert not wrong and batcher.rows == len(rows)


def test_the_thread_that_submits_a_row_scores_it_if_the_program_is_fast():
    batcher = Batcher(sparkweld.compile(bonus, BONUS, "double"))
    row, flagged = rows_of(2)[1], {"pay": 1.0, "age": 18, "job": "smith"}
    held = Held(batcher)
    batcher._seconds = 0.0
    waiting = batcher.submit(row)
    assert not waiting.done()  # behind the row that is being scored
    held.release()
    assert waiting.result(30) == bonus(**row)
    batcher.close()
    batcher = Batcher(batcher.program)
    batcher._seconds = 0.0
    made = batcher.submit(row)
    assert made.done() and made.result() == bonus(**row) and batcher._thread is None
    with pytest.raises(ZeroDivisionError):
        batcher.submit(flagged).result(0)
    batcher._seconds = 1.0
    assert batcher.submit(row).result(30) == bonus(**row)
    assert batcher._thread is not None and batcher._seconds < 1.0 and (batcher.calls, batcher.rows) == (3, 3)
    batcher.close()


FORKED = """
import os, sys, warnings
import sparkweld
from sparkweld.serving.batching import Batcher
warnings.simplefilter("ignore")
batcher, row = Batcher(sparkweld.load(sys.argv[1])), {"pay": 100.0, "age": 20, "job": "cook"}
def scored():
    batcher._seconds = 1.0  # through the queue
    return batcher.submit(row).result(30) == 9.0
assert scored()
child = os.fork()
if not child:
    os._exit(0 if scored() and scored() else 1)
assert scored() and os.waitpid(child, 0)[1] == 0
batcher.close()
"""


def test_a_process_that_is_forked_has_a_queue_of_its_own(tmp_path):
    sparkweld.compile(bonus, BONUS, "double").save(tmp_path / "bonus.sparkweld")
    command = [sys.executable, "-c", FORKED, str(tmp_path / "bonus.sparkweld")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def test_results_as_json():
    assert as_json({"a": math.nan, "b": [math.inf, -math.inf, 1.5], "c": None}) == {
        "a": "NaN", "b": ["Infinity", "-Infinity", 1.5], "c": None
    }  # fmt: skip
    assert as_json(datetime.date(2024, 2, 1)) == "2024-02-01" and as_json("x") == "x" and as_json(2**60) == 2**60
