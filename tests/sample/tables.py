"""Generates the tables that the functions of the sample read, from fixed seeds.

Each table has 1,200 rows, with an `id`. Each is there twice: with NULLs in a twentieth of the values of all columns but keys,
and, as `people_full`, without NULLs. Strings contain accents, other scripts, emoji, markup, odd blanks, and faults of typing.
"""

from __future__ import annotations

import datetime
import decimal
import json
import math
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 1200
NULLS = 0.05
#: Columns without NULLs, by which rows are grouped and found.
KEYS = frozenset({"id", "team", "store", "host", "station", "kind", "category"})

Column = tuple[pa.DataType, Callable[[Random], Any]]

INT, LONG, DOUBLE, STRING = pa.int32(), pa.int64(), pa.float64(), pa.string()
DATE, TIMESTAMP = pa.date32(), pa.timestamp("us", "UTC")

WORDS = (
    "ward clinic invoice returned fever rash dose tablets not never great kind awful late broken kept shelf lamp "
    "driver helpful slow queue morning server deploy spark café jalapeño 2 40 7.5 mg ml 12% refund, late! kind; ok"
).split()  # fmt: skip
SKILLS = ["Python", "sql ", "baking", "First aid", "welding", "excel", " Python"]
TOWNS = ["Tromsø", "Lille", "Nakuru", "Kobe", "Recife", "Linz", "Curitiba", "Bodø"]
NAMES = ["liv", "Mbali", "Søren", "Anne-Lise", "O'Neil", "山田", "José", "maría", "Otieno", "PAUL"]
FAMILIES = ["Berg", "dupont", "van der Meer", "Wanjiru", "Sato-Ito", "da Silva", "Öz", "Gruber_2"]


def table(name: str, full: bool) -> pa.Table:
    """Returns a table with 1,200 rows; unless `full`, all columns but keys have NULLs."""
    arrays = {"id": pa.array(range(ROWS), LONG)}
    for column, (type, make) in TABLES[name].items():
        rng, holes = (Random(f"{name}.{column}.{use}") for use in ("values", "nulls"))
        values = [make(rng) for _ in range(ROWS)]
        if not full and column not in KEYS:
            values = [None if holes.random() < NULLS else value for value in values]
        arrays[column] = pa.array(values, type)
    return pa.table(arrays)


