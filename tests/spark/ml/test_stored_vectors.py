"""Compares fitted models over stored vectors, dense and sparse ones in one column, with the plugin off and on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
from pyspark.ml import PipelineModel, clustering
from pyspark.ml import classification as classifiers
from pyspark.ml import feature as features
from pyspark.ml import regression as regressors
from pyspark.ml.feature import VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.ml.linalg import Vectors, VectorUDT
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType, LongType, StructField, StructType

from tests.helpers.differential import BACKEND, ENABLED, check, session_conf
from tests.spark.ml.test_string_features import linear as linear_regression

ROWS = 500
#: Lengths of a vector: few are columns of a kernel, more are columns and sums over stored elements, very many are sums alone.
FEW, MORE, MANY = 9, 70, 3000
SPECIAL = (0.0, -0.0, np.nan, np.inf, -np.inf, 5e-324, 1e308)
SCHEMA = StructType([StructField("id", LongType()), StructField("v", VectorUDT()), StructField("y", DoubleType())])


def vector(random, size, dense, special=()):
    """Returns a vector of non-negative numbers, with explicit zeros and `special` numbers among them."""
    stored = size if dense else int(random.integers(0, min(size, 40) + 1))
    values = np.abs(np.round(random.normal(size=stored), 3))
    values[random.random(stored) < 0.2] = 0.0
    for number in special:
        values[random.random(stored) < 0.05] = number
    if dense:
        return Vectors.dense(values)
    return Vectors.sparse(size, np.sort(random.choice(size, stored, replace=False)).tolist(), values.tolist())


@dataclass
class Stored:
    """Tables of vectors of one size: `sparse`, `mixed` with dense ones, and `wild` with unusual numbers."""

    size: int
    sparse: object
    mixed: object
    wild: object


@pytest.fixture(scope="module")
def stored(spark, tmp_path_factory):
    """Returns tables by the size of their vectors."""
    made = {}

    def written(size, name, dense, special=()):
        random = np.random.default_rng(size)
        rows = [
            (i, vector(random, size, random.random() < dense, special), float(random.random() < 0.5)) for i in range(ROWS)
        ]
        folder = str(tmp_path_factory.mktemp("stored") / name)
        sized(spark.createDataFrame(rows, SCHEMA).coalesce(1), size).write.parquet(folder)
        return spark.read.parquet(folder)

    def of(size):
        if size not in made:
            made[size] = Stored(
                size, written(size, "sparse", 0), written(size, "mixed", 0.3), written(size, "wild", 0.3, SPECIAL)
            )
        return made[size]

    return of


def sized(frame, size):
    """Returns the table with the vector size in the column's metadata, as Spark's transformers write it."""
    return frame.withColumn("v", F.col("v").alias("v", metadata={"ml_attr": {"num_attrs": size}}))


def check_scores(spark, model, frame, *columns, **options):
    """Runs `check` on some columns of a model's results."""
    return check(spark, lambda: model.transform(frame).select("id", *columns), **options)


def rounded(column, at):
    return F.round(vector_to_array(column)[at], 6).alias(f"{column}_{at}")


def linear():
    logistic = {"featuresCol": "v", "labelCol": "y", "maxIter": 3}
    return [
        classifiers.LogisticRegression(**logistic, family="binomial"),
        classifiers.LogisticRegression(**logistic, family="multinomial"),
        classifiers.LogisticRegression(**logistic, regParam=0.004, elasticNetParam=1.0),
        classifiers.LogisticRegression(**logistic, fitIntercept=False),
        classifiers.LinearSVC(**logistic),
        classifiers.NaiveBayes(featuresCol="v", labelCol="y"),
    ]


@pytest.mark.gate_cases("0-9", "5-3000")
@pytest.mark.parametrize("size", [FEW, MORE, MANY])
@pytest.mark.parametrize("number", range(6))
def test_linear_models(spark, stored, number, size):
    """Sums over sparse rows are Spark's to the last bit; Spark handles rows with numbers that the model rejects."""
    tables = stored(size)
    model = linear()[number].fit(tables.mixed)
    raw = [vector_to_array("rawPrediction")[at] for at in range(2)]
    exactly = check_scores(spark, model, tables.sparse, "prediction", *raw)
    assert exactly.guarded_rows < ROWS // 4  # without an intercept, an empty vector is on the decision boundary
    kinds = [c for c in ("rawPrediction", "probability") if c in model.transform(tables.mixed).columns]
    scores = [rounded(c, at) for c in kinds for at in (0, 1)]
    assert check_scores(spark, model, tables.mixed, "prediction", *scores).guarded_rows < ROWS // 4
    if not isinstance(model, classifiers.NaiveBayesModel):
        check_scores(spark, model, tables.wild, "prediction", *scores, deopt=None)


