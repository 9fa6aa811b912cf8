"""Declares functions of shops, prices, stock, parcels, campaigns and telecom records."""

import json
import math
import re
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from urllib.parse import parse_qs, urlparse

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql.functions import col, struct, udf
from pyspark.sql.types import (
    ArrayType,
    BooleanType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    MapType,
    StringType,
    StructField,
    StructType,
)

from tests.sample.case import Cases

case = Cases()

COUPONS = {"SPRING20": 0.20, "VIP": 0.35, "FIRST5": 0.05}


@case("udf", "ecommerce", "dict.get with a default", "tiers by elif", "round", "three columns")
def final_price(spark, t):
    @udf(returnType=DoubleType())
    def apply_discount(price, quantity, coupon):
        if price is None or quantity is None:
            return None
        discount = COUPONS.get(coupon, 0)
        if quantity >= 10:
            discount += 0.10
        elif quantity >= 5:
            discount += 0.05
        return round(price * quantity * (1 - discount), 2)

    return t.orders.select("id", apply_discount(col("price"), col("quantity"), col("coupon")).alias("final"))


sku_schema = StructType([
    StructField("brand", StringType()),
    StructField("number", IntegerType()),
    StructField("size", StringType()),
])


@case("udf", "ecommerce", "split", "dict as a struct", "int()", "try/except returning None")
def sku_parts(spark, t):
    def parse_sku(sku):
        try:
            parts = sku.split("-")
            return {"brand": parts[0], "number": int(parts[1]), "size": parts[2]}
        except Exception as e:
            return None

    parse_sku_udf = udf(parse_sku, sku_schema)
    return t.orders.withColumn("p", parse_sku_udf(F.col("sku"))).select("id", "p.*")


@case("udf", "ecommerce", "chained replace", "try/except ValueError", "float()", "strip")
def clean_price(spark, t):
    def to_float(x):
        if x is None:
            return 0.0
        x = x.replace("kr", "").replace("£", "").replace(",", "").strip()
        try:
            return float(x)
        except ValueError:
            return 0.0

    return t.orders.select("id", udf(lambda z: to_float(z), FloatType())("cost_text").alias("cost_clean"))



@case("udf", "ecommerce", "default string type", "int result in a string column", "lambda")
def views_in_k(spark, t):
    in_k = udf(lambda v: int(v / 1000) if v is not None else 0)
    return t.orders.select("id", in_k(t.orders.views))


@case("udf", "ecommerce", "and/or conditions", "four columns", "upper-case constants")
def customer_segment(spark, t):
    HIGH, LOW = 400, 100

    def segment(price, quantity, rating, coupon):
        if price > HIGH and quantity >= 6:
            return "champion"
        if (price > HIGH or quantity >= 8) and rating >= 4:
            return "loyal"
        if coupon != "" and coupon != "none" and price < LOW:
            return "bargain hunter"
        if rating <= 2:
            return "at risk"
        return "regular"

    segment_udf = udf(segment, StringType())
    return t.orders_full.withColumn("segment", segment_udf("price", "quantity", "rating", "coupon")).select("id", "segment")


@case("udf", "ecommerce", "Decimal.quantize", "decimal column", "ROUND_HALF_UP")
def vat_amount(spark, t):
    @udf(DecimalType(12, 2))
    def vat(total):
        if total is None:
            return None
        return (total * Decimal("0.25")).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)

    return t.orders.select("id", vat("total").alias("vat"))


@case("udf", "ecommerce", "list comprehension with a condition", "sorted set", "array result")
def tag_list(spark, t):
    def tags(labels):
        if not labels:
            return []
        return sorted(set([l.strip().lower() for l in labels.split("|") if len(l) > 3]))

    tags_udf = udf(tags, ArrayType(StringType()))
    return t.orders.select("id", tags_udf("labels").alias("tags"))


@case("udf", "ecommerce", "zero division guard", "f-string format", "comparison with == None")
def like_ratio(spark, t):
    @udf
    def ratio(likes, dislikes):
        if likes == None or dislikes == None:
            return "n/a"
        if likes + dislikes == 0:
            return "0%"
        return f"{100 * likes / (likes + dislikes):.1f}%"

    return t.orders.select("id", ratio("likes", "dislikes"))


@case("udf", "ecommerce", "struct argument", "row attribute access", "string concatenation")
def order_key(spark, t):
    def make_key(row):
        return row.region.lower()[:1] + "_" + row["category"] + "_" + str(row.store).zfill(3)

    key_udf = udf(make_key, StringType())
    return t.orders_full.select("id", key_udf(struct("region", "category", "store")).alias("key"))


@case("udf", "adtech", "urlparse", "parse_qs", "dict comprehension", "map result")
def utm_parameters(spark, t):
    @udf(MapType(StringType(), StringType()))
    def utm(url):
        if url is None:
            return {}
        params = parse_qs(urlparse(url).query)
        return {k: v[0] for k, v in params.items() if k.startswith("utm_")}

    return t.logs.select("id", utm(col("url")).alias("utm"))


