"""Declares functions of prose, logs, JSON, identifiers, places and device payloads."""

import hashlib
import json
import os
import re
import struct
import unicodedata
import uuid
from collections import Counter
from datetime import datetime
from math import asin, cos, radians, sin, sqrt

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql.functions import col, lit, udf
from pyspark.sql.types import ArrayType, DoubleType, IntegerType, LongType, MapType, StringType

from tests.sample.case import Cases

case = Cases()


@case("udf", "nlp", "chained re.sub", "lower", "strip", "pipeline of statements")
def clean_text(spark, t):
    def clean(text):
        if text is None:
            return ""
        text = text.lower()
        text = re.sub(r"http\S+|www\.\S+", "", text)
        text = re.sub(r"@\w+", "", text)
        text = re.sub(r"<.*?>", " ", text)
        text = re.sub(r"[^a-z\s]", "", text)
        text = re.sub(r"\s+", " ", text).strip()
        return text

    clean_udf = udf(clean, StringType())
    return t.people.withColumn("clean", clean_udf(col("bio"))).select("id", "clean")


LEXICON = {"great": 2, "kind": 1, "awful": -3, "late": -1, "broken": -2}
NEGATIONS = {"not", "never"}


@case("udf", "nlp", "loop with an index", "lexicon dict", "look back at the word before", "label by sign")
def sentiment(spark, t):
    def polarity(text):
        words = text.lower().split()
        score = 0
        for i, word in enumerate(words):
            if word in LEXICON:
                value = LEXICON[word]
                if i > 0 and words[i - 1] in NEGATIONS:
                    value = -value
                score += value
        return "positive" if score > 0 else "negative" if score < 0 else "neutral"

    return t.people_full.select("id", F.udf(polarity, T.StringType())("bio").alias("sentiment"))


@case("udf", "nlp", "dynamic programming", "list of lists", "nested loops", "min of three")
def edit_distance(spark, t):
    @udf(IntegerType())
    def levenshtein(a, b):
        if a is None or b is None:
            return None
        rows, cols = len(a) + 1, len(b) + 1
        dist = [[0 for _ in range(cols)] for _ in range(rows)]
        for i in range(1, rows):
            dist[i][0] = i
        for j in range(1, cols):
            dist[0][j] = j
        for i in range(1, rows):
            for j in range(1, cols):
                cost = 0 if a[i - 1] == b[j - 1] else 1
                dist[i][j] = min(dist[i - 1][j] + 1, dist[i][j - 1] + 1, dist[i - 1][j - 1] + cost)
        return dist[-1][-1]

    return t.people.select("id", levenshtein("city", "home").alias("distance"))


@case("udf", "nlp", "unicodedata.normalize", "encode ascii ignore", "re.sub", "lambda around a function")
def slug(spark, t):
    def slugify(value):
        value = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode("utf-8")
        value = re.sub(r"[^\w\s-]", "", value).strip().lower()
        return re.sub(r"[-\s]+", "-", value)

    slugify_udf = udf(lambda x: slugify(x) if x else x, StringType())
    return t.people.select("id", slugify_udf(col("name")))


@case("udf", "nlp", "zip of a list with its tail", "join in a comprehension", "array result")
def bigrams(spark, t):
    make = udf(lambda ws: [" ".join(p) for p in zip(ws, ws[1:])] if ws else [], ArrayType(StringType()))
    return t.sensors.select("id", make("words").alias("bigrams"))


top_schema = T.ArrayType(T.StructType([T.StructField("word", T.StringType()), T.StructField("n", T.IntegerType())]))


@case("udf", "nlp", "Counter.most_common", "re.findall", "array of structs")
def top_words(spark, t):
    @F.udf(returnType=top_schema)
    def top(text):
        if not text:
            return None
        words = re.findall(r"[a-z]+", text.lower())
        return Counter(words).most_common(3)

    return t.people.select("id", top("bio").alias("top"))


@case("udf", "logs", "strptime with a zone", "strftime", "except with a message string")
def apache_time(spark, t):
    def parse_apache_time(s):
        try:
            return datetime.strptime(s, "%d/%b/%Y:%H:%M:%S %z").strftime("%Y-%m-%d %H:%M:%S")
        except Exception as e:
            return "ERROR: " + str(e)

    return t.logs_full.select("id", udf(parse_apache_time, StringType())("stamp").alias("time"))


LINE = re.compile(r"^(?P<time>\d{2}:\d{2}:\d{2}) (?P<level>[A-Z]+) (?P<worker>worker-\d+) ?(?P<message>.*)$", re.DOTALL)


@case("udf", "logs", "compiled pattern of the module", "groupdict", "map result")
def log_fields(spark, t):
    @udf(returnType=MapType(StringType(), StringType()))
    def parse_line(line):
        if line is None:
            return None
        match = LINE.match(line)
        if match is None:
            return {"message": line}
        return match.groupdict()

    return t.logs.select("id", parse_line("line").alias("fields"))


@case("udf", "json", "json.loads", "chained get with defaults", "isinstance", "except JSONDecodeError")
def event_amount(spark, t):
    @udf("double")
    def amount(raw):
        if not raw:
            return None
        try:
            data = json.loads(raw)
        except json.JSONDecodeError:
            return None
        if not isinstance(data, dict):
            return None
        value = data.get("amount")
        return float(value) if value is not None else 0.0

    return t.logs.select("id", amount("event").alias("amount"))