def write(folder: Path) -> None:
    """Writes all tables as folders of two Parquet files, so that Spark reads two partitions."""
    for name in TABLES:
        for full in (False, True):
            made = table(name, full)
            parts = folder / (f"{name}_full" if full else name)
            parts.mkdir(parents=True)
            for at in (0, ROWS // 2):
                pq.write_table(made.slice(at, ROWS // 2), parts / f"{at}.parquet")


def read(spark: Any, folder: Path) -> SimpleNamespace:
    """Returns the DataFrames over the tables that `write` has written, as attributes."""
    names = [name + suffix for name in TABLES for suffix in ("", "_full")]
    return SimpleNamespace(**{name: spark.read.parquet(str(folder / name)) for name in names})


def _one_of(*values: Any) -> Callable[[Random], Any]:
    return lambda rng: rng.choice(values)


def _between(low: int, high: int) -> Callable[[Random], int]:
    return lambda rng: rng.randint(low, high)


def _uniform(low: float, high: float) -> Callable[[Random], float]:
    return lambda rng: rng.uniform(low, high)


def _list_of(make: Callable[[Random], Any], low: int, high: int) -> Callable[[Random], list[Any]]:
    return lambda rng: [make(rng) for _ in range(rng.randint(low, high))]


def _bar_of(make: Callable[[Random], str], low: int, high: int) -> Callable[[Random], str]:
    listed = _list_of(make, low, high)
    return lambda rng: "|".join(listed(rng))


def _date(rng: Random) -> datetime.date:
    return datetime.date(2018, 1, 1) + datetime.timedelta(days=rng.randrange(2500))


def _moment(rng: Random) -> datetime.datetime:
    seconds, micros = rng.randrange(200_000_000), rng.choice([0, 0, 250_000, 1])
    return datetime.datetime(2018, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(seconds=seconds, microseconds=micros)


def _date_as(*formats: str, other: str) -> Callable[[Random], str]:
    """Returns a maker of dates in one of the formats; every eighth is `other`."""
    return lambda rng: other if rng.random() < 0.125 else _date(rng).strftime(rng.choice(formats))


def _bio(rng: Random) -> str:
    words = [rng.choice(WORDS) for _ in range(rng.randint(0, 18))]
    extras = ["<p>", "</p><br/>", "http://blog.example/p?id=7", "@clinic_1", "🎉", "\n", "  ", "www.shelf.example", "a .", "\x1f"]
    for _ in range(rng.choice([0, 0, 1, 2])):
        words.insert(rng.randint(0, len(words)), rng.choice(extras))
    return " ".join(words)


def _name(rng: Random) -> str:
    return f"{rng.choice(NAMES)}{rng.choice([' ', ' ', '  '])}{rng.choice(FAMILIES)}"


def _phone(rng: Random) -> str:
    digits = f"{rng.randrange(10**9):09}"
    forms = ["0{}", "+47 {}", "(00) {}", "00254-{}", "call {}", "9{}", "{}"]
    return rng.choice(forms).format(digits)


def _address(rng: Random) -> str:
    parts = [f"{rng.randint(1, 180)} {rng.choice(['Harbour Road', 'Elm St', 'Rue Haute'])}", f" {rng.randint(1000, 9999)} "]
    return ",".join([*parts, rng.choice(["Norway", " France"])][: rng.choice([2, 3, 3, 3, 3])])


def _total(rng: Random) -> decimal.Decimal:
    return decimal.Decimal(rng.randint(-90_000, 2_000_000)).scaleb(-2)


def _cost_text(rng: Random) -> str:
    amount = rng.uniform(0, 4000)
    return rng.choice([f"{amount:,.2f} kr", f"£{amount:.0f}", f" {amount:,.1f}", "on request", "", "-3", "1e2"])


def _stamp(rng: Random) -> str:
    moment = _moment(rng).strftime("%d/%b/%Y:%H:%M:%S")
    return f"{moment} {rng.choice(['+0000', '+0100', '-0530'])}" if rng.random() < 0.9 else moment


def _address_of_host(rng: Random) -> str:
    numbers = [str(rng.randrange(256)) for _ in range(rng.choice([4, 4, 4, 4, 4, 3]))]
    return ".".join(numbers) if rng.random() < 0.95 else "localhost"


def _line(rng: Random) -> str:
    text = f"{_moment(rng):%H:%M:%S} {rng.choice(['DEBUG', 'INFO', 'ERROR'])} worker-{rng.randrange(40)}"
    return rng.choice([f"{text} {_bio(rng)}", f"{text} done", text, "-- rotated --"])


def _event(rng: Random) -> str:
    event = {"type": rng.choice(["click", "refund", "login"]), "amount": rng.choice([9, 12.75, None, "3.5"]), "at": {"x": [1]}}
    if rng.random() < 0.2:
        del event[rng.choice(["type", "amount"])]
    return rng.choice([json.dumps(event)] * 9 + ["", "{", "[1, 2]"])


def _basket(rng: Random) -> str:
    units = [("USD", "points")[: rng.randint(0, 2)] for _ in range(2)]
    wallets = {name: {unit: rng.choice([1, 2.25, "6"]) for unit in some} for name, some in zip(["main", "é"], units, strict=True)}
    return rng.choice([json.dumps(wallets)] * 9 + ["none", "[]"])


def _session(rng: Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return "-".join([digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]])


def _x(rng: Random) -> float:
    return rng.choice([rng.gauss(20, 90), rng.gauss(20, 90), 0.0, -0.0, 150.0, rng.random()])


_gauss = lambda rng: rng.gauss(0, 1)  # noqa: E731  a maker among makers
_word = _one_of(*WORDS)

TABLES: dict[str, dict[str, Column]] = {
    "people": {
        "team": (INT, _between(1, 15)),
        "name": (STRING, _name),
        "city": (STRING, _one_of(*TOWNS)),
        "home": (STRING, _one_of(*TOWNS)),
        "country": (STRING, _one_of("NO", "FR", "KE", "JP", "BR", "AT", "XK")),
        "email": (STRING, lambda rng: f" {rng.choice(NAMES)}.{rng.randrange(200)}@{rng.choice(['Mail', 'post'])}.example"),
        "phone": (STRING, _phone),
        "address": (STRING, _address),
        "born": (INT, _between(1925, 2015)),
        "age": (INT, _between(0, 99)),
        "income": (DOUBLE, lambda rng: float(rng.randint(0, 190) * 1000 + rng.choice([0, 0, 499]))),
        "bonus_rate": (DOUBLE, _uniform(0.0, 0.25)),
        "score": (DOUBLE, _uniform(0.0, 100.0)),
        "joined": (DATE, _date),
        "answer": (STRING, _one_of("yes", "N", " True", "0", "1", "t", "perhaps", "")),
        "bio": (STRING, _bio),
        "skills": (pa.list_(STRING), _list_of(_one_of(*SKILLS), 0, 5)),
        "wanted": (pa.list_(STRING), _list_of(_one_of(*SKILLS), 0, 3)),
    },
    "orders": {
        "store": (INT, _between(1, 15)),
        "category": (STRING, _one_of("wood", "light", "textile", "kitchen", "misc")),
        "region": (STRING, _one_of("north", "south", "EAST", "West")),
        "sku": (STRING, lambda rng: f"{rng.choice(['K', 'LT'])}-{rng.randrange(500):03}-{rng.choice(['S', 'XL', '12'])}"),
        "labels": (STRING, _bar_of(_word, 1, 6)),
        "codes": (STRING, _bar_of(_one_of("K25", "J02.0", " M51 ", "I21.9", "C50", "D12", "D70", "E11.9", "Z01", "a09"), 1, 4)),
        "price": (DOUBLE, lambda rng: round(rng.expovariate(0.004), 2)),
        "cost": (DOUBLE, lambda rng: rng.choice([0.0, -0.0, math.nan, *(rng.uniform(0, 400) for _ in range(12))])),
        "quantity": (INT, _between(0, 14)),
        "views": (LONG, _between(0, 4_000_000)),
        "likes": (INT, lambda rng: rng.choice([0, rng.randrange(4000)])),
        "dislikes": (INT, lambda rng: rng.choice([0, rng.randrange(300)])),
        "discount": (DOUBLE, _uniform(0.0, 0.9)),
        "rating": (INT, _between(1, 5)),
        "coupon": (STRING, _one_of("SPRING20", "VIP", "FIRST5", "OLD", "", "none")),
        "total": (pa.decimal128(10, 2), _total),
        "cost_text": (STRING, _cost_text),
        "ordered": (TIMESTAMP, _moment),
        "shipped": (TIMESTAMP, _moment),
        "due": (DATE, _date),
        "due_text": (STRING, _date_as("%b %d, %Y", " %b %d, %Y ", other="end of May")),
        "due_ymd": (STRING, _date_as("%Y-%m-%d", "%Y/%m/%d", other="2021-13-01")),
        "epoch_ms": (LONG, _between(1_400_000_000_000, 1_700_000_000_000)),
    },
    "logs": {
        "host": (INT, _between(1, 15)),
        "hour": (INT, _between(0, 23)),
        "status": (INT, _one_of(200, 204, 302, 403, 404, 500)),
        "bytes": (LONG, _between(0, 2_000_000_000)),
        "flags": (INT, _between(0, 255)),
        "ip": (STRING, _address_of_host),
        "url": (STRING, _one_of(
            "https://www.shelf.example/lamp?utm_source=post&utm_campaign=may&id=3", "http://news.example", "mailto:a@b.example",
            "", "//cdn.example/x.js?utm_term=a+b&utm_term=c", "/search?q=%C3%A9&utm_medium=", "https://m.example:8080/a#utm_source=1",
        )),
        "agent": (STRING, _one_of(
            "Mozilla/5.0 (Linux; Android 14) Mobile Safari", "Mozilla/5.0 (iPad; CPU OS 16_2)", "BingBot/2.0", "Wget/1.21",
            "Mozilla/5.0 (Macintosh; Intel Mac OS X)", "Mozilla/5.0 (Windows NT 11.0)", "iPhone app 3.1",
        )),
        "stamp": (STRING, _stamp),
        "line": (STRING, _line),
        "event": (STRING, _event),
        "basket": (STRING, _basket),
        "session": (STRING, _session),
        "body": (pa.binary(), lambda rng: rng.randbytes(rng.choice([0, 2, 4, 4, 8, 15]))),
    },
    "sensors": {
        "kind": (STRING, _one_of(*"PQRST")),
        "station": (INT, _between(1, 15)),
        "n": (INT, _between(-700, 700)),
        "m": (INT, _between(1, 90)),
        "x": (DOUBLE, _x),
        "y": (DOUBLE, lambda rng: rng.gauss(11, 3)),
        "z": (DOUBLE, _uniform(0.05, 4.0)),
        "lat": (DOUBLE, _uniform(-85.0, 85.0)),
        "lon": (DOUBLE, _uniform(-180.0, 180.0)),
        "lat2": (DOUBLE, _uniform(-85.0, 85.0)),
        "lon2": (DOUBLE, _uniform(-180.0, 180.0)),
        "u": (DOUBLE, _uniform(-0.4, 1.6)),
        "v": (DOUBLE, _uniform(-0.4, 1.6)),
        "values": (pa.list_(DOUBLE), _list_of(_gauss, 1, 9)),
        "point": (pa.list_(DOUBLE), _list_of(_gauss, 3, 3)),
        "point2": (pa.list_(DOUBLE), _list_of(_gauss, 3, 3)),
        "counts": (pa.list_(LONG), _list_of(_between(-5, 110), 1, 9)),
        "words": (pa.list_(STRING), _list_of(_word, 0, 8)),
    },
}  # fmt: skip
