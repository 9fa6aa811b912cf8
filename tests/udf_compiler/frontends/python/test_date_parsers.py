"""Compares dateutil.parser.parse, and strptime with an offset, with PySpark's worker."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest
from dateutil import parser
from dateutil.parser import parse
from pyspark.sql.types import DateType, StringType, TimestampType

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

ISO = ["2020-01-02", "1012-05-06", "2020-01-02T03:04", "2020-01-02 03:04:05", "2020-01-02T03:04:05.123",
       "2020-01-02 03:04:05.000001"]  # fmt: skip
#: dateutil reads the first as the 13th of January, and others by the current date; the rest raises.
OTHER = ["2020-13-01", "Jan 3 2020", "2020-01-02T03:04:05Z", "12", "2020-02-30", "2020-01-02 24:00", "x", "", "2020-01-0２"]
UTC = ["2020-01-02T03:04:05+0000", "2020-01-02T03:04:05-00:00", "2020-01-02T03:04:05Z"]
ZONED = ["2020-01-02T03:04:05-0700", "2020-01-02T03:04:05+00:00:00", "2020-01-02T03:04:05z", "2020-01-02T03:04:05", "Z", "",
         "2020-01-02T03:04:05+0000Z", "2020-01-02T03:04:05 Z"]  # fmt: skip


def caught(s):
    try:
        return parser.parse(s).strftime("%Y-%m-%d %H:%M:%S.%f")
    except Exception:  # noqa: BLE001 - as people write it
        return None


def of_import(s):
    import dateutil.parser

    return dateutil.parser.parse(s).date() if s else None


def of_constant(s):
    return parse("2020-01-02" if s < "2" else "31/12/2024")


def zoned(s):
    try:
        moment = datetime.datetime.strptime(s, "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        return "bad"
    return f"{moment.isoformat()} {moment.timestamp()} {moment.tzinfo == datetime.timezone.utc} {moment:%H%z}"


def literal_percent(s):
    try:
        return str(datetime.datetime.strptime(s, "%Y %%z"))
    except ValueError:
        return None


def _compared(function, texts, returns):
    batches = [pa.record_batch({"s": pa.array(rows, pa.string())}) for rows in (texts, *([x] for x in texts))]
    return compare_with_worker(function, batches, returns, ARROW_BATCHED, kernel=True)


@pytest.mark.parametrize(
    ("function", "returns", "texts", "flagged"),
    [
        (caught, StringType(), ISO, 0), (caught, StringType(), OTHER, 1 + len(OTHER)), (of_import, DateType(), [*ISO, None], 0),
        (lambda s: parse(s), TimestampType(), ISO, 0), (of_constant, TimestampType(), ISO, 0),
        (literal_percent, StringType(), ["2020 %z", "2020 +0000"], 0),
        (zoned, StringType(), UTC, 0), (zoned, StringType(), ZONED, 6),
    ],
)  # fmt: skip
def test_strings_that_are_parsed(function, returns, texts, flagged):
    proved = _compared(function, texts, returns)
    assert (proved.refused, proved.decided, proved.flagged) == ("", len(texts) + 1, flagged)


def of_options(**options):
    return lambda s: parser.parse(s, **options)


OPTIONS = [{}, {"dayfirst": True}, {"dayfirst": False}]


@pytest.mark.parametrize("options", OPTIONS)
def test_orders_of_the_fields(options):
    """Days and months up to 12 are ambiguous; days over 12 decide the order."""
    dates = [(day, month, year) for day in (1, 3, 11, 12, 13, 28, 29, 31) for month in (1, 2, 3, 12) for year in (24, 2023, 2024)]
    texts = [f"{year:04}-{month:02}-{day:02}{clock}" for day, month, year in dates for clock in ("", "T10:05")]
    for mark in "/-":
        texts += [f"{day:02}{mark}{month:02}{mark}{year:04}" for day, month, year in dates]
        texts += [f"{month}{mark}{day}{mark}{year:04} 9:{day}" for day, month, year in dates]
        texts += [f"{month:02}{mark}{day:02}{mark}{year:04}  23:59:{day}" for day, month, year in dates]
    valid = [text for text in texts if _is_valid(text, options)]
    assert len(valid) > 600
    batches = [pa.record_batch({"s": pa.array(rows, pa.string())}) for rows in (valid, *([x] for x in texts if x not in valid))]
    proved = compare_with_worker(of_options(**options), batches, TimestampType(), ARROW_BATCHED, kernel=True)
    assert (proved.refused, proved.decided, proved.raised) == ("", 1, len(batches) - 1)
    assert proved.flagged == len(batches) - 1  # those that raise, and no other


def _is_valid(text, options):
    try:
        return bool(parser.parse(text, **options))
    except ValueError:
        return False


def test_other_marks_and_shorter_years_run_in_python():
    texts = ["1.2.2024", "01/02/24", "01/02-2024", "2024/01/02", "01/02/2024 10:05 pm", "1/2/2024T10:05", "30/02/2024",
             "00/01/2024", "01/01/0000", "10:05 01/02/2024", "01/02/2024 24:00", "01/02/2024 10:05:60", "32/01/2024",
             "1/2/20245"]  # fmt: skip
    proved = _compared(caught, texts, StringType())
    assert (proved.refused, proved.decided, proved.flagged) == ("", len(texts) + 1, len(texts) + 1)


def test_other_options_are_refused():
    for function in (
        lambda s: parse(s, fuzzy=True), lambda s: parse(s, yearfirst=True), lambda s: parse(s, dayfirst=len(s) > 9),
        lambda s: parse(s, default=None),
    ):  # fmt: skip
        assert _compared(function, ISO, TimestampType()).refused == "SW262"
