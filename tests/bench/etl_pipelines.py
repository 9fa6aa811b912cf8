"""Defines pipelines of UDFs over listings, flights, web logs, service requests and TPC-H, and the same by Spark's functions."""

from __future__ import annotations

import math
import re
from datetime import date, datetime

from etl_cases import EtlCase, Tables
from etl_data import AIRPORTS, BAD_HOSTS, CARRIERS
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

ROWS = 500_000

# Listings: eight functions of text, with filters between them.


def _bedrooms(facts: str) -> int | None:
    try:
        return int(facts.split(" bd")[0].split(",")[-1])
    except ValueError:
        return None


def _bathrooms(facts: str) -> int | None:
    end = facts.find(" ba")
    begin = facts[:end].rfind(",")
    found = facts[begin + 1 : end].strip()
    return int(found) if found.isdigit() else None


def _square_feet(facts: str) -> int | None:
    found = facts.split(" , ")[-1].replace(" sqft", "").replace(",", "")
    try:
        return int(found)
    except ValueError:
        return None


def _kind(title: str) -> str:
    title = title.lower()
    if "condo" in title or "apartment" in title:
        return "condo"
    if "house" in title:
        return "house"
    return "unknown"


def _offer(title: str) -> str:
    title = title.lower()
    if "sale" in title:
        return "sale"
    if "rent" in title:
        return "rent"
    return "sold" if "sold" in title else title.split(" ")[-1]


def _city(name: str) -> str:
    return name[0].upper() + name[1:].lower()


def _zip(code: str) -> str:
    return "%05d" % int(float(code))  # noqa: UP031 - as people write it


def _price(price: str, offer: str, feet: int) -> int | None:
    if offer == "sold":
        return int(price[price.rfind("$") + 1 :]) * feet if feet else None
    if offer == "rent":
        return int(price[1 : price.rfind("/")].replace(",", ""))
    return int(price[1:].replace(",", "")) if price.startswith("$") else None


def _listings(tables: Tables) -> DataFrame:
    made = tables["listings"].withColumn("bedrooms", F.udf(_bedrooms, "int")("facts")).filter("bedrooms < 10")
    made = made.withColumn("kind", F.udf(_kind, "string")("title")).filter("kind = 'house'")
    made = made.withColumn("zip", F.udf(_zip, "string")("postal_code")).withColumn("city", F.udf(_city, "string")("city"))
    made = made.withColumn("bathrooms", F.udf(_bathrooms, "int")("facts"))
    made = made.withColumn("feet", F.udf(_square_feet, "int")("facts")).withColumn("offer", F.udf(_offer, "string")("title"))
    made = made.withColumn("cost", F.udf(_price, "long")("price", "offer", "feet")).filter("cost > 100000 and cost < 20000000")
    return made.select("url", "zip", "address", "city", "state", "bedrooms", "bathrooms", "feet", "offer", "kind", "cost")


def _listings_sql(tables: Tables) -> DataFrame:
    bedrooms = "try_cast(element_at(split(split_part(facts, ' bd', 1), ','), -1) as int)"
    made = tables["listings"].withColumn("bedrooms", F.expr(bedrooms)).filter("bedrooms < 10").withColumn(
        "kind", F.expr("case when lower(title) like '%condo%' or lower(title) like '%apartment%' then 'condo' "
                       "when lower(title) like '%house%' then 'house' else 'unknown' end")).filter("kind = 'house'")  # fmt: skip
    made = made.selectExpr(
        "url", "lpad(cast(cast(postal_code as double) as int), 5, '0') zip", "address",
        "upper(left(city, 1)) || lower(substr(city, 2)) city", "state", "bedrooms", "title", "price",
        "try_cast(element_at(split(split_part(facts, ' ba', 1), ','), -1) as int) bathrooms",
        "try_cast(replace(replace(element_at(split(facts, ' , '), -1), ' sqft', ''), ',', '') as int) feet", "kind",
        "case when lower(title) like '%sale%' then 'sale' when lower(title) like '%rent%' then 'rent' "
        "when lower(title) like '%sold%' then 'sold' else element_at(split(lower(title), ' '), -1) end offer")  # fmt: skip
    made = made.withColumn("cost", F.expr(
        "case when offer = 'sold' then try_cast(split_part(price, '$', 2) as bigint) * feet "
        "when offer = 'rent' then try_cast(replace(split_part(substr(price, 2), '/', 1), ',', '') as bigint) "
        "when price like '$%' then try_cast(replace(substr(price, 2), ',', '') as bigint) end"))  # fmt: skip
    made = made.filter("cost > 100000 and cost < 20000000")
    return made.select("url", "zip", "address", "city", "state", "bedrooms", "bathrooms", "feet", "offer", "kind", "cost")


