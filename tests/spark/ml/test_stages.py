"""Compares fitted pipelines of pyspark.ml with the plugin off and on: the same rows, or the same error."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.ml import Pipeline, PipelineModel, clustering
from pyspark.ml import classification as classifiers
from pyspark.ml import feature as features
from pyspark.ml import regression as regressors
from pyspark.ml.functions import vector_to_array
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf
from pyspark.sql.types import StructField, StructType

from tests.helpers.differential import BACKEND, ENABLED, check, run, session_conf

ROWS = 600
RNG = np.random.default_rng(11)
COLUMNS = {
    "id": np.arange(ROWS),
    "a": RNG.normal(size=ROWS),
    "b": np.where(RNG.random(ROWS) < 0.7, 0.0, RNG.normal(size=ROWS) * 10),
    "c": np.where(RNG.random(ROWS) < 0.8, -0.0, RNG.normal(size=ROWS) - 3),
    "d": np.zeros(ROWS),
    "k": RNG.integers(0, 4, ROWS).astype(np.int32),
}
COLUMNS["y"] = (COLUMNS["a"] + 0.1 * COLUMNS["b"] + RNG.normal(size=ROWS) * 0.3 > 0).astype(float)
COLUMNS["y3"] = np.digitize(COLUMNS["a"] + 0.3 * COLUMNS["k"], [0.0, 0.8]).astype(float)
INPUTS = ["a", "b", "c", "d", "k"]


@pytest.fixture(scope="module")
def table(spark, tmp_path_factory):
    """Writes a columnar scan of one batch."""
    return written(spark, tmp_path_factory.mktemp("ml"), COLUMNS)


def written(spark, folder, columns):
    pq.write_table(pa.table(columns), str(folder / "t.parquet"))
    return spark.read.parquet(str(folder / "t.parquet"))


@pytest.fixture(scope="module")
def fitted(table):
    """Fits stages behind a VectorAssembler, each pipeline once."""
    made = {}

    def fit(*stages, **assembler):
        settings = [(type(s).__name__, sorted((p.name, v) for p, v in s.extractParamMap().items())) for s in stages]
        key = repr((settings, assembler))
        if key not in made:
            assemble = features.VectorAssembler(inputCols=INPUTS, outputCol="v", **assembler)
            made[key] = Pipeline(stages=[assemble, *stages]).fit(table)
        return made[key]

    return fit


def number(column, at, digits=None):
    """Selects one number of a vector, rounded where BLAS adds in another order."""
    value = vector_to_array(column)[at]
    return (value if digits is None else F.round(value, digits)).alias(f"{column}_{at}")


def scaler(kind, output="o", **params):
    return getattr(features, kind)(inputCol="v", outputCol=output, **params)


SCALERS = [
    ("StandardScaler", {}),
    ("StandardScaler", {"withMean": True}),
    ("StandardScaler", {"withMean": True, "withStd": False}),
    ("StandardScaler", {"withMean": False, "withStd": False}),
    ("MinMaxScaler", {}),
    ("MinMaxScaler", {"min": -1.0, "max": 3.0}),
    ("MaxAbsScaler", {}),
    ("RobustScaler", {}),
    ("RobustScaler", {"withCentering": True, "withScaling": False}),
    ("Normalizer", {}),
    ("Normalizer", {"p": 1.0}),
    ("Normalizer", {"p": float("inf")}),
    ("ElementwiseProduct", {"scalingVec": Vectors.dense([0.5, 3.0, 1e-9, 2.0, 0.1])}),
]


def test_scalers(spark, table, fitted):
    """All scalers run in one query, each over the same assembled vector."""
    stages = [scaler(kind, f"o{i}", **params) for i, (kind, params) in enumerate(SCALERS)]
    model = fitted(*stages)
    chosen = [number(f"o{i}", at) for i in range(len(stages)) for at in range(len(INPUTS))]
    check(spark, lambda: model.transform(table).select("id", *chosen))


@pytest.mark.nightly("tests/spark/ml/test_stored_vectors.py::test_vectors_that_are_selected_are_sparks")
def test_vectors_that_are_selected_are_stored_as_spark_stores_them(spark, table, fitted):
    """Vectors are sparse or dense as Spark stores them.

    An assembled vector and a MinMaxScaler's are sparse or dense per row, a centred one is dense; a scale alone keeps the
    form.
    """
    model = fitted(
        scaler("StandardScaler", withMean=True),
        scaler("MinMaxScaler", "m"),
        scaler("MaxAbsScaler", "x"),
        scaler("Normalizer", "n"),
    )
    check(spark, lambda: model.transform(table).filter("k < 3").select("v", "id", "o", "m", "x", "n"))
    stored = {type(row.v).__name__ for row in model.transform(table).select("v").collect()}
    assert stored == {"DenseVector", "SparseVector"}


LOGISTIC = [
    {"labelCol": "y"},
    {"labelCol": "y", "threshold": 0.3},
    {"labelCol": "y", "threshold": 0.0},
    {"labelCol": "y", "regParam": 0.2, "elasticNetParam": 1.0},
    {"labelCol": "y", "family": "multinomial"},
    {"labelCol": "y3"},
    {"labelCol": "y3", "thresholds": [0.2, 0.5, 0.0]},
]


def named(kind, at, vectors=(), **params):
    """Returns an estimator whose result columns end with `at`, so that several are stages of one pipeline."""
    made = kind()
    for name, value in {**params, **{f"{each}Col": f"{each}{at}" for each in ("prediction", *vectors)}}.items():
        made.set(getattr(made, name), value)  # not all constructors take thresholds
    return made


def side_by_side(model, table, estimators):
    """Appends estimators to a pipeline, each fitted to the pipeline's results: a chain of fits would plan all columns in each."""
    prepared = model.transform(table)
    return PipelineModel([*model.stages, *(estimator.fit(prepared) for estimator in estimators)])


