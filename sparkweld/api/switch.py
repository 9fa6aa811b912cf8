"""Switches SparkWeld off and on for all sessions of a running application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sparkweld.api.explain import NOT_ACTIVE
from sparkweld.errors import UserError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


def set_enabled(spark: SparkSession, enabled: bool) -> None:
    """Turns SparkWeld off, or on again, for all sessions of this application.

    Applies to queries that are planned from now on; queries that run keep their kernels. `spark.sparkweld.enabled` does the same
    for one session. Raises UserError where the plugin is not active, and for a Spark Connect session: there, create the file of
    `spark.sparkweld.killSwitch.path` on the server.
    """
    if not hasattr(spark, "_jsparkSession"):
        raise UserError(
            "set_enabled needs the driver's JVM, which a Spark Connect client does not reach. Create the file of "
            "spark.sparkweld.killSwitch.path on the server, or set spark.sparkweld.enabled in this session."
        )
    # pyspark-client, for Connect, has no py4j, which this module loads
    from sparkweld.bridge import jvm as live

    if not live.set_enabled(spark.sparkContext._jvm, enabled):
        raise UserError(NOT_ACTIVE.format(why="the plugin does not run in its driver"))