# Flights: codes, times and delays, joined with small tables whose columns are cleaned too.


def _airport_name(name: str) -> str:
    return " ".join(word.capitalize() for word in name.split())


def _last_year(full: str) -> int | None:
    end = full[full.rfind("-") + 1 : -1].strip()
    return int(end) if end else None


def _clock(departs: int) -> str:
    return f"{departs // 100:02d}:{departs % 100:02d}"


_REASONS = {"A": "carrier", "B": "weather", "C": "national airspace", "D": "security"}


def _reason(code: str) -> str:
    return _REASONS.get(code, "none")


def _lateness(cancelled: float, arrival: float) -> str:
    if cancelled > 0.5 or arrival is None:
        return "not flown"
    if arrival <= 0:
        return "early"
    return "on time" if arrival < 15 else "late" if arrival < 120 else "very late"


def _known_delay(carrier: float, weather: float, security: float) -> float:
    return sum(x for x in (carrier, weather, security) if x is not None)


def _kilometres(miles: float) -> float:
    return miles * 1.609344


def _in_service(year: int, last: int) -> bool:
    return last is None or year <= last


_FLIGHT = ("number", "year", "month", "day", "clock", "reason", "lateness", "known_delay", "km", "full", "name")


def _flights(tables: Tables) -> DataFrame:
    airports = tables["airports"].withColumn("name", F.udf(_airport_name, "string")("name")).drop("id")
    carriers = tables["carriers"].withColumn("last", F.udf(_last_year, "int")("full"))
    carriers = carriers.select(F.col("code").alias("carrier"), "full", "last")
    made = tables["flights"].withColumn("clock", F.udf(_clock, "string")("departs"))
    made = made.withColumn("reason", F.udf(_reason, "string")("code"))
    made = made.withColumn("lateness", F.udf(_lateness, "string")("cancelled", "arr_delay"))
    made = made.withColumn("known_delay", F.udf(_known_delay, "double")("carrier_delay", "weather_delay", "security_delay"))
    made = made.withColumn("km", F.udf(_kilometres, "double")("miles"))
    made = made.join(airports, made["dest"] == airports["airport"]).join(carriers, "carrier")
    return made.filter(F.udf(_in_service, "boolean")("year", "last")).select(*_FLIGHT)


def _flights_sql(tables: Tables) -> DataFrame:
    airports = tables["airports"].selectExpr("airport", "initcap(trim(name)) name")
    carriers = tables["carriers"].selectExpr(
        "code carrier", "full", "try_cast(trim(replace(element_at(split(full, '-'), -1), ')', '')) as int) last")  # fmt: skip
    made = tables["flights"].selectExpr(
        "*", "lpad(departs div 100, 2, '0') || ':' || lpad(departs % 100, 2, '0') clock",
        "case code when 'A' then 'carrier' when 'B' then 'weather' when 'C' then 'national airspace' when 'D' then 'security' "
        "else 'none' end reason",
        "case when cancelled > 0.5 or arr_delay is null then 'not flown' when arr_delay <= 0 then 'early' "
        "when arr_delay < 15 then 'on time' when arr_delay < 120 then 'late' else 'very late' end lateness",
        "coalesce(carrier_delay, 0D) + coalesce(weather_delay, 0D) + coalesce(security_delay, 0D) known_delay",
        "miles * 1.609344D km")  # fmt: skip
    made = made.join(airports, made["dest"] == airports["airport"]).join(carriers, "carrier")
    return made.filter("last is null or year <= last").select(*_FLIGHT)