def numbers_of(kinds, digits=9):
    """Selects the predictions and the numbers of the vectors of (`at`, vectors, classes)."""
    return [
        column
        for at, vectors, classes in kinds
        for column in (f"prediction{at}", *(number(f"{name}{at}", of, digits) for name in vectors for of in range(classes)))
    ]


def classes_of(params):
    return 3 if params.get("labelCol") == "y3" else 2


SCORES = ("rawPrediction", "probability")


def test_logistic_regression(spark, table, fitted):
    """All parameters are tested in one query: the ends of a column's name say which."""
    models = [named(classifiers.LogisticRegression, at, SCORES, featuresCol="o", maxIter=5, **p) for at, p in enumerate(LOGISTIC)]
    model = side_by_side(fitted(scaler("StandardScaler")), table, models)
    outputs = numbers_of((at, SCORES, classes_of(params)) for at, params in enumerate(LOGISTIC))
    assert not check(spark, lambda: model.transform(table).select("id", *outputs)).guarded_rows


@pytest.mark.nightly("test_logistic_regression")
def test_logistic_regression_without_columns_of_scores(spark, table, fitted):
    chosen = LOGISTIC[:2] + LOGISTIC[-2:]
    models = [named(classifiers.LogisticRegression, at, featuresCol="v", maxIter=5, **params) for at, params in enumerate(chosen)]
    assembler, *made = side_by_side(fitted(), table, models).stages
    some = []
    for at, one in enumerate(made):
        for names in (("rawPredictionCol",), ("rawPredictionCol", "probabilityCol")):
            empty = {getattr(one, name): "" for name in names}
            some.append(one.copy({**empty, one.probabilityCol: empty.get(one.probabilityCol, f"probability{at}"),
                                  one.predictionCol: f"prediction{at}, {len(names)} are empty"}))  # fmt: skip
    model = PipelineModel([assembler, *some])
    outputs = [one.getPredictionCol() for one in some]
    assert not check(spark, lambda: model.transform(table).select("id", *outputs)).guarded_rows


def test_a_fit_with_the_plugin(spark, table, fitted, fits_without_plugin):
    """The vectors that a kernel computes for a fit are those of Spark."""
    prepared, made = fitted(scaler("StandardScaler", withMean=True)), {}
    tree = classifiers.DecisionTreeClassifier(featuresCol="o", labelCol="y3")
    for enabled in ("false", "true"):
        with session_conf(spark, {ENABLED: enabled, BACKEND: "native"}):
            frame = prepared.transform(table).select("o", "y3")
            assert ("Weld" in frame._jdf.queryExecution().executedPlan().toString()) == (enabled == "true")
            made[enabled] = fits_without_plugin(tree, frame).toDebugString.partition("\n")[2]
    assert made["true"] == made["false"]


