"""Starts the Python workers of tests in forks of a process that has imported what most of their functions use.

A function that raises ends its worker, and the next query then takes half a CPU second for imports in a new one. Spark's daemon
imports nothing, because a thread of another library could hold a lock at the fork. The only thread here is one of jemalloc, which
prepares itself for forks.
"""

import pandas  # noqa: F401
import pyarrow.compute  # noqa: F401
import pyspark.worker  # noqa: F401
import sklearn.compose
import sklearn.ensemble
import sklearn.feature_extraction.text
import sklearn.linear_model
import sklearn.pipeline  # noqa: F401
from pyspark.daemon import manager

if __name__ == "__main__":
    manager()