# Web logs: a line by string methods, and by one regular expression.


def _host(line: str) -> str:
    return line.split(" ")[0] if " - - [" in line else ""


def _method(line: str) -> str:
    begin = line.find('"')
    return line[begin + 1 : line.find(" ", begin)] if begin >= 0 else ""


def _path(line: str) -> str:
    begin = line.find('"')
    if begin < 0:
        return ""
    parts = line[begin + 1 :].split(" ")
    return parts[1] if len(parts) > 2 else ""


def _status(line: str) -> int:
    begin = line.rfind('"')
    return int(line[begin + 2 : begin + 5]) if begin >= 0 else -1


def _size(line: str) -> int:
    last = line[line.rfind(" ") + 1 :]
    return int(last) if last.isdigit() else 0


def _anonymous(path: str) -> str:
    if path.startswith("/~"):
        return "/~user" + path[path.find("/", 2) :]
    return path


_LINE = re.compile(r'^(\S+) \S+ \S+ \[([\w:/]+\s[+\-]\d{4})\] "(\S+) (\S+)\s*\S*\s*" (\d{3}) (\S+)')
_LOG = ("host", "method", "path", "status", "size")


def _parsed(line: str) -> tuple[str, str, str, int, int] | None:
    found = _LINE.search(line)
    if found is None:
        return None
    size = 0 if found.group(6) == "-" else int(found.group(6))
    return found.group(1), found.group(3), re.sub(r"^/~[^/]+", "/~user", found.group(4)), int(found.group(5)), size


def _logs_by_methods(tables: Tables) -> DataFrame:
    line = tables["logs"].select("line")
    made = line.withColumn("host", F.udf(_host, "string")("line")).filter("host != ''")
    made = made.withColumn("method", F.udf(_method, "string")("line")).withColumn("path", F.udf(_path, "string")("line"))
    made = made.withColumn("path", F.udf(_anonymous, "string")("path")).filter("path != ''")
    made = made.withColumn("status", F.udf(_status, "int")("line")).withColumn("size", F.udf(_size, "long")("line"))
    return made.join(F.broadcast(tables["bad_hosts"].select("host")), "host", "left_anti").select(*_LOG)


def _logs_by_pattern(tables: Tables) -> DataFrame:
    fields = "host string, method string, path string, status int, size long"
    made = tables["logs"].select(F.udf(_parsed, fields)("line").alias("made")).filter("made is not null").select("made.*")
    return made.join(F.broadcast(tables["bad_hosts"].select("host")), "host", "left_anti").select(*_LOG)


def _logs_sql(tables: Tables) -> DataFrame:
    made = tables["logs"].filter("line like '% - - [%'").selectExpr(
        "split_part(line, ' ', 1) host", "split_part(split_part(line, '\"', 2), ' ', 1) method",
        "split_part(split_part(line, '\"', 2), ' ', 2) path", "cast(substr(split_part(line, '\"', 3), 2, 3) as int) status",
        "coalesce(try_cast(element_at(split(line, ' '), -1) as bigint), 0L) size")  # fmt: skip
    made = made.filter("path != ''").withColumn("path", F.expr("regexp_replace(path, '^/~[^/]+', '/~user')"))
    return made.join(F.broadcast(tables["bad_hosts"].select("host")), "host", "left_anti").select(*_LOG)


def _logs_pattern_sql(tables: Tables) -> DataFrame:
    def group(at: int) -> str:
        return f"regexp_extract(line, r'{_LINE.pattern}', {at})"

    made = tables["logs"].selectExpr(
        f"{group(1)} host", f"{group(3)} method", f"regexp_replace({group(4)}, '^/~[^/]+', '/~user') path",
        f"try_cast({group(5)} as int) status", f"coalesce(try_cast({group(6)} as bigint), 0L) size")  # fmt: skip
    made = made.filter("host != ''")
    return made.join(F.broadcast(tables["bad_hosts"].select("host")), "host", "left_anti").select(*_LOG)


