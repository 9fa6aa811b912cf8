"""Checks split annotations: splits and merges, the errors of wrong annotations, and every row of the tables."""

from __future__ import annotations

import json
import subprocess
import sys
import types

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sparkweld.annotations import (
    Broadcast,
    Concat,
    Count,
    Filtered,
    Matrix,
    Max,
    Merge,
    Mutated,
    RowDomain,
    Rows,
    Sum,
    Unknown,
    annotate,
    annotation_of,
    check,
    row_local,
    splittable,
    tables,
)
from sparkweld.annotations.annotating import is_row_local, tolerance_of
from sparkweld.annotations.containers import concat_rows, equal, take_rows
from sparkweld.annotations.errors import AnnotationError, DomainError

ARRAY = Rows(container="array")
ROWS = [row for table in tables.TABLES for row in table]


@pytest.mark.parametrize("library", sorted({row.library for row in ROWS}))
def test_every_row_of_the_tables(library):
    rows = [row for row in ROWS if row.library == library]
    wrong = {}
    for row in rows:
        made = row.annotation()
        if made is None and row.path in ("math:cbrt", "math:exp2") and sys.version_info < (3, 11):
            continue
        assert made is not None, f"{row.path} does not exist"
        try:
            if check(made) < 3:
                wrong[row.path] = "too few examples run"
        except AnnotationError as fault:
            wrong[row.path] = str(fault)
    assert not wrong, json.dumps(wrong, indent=1)


