"""Compares NumPy on the lists of a row, and models that plain UDFs call for one row, with PySpark's worker."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.linalg import norm
from pyspark.sql.types import ArrayType, DoubleType, LongType, StringType
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sparkweld.contract.constants import ARROW_BATCHED
from tests.helpers.compiled import compare_with_worker

FLOATS, INTS = pa.list_(pa.float64()), pa.list_(pa.int64())
# Sums and products of these are exact in any order.
BATCH = pa.record_batch({
    "x": pa.array([[1.0, 2.5, -3.0], [0.5, 4.0, 4.0], [3.0, -4.0, 12.0], [8.0, 0.25, 1.0]], FLOATS),
    "y": pa.array([[2.0, 0.5, 1.0], [4.0, -4.0, 4.0], [1.0, 1.0, 1.0], [-0.5, 0.25, 16.0]], FLOATS),
    "n": pa.array([[3, 1, 2], [7, 7, -1], [5, 2**62, 2**62], [0, 0, 1]], INTS),
})  # fmt: skip
ODD = pa.record_batch({
    "x": pa.array([[1.0], [], None, [float("nan"), 1.0], [1.0, 2.0]], FLOATS),
    "y": pa.array([[2.0, 1.0, 3.0], [1.0], [2.0], [1.0, 2.0], [float("inf"), 1.0]], FLOATS),
    "n": pa.array([[], [1], None, [2, 2, 2, 2], [-1, 5]], INTS),
})  # fmt: skip
CENTRES = [np.array([0.5, -0.5, 0.0]), np.array([-1.0, 1.0, 0.25]), np.array([0.0, 0.0, 2.0])]
TABLE = np.array([[1.0, 2.0, 0.5], [0.25, -1.0, 4.0]])


def cosine(x, y, n):
    a, b = np.array(x), np.asarray(y)
    size = np.linalg.norm(a) * norm(b)
    return 0.0 if size == 0 else float(np.dot(a, b) / size)


def nearest(x, y, n):
    squares = np.sum((np.array(CENTRES) - x) ** 2, 1)
    best = squares.argmin()
    return float(best) + float(squares[best])


def nearest_by_norm(x, y, n):
    apart = norm(np.array(CENTRES) - np.array(x), axis=1)
    return float(np.argmin(apart) + apart.min())


def transformed(x, y, n):
    made = TABLE @ np.array(x)
    return float(made[0] - made[1] + (np.array(x) @ np.array([1.0, 2.0, 4.0])))


def statistics(x, y, n):
    return float(np.mean(x) + np.max(y) - np.min(y) + np.sum(n) + np.argmax(n) + np.median(x) + np.var(y))


def of_functions(x, y, n):
    return float(np.add(x, y)[0] + np.subtract(x, y)[1] * np.dot(x, y) + np.multiply(y, 2.0).sum())


def product_or_zero(x, y, n):
    try:
        return float(np.dot(x, y))
    except TypeError:
        return 0.0


def of_elements(x, y, n):
    made = np.array([x[0], n[0], 2])
    pair = np.array([[x[0], 1.0], [y[1], 2.5]])
    return float(made.sum() + pair[1].max() + pair[0, 1] + pair[:, 0].sum() + pair.mean(axis=1)[0])


def of_integers(x, y, n):
    return float(np.dot(n, n) + (np.array(n) * 2).sum() + np.inner(np.array(n), [1, 2, 3]))


def cosine_of_floats(x, y, n):
    a, b = np.array(x, dtype=np.float32), np.asarray(y, dtype="float32")
    size = np.linalg.norm(a) * norm(b)
    return 0.0 if size == 0 else float(np.dot(a, b) / size) + float(norm(a - b, axis=0))


def norms(x, y, n):
    return float(norm(x, np.inf) + norm(np.array(y), 1) + norm(np.array(x, np.float32), ord=2) + norm(n, axis=0))


def running(x, y, n):
    return float(np.cumsum(x)[-1] - np.array(y).cumsum()[1] + np.cumsum(n)[0] + np.array(y, np.float32).cumsum()[2])


def shares(x, y, n):
    ends = np.quantile(np.array(x), 1) - np.percentile(y, 0)
    return float(np.percentile(x, 90) + np.quantile(y, 0.25) - np.percentile(n, 50) + ends)


def steps(x, y, n):
    return float(np.diff(x).max() - np.diff(np.array(n))[-1] + len(np.unique(n)) - np.unique(np.asarray(n))[0])


FUNCTIONS = [
    shares, steps,
    cosine, nearest, nearest_by_norm, transformed, statistics, of_elements, of_integers, cosine_of_floats, norms, running,
    of_functions, product_or_zero,
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS)
def test_numpy_on_lists(function):
    compared = compare_with_worker(function, [BATCH], DoubleType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared
    assert not compare_with_worker(function, [ODD], DoubleType(), ARROW_BATCHED, kernel=True).refused


@pytest.mark.gate_cases("0.1", "0.77", "1.0")
@pytest.mark.parametrize("share", [0.0, 0.1, 1 / 3, 0.5, 0.77, 0.999, 1.0])
def test_percentiles_have_the_bits_of_numpy(share):
    draw = np.random.default_rng(3)
    lists = [draw.normal(size=size) * 10.0 ** draw.integers(-12, 12) for size in range(1, 60)]
    integers = [draw.integers(-(2**61), 2**61, size) for size in range(1, 60)]
    batch = pa.record_batch({"x": pa.array(lists, FLOATS), "n": pa.array(integers, INTS)})

    def both(x, n):
        return [float(np.quantile(x, share)), float(np.percentile(n, 100 * share))]

    compared = compare_with_worker(both, [batch], ArrayType(DoubleType()), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1 and not compared.flagged, compared
    infinite = [[-np.inf, 1.0, np.inf], [np.inf, np.inf], [-np.inf, np.inf], [1.0, np.inf], [1.0, 2.0, 3.0, np.inf]]
    infinite += [[-0.0], [-0.0, 0.0], [-0.0, 0.0, 7.7, -1.0, 0.2, 1.0, 0.1, 0.2, -0.0]]
    odd = pa.record_batch({"x": pa.array(infinite, FLOATS), "n": pa.array([[1]] * 8, INTS)})
    with np.errstate(invalid="ignore"):
        assert not compare_with_worker(both, [odd], ArrayType(DoubleType()), ARROW_BATCHED, kernel=True).refused


def test_lists_of_percentiles():
    def unpacked(x, n):
        if not x:
            return None
        low, middle, high = np.percentile(np.array(x, dtype=float), [25, 50, 75])
        return [float(low), float(middle), float(high), float(high - low)]

    def listed(x, n):
        return np.quantile(n, (0, 0.1, 1)).tolist() + [float(q) for q in np.quantile(x, [0, 1])]

    draw = np.random.default_rng(4)
    lists = [draw.normal(size=size) * 10.0 ** draw.integers(-12, 12) for size in range(1, 40)]
    integers = [draw.integers(-(2**61), 2**61, size) for size in range(1, 40)]
    batch = pa.record_batch({"x": pa.array(lists, FLOATS), "n": pa.array(integers, INTS)})
    for function in (unpacked, listed):
        compared = compare_with_worker(function, [batch], ArrayType(DoubleType()), ARROW_BATCHED, kernel=True)
        assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 0), compared
    odd = [[], None, [1.0, float("nan")], [-0.0, 0.0], [1.0, float("inf")]]
    batches = [pa.record_batch({"x": pa.array([row], FLOATS), "n": pa.array([[1]], INTS)}) for row in odd]
    with np.errstate(invalid="ignore"):
        compared = compare_with_worker(unpacked, batches, ArrayType(DoubleType()), ARROW_BATCHED, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 5, 3), compared


def test_none_beside_an_array_is_left_to_python():
    batch = pa.record_batch({"x": pa.array([[1.0, 2.0], None, [3.0]], FLOATS), "y": pa.array([[1.0, 0.5], [2.0], None], FLOATS)})
    for function in (lambda x, y: float(np.dot(x, y)), lambda x, y: float(np.add(x, y)[0]), lambda x, y: float(np.dot(y, x))):
        assert not compare_with_worker(function, [batch[:1]], DoubleType(), ARROW_BATCHED, kernel=True).flagged
        assert compare_with_worker(function, [batch], DoubleType(), ARROW_BATCHED, kernel=True).raised == 1
    compared = compare_with_worker(lambda x, y: _dot_or_zero(x, y), [batch], DoubleType(), ARROW_BATCHED, kernel=True)
    assert (compared.refused, compared.decided, compared.flagged) == ("", 1, 1)


def _dot_or_zero(x, y):
    try:
        return float(np.dot(x, y))
    except TypeError:
        return 0.0


def test_arrays_as_results():
    def scaled(x, y, n):
        return (np.array(x) / np.sum(x)).tolist()

    def widened(x, y, n):
        return np.array(n, dtype=float).tolist()

    for function in (scaled, widened):
        compared = compare_with_worker(function, [BATCH], ArrayType(DoubleType()), ARROW_BATCHED, kernel=True)
        assert not compared.refused and compared.decided == 1, compared


SHUFFLED = pa.record_batch({"x": pa.array([[3.0, -1.0, 2.0, 0.5], [0.25], [5.0, 4.0, 3.0, 2.0, 1.0]], FLOATS)})
EQUAL = pa.record_batch({"x": pa.array([[1.0, 0.0, -0.0], [2.0, 2.0], [float("nan"), 1.0], []], FLOATS)})


def test_positions_in_ascending_order():
    def best_two(x):
        return np.argsort(x)[::-1][:2].tolist()

    def stable(x):
        return np.array(x).argsort(kind="stable").tolist()

    for function in (best_two, stable):
        compared = compare_with_worker(function, [SHUFFLED], ArrayType(LongType()), ARROW_BATCHED, kernel=True)
        assert not compared.refused and compared.decided == 1, compared
    # Where elements are equal, the positions of NumPy's quicksort depend on the CPU.
    assert compare_with_worker(best_two, [EQUAL], ArrayType(LongType()), ARROW_BATCHED, kernel=True).flagged == 1


def test_short_products_of_single_floats_are_those_of_blas():
    def product(x, y):
        return float(np.dot(np.array(x, np.float32), np.array(y, np.float32)))

    rng = np.random.default_rng(5)
    rows = {name: pa.array([rng.normal(size=n).tolist() for n in range(2, 32)], FLOATS) for name in "xy"}
    compared = compare_with_worker(product, [pa.record_batch(rows)], DoubleType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared
    assert compare_with_worker(product, [pa.record_batch(rows)], DoubleType(), ARROW_BATCHED, exact=True).refused == "SW232"


def test_functions_of_libm_are_approximate():
    def softmax(x, y, n):
        shifted = np.exp(np.array(x) - np.max(x))
        return (shifted / shifted.sum()).tolist()

    assert not compare_with_worker(softmax, [SAME], ArrayType(DoubleType()), ARROW_BATCHED, kernel=True).refused
    assert compare_with_worker(softmax, [SAME], ArrayType(DoubleType()), ARROW_BATCHED, exact=True).refused == "SW232"
    looped = compare_with_worker(lambda x, y, n: [float(np.exp(v)) for v in x], [SAME], ArrayType(DoubleType()), ARROW_BATCHED)
    assert looped.refused == "SW286"


SAME = pa.record_batch({name: pa.array([[2.0, 2.0], [0.0]], FLOATS) for name in "xyn"})

REFUSED = [
    lambda x, y, n: np.argsort(x, kind="heapsort").tolist()[0] + 0.5,
    lambda x, y, n: float(norm(np.array(CENTRES) - x)),
    lambda x, y, n: float((np.array(CENTRES) - x).sum()),
    lambda x, y, n: float((np.array(CENTRES) - x).sum(axis=0)[0]),
    lambda x, y, n: float(norm(x, 3)),
    lambda x, y, n: float(np.percentile(x, [10, n[0]])[0]),
    lambda x, y, n: float(np.percentile(x, [])[0]),
    lambda x, y, n: float(np.percentile(x, [[10], [90]])[0]),
    lambda x, y, n: float(np.percentile(x, [10, 101])[0]),
    lambda x, y, n: float(np.quantile(n, 1)) + float(np.quantile(n, [0, 1])[0]),
    lambda x, y, n: float(np.percentile(x, n[0])),
    lambda x, y, n: float(np.unique(x)[0]),
    lambda x, y, n: float(np.diff(x, 2)[0]),
    lambda x, y, n: float(np.diff(x, 1.0)[0]),
    lambda x, y, n: float(np.percentile(x, 50, axis=0.0)),
    lambda x, y, n: float(np.diff(np.array(x) > 1)[0]),
]


@pytest.mark.parametrize("function", REFUSED)
def test_other_functions_of_lists_are_refused(function):
    assert compare_with_worker(function, [BATCH], DoubleType(), ARROW_BATCHED).refused == "SW222"


def test_products_in_another_order_are_approximate():
    assert compare_with_worker(cosine, [BATCH], DoubleType(), ARROW_BATCHED, exact=True).refused == "SW232"
    assert not compare_with_worker(of_integers, [BATCH], DoubleType(), ARROW_BATCHED, exact=True).refused


X = pd.DataFrame(np.random.default_rng(3).normal(size=(80, 3)), columns=["a", "b", "c"])
LINE = LinearRegression().fit(X.values, X.a)
LINE.coef_, LINE.intercept_ = np.array([2.0, -1.0, 0.5]), 1.0
TREE = DecisionTreeClassifier(max_depth=3).fit(X.values, (X.a > X.b).astype(int))
NAMED = DecisionTreeClassifier(max_depth=3).fit(X, (X.a > X.b).astype(int))
SCALER = StandardScaler().fit(X.values)
SCALER.mean_, SCALER.scale_ = np.array([1.0, 2.0, 4.0]), np.array([0.5, 2.0, 8.0])
TEXTS = LogisticRegression().fit(X.values, np.where(X.a > 0, "up", "down"))
NUMPY = LogisticRegression().fit(X.values, np.array([np.str_("up"), np.str_("down")], object)[(X.a > 0).astype(int)])
OBJECTS = LogisticRegression().fit(X.values, pd.Series(np.where(X.a > 0, "up", "down"), dtype=object))
ROWS = [
    pa.record_batch({"a": pa.array([0.5, -2.0, 3.0, 0.2]), "b": pa.array([1.0, None, 2.0, -8.0]), "c": pa.array([4, 1, None, 0])})
]


def by_list(a, b, c):
    return None if b is None else float(LINE.predict([[a, b, c or 0]])[0])


def by_array(a, b, c):
    if b is None or c is None:
        return -1.0
    return float(TREE.predict_proba(np.array([a, b, c]).reshape(1, -1))[0][1])


def by_rows(a, b, c):
    values = []
    for value in (a, b, c):
        if value is None:
            return None
        values.append(float(value))
    return float(TREE.predict(np.array([values], dtype="float64"))[0])


def by_frame(a, b, c):
    if c is None:
        return None
    frame = pd.DataFrame([[a, b or 0.0, c]], columns=["a", "b", "c"])
    frame["c"] = frame["c"] * 2
    return float(NAMED.predict_proba(frame)[:, 1][0] + NAMED.predict(pd.DataFrame({"a": [a], "b": [1.0], "c": [c]}))[0])


def without_a_guard(a, b, c):
    return float(TREE.predict_proba(np.array([[a, b, c]]))[0, 1]) + float(TREE.predict(np.array((a, 1.0, c)).reshape(1, -1))[0])


def frame_without_a_guard(a, b, c):
    return float(NAMED.predict_proba(pd.DataFrame([[a, b, c]], columns=["a", "b", "c"]))[0, 1])


def in_a_handler(a, b, c):
    try:
        made = SCALER.transform([[a, b, c]])
        return float(LINE.predict(made).tolist()[0] + made[0, 1])
    except Exception:  # noqa: BLE001 - as jobs have it
        return -1.0


@pytest.mark.parametrize("function", [by_list, by_array, by_rows, by_frame, in_a_handler])
def test_models_of_one_row(function):
    compared = compare_with_worker(function, ROWS, DoubleType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared


@pytest.mark.parametrize("function", [without_a_guard, frame_without_a_guard])
def test_rows_with_a_null_are_left_to_python(function):
    """A NULL in each column, also in all of them at once, makes an array of objects; trees take it as missing, or raise."""
    nulls = {name: pa.array([None], type) for name, type in zip("abc", ROWS[0].schema.types, strict=True)}
    rows = [ROWS[0].slice(0, 1), pa.record_batch(nulls)]
    compared = compare_with_worker(function, [*rows, ROWS[0]], DoubleType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.flagged == 2, compared



def test_labels_of_one_row():
    """Labels that are objects are strings of Python."""

    def label(a, b, c):
        if a is None or b is None or c is None:
            return "none"
        first, [second] = OBJECTS.predict([[a, b, c]])[0], OBJECTS.predict([[c, b, a]])
        return first.upper() + second + OBJECTS.predict([[a, a, c]]).item() + OBJECTS.predict([[c, c, c]]).tolist()[0]

    def of_numpy(a, b, c):
        if a is None or b is None or c is None:
            return "none"
        return TEXTS.predict([[a, b, c]]).item().upper() + TEXTS.predict([[c, b, a]]).tolist()[0]

    for function in (label, of_numpy):
        compared = compare_with_worker(function, ROWS, StringType(), ARROW_BATCHED, kernel=True)
        assert (compared.refused, compared.flagged) == ("", 0), function


def test_models_of_rows_that_are_refused():
    def several(a, b, c):
        return float(LINE.predict([[a, 1.0, 2.0], [a, 3.0, 4.0]])[0])

    def strings(a, b, c):
        return len(TEXTS.predict([[a, 1.0, 2.0]])[0])

    def in_a_loop(a, b, c):
        total = 0.0
        for at in range(int(a or 0)):
            total += LINE.predict([[a, float(at), 2.0]])[0]
        return int(total)

    def of_numpy(a, b, c):
        return len(NUMPY.predict([[a, 1.0, 2.0]]).item())

    def by_option(a, b, c):
        try:
            return len(OBJECTS.predict([[a, 1.0, 2.0]]).item(0))
        except TypeError:
            return -1

    refused = ((several, "SW810"), (strings, "SW818"), (in_a_loop, "SW810"), (of_numpy, "SW818"), (by_option, "SW818"))
    for function, code in refused:
        assert compare_with_worker(function, ROWS, LongType(), ARROW_BATCHED).refused == code, function


DOCUMENTS = ["good movie", "bad movie", "fun plot", "boring plot twist"]
TFIDF = TfidfVectorizer(ngram_range=(1, 2)).fit(DOCUMENTS)
STARS = LinearRegression().fit(TFIDF.transform(DOCUMENTS), [5.0, 1.0, 4.0, 2.0])
NAIVE = make_pipeline(CountVectorizer(), MultinomialNB()).fit(DOCUMENTS, [1, 0, 1, 0])
REVIEWS = [pa.record_batch({"s": pa.array(["good fun", None, "", "bad plot", "é movie Movie", "boring boring twist", "zzz"])})]


def by_vectorizer(s):
    return None if s is None else float(STARS.predict(TFIDF.transform([s]))[0])


def by_pipeline(s):
    if not s:
        return 0.0
    return float(NAIVE.predict_proba([s.lower()])[0][1] + NAIVE.predict([s])[0])


def of_a_default(s):
    return float(NAIVE.predict([s or "no review"])[0])


@pytest.mark.parametrize("function", [by_vectorizer, by_pipeline, of_a_default])
def test_text_models_of_one_row(function):
    alone = [REVIEWS[0].slice(at, 1) for at in range(REVIEWS[0].num_rows)]
    compared = compare_with_worker(function, [*REVIEWS, *alone], DoubleType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1 + len(alone), compared


def test_the_features_of_a_text_as_an_array_are_refused():
    def features(s):
        return float(TFIDF.transform([s or ""]).toarray().sum())

    assert compare_with_worker(features, REVIEWS, DoubleType(), ARROW_BATCHED).refused == "SW816"


def normalized(x, y, n):
    vector = np.array(x)
    size = np.linalg.norm(vector).tolist()
    if size == 0:
        return np.zeros_like(vector).tolist()
    return (vector / size).tolist()


def test_reductions_as_lists_are_python_numbers():
    squares = pa.record_batch({"x": pa.array([[3.0, 4.0], [0.0], [-0.0], [8.0]]), "y": BATCH["y"], "n": BATCH["n"]})
    compared = compare_with_worker(normalized, [squares], ArrayType(DoubleType()), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared

    def divided(x, y, n):
        return np.mean(x).tolist() / np.max(y).item() + np.max(n).tolist() // 2

    compared = compare_with_worker(divided, [BATCH], DoubleType(), ARROW_BATCHED, kernel=True)
    assert not compared.refused and compared.decided == 1, compared

    def by_zero(x, y, n):
        return np.mean(x).tolist() / (np.max(y).item() * 0)

    compared = compare_with_worker(by_zero, [BATCH], DoubleType(), ARROW_BATCHED)
    assert not compared.refused and compared.raised == 1, compared