@pytest.mark.nightly("test_linear_models", "tests/spark/ml/test_stages.py::test_linear_regression")
@pytest.mark.parametrize("size", [pytest.param(FEW, marks=pytest.mark.nightly), MORE])  # linear models above have all sizes
def test_regressions(spark, stored, size):
    tables = stored(size)
    for regression in (
        regressors.LinearRegression(featuresCol="v", labelCol="y", maxIter=3),
        regressors.GeneralizedLinearRegression(featuresCol="v", labelCol="y", maxIter=3, family="gaussian"),
    ):
        model = regression.fit(tables.mixed)
        assert not check_scores(spark, model, tables.sparse, "prediction").guarded_rows
        check_scores(spark, model, tables.mixed, F.round("prediction", 9))


def trees():
    return [
        regressors.DecisionTreeRegressor(featuresCol="v", labelCol="y", maxDepth=4),
        classifiers.RandomForestClassifier(featuresCol="v", labelCol="y", numTrees=5, maxDepth=4, seed=1),
        classifiers.GBTClassifier(featuresCol="v", labelCol="y", maxIter=3, maxDepth=3, seed=1),
    ]


@pytest.mark.gate_cases("1-70")
@pytest.mark.parametrize("size", [FEW, MORE])
@pytest.mark.parametrize("number", range(5))
def test_trees_and_other_models(spark, stored, number, size):
    tables = stored(size)
    others = [
        clustering.KMeans(featuresCol="v", k=3, seed=1, maxIter=2),
        classifiers.MultilayerPerceptronClassifier(featuresCol="v", labelCol="y", layers=[size, 4, 2], maxIter=2, seed=1),
    ]
    grown = trees()
    model = [*grown, *others][number].fit(tables.mixed)
    chosen = [rounded("probability", 1)] if "probability" in model.transform(tables.mixed).columns else []
    check_scores(spark, model, tables.mixed, "prediction", *chosen)
    if number < len(grown):
        assert not check_scores(spark, model, tables.wild, "prediction", *chosen).guarded_rows


def scaled(kind, **params):
    return getattr(features, kind)(inputCol="v", outputCol="o", **params)


def transformers(size):
    return [
        scaled("StandardScaler"), scaled("StandardScaler", withMean=True), scaled("MinMaxScaler"), scaled("MaxAbsScaler"),
        scaled("RobustScaler", withScaling=True), scaled("Normalizer"), scaled("Normalizer", p=1.0),
        scaled("Normalizer", p=float("inf")), scaled("IDF"), scaled("Binarizer", threshold=0.5),
        scaled("ElementwiseProduct", scalingVec=Vectors.dense(np.linspace(0.5, 2, size))),
        scaled("VectorSlicer", indices=[size - 1, 0, 3, 5]), scaled("PCA", k=2), scaled("PolynomialExpansion", degree=2),
        VectorAssembler(inputCols=["v", "id", "v"], outputCol="o"),
    ]  # fmt: skip


def test_transformers(spark, stored):
    """Each number of their results agrees, for usual and unusual numbers.

    One query has those that flag no row, for a flagged row would hide the kernel's numbers of the others.
    """
    tables = stored(FEW)
    made: dict[str, list] = {"no row": [], "sums of powers": [], "products": []}
    for at, transformer in enumerate(transformers(FEW)):
        transformer.set(transformer.outputCol, f"o{at}")
        model = transformer.fit(tables.mixed) if hasattr(transformer, "fit") else transformer
        divides = isinstance(model, features.Normalizer) and model.getP() < np.inf
        multiplies = isinstance(model, features.PolynomialExpansion)
        made["sums of powers" if divides else "products" if multiplies else "no row"].append(model)
    for flagged, models in made.items():
        together = PipelineModel(models)
        first = together.transform(tables.mixed).first()
        chosen = []
        for model in models:
            numbers = vector_to_array(model.getOutputCol())
            for at in range(len(first[model.getOutputCol()])):
                exact = not isinstance(model, features.PCAModel)
                value = numbers[at] if exact else F.round(numbers[at], 9).cast("float")  # without the last digits of large ones
                chosen.append(value.alias(f"{model.getOutputCol()}_{at}"))
        assert not check_scores(spark, together, tables.mixed, *chosen).guarded_rows
        assert bool(check_scores(spark, together, tables.wild, *chosen, deopt=None).guarded_rows) == (flagged != "no row")