@pytest.mark.parametrize(
    "value",
    [
        np.arange(10.0),
        np.arange(20).reshape(10, 2),
        pd.Series(list("abcdefghij"), index=range(20, 10, -1), name="s"),
        pd.DataFrame({"x": range(10), "y": list("abcdefghij")}),
        pd.Index(list("abcdefghij")),
        pa.array([1, None, *range(8)]),
        pa.chunked_array([[1, 2, None], list(range(7))]),
        pa.table({"x": list(range(10))}),
        pa.table({"x": list(range(10))}).to_batches()[0],
        list(range(10)),
        tuple(range(10)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_containers_are_put_together_as_they_were(value):
    pieces = [take_rows(value, a, b) for a, b in ((0, 0), (0, 3), (3, 4), (4, 10), (10, 10))]
    assert equal(concat_rows(pieces), value)
    assert equal(concat_rows([take_rows(value, 4, 4), take_rows(value, 9, 9)]), take_rows(value, 0, 0))
    assert not equal(take_rows(value, 0, 9), value)


def test_unequal_values():
    assert not equal(np.array([0.0]), np.array([-0.0])) and equal(np.array([np.nan]), np.array([np.nan]))
    assert not equal(pd.Series([1]), pd.Series([1.0])) and not equal(pd.Series([1]), pd.Series([1], index=[1]))
    assert equal([pd.NA, pd.NaT], [pd.NA, pd.NaT]) and not equal(pd.NA, pd.NaT)
    assert not equal(1, 1.0) and equal(float("nan"), float("nan")) and not equal([1, [2]], [1, [3]])
    with pytest.raises(TypeError, match="ndarray, list|list, ndarray"):
        concat_rows([np.arange(2), [1]])


_calls = []


def counted(x):
    _calls.append(1)
    return x * len(_calls)


def numbered(x, seen):
    seen[len(seen)] = 1
    return x


class Reordered(Rows):
    """A user's split type that loses the order of chunks."""

    def merge(self, pieces):
        return super().merge(list(pieces)[::-1])


class Lossy(Rows):
    """A user's split type that loses a chunk."""

    def merge(self, pieces):
        return super().merge(pieces[:-1])


class Overlapping(Rows):
    """A user's split type that puts a row into two chunks."""

    def split(self, value, start, stop):
        return super().split(value, max(start - 1, 0), stop)


def doubled_in_place(x):
    x *= 2
    return x


@pytest.mark.parametrize(
    ("function", "args", "returns", "complaint"),
    [
        (np.cumsum, (ARRAY,), ARRAY, "another result for the chunks"),
        (lambda x: x - x.mean(), (Rows(),), Rows(), "another result for the chunks"),
        (lambda x: x.reset_index(drop=True), (Rows(),), Rows(), "another result for the chunks"),
        (lambda x: x.sort_values(), (Rows(),), Rows(), "another result for the chunks"),
        (lambda x: x[::-1], (ARRAY,), ARRAY, "another result for the chunks"),
        (lambda x: np.roll(x, 1), (ARRAY,), ARRAY, "another result for the chunks"),
        (lambda x: x.sum(), (Rows(dtype="int64"),), Merge(lambda a, b: a - b), "another result for the chunks"),
        (lambda x: x.iloc[-1] if len(x) else 0, (Rows(dtype="int64"),), Merge(lambda a, b: a), "another result for the chunks"),
        (lambda x: x[x > 0], (ARRAY,), ARRAY, "another length"),
        (lambda x: x[:1], (Rows(dtype="int64"),), Sum(), "another result for the chunks"),
        (lambda x: x[x > 0] - 1 if len(x) > 5 else x[x > 0], (ARRAY,), Filtered(), "another result for the chunks"),
        (lambda x: x.sum() / len(x), (Rows(dtype="int64"),), Sum(), "another result for the chunks"),
        (np.negative, (ARRAY,), Reordered(container="array"), "another result for the chunks"),
        (np.negative, (ARRAY,), Lossy(container="array"), "fails for the chunks|another result for the chunks"),
        (np.negative, (Overlapping(container="array"),), ARRAY, "another result for the chunks"),
        (np.add, (ARRAY, Overlapping(container="array")), ARRAY, "fails for the chunks|another result for the chunks"),
        (counted, (ARRAY,), ARRAY, "keeps state"),
        (doubled_in_place, (ARRAY,), ARRAY, "not annotated as Mutated"),
        (numbered, (ARRAY, Broadcast({})), ARRAY, "argument 2, which is not annotated as Mutated"),
        (lambda x: x / x.shape[0] if x[0] else x, (ARRAY,), ARRAY, "fails for the chunks .*IndexError"),
        (lambda x: json.loads(x), (ARRAY,), ARRAY, "every call on its examples raises TypeError"),
        (lambda x: int(x.max()), (Rows(dtype="int64"),), Max(), r"returns another result .* \(int64\); .* \(int\)\. Input"),
        (lambda x, y: x + y, (ARRAY,), ARRAY, "every call on its examples raises TypeError"),
        (lambda x: x, (ARRAY, ARRAY), ARRAY, "does not accept the annotated arguments"),
        (lambda x: x, (Rows("a"),), Rows("b"), "returns rows of 'b', which no argument has"),
        (lambda x: x, (Filtered(),), Rows(), "returns rows of 'rows'"),
    ],
)  # fmt: skip
def test_wrong_annotations_are_rejected(function, args, returns, complaint):
    with pytest.raises(AnnotationError, match=complaint):
        annotate(function, args, returns=returns)


@pytest.mark.parametrize("examples", [lambda rng, rows: 5, lambda rng, rows: ("x", "y"), lambda rng, rows: {}[rows]])
def test_examples_that_are_none_are_rejected(examples):
    with pytest.raises(AnnotationError, match="cannot be checked"):
        annotate(np.sqrt, (Rows(),), returns=Rows(), examples=examples)


@pytest.mark.parametrize("option", [{"container": "frame"}, {"dtype": "text"}])
def test_types_without_examples_are_rejected(option):
    with pytest.raises(AnnotationError, match="is not|is none"):
        Rows(**option)


def test_a_rejection_shows_the_input():
    with pytest.raises(AnnotationError, match=r"cumsum.*\[0:1\].*Input: \["):
        annotate(np.cumsum, (ARRAY,), returns=ARRAY)
    with pytest.raises(AnnotationError, match="does not accept"):
        annotate(max_of, (ARRAY,), {"axes": Broadcast(0)}, returns=Max())
    with pytest.raises(AnnotationError, match="pass returns="):
        annotate(np.exp, (ARRAY,))
    with pytest.raises(AnnotationError, match="is annotated with <class .*Rows'>, which is not a split type"):
        annotate(np.exp, (Rows,), returns=ARRAY)
    with pytest.raises(AnnotationError, match=r"requires a tuple of split types, not Rows\("):
        annotate(np.exp, ARRAY, returns=ARRAY)
    with pytest.raises(AnnotationError, match="has no example of its own"):
        annotate(np.exp, (Unknown(),), returns=Count())


def max_of(a, axis=None):
    return a.max(axis)


def test_right_annotations_hold():
    @splittable((Rows(), Rows()), {"scale": Broadcast(2.0)}, returns=Rows())
    def weighted(a, b, scale=1.0):
        return a * scale + b

    assert annotation_of(weighted).function is weighted and weighted(1, 2) == 3
    annotate(doubled_in_place, (Mutated(),), returns=ARRAY)
    annotate(lambda x: x[x > 0], (ARRAY,), returns=Filtered())
    annotate(lambda x: x.dropna(), (Rows(),), returns=Filtered())
    annotate(lambda m, w: np.einsum("ij,j->i", m, w), (Matrix(), Broadcast(np.ones(3))), returns=ARRAY)
    annotate(lambda x: x.tolist(), (ARRAY,), returns=Concat())
    annotate(len, (ARRAY,), returns=Count())
    annotate(lambda x: dict.fromkeys(x, 1), (Rows(container="list", dtype="str"),), returns=Merge(lambda a, b: {**a, **b}))
    annotate(str.upper, (Rows(container="list", dtype="str"),), returns=Rows(container="list"), elementwise=True)
    given = annotate(np.add, (ARRAY, ARRAY), returns=ARRAY)
    assert equal(given.on_pieces((np.arange(5.0), 1.5), {}, [0, 2, 5]), np.arange(5.0) + 1.5)


def test_rows_that_are_not_the_same_do_not_meet():
    add = annotate(np.add, (ARRAY, ARRAY), returns=ARRAY)
    keep = annotate(np.compress, (Rows(container="array", dtype="bool"), ARRAY), returns=Filtered())
    table, other = RowDomain("table"), RowDomain("other")
    assert add.domain_of((table, table), {}) is table
    assert add.domain_of((table, None), {}) is table
    kept = keep.domain_of((table, table), {})
    again = keep.domain_of((table, table), {})
    assert kept.parent is table and kept != again
    for wrong in ((kept, table), (table, other), (kept, again)):
        with pytest.raises(DomainError, match="requires argument 1 and argument 2 with the same rows"):
            add.domain_of((wrong[0], wrong[1]), {})
    with pytest.raises(DomainError, match="argument 1 has 3, argument 2 has 2"):
        add.rows((np.arange(3), np.arange(2)), {})
    with pytest.raises(DomainError, match="receives 3"):
        add.rows((1, 2, 3), {})
    with pytest.raises(DomainError, match="is not a matrix"):
        annotate(np.sort, (Matrix(),), returns=Matrix()).rows((np.arange(3),), {})
    two = annotate(lambda a, b: (a, b), (Rows("a"), Rows("b")), returns=Unknown(), check=False)
    with pytest.raises(DomainError, match="rows of 2 domains"):
        two.rows((np.arange(2), np.arange(3)), {})


def test_lookups():
    import scipy.special
    import scipy.stats
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression().fit(np.arange(4.0), np.arange(4.0))
    found = annotation_of(model.predict)
    assert found.args == (ARRAY,) and found.function == model.predict
    assert annotation_of(scipy.special.erf).function is scipy.special.erf
    assert annotation_of(scipy.stats.norm.cdf) is not None and annotation_of(scipy.stats.norm.rvs) is None
    assert annotation_of(json.loads).elementwise and annotation_of(np.cumsum) is None and annotation_of(print) is None


GOOD = "from sparkweld.annotations import *\n@splittable((Rows(),), returns=Rows())\ndef same(x):\n    return x\n"
WRONG = "import numpy as np\nrunning = annotate(np.cumsum, (Rows(container='array'),), returns=Rows(container='array'))\n"


@pytest.mark.gate_cases("source0-0-ok     same", "source1-1-wrong  running", "1 / 0\\n-1-ZeroDivisionError")
@pytest.mark.parametrize(("source", "code", "said"), [
    (GOOD, 0, "ok     same"),
    (GOOD + WRONG, 1, "wrong  running"),
    ("x = 1\n", 1, "has no annotation"),
    ("1 / 0\n", 1, "ZeroDivisionError"),
    ("raise SystemExit\n", 1, "SystemExit"),
    (GOOD + "stop = annotate(exit, (Rows(),), returns=Rows())\n", 1, "raises SystemExit"),
])  # fmt: skip
def test_the_command(tmp_path, source, code, said):
    path = tmp_path / "annotated.py"
    path.write_text(source)
    ran = subprocess.run([sys.executable, "-m", "sparkweld", "annotations", "check", str(path)], capture_output=True, text=True)
    assert ran.returncode == code and said in ran.stdout + ran.stderr, ran.stdout + ran.stderr


def test_row_local_declares_functions_and_udfs():
    def plain(s):
        return s

    udf = types.SimpleNamespace(func=lambda s: s)  # as PySpark's UDF holds its function
    for made, function in ((plain, plain), (udf, udf.func)):
        assert not is_row_local(function) and row_local(made) is made and is_row_local(function)
    assert tolerance_of(row_local(rtol=1e-5)(plain)) == 1e-5 and tolerance_of(udf.func) == 0.0 and tolerance_of(len) is None
    with pytest.raises(AnnotationError, match="rtol=0.5 is not between 0 and 0.01"):
        row_local(plain, rtol=0.5)
    for other in (len, 3, object()):
        with pytest.raises(AnnotationError, match="cannot be declared row-local: pass the function of a UDF, or the UDF"):
            row_local(other)


@pytest.mark.parametrize(
    ("args", "kwargs", "options", "declared"),
    [
        ((Rows(),), {}, {}, True),
        ((Rows(), Rows()), {"c": Rows()}, {}, True),
        ((Rows(), Broadcast(1)), {}, {}, False),
        ((Rows(),), {"c": Broadcast(1)}, {}, False),
        ((Mutated(),), {}, {}, False),
        ((Rows(),), {}, {"returns": Sum()}, False),
        ((Rows(),), {}, {"elementwise": True}, False),
        ((Rows(),), {}, {"wants_rows": True}, False),
    ],
)
def test_annotations_of_rows_to_rows_declare_a_function(args, kwargs, options, declared):
    function = splittable(args, kwargs, **{"returns": Rows(), "check": False, **options})(lambda a, b=None, c=None: a)
    assert is_row_local(function) is declared