def test_linear_regression(spark, table, fitted):
    model = fitted(regressors.LinearRegression(featuresCol="v", labelCol="y", maxIter=5))
    check(spark, lambda: model.transform(table).select("id", F.round("prediction", 9)))


TREES = [
    (classifiers.DecisionTreeClassifier, {"labelCol": "y3"}),
    (classifiers.RandomForestClassifier, {"labelCol": "y3", "numTrees": 5}),
    (classifiers.RandomForestClassifier, {"labelCol": "y3", "numTrees": 4, "thresholds": [0.1, 0.5, 0.4]}),
    (classifiers.GBTClassifier, {"labelCol": "y", "maxIter": 3}),
]


def test_tree_classifiers(spark, table, fitted):
    """One feature has categories, so some splits are sets."""
    indexer = features.VectorIndexer(inputCol="v", outputCol="x", maxCategories=4)
    trees = [named(kind, at, SCORES, featuresCol="x", maxDepth=4, seed=1, **params) for at, (kind, params) in enumerate(TREES)]
    assembler, _, *made = side_by_side(fitted(indexer), table, trees).stages
    model = PipelineModel([assembler, *(one.copy({one.featuresCol: "v"}) for one in made)])  # its indices are the values
    outputs = numbers_of(((at, SCORES, 2) for at, (kind, _) in enumerate(TREES) if kind is not classifiers.GBTClassifier), None)
    outputs += numbers_of((at, SCORES, 2) for at, (kind, _) in enumerate(TREES) if kind is classifiers.GBTClassifier)
    assert not check(spark, lambda: model.transform(table).select("id", *outputs)).guarded_rows


def test_tree_regressors(spark, table, fitted):
    kinds = [regressors.DecisionTreeRegressor(), regressors.RandomForestRegressor(numTrees=4), regressors.GBTRegressor(maxIter=3)]
    stages = [k.setParams(featuresCol="v", labelCol="y", predictionCol=f"p{i}", seed=1) for i, k in enumerate(kinds)]
    model = fitted(*stages)
    check(spark, lambda: model.transform(table).select("id", "p0", "p1", F.round("p2", 9)))


@pytest.mark.nightly("test_tree_classifiers")
def test_whole_vectors_of_a_forest_and_a_filter(spark, table, fitted):
    """Columns of a whole PipelineModel's result agree, with a filter over the prediction and a pandas UDF of it."""
    model = fitted(classifiers.RandomForestClassifier(featuresCol="v", labelCol="y3", numTrees=5, maxDepth=4, seed=1))

    @pandas_udf("double")
    def doubled(p: pd.Series) -> pd.Series:
        return p * 2

    check(spark, lambda: model.transform(table).filter("prediction > 0"))
    what = check(spark, lambda: model.transform(table).select("id", doubled("prediction"), doubled(F.col("a"))))
    assert what.operators == 1


GENERAL = regressors.GeneralizedLinearRegression
MODELS = [
    (classifiers.LinearSVC, {"labelCol": "y", "maxIter": 5}, ["rawPrediction"]),
    (classifiers.LinearSVC, {"labelCol": "y", "maxIter": 5, "threshold": 0.4}, []),
    (classifiers.NaiveBayes, {"labelCol": "y3"}, ["rawPrediction", "probability"]),
    (classifiers.NaiveBayes, {"labelCol": "y3", "modelType": "bernoulli"}, ["rawPrediction", "probability"]),
    (
        classifiers.MultilayerPerceptronClassifier,
        {"labelCol": "y3", "layers": [3, 4, 3], "maxIter": 5, "seed": 3},
        ["rawPrediction", "probability"],
    ),
    (clustering.KMeans, {"k": 4, "seed": 2, "maxIter": 2}, []),
    (GENERAL, {"maxIter": 3, "labelCol": "y3", "family": "poisson", "linkPredictionCol": "link"}, []),
    (GENERAL, {"maxIter": 3, "labelCol": "y", "family": "binomial"}, []),
    (GENERAL, {"maxIter": 3, "labelCol": "y", "family": "binomial", "link": "cloglog"}, []),
    (GENERAL, {"maxIter": 3, "labelCol": "a1", "family": "gamma", "link": "log", "offsetCol": "off"}, []),
    (GENERAL, {"maxIter": 3, "labelCol": "a1", "family": "gaussian", "link": "identity"}, []),
]


