"""Compares programs outside Spark with the function or model itself: tables of all kinds, single rows, NULLs and bad input."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, BinaryType, DoubleType, LongType, MapType, StringType, StructField, StructType
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import sparkweld
from sparkweld.errors import Refusal, UserError

RNG = np.random.default_rng(3)
TABLE = pd.DataFrame({
    "age": RNG.integers(18, 90, 200), "pay": RNG.normal(3000, 900, 200), "job": RNG.choice(["cook", "smith"], 200),
})  # fmt: skip
LABELS = (TABLE["pay"] + 20 * TABLE["age"] > 4000).astype(int)


def model():
    job = ("job", OneHotEncoder(handle_unknown="ignore"), ["job"])
    encoded = ColumnTransformer([job, ("rest", StandardScaler(), ["age", "pay"])])
    return make_pipeline(encoded, LogisticRegression()).fit(TABLE, LABELS)


def trees():
    features = TABLE[["age", "pay"]]
    labels = TABLE["pay"] * 2 + 50 * TABLE["age"]
    return LGBMRegressor(n_estimators=12, num_leaves=7, verbose=-1, n_jobs=1).fit(features, labels), features


def bonus(pay, age, job):
    if pay is None:
        return None
    if job == "smith":
        return pay * 0.1 / (age - 18)
    return pay * 0.05 + len(job or "")


BONUS = {"pay": "double", "age": "long", "job": "string"}


def test_a_model_answers_like_the_library():
    fitted = model()
    program = sparkweld.compile(fitted, TABLE, proba=True)
    wanted = fitted.predict_proba(TABLE)[:, 1]
    made = program(TABLE)
    assert isinstance(made, pd.Series) and made.index.equals(TABLE.index) and made.to_numpy() == pytest.approx(wanted, rel=1e-14)
    for data in (dict(TABLE), TABLE.to_dict("list"), pa.Table.from_pandas(TABLE), pa.RecordBatch.from_pandas(TABLE)):
        assert np.asarray(program(data)).tolist() == made.tolist()
    rows = [program.predict_row(**row) for row in TABLE.head(20).to_dict("records")]
    assert rows == made.head(20).tolist()


def test_trees_answer_with_the_same_bits_for_a_matrix_and_a_row():
    fitted, features = trees()
    program = sparkweld.compile(fitted, {"age": "long", "pay": "double"})
    wanted = fitted.predict(features)
    assert program(features).tolist() == wanted.tolist()
    floats = sparkweld.compile(fitted, {"age": "double", "pay": "double"})
    assert floats(features.to_numpy()).tolist() == wanted.tolist()
    assert [floats.predict_row(age=float(a), pay=p) for a, p in features.to_numpy()[:50]] == wanted[:50].tolist()
    assert floats.predict_row(age=None, pay=2000.0) == fitted.predict(pd.DataFrame({"age": [np.nan], "pay": [2000.0]}))[0]
    order = program.top_k(features, 5)
    assert order.tolist() == np.lexsort((np.arange(len(wanted)), -wanted))[:5].tolist()


@pytest.mark.parametrize("kind", ["binary", "multiclass", "poisson"])
def test_trees_with_a_link_function_do_not_depend_on_the_number_of_rows(kind):
    """The exponentials of a few rows are computed by the same version of the function as those of many."""
    features = pd.DataFrame(np.random.default_rng(5).normal(size=(300, 4)), columns=list("abcd"))
    total, chosen = features.sum(axis=1), {"n_estimators": 9, "verbose": -1, "n_jobs": 1}
    if kind == "poisson":
        fitted = LGBMRegressor(objective="poisson", **chosen).fit(features, total.abs())
        wanted = fitted.predict(features)
    else:
        fitted = LGBMClassifier(**chosen).fit(features, np.digitize(total, [0] if kind == "binary" else [-1, 1]))
        wanted = fitted.predict_proba(features)[:, 1]
    program = sparkweld.compile(fitted, features, proba="1" if kind != "poisson" else False)
    of = lambda made: np.asarray(made).reshape(-1) if not hasattr(made, "iloc") else made.to_numpy().reshape(-1)  # noqa: E731
    every = of(program(features))
    assert every == pytest.approx(wanted, rel=1e-13)
    for rows in (1, 7, 8, 15, 16, 17):
        assert of(program(features.head(rows))).tolist() == every[:rows].tolist()


def test_tables_of_floats_do_not_depend_on_their_kind():
    fitted, features = trees()
    program = sparkweld.compile(fitted, {"age": "double", "pay": "double"})
    floats = features.astype(float)
    floats.iloc[3, 1] = np.nan
    for rows in (1, 5, 16, 17, 200):
        some = floats.tail(rows).iloc[::-1]
        wanted = fitted.predict(some).tolist()
        columns = {name: some[name].to_numpy() for name in ("pay", "age")}
        tables = (some, some[["pay", "age"]], some.to_numpy(), np.asfortranarray(some), some.to_dict("list"), columns)
        tables += (pa.table(columns),)
        assert [np.asarray(program(table)).tolist() for table in tables] == [wanted] * len(tables)
        assert program(some).index.equals(some.index)
        unknown = program({"pay": some["pay"].tolist(), "age": [None] * rows})
        assert unknown.tolist() == fitted.predict(some.assign(age=np.nan)).tolist()
    with pytest.raises(UserError, match="different numbers of rows"):
        program({"pay": [1.0, 2.0], "age": [1.0]})
    with pytest.raises(UserError, match="'job' is not a column"):
        program(floats.assign(job=1.0))
    with pytest.raises(UserError, match="does not hold double"):
        program(floats.assign(age=True))
    assert program(floats.head(0)).tolist() == []


def test_nulls_of_results_in_tables_of_floats():
    program = sparkweld.compile(lambda a, b: None if a > b else 1 / (a - 9), {"a": "double", "b": "double"}, "double")
    for rows in (3, 40):
        matrix = np.array([[2.0, 1.0], [1.0, 5.0], [3.0, np.nan]] * rows)[:rows]
        wanted = [np.nan if a > b else 1 / (a - 9) for a, b in matrix]
        assert program(matrix) == pytest.approx(wanted, nan_ok=True, rel=0)
        with pytest.raises(ZeroDivisionError):
            program(np.vstack([matrix, [9.0, 10.0]]))
        assert program(matrix) == pytest.approx(wanted, nan_ok=True, rel=0)


def test_a_function_of_a_row_with_nulls_and_flagged_rows():
    program = sparkweld.compile(bonus, BONUS, "double")
    columns = {"pay": [1000.0, None, 500.0, 10.0], "age": [38, 40, 50, 20], "job": ["smith", "smith", None, "cook"]}
    assert program(pa.table(columns)).to_pylist() == [bonus(*row) for row in zip(*columns.values(), strict=True)]
    assert program.predict_row(pay=1000.0, age=38, job="smith") == bonus(1000.0, 38, "smith")
    assert program.predict_row(pay=None, age=38, job="smith") is None
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    assert [program.predict_row(**row) for row in rows] == [bonus(**row) for row in rows]
    with pytest.raises(ZeroDivisionError):
        program.predict_row(pay=1.0, age=18, job="smith")
    with pytest.raises(ZeroDivisionError):
        program({name: [values[0], values[0]] for name, values in columns.items()} | {"age": [20, 18]})


def test_functions_of_series_and_udfs_of_spark():
    def ratio(a: pd.Series, b: pd.Series) -> pd.Series:
        return a / b

    table = pd.DataFrame({"a": [1, 2, 3], "b": [4, 0, 2]})
    for function in (ratio, F.pandas_udf(ratio, DoubleType())):
        program = sparkweld.compile(function, table, None if function is not ratio else "double")
        assert program(table).tolist() == ratio(table["a"], table["b"]).tolist()
    nulls = pa.table({"a": pa.array([1, None, 3]), "b": [2, 2, 2]})  # another dtype, so another form of the program
    assert program(nulls).to_pylist() == [0.5, None, 1.5]
    assert "NULLs in a" in program.explain()
    plain = sparkweld.compile(F.udf(lambda a, b: a * b, LongType()), {"a": "long", "b": "long"})
    assert plain.predict_row(a=6, b=7) == 42


def test_structs_strings_and_arrays():
    returns = StructType([StructField("name", StringType()), StructField("total", DoubleType())])

    def described(name, values):
        return name.upper() + "é", sum(values)

    program = sparkweld.compile(described, {"name": StringType(), "values": ArrayType(DoubleType())}, returns)
    assert program.predict_row(name="ß", values=[1.0, 2.5]) == {"name": "SSé", "total": 3.5}
    made = program(pd.DataFrame({"name": ["a", ""], "values": [[1.0], []]}, index=[7, 9]))
    assert made.to_dict("list") == {"name": ["Aé", "é"], "total": [1.0, 0.0]} and list(made.index) == [7, 9]
    maybe = sparkweld.compile(lambda a: (str(a), a * 2) if a > 0 else None, {"a": "double"}, returns)
    made = maybe({"a": [-1.0, 1.0]})
    assert made["name"].tolist() == [None, "1.0"] and str(made["total"].tolist()) == "[nan, 2.0]"
    divided = sparkweld.compile(lambda a: {"name": str(a), "total": 1 / a} if a < 9 else None, {"a": "double"}, returns)
    assert divided.predict_row(a=9.0) == {"name": None, "total": None}
    assert divided.predict_row(a=4.0) == {"name": "4.0", "total": 0.25}
    doubled = sparkweld.compile(lambda xs: [x * 2 for x in xs], {"xs": "array<long>"}, ArrayType(LongType()))
    assert doubled(pa.table({"xs": [[1, 2], [], [3]]})).to_pylist() == [[2, 4], [], [6]]


def test_an_empty_table():
    program = sparkweld.compile(bonus, BONUS, "double")
    assert program({name: [] for name in BONUS}).tolist() == []
    assert program(pd.DataFrame({name: [] for name in BONUS})).tolist() == []


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"pay": [1.0]}, "'age', 'job' is missing"),
        ({"pay": [1.0], "age": [1], "job": ["a"], "x": [1]}, "'x' is not a column of the program; it takes pay double"),
        ({"pay": ["1.0"], "age": [1], "job": ["a"]}, "column 'pay' does not hold double"),
        ({"pay": [1.0], "age": [1.5], "job": ["a"]}, "column 'age' does not hold long"),
        ({"pay": [True], "age": [1], "job": ["a"]}, "column 'pay' does not hold double"),
        ({"pay": [1.0], "age": [2**63], "job": ["a"]}, "column 'age' does not hold long"),
        ({"pay": [1.0], "age": [1], "job": [b"a"]}, "column 'job' does not hold string"),
        ({"pay": [1.0], "age": [1], "job": ["\ud800"]}, "column 'job' does not hold string"),
        ({"pay": [1.0, 2.0], "age": [1], "job": ["a"]}, "different numbers of rows: pay 2, age 1, job 1"),
        (3, "a int is not a table"),
        (np.zeros((2, 2)), "the matrix has 2 columns; the program takes 3"),
    ],
)
def test_bad_tables(columns, message):
    program = sparkweld.compile(bonus, BONUS, "double")
    with pytest.raises(UserError) as error:
        program(columns)
    assert message in str(error.value)
    if isinstance(columns, dict) and "different" not in message:
        with pytest.raises(UserError) as error:
            program.predict_row(**{name: values[0] for name, values in columns.items()})
        assert message in str(error.value)


def test_bad_rows_of_numbers():
    """These take the other way through `predict_row`, without Arrow."""
    program = sparkweld.compile(lambda a, b: a + b, {"a": "double", "b": "long"}, "double")
    assert program.predict_row(a=1, b=np.int64(2)) == 3.0
    wrong = [{"a": 1.0, "b": 2.0}, {"a": "1", "b": 2}, {"a": 1.0, "b": True}, {"a": 1.0}, {"a": 1.0, "c": 2}]
    for values in [*wrong, {"a": 1.0, "b": 2**63}]:
        with pytest.raises(UserError):
            program.predict_row(**values)


def test_rows_of_strings():
    def line(name, count, other):
        return f"{name}:{count}" + ("" if other is None else other.strip()) if name != "none" else None

    program = sparkweld.compile(line, {"name": "string", "count": "long", "other": "string"}, "string")
    long = "é" * 50_000  # more than the first arena holds
    for row in [("a", 1, "b "), ("", -5, None), ("none", 2, "x"), ("日本", 2**62, "\x00"), (long, 7, long), ("a", 1, "b ")]:
        assert program.predict_row(name=row[0], count=row[1], other=row[2]) == line(*row)
    with pytest.raises(UserError, match="column 'name' does not hold string"):
        program.predict_row(name="\ud800", count=1, other=None)


def test_results_that_are_parts_of_the_input():
    """The results of both are views of the memory that held the input."""
    stripped = sparkweld.compile(lambda s: s.strip(), {"s": "string"}, "string")
    text = "é" * 2_000_000  # memory of this size is unmapped when it is freed
    assert stripped.predict_row(s=f" {text} ") == text
    assert stripped({"s": [f" {text} "]}).tolist() == [text]
    rest = sparkweld.compile(lambda xs: xs[1:], {"xs": "array<string>"}, ArrayType(StringType()))
    lists = [[f"{row} {at}" for at in range(40)] for row in range(20_000)]
    assert rest(pa.table({"xs": lists})).to_pylist() == [xs[1:] for xs in lists]


def test_columns_that_the_kernel_does_not_read_are_checked():
    program = sparkweld.compile(lambda a, b: a * 2, {"a": "double", "b": "long"}, "double")
    assert program.predict_row(a=2.0, b=1) == 4.0
    for values in ({"a": 2.0, "b": "1"}, {"a": 2.0, "c": 1}, {"a": 10**400, "b": 1}):
        with pytest.raises(UserError):
            program.predict_row(**values)


def test_what_does_not_compile_is_refused_with_its_reason():
    with pytest.raises(Refusal, match="SW"):
        sparkweld.compile(lambda a: hash(str(a)), {"a": "double"}, "long")
    for function, columns, returns in [
        (bonus, {"pay": "double"}, "double"), (bonus, BONUS, None), (bonus, BONUS | {"pay": "decimal(3,1)"}, "double"),
        (lambda a: {"a": a}, {"a": "long"}, MapType(StringType(), LongType())),
        (lambda a: a.encode(), {"a": "string"}, BinaryType()), (bonus, BONUS | {"pay": "timestamp"}, "double"),
        (3, BONUS, "double"), (bonus, 3, "double"), ("/nowhere/model.joblib", BONUS, None),
    ]:  # fmt: skip
        with pytest.raises(UserError):
            sparkweld.compile(function, columns, returns)


def test_threads_share_a_program():
    fitted, features = trees()
    program = sparkweld.compile(fitted, {"age": "double", "pay": "double"})
    wanted, rows, wrong = fitted.predict(features).tolist(), features.astype(float).to_dict("records"), []

    def work():
        for _ in range(20):
            got = [program.predict_row(**row) for row in rows[:50]]
            if got != wanted[:50] or program(features.astype(float)).tolist() != wanted:
                wrong.append(got)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_strings_that_repeat_in_threads_have_the_results_of_new_ones(tmp_path):
    """A thread keeps the features of strings and words that it has seen; each of the others begins without any."""
    words = [f"word{at} {'good' if at % 3 else 'poor'} {chr(233 + at % 7)}{at % 5}" for at in range(60)]
    terms = ColumnTransformer([("terms", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4)), "text")])
    fitted = make_pipeline(terms, LogisticRegression()).fit(pd.DataFrame({"text": words}), [at % 3 == 0 for at in range(60)])
    table, made = pd.DataFrame({"text": [*words, "new", ""]}), []
    program = sparkweld.compile(fitted, table, proba=True)
    program.save(tmp_path / "text")
    loaded = sparkweld.load(tmp_path / "text")
    wanted = program(table).tolist()
    assert wanted == pytest.approx(fitted.predict_proba(table)[:, 1].tolist(), rel=1e-12)

    def work(seed):
        order = np.random.default_rng(seed).integers(0, len(table), 400)
        for part in np.array_split(order, 8):
            alone = [loaded.predict_row(text=table.text[at]) for at in part]
            made.append((part, loaded(table.iloc[part]).tolist(), alone))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 32 and all(many == alone == [wanted[at] for at in part] for part, many, alone in made)


def test_rows_in_a_list_are_checked_as_a_table_is():
    program = sparkweld.compile(bonus, BONUS, "double")
    row = {"pay": 100.0, "age": 20, "job": "cook"}
    assert program.predict_rows([row, row | {"pay": None}]) == [9.0, None]
    assert program.predict_rows([]) == []
    for wrong, message in [
        ({"pay": 1.0, "age": 20}, "'job' is missing"), (row | {"z": 1}, "'z' is not a column"),
        ([1.0, 20, "cook"], "a list is not a row"),
    ]:  # fmt: skip
        with pytest.raises(UserError, match=message):
            program.predict_rows([row, wrong])


def test_the_types_of_numbers_in_results():
    """NumPy has two types of 64 bits: pandas and MLflow look for np.int64."""
    types = {"long": np.int64, "integer": np.int32, "short": np.int16, "float": np.float32, "double": np.float64}
    for name, dtype in types.items():
        same = sparkweld.compile(lambda a: a, {"a": name}, name)
        for data in (np.ones((2, 1), dtype), {"a": np.ones(2, dtype)}, pd.DataFrame({"a": np.ones(2, dtype)})):
            assert np.asarray(same(data)).dtype.type is dtype
    labels = sparkweld.accelerate(model()).predict(TABLE)
    assert labels.dtype.type is np.int64 and pd.DataFrame(labels).select_dtypes([int]).shape == (len(TABLE), 1)


def test_a_column_called_self():
    program = sparkweld.compile(lambda self, k: self + k, {"self": "double", "k": "double"}, "double")
    assert program.predict_row(**{"self": 1.0, "k": 2.0}) == 3.0


def test_a_program_is_not_pickled():
    program = sparkweld.compile(bonus, BONUS, "double")
    for call in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(UserError, match="save it to a file"):
            call(program)