# Service requests: ZIP codes, categories and durations.


def _fixed_zip(text: str) -> str | None:
    if text is None:
        return None
    text = text.strip()[:5]
    return text if text.isdigit() and text != "00000" else None


def _category(complaint: str) -> str:
    complaint = complaint.lower()
    for word, category in (("noise", "noise"), ("heat", "housing"), ("unsanitary", "housing"), ("parking", "traffic"),
                           ("driveway", "traffic"), ("light", "street"), ("water", "utilities")):  # fmt: skip
        if word in complaint:
            return category
    return "other"


def _hours_open(opened: str, closed: str) -> float | None:
    if not opened or not closed:
        return None
    form = "%m/%d/%Y %I:%M:%S %p"
    seconds = (datetime.strptime(closed, form) - datetime.strptime(opened, form)).total_seconds()
    return math.floor(seconds / 36) / 100  # `round` of Spark SQL rounds other numbers up than Python's


def _zips(tables: Tables) -> DataFrame:
    return tables["requests"].select(F.udf(_fixed_zip, "string")("incident_zip").alias("zip")).distinct()


def _zips_sql(tables: Tables) -> DataFrame:
    short = "left(trim(incident_zip), 5)"
    made = f"case when {short} rlike '^[0-9]+$' and {short} != '00000' then {short} end zip"
    return tables["requests"].selectExpr(made).distinct()


def _categories(tables: Tables) -> DataFrame:
    made = tables["requests"].withColumn("zip", F.udf(_fixed_zip, "string")("incident_zip"))
    made = made.withColumn("category", F.udf(_category, "string")("complaint"))
    made = made.withColumn("hours", F.udf(_hours_open, "double")("opened", "closed")).filter("hours >= 0")
    return made.groupBy("zip", "category").agg(F.count("*").alias("requests"), F.max("hours").alias("longest"))


def _categories_sql(tables: Tables) -> DataFrame:
    short, form = "left(trim(incident_zip), 5)", "MM/dd/yyyy hh:mm:ss a"
    made = tables["requests"].selectExpr(
        f"case when {short} rlike '^[0-9]+$' and {short} != '00000' then {short} end zip",
        "case when lower(complaint) like '%noise%' then 'noise' when lower(complaint) like '%heat%' or lower(complaint) like "
        "'%unsanitary%' then 'housing' when lower(complaint) like '%parking%' or lower(complaint) like '%driveway%' then "
        "'traffic' when lower(complaint) like '%light%' then 'street' when lower(complaint) like '%water%' then 'utilities' "
        "else 'other' end category",
        f"floor((unix_timestamp(closed, '{form}') - unix_timestamp(opened, '{form}')) / 36D) / 100D hours")  # fmt: skip
    grouped = made.filter("hours >= 0").groupBy("zip", "category")
    return grouped.agg(F.count("*").alias("requests"), F.max("hours").alias("longest"))


# TPC-H: the predicates of Q06 and Q19 as functions.


def _q06_kept(shipped: date, discount: float, quantity: float) -> bool:
    return date(1994, 1, 1) <= shipped < date(1995, 1, 1) and 0.05 <= discount <= 0.07 and quantity < 24


def _revenue(price: float, discount: float) -> float:
    return price * discount


def _q06(tables: Tables) -> DataFrame:
    made = tables["lineitem"].filter(F.udf(_q06_kept, "boolean")("shipdate", "discount", "quantity"))
    return made.select(F.udf(_revenue, "double")("price", "discount").alias("r")).agg(F.round(F.sum("r"), 1).alias("revenue"))


def _q06_sql(tables: Tables) -> DataFrame:
    return tables["lineitem"].filter(
        "shipdate >= date'1994-01-01' and shipdate < date'1995-01-01' and discount between 0.05D and 0.07D and quantity < 24"
    ).agg(F.expr("round(sum(price * discount), 1) revenue"))  # fmt: skip


