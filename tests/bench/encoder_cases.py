"""Defines the cases of the encoder bench: UDFs with a sentence encoder, a black box that is declared row-local.

The encoder is WordLlama, whose PyPI package holds its weights: a tokenizer, and the mean of the tokens' vectors. A string's
vector does not depend on the other strings of a call.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from cpu_cases import Case
from never_slower_data import write_table
from pyspark import cloudpickle
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, FloatType, LongType

from sparkweld.annotations import row_local

# As if the job's own file defined the functions: pickled by value.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

_MODEL: Any = None
_ROWS, _CHEAP_ROWS, _POPULAR = 60_000, 600_000, 1000


def load() -> Any:
    """Returns the encoder, from the files of its package."""
    import logging

    import wordllama

    logging.disable(logging.INFO)
    folder = Path(wordllama.__dict__["__file__"]).parent
    return wordllama.WordLlama.load(cache_dir=folder, disable_download=True)


def _embed(texts: pd.Series) -> pd.Series:
    global _MODEL
    if _MODEL is None:
        _MODEL = load()
    return pd.Series(list(_MODEL.embed(texts.tolist())))


def _make_embed() -> Callable[[np.ndarray], np.ndarray]:
    model = load()
    return lambda texts: model.embed(texts.tolist())


def _checksums(texts: pd.Series) -> pd.Series:
    return pd.Series([zlib.crc32(text.encode()) for text in texts])


_VECTOR = ArrayType(FloatType())
embed = F.pandas_udf(_VECTOR)(row_local(_embed))  # type: ignore[call-overload]
predicted = row_local(predict_batch_udf(_make_embed, return_type=_VECTOR, batch_size=1024))
checksum = F.pandas_udf(LongType())(row_local(_checksums))  # type: ignore[call-overload]


def _of(function: Any, shuffled: bool = False) -> Callable[[DataFrame], DataFrame]:
    def query(frame: DataFrame) -> DataFrame:
        rows = frame.repartition(2, "text") if shuffled else frame
        return rows.select("id", function("text").alias("made"))

    return query


CASES = tuple(
    Case(f"{name}, {how}", table, rows, query)
    for name, rows, query in (
        ("encoder", _ROWS, _of(embed)),
        ("encoder in predict_batch_udf", _ROWS, _of(predicted)),
        ("encoder after a shuffle", _ROWS, _of(embed, shuffled=True)),
        ("CRC-32", _CHEAP_ROWS, _of(checksum)),
    )
    for table, how in (("half", "half of the rows repeated"), ("new", "no row repeated"))
)


def prepare_table(name: str, rows: int) -> Path:
    """Returns the folder with `rows` strings of 1 to 40 words, half of them of a thousand popular ones if `name` is "half"."""
    return write_table("encoder-v1", name, rows, _half if name == "half" else _new)


def _texts(random: np.random.Generator, rows: int) -> np.ndarray:
    letters, words = np.array(list("aabcdeeefghiiklmnooprssttuvwxyz")), np.random.default_rng(1)
    known = np.array(["".join(words.choice(letters, words.integers(2, 11))) for _ in range(3000)])
    return np.array([" ".join(random.choice(known, size)) for size in random.integers(1, 41, rows)], object)


def _new(random: np.random.Generator, rows: int) -> pa.Table:
    return pa.table({"text": _texts(random, rows)})


def _half(random: np.random.Generator, rows: int) -> pa.Table:
    popular = _texts(np.random.default_rng(2), _POPULAR)
    return pa.table({"text": np.where(random.random(rows) < 0.5, random.choice(popular, rows), _texts(random, rows))})
