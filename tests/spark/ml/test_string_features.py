"""Compares text pipelines of pyspark.ml with the plugin off and on: equal scores bit for bit, or the same error."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml import classification as classifiers
from pyspark.ml import feature as features
from pyspark.ml import regression as regressors
from pyspark.ml.functions import vector_to_array
from pyspark.sql import functions as F

from tests.helpers.differential import check
from tests.helpers.lines import LINE, of_tokenizers

RNG = np.random.default_rng(5)
WORDS = np.array("the a cat Cat dog SAT sat on mat, mat; it's x1 _ ?! not no  \t\v e-mail 10% \x1c".split(" "), object)
DOCUMENTS = [" ".join(RNG.choice(WORDS, RNG.integers(0, 14))) for _ in range(240)]
DOCUMENTS += ["", " ", "   ", " the", "the ", "the  cat   ", "\n", "a\r\nb", "cat" * 90, "x" * 9 + " y" * 400]
FOREIGN = [*DOCUMENTS, "😀 cat 😀😀 ﬁ", "thé CAT\u3000cat", "Ünder ÜNDER", "ΟΔΟΣ", "the\u2028cat\x85 sat"]
#: The vocabulary of CountVectorizers.
VOCABULARY = ["cat", "", "the", "mat,", "x1", "unseen", "cat the", " ", "the ", "a a", "sat on"]

WAITING = {"spark.sparkweld.compile.timeout": "60s"}


def frame(spark, folder, texts, name):
    present = [text or "" for text in texts]
    y = np.array([float("cat" in text) for text in present])
    y3 = np.array([float(sum(map(ord, text)) % 3) for text in present])
    columns = {"id": np.arange(len(texts)), "t": pa.array(texts, pa.string()), "y": y, "y3": y3}
    pq.write_table(pa.table(columns), str(folder / f"{name}.parquet"))
    return spark.read.parquet(str(folder / f"{name}.parquet"))


@pytest.fixture(scope="module")
def table(spark, tmp_path_factory):
    return frame(spark, tmp_path_factory.mktemp("texts"), DOCUMENTS, "ascii")


@pytest.fixture(scope="module")
def foreign(spark, tmp_path_factory):
    """Writes other letters, and four-byte code points."""
    return frame(spark, tmp_path_factory.mktemp("texts"), [*FOREIGN, None], "foreign")


def stage(kind, **params):
    """Returns a constructor of a stage, which needs a session; its columns except the string's get a suffix."""

    def make(ending):
        named = {key: value + ending if key.endswith("Col") and value != "t" else value for key, value in params.items()}
        if kind == "CountVectorizerModel":
            return features.CountVectorizerModel.from_vocabulary(VOCABULARY, **named)
        return getattr(features, kind)(**named)

    return make


def weights(spark, size):
    """Returns a linear regression of random coefficients."""
    values = spark.sparkContext._gateway.new_array(spark._jvm.double, size)
    for at, value in enumerate(RNG.normal(size=size)):
        values[at] = float(value)
    return values


def linear(spark, size, ending):
    vector = spark._jvm.org.apache.spark.ml.linalg.Vectors.dense(weights(spark, size))
    model = regressors.LinearRegressionModel(
        spark._jvm.org.apache.spark.ml.regression.LinearRegressionModel("l" + ending, vector, 0.3)
    )
    return model.setFeaturesCol("f" + ending).setPredictionCol("p" + ending)


def scored(spark, table, *chains, size=50, fit=None, **options):
    """Compares a linear regression over each chain's output, bit by bit, all in one query.

    Its kernel has many chains: the query waits for it also on a machine that runs other tests.
    """
    stages = []
    for at, chain in enumerate(chains):
        stages += [*(make(str(at)) for make in chain), linear(spark, size, str(at))]
    model, outputs = Pipeline(stages=stages).fit(table if fit is None else fit), [f"p{at}" for at in range(len(chains))]
    return check(spark, lambda: model.transform(table).select("id", *outputs), conf=WAITING, **options)


def tokenizer(**params):
    return stage("RegexTokenizer", inputCol="t", outputCol="w", **params)


def counter(given="w", made="f", **params):
    return stage("CountVectorizerModel", inputCol=given, outputCol=made, **params)


