"""Compares OneVsRest and Interaction of pyspark.ml with the plugin off and on: the same rows, or the same error."""

from __future__ import annotations

import numpy as np
import pytest
from pyspark.ml import Pipeline, PipelineModel
from pyspark.ml import classification as classifiers
from pyspark.ml import feature as features
from pyspark.ml import regression as regressors
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from tests.helpers.differential import check
from tests.helpers.lines import LINE, differs_before
from tests.spark.ml.test_stages import COLUMNS, INPUTS, number, written


@pytest.fixture(scope="module")
def table(spark, tmp_path_factory):
    """Writes a columnar scan of one batch, with non-finite numbers and zeros of both signs."""
    odd = np.where(COLUMNS["id"] % 50 == 7, np.inf, np.where(COLUMNS["id"] % 50 == 9, np.nan, COLUMNS["c"]))
    names = np.array(["red", "green", "blue"], object)[COLUMNS["k"] % 3]
    return written(spark, tmp_path_factory.mktemp("ml"), {**COLUMNS, "e": odd, "s": names})


of_arrays_of_scores = differs_before((4, 1), "OneVsRest collects scores by Python functions, and in 3.5 in maps")


def one_vs_rest(table, classifier):
    """Fits in Scala: PySpark's own `fit` leaves its threads to the garbage collector, which warns."""
    assembler = features.VectorAssembler(inputCols=INPUTS, outputCol="v", handleInvalid="keep")
    rest = classifiers.OneVsRest(classifier=classifier, featuresCol="v", labelCol="y3")._to_java()
    return PipelineModel([assembler, classifiers.OneVsRestModel._from_java(rest.fit(assembler.transform(table)._jdf))])


CLASSIFIERS = [
    (classifiers.LogisticRegression, {"maxIter": 1}, 9),
    (classifiers.DecisionTreeClassifier, {"maxDepth": 2}, None),  # leaves with equal scores: the first class of several
]


@pytest.mark.gate_cases("DecisionTreeClassifier")
@pytest.mark.parametrize(("kind", "params", "digits"), CLASSIFIERS, ids=[kind.__name__ for kind, *_ in CLASSIFIERS])
@of_arrays_of_scores
def test_one_vs_rest(spark, table, kind, params, digits):
    model = one_vs_rest(table, kind(**params))
    outputs = [number("rawPrediction", at, digits) for at in range(3)] if digits else ["rawPrediction"]
    assert not check(spark, lambda: model.transform(table).select("id", "prediction", *outputs)).refusals[1:]
    chosen = lambda: model.transform(table).filter("prediction = 1").select("id")  # noqa: E731
    if LINE >= (4, 2):
        assert not check(spark, chosen).refusals
    else:  # the filter contains the whole expression of the prediction
        check(spark, chosen, refused="SW304")


@pytest.mark.nightly("test_one_vs_rest")
@of_arrays_of_scores
def test_one_vs_rest_in_scala(spark, table):
    """The library's Scala form, which Scala jobs use, works as well."""
    model = one_vs_rest(table, classifiers.DecisionTreeClassifier(maxDepth=3))
    assembled = model.stages[0].transform(table)
    java = model.stages[1]._to_java()
    check(spark, lambda: DataFrame(java.transform(assembled._jdf), spark).select("id", "prediction", "rawPrediction"))


@pytest.mark.nightly("test_one_vs_rest", "tests/spark/ml/test_stages.py::test_nan_in_a_linear_model_runs_as_spark_planned_it")
@of_arrays_of_scores
def test_rows_that_are_not_decided_are_sparks(spark, table):
    """NaN in a linear model is Spark's to decide; Spark skips scores that are NaN."""
    model = one_vs_rest(table, classifiers.LinearSVC(maxIter=1))
    odd = table.withColumn("c", F.col("e"))
    what = check(spark, lambda: model.transform(odd).select("id", "prediction", number("rawPrediction", 0, 9)))
    assert what.guarded_rows == 24


