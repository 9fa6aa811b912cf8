"""Checks what operators leave to Spark: queries by user, group, tag, pool and share, and functions by name and module."""

from __future__ import annotations

import getpass

import pandas as pd
import pytest
from pyspark.ml.feature import Bucketizer
from pyspark.sql import functions as F
from pyspark.sql.functions import pandas_udf, udf, udtf
from pyspark.sql.types import DoubleType, LongType

import sparkweld
from sparkweld.errors import UserError
from tests.helpers.differential import session_conf
from tests.helpers.sampling import some
from tests.spark.rules import controlled

DENY, ALLOW, SHARE = "spark.sparkweld.deny", "spark.sparkweld.allow", "spark.sparkweld.rollout.fraction"


@pandas_udf(DoubleType())
def doubled(x: pd.Series) -> pd.Series:
    return x * 2.0


@udf(LongType())
def next_of(x):
    return x + 1


@pandas_udf(DoubleType())
def mean_of(x: pd.Series) -> float:
    return x.mean()


def settings(spark, **values):
    """Changes settings of SparkWeld for a block; `_` in a name stands for a dot."""
    return session_conf(spark, {f"spark.sparkweld.{key.replace('_', '.')}": value for key, value in values.items()})


def where(frame):
    """Returns function -> "kernel", or the text of the reasons why it runs in Python."""
    found = {}
    for entry in sparkweld.explain(frame, format="dict")["entries"]:
        why = "; ".join(f"{refusal['code']} {refusal['message']}" for refusal in entry["refusals"])
        found |= dict.fromkeys(entry["functions"], "kernel" if entry["kind"] == "compiled" else why or entry["kind"])
    return found


def both(spark):
    return spark.range(0, 100, 1, 2).select(doubled(F.col("id").cast("double")).alias("a"), next_of("id").alias("b"))


def left(what, why):
    return f"SW370 {what}: {why}."


ALL = {"doubled": "kernel", "next_of": "kernel"}


def test_without_controls_all_compile(spark):
    assert where(both(spark)) == ALL


@pytest.mark.parametrize(
    ("deny", "expected"),
    [
        ("function:doubled", {"doubled": "it contains function:doubled", "next_of": "kernel"}),
        ("function:*_of, function:other", {"doubled": "kernel", "next_of": "it contains function:*_of"}),
        ("function:double", ALL),
        ("function:Doubled", ALL),
        ("function:d?ubled", ALL),
    ],
)
def test_functions_are_denied_by_name(spark, deny, expected):
    with settings(spark, deny=deny):
        found = where(both(spark))
        rows = both(spark).collect()
    for name, why in expected.items():
        assert found[name] == (why if why == "kernel" else left(f"{DENY} leaves the function {name} to Spark", why))
    assert [tuple(row) for row in rows] == [(2.0 * i, i + 1) for i in range(100)]


def test_functions_are_allowed_by_name(spark):
    with settings(spark, allow="function:next*,user:*"):
        found = where(both(spark))
    assert found["next_of"] == "kernel" and "no pattern of a function matches it" in found["doubled"]
    with settings(spark, allow="function:next*", deny="function:next_of"):
        assert "kernel" not in where(both(spark)).values()


@pytest.mark.parametrize(
    ("pattern", "denied"),
    [
        ("module:tests.spark.rules.controlled", True),
        ("module:tests", True),
        ("module:*.controlled", True),
        ("module:test", False),
        ("module:controlled", False),
    ],
)
def test_functions_are_denied_by_module(spark, pattern, denied):
    frame = spark.range(3).select(udf(controlled.tripled, "long")("id"), next_of("id"))
    with settings(spark, deny=pattern):
        found = where(frame)
    name = "tests.spark.rules.controlled"
    why = left(f"{DENY} leaves functions of the module {name} to Spark", f"it contains {pattern}") if denied else "kernel"
    assert why in found["tripled"]
    if pattern != "module:tests":
        assert found["next_of"] == "kernel"
    assert [tuple(row) for row in frame.collect()] == [(0, 1), (3, 2), (6, 3)]


