"""Fits models without the plugin: what the tests of this folder compare is how fitted models score."""

from __future__ import annotations

import pytest
from pyspark.ml import Estimator

from tests.helpers.differential import ENABLED, session_conf

#: The queries of a fit are many and small: code generated for one of them costs more than it saves.
FITTING = {
    ENABLED: "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
}


@pytest.fixture(scope="package", autouse=True)
def fits_without_plugin(spark):
    """Saves a third of the CPU time of these tests. Yields `Estimator.fit`, with which one test fits beside the plugin."""
    fit = Estimator.fit

    def without_plugin(self, *args, **kwargs):
        with session_conf(spark, FITTING):
            return fit(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Estimator, "fit", without_plugin)
        yield fit
