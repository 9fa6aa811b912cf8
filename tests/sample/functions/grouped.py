"""Declares grouped aggregates, functions of groups, and functions that score fitted models."""

import pickle
from typing import Iterator

import numpy as np
import pandas as pd
import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Window
from pyspark.sql.functions import PandasUDFType, array, col, pandas_udf, struct, udf
from pyspark.sql.types import DoubleType, IntegerType, StringType
from sklearn.cluster import KMeans
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from tests.sample.case import Cases

case = Cases()


@case("agg", "stats", "std", "len guard", "float()")
def price_std(spark, t):
    @pandas_udf("double", PandasUDFType.GROUPED_AGG)
    def std_udf(s: pd.Series) -> float:
        return float(s.std(ddof=1)) if len(s) > 1 else 0.0

    return t.orders.groupBy("store").agg(std_udf("price").alias("std"))


@case("agg", "stats", "np.percentile", "type hints only")
def p95_bytes(spark, t):
    @pandas_udf("double")
    def p95(v: pd.Series) -> float:
        return np.percentile(v, 95)

    return t.logs_full.groupBy("host").agg(p95(col("bytes")).alias("p95"))


@case("agg", "stats", "nunique", "integer result")
def city_count(spark, t):
    @pandas_udf(IntegerType(), PandasUDFType.GROUPED_AGG)
    def n_unique(v):
        return v.nunique()

    return t.people.groupBy("team").agg(n_unique(col("city")))


@case("agg", "text", "mode", "iloc[0]", "string result")
def usual_category(spark, t):
    @pandas_udf(StringType())
    def most_common(v: pd.Series) -> str:
        return v.mode().iloc[0]

    return t.orders.groupBy("store").agg(most_common("category").alias("usual"))


@case("agg", "window", "mean over a window", "unbounded frame")
def mean_over_window(spark, t):
    @pandas_udf("double", PandasUDFType.GROUPED_AGG)
    def mean_udf(v):
        return v.mean()

    w = Window.partitionBy("station").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    return t.sensors_full.withColumn("mean_y", mean_udf("y").over(w)).select("id", "mean_y")


@case("agg", "stats", "corr of two columns", "two arguments")
def correlation(spark, t):
    @pandas_udf(DoubleType())
    def corr(a: pd.Series, b: pd.Series) -> float:
        return a.corr(b)

    return t.sensors_full.groupBy("kind").agg(corr("x", "y").alias("corr"))


@case("group", "zscore", "mean and std of the group", "column assignment", "DDL schema")
def group_zscore(spark, t):
    def normalize(pdf: pd.DataFrame) -> pd.DataFrame:
        v = pdf.z
        pdf["zscore"] = (v - v.mean()) / v.std()
        return pdf

    return t.sensors_full.select("id", "station", "z").groupBy("station").applyInPandas(
        normalize, schema="id long, station int, z double, zscore double"
    )


@case("group", "dates", "sort_values", "diff", "dt.total_seconds", "cumsum of a mask")
def sessions(spark, t):
    def sessionize(pdf):
        pdf = pdf.sort_values(["ordered", "id"])
        gap = pdf["ordered"].diff().dt.total_seconds().fillna(0)
        pdf["session"] = (gap > 30 * 86400).cumsum()
        return pdf[["id", "store", "session"]]

    return t.orders_full.select("id", "store", "ordered").groupby("store").applyInPandas(
        sessionize, schema="id long, store int, session long"
    )


@case("group", "topn", "sort_values", "reset_index", "range column", "head")
def top_orders(spark, t):
    out = "id long, category string, price double, place int"

    def top(df: pd.DataFrame) -> pd.DataFrame:
        df = df.sort_values(["price", "id"], ascending=[False, True]).reset_index(drop=True)
        df["place"] = range(1, len(df) + 1)
        return df[["id", "category", "price", "place"]].head(10)

    return t.orders_full.groupBy("category").applyInPandas(top, schema=out)


@case("group", "stats", "one row per group", "key tuple", "loop over rows with state", "DataFrame of a list of dicts")
def host_errors(spark, t):
    def summarise(key, pdf):
        pdf = pdf.sort_values("id")
        longest, current = 0, 0
        for _, row in pdf.iterrows():
            if row["status"] >= 400:
                current += 1
                longest = max(longest, current)
            else:
                current = 0
        return pd.DataFrame([{
            "host": key[0],
            "longest": longest,
            "errors": int((pdf["status"] >= 400).sum()),
            "mb": round(pdf["bytes"].sum() / 1e6, 3),
        }])

    return t.logs_full.select("id", "host", "status", "bytes").groupBy("host").applyInPandas(
        summarise, "host int, longest int, errors int, mb double"
    )