def test_functions_are_allowed_by_module(spark):
    def frame():
        return spark.range(3).select(udf(controlled.tripled, "long")("id"), udf(controlled.Scaled(4), "long")("id").alias("s"))

    with settings(spark, allow="module:acme.*"):
        assert all("no pattern of a module matches it" in why for why in where(frame()).values())
    with settings(spark, allow="module:acme,module:tests.spark.*"):
        assert set(where(frame()).values()) == {"kernel"}


def test_aggregates_tables_and_models_are_denied_by_name(spark):
    numbers = spark.range(0, 6, 1, 2).select((F.col("id") % 2).alias("k"), F.col("id").cast("double").alias("x"))

    def aggregated():
        return numbers.groupBy("k").agg(mean_of("x").alias("m"))

    model = Bucketizer(inputCol="x", outputCol="y", splits=[-1.0, 2.5, 9.0]).transform(numbers)
    with settings(spark, deny="function:mean_of,function:Bucketizer"):
        assert "SW370" in where(aggregated())["mean_of"]
        assert sorted(map(tuple, aggregated().collect())) == [(0, 2.0), (1, 3.0)]
        assert "SW370" in sparkweld.explain(model)
        assert [row.y for row in model.collect()] == [0.0, 0.0, 0.0, 1.0, 1.0, 1.0]
    assert where(aggregated()) != {} and "SW370" not in str(where(aggregated()))


@udtf(returnType="a bigint")
class Twice:
    def eval(self, x: int):
        yield (x,)
        yield (x + 1,)


def test_table_functions_are_denied_by_name(spark):
    spark.udtf.register("twice", Twice)
    spark.range(3).createOrReplaceTempView("numbers")
    query = "select id, a from numbers, lateral twice(id)"
    for key, value in {"deny": "function:tw*", "allow": "pool:none"}.items():
        with settings(spark, **{key: value}):
            assert "SW370" in sparkweld.explain(spark.sql(query))
            assert len(spark.sql(query).collect()) == 6
    assert "compiled" in sparkweld.explain(spark.sql(query))


@pytest.mark.parametrize(
    ("properties", "pattern"),
    [
        ({}, f"user:{getpass.getuser()}"),
        ({"spark.jobGroup.id": "nightly-7"}, "group:nightly-*"),
        ({"spark.job.tags": "etl,slow"}, "tag:slow"),
        ({"spark.job.tags": "SparkConnect_OperationTag_User_ada_Session_s_Operation_o"}, "user:ada"),
        ({"spark.scheduler.pool": "adhoc"}, "pool:adhoc"),
        ({}, "pool:default"),
    ],
)
def test_queries_are_denied_by_their_names(spark, properties, pattern):
    context = spark.sparkContext
    for key, value in properties.items():
        context.setLocalProperty(key, value)
    try:
        with settings(spark, deny=f"{pattern}x,{pattern}"):
            found = where(both(spark))
        with settings(spark, allow=f"{pattern}x"):
            other = where(both(spark))
        with settings(spark, allow=f"{pattern}x,{pattern}"):
            assert where(both(spark)) == ALL
    finally:
        for key in properties:
            context.setLocalProperty(key, None)
    assert found == dict.fromkeys(ALL, left(f"{DENY} leaves the query to Spark", f"it contains {pattern}"))
    kind = pattern.split(":")[0]
    assert other == dict.fromkeys(ALL, left(f"{ALLOW} leaves the query to Spark", f"no pattern of a {kind} matches it"))
    with settings(spark, deny=f"{pattern}x"):
        assert where(both(spark)) == ALL


@pytest.mark.parametrize("key", ["deny", "allow"])
@pytest.mark.parametrize("text", ["doubled", "functions:doubled", "function:", ":x", "user:x y; z, function"])
def test_unreadable_patterns_leave_all_queries_to_spark(spark, key, text):
    with settings(spark, **{key: text}):
        found = where(both(spark))
    assert all(f"spark.sparkweld.{key} leaves all queries to Spark: it cannot be parsed" in why for why in found.values())