def test_other_models(spark, table):
    """They agree over numbers that all of them accept: 0 and 1."""
    flags = table.selectExpr(
        "id", "y", "y3", "abs(a) + 1 as a1", "coalesce(y, 0D) as off", "int(a > 0) as p", "int(b > 0) as q", "int(k = 1) as r"
    )
    assemble = features.VectorAssembler(inputCols=["p", "q", "r"], outputCol="v")
    models = [named(kind, at, vectors, featuresCol="v", **params) for at, (kind, params, vectors) in enumerate(MODELS)]
    model = side_by_side(PipelineModel([assemble]), flags, models)
    outputs = []
    for at, (kind, params, vectors) in enumerate(MODELS):
        predicted, *numbers = numbers_of([(at, vectors, classes_of(params))])
        rounded = kind is GENERAL
        outputs += [F.round(predicted, 9).alias(predicted) if rounded else predicted, *numbers]
        outputs += [F.round(params[name], 9).alias(params[name]) for name in params if name == "linkPredictionCol"]
    assert not check(spark, lambda: model.transform(flags).select("id", *outputs)).guarded_rows


def test_vectors_from_vectors(spark, table, fitted):
    stages = [
        features.PolynomialExpansion(inputCol="v", outputCol="poly", degree=3),
        features.Binarizer(inputCol="v", outputCol="above", threshold=0.5),
        features.VectorSlicer(inputCol="v", outputCol="part", indices=[4, 0]),
        features.PCA(inputCol="v", outputCol="pca", k=2),
    ]
    model = fitted(*stages)
    outputs = [number("poly", at) for at in (0, 3, 20, 54)] + [number("above", at) for at in range(5)]
    outputs += [number("part", 0), number("part", 1)]
    check(spark, lambda: model.transform(table).select("id", *outputs))
    check(spark, lambda: model.transform(table).select("id", number("pca", 0, 9), number("pca", 1, 9)))


@pytest.fixture(scope="module")
def texts(spark, tmp_path_factory):
    names = np.array(["red", "green", "blue", "grün", None, "teal"], object)[RNG.integers(0, 6, ROWS)]
    return written(spark, tmp_path_factory.mktemp("texts"), {**COLUMNS, "s": names})


@pytest.mark.gate_cases("keep")
@pytest.mark.parametrize("mode", ["keep", "skip"])
def test_categories_before_a_model(spark, texts, mode):
    """A string becomes an index and indicators, beside buckets and imputed numbers, as input of a logistic regression."""
    cleaned = texts.filter("s is not null")
    stages = [
        features.StringIndexer(inputCol="s", outputCol="si", handleInvalid=mode),
        features.OneHotEncoder(inputCols=["si", "k"], outputCols=["so", "ko"], handleInvalid="keep"),
        features.Bucketizer(splits=[-np.inf, -0.5, 0.7, np.inf], inputCol="a", outputCol="ab"),
        features.QuantileDiscretizer(numBuckets=3, inputCol="a", outputCol="aq", handleInvalid="keep"),
        features.Imputer(inputCols=["b"], outputCols=["bi"]),
        features.VectorAssembler(inputCols=["so", "ko", "ab", "aq", "bi"], outputCol="features"),
        classifiers.LogisticRegression(labelCol="y", maxIter=5),
    ]
    model = Pipeline(stages=stages).fit(cleaned.filter("s <> 'teal'"))
    check(spark, lambda: model.transform(texts).select("id", "si", "ab", "aq", "bi", "prediction", number("probability", 1, 9)))
    check(spark, lambda: model.transform(texts).select("id", "so", "ko"))


def test_categories_that_are_errors(spark, texts):
    cleaned = texts.filter("s is not null")
    indexer = features.StringIndexer(inputCol="s", outputCol="si").fit(cleaned.filter("s <> 'teal'"))
    for rows, error in (("s = 'teal'", "Unseen label: teal"), ("s is null", "NULL value")):
        with pytest.raises(Exception, match=error):
            indexer.transform(texts.filter(rows)).select("si").collect()
    check(spark, lambda: indexer.transform(cleaned.filter("s <> 'teal'")).select("id", "si"))
    bucketizer = features.Bucketizer(splits=[-1.0, 0.0, 1.0], inputCol="a", outputCol="ab")
    check(spark, lambda: bucketizer.transform(texts.filter("a between -1 and 1")).select("id", "ab"))
    with pytest.raises(Exception, match="out of Bucketizer bounds"):
        bucketizer.transform(texts).select("ab").collect()


