"""Checks that the harness distinguishes differing outcomes; otherwise no differential test proves anything."""

import pyarrow as pa
import pytest

from tests.helpers.outcomes import Outcome, differences, error_class, outcome_of, same

NAN = float("nan")


@pytest.mark.parametrize(
    ("a", "b", "ulp", "equal"),
    [
        (None, None, 0, True),
        (None, NAN, 0, False),
        (NAN, NAN, 0, True),
        (0.0, -0.0, 0, False),
        (1, 1.0, 0, False),
        (1, True, 0, False),
        (1.0, 1.0000000000000002, 0, False),
        (1.0, 1.0000000000000002, 1, True),
        (-1.0, -1.0000000000000004, 1, False),
        (5e-324, -5e-324, 2, True),
        (float("inf"), 1.7976931348623157e308, 0, False),
    ],
)
def test_same(a, b, ulp, equal):
    assert same(a, b, ulp) is equal
    assert same(b, a, ulp) is equal


def test_rows_and_errors_differ():
    rows, error = Outcome(((1,),)), Outcome(None, "ValueError")
    assert differences(rows, rows) == [] and rows != error
    assert rows == outcome_of(lambda: pa.table({"v": [1]})) != outcome_of(lambda: pa.table({"v": [2]}))
    assert differences(error, error) == []
    assert differences(rows, error) == ["expected 1 rows, got the error ValueError"]
    assert differences(error, Outcome(None, "ArrowInvalid")) != []
    assert differences(rows, Outcome(((1,), (2,)))) == ["expected 1 rows, got 2"]
    assert differences(rows, Outcome(((2,),))) == ["row 0: expected (int:1), got (int:2)"]


@pytest.mark.parametrize(
    ("a", "b", "equal"),
    [
        ([0.0, NAN, None], [0.0, NAN, None], True),
        ([0.0, None], [-0.0, None], False),
        ([None, 1.0], [NAN, 1.0], False),
        ([[0.0], [NAN]], [[0.0], [NAN]], True),
        ([[0.0]], [[-0.0]], False),
        (["a", None], ["a", None], True),
        (["a", None], ["a", ""], False),
        ([1], [True], False),
        ([True, None], [True, None], True),
        ([1.0], [1], False),
    ],
)
def test_tables_are_equal_as_their_rows_are(a, b, equal):
    left, right = (outcome_of(lambda values=values: pa.table({"v": values, "n": list(range(len(values)))})) for values in (a, b))
    assert (differences(left, right) == []) is equal
    assert (differences(Outcome(left.rows), right) == []) is equal
    chunked = outcome_of(lambda: pa.concat_tables([right.table.slice(0, 1), right.table.slice(1)]))
    assert (differences(left, chunked) == []) is equal


def test_error_class_is_the_workers_last_exception():
    message = (
        "An exception was thrown from the Python worker. Please see the stack trace below.\n"
        'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    g()\nKeyError: 1\n'
        'During handling\nTraceback (most recent call last):\n  File "x.py", line 1, in f\n    g()\nValueError: bad\n'
    )
    assert error_class(message) == "ValueError"
    assert error_class("pyarrow.lib.ArrowInvalid: Float value 1.5 was truncated") == "ArrowInvalid"
    bounds = "pandas._libs.tslibs.np_datetime.OutOfBoundsDatetime: Out of bounds nanosecond timestamp"
    assert error_class(f"An exception was thrown from the Python worker:\n{bounds}") == "OutOfBoundsDatetime"
