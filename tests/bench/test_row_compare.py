"""Checks that the benchmarks' row comparison detects differences: a comparison that cannot fail proves nothing."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from row_compare import Bound, compare_folders, compare_tables


def table(values, keys=None, type_=None):
    keys = list(range(len(values))) if keys is None else keys
    return pa.table({"id": pa.array(keys, pa.int64()), "x": pa.array(values, type_ or pa.float64(), from_pandas=False)})


NAN, INF = float("nan"), float("inf")
UP = float(np.nextafter(1.0, 2.0))


@pytest.mark.parametrize("value", [None, NAN, 0.0, -0.0, 1.5, float("inf"), 5e-324])
def test_a_value_equals_itself(value):
    assert compare_tables(table([value]), table([value]), "id", {}).equal


@pytest.mark.parametrize("bound", [None, Bound(4, absolute=1e-3)])
@pytest.mark.parametrize(
    ("left", "right"),
    [(None, NAN), (None, 0.0), (NAN, 1.0), (0.0, -0.0), (INF, -INF), (1.0, -1.0), (INF, NAN), (INF, 1.0)],
)
def test_special_values_differ_under_any_bound(left, right, bound):
    bounds = {"x": bound} if bound else {}
    assert not compare_tables(table([left]), table([right]), "id", bounds).equal
    assert not compare_tables(table([right]), table([left]), "id", bounds).equal


def test_a_bound_accepts_differences_up_to_its_value():
    assert not compare_tables(table([1.0]), table([UP]), "id", {}).equal
    assert compare_tables(table([1.0]), table([UP]), "id", {"x": Bound(1)}).equal
    verdict = compare_tables(table([1.0]), table([1.0 + 4e-16]), "id", {"x": Bound(1)})
    assert not verdict.equal and verdict.columns[1].largest_ulp == 2
    assert compare_tables(table([1e-20]), table([-1e-20]), "id", {"x": Bound(1, absolute=1e-12)}).equal


def test_float_columns_count_their_own_steps():
    left, right = (table([v], type_=pa.float32()) for v in (1.0, float(np.nextafter(np.float32(1), np.float32(2)))))
    assert compare_tables(left, right, "id", {"x": Bound(1)}).columns[1].largest_ulp == 1


def test_rows_are_joined_by_key_and_missing_rows_are_found():
    assert compare_tables(table([1.0, 2.0], [1, 2]), table([2.0, 1.0], [2, 1]), "id", {}).equal
    verdict = compare_tables(table([1.0, 2.0], [1, 2]), table([1.0], [1]), "id", {})
    assert not verdict.equal and verdict.only_left == 1
    assert "not a unique key" in compare_tables(table([1.0, 2.0], [1, 1]), table([1.0]), "id", {}).problem


def test_other_types_are_exact():
    left, right = (table(v, type_=pa.string()) for v in (["a", None, None], ["a", None, ""]))
    verdict = compare_tables(left, right, "id", {})
    assert verdict.columns[1].different == 1
    assert "DIFFERENT" in "\n".join(verdict.lines())
    assert not compare_tables(left, table([1.0, 2.0, 3.0]), "id", {}).equal


def test_folders_of_several_files(tmp_path):
    for side, order in (("left", (0, 1)), ("right", (1, 0))):
        (tmp_path / side).mkdir()
        for name, part in zip(("a", "b"), order, strict=True):
            rows = table([part + 0.5, None], [part * 2, part * 2 + 1])
            pq.write_table(rows, tmp_path / side / f"{name}.parquet")
        (tmp_path / side / "_SUCCESS").touch()
    assert compare_folders(tmp_path / "left", tmp_path / "right", "id", {}).equal