@case("udf", "adtech", "urlparse", "netloc", "startswith", "try/except")
def url_domain(spark, t):
    def extract_domain(url):
        try:
            domain = urlparse(url).netloc
            if domain.startswith("www."):
                domain = domain[4:]
            return domain if domain else None
        except:
            return None

    extract_domain_udf = F.udf(extract_domain, T.StringType())
    return t.logs.withColumn("domain", extract_domain_udf(F.col("url"))).select("id", "domain")


@case("udf", "adtech", "lower", "in tests", "elif chain", "str() of the argument")
def device_type(spark, t):
    @udf(returnType=StringType())
    def get_device(user_agent):
        ua = str(user_agent).lower()
        if "bot" in ua or "spider" in ua:
            return "bot"
        elif "iphone" in ua or "android" in ua and "mobile" in ua:
            return "mobile"
        elif "ipad" in ua:
            return "tablet"
        elif "windows" in ua or "macintosh" in ua:
            return "desktop"
        return "unknown"

    return t.logs.select("id", get_device("agent").alias("device"))


@case("udf", "adtech", "broadcast of a list of tuples", "loop with an early return", "registered for SQL")
def campaign_cpm(spark, t):
    tiers = spark.sparkContext.broadcast([(0, 100_000, 9.5), (100_000, 1_000_000, 7.25), (1_000_000, None, 4.0)])

    def cpm(views):
        if views is None:
            return None
        for low, high, rate in tiers.value:
            if views >= low and (high is None or views < high):
                return views / 1000 * rate
        return 0.0

    spark.udf.register("campaign_cpm", cpm, DoubleType())
    t.orders.createOrReplaceTempView("campaign_orders")
    return spark.sql("select id, campaign_cpm(views) as cost from campaign_orders")


@case("udf", "telecom", "re.sub", "startswith chain", "country prefix")
def e164(spark, t):
    def normalize_phone(phone, country):
        if not phone:
            return None
        p = re.sub(r"[\s\-\(\)]+", "", phone)
        p = p.replace("call", "")
        if p.startswith("+"):
            return p
        if p.startswith("00"):
            return "+" + p[2:]
        prefix = {"NO": "+47", "FR": "+33", "KE": "+254", "JP": "+81", "BR": "+55", "AT": "+43"}.get(country)
        if prefix is None:
            return p
        return prefix + p.lstrip("0")

    return t.people.select("id", udf(normalize_phone, StringType())("phone", "country").alias("msisdn"))


@case("udf", "telecom", "timestamp.hour", "weekday()", "boolean flags")
def is_peak(spark, t):
    @udf("boolean")
    def peak(ts):
        if ts is None:
            return None
        return ts.weekday() < 5 and 8 <= ts.hour < 20

    return t.orders.select("id", peak("ordered").alias("peak"))


@case("udf", "telecom", "divmod", "zero-padded f-string")
def call_duration(spark, t):
    def fmt(seconds):
        m, s = divmod(seconds, 60)
        h, m = divmod(m, 60)
        return f"{h:02d}:{m:02d}:{s:02d}"

    fmt_udf = udf(fmt, StringType())
    return t.orders_full.select("id", fmt_udf(col("likes") * 7 + col("dislikes")))



@case("udf", "logistics", "timedelta in a while loop", "weekday", "date result")
def delivery_date(spark, t):
    @udf(T.DateType())
    def add_business_days(start, days):
        if start is None or days is None:
            return None
        current = start
        while days > 0:
            current += timedelta(days=1)
            if current.weekday() >= 5:
                continue
            days -= 1
        return current

    return t.orders.select("id", add_business_days("due", "quantity").alias("eta"))



@case("udf", "logistics", "strptime with several formats", "continue in try", "isoformat")
def parse_due(spark, t):
    FORMATS = ["%b %d, %Y", "%Y-%m-%d", "%Y/%m/%d"]

    def parse_date(value):
        if value is None or value.strip() == "":
            return None
        for fmt in FORMATS:
            try:
                return datetime.strptime(value.strip(), fmt).strftime("%Y-%m-%d")
            except ValueError:
                continue
        return None

    parse_udf = udf(parse_date, StringType())
    return t.orders.select("id", parse_udf("due_text").alias("a"), parse_udf("due_ymd").alias("b"))


@case("udf", "ids", "EAN-13 check digit", "slices with a step", "sum(map(int, ...))")
def ean_check(spark, t):
    def check_digit(number):
        s = str(number).zfill(12)
        odd = sum(map(int, s[::2]))
        even = sum(map(int, s[1::2]))
        return s + str((10 - (odd + 3 * even) % 10) % 10)

    return t.orders_full.select("id", udf(check_digit, StringType())("views"))
