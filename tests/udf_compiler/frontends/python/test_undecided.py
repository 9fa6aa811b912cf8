"""Compares functions of many nullable columns with PySpark's worker: an argument is None or a value where it is first used."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql.types import DoubleType, LongType, StringType, StructField, StructType

from tests.helpers.answers import compile_pipeline
from tests.helpers.compile_requests import call, column, literal, payload, python_step, request, udf
from tests.helpers.compiled import compare_with_worker
from tests.helpers.kinds import run
from tests.helpers.lines import PythonEvalType

PLAIN = PythonEvalType.SQL_ARROW_BATCHED_UDF
#: All columns at once: 4,096 combinations of None and values.
NAMES = "abcdefghijkl"


def batch(share: float, rows: int = 150) -> pa.RecordBatch:
    """Returns columns of doubles and NULLs, the latter with this probability."""
    rng = np.random.default_rng(7)
    return pa.record_batch({
        name: pa.array(rng.choice([0.0, 1.0, 1.5, -2.5, 3.25, float("nan")], rows), pa.float64(), mask=rng.random(rows) < share)
        for name in NAMES
    })  # fmt: skip


def none_of_all(a, b, c, d, e, f, g, h, i, j, k, l):  # noqa: E741
    if a is None or b is None or c is None or d is None or e is None or f is None or g is None or h is None or i is None:
        return None
    if j is None or k is None or l is None:
        return -1.0
    return a + b * c - d + e + f + g * h - i + j + k + l


def sum_of_some(a, b, c, d, e, f, g, h, i, j, k, l):  # noqa: E741
    total = 0.0
    if a is not None:
        total += a
    if b is not None and b > 0:
        total += b * 2
    if c:
        total += c
    for x, weight in zip([d, e, f, g], (1, 2, 3, 4), strict=False):
        if x is not None and x > 1:
            total += x * weight
    return total if h is None else total + (i or 0.0) + (j if j is not None else k or -1.0) - (l if l else 3)


def defaults(a, b, c, d, e, f, g, h, i, j, k, l):  # noqa: E741
    if a is None:
        a = 0.0
    b = 1.0 if b is None else b
    c = c or 0.0
    copy, pair = d, (d, e)
    if copy is None:
        d = pair[1]
    return (a + b + c + (d or 0.0), f if f is not None else g)[0 if h is None else 1]


def caught(a, b, c, d, e, f, g, h, i, j, k, l):  # noqa: E741
    try:
        return a + b * c - d + e + f + g * h - i + j + k + l
    except TypeError:
        return -1.0


def first(*values, default=0.0):
    return next((x for x in values if x is not None), default)


def helpers(a, b, c, d, e, f, g, h, i, j, k, l):  # noqa: E741
    def or_zero(x):
        return 0.0 if x is None else x

    return or_zero(a) + or_zero(b) + or_zero(c) + or_zero(d) + first(e, f, g, h, i, j, default=or_zero(k)) + first(l)


def mean(*values):
    known = [x for x in values if x is not None]
    return sum(known) / len(known) if known else None


def counted(a, b, c, d, e, f, g, h, i, j, k, l):  # noqa: E741
    if None in (a, b, c):
        return -1.0
    if any(x is None for x in (d, e, f)) and not all([g, h, i]):
        return float(len([x for x in [j, k, l] if x]))
    return a or b or c


def matched(a, b, c, d, e, f, g, h, i, j, k, l):  # noqa: E741
    match a:
        case None:
            return b
        case 1.0:
            return c
        case float():
            return d
    return e


@pytest.mark.parametrize("function", [none_of_all, sum_of_some, defaults, caught, helpers, mean, counted, matched])
def test_functions_of_twelve_nullable_columns(function):
    batches = [batch(0.3), batch(0.02), batch(1.0, 3)]
    compared = compare_with_worker(function, batches, DoubleType(), PLAIN, kernel=True)
    assert not compared.refused and compared.decided == 3, compared


def test_rows_that_raise_run_in_python():
    added = lambda a, b, c, d, e, f, g, h, i, j, k, l: a + b + c + d + e + f + g + h + i + j + k + l  # noqa: E731, E741
    compared = compare_with_worker(added, [batch(0.3), batch(0.0)], DoubleType(), PLAIN, kernel=True)
    assert (compared.refused, compared.decided, compared.raised) == ("", 1, 1)


def test_a_struct_of_a_string_and_a_number():
    def described(a, b, c, d, e, f, g, h, i, j, k, l):  # noqa: E741
        name = "none" if a is None else f"a={a}"
        return name + ("" if b is None else "b") + ("" if c is None else "c"), int(d) if d is not None and d == d else None

    returns = StructType([StructField("text", StringType()), StructField("number", LongType())])
    compared = compare_with_worker(described, [batch(0.3), batch(0.0)], returns, PLAIN, kernel=True)
    assert not compared.refused and compared.decided == 2, compared


def reply_of(function, columns, eval_type=100, kind="double"):
    taken = [column(name, kind) for name in columns]
    step = python_step(r=udf(0, *taken, returns="string" if kind != "double" else "double", evalType=eval_type))
    return compile_pipeline(request(step, inputs=dict.fromkeys(columns, kind)), [payload(function)])


def test_checks_of_each_column_make_a_tree_not_a_region():
    """One path for each check, so the kernel is vectorised, and Catalyst has an expression for it."""
    reply = reply_of(none_of_all, NAMES)
    assert reply["status"] == "ok"
    assert "region" not in reply["program"]


VALUES = {
    "string": (pa.string(), ["", "x", "None", "é¢"]), "long": (pa.int64(), [0, -5, 2**62]),
    "boolean": (pa.bool_(), [True, False]),
    "double": (pa.float64(), [0.5, -0.0, 1e22, float("nan"), 5e-324]),
    "date": (pa.date32(), [datetime.date(1, 1, 1), datetime.date(2020, 2, 29)]),
}  # fmt: skip


def in_order(a, b, c, d, e, f, g, h, i, j, k, l):  # noqa: E741
    return f"{a}|{b!s}|{c}|{d}|{e}|{f}|{g}|{h}|{i}|{j}|{k}|{l}"


def by_calls(a, b, c, d, e, f, g, h, i, j, k, l):  # noqa: E741
    return str(a) + "-".join([str(b), str(c), str(d), str(e), str(f), str(g), str(h)]) + str(i) + str(j) + str(k) + str(l)


def by_template(a, b, c, d, e, f, g, h, i, j, k, l):  # noqa: E741
    made = "{}{}{}{}{}{}{}{}".format(a, b, c, d, e, f, g, h)  # noqa: UP032
    return made + "{0}{last}{0}".format(i, last=j) + "%s,%s" % (k, l)  # noqa: UP031, UP032


def used_again(a, b, c, d, e, f, g, h, i, j, k, l):  # noqa: E741
    key = f"{a}{b}{c}{d}{e}{f}{g}{h}{i}{j}{k}{l}"
    if a is None:
        return key + f"{a}{b}"
    return key + str(len(f"{a}")) + ("" if b is None else f"{b}")


@pytest.mark.each_value_once
@pytest.mark.parametrize("kind", VALUES)
@pytest.mark.parametrize("function", [in_order, by_calls, by_template, used_again])
def test_strings_of_twelve_nullable_columns(function, kind):
    """Each combination of None and values is another text, and none is a path of its own."""
    type, values = VALUES[kind]
    rng = np.random.default_rng(3)
    pick = lambda: [None if rng.random() < 0.4 else values[rng.integers(len(values))] for _ in range(60)]  # noqa: E731
    batches = [pa.record_batch({name: pa.array(pick(), type) for name in NAMES})]
    compared = compare_with_worker(function, batches, StringType(), PLAIN, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 0), compared
    reply = reply_of(function, NAMES, kind=kind)
    assert reply["status"] == "ok" and reply["nodes"] < 250


def test_representations_of_many_nullable_columns_are_refused():
    """No string is made of ``repr``, so each argument has two paths."""

    def represented(a, b, c, d, e, f, g, h, i, j, k, l):  # noqa: E741
        return f"{a!r}{b!r}{c!r}{d!r}{e!r}{f!r}{g!r}{h!r}{i!r}{j!r}{k!r}{l!r}"

    reply = reply_of(represented, NAMES)
    assert [refusal["code"] for refusal in reply["refusals"]] == ["SW290"]


def places(parts):
    total = 0
    for at, part in enumerate(parts):
        total += at * len(part)
    return total


def test_a_loop_over_an_enumerated_argument_that_may_be_none():
    """Spark computes the array in the same program, so it is NULL where the string is."""
    text, pattern, limit = column("s", "string"), literal("-", "string"), literal(-1, "integer")
    parts = call("StringSplit", text, pattern, limit, type="array<string>")
    step = python_step(r=udf(0, parts, returns="long", evalType=PLAIN))
    made = compile_pipeline(request(step, inputs={"s": "string"}, nullable_state=["s"]), [payload(places)])
    (values,), flagged = run(made, {"s": ["a-bb-ccc", "", "x", None]})
    assert (values[:3], flagged.tolist()) == ([8, 0, 0], [False, False, False, True])
