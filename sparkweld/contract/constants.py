"""Reads the constants that the JVM and Python share, from `constants.json`, which is also a resource of the jar."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_SHARED: dict[str, Any] = json.loads(Path(__file__).with_name("constants.json").read_text(encoding="utf-8"))

#: Version of the messages and of the calling convention of kernels; the JVM rejects a service of another version.
PROTOCOL: int = _SHARED["protocol"]

#: The lines of Spark that the plugin runs on. Each has its own jar.
LINES: tuple[str, ...] = tuple(_SHARED["lines"])

_LIMITS: dict[str, int] = _SHARED["limits"]
#: Size limit of a message's JSON, in both directions.
MAX_JSON_BYTES = _LIMITS["jsonBytes"]
MAX_BLOBS = _LIMITS["blobs"]
#: Size limit of a payload that the JVM sends: a JVM array holds no more.
MAX_REQUEST_BLOB_BYTES = _LIMITS["requestBlobBytes"]

_EVAL_TYPES: dict[str, int] = _SHARED["evalTypes"]
#: PySpark's `PythonEvalType` (pyspark/util.py), without the prefix SQL and the suffix UDF.
BATCHED = _EVAL_TYPES["batched"]
ARROW_BATCHED = _EVAL_TYPES["arrowBatched"]
SCALAR_PANDAS = _EVAL_TYPES["scalarPandas"]
GROUPED_MAP_PANDAS = _EVAL_TYPES["groupedMapPandas"]
GROUPED_AGG_PANDAS = _EVAL_TYPES["groupedAggPandas"]
SCALAR_PANDAS_ITERATOR = _EVAL_TYPES["scalarPandasIterator"]
MAP_PANDAS = _EVAL_TYPES["mapPandas"]
MAP_ARROW = _EVAL_TYPES["mapArrow"]
SCALAR_ARROW = _EVAL_TYPES["scalarArrow"]
SCALAR_ARROW_ITERATOR = _EVAL_TYPES["scalarArrowIterator"]
GROUPED_AGG_ARROW = _EVAL_TYPES["groupedAggArrow"]
#: Eval types of functions that see the NULLs of their whole batch, as the dtype.
BATCH_STATE_EVAL_TYPES: frozenset[int] = frozenset(_SHARED["batchStateEvalTypes"])

#: The memory of a program with models: see `sparkweld.ir.layouts.model_memory`.
HEAD_WORDS: int = _SHARED["modelMemory"]["headWords"]
KEEPS: int = _SHARED["modelMemory"]["keeps"]

_ENVIRONMENT: dict[str, str] = _SHARED["environment"]
#: Environment variables that the JVM sets for a compile service.
WORKER_PATH_VARIABLE = _ENVIRONMENT["workerPath"]
LOCAL_VARIABLE = _ENVIRONMENT["local"]
WITHHELD_VARIABLE = _ENVIRONMENT["withheld"]
JOB_VARIABLES_VARIABLE = _ENVIRONMENT["jobVariables"]
UNPICKLE_VARIABLE = _ENVIRONMENT["unpickle"]
MAX_MEMORY_VARIABLE = _ENVIRONMENT["maxMemory"]
CACHE_DIR_VARIABLE = _ENVIRONMENT["cacheDir"]
CACHE_MAX_BYTES_VARIABLE = _ENVIRONMENT["cacheMaxBytes"]

#: The file that identifies the directory of a cascade, and that of a ranking.
CASCADE_FILE: str = _SHARED["certificates"]["cascade"]
RANKING_FILE: str = _SHARED["certificates"]["ranking"]

_PIPELINES: dict[str, Any] = _SHARED["workerPipelines"]
#: The keyword argument with which Spark passes to a fused function where its batches start.
STARTS: str = _PIPELINES["starts"]
#: The counters that a worker reports, in order: unsigned little-endian integers of `COUNTER_BYTES` bytes.
COUNTERS: tuple[str, ...] = tuple(_PIPELINES["counters"])
COUNTER_BYTES: int = _PIPELINES["counterBytes"]

#: The terms of a sum of 64 and of 32 bits whose order may differ between a function and its translation.
DOUBLE_SUM_TERMS: int = _SHARED["sumTerms"]["double"]
FLOAT_SUM_TERMS: int = _SHARED["sumTerms"]["float"]

#: Begins the note on a program that skips rows by the bounds of their scores.
BOUNDED_NOTE: str = _SHARED["boundedNote"]
