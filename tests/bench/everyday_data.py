"""Writes the tables of the bench of everyday UDFs: people, orders, log lines and readings, drawn by a seeded generator.

Some strings are not what a function expects, one value in a hundred is NULL in `people` and `orders`, and none in the others.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
from never_slower_data import Table, write_table

RECIPE = 1
_FIRST = "anna bob carlos dmitri élodie farid grace hiro ines jörg kate liam mei noor olga pedro".split()
_LAST = "smith müller garcía o'neil van-dyk ivanova tanaka lópez brown jones chen singh kim novak silva dubois".split()
_HOSTS = ("example.com", "mail.example.org", "shop.example.co.uk", "news.example.net", "localhost")
_CITIES = ("New York", "  chicago", "SAN francisco", "Portland ", "boston", "St. Louis")
_WORDS = "the order arrived late but support was very helpful and refund quick quality poor great value again never".split()
_LEVELS = ("INFO", "WARN", "ERROR", "DEBUG")


def prepare_table(name: str, rows: int) -> Path:
    """Returns the folder with `rows` rows of a table, generated once; its int64 `id` is a unique key."""
    return write_table(f"everyday-v{RECIPE}", name, rows, _TABLES[name])


def _with_nulls(random: np.random.Generator, values: object, type: pa.DataType) -> pa.Array:
    made = np.asarray(values)
    return pa.array(made, type, mask=random.random(len(made)) < 0.01)


def _people(random: np.random.Generator, rows: int) -> pa.Table:
    def chosen(values: object) -> np.ndarray:
        found = np.array(values, dtype=object)
        return found[random.integers(0, len(found), rows)]

    first, last, numbers = chosen(_FIRST), chosen(_LAST), random.integers(0, 10_000, rows)
    days = np.datetime64("1940-01-01") + random.integers(0, 27_000, rows)
    born = np.where(random.random(rows) < 0.5, days.astype(str), [d.strftime("%m/%d/%Y") for d in days.astype(object)])
    born = np.where(random.random(rows) < 0.02, "unknown", born).astype(object)
    phones = [f"({n % 900 + 100}) {n % 899 + 101}-{n:04d}" if n % 3 else f"{n:010d}" for n in numbers]
    mails = [f"{a}.{n}@{h}" for a, n, h in zip(first, numbers, chosen(_HOSTS), strict=True)]
    return pa.table({
        "name": _with_nulls(random, [f"{a} {b}" for a, b in zip(first, last, strict=True)], pa.string()),
        "mail": _with_nulls(random, mails, pa.string()),
        "phone": _with_nulls(random, phones, pa.string()),
        "born": _with_nulls(random, born, pa.string()),
        "city": _with_nulls(random, chosen(_CITIES), pa.string()),
        "state": _with_nulls(random, chosen("NY CA IL MA OR TX WA XX".split()), pa.string()),
        "age": _with_nulls(random, random.integers(0, 100, rows), pa.int32()),
        "income": _with_nulls(random, np.round(random.lognormal(10.5, 0.8, rows), 2), pa.float64()),
        "lat": random.uniform(25, 48, rows), "lon": random.uniform(-124, -67, rows),
    })  # fmt: skip


def _orders(random: np.random.Generator, rows: int) -> pa.Table:
    cents = random.integers(99, 500_000, rows)
    prices = [f"${c // 100:,}.{c % 100:02d}" if c % 7 else f"{c / 100} EUR" for c in cents]
    ordered = np.datetime64("2023-01-01T00:00:00") + random.integers(0, 63_000_000, rows)
    shipped = ordered + random.integers(-3600, 900_000, rows)
    notes = [" ".join(np.array(_WORDS)[random.integers(0, len(_WORDS), size)]) for size in random.integers(2, 14, rows)]
    sizes = random.integers(0, 8, rows)
    ends = pa.array(np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32))
    tags = pa.array(np.array(_WORDS, dtype=object)[random.integers(0, len(_WORDS), sizes.sum())], pa.string())
    return pa.table({
        "price": _with_nulls(random, prices, pa.string()), "amount": cents / 100,
        "quantity": _with_nulls(random, random.integers(0, 20, rows), pa.int64()),
        "discount": _with_nulls(random, np.round(random.random(rows) * 0.5, 2), pa.float64()),
        "ordered": pa.array(ordered.astype("datetime64[us]"), pa.timestamp("us", "UTC")),
        "shipped": pa.array(shipped.astype("datetime64[us]"), pa.timestamp("us", "UTC")),
        "note": _with_nulls(random, notes, pa.string()), "tags": pa.ListArray.from_arrays(ends, tags),
        "store": random.integers(0, 2_000, rows),
    })  # fmt: skip


def _logs(random: np.random.Generator, rows: int) -> pa.Table:
    lines, urls = [], []
    for n, level in zip(random.integers(0, 10**6, rows).tolist(), random.integers(0, 4, rows).tolist(), strict=True):
        host = _HOSTS[n % 5]
        item = f"/item/{n}?ref={_FIRST[n % 16]}"
        lines.append(f"{n % 255}.{n % 77}.0.{n % 9} - [{_LEVELS[level]}] GET {item} {200 + n % 5 * 101} {n}")
        urls.append(f"https://{host}/p/{n}?utm_source={_FIRST[n % 16]}&page={n % 40}" if n % 50 else "not a url")
    return pa.table({"line": pa.array(lines, pa.string()), "url": pa.array(urls, pa.string()),
                     "epoch": random.integers(1_600_000_000, 1_700_000_000, rows)})  # fmt: skip


def _readings(random: np.random.Generator, rows: int) -> pa.Table:
    width = 8
    ends = pa.array((np.arange(rows + 1) * width).astype(np.int32))
    vectors = [pa.ListArray.from_arrays(ends, pa.array(random.normal(size=rows * width))) for _ in range(2)]
    return pa.table({"x": random.normal(size=rows), "y": random.random(rows) * 100, "k": random.integers(-50, 50, rows),
                     "a": vectors[0], "b": vectors[1], "g": random.integers(0, 2_000, rows)})  # fmt: skip


_TABLES: dict[str, Table] = {"people": _people, "orders": _orders, "logs": _logs, "readings": _readings}
