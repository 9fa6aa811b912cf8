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
        (lambda s: parse(s), TimestampType(), ISO, 0), (literal_percent, StringType(), ["2020 %z", "2020 +0000"], 0),
        (zoned, StringType(), UTC, 0), (zoned, StringType(), ZONED, 6),
    ],
)  # fmt: skip
def test_strings_that_are_parsed(function, returns, texts, flagged):
    proved = _compared(function, texts, returns)
    assert (proved.refused, proved.decided, proved.flagged) == ("", len(texts) + 1, flagged)


def test_other_orders_of_the_fields():
    assert _compared(lambda s: parse(s, dayfirst=True), ISO, TimestampType()).refused == "SW262"
