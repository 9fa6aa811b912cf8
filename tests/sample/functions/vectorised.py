"""Declares pandas UDFs of columns, iterators and frames, and an Arrow UDF."""

import json
import re
import time
from typing import Iterator, Tuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyspark.sql.functions as F
from pyspark.sql.functions import PandasUDFType, arrow_udf, col, pandas_udf, struct
from pyspark.sql.types import *

from tests.sample.case import Cases

case = Cases()


@case("scalar", "finance", "where chain", "constant Series with an index")
def staged_tax(spark, t):
    @pandas_udf(DoubleType())
    def tax(amount: pd.Series) -> pd.Series:
        result = pd.Series(0.0, index=amount.index)
        result = result.where(amount <= 20000, amount * 0.1 - 120)
        result = result.where(amount <= 60000, amount * 0.2 - 2120)
        result = result.where(amount <= 120000, amount * 0.3 - 8120)
        return result

    return t.people.select("id", tax(col("income")).alias("tax"))


@case("scalar", "arith", "plus one", "Series.add", "string type")
def plus_tax(spark, t):
    @pandas_udf("double", PandasUDFType.SCALAR)
    def pandas_plus_tax(v):
        return v.add(v * 0.25)

    return t.orders.select("id", pandas_plus_tax("price"))


@case("scalar", "text", "str.replace with a regex", "str.strip", "str.title", "chained str methods")
def tidy_name(spark, t):
    @pandas_udf(StringType())
    def tidy(s: pd.Series) -> pd.Series:
        return s.str.replace(r"[^\w\s]", " ", regex=True).str.strip().str.title()

    return t.people.select("id", tidy("name"))


@case("scalar", "text", "str.extract", "astype", "fillna")
def number_in_labels(spark, t):
    @pandas_udf("int")
    def first_number(s: pd.Series) -> pd.Series:
        return s.str.extract(r"(\d+)", expand=False).fillna(0).astype(int)

    return t.orders.select("id", first_number("labels").alias("n"))


@case("scalar", "geo", "vectorised haversine", "np.radians", "four columns")
def np_haversine(spark, t):
    @pandas_udf("double")
    def haversine(lat1: pd.Series, lon1: pd.Series, lat2: pd.Series, lon2: pd.Series) -> pd.Series:
        R = 6371.0
        phi1, phi2 = np.radians(lat1), np.radians(lat2)
        dphi = np.radians(lat2 - lat1)
        dlmb = np.radians(lon2 - lon1)
        a = np.sin(dphi / 2) ** 2 + np.cos(phi1) * np.cos(phi2) * np.sin(dlmb / 2) ** 2
        return 2 * R * np.arctan2(np.sqrt(a), np.sqrt(1 - a))

    return t.sensors.select("id", haversine("lat", "lon", "lat2", "lon2").alias("km"))


@case("scalar", "risk", "np.select", "conditions list", "default")
def risk_label(spark, t):
    @pandas_udf(returnType=StringType())
    def label(score: pd.Series, age: pd.Series) -> pd.Series:
        conditions = [(score < 30) & (age < 30), score < 30, score < 70]
        choices = ["very high", "high", "medium"]
        return pd.Series(np.select(conditions, choices, default="low"))

    return t.people_full.select("id", label("score", "age"))


@case("scalar", "risk", "pd.cut", "bins and labels", "astype(str)")
def age_bins(spark, t):
    @pandas_udf("string")
    def bins(age: pd.Series) -> pd.Series:
        return pd.cut(age, bins=[-1, 17, 34, 54, 120], labels=["child", "young", "middle", "senior"]).astype(str)

    return t.people_full.select("id", bins("age"))


def strip_html(text):
    if not text:
        return text
    text = re.sub("<[^<]+?>", "", text)
    return re.sub(r"\s{2,}", " ", text).strip()


@case("scalar", "nlp", "Series.apply of a function", "helper of the module")
def no_html(spark, t):
    @pandas_udf(StringType())
    def clean(col: pd.Series) -> pd.Series:
        return col.apply(strip_html)

    return t.people.select("id", clean("bio").alias("bio"))


@case("scalar", "json", "apply of json.loads", "lambda with a default", "double result")
def event_kind(spark, t):
    def get_type(s):
        try:
            return json.loads(s)["type"]
        except Exception:
            return "unknown"

    @pandas_udf("string", PandasUDFType.SCALAR)
    def kind(events):
        return events.apply(lambda e: get_type(e))

    return t.logs.select("id", kind("event"))


@case("scalar", "dates", "dt accessor", "subtraction of timestamps", "dt.total_seconds", "division")
def days_to_ship(spark, t):
    @pandas_udf("double")
    def days(ordered: pd.Series, shipped: pd.Series) -> pd.Series:
        return (shipped - ordered).dt.total_seconds() / 86400

    return t.orders_full.select("id", days("ordered", "shipped"))


@case("scalar", "dates", "pd.to_datetime unit", "dt.strftime")
def epoch_day(spark, t):
    @pandas_udf(StringType())
    def day(ms: pd.Series) -> pd.Series:
        return pd.to_datetime(ms, unit="ms").dt.strftime("%Y-%m-%d")

    return t.orders_full.select("id", day("epoch_ms").alias("day"))


