"""Checks functions that print and log: rows that reach such a call run in Python, and a kernel computes the others."""

from __future__ import annotations

import logging
import traceback
import warnings

import pandas as pd
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, LongType

from sparkweld.contract.constants import ARROW_BATCHED, SCALAR_PANDAS
from tests.helpers.compiled import compare_with_worker

LOGGER = logging.getLogger(__name__)
WITH_BAD_ROWS = pa.record_batch({"s": ["1", "2.5", "inf", "x", "%s", "7"]})
GOOD = pa.record_batch({"s": ["1", "2.5", "3"]})


def f_string(s):
    try:
        return float(s)
    except ValueError as error:
        print(f"bad {s!r:>10}: {error}")
        return None


def several_arguments(s):
    try:
        return float(s)
    except (ValueError, TypeError) as error:
        print("bad", s, [error], sep=": ", flush=True)
    return -1.0


def logger(s):
    try:
        return float(s)
    except Exception as error:  # noqa: BLE001
        LOGGER.warning("bad %s", s)
        LOGGER.error("bad " + str(s) + " for " + str(error))
        return 0.0


def local_logger(s):
    import logging as log

    try:
        return float(s)
    except:  # noqa: E722
        log.getLogger("job").exception("bad %s of %r" % (s, s))  # noqa: UP031
        log.log(log.INFO, "bad {} of {:>8}".format(s, s))  # noqa: UP032
        return None


def warning(s):
    try:
        return float(s)
    except ValueError:
        warnings.warn(f"bad {s}", RuntimeWarning, stacklevel=2)
        traceback.print_exc()
        return None


def helper_logs(level, message, **details):
    if level == "error" or "overflow" in message:
        LOGGER.error("%s: %s", message, details)
    else:
        print(message, details)


def helper(s):
    try:
        return float(s)
    except Exception as error:  # noqa: BLE001
        helper_logs("warn", f"bad {s}", detail=str(error))
        return None


def message_is_read(s):
    try:
        return float(s)
    except ValueError as error:
        message = f"bad {error}"
        print(message)
        return float(len(message))


def many_branches(s):
    """Has so many paths that it is compiled as a region."""
    try:
        x = float(s) if s else 0.0
        for step in (1.0, 2.0, 3.0):
            x = x * step if x > step else x + step
            x = round(x, 2) if x < 100 else x
        y = x / (x - 6.0)
    except (TypeError, ValueError) as problem:
        print(f"no number: {problem}")
        y = -1.0
    return y


def in_a_loop(s):
    count = 0
    for letter in s:
        if letter == "%":
            print(f"a percent sign in {s}")
        count += 1
    return float(count)


FUNCTIONS = [f_string, several_arguments, logger, local_logger, warning, helper, message_is_read, many_branches,
             in_a_loop]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("function", FUNCTIONS)
def test_rows_that_print_run_in_python(function):
    compared = compare_with_worker(function, [WITH_BAD_ROWS, GOOD], DoubleType(), ARROW_BATCHED, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 2, 1)


def test_a_scalar_function_of_a_series():
    def function(s: pd.Series) -> pd.Series:
        return s.apply(f_string)

    compared = compare_with_worker(function, [WITH_BAD_ROWS, GOOD], DoubleType(), SCALAR_PANDAS)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 2, 1)


def test_a_handler_does_not_hide_a_refusal_that_another_attempt_avoids():
    def function(s):
        try:
            text = f"{len(s)} letters"  # used other than as the result: needs another attempt
            return float(len(text))
        except Exception:  # noqa: BLE001
            return None

    compared = compare_with_worker(function, [GOOD], DoubleType(), ARROW_BATCHED)
    assert (compared.refused, compared.decided) == ("", 1)


def every_row(s):
    print(s)
    return 1.0


def message_decides(s):
    try:
        return float(s)
    except ValueError as error:
        return "could not" if "could not" in str(error) else 0.0


class Loud:
    def __str__(self):
        return "loud"


LOUD = Loud()


def own_class(s):
    if s == "x":
        print(LOUD)
    return 1.0


def raising_output(s):
    try:
        try:
            return float(s)
        except ValueError:
            print("bad")
            return 0.0
    except OSError:
        return "cannot write"  # beside floats, PySpark converts it otherwise


REFUSED = {every_row: "SW229", message_decides: "SW298", own_class: "SW262", raising_output: "SW298"}


@pytest.mark.parametrize("function", REFUSED)
def test_what_is_refused(function):
    assert compare_with_worker(function, [WITH_BAD_ROWS], DoubleType(), ARROW_BATCHED).refused == REFUSED[function]


def test_a_function_of_columns_prints_once_a_batch():
    def function(s: pd.Series) -> pd.Series:
        print("a batch")
        return s.str.len()

    assert compare_with_worker(function, [GOOD], LongType(), SCALAR_PANDAS).refused == "SW229"