@pytest.mark.gate_cases("MaxAbsScaler", "Normalizer")
@pytest.mark.parametrize("kind", ["StandardScaler", "MaxAbsScaler", "Normalizer", "IDF"])
def test_vectors_that_are_selected_are_sparks(spark, stored, kind):
    """Each is sparse or dense like its source, and keeps the explicit zeros."""
    model = scaled(kind)
    model = model.fit(stored(FEW).mixed) if hasattr(model, "fit") else model
    for table in (stored(FEW).mixed, stored(FEW).wild):
        check_scores(spark, model, table, "o", deopt=None)
        assert written(spark, model, table, "true") == written(spark, model, table, "false")


def written(spark, model, table, enabled):
    """Returns the vectors of a result as strings, which show the stored elements: == compares their numbers."""
    with session_conf(spark, {ENABLED: enabled, BACKEND: "native"}):
        return [str(row.o) for row in model.transform(table).select("id", "o").orderBy("id").collect()]


@pytest.mark.parametrize("size", [MORE, pytest.param(MANY, marks=pytest.mark.nightly)])  # linear models above have all sizes
def test_sums_behind_scalers(spark, stored, size):
    """Stored values transformed on the way to a sum keep it equal to Spark's, bit for bit: one query for all scalers."""
    tables = stored(size)
    scalers = [
        scaled("StandardScaler"), scaled("MaxAbsScaler"), scaled("IDF"), scaled("Normalizer"), scaled("Normalizer", p=1.0),
        scaled("Normalizer", p=float("inf")), scaled("ElementwiseProduct", scalingVec=Vectors.dense(np.linspace(0.5, 2, size))),
    ]  # fmt: skip
    stages, sums = [], []
    for at, scaler in enumerate(scalers):
        scaler.set(scaler.outputCol, f"f{at}")
        model = scaler.fit(tables.mixed) if hasattr(scaler, "fit") else scaler
        stages += [model, linear_regression(spark, size, str(at))]
        sums.append(f"p{at}")
    together = PipelineModel(stages)
    exactly = check_scores(spark, together, tables.sparse, *sums)
    assert (exactly.guarded_rows, exactly.refusals) == (0, ()), "each scaler is in the kernel"
    rounded_sums = [F.round(name, 9).alias(name) for name in sums]
    assert not check_scores(spark, together, tables.mixed, *rounded_sums).guarded_rows


@pytest.fixture(scope="module")
def regression(stored):
    """Returns a fitted model by the size of its vectors."""
    return cache(lambda size: classifiers.LogisticRegression(featuresCol="v", labelCol="y", maxIter=2).fit(stored(size).mixed))


RAW = "struct<type: tinyint, size: int, indices: array<int>, values: array<double>>"


@pytest.mark.gate_cases("None-9", "raw1-3000")
@pytest.mark.parametrize("size", [FEW, MANY])
@pytest.mark.parametrize(
    "raw",
    [
        None,
        (0, 3, [0, 2], [1.0, 2.0]),  # of another size
        (1, None, None, [1.0]),
        (0, "size", [2, 1], [1.0, 2.0]),  # unordered
        (0, "size", [1, 1], [1.0, 2.0]),
        (0, "size", [1, 5000], [1.0, 2.0]),
        (0, "size", [-1, 2], [1.0, 2.0]),
        (0, "size", [1], [1.0, 2.0]),
    ],
)
def test_values_that_are_not_vectors(spark, regression, tmp_path, size, raw):
    """A row of another size, without a vector, or with invalid indices behaves as in Spark: mostly it raises."""
    model = regression(size)
    given = None if raw is None else tuple(size if part == "size" else part for part in raw)
    rows = [(i, (0, size, [1], [1.0]) if i != 5 else given) for i in range(20)]
    spark.createDataFrame(rows, f"id long, v {RAW}").coalesce(1).write.parquet(str(tmp_path / "raw"))
    frame = spark.read.schema(StructType(SCHEMA.fields[:2])).parquet(str(tmp_path / "raw"))  # which does not declare the size
    query = lambda: model.transform(frame).select("id", "prediction")  # noqa: E731
    errors = []
    for enabled in ("false", "true"):
        with session_conf(spark, {ENABLED: enabled, BACKEND: "native"}):
            assert enabled == "false" or "Weld" in query()._jdf.queryExecution().executedPlan().toString()
            with pytest.raises(Exception, match="requirement failed|is null|OutOfBounds") as error:
                query().collect()
            errors.append(cause_of(error.value))
    assert errors[0] == errors[1]


def cause_of(error):
    """Returns the innermost cause in a Spark error's message. Spark 3.5 names the class of the query's own function there."""
    cause = [line for line in str(error).splitlines() if "Exception: " in line][-1].split("Exception: ")[-1]
    return re.sub(r"Lambda\$\d+/\w+", "Lambda", cause)
