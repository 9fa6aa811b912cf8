"""Compares scikit-learn's text vectorisers and the models behind them with the library, bit for bit."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from pyspark.sql.types import DoubleType, LongType, StringType
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.linear_model import LinearRegression, LogisticRegression, Perceptron, Ridge, SGDClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, MultinomialNB
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import MaxAbsScaler, Normalizer, StandardScaler
from sklearn.svm import LinearSVC

from sparkweld.errors import VerifyError
from sparkweld.ir.ops import TextSums
from sparkweld.ir.text_models import CHAR, LOG, NORM_L1, NORM_L2, NORM_MAX, SCALE, WORD, Analyzer
from sparkweld.ir.types import STR
from sparkweld.kernels.functions.models.text_entries import ENTRIES
from tests.helpers.kernels import load, program
from tests.helpers.models import batch_of, compare
from tests.kernels.test_kernels import FencedArray
from udf_compiler.frontends.models.text import least_of_token

DOCUMENTS = [
    "", "   ", "the", "The cat sat on the mat", "the the the THE cat cat", "Straße STRASSE ß ẞ", "ΟΔΟΣ ὈΔΥΣΣΕΎΣ Σ ςΣ ΑΣ'Β",
    "İstanbul ISTANBUL ıi I\u0307", "cafe\u0301 café cafè Ｃａｆｅ ﬁne ㎏ ½", "日本語 テキスト 한국어 각 한",
    "a b c d 1 22 333", "x_1 _y __ ___z9", "it's don't e-mail a.b.c", "ﷺ ﷽ Ǆ ŉ ΐ",
    "\ttabs\t\tand\nnew\r\nlines \x1c\x85\u3000 spaces\u00a0here", "😀 emoji 👍🏽 zwj 👩‍👩‍👧 done",
    "cat-cat cat_cat catcat", "١٢٣ ४५ Ⅷ ²", "\u0301\u0301 combining first", "a" * 300, "word " * 60, "mat the on sat cat the",
]  # fmt: skip
LABELS = np.array([sum(map(ord, d)) % 3 for d in DOCUMENTS])
NAMES = np.array(["no", "yes", "maybe"])[LABELS]
UNSEEN = [*DOCUMENTS, "unseen words only", "the unseen cat", "THE STRASSE", "mat\u2028sat the\x0bcat", "cat" * 40, "ab " * 200]
BATCH = batch_of(s=UNSEEN)


def score_of(model, method="decision_function", rows=DOCUMENTS):
    """Returns a function that computes the last column of a method's result."""
    if np.ndim(getattr(model, method)(rows)) == 2:
        return lambda d: pd.Series(getattr(model, method)(d)[:, -1])
    return lambda d: pd.Series(getattr(model, method)(d))


def sums_of(vectorizer, weights=None):
    """Returns a linear model of one output on the vectoriser's output."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        columns = vectorizer.fit_transform(DOCUMENTS).shape[1]
        linear = LinearRegression().fit(np.zeros((2, columns)), np.zeros(2))
    linear.coef_ = np.random.default_rng(columns).normal(size=columns) if weights is None else weights
    linear.intercept_ = 0.25
    return make_pipeline(vectorizer, linear)


def equal(model, method="predict", returns=None, batch=BATCH, rtol=0.0):
    """Compares all rows; none is flagged."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scored = compare(score_of(model, method), batch, returns, struct=False, rtol=rtol)
    assert scored.rows == batch.num_rows and not scored.flagged, scored
    return scored