@pytest.mark.parametrize("text", ["5%", "2", "-1", "nan", "half"])
def test_an_unreadable_share_leaves_all_queries_to_spark(spark, text):
    with settings(spark, rollout_fraction=text):
        assert all(f"{SHARE} leaves all queries to Spark: it is not a number" in why for why in where(both(spark)).values())


def test_a_share_of_the_queries_takes_part_and_the_same_again(spark):
    def chosen(share):
        found = []
        for number in range(20):
            frame = spark.range(5).select(*(controlled.numbered(number)("id").alias(f"r{i}") for i in range(1 + number % 3)))
            with settings(spark, rollout_fraction=share):
                places = set(where(frame).values())
            assert len(places) == 1  # a query takes part as a whole
            found.append(places == {"kernel"})
        return found

    some, again, more = chosen("0.3"), chosen("0.3"), chosen("0.7")
    assert some == again and 2 <= sum(some) <= 10 < sum(more) <= 19
    assert all(now for before, now in zip(some, more, strict=True) if before)  # a larger share keeps those of a smaller one
    assert not any(chosen("0"))


@pytest.mark.sampled
def test_stages_and_made_calls_share_the_place_of_their_query(spark):
    for number in some(range(6), 3):
        numbers = spark.range(0, 40, 1, 2).select("id", controlled.numbered(number)("id").alias("r"))
        sums = numbers.groupBy((F.col("r") % 3).alias("k")).agg(F.sum("r").alias("s"))
        frame = sums.select(next_of("s").alias("n")).orderBy("n")
        with settings(spark, rollout_fraction="0.5"):
            rows = frame.collect()
            final = set(where(frame).values())
        assert len(final) == 1 and len(rows) == 3


def test_a_query_outside_of_the_share_says_so(spark):
    with settings(spark, rollout_fraction="0"):
        (why,) = set(where(both(spark)).values())
        assert both(spark).count() == 100
    assert why.startswith(f"SW370 {SHARE} leaves the query to Spark: the query's place is 0.") and "the share is 0.0" in why


def test_a_pool_has_settings_of_its_own(spark):
    with settings(spark, **{"pool_slow_enabled": "false", "pool_slow_exact_enabled": "true"}):
        assert where(both(spark)) == ALL
        spark.sparkContext.setLocalProperty("spark.scheduler.pool", "slow")
        try:
            assert where(both(spark)) == dict.fromkeys(ALL, "in_python")
        finally:
            spark.sparkContext.setLocalProperty("spark.scheduler.pool", None)


def test_the_switch_of_the_application(spark):
    other = spark.newSession()
    sparkweld.set_enabled(spark, False)
    try:
        for session in (spark, other):
            why = left("sparkweld.set_enabled leaves all queries to Spark", "it turned SparkWeld off in this application")
            assert where(both(session)) == dict.fromkeys(ALL, why) and both(session).count() == 100
    finally:
        sparkweld.set_enabled(spark, True)
    assert where(both(other)) == ALL


def test_the_switch_rejects_a_connect_session():
    with pytest.raises(UserError, match=r"spark\.sparkweld\.killSwitch\.path"):
        sparkweld.set_enabled(object(), False)


KILLED = """
import pathlib
spark = session()
@pandas_udf("double")
def f(x: pd.Series) -> pd.Series:
    return x * 2.0
def codes():
    frame = spark.range(10).select(f(F.col("id").cast("double")).alias("r"))
    frame.collect()
    return measured(frame)
path = pathlib.Path(spark.sparkContext.getConf().get("spark.sparkweld.killSwitch.path"))
before = codes()
path.touch()
during = codes()
path.unlink()
report(before=before, during=during, after=codes())
"""


def test_the_file_of_the_kill_switch(applications, tmp_path):
    ran = applications.run(KILLED, conf={"spark.sparkweld.killSwitch.path": str(tmp_path / "off")})
    facts = ran.facts
    assert len(facts["before"]["operators"]) == len(facts["after"]["operators"]) == 1
    assert facts["during"]["operators"] == []
    (refused,) = facts["during"]["refusals"]
    assert refused["code"] == "SW370" and refused["message"].endswith(f"to Spark: the file {tmp_path / 'off'} exists.")