def hashing(given="w", made="f", **params):
    return stage("HashingTF", inputCol=given, outputCol=made, **{"numFeatures": 50, **params})


TOKENIZER = stage("Tokenizer", inputCol="t", outputCol="w")
TOKENIZERS = [
    TOKENIZER,
    tokenizer(pattern="\\W+"),
    tokenizer(pattern="[\\s,;]", minTokenLength=3),
    tokenizer(pattern="[a-zA-Z\\p{Lu}_-]+", gaps=False, toLowercase=False),
    tokenizer(pattern=",", minTokenLength=0),
    tokenizer(),
]
BIGRAMS = stage("NGram", inputCol="w", outputCol="n")
HASHES = [
    [hashing(binary=True)],
    [stage("StopWordsRemover", inputCol="w", outputCol="s"), stage("NGram", n=3, inputCol="s", outputCol="n"), hashing("n")],
    [hashing(made="h"), stage("Normalizer", inputCol="h", outputCol="f")],
    [hashing(made="h"), stage("Normalizer", inputCol="h", outputCol="f", p=1.0)],
]
COUNTS = [
    [counter()],
    [counter(binary=True)],
    [BIGRAMS, counter("n")],
    [
        stage("StopWordsRemover", inputCol="w", outputCol="s", stopWords=["the", "CAT", ""], caseSensitive=True),
        stage("StopWordsRemover", inputCol="s", outputCol="r", stopWords=["Dog"]),
        counter("r", "c"),
        stage("IDF", inputCol="c", outputCol="i", minDocFreq=3),
        stage("StandardScaler", inputCol="i", outputCol="f"),
    ],
]


@of_tokenizers
def test_tokenizers(spark, table):
    scored(spark, table, *([words, hashing()] for words in TOKENIZERS))


@pytest.mark.nightly("test_counts", "test_tokenizers")
@of_tokenizers
def test_hashes(spark, table):
    scored(spark, table, *([TOKENIZER, *counts] for counts in HASHES))


@of_tokenizers
def test_counts(spark, table):
    scored(spark, table, *([TOKENIZER, *counts] for counts in COUNTS), size=len(VOCABULARY))


def number(column, at, digits=None):
    value = vector_to_array(column)[at]
    return (value if digits is None else F.round(value, digits)).alias(f"{column}_{at}")


CLASSIFIERS = [
    (classifiers.LogisticRegression, {"labelCol": "y", "maxIter": 4}),
    (classifiers.LogisticRegression, {"labelCol": "y", "maxIter": 4, "regParam": 0.1, "elasticNetParam": 1.0}),
    (classifiers.LogisticRegression, {"labelCol": "y3", "maxIter": 4}),
    (classifiers.LogisticRegression, {"labelCol": "y3", "maxIter": 4, "regParam": 0.05, "elasticNetParam": 1.0}),
    (classifiers.LinearSVC, {"labelCol": "y", "maxIter": 4}),
    (classifiers.NaiveBayes, {"labelCol": "y3"}),
]


@pytest.mark.nightly("test_counts", "tests/spark/ml/test_stored_vectors.py::test_linear_models")
def test_classifiers(spark, table):
    """Raw scores and predictions are equal to the last bit; probabilities come from `exp`."""
    chain = [TOKENIZER, hashing(made="c", numFeatures=600), stage("IDF", inputCol="c", outputCol="f")]
    stages, outputs = [make("") for make in chain], ["id"]
    for at, (kind, params) in enumerate(CLASSIFIERS):
        vectors = {"rawPredictionCol": f"raw{at}"}
        if kind is not classifiers.LinearSVC:
            vectors["probabilityCol"] = f"share{at}"
        stages.append(kind(featuresCol="f", predictionCol=f"p{at}", **vectors, **params))
        classes = range(3 if params["labelCol"] == "y3" else 2)
        outputs += [f"p{at}", *(number(name, i, None if "raw" in key else 9) for key, name in vectors.items() for i in classes)]
    model = Pipeline(stages=stages).fit(table)
    check(spark, lambda: model.transform(table).select(*outputs))
    check(spark, lambda: model.transform(table).select("raw0", "t", "raw3").filter("length(t) > 3"))