OPTIONS = [
    TfidfVectorizer(),
    TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, stop_words="english"),
    TfidfVectorizer(ngram_range=(2, 3), norm="l1", use_idf=False, lowercase=False),
    TfidfVectorizer(strip_accents="unicode", binary=True, smooth_idf=False),
    TfidfVectorizer(strip_accents="ascii", norm=None, token_pattern=r"\b\w+\b", max_features=20),
    TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2),
    TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), strip_accents="unicode"),
    TfidfVectorizer(analyzer="char_wb", ngram_range=(1, 2), lowercase=False, sublinear_tf=True),
    CountVectorizer(token_pattern=r"\S+", ngram_range=(1, 3)),
    CountVectorizer(token_pattern=r"[a-z]{2,}", stop_words=["the", "CAT", "sat"], dtype=np.float64),
    CountVectorizer(token_pattern=r"(?a)\b\w\w+\b", binary=True, max_df=3),
    CountVectorizer(vocabulary=["cat", "the cat", "zz", "a  b", "", " the ", "catcat"], ngram_range=(1, 2)),
    CountVectorizer(vocabulary=["the cat", "cat", "", "the "]),
    CountVectorizer(analyzer="char_wb", vocabulary=[" a ", "a", " b", "the", " the ", "x y", "  "], ngram_range=(3, 4)),
    CountVectorizer(analyzer="char", ngram_range=(2, 2)),
    HashingVectorizer(n_features=50),
    HashingVectorizer(n_features=1 << 12, ngram_range=(1, 3), alternate_sign=False, norm="l1", stop_words="english"),
    HashingVectorizer(n_features=7, ngram_range=(2, 2), binary=True, norm=None),
    HashingVectorizer(n_features=33, analyzer="char", ngram_range=(1, 4), strip_accents="ascii"),
    HashingVectorizer(n_features=64, analyzer="char_wb", ngram_range=(3, 5)),
]


@pytest.mark.parametrize("vectorizer", OPTIONS, ids=lambda v: f"{type(v).__name__}-{OPTIONS.index(v)}")
def test_options(vectorizer):
    equal(sums_of(vectorizer))


def test_options_by_chance():
    random = np.random.default_rng(850)

    def one(*of):
        return of[random.integers(len(of))]

    for _ in range(25):
        shortest = int(random.integers(1, 4))
        given = {
            "analyzer": one("word", "char", "char_wb"), "ngram_range": (shortest, shortest + int(random.integers(3))),
            "lowercase": one(True, False), "strip_accents": one(None, "ascii", "unicode"), "binary": one(True, False),
            "norm": one("l1", "l2", None), "stop_words": one(None, "english", ["the", "cat"]),
            "token_pattern": one(r"(?u)\b\w\w+\b", r"\w+", r"[^\s,]+", r"(?i)[a-f]{2,}"),
        }  # fmt: skip
        if random.random() < 0.5:
            vectorizer = HashingVectorizer(**given, n_features=one(5, 1000), alternate_sign=one(True, False))
        else:
            fitted = {"min_df": one(1, 2), "max_features": one(None, 30), "sublinear_tf": one(True, False)}
            vectorizer = TfidfVectorizer(**given, **fitted, use_idf=one(True, False))
        try:
            model = sums_of(vectorizer)
        except ValueError:  # no term is left
            continue
        letters = list("abct he_9é İΣ\t\u0301日😀-")
        made = ["".join(random.choice(letters, random.integers(40))) for _ in range(20)]
        equal(model, batch=batch_of(s=[*UNSEEN[:12], *made]))


def test_models_behind_a_vectoriser():
    words = TfidfVectorizer(ngram_range=(1, 2))
    both = FeatureUnion(
        [("word", TfidfVectorizer()), ("char", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3)))],
        transformer_weights={"char": 0.5},
    )
    binary = make_pipeline(words, LogisticRegression()).fit(DOCUMENTS, LABELS > 0)
    equal(binary, "decision_function")
    equal(binary, "predict", LongType())
    assert equal(binary, "predict_proba", rtol=1e-15).kept == ("exp", "expit")
    several = make_pipeline(both, LogisticRegression()).fit(DOCUMENTS, NAMES)
    equal(several, "decision_function")
    equal(several, "predict", StringType())
    chain = [CountVectorizer(), TfidfTransformer(sublinear_tf=True), SelectKBest(chi2, k=12), MaxAbsScaler(), Normalizer("max")]
    equal(make_pipeline(*chain, Ridge()).fit(DOCUMENTS, LABELS))
    scaled = make_pipeline(words, StandardScaler(with_mean=False), Normalizer("l1"), Ridge(fit_intercept=False))
    equal(scaled.fit(DOCUMENTS, LABELS))
    equal(make_pipeline(both, TruncatedSVD(3, random_state=1)).fit(DOCUMENTS), "transform")
    equal(make_pipeline(CountVectorizer(), LogisticRegression()).fit(DOCUMENTS, LABELS > 0), "predict", LongType())


