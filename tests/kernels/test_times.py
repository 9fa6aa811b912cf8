"""Compares the kernels of strptime and strftime with Python's, on strings near the formats."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from sparkweld.ir import Input, ProgramBuilder, evaluate
from sparkweld.ir.ops import StrCall
from sparkweld.ir.time_formats import microseconds, parsed_items, written_items
from sparkweld.ir.types import I64, STR
from tests.helpers.columns import difference
from tests.helpers.kernels import load_as_is
from tests.helpers.time_strings import FORMATS, near


def _kernel_and_evaluate(ops, type, rows):
    builder = ProgramBuilder("times", [Input("x", type)])
    loop = builder.loop("times")
    for at, op in enumerate(ops):
        loop.append(f"{at}", loop.emit(op, loop.read("x")))
    loop.close()
    program = builder.finish([f"{at}" for at in range(len(ops))])
    got = load_as_is(program).run({"x": rows}, len(rows))
    expected = evaluate(program, {"x": rows}, len(rows))
    for at, op in enumerate(ops):
        problem = difference(got.columns[f"{at}"], expected.columns[f"{at}"])
        assert problem is None, f"{op}: {problem}"
    return expected


def test_parsing_equals_python():
    random = np.random.default_rng(1)
    rows = np.array([near(format, random) for format in FORMATS for _ in range(300)], object)
    ops = [*(StrCall("strptime", (format,)) for format in FORMATS), StrCall("parse_iso")]
    found = _kernel_and_evaluate(ops, STR, rows)
    assert np.count_nonzero(found.columns[f"{len(FORMATS)}"].valid) > 300
    for at, format in enumerate(FORMATS):
        assert np.count_nonzero(found.columns[f"{at}"].valid) > (0 if format == "" else 50), f"no row is a time of {format!r}"


def test_formatting_equals_python():
    random = np.random.default_rng(2)
    low, high = microseconds(datetime.datetime.min), microseconds(datetime.datetime.max)
    days = np.arange(low, high, 86_400_000_000 * 997)
    rows = np.concatenate([random.integers(low, high, 5000, endpoint=True), days, days - 1 + 86_400_000_000, [low, high]])
    formats = [format for format in FORMATS if written_items(format) is not None]
    formats += ["%-d.%-m.%y", "%e|%k|%l|%P|%h", "%F %T %R %D", "%U %W %u %w", "%-H:%-M:%-S %-I %-j"]
    _kernel_and_evaluate([StrCall("strftime", (format,)) for format in formats], I64, rows)


UNPARSED = ["%Y %Y", "%", "% Y", "%Q", "%Ey", "%c", "%x", "%z", "%Z", "%G-%V-%u", "%U %a", "é%Y", "a" * 65]


@pytest.mark.parametrize("format", UNPARSED)
def test_unsupported_formats_have_no_items(format):
    assert parsed_items(format) is None


@pytest.mark.parametrize("format", ["%", "%-", "%-f", "%-b", "%Q", "%c", "%s", "%z", "%Z", "%G", "%V", "%5d", "é%Y", "\0"])
def test_unsupported_formats_are_not_written(format):
    assert written_items(format) is None