@of_tokenizers
def test_other_letters(spark, foreign):
    """The kernel handles words of all letters; only a capital sigma is Spark's, whose lower case depends on its context."""
    some = foreign.filter("t is not null").localCheckpoint()
    words = tokenizer(pattern="\\W+", toLowercase=False, minTokenLength=2)
    assert not scored(spark, some, [words, hashing()]).guarded_rows
    model = Pipeline(stages=[TOKENIZER(""), hashing()(""), classifiers.LinearSVC(featuresCol="f", labelCol="y", maxIter=2)]).fit(
        some
    )
    what = check(spark, lambda: model.transform(some).select("rawPrediction", "id", "prediction"))
    assert what.guarded_rows == sum("Σ" in text for text in FOREIGN)


@pytest.mark.nightly("test_other_letters", "tests/kernels/test_strings.py::test_case_of_every_code_point")
@of_tokenizers
def test_the_lower_case_of_all_code_points(spark, tmp_path):
    """Each row has twenty code points, each a word, found by Java's lower case: all that it changes, and others."""
    codes = [chr(code) for code in (*range(0x21, 0xD800), *range(0xE000, 0x110000)) if not chr(code).isspace()]
    changed = [c for c in codes if {c.lower(), c.upper()} != {c}]
    rows = [" ".join(f"a{c}b" for c in some[at : at + 20]) for some in (changed, codes[::29]) for at in range(0, len(some), 20)]
    texts = frame(spark, tmp_path, rows, "codes").select("id", "t")
    lowered = PipelineModel([TOKENIZER(""), hashing(numFeatures=1 << 16)(""), linear(spark, 1 << 16, "")])
    what = check(spark, lambda: lowered.transform(texts).select("id", "p"))
    assert 0 < what.guarded_rows < 30


@of_tokenizers
def test_null_is_sparks_own_error(spark, foreign):
    frame = PipelineModel([TOKENIZER(""), hashing()(""), linear(spark, 50, "")]).transform(foreign).select("p")
    assert "Weld" in frame._jdf.queryExecution().executedPlan().toString()
    with pytest.raises(Exception, match="NullPointerException"):
        frame.collect()


REFUSED = {
    "SW901 pattern": [tokenizer(pattern="a|b"), hashing()],
    "SW901 empty": [tokenizer(pattern="\\s+", minTokenLength=0), hashing()],
    "SW901 single": [tokenizer(pattern="\\w", gaps=False), hashing()],
    "SW901 least": [TOKENIZER, counter(minTF=2.0)],
    "SW901 case": [tokenizer(toLowercase=False), stage("StopWordsRemover", inputCol="w", outputCol="s"), hashing("s")],
    "SW901 spaces": [tokenizer(pattern=","), BIGRAMS, counter("n")],
    "SW901 mean": [TOKENIZER, hashing(made="c"), stage("StandardScaler", inputCol="c", outputCol="f", withMean=True)],
    "SW852": [TOKENIZER, hashing(made="c"), stage("PCA", inputCol="c", outputCol="f", k=2)],
}


@pytest.mark.gate_cases("SW852", "SW901 case", "SW901 pattern")
@pytest.mark.parametrize("name", REFUSED)
def test_refused_functions(spark, table, name):
    """A refusal is issued before anything runs."""
    stages = Pipeline(stages=[make("") for make in REFUSED[name]]).fit(table).stages
    size = 2 if name == "SW852" else len(VOCABULARY) if "least" in name or "spaces" in name else 50
    model = PipelineModel([*stages, linear(spark, size, "")])
    check(spark, lambda: model.transform(table.limit(9)).select("p"), refused=name[:5] if LINE >= (4, 0) else "SW900")


@of_tokenizers
def test_words_that_are_selected_are_sparks(spark, table):
    model = PipelineModel([TOKENIZER(""), hashing()(""), linear(spark, 50, "")])
    check(spark, lambda: model.transform(table).select("id", "w", "p"), refused="SW903")
    check(spark, lambda: model.transform(table).select("id", "f", "p"), refused="SW903")
    words = TOKENIZER("").transform(table).localCheckpoint()
    check(spark, lambda: PipelineModel(model.stages[1:]).transform(words).select("p"), refused="SW902")