def test_classifiers_behind_a_vectoriser():
    counts, weights = CountVectorizer(ngram_range=(1, 2)), TfidfVectorizer(analyzer="char", ngram_range=(2, 3))
    for vectorizer, classifier in [
        (counts, MultinomialNB()), (weights, ComplementNB()), (counts, BernoulliNB()), (weights, BernoulliNB(binarize=0.2)),
        (weights, LinearSVC(random_state=1)), (counts, SGDClassifier(random_state=1)), (weights, Perceptron()),
    ]:  # fmt: skip
        equal(make_pipeline(vectorizer, classifier).fit(DOCUMENTS, NAMES), "predict", StringType())
    bayes = make_pipeline(counts, MultinomialNB()).fit(DOCUMENTS, NAMES)
    scored = compare(score_of(bayes, "predict_proba"), BATCH, struct=False, rtol=1e-11)
    assert scored.rows == BATCH.num_rows and "log likelihood" in scored.kept


def test_a_vectoriser_called_by_itself():
    vectorizer = TfidfVectorizer().fit(DOCUMENTS)
    model = LogisticRegression().fit(vectorizer.transform(DOCUMENTS), LABELS > 0)
    scored = compare(lambda s: pd.Series(model.decision_function(vectorizer.transform(s.str.strip()))), BATCH, struct=False)
    assert scored.rows == BATCH.num_rows


def test_text_beside_numbers():
    random = np.random.default_rng(3)
    numbers = random.normal(size=(len(DOCUMENTS), 2))
    numbers[::4, 0] = 0
    table = pd.DataFrame({"s": DOCUMENTS, "a": numbers[:, 0], "b": numbers[:, 1]})
    parts = [("text", TfidfVectorizer(), "s"), ("rest", StandardScaler(), ["b", "a"])]
    model = make_pipeline(ColumnTransformer(parts), LogisticRegression()).fit(table, NAMES)
    rows = numbers.copy()
    rows[3] = np.nan
    batch = batch_of(s=[*DOCUMENTS[:5], None, *DOCUMENTS[6:]], a=rows[:, 0], b=rows[:, 1])
    for method, returns in (("decision_function", DoubleType()), ("predict", StringType())):
        scored = compare(score_of(model, method, table), batch, returns)
        assert scored.flagged == scored.raised == 2 and scored.rows == len(DOCUMENTS) - 2
    dense = make_pipeline(ColumnTransformer(parts, sparse_threshold=0), LogisticRegression()).fit(table, NAMES)
    assert compare(score_of(dense, "predict", table), batch, StringType()).refused == "SW852"


def test_missing_strings_raise():
    for model in (sums_of(TfidfVectorizer()), sums_of(HashingVectorizer(n_features=9, analyzer="char", lowercase=False))):
        scored = compare(score_of(model, "predict"), batch_of(s=["a cat", None, "the mat"]), struct=False)
        assert (scored.rows, scored.flagged, scored.raised) == (2, 1, 1)
        filled = compare(lambda s, m=model: pd.Series(m.predict(s.fillna("cat"))), batch_of(s=["cat", None, "mat"]), struct=False)
        assert filled.rows == 3


REFUSED = [
    ("SW850", lambda: TfidfVectorizer(tokenizer=str.split, token_pattern=None)),
    ("SW850", lambda: TfidfVectorizer(preprocessor=str.upper)),
    ("SW850", lambda: CountVectorizer(analyzer=str.split)),
    ("SW850", lambda: CountVectorizer(token_pattern=r"\w+|\d+")),
    ("SW850", lambda: CountVectorizer(token_pattern=r"[a ]+", ngram_range=(1, 2))),
    ("SW850", lambda: CountVectorizer(strip_accents=str.lower)),
    ("SW850", lambda: TfidfVectorizer(dtype=np.float32)),
    ("SW850", lambda: CountVectorizer(dtype=np.int32)),
    ("SW850", lambda: HashingVectorizer(n_features=9, ngram_range=(1, 17))),
    ("SW812", lambda: CountVectorizer(vocabulary=["cat"])),
]