@pytest.fixture(scope="module")
def missing(spark, tmp_path_factory):
    columns = {name: pa.array(values) for name, values in COLUMNS.items()}
    for name, at, value in (("a", 5, None), ("b", 300, float("nan")), ("k", 301, None)):
        values = columns[name].to_pylist()
        values[at] = value
        columns[name] = pa.array(values, columns[name].type)
    return written(spark, tmp_path_factory.mktemp("missing"), columns)


@pytest.mark.gate_cases("keep")
@pytest.mark.parametrize("mode", ["keep", "skip"])
def test_null_and_nan(spark, missing, fitted, mode):
    """Trees accept NaN."""
    model = fitted(regressors.DecisionTreeRegressor(featuresCol="v", labelCol="y", maxDepth=3), handleInvalid=mode)
    check(spark, lambda: model.transform(missing).select("id", "prediction"))


def test_null_and_nan_are_sparks_own_errors(spark, missing, fitted):
    model = fitted(regressors.DecisionTreeRegressor(featuresCol="v", labelCol="y", maxDepth=3))
    for rows, error in (("id < 300", "Encountered null"), ("id between 200 and 300", "Encountered NaN")):
        frame = model.transform(missing.filter(rows)).select("prediction")
        assert "Weld" in frame._jdf.queryExecution().executedPlan().toString()
        with pytest.raises(Exception, match=error):
            frame.collect()
    check(spark, lambda: model.transform(missing.filter("id < 300 and a is not null")).select("id", "prediction"))


def test_nan_in_a_linear_model_runs_as_spark_planned_it(spark, missing, fitted):
    """Only such rows do, their whole vectors too; above a filter, their batch does."""
    lasso = classifiers.LogisticRegression(featuresCol="v", labelCol="y", maxIter=5, regParam=0.2, elasticNetParam=1.0)
    model = fitted(lasso, handleInvalid="keep")
    what = check(spark, lambda: model.transform(missing).select("id", "prediction", number("probability", 1, 9)))
    assert (what.guarded_rows, what.kernel_batches) == (2, 1)
    assert check(spark, lambda: model.transform(missing).select("id", "v", "prediction")).guarded_rows == 2
    check(spark, lambda: model.transform(missing.filter("id >= 0")).select("id", "prediction"), deopt=True)


def test_an_empty_table(spark, table, fitted):
    model = fitted(classifiers.LogisticRegression(featuresCol="v", labelCol="y", maxIter=5))
    check(spark, lambda: model.transform(table.filter("id < 0")).select("prediction", "probability"))


@pytest.mark.nightly("tests/spark/columns/test_row_input.py::test_every_type_is_handed_on", "test_scalers")
def test_input_in_the_form_of_rows(spark, table, fitted):
    model = fitted(classifiers.DecisionTreeClassifier(featuresCol="v", labelCol="y3"))
    check(spark, lambda: model.transform(table.sort("id")).select("id", "prediction", "probability"))


@pytest.mark.nightly("tests/spark/ml/test_stored_vectors.py::test_linear_models")
def test_vectors_from_a_table(spark, table, fitted, tmp_path):
    """The kernel unpacks vectors, dense or sparse per row."""
    tree = regressors.DecisionTreeRegressor(featuresCol="o", labelCol="y", predictionCol="p", maxDepth=3)
    regression = classifiers.LogisticRegression(featuresCol="o", labelCol="y", maxIter=2)
    model = fitted(scaler("StandardScaler", withMean=True), regression, tree)
    made = model.transform(table)
    sparse = F.when(F.col("id") < 20, F.col("v")).otherwise(F.col("o"))
    odd = made.select("id", "o", sparse.alias("s", metadata=made.schema["o"].metadata))
    odd.write.parquet(str(tmp_path / "vectors"))
    vectors = spark.read.parquet(str(tmp_path / "vectors"))
    regression, tree = model.stages[2], model.stages[3]

    def of(column):
        frame = vectors.select("id", F.col(column).alias("o", metadata=made.schema["o"].metadata))
        return tree.transform(regression.transform(frame)).select("id", "p", number("probability", 1, 9), "prediction", "o")

    assert not check(spark, lambda: of("o")).guarded_rows
    assert not check(spark, lambda: of("s")).guarded_rows


