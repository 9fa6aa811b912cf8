"""Writes the tables of the bench of cleaning pipelines: listings, flights, logs, service requests, TPC-H and papers.

A seeded generator draws all values in the shapes of such public data. There are numbers inside text, several formats of one
field, a few malformed values and NULLs. A table is also stored as CSV, or as lines of text, for the cases that read these.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from never_slower_data import Table, write_table

RECIPE = 1
AIRPORTS, CARRIERS, BAD_HOSTS = 300, 20, 500
_CITIES = "boston CAMBRIDGE somerville Quincy newton BROOKLINE medford Lynn salem".split()
_STREETS = "Main Oak Elm Summer Harvard Mill Broad High".split()
_WORDS = "deep learning of sparse graphs for query plans in large open data systems and their fast native code a survey".split()
_ODD = ("naïve", "Erdős–Rényi", "α-stable", "café")
_COMPLAINTS = ("Noise - Residential", "HEAT/HOT WATER", "Street Light Condition", "Illegal Parking", "Water System", "Rodent",
               "Noise - Street/Sidewalk", "Blocked Driveway", "UNSANITARY CONDITION", "Graffiti")  # fmt: skip
_KEYWORDS = "databases compilers vectorisation privacy graphs learning biology physics genomics climate economics law".split()


def prepare_table(name: str, rows: int) -> Path:
    """Returns the folder with `rows` rows of a table, generated once; a suffix `.csv` or `.text` names its form."""
    base, _, form = name.partition(".")
    folder = write_table(f"etl-v{RECIPE}", base, rows, _TABLES[base])
    return _converted(folder, form) if form else folder


def _converted(folder: Path, form: str) -> Path:
    """Stores the files of a Parquet folder in another form, once: as CSV with a header, or the column `line` as text."""
    made = folder.with_name(f"{folder.name}.{form}")
    made.mkdir(exist_ok=True)
    for part in sorted(folder.glob("*.parquet")):
        target = made / f"{part.stem}.{form}"
        if target.exists():
            continue
        table, partial = pq.read_table(part), target.with_name(f".{target.name}.{os.getpid()}.partial")
        if form == "csv":
            pyarrow.csv.write_csv(table, partial)
        else:
            partial.write_text("".join(f"{line}\n" for line in table["line"].to_pylist()), encoding="utf-8")
        os.replace(partial, target)
    return made


def _some(random: np.random.Generator, values: object, rows: int) -> np.ndarray:
    found = np.array(values, dtype=object)
    return found[random.integers(0, len(found), rows)]


def _with_nulls(random: np.random.Generator, values: object, type: pa.DataType) -> pa.Array:
    made = np.asarray(values)
    return pa.array(made, type, mask=random.random(len(made)) < 0.01)


def _listings(random: np.random.Generator, rows: int) -> pa.Table:
    kinds = ("House", "Condo", "Apartment", "Lot / Land", "Townhouse")
    ways = ("For Sale", "For Rent", "SOLD", "Foreclosed")
    titles, facts, prices = [], [], []
    draw = random.integers(0, 10**6, (rows, 6)).tolist()
    for kind, way, beds, size, cost, odd in draw:
        offer = ways[0 if way % 10 < 7 else way % 4]
        titles.append(f"{kinds[0 if kind % 10 < 6 else kind % 5]} {offer}")
        feet = f"{400 + size % 4000:,} sqft"
        facts.append("-- bds , -- ba , -- sqft" if odd % 25 == 0 else f"Studio , 1 ba , {feet}" if odd % 25 == 1 else
                     f"{1 + beds % 12} bds , {1 + beds % 4} ba , {feet}")  # fmt: skip
        prices.append(f"${800 + cost % 4000:,}/mo" if offer == "For Rent" else f"Price/sqft: ${100 + cost % 500}"
                      if offer == "SOLD" else "--" if odd % 40 == 2 else f"${60_000 + cost:,}")  # fmt: skip
    numbers = random.integers(1, 999, rows)
    codes = random.integers(1000, 2800, rows)
    return pa.table({
        "url": [f"https://homes.example.com/detail/{n}-{c}" for n, c in zip(numbers, codes, strict=True)],
        "title": titles, "facts": facts, "price": prices,
        "address": [f"{n} {s} St" for n, s in zip(numbers, _some(random, _STREETS, rows), strict=True)],
        "city": _some(random, _CITIES, rows).astype(str), "state": ["MA"] * rows,
        "postal_code": [f"{c}.0" for c in codes],
    })  # fmt: skip


def _flights(random: np.random.Generator, rows: int) -> pa.Table:
    delay = np.round(random.gamma(1.2, 18, rows) - 12)
    cancelled = random.random(rows) < 0.02
    gone = cancelled | (random.random(rows) < 0.002)
    parts = {f"{name}_delay": pa.array(np.round(random.gamma(1, 9, rows)), mask=(delay < 15) | gone)
             for name in ("carrier", "weather", "security")}  # fmt: skip
    return pa.table({
        "carrier": _some(random, [f"C{i}" for i in range(CARRIERS)], rows).astype(str),
        "number": random.integers(1, 9999, rows),
        "origin": _some(random, [f"A{i:02d}" for i in range(AIRPORTS)], rows).astype(str),
        "dest": _some(random, [f"A{i:02d}" for i in range(AIRPORTS + 30)], rows).astype(str),
        "year": random.integers(1990, 2020, rows).astype(np.int32), "month": random.integers(1, 13, rows).astype(np.int32),
        "day": random.integers(1, 29, rows).astype(np.int32),
        "departs": random.integers(0, 24, rows) * 100 + random.integers(0, 60, rows),
        "dep_delay": pa.array(delay, mask=gone), "arr_delay": pa.array(delay + np.round(random.normal(0, 10, rows)), mask=gone),
        "cancelled": cancelled.astype(np.float64),
        "code": pa.array(_some(random, list("ABCD"), rows).astype(str), pa.string(), mask=~cancelled),
        "miles": np.round(random.uniform(80, 2800, rows)), **parts,
    })  # fmt: skip


def _airports(random: np.random.Generator, rows: int) -> pa.Table:
    return pa.table({
        "airport": [f"A{i:02d}" for i in range(rows)],
        "name": [f"{c.upper()} {s.lower()} INTL  " for c, s in zip(_some(random, _CITIES, rows), _some(random, _STREETS, rows),
                                                                 strict=True)],
        "altitude": random.integers(0, 9000, rows),
    })  # fmt: skip


def _carriers(random: np.random.Generator, rows: int) -> pa.Table:
    ends = random.integers(1995, 2030, rows)
    return pa.table({"code": [f"C{i}" for i in range(rows)],
                     "full": [f"Air {s} Inc. (19{70 + i % 20} - {e if e < 2020 else ''})"
                              for i, (s, e) in enumerate(zip(_some(random, _STREETS, rows), ends, strict=True))]})  # fmt: skip


def _logs(random: np.random.Generator, rows: int) -> pa.Table:
    lines = []
    for n, user, size in random.integers(0, 10**6, (rows, 3)).tolist():
        path = f"/~{_CITIES[user % 9].lower()}/notes/{n}.html" if user % 4 == 0 else f"/images/{n}.gif"
        stamp = f"{1 + n % 28:02d}/Jan/2024:{n % 24:02d}:{n % 60:02d}:{user % 60:02d} +0000"
        lines.append("- malformed -" if n % 100 == 0 else
                     f'{10 + n % 90}.{user % 200}.{n % 7}.{size % 250} - - [{stamp}] "{"POST" if n % 9 == 0 else "GET"} {path} '
                     f'HTTP/1.1" {(200, 200, 304, 404)[n % 4]} {size if n % 4 < 2 else "-"}')  # fmt: skip
    return pa.table({"line": pa.array(lines, pa.string())})


def _bad_hosts(random: np.random.Generator, rows: int) -> pa.Table:
    hosts = {f"{10 + n % 90}.{n % 200}.{n % 7}.{n % 250}" for n in random.integers(0, 10**6, rows).tolist()}
    return pa.table({"host": pa.array([*sorted(hosts), *[None] * (rows - len(hosts))], pa.string())})


def _requests(random: np.random.Generator, rows: int) -> pa.Table:
    forms = ("{:05d}", "{:05d}-0001", "{:05d}.0", "N/A", "NO CLUE", "00000", " {:05d}")
    kinds = np.where(random.random(rows) < 0.8, 0, random.integers(0, len(forms), rows)).tolist()
    zips = [forms[k].format(10_000 + z) for k, z in zip(kinds, random.integers(1, 1400, rows).tolist(), strict=True)]
    seconds = random.integers(0, 31_000_000, rows)
    opened = np.datetime64("2023-01-01T00:00:00") + seconds
    closed = opened + random.integers(-3000, 2_000_000, rows)
    texts = [[m.strftime("%m/%d/%Y %I:%M:%S %p") for m in moments.astype(object)] for moments in (opened, closed)]
    return pa.table({
        "incident_zip": _with_nulls(random, np.array(zips, dtype=object), pa.string()),
        "complaint": _some(random, _COMPLAINTS, rows).astype(str), "opened": texts[0],
        "closed": _with_nulls(random, np.array(texts[1], dtype=object), pa.string()),
    })  # fmt: skip


def _lineitem(random: np.random.Generator, rows: int) -> pa.Table:
    days = (np.datetime64("1992-01-02") + random.integers(0, 2500, rows)).astype("datetime64[D]")
    return pa.table({
        "partkey": random.integers(0, max(1, rows // 30), rows), "quantity": random.integers(1, 51, rows).astype(np.float64),
        "price": np.round(random.uniform(900, 105_000, rows), 2), "discount": random.integers(0, 11, rows) / 100,
        "tax": random.integers(0, 9, rows) / 100, "shipdate": pa.array(days),
        "shipmode": _some(random, ["AIR", "AIR REG", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB"], rows).astype(str),
        "instruct": _some(random, ["DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN"], rows).astype(str),
    })  # fmt: skip


def _part(random: np.random.Generator, rows: int) -> pa.Table:
    boxes = [f"{a} {b}" for a in ("SM", "MED", "LG", "JUMBO", "WRAP") for b in ("CASE", "BOX", "BAG", "PKG", "PACK", "JAR")]
    return pa.table({
        "brand": [f"Brand#{a}{b}" for a, b in random.integers(1, 6, (rows, 2)).tolist()],
        "size": random.integers(1, 51, rows), "container": _some(random, boxes, rows).astype(str),
    })  # fmt: skip


def _papers(random: np.random.Generator, rows: int) -> pa.Table:
    def sentence(size: int) -> str:
        words = [_WORDS[i] for i in random.integers(0, len(_WORDS), size)]
        return " ".join([_ODD[size % 4], *words] if size % 3 == 0 else words)

    def keywords() -> list[list[str]]:
        return [[_KEYWORDS[i] for i in random.integers(0, 12, size)] for size in random.integers(0, 7, rows)]

    dates, documents = [], []
    forms = ("%Y-%m-%d", "%d/%m/%Y", "%Y/%m/%d", "%b %d, %Y")
    for n, day in enumerate((np.datetime64("1995-01-01") + random.integers(0, 10_000, rows)).astype(object)):
        dates.append(day.strftime(forms[n % 4]) if n % 30 else "unknown")
        documents.append(json.dumps({
            "id": f"10.{1000 + n % 9000}/{n}", "venue": {"name": _KEYWORDS[n % 12].title(), "year": day.year},
            "authors": [{"name": f"{_STREETS[(n + i) % 8]} {_CITIES[n % 9].title()}", "orcid": None} for i in range(n % 5)],
        }))  # fmt: skip
    titles = [sentence(s) for s in random.integers(3, 9, rows)]
    return pa.table({
        "title": titles, "abstract": [f"{sentence(s).capitalize()}, {s}%! Funded by grant {100_000 + n} ({s})."
                                      for n, s in enumerate(random.integers(8, 40, rows).tolist())],
        "other": [t if n % 3 else sentence(5) for n, t in enumerate(titles)], "published": dates, "document": documents,
        "keywords": pa.array(keywords(), pa.list_(pa.string())), "topics": pa.array(keywords(), pa.list_(pa.string())),
        "currency": _with_nulls(random, _some(random, ["EUR", "USD", "GBP", "CHF"], rows), pa.string()),
        "amount": np.round(random.lognormal(11, 1.5, rows), 2), "funder": random.integers(0, 3000, rows),
    })  # fmt: skip


_TABLES: dict[str, Table] = {
    "listings": _listings, "flights": _flights, "airports": _airports, "carriers": _carriers, "logs": _logs,
    "bad_hosts": _bad_hosts, "requests": _requests, "lineitem": _lineitem, "part": _part, "papers": _papers,
}  # fmt: skip