def test_refused_options():
    for code, make in REFUSED:
        vectorizer = make()
        if code != "SW812":
            vectorizer.fit(DOCUMENTS)
        linear = sums_of(CountVectorizer(vocabulary=["cat"]))[-1]
        model = make_pipeline(vectorizer, linear)
        assert compare(lambda s, m=model: pd.Series(m.predict(s)), BATCH, struct=False).refused == code, vectorizer


def test_columns_that_do_not_fit():
    with pytest.raises(VerifyError):
        TextSums.of(Analyzer(CHAR, 1, 1), {"a": 1}, np.zeros((1, 1)))
    with pytest.raises(VerifyError):
        TextSums.of(Analyzer(CHAR, 1, 1), {"a": 0}, np.zeros((1, 1)), [(SCALE, np.zeros(2))])
    changed = sums_of(CountVectorizer())
    changed[0].vocabulary_["cat"] = 10_000
    assert compare(lambda s: pd.Series(changed.predict(s)), BATCH, struct=False).refused == "SW850"


def test_refused_uses():
    words = TfidfVectorizer().fit(DOCUMENTS)
    matrix = words.transform(DOCUMENTS)
    forest = make_pipeline(words, RandomForestClassifier(2, max_depth=2, random_state=1)).fit(DOCUMENTS, LABELS)
    assert compare(score_of(forest, "predict"), BATCH, LongType(), struct=False).refused == "SW852"
    FLOATS32.coef_, FLOATS32.n_features_in_ = np.zeros(matrix.shape[1], np.float32), matrix.shape[1]
    functions = [
        ("SW852", lambda s: pd.Series(words.transform(s).toarray()[:, 0])),
        ("SW851", lambda s: pd.Series(words.transform(pd.DataFrame({"s": s})).sum(axis=1))),
        ("SW851", lambda s: pd.Series(TRANSFORMER.transform(np.column_stack([s.str.len()])).sum(axis=1))),
        ("SW853", score_of(make_pipeline(words, FLOATS32), "predict")),
    ]
    for code, function in functions:
        assert compare(function, BATCH, struct=False).refused == code


TRANSFORMER = TfidfTransformer().fit(np.ones((2, 1)))
FLOATS32 = LinearRegression().fit(np.zeros((2, 1), np.float32), np.zeros(2, np.float32))


@pytest.mark.parametrize(
    ("pattern", "least"),
    [(r"(?u)\b\w\w+\b", 2), (r"\w+", 1), (r"\b\w{4,}\b", 4), (r"\S+", 1), (r"[a-z]{3,}", 3), (r"a+", 1), (r"\b[a-z]+\b", None),
     (r"(\w+)", None), (r"\w*", None), (r"\w{2,5}", None), (r"\b\w[\w-]+\b", None), (r"\w+?", None), (r".+", None), (r"(", None)],
)  # fmt: skip
def test_token_patterns(pattern, least):
    assert least_of_token(pattern) == least


def test_rows_with_more_columns_than_are_held_at_a_time():
    """Ranges of columns are processed one after the other, with every sequence of norms over them."""
    random = np.random.default_rng(5)
    letters = np.array(list("abcdefghij \u00e9"))
    text = "".join(random.choice(letters, 16_000))
    terms = sorted({text[i : i + n] for n in (3, 4, 5) for i in range(0, 15_000)})
    documents = np.array(["", text, text[:5000] * 2, "abc"], object)
    ops = []
    for norm in (NORM_L1, NORM_L2, NORM_MAX):
        steps = [(LOG, None), (SCALE, random.random(len(terms))), (norm, None), (norm, None)]
        vocabulary = {term: column for column, term in enumerate(terms)}
        ops.append(TextSums.of(Analyzer(CHAR, 3, 5), vocabulary, random.normal(size=(len(terms), 2)), steps))
    assert len(terms) > 3 * ENTRIES
    ops.append(TextSums.of(Analyzer(CHAR, 3, 5), 1 << 17, random.normal(size=(1 << 17, 2)), [(NORM_L2, None)]))

    def body(loop, read):
        for number, op in enumerate(ops):
            loop.append(f"{number}", loop.emit(op.at(1), read["s"]))

    found = load(program({"s": STR}, body)).run({"s": documents}, len(documents))
    for number, op in enumerate(ops):
        np.testing.assert_array_equal(found.columns[f"{number}"], op.evaluate_all(documents)[1])


