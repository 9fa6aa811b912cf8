"""Creates a Spark session with the plugin in this process, for measurements that need a single configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import sparkweld

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_CONF = {"spark.ui.enabled": "false", "spark.ui.showConsoleProgress": "false"}


def local_session(cores: int, memory: str, conf: Mapping[str, str] | None = None) -> SparkSession:
    """Returns a session with `cores` task slots and a heap of `memory`."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master(f"local[{cores}]").appName("sparkweld bench")
    for key, value in {**_CONF, "spark.driver.memory": memory, **(conf or {})}.items():
        builder = builder.config(key, value)
    return sparkweld.configure(builder).getOrCreate()