def test_requested_scores_are_those_of_spark(spark, table):
    """Vectors of a stored array are refused: it is not an array of scores."""
    model = regressors.DecisionTreeRegressor(featuresCol="v", labelCol="y", maxDepth=2)
    assembled = features.VectorAssembler(inputCols=INPUTS, outputCol="v").transform(table)
    stored = assembled.select("id", "y", vector_to_array("v").alias("l")).localCheckpoint()
    fitted = model.fit(assembled)
    check(spark, lambda: fitted.transform(stored.withColumn("v", array_to_vector("l"))).select("prediction"), refused="SW901")
    whole = stored.selectExpr("transform(l, x -> cast(x as int)) as l").localCheckpoint()
    check(spark, lambda: whole.select(array_to_vector("l").alias("v")), refused="SW901")


INDEXED = features.StringIndexer, {"inputCol": "s", "outputCol": "si"}
ENCODED = features.OneHotEncoder, {"inputCols": ["si"], "outputCols": ["so"], "dropLast": False}
ASSEMBLED = features.VectorAssembler, {"inputCols": ["b", "d", "c"], "outputCol": "v"}
WIDE = features.VectorAssembler, {"inputCols": INPUTS, "outputCol": "w"}
CENTRED = features.StandardScaler, {"inputCol": "v", "outputCol": "m", "withMean": True}
SCALED = features.MaxAbsScaler, {"inputCol": "v", "outputCol": "x"}
INTERACTIONS = [
    ["a", "e", "c"],  # only numbers: zeros keep their signs, and turn infinity into NaN
    ["k", "a"],
    ["si", "e"],  # a nominal column
    ["e", "so", "si"],
    ["c", "v", "e"],  # sparse or dense, per row
    ["so", "v"],
    ["e", "w"],  # two of five numbers are stored sparse or dense, as the line of Spark decides
]


def test_interaction(spark, table):
    """Whole vectors agree, including the signs of their zeros; in a model, too."""
    stages = [kind(**params) for kind, params in (INDEXED, ENCODED, ASSEMBLED, WIDE)]
    stages += [features.Interaction(inputCols=inputs, outputCol=f"o{at}") for at, inputs in enumerate(INTERACTIONS)]
    tree = regressors.RandomForestRegressor(featuresCol="o5", labelCol="y", numTrees=3, maxDepth=3, seed=2)
    model = Pipeline(stages=[*stages, tree]).fit(table)
    vectors = [f"o{at}" for at in range(len(INTERACTIONS))]
    signs = [(F.lit(1.0) / vector_to_array(name)[1]).alias(f"sign {name}") for name in vectors]
    check(spark, lambda: model.transform(table).select("id", "prediction", *vectors))
    check(spark, lambda: model.transform(table).select("id", *signs))


@pytest.mark.nightly("test_interaction")
def test_interaction_of_vectors_of_other_forms(spark, table):
    """Dense vectors, those of an assembled form, and those of an unknown form; scalers add no attributes, which it requires."""
    squares = features.PolynomialExpansion(inputCol="v", outputCol="p", degree=1)
    stages = Pipeline(stages=[kind(**params) for kind, params in (ASSEMBLED, CENTRED, SCALED)] + [squares]).fit(table)
    made = stages.transform(table)
    for name in "mxp":
        made = made.withMetadata(name, made.schema["v"].metadata)

    def of(*names):
        return features.Interaction(inputCols=list(names), outputCol="o").transform(made).select("id", "o")

    check(spark, lambda: of("v", "m"))
    check(spark, lambda: of("x", "c", "m"))
    check(spark, lambda: of("p", "a"), refused="SW901")


@pytest.mark.gate_cases("0.5")
@pytest.mark.parametrize("value", ["3.0", "0.5", "cast(null as double)"])
def test_interaction_of_no_category_is_sparks_own_error(spark, table, value):
    products = features.Interaction(inputCols=["si", "a"], outputCol="o")
    meta = INDEXED[0](**INDEXED[1]).fit(table).transform(table).schema["si"].metadata
    given = F.when(F.col("id") == 5, F.expr(value)).otherwise(1.0)
    odd = table.select("id", "a", given.alias("si", metadata=meta))
    with pytest.raises(Exception, match="cannot be null" if "null" in value else "must be indices"):
        products.transform(odd).select("o").collect()
    check(spark, lambda: products.transform(odd.filter("id <> 5")).select("id", "o"))