def test_the_python_backend_leaves_plans_alone(spark, table, fitted):
    model = fitted(regressors.DecisionTreeRegressor(featuresCol="v", labelCol="y", maxDepth=3))
    _, frame = run(spark, lambda: model.transform(table).select("prediction"), {BACKEND: "python"})
    assert "Weld" not in frame._jdf.queryExecution().executedPlan().toString()


def test_undecided_queries_run_as_spark_planned_them(spark, missing, fitted):
    """The metric is named after that, and says "in Python" for Python functions."""
    model = fitted(classifiers.LogisticRegression(featuresCol="v", labelCol="y", maxIter=5), handleInvalid="keep")
    text = spark._jvm.io.sparkweld.ui.WeldExplain.explain(model.transform(missing).select("prediction")._jdf.queryExecution())
    assert "batches with flagged rows run as Spark planned them" in text


def test_sql_and_labels(spark, texts):
    """SQLTransformer and IndexToString consist of Spark's own expressions around the functions."""
    cleaned = texts.filter("s is not null")
    sql = features.SQLTransformer(statement="SELECT *, a * 2 + b AS e FROM __THIS__")
    stages = [
        sql,
        features.StringIndexer(inputCol="s", outputCol="si"),
        features.VectorAssembler(inputCols=["e", "si"], outputCol="v"),
        classifiers.DecisionTreeClassifier(featuresCol="v", labelCol="si", maxDepth=3),
    ]
    model = Pipeline(stages=stages).fit(cleaned)
    back = features.IndexToString(inputCol="prediction", outputCol="label", labels=model.stages[1].labels)
    check(spark, lambda: back.transform(model.transform(cleaned)).select("id", "e", "prediction", "label"))


def test_refused_functions(spark, table, fitted, tmp_path):
    other = fitted(features.DCT(inputCol="v", outputCol="o"))
    check(spark, lambda: other.transform(table).select("o"), refused="SW900")
    cosine = fitted(clustering.KMeans(featuresCol="v", k=2, distanceMeasure="cosine", seed=1, maxIter=2))
    check(spark, lambda: cosine.transform(table).select("prediction"), refused="SW901")
    negative = fitted(scaler("ElementwiseProduct", scalingVec=Vectors.dense([0.5, -3.0, 1.0, 2.0, 0.1])))
    check(spark, lambda: negative.transform(table).select(number("o", 0)), refused="SW901")
    other_norm = fitted(scaler("Normalizer", p=3.0))
    check(spark, lambda: other_norm.transform(table).select(number("o", 0)), refused="SW901")
    outside = fitted(scaler("StandardScaler", withMean=True))
    outside.stages[0].transform(table).select("v").write.parquet(str(tmp_path / "vectors"))
    of_no_known_size = StructType([StructField("v", VectorUDT())])
    vectors = spark.read.schema(of_no_known_size).parquet(str(tmp_path / "vectors"))
    check(spark, lambda: scaler("Normalizer").transform(vectors).select("o"), refused="SW902")
    sparse = fitted(scaler("StandardScaler"))
    check(spark, lambda: sparse.transform(table).select("o"), refused="SW903")
    small = features.VectorAssembler(inputCols=["a", "b"], outputCol="v")
    check(spark, lambda: outside.stages[1].transform(small.transform(table)).select("o"), refused="SW904")
    check(spark, lambda: sparse.transform(table).select(vector_to_array("o")[7]), refused="SW905")
    many = features.VectorAssembler(inputCols=["a"] * 600, outputCol="wide").transform(table)
    check(spark, lambda: many.select(vector_to_array("wide")), refused="SW906")


def test_exact_mode_refuses_sums_of_products(spark, table, fitted):
    model = fitted(regressors.LinearRegression(featuresCol="v", labelCol="y", maxIter=5))
    exact = {"spark.sparkweld.exact.enabled": "true"}
    check(spark, lambda: model.transform(table).select("prediction"), refused="SW820", conf=exact)
    tree = fitted(regressors.DecisionTreeRegressor(featuresCol="v", labelCol="y", maxDepth=3))
    check(spark, lambda: tree.transform(table).select("prediction"), conf=exact)
