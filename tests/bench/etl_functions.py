"""Defines queries of one function each over papers, in the manner of benchmarks of UDFs, and the same by Spark's functions."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable
from datetime import datetime

import pandas as pd
from etl_cases import EtlCase, Tables
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

ROWS = 400_000


def _cleaned(text: str) -> str:
    return " ".join(re.sub(r"[^a-z0-9 ]", "", text.lower()).split())


_STOP = {"of", "for", "in", "and", "their", "a"}


def _without_stop_words(text: str) -> str:
    return " ".join(w for w in text.split(" ") if w not in _STOP)


def _first_author(document: str) -> str | None:
    authors = json.loads(document).get("authors")
    return authors[0]["name"] if authors else None


def _venue(document: str) -> str:
    venue = json.loads(document)["venue"]
    return f"{venue['name']} {venue['year']}"


def _iso_date(text: str) -> str | None:
    for form in ("%Y-%m-%d", "%d/%m/%Y", "%Y/%m/%d", "%b %d, %Y"):
        try:
            return datetime.strptime(text, form).strftime("%Y-%m-%d")
        except ValueError:
            pass
    return None


def _jaccard(a: list[str], b: list[str]) -> float:
    first, second = set(a), set(b)
    either = first | second
    return round(len(first & second) / len(either), 4) if either else 0.0


def _pairs(keywords: list[str]) -> list[str]:
    names = sorted(set(keywords))
    return [f"{a}+{b}" for i, a in enumerate(names) for b in names[i + 1 :]]


def _edits(a: str, b: str) -> int:
    if a == b:
        return 0
    row = list(range(len(b) + 1))
    for i, c in enumerate(a):
        new = [i + 1]
        for j, d in enumerate(b):
            new.append(min(row[j + 1] + 1, new[j] + 1, row[j] + (c != d)))
        row = new
    return row[-1]


def _bucket(title: str) -> int:
    return int(hashlib.md5(title.encode("utf-8")).hexdigest()[:8], 16) % 64


def _grant(abstract: str) -> str | None:
    found = re.search(r"grant (\d{6})", abstract)
    return found.group(1) if found else None


_RATES = {"EUR": 1.0, "USD": 0.92, "GBP": 1.17}


def _euros(amount: float, currency: str) -> float | None:
    rate = _RATES.get(currency)
    return math.floor(amount * rate * 100) / 100 if rate else None


def _magnitude(amount: float) -> int:
    return int(math.log10(amount)) if amount >= 1 else 0


def _shared_prefix(a: str, b: str) -> str:
    size = 0
    while size < len(a) and size < len(b) and a[size] == b[size]:
        size += 1
    return a[:size]


def _relevant(title: str, amount: float) -> bool:
    return ("graphs" in title or "query" in title) and amount > 50_000


def _skew(amount: pd.Series) -> float:
    return float(round((amount - amount.mean()).abs().max() / amount.std(), 6)) if len(amount) > 1 else 0.0


def _middle(amount: pd.Series) -> float:
    return float(amount.median())


def _query(function: Callable[..., object], returns: str, *columns: str) -> Callable[[Tables], DataFrame]:
    return lambda tables: tables["papers"].select("id", F.udf(function, returns)(*columns).alias("made"))


def _sql(expression: str) -> Callable[[Tables], DataFrame]:
    return lambda tables: tables["papers"].selectExpr("id", f"{expression} made")


def _grouped(function: Callable[[pd.Series], float]) -> Callable[[Tables], DataFrame]:
    return lambda tables: tables["papers"].groupBy("funder").agg(
        F.pandas_udf(function, "double")("amount").alias("made"))  # type: ignore[call-overload]  # fmt: skip


def _exploded(tables: Tables) -> DataFrame:
    pairs = tables["papers"].select(F.explode(F.udf(_pairs, "array<string>")("keywords")).alias("pair"))
    return pairs.groupBy("pair").count()


def _filtered(tables: Tables) -> DataFrame:
    return tables["papers"].filter(F.udf(_relevant, "boolean")("title", "amount")).select("id", "title")


def _case(name: str, udfs: Callable[[Tables], DataFrame], sql: Callable[[Tables], DataFrame] | None = None,
          rows: int = ROWS) -> EtlCase:  # fmt: skip
    return EtlCase(name, "functions", {"papers": rows}, udfs, sql)


_DATES = "coalesce({})".format(", ".join(
    f"try_to_timestamp(published, '{form}')" for form in ("yyyy-MM-dd", "dd/MM/yyyy", "yyyy/MM/dd", "MMM dd, yyyy")))  # fmt: skip
_NAMES = "array_sort(array_distinct(keywords))"
_PAIRS = f"flatten(transform({_NAMES}, (a, i) -> transform(slice({_NAMES}, i + 2, 100), b -> a || '+' || b)))"
CASES = (
    _case("clean text", _query(_cleaned, "string", "abstract"),
          _sql("trim(regexp_replace(regexp_replace(lower(abstract), '[^a-z0-9 ]', ''), ' +', ' '))")),
    _case("without stop words", _query(_without_stop_words, "string", "title"),
          _sql("array_join(filter(split(title, ' '), w -> w not in ('of', 'for', 'in', 'and', 'their', 'a')), ' ')")),
    _case("JSON: first author", _query(_first_author, "string", "document"),
          _sql("get_json_object(document, '$.authors[0].name')")),
    _case("JSON: venue", _query(_venue, "string", "document"),
          _sql("get_json_object(document, '$.venue.name') || ' ' || get_json_object(document, '$.venue.year')")),
    _case("dates of four formats", _query(_iso_date, "string", "published"), _sql(f"date_format({_DATES}, 'yyyy-MM-dd')")),
    _case("Jaccard similarity", _query(_jaccard, "double", "keywords", "topics"),
          _sql("case when size(array_union(keywords, topics)) = 0 then 0D else round("
               "cast(size(array_intersect(keywords, topics)) as double) / size(array_union(keywords, topics)), 4) end")),
    _case("pairs of keywords", _exploded,
          lambda tables: tables["papers"].selectExpr(f"explode({_PAIRS}) pair").groupBy("pair").count()),
    _case("Levenshtein distance", _query(_edits, "int", "title", "other"), _sql("levenshtein(title, other)"), ROWS // 10),
    _case("hash buckets", _query(_bucket, "int", "title"), _sql("cast(conv(left(md5(title), 8), 16, 10) % 64 as int)")),
    _case("number of a grant", _query(_grant, "string", "abstract"),
          _sql("nullif(regexp_extract(abstract, 'grant ([0-9]{6})', 1), '')")),
    _case("amounts in euros", _query(_euros, "double", "amount", "currency"),
          _sql("floor(amount * case currency when 'EUR' then 1D when 'USD' then 0.92D when 'GBP' then 1.17D end * 100) / 100D")),
    _case("magnitude", _query(_magnitude, "int", "amount"), _sql("if(amount >= 1, cast(log10(amount) as int), 0)")),
    _case("shared prefix", _query(_shared_prefix, "string", "title", "other"), None, ROWS // 4),
    _case("filter by words and an amount", _filtered,
          lambda tables: tables["papers"].filter("(title like '%graphs%' or title like '%query%') and amount > 50000").select(
              "id", "title")),
    _case("aggregate: largest deviation", _grouped(_skew)),
    _case("aggregate: median", _grouped(_middle),
          lambda tables: tables["papers"].groupBy("funder").agg(F.median("amount").alias("made"))),
)  # fmt: skip