@case("group", "train", "model per group", "fit and predict", "r2 score", in_principle=False)
def model_per_station(spark, t):
    schema = T.StructType([
        T.StructField("station", T.IntegerType()),
        T.StructField("n", T.IntegerType()),
        T.StructField("r2", T.DoubleType()),
    ])

    def train_model(df_pandas: pd.DataFrame) -> pd.DataFrame:
        X = df_pandas[["x", "z"]]
        y = df_pandas["y"]
        model = LinearRegression()
        model.fit(X, y)
        return pd.DataFrame(
            [[df_pandas["station"].iloc[0], len(df_pandas), model.score(X, y)]], columns=["station", "n", "r2"]
        )

    return t.sensors_full.select("station", "x", "y", "z").groupBy("station").applyInPandas(train_model, schema)


def training(n=240, **scales):
    rng = np.random.RandomState(11)
    return pd.DataFrame({k: rng.rand(n) * v for k, v in scales.items()})


@case("model", "sklearn", "pd.concat(cols, axis=1)", "variadic columns", "captured forest", "integer labels")
def forest_label(spark, t):
    X = training(x=80, y=12, z=3)
    clf = RandomForestClassifier(n_estimators=8, max_depth=5, random_state=1).fit(X.values, (X.x > 2 * X.y).astype(int))

    @pandas_udf(returnType=IntegerType())
    def predict_pd_udf(*cols):
        X = pd.concat(cols, axis=1)
        return pd.Series(clf.predict(X.values))

    return t.sensors_full.select("id", predict_pd_udf("x", "y", "z").alias("class"))


@case("model", "sklearn", "broadcast", "iterator", "predict_proba[:, 1]", "np.column_stack")
def churn_probability(spark, t):
    X = training(age=90, income=150000, score=100)
    model = Pipeline([("scale", StandardScaler()), ("lr", LogisticRegression(max_iter=300))])
    model.fit(X.values, (X.score + X.age > 90).astype(int))
    bc_model = spark.sparkContext.broadcast(model)

    @pandas_udf("double")
    def predict(it: Iterator[tuple[pd.Series, pd.Series, pd.Series]]) -> Iterator[pd.Series]:
        model = bc_model.value
        for age, income, score in it:
            features = np.column_stack([age, income, score])
            yield pd.Series(model.predict_proba(features)[:, 1])

    return t.people_full.select("id", predict("age", "income", "score").alias("p"))


@case("model", "sklearn", "plain udf", "array column", "predict([features])[0]", "float()")
def tree_per_row(spark, t):
    X = training(a=80, b=12)
    model = DecisionTreeClassifier(max_depth=4, random_state=0).fit(X.values, (X.a > 40).astype(int))
    model_bc = spark.sparkContext.broadcast(model)

    predict_udf = udf(lambda features: float(model_bc.value.predict([features])[0]), DoubleType())
    return t.sensors_full.limit(300).select("id", predict_udf(array("x", "y")).alias("prediction"))


@case("model", "sklearn", "struct argument", "ColumnTransformer", "one-hot", "GradientBoosting")
def claim_score(spark, t):
    X = training(price=900, quantity=12)
    X["category"] = np.random.RandomState(3).choice(["wood", "light", "textile", "kitchen", "misc"], len(X))
    pipe = Pipeline([
        ("prep", ColumnTransformer([
            ("num", MinMaxScaler(), ["price", "quantity"]),
            ("cat", OneHotEncoder(handle_unknown="ignore"), ["category"]),
        ])),
        ("gb", GradientBoostingClassifier(n_estimators=10, max_depth=2, random_state=0)),
    ]).fit(X, ((X.price > 300) & (X.category != "misc")).astype(int))

    @F.pandas_udf("double")
    def score(features: pd.DataFrame) -> pd.Series:
        return pd.Series(pipe.predict_proba(features)[:, 1])

    return t.orders_full.select("id", score(struct("price", "quantity", "category")).alias("score"))


@case("model", "sklearn-text", "vectorizer and classifier in a dict", "unpickled", "str methods before")
def topic_of_bio(spark, t):
    docs = ["fever cough severe rash", "parcel arrived late broken refund", "python kafka rust etl"] * 5
    vec = CountVectorizer()
    nb = MultinomialNB().fit(vec.fit_transform(docs), ["health", "parcel", "code"] * 5)
    blob = spark.sparkContext.broadcast(pickle.dumps({"vec": vec, "clf": nb}))

    @pandas_udf(StringType())
    def topic(texts: pd.Series) -> pd.Series:
        m = pickle.loads(blob.value)
        X = m["vec"].transform(texts.fillna("").str.lower())
        return pd.Series(m["clf"].predict(X))

    return t.people.select("id", topic("bio").alias("topic"))


@case("model", "sklearn-map", "mapInPandas", "KMeans", "scaler", "frame[features].values", "column assignment")
def station_cluster(spark, t):
    features = ["u", "v"]
    X = training(u=2, v=2)
    scaler = StandardScaler().fit(X[features].values)
    km = KMeans(n_clusters=4, n_init=2, random_state=0).fit(scaler.transform(X[features].values))

    def assign(iterator):
        for pdf in iterator:
            pdf["cluster"] = km.predict(scaler.transform(pdf[features].values))
            yield pdf

    return t.sensors_full.select("id", "u", "v").mapInPandas(assign, "id long, u double, v double, cluster int")