balances = T.ArrayType(
    T.StructType([
        T.StructField("wallet", T.StringType(), True),
        T.StructField("unit", T.StringType(), True),
        T.StructField("amount", T.StringType(), True),
    ])
)


@case("udf", "json", "nested dict loops", "list of dicts", "bare except returning a list", "explode")
def wallet_rows(spark, t):
    def explode_basket(raw):
        rows = []
        try:
            for wallet, units in json.loads(raw).items():
                for unit, value in units.items():
                    rows.append({"wallet": wallet, "unit": unit, "amount": str(value)})
        except:
            return []
        return rows

    explode_udf = udf(explode_basket, balances)
    return t.logs.select("id", F.explode(explode_udf(col("basket"))).alias("b")).select("id", "b.*")


SALT = "s3cr3t"


@case("udf", "ids", "md5", "salt by concatenation", "hexdigest", "None guard")
def pseudonym(spark, t):
    def hash_value(value, salt):
        if value is None:
            return None
        return hashlib.md5((salt + str(value).lower().strip()).encode("utf-8")).hexdigest()

    hash_udf = udf(hash_value, StringType())
    return t.people.withColumn("email_hash", hash_udf(col("email"), lit(SALT))).select("id", "email_hash")


@case("udf", "ids", "uuid4", in_principle=False, stable=False)
def row_uuid(spark, t):
    @udf(returnType=StringType())
    def generate_uuid():
        return str(uuid.uuid4())

    return t.orders.withColumn("uuid", generate_uuid()).select("id", "uuid")


@case("udf", "logs", "split", "int shifts", "len check", "except ValueError")
def ip_to_number(spark, t):
    def ip2long(ip):
        try:
            parts = [int(x) for x in ip.split(".")]
            if len(parts) != 4:
                return None
            return (parts[0] << 24) + (parts[1] << 16) + (parts[2] << 8) + parts[3]
        except (ValueError, AttributeError):
            return None

    return t.logs.select("id", udf(ip2long, LongType())("ip").alias("ip_long"))


LOOKUPS = os.path.dirname(__file__)


@case("udf", "io", "json file read per row", "open", "in data.keys()", in_principle=False)
def country_from_file(spark, t):
    root = LOOKUPS

    def assign_value(key):
        with open(os.path.join(root, "country.json"), "r") as f:
            data = json.load(f)
        return data[key] if key in data.keys() else None

    return t.people.select("id", udf(assign_value, StringType())("country"))


@case("udf", "geo", "haversine", "map(radians, [...])", "None guard over a list", "from math import")
def distance_km(spark, t):
    def haversine(lon1, lat1, lon2, lat2):
        if None in [lon1, lat1, lon2, lat2]:
            return None
        lon1, lat1, lon2, lat2 = map(radians, [lon1, lat1, lon2, lat2])
        dlon = lon2 - lon1
        dlat = lat2 - lat1
        a = sin(dlat / 2) ** 2 + cos(lat1) * cos(lat2) * sin(dlon / 2) ** 2
        c = 2 * asin(sqrt(a))
        return c * 6371

    haversine_udf = udf(haversine, DoubleType())
    return t.sensors.select("id", haversine_udf("lon", "lat", "lon2", "lat2").alias("km"))


@case("udf", "geo", "geohash by hand", "while loop with bits", "string building", "default precision")
def geohash(spark, t):
    base32 = "0123456789bcdefghjkmnpqrstuvwxyz"

    def encode(lat, lon, precision=7):
        lat_range, lon_range = [-90.0, 90.0], [-180.0, 180.0]
        bits = [16, 8, 4, 2, 1]
        result, bit, ch, even = [], 0, 0, True
        while len(result) < precision:
            if even:
                mid = (lon_range[0] + lon_range[1]) / 2
                if lon > mid:
                    ch |= bits[bit]
                    lon_range[0] = mid
                else:
                    lon_range[1] = mid
            else:
                mid = (lat_range[0] + lat_range[1]) / 2
                if lat > mid:
                    ch |= bits[bit]
                    lat_range[0] = mid
                else:
                    lat_range[1] = mid
            even = not even
            if bit < 4:
                bit += 1
            else:
                result.append(base32[ch])
                bit, ch = 0, 0
        return "".join(result)

    return t.sensors_full.select("id", udf(encode, StringType())("lat", "lon").alias("geohash"))


FLAGS = ["low battery", "tamper", "offline", "overheat", "door", "leak", "gps", "error"]


@case("udf", "iot", "bit mask", "comprehension over enumerate", "array result", "or default")
def status_flags(spark, t):
    @F.udf(returnType=T.ArrayType(T.StringType()))
    def decode(flags):
        if flags is None:
            return []
        return [name for i, name in enumerate(FLAGS) if flags & (1 << i)]

    return t.logs.select("id", decode("flags"))


@case("udf", "iot", "struct.unpack", "binary column", "length check", "scaling")
def payload_temperature(spark, t):
    def decode_payload(payload):
        if payload is None or len(payload) < 4:
            return None
        temp, hum = struct.unpack(">hH", bytes(payload[:4]))
        return [temp / 100.0, hum / 10.0]

    return t.logs.select("id", udf(decode_payload, ArrayType(DoubleType()))("body").alias("reading"))