def _words_anywhere(count):
    """Returns strings of words and signs, of lengths around the SIMD width; some words share a prefix or suffix."""
    random = np.random.default_rng(64)
    stem = "abcdefgh_ij0123456789KLMNOPQRSTUVWXYZ" * 4
    words = ["é", "éab", "日本", "zz日", "😀ab", "a\0b", "a\0"]
    words += [stem[:k] for k in (1, 2, 3, 7, 8, 9, 15, 16, 17, 24, 25, 63, 64, 65, 130)]
    words += [word[:-1] + "x" for word in words if len(word) > 2]
    texts = []
    while len(texts) < count:
        joined = "".join(random.choice(words) + random.choice([" ", ".", "—", "  ", "\u00a0"]) for _ in range(random.integers(9)))
        texts.append(joined[random.integers(3) :])
        texts.append(joined[: random.choice([63, 64, 65, 127, 128, 129])])
    return words, np.array(texts, object)


def _words_kernel(words, **options):
    terms = {word: column for column, word in enumerate(words)}
    weights = np.random.default_rng(9).normal(size=(len(words), 1))
    analyzer = Analyzer(WORD, 1, 1, r"(?u)[\w\0]+", 1, **options)
    op = TextSums.of(analyzer, terms, weights, [(SCALE, weights[:, 0]), (NORM_L2, None)])
    return op, load(program({"s": STR}, lambda loop, read: loop.append("y", loop.emit(op, read["s"]))))


def test_words_at_any_position():
    words, texts = _words_anywhere(1000)
    for known, stop_words in ((words, ()), (words[::3], ()), (words[::2], words[1::2])):
        op, kernel = _words_kernel(known, stop_words=frozenset(stop_words))
        found = kernel.run({"s": texts}, len(texts)).columns["y"]
        np.testing.assert_array_equal(found, op.evaluate_all(texts)[0])
        assert len(np.unique(found)) > 100


@pytest.mark.parametrize("keeps", [False, True])
@pytest.mark.parametrize("fence_before", [False, True])
def test_no_byte_outside_of_a_text_is_read(fence_before, keeps):
    # A fault here ends the process, so a pass is the proof.
    words, texts = _words_anywhere(300)
    op, kernel = _words_kernel(words)
    data = [text.encode() for text in texts]
    fenced = [FencedArray(np.frombuffer(d, np.uint8), fence_before=fence_before) for d in data]
    views = np.array([(f.address, len(d)) for f, d in zip(fenced, data, strict=True)], np.int64)
    nulls, found, none = np.zeros(len(data), np.uint8), np.zeros(len(data)), np.zeros(len(data), np.uint8)
    kernel = kernel.keeping() if keeps else kernel
    kernel._call_with_arena([*(a.ctypes.data for a in (views, nulls, found, none)), 0], len(data), [])
    np.testing.assert_array_equal(found, op.evaluate_all(texts)[0])


def test_words_that_few_or_many_follow():
    """Several successors of a word are compared at once; the counts cover both sides of that width."""
    random = np.random.default_rng(2)
    words = [f"w{i}" for i in range(70)]
    counts = dict(zip(words, [0, 1, 2, 15, 16, 17, 31, 32, 33, 34, 63, 64, 65, 70], strict=False))
    pairs = [f"{first} {second}" for first, count in counts.items() for second in random.choice(words, count, replace=False)]
    terms = {term: at for at, term in enumerate([*words[:40], *pairs])}
    weights = random.normal(size=(len(terms), 1))
    for longest, more in ((2, {}), (3, {"w13 w69 w12": len(terms) - 1})):
        op = TextSums.of(Analyzer(WORD, 1, longest, least=1), {**terms, **more}, weights)
        kernel = load(program({"s": STR}, lambda loop, read, op=op: loop.append("y", loop.emit(op, read["s"]))))
        texts = np.array([" ".join(row) for row in random.choice([*counts, *words], (500, 12))] + [*terms, *more], object)
        np.testing.assert_array_equal(kernel.run({"s": texts}, len(texts)).columns["y"], op.evaluate_all(texts)[0])