@case("scalar", "vector", "list comprehension over zip", "np.dot", "np.linalg.norm")
def cosine(spark, t):
    @pandas_udf(FloatType())
    def cosine_similarity(a: pd.Series, b: pd.Series) -> pd.Series:
        return pd.Series([np.dot(x, y) / (np.linalg.norm(x) * np.linalg.norm(y)) for x, y in zip(a, b)])

    return t.sensors_full.select("id", cosine_similarity("point", "point2").alias("cos"))


@case("scalar", "struct", "struct argument as a frame", "sum(axis=1)", "column selection")
def row_total(spark, t):
    @pandas_udf("double")
    def total(pdf: pd.DataFrame) -> pd.Series:
        return pdf[["x", "y", "z"]].sum(axis=1)

    return t.sensors.select("id", total(struct("x", "y", "z")).alias("total"))


@case("scalar", "struct", "struct result", "DataFrame of two Series", "str.split expand")
def split_name(spark, t):
    @pandas_udf("first string, last string")
    def split_expand(s: pd.Series) -> pd.DataFrame:
        return s.str.split(n=1, expand=True)

    return t.people_full.where("name like '% %'").select("id", split_expand("name").alias("n"))


@case("scalar", "io", "time.sleep", "enrichment by a service", "list append loop", in_principle=False)
def enriched(spark, t):
    def call_service(text):
        time.sleep(0.0001)
        return {"length": len(text or "")}

    @pandas_udf("int")
    def enrich(texts: pd.Series) -> pd.Series:
        results = []
        for text in texts:
            response = call_service(text)
            results.append(response.get("length", 0))
        return pd.Series(results)

    return t.people.select("id", enrich("bio"))


@case("scalar", "iot", "clip", "np.where", "round")
def capped_reading(spark, t):
    @pandas_udf("double")
    def capped(x: pd.Series) -> pd.Series:
        v = np.where(x < 0, 0, x)
        return pd.Series(v).clip(upper=150).round(1)

    return t.sensors_full.select("id", capped("x"))


@case("iter", "nlp", "series.apply in a loop", "helper function", "typing.Iterator")
def utf8_text(spark, t):
    def clean(txt):
        txt = re.sub(r"\n", "", txt)
        txt = re.sub(r" ?\.", ".", txt)
        return txt.encode("utf-8", "ignore").decode("utf-8")

    @pandas_udf("string")
    def clean_udf(batch_iter: Iterator[pd.Series]) -> Iterator[pd.Series]:
        for series in batch_iter:
            yield series.apply(clean)

    return t.people_full.select("id", clean_udf(col("bio")).alias("text"))


@case("iter", "lookup", "dict built once per partition", "map(dict)", "fillna")
def region_code(spark, t):
    bc = spark.sparkContext.broadcast([("north", 1), ("south", 2), ("EAST", 3)])

    @pandas_udf(IntegerType())
    def code(it: Iterator[pd.Series]) -> Iterator[pd.Series]:
        lookup = dict(bc.value)
        for s in it:
            yield s.map(lookup).fillna(-1).astype("int32")

    return t.orders.select("id", code("region"))


@case("iter", "arith", "tuple of columns", "np.maximum", "typing.Tuple")
def margin(spark, t):
    @pandas_udf("double")
    def calc(it: Iterator[Tuple[pd.Series, pd.Series]]) -> Iterator[pd.Series]:
        for price, cost in it:
            yield np.maximum(price - cost.fillna(0), 0)

    return t.orders.select("id", calc("price", "cost"))


@case("iter", "struct", "rows appended in lists", "DataFrame of lists", "struct result", "str() of an exception")
def note_result(spark, t):
    @pandas_udf("result string, error string")
    def run(iterator: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        for s in iterator:
            results, errors = [], []
            for note in s:
                try:
                    results.append(note.strip().split(" ")[1])
                    errors.append("")
                except Exception as e:
                    results.append("")
                    errors.append(str(e))
            yield pd.DataFrame({"result": results, "error": errors})

    return t.people.select("id", run("bio").alias("r"))


@case("map", "filter", "notna mask", "column from another", "selected columns", "schema string")
def valid_coordinates(spark, t):
    def clean(iterator):
        for pdf in iterator:
            pdf = pdf[(pdf.u.notna()) & (pdf.v.notna())]
            pdf = pdf[pdf["u"] > 0]
            pdf["uv"] = pdf["u"] * pdf["v"]
            yield pdf[["id", "uv"]]

    return t.sensors.select("id", "u", "v").mapInPandas(clean, schema="id long, uv double")


@case("map", "nlp", "itertuples", "list of dicts", "one row to many")
def word_rows(spark, t):
    def explode_words(batches: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        for batch in batches:
            rows = []
            for row in batch.itertuples():
                for pos, word in enumerate(str(row.bio).lower().split()):
                    if len(word) > 3:
                        rows.append({"id": row.id, "pos": pos, "word": word})
            yield pd.DataFrame(rows, columns=["id", "pos", "word"])

    return t.people_full.select("id", "bio").mapInPandas(explode_words, "id long, pos int, word string")


@case("arrow", "arith", "pyarrow.compute", "pc.multiply and pc.add")
def arrow_net(spark, t):
    @arrow_udf("double")
    def net(price: pa.Array, discount: pa.Array) -> pa.Array:
        return pc.multiply(price, pc.subtract(1.0, discount))

    return t.orders.select("id", net("price", "discount"))