def _q19_kept(brand: str, container: str, size: int, quantity: float, mode: str, instruct: str) -> bool:
    if mode not in ("AIR", "AIR REG") or instruct != "DELIVER IN PERSON":
        return False
    if brand == "Brand#12" and container in ("SM CASE", "SM BOX", "SM PACK", "SM PKG"):
        return 1 <= quantity <= 11 and 1 <= size <= 5
    if brand == "Brand#23" and container in ("MED BAG", "MED BOX", "MED PKG", "MED PACK"):
        return 10 <= quantity <= 20 and 1 <= size <= 10
    if brand == "Brand#34" and container in ("LG CASE", "LG BOX", "LG PACK", "LG PKG"):
        return 20 <= quantity <= 30 and 1 <= size <= 15
    return False


def _discounted(price: float, discount: float) -> float:
    return price * (1 - discount)


def _q19(tables: Tables) -> DataFrame:
    joined = tables["lineitem"].join(tables["part"].withColumnRenamed("id", "part"), F.col("partkey") == F.col("part"))
    made = joined.filter(F.udf(_q19_kept, "boolean")("brand", "container", "size", "quantity", "shipmode", "instruct"))
    revenue = made.select(F.udf(_discounted, "double")("price", "discount").alias("r"))
    return revenue.agg(F.round(F.sum("r"), 1).alias("revenue"))


def _q19_sql(tables: Tables) -> DataFrame:
    joined = tables["lineitem"].join(tables["part"].withColumnRenamed("id", "part"), F.col("partkey") == F.col("part"))
    return joined.filter(
        "shipmode in ('AIR', 'AIR REG') and instruct = 'DELIVER IN PERSON' and ("
        "brand = 'Brand#12' and container in ('SM CASE', 'SM BOX', 'SM PACK', 'SM PKG') and quantity between 1 and 11 and "
        "size between 1 and 5 or brand = 'Brand#23' and container in ('MED BAG', 'MED BOX', 'MED PKG', 'MED PACK') and "
        "quantity between 10 and 20 and size between 1 and 10 or brand = 'Brand#34' and container in ('LG CASE', 'LG BOX', "
        "'LG PACK', 'LG PKG') and quantity between 20 and 30 and size between 1 and 15)"
    ).agg(F.expr("round(sum(price * (1 - discount)), 1) revenue"))  # fmt: skip


_FLIGHT_TABLES = {"flights": ROWS, "airports": AIRPORTS, "carriers": CARRIERS}
_TPCH = {"lineitem": 6 * ROWS, "part": ROWS // 5}
CASES = (
    EtlCase("listings", "listings", {"listings": ROWS}, _listings, _listings_sql),
    EtlCase("listings, CSV", "listings", {"listings.csv": ROWS}, _listings, _listings_sql),
    EtlCase("flights", "flights", _FLIGHT_TABLES, _flights, _flights_sql),
    EtlCase("logs by methods", "logs", {"logs": ROWS, "bad_hosts": BAD_HOSTS}, _logs_by_methods, _logs_sql),
    EtlCase("logs by methods, text", "logs", {"logs.text": ROWS, "bad_hosts": BAD_HOSTS}, _logs_by_methods, _logs_sql),
    EtlCase("logs by a pattern", "logs", {"logs": ROWS, "bad_hosts": BAD_HOSTS}, _logs_by_pattern, _logs_pattern_sql),
    EtlCase("logs by a pattern, text", "logs", {"logs.text": ROWS, "bad_hosts": BAD_HOSTS}, _logs_by_pattern, _logs_pattern_sql),
    EtlCase("requests: distinct ZIP codes", "requests", {"requests": 2 * ROWS}, _zips, _zips_sql),
    EtlCase("requests: categories", "requests", {"requests": ROWS}, _categories, _categories_sql),
    EtlCase("TPC-H Q06", "tpch", {"lineitem": 6 * ROWS}, _q06, _q06_sql),
    EtlCase("TPC-H Q19", "tpch", _TPCH, _q19, _q19_sql),
)
