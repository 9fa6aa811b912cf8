"""Writes the scoring benchmark's Parquet tables: numbers, strings, word counts, and mixed columns with missing values.

Strings and mixed tables come from real files, where $SPARKWELD_SOURCES names a folder with them. Rows are drawn at random. Then
strings get a number appended, amounts are multiplied by a factor near 1, and some values are set missing. So nearly all rows
are distinct. Categories and small counts are unchanged. Without the folder, strings are drawn from Zipf-distributed words, and
there are no mixed tables.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from functools import partial
from pathlib import Path
from zlib import crc32

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from flights_data import data_folder
from pyspark.ml.linalg import VectorUDT

FEATURES = [f"x{i}" for i in range(30)]
TRAINED, FILES, RECIPE = 20_000, 4, 2
#: Length of a vector of word counts: HashingTF's default.
HASHED = 1 << 18
#: Columns of mixed tables: the one-hot ones, and the imputed and scaled ones (doubles with missing values).
CREDIT_WORDS = ["sex", "education", "marriage", "pay_1", "pay_2", "pay_3", "pay_4", "pay_5", "pay_6"]
CREDIT_NUMBERS = ["limit_bal", "age", *(f"{name}_amt{i}" for name in ("bill", "pay") for i in range(1, 7))]
KDD_WORDS = ["protocol_type", "service", "flag"]
KDD_NUMBERS = [
    "duration", "src_bytes", "dst_bytes", "land", "wrong_fragment", "urgent", "hot", "num_failed_logins", "logged_in",
    "num_compromised", "root_shell", "su_attempted", "num_root", "num_file_creations", "num_shells", "num_access_files",
    "num_outbound_cmds", "is_host_login", "is_guest_login", "count", "srv_count", "serror_rate", "srv_serror_rate",
    "rerror_rate", "srv_rerror_rate", "same_srv_rate", "diff_srv_rate", "srv_diff_host_rate", "dst_host_count",
    "dst_host_srv_count", "dst_host_same_srv_rate", "dst_host_diff_srv_rate", "dst_host_same_src_port_rate",
    "dst_host_srv_diff_host_rate", "dst_host_serror_rate", "dst_host_srv_serror_rate", "dst_host_rerror_rate",
    "dst_host_srv_rerror_rate",
]  # fmt: skip
_MISSING = 0.02


def has_sources() -> bool:
    """Whether the real files exist."""
    return source("credit_default").is_file()


def source(name: str) -> Path:
    """Returns the path of the real file of that name, whether or not it exists."""
    return Path(os.environ.get("SPARKWELD_SOURCES", ""), f"{name}.parquet")


def _numbers(random: np.random.Generator, rows: int) -> pa.Table:
    return pa.table({name: random.normal(size=rows) for name in FEATURES})


def _texts(random: np.random.Generator, rows: int, *, name: str, column: str) -> pa.Table:
    if source(name).is_file():
        known = pq.read_table(source(name))[column].to_numpy(zero_copy_only=False)
    else:
        words = random.zipf(1.3, size=(20_000, 12)) % 30_000
        known = np.array([" ".join(f"w{w:x}" for w in line) for line in words], object)
    numbered = random.choice(known, rows) + np.char.mod(" n%d", random.integers(0, 1000, rows)).astype(object)
    return pa.table({"text": numbered})


def _counted(random: np.random.Generator, rows: int, *, name: str, column: str) -> pa.Table:
    """Returns strings as sparse vectors that count their words by hash, in the form and schema of Spark's HashingTF."""
    texts = _texts(random, rows, name=name, column=column)["text"].to_pylist()
    counts = [sorted(Counter(crc32(word.encode()) % HASHED for word in text.split()).items()) for text in texts]
    arrays = pa.array([[at for at, _ in row] for row in counts], pa.list_(pa.int32())), pa.array(
        [[float(count) for _, count in row] for row in counts], pa.list_(pa.float64())
    )
    kinds, sizes = np.zeros(rows, np.int8), np.full(rows, HASHED, np.int32)
    vectors = pa.StructArray.from_arrays([pa.array(kinds), pa.array(sizes), *arrays], ["type", "size", "indices", "values"])
    number = {"name": "id", "type": "long", "nullable": True, "metadata": {}}
    sized = {"ml_attr": {"num_attrs": HASHED}}
    field = {"name": "features", "type": VectorUDT().jsonValue(), "nullable": True, "metadata": sized}
    schema = json.dumps({"type": "struct", "fields": [field, number]})
    return pa.table({"features": vectors}).replace_schema_metadata({"org.apache.spark.sql.parquet.row.metadata": schema})


def _mixed(random: np.random.Generator, rows: int, *, name: str, numbers: list[str], words: list[str]) -> pa.Table:
    known = pd.read_parquet(source(name), columns=[*numbers, *words, "label"])
    drawn = known.iloc[random.integers(0, len(known), rows)].reset_index(drop=True)
    columns = {}
    for column in numbers:
        values = drawn[column].to_numpy(np.float64)
        if known[column].nunique() > 1000:
            values = np.round(values * random.uniform(0.9, 1.1, rows), 2)
        columns[column] = pa.array(values, mask=random.random(rows) < _MISSING)
    return pa.table(columns | {column: drawn[column].to_numpy() for column in [*words, "label"]})


_TABLES = {
    "numbers": _numbers,
    "tweets": partial(_texts, name="hate_offensive_tweets", column="text"),
    "titles": partial(_texts, name="pricerunner_products", column="title"),
    "counted tweets": partial(_counted, name="hate_offensive_tweets", column="text"),
    "credit": partial(_mixed, name="credit_default", numbers=CREDIT_NUMBERS, words=CREDIT_WORDS),
    "kdd": partial(_mixed, name="kddcup99_10pct", numbers=KDD_NUMBERS, words=KDD_WORDS),
}


def prepare(table: str, rows: int) -> Path:
    """Returns the folder with `rows` rows of a table, generated once; its int64 `id` is a unique key."""
    folder = scoring_folder() / f"{table}-{rows}"
    folder.mkdir(parents=True, exist_ok=True)
    edges = np.linspace(0, rows, FILES + 1).astype(int)
    for part, (begin, end) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        target = folder / f"part-{part:05d}.parquet"
        if not target.exists():
            made = _TABLES[table](np.random.default_rng([rows, part]), int(end - begin))
            made = made.append_column("id", pa.array(np.arange(begin, end)))
            unfinished = target.with_name(f".{target.name}.{os.getpid()}.partial")
            pq.write_table(made, unfinished, use_dictionary=False, row_group_size=int(end - begin))
            os.replace(unfinished, target)
    return folder


def scoring_folder() -> Path:
    """Returns the folder of the tables and of fitted pyspark.ml pipelines."""
    return data_folder() / f"scoring-v{RECIPE}"


def training_rows(folder: str) -> pd.DataFrame:
    """Returns the first rows of a table."""
    return pq.ParquetFile(Path(folder) / "part-00000.parquet").read().slice(0, TRAINED).to_pandas()
