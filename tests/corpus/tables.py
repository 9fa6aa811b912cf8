"""Generates the corpus's inputs: eight small tables with realistic oddities, from a fixed seed.

Columns named in `Table.nullable` contain NULLs; the others have none, and their schema states it. Strings contain accents,
other scripts, emoji, odd blanks and empty strings.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

ROWS = 400

Columns = dict[str, Any]


@cache
def table(name: str) -> pa.Table:
    """Returns a table by name: 400 rows, with a column `id`."""
    make, nullable = TABLES[name]
    rng = np.random.default_rng([ROWS, sorted(TABLES).index(name)])
    columns = {"id": np.arange(ROWS), **make(rng)}
    arrays = {column: _with_nulls(rng, pa.array(values), column in nullable) for column, values in columns.items()}
    fields = [pa.field(column, array.type, nullable=column in nullable) for column, array in arrays.items()]
    return pa.table(list(arrays.values()), pa.schema(fields))


def _with_nulls(rng: np.random.Generator, array: pa.Array, nullable: bool) -> pa.Array:
    if not nullable:
        return array
    keep = rng.random(len(array)) > 0.08
    return pa.array([v if k else None for v, k in zip(array.to_pylist(), keep, strict=True)], array.type)


def _pick(rng: np.random.Generator, values: Sequence[Any]) -> list[Any]:
    return [values[i] for i in rng.integers(0, len(values), ROWS)]


def _money(rng: np.random.Generator, high: float) -> np.ndarray:
    return np.round(rng.gamma(2.0, high / 5, ROWS), 2)


def _trips(rng: np.random.Generator) -> Columns:
    distance = np.round(rng.gamma(1.6, 3.0, ROWS), 2)
    distance[::37] = 0.0
    return {
        "pickup_lat": rng.normal(40.75, 0.05, ROWS),
        "pickup_lon": rng.normal(-73.97, 0.05, ROWS),
        "dropoff_lat": rng.normal(40.75, 0.06, ROWS),
        "dropoff_lon": rng.normal(-73.97, 0.06, ROWS),
        "distance": distance,
        "fare": np.where(rng.random(ROWS) < 0.02, -4.5, _money(rng, 40)),
        "tip": _money(rng, 8),
        "tolls": np.where(rng.random(ROWS) < 0.9, 0.0, 6.55),
        "passengers": rng.integers(0, 7, ROWS).astype(np.int32),
        "seconds": rng.integers(0, 7200, ROWS),
        "payment": rng.integers(1, 7, ROWS).astype(np.int16),
        "vendor": _pick(rng, ["CMT", "VTS", "DDS", "cmt "]),
        "surge": rng.choice([1.0, 1.25, 1.5, 2.75], ROWS).astype(np.float32),
        "stored": rng.random(ROWS) < 0.3,
    }


_NAMES = [
    "Ada Lovelace", "  grace HOPPER ", "José Núñez", "Zoë Krüger", "O'Brien, Pat", "Łukasz Żak", "李小龍", "Ελένη Παππάς",
    "", "McDonald  Ronald", "Straße, Anna", "иван петров", "Dr. Ann-Marie  de la Cruz", "X", "émilie du CHÂTELET",
]  # fmt: skip
_EMAILS = [
    "ada@example.com", "Grace.Hopper@NAVY.mil", " jose@ejemplo.es", "zoe+news@mail.example.org", "no-at-sign", "a@b",
    "ANN@EXAMPLE.CO.UK ", "", "tom@gmail.com", "li@qq.com", "@nobody.com", "two@at@signs.com", "ünï@bücher.de",
]  # fmt: skip
_PHONES = [
    "(212) 555-0147", "212-555-0199", "+1 646 555 0123", "6465550188", "555-0111", "n/a", "", "1-800-555-0100 x12",
    "0049 30 901820", "٢١٢٥٥٥", "212.555.0134",
]  # fmt: skip
_ZIPS = ["10001", "10001-1234", "1001", "NO CLUE", "00000", "11201 ", "99999", "10003.0", "", "NA", "112O1", "11377-"]
_COMMENTS = [
    "Great service!!! 😀", "too slow, want refund", "REFUND please", "ok", "", "  ", "Would buy again & again", "c'est parfait",
    "<b>bold</b> claim", "visit http://spam.example now", "línea uno\nlínea dos", "never again...", "5 stars", "tab\tseparated",
]  # fmt: skip


def _customers(rng: np.random.Generator) -> Columns:
    first = datetime.date(2015, 1, 1)
    return {
        "name": _pick(rng, _NAMES),
        "email": _pick(rng, _EMAILS),
        "phone": _pick(rng, _PHONES),
        "zip": _pick(rng, _ZIPS),
        "country": _pick(rng, ["US", "us", "GB", "DE", "de ", "FR", "XX", "日本"]),
        "tier": _pick(rng, ["gold", "silver", "bronze", "Gold", "none"]),
        "comment": _pick(rng, _COMMENTS),
        "age": rng.integers(0, 110, ROWS).astype(np.int32),
        "income": _money(rng, 120_000),
        "orders": rng.integers(0, 60, ROWS),
        "returns": rng.integers(0, 12, ROWS).astype(np.int32),
        "active": rng.random(ROWS) < 0.7,
        "signup": [first + datetime.timedelta(days=int(d)) for d in rng.integers(0, 3600, ROWS)],
        "birth": [datetime.date(1930, 1, 1) + datetime.timedelta(days=int(d)) for d in rng.integers(0, 29_000, ROWS)],
        "yes_no": _pick(rng, ["Y", "N", "yes", "no", "", "TRUE", "false", "?"]),
    }


_TITLES = [
    "Apple iPhone 15 Pro 256GB (Blue)", "USB-C cable 2m, pack of 3", "Gaming Laptop 16 inch RTX", "café au lait mug 350ml",
    "  Kids' T-Shirt XL  ", "", "NEW!!! Bluetooth Speaker", "Bücherregal weiß 80x180 cm", "dress, red, size 38", "日本茶 100g",
    "4K Monitor 27\" HDR", "Ｆｕｌｌｗｉｄｔｈ title", "refurbished phone", "10 x AA batteries",
]  # fmt: skip


def _products(rng: np.random.Generator) -> Columns:
    return {
        "title": _pick(rng, _TITLES),
        "price": _pick(rng, ["$1,234.50", "19.99", " $5 ", "EUR 12", "free", "", "1.299,00", "$0.99", "-3.00", "1e3"]),
        "weight": _pick(rng, ["1.5kg", "350 g", "2 lb", "0.25kg", "unknown", "12kg", ""]),
        "sku": _pick(rng, ["AB-1234-X", "ab-0001-y", "ZZ-99-", "QQ_1234_X", "AB-1234", "", "CD-5678-Z"]),
        "path": _pick(rng, ["Home > Kitchen > Mugs", "Electronics > Audio", "Toys", "", "A > B > C > D"]),
        "size": _pick(rng, ["S", "M", "L", "XL", "xxl", "38", ""]),
        "quantity": _pick(rng, ["1", "2", " 3", "10", "007", "-4"]),
        "rating": np.round(rng.uniform(1, 5, ROWS), 1),
        "reviews": rng.integers(0, 5000, ROWS),
        "stock": rng.integers(-3, 250, ROWS).astype(np.int32),
        "cost": _money(rng, 80),
        "list_price": _money(rng, 140),
        "code": rng.integers(0, 9999, ROWS).astype(np.int32),
    }


_AGENTS = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120.0", "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0) Safari/604.1",
    "curl/8.4.0", "Googlebot/2.1 (+http://www.google.com/bot.html)", "Mozilla/5.0 (X11; Linux) Firefox/121.0", "", "okhttp/4.9",
]  # fmt: skip
_URLS = [
    "https://www.example.com/shop/item?id=42&ref=mail", "http://example.org/", "https://api.example.com:8443/v1/users/7",
    "ftp://files.example.net/a.zip", "not a url", "", "https://example.com/search?q=caf%C3%A9#top", "/relative/path",
]  # fmt: skip
_LOGS = [
    "2024-03-01 12:00:01 ERROR db timeout after 3000ms", "2024-03-01 12:00:02 INFO user=42 login ok", "WARN disk 91% full",
    "2024-02-29 23:59:59 DEBUG", "", "garbage", "2024-03-01 12:00:03 ERROR user=7 ünïcode failure",
]  # fmt: skip


def _events(rng: np.random.Generator) -> Columns:
    start = datetime.datetime(2023, 1, 1)
    at = [start + datetime.timedelta(seconds=int(s), microseconds=int(s) % 1_000_000) for s in rng.integers(0, 63_000_000, ROWS)]
    ended = [a + datetime.timedelta(seconds=int(s)) for a, s in zip(at, rng.integers(0, 90_000, ROWS), strict=True)]
    return {
        "ts": pa.array(at, pa.timestamp("us", "UTC")),
        "ended": pa.array(ended, pa.timestamp("us", "UTC")),
        "wall": at,
        "day": [a.date() for a in at],
        "agent": _pick(rng, _AGENTS),
        "url": _pick(rng, _URLS),
        "log": _pick(rng, _LOGS),
        "ip": _pick(rng, ["10.0.0.7", "192.168.1.20", "8.8.8.8", "256.1.1.1", "", "2001:db8::1", "172.16.5.4"]),
        "clock": _pick(rng, ["08:15", "23:59", "0:05", "24:00", "7", "", "12:30"]),
        "stamp": _pick(rng, ["2024-01-31", "2024-02-29", "2023-02-29", "31/01/2024", "", "1999-12-31", "20240131"]),
        "latency": rng.integers(0, 5000, ROWS).astype(np.int32),
        "size": rng.integers(0, 10_000_000, ROWS),
        "status": rng.choice([200, 201, 204, 301, 404, 418, 500, 503], ROWS).astype(np.int32),
        "payload": _pick(rng, ['{"user": 1, "tags": ["a"]}', "{}", '{"user": null}', '{"user": 7}']),
        "method": _pick(rng, ["GET", "POST", "get", "PUT", "DELETE", "BREW"]),
    }


def _flights(rng: np.random.Generator) -> Columns:
    minutes = rng.integers(0, 1440, ROWS)
    return {
        "year": np.full(ROWS, 2013, np.int32),
        "month": rng.integers(1, 13, ROWS).astype(np.int32),
        "dom": rng.integers(1, 29, ROWS).astype(np.int32),
        "dep_time": (minutes // 60 * 100 + minutes % 60).astype(np.int32),
        "sched_dep": (minutes // 60 * 100 + (minutes // 5 * 5) % 60).astype(np.int32),
        "dep_delay": rng.normal(12, 40, ROWS).round(),
        "arr_delay": rng.normal(7, 45, ROWS).round(),
        "air_time": rng.integers(20, 690, ROWS).astype(np.float64),
        "distance": rng.integers(17, 4983, ROWS),
        "carrier": _pick(rng, ["UA", "AA", "DL", "B6", "WN", "HA", "??"]),
        "origin": _pick(rng, ["JFK", "LGA", "EWR"]),
        "dest": _pick(rng, ["LAX", "SFO", "ORD", "ATL", "HNL", "BOS"]),
        "tail": _pick(rng, ["N14228", "N24211", "", "n619aa", "D942DN"]),
        "cancelled": rng.random(ROWS) < 0.03,
        "flew": [datetime.date(2013, 1, 1) + datetime.timedelta(days=int(d)) for d in rng.integers(0, 365, ROWS)],
    }


def _sensors(rng: np.random.Generator) -> Columns:
    columns: Columns = {f"x{i}": rng.normal(0, 1 + i, ROWS) for i in range(6)}
    columns["x0"][::41] = np.nan
    columns["x1"][::53] = np.inf
    return columns | {
        "celsius": np.round(rng.normal(18, 9, ROWS), 1),
        "humidity": rng.uniform(5, 100, ROWS).round(1),
        "pressure": rng.normal(1013, 9, ROWS).astype(np.float32),
        "wind": rng.gamma(2, 6, ROWS).round(1),
        "raw": rng.integers(0, 1024, ROWS).astype(np.int16),
        "flags": rng.integers(0, 128, ROWS).astype(np.int8),
        "counter": rng.integers(0, 2**40, ROWS),
        "site": _pick(rng, ["roof", "cellar", "garden"]),
    }


def _loans(rng: np.random.Generator) -> Columns:
    return {
        "amount": rng.integers(500, 40_000, ROWS).astype(np.float64),
        "rate": np.round(rng.uniform(0.0, 28.0, ROWS), 2),
        "term": rng.choice([12, 36, 60], ROWS).astype(np.int32),
        "score": rng.integers(300, 851, ROWS).astype(np.int32),
        "dti": np.round(rng.uniform(0, 60, ROWS), 1),
        "grade": _pick(rng, list("ABCDEFG")),
        "employment": _pick(rng, ["10+ years", "< 1 year", "3 years", "1 year", "n/a", ""]),
        "purpose": _pick(rng, ["car", "debt_consolidation", "home improvement", "Wedding", "other"]),
        "income": _money(rng, 90_000),
        "delinquent": rng.integers(0, 4, ROWS).astype(np.int32),
        "term_text": _pick(rng, [" 36 months", " 60 months", "36 months"]),
        "rate_text": _pick(rng, ["13.56%", " 7.9%", "21.0%", "5%"]),
    }


def _lists(rng: np.random.Generator, longest: int, of: Callable[[int], Sequence[Any]]) -> list[list[Any]]:
    """Returns lists of up to `longest` elements, some of them empty."""
    return [list(of(int(n))) for n in rng.integers(0, longest + 1, ROWS)]


def _visits(rng: np.random.Generator) -> Columns:
    tags = ["sale", "new", "new-in", " Home ", "KIDS", "", "été", "a,b"]
    ratings = [1.0, 2.5, 4.0, 5.0, None]
    return {
        "scores": _lists(rng, 9, lambda n: rng.random(n).round(3).tolist()),
        "ratings": _lists(rng, 5, lambda n: [ratings[i] for i in rng.integers(0, 5, n)]),
        "tags": pa.array(_lists(rng, 4, lambda n: [tags[i] for i in rng.integers(0, 8, n)]), pa.list_(pa.string())),
        "basket": _lists(rng, 6, lambda n: rng.integers(-2, 60, n).tolist()),
        "embedding": rng.normal(0, 1, (ROWS, 8)).tolist(),
        "other": rng.normal(0, 1, (ROWS, 8)).tolist(),
        "path": _pick(rng, ["a/b/c", "", "/", "home//user", "été/日本"]),
    }


#: Name -> the function that generates its columns, and the names of the nullable ones.
TABLES: dict[str, tuple[Callable[[np.random.Generator], Columns], frozenset[str]]] = {
    "trips": (_trips, frozenset(("pickup_lat", "dropoff_lon", "fare", "tip", "passengers"))),
    "customers": (_customers, frozenset("name email phone zip tier comment age income returns signup birth yes_no".split())),
    "products": (_products, frozenset("title price weight sku size rating stock list_price".split())),
    "events": (_events, frozenset("ended agent url log ip stamp latency".split())),
    "flights": (_flights, frozenset("dep_time dep_delay arr_delay air_time tail".split())),
    "sensors": (_sensors, frozenset("x0 x2 celsius humidity wind raw".split())),
    "loans": (_loans, frozenset("score dti employment income rate".split())),
    "visits": (_visits, frozenset("scores ratings tags basket".split())),
}
