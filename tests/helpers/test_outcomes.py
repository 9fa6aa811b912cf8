"""Checks that the harness distinguishes differing outcomes; otherwise no differential test proves anything."""

import pytest

from tests.helpers.outcomes import Outcome, differences, error_class, same

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
    assert differences(rows, rows) == []
    assert differences(error, error) == []
    assert differences(rows, error) == ["expected 1 rows, got the error ValueError"]
    assert differences(error, Outcome(None, "ArrowInvalid")) != []
    assert differences(rows, Outcome(((1,), (2,)))) == ["expected 1 rows, got 2"]
    assert differences(rows, Outcome(((2,),))) == ["row 0: expected (int:1), got (int:2)"]


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
