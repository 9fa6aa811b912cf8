"""Checks which tables and rows programs read, and that a function receives the values that each kind of them holds."""

from __future__ import annotations

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import sparkweld
from sparkweld.errors import UserError

UTC = datetime.timezone.utc
MOMENT = datetime.datetime(2020, 1, 2, 5)


@pytest.fixture(scope="module")
def is_null():
    return sparkweld.compile(lambda a, b: 1.0 if a is None else 2.0 if a != a else 3.0, {"a": "double", "b": "double"}, "double")


def test_masked_values_are_null_and_nan_is_not(is_null):
    values = pa.array([1.0, np.nan, None])
    masked = np.ma.masked_array([1.0, np.nan, 9.0], [False, False, True])
    for column in (values, masked, pd.Series(values, dtype="double[pyarrow]")):
        assert np.asarray(is_null({"a": column, "b": np.ones(3)})).tolist() == [3.0, 2.0, 1.0]


def test_masked_matrices_and_floats_of_pandas(is_null):
    matrix = np.ma.masked_array([[1.0, 0.0], [np.nan, 0.0], [9.0, 0.0]], [[False, False], [False, False], [True, False]])
    assert is_null(matrix).tolist() == [3.0, 2.0, 1.0]
    floats = pd.array([1.0, 2.0, None], "Float64")
    floats._data[1] = np.nan
    assert is_null(pd.DataFrame({"a": floats, "b": 0.0})).tolist() == [3.0, 2.0, 1.0]


def test_labels_of_columns():
    less = sparkweld.compile(lambda a, b: a - b, {"0": "double", "1": "double"}, "double")
    matrix = np.array([[5.0, 1.0], [7.0, 2.0]])
    assert less(pd.DataFrame(matrix)).tolist() == [4.0, 5.0]
    assert less(pd.DataFrame(matrix)[[1, 0]]).tolist() == [4.0, 5.0]
    assert less(pd.DataFrame(matrix[:, ::-1], columns=["1", "0"])).tolist() == [4.0, 5.0]
    for table in (
        pd.DataFrame(np.ones((2, 3)), columns=["0", "1", "1"]), pd.DataFrame(np.ones((2, 3)), columns=["0", "1", 1]),
        pa.Table.from_arrays([pa.array([1.0])] * 3, ["0", "1", "1"]),
    ):  # fmt: skip
        with pytest.raises(UserError, match="'1' names several columns"):
            less(table)


def test_a_function_that_reads_no_column():
    constant = sparkweld.compile(lambda a: 1.5, {"a": "double"}, "double")
    for table in ({"a": [1.0, 2.0]}, {"a": np.ones(2)}, np.ones((2, 1)), pd.DataFrame({"a": [1.0, 2.0]})):
        assert np.asarray(constant(table)).tolist() == [1.5, 1.5]


@pytest.mark.parametrize(
    "value", [2**53 + 1, 2**64, decimal.Decimal("1.5"), np.bool_(True), np.longdouble(1), np.array(1.0), "1", True]
)
def test_values_that_no_column_of_floats_holds(is_null, value):
    for call in (lambda: is_null.predict_row(a=value, b=1.0), lambda: is_null({"a": [value], "b": [1.0]})):
        with pytest.raises(UserError, match="does not hold double"):
            call()


def test_integers_that_a_column_of_floats_holds():
    same = sparkweld.compile(lambda a, b: a, {"a": "double", "b": "float"}, "double")
    for value in (2**53, -(2**53), np.int64(7), np.float32(0.5)):
        assert same.predict_row(a=value, b=0) == float(value) == same({"a": [value], "b": [0.0]})[0]
    with pytest.raises(UserError, match="does not hold float"):
        sparkweld.compile(lambda b: b, {"b": "float"}, "float").predict_row(b=2**24 + 1)


def totals():
    return [sparkweld.compile(lambda a: sum(a), {"a": f"array<{kind}>"}, kind) for kind in ("double", "long")]


def test_elements_of_arrays_are_not_converted():
    floats, integers = totals()
    assert floats({"a": [[1, 2.5], [], np.array([1, 2])]}).tolist() == [3.5, 0.0, 3.0]
    assert floats(pa.table({"a": pa.array([[1], [2]], pa.large_list(pa.int64()))})).to_pylist() == [1.0, 2.0]
    wrong = [[1.5], [2.0], np.array([1.5]), [True], ["1"], [decimal.Decimal(1)], np.array([2**63], np.uint64)]
    for value in wrong:
        with pytest.raises(UserError, match="does not hold array<long>"):
            integers({"a": [value]})
    for kind, value in ((pa.string(), "1"), (pa.bool_(), True), (pa.decimal128(3), decimal.Decimal(1))):
        for program in (floats, integers):
            with pytest.raises(UserError, match="does not hold array"):
                program(pa.table({"a": pa.array([[value]], pa.list_(kind))}))


def test_slices_of_arrays_and_their_nulls():
    counts = sparkweld.compile(lambda a: -1 if a is None else sum([1 for x in a if x is None]), {"a": "array<long>"}, "long")
    values = pa.array([[1], [None, 2], None, [], [None, None], [3, None]])
    wanted = [0, 1, -1, 0, 2, 1]
    for begin in range(6):
        for end in range(begin, 7):
            assert counts(pa.table({"a": values[begin:end]})).to_pylist() == wanted[begin:end]
    chunked = pa.chunked_array([values[1:3], values[5:], values[:0]])
    assert counts(pa.table({"a": chunked})).to_pylist() == [1, -1, 1]


def test_dates_and_timestamps_lose_nothing():
    day = sparkweld.compile(lambda a: a.day, {"a": "date"}, "long")
    hour = sparkweld.compile(lambda a: -1 if a is None else a.hour, {"a": "timestamp_ntz"}, "long")
    assert day({"a": [MOMENT.date()]}).tolist() == [2]
    for value in (MOMENT, 5, 5.0, pd.Timestamp(MOMENT), "2020-01-02"):
        for column in ([value], [MOMENT.date(), value]):
            with pytest.raises(UserError, match="does not hold date"):
                day({"a": column})
    assert hour({"a": [MOMENT, None, pd.NaT, pd.Timestamp(MOMENT)]}).tolist() == [5, -1, -1, 5]
    aware = MOMENT.replace(tzinfo=UTC)
    wrong = [[aware], [MOMENT, aware], [5], [pd.Timestamp(MOMENT) + pd.Timedelta(1)], pd.Series([aware]), pa.array([aware])]
    for column in wrong:
        with pytest.raises(UserError, match="does not hold timestamp_ntz"):
            hour({"a": column})


def test_kinds_of_strings():
    size = sparkweld.compile(lambda a: -1 if a is None else len(a), {"a": "string"}, "long")
    plain = pa.array(["x", "é\0b", None, ""])
    kinds = [plain, plain.cast(pa.large_string()), plain.dictionary_encode(), pa.chunked_array([plain[:1], plain[1:]])]
    for column in kinds:
        assert size(pa.table({"a": column})).to_pylist() == [1, 3, -1, 0]
    pieces = [pd.Series(part, dtype="string[pyarrow]") for part in (["x", "é\0b"], [None, ""])]
    for series in (pd.concat(pieces, ignore_index=True), pd.Series(["x", "é\0b", None, ""], dtype="category"), plain.to_pandas()):
        assert size(pd.DataFrame({"a": series})).tolist() == [1, 3, -1, 0]
    assert size(pa.table({"a": pa.nulls(2)})).to_pylist() == [-1, -1]
    assert size.predict_row(a="x" * 10**6) == 10**6
    wrong = [pa.array([b"\xf0"]).view(pa.string()), pa.array([b"a"]), pa.array([1]).dictionary_encode(), ["\ud800"], [b"a"]]
    for column in wrong:
        with pytest.raises(UserError, match="does not hold string"):
            size({"a": column})


def test_the_largest_integers_in_order():
    same = sparkweld.compile(lambda a: a, {"a": "long"}, "long")
    values = [2**53, 2**53 + 1, -(2**63), 2**63 - 1, 2**53 + 2]
    assert same.top_k({"a": values}, 9).tolist() == sorted(range(5), key=lambda at: -values[at])


def test_what_is_no_column():
    """The keys of a dict, such as of `DataFrame.to_dict()`, the characters of a string and a set are no values of rows."""
    twice = sparkweld.compile(lambda a, s: a * len(s), {"a": "double", "s": "string"}, "double")
    frame = pd.DataFrame({"a": [5.0, 6.0], "s": ["x", "y"]})
    assert twice(frame.to_dict("list")).tolist() == [5.0, 6.0]
    assert twice({"a": range(2), "s": (x for x in "ab")}).tolist() == [0.0, 1.0]
    for column, value in (("a", {0: 5.0, 1: 6.0}), ("a", {1.0, 2.0}), ("a", b"ab"), ("s", "xy"), ("s", frame["s"].to_dict())):
        with pytest.raises(UserError, match=rf"column '{column}' does not hold .* is not a sequence of values"):
            twice({**frame.to_dict("list"), column: value})
    with pytest.raises(UserError, match="column 'a' does not hold double"):
        twice({"a": 5.0, "s": ["x"]})
    with pytest.raises(UserError, match="pass None for a missing string"):
        twice(pd.DataFrame({"a": [5.0, 6.0], "s": ["x", np.nan]}))
    with pytest.raises(UserError, match="pass None for a missing string"):
        twice.predict_row(a=5.0, s=float("nan"))
