"""Provides one Spark session with the plugin for all tests of this folder."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql.types import StructField, StructType

from tests.helpers import pytorch
from tests.helpers.lines import VECTOR, spark_type_of

ROOT = str(Path(__file__).parents[2])
SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.sql.ui.explainMode": "simple",  # of the plan that each query tells listeners
    "spark.sql.shuffle.partitions": "2",
    "spark.default.parallelism": "2",
    "spark.driver.memory": "2g",
    "spark.driver.extraJavaOptions": "-Xms1g -Xmn600m",  # with the default sizes, a test had two collections
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.datetimeRebaseModeInRead": "CORRECTED",  # the default from Spark 4.0 on
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sparkweld.compile.tinyRows": "0",  # tables of tests are tiny
    "spark.sparkweld.untestedLines.enabled": "true",  # the tests themselves test other lines of Spark
    # Many tests flag rows: a measurement in one must not decide which backend runs in the next.
    "spark.sparkweld.kernel.dropSlower.enabled": "false",
    "spark.python.daemon.module": "tests.helpers.worker_daemon",
}
_KNOWN = {type.id for type in (pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.string(),
                               pa.binary(), pa.date32())}  # fmt: skip
_SESSION, _BUGS = pytest.StashKey(), pytest.StashKey()
pytorch.has_pytorch()  # adds its folder to the import path, before test modules import it


def pytest_collection_modifyitems(items):
    for item in items:
        if "/tests/spark/" in str(item.path):
            item.add_marker(pytest.mark.spark)


@pytest.fixture(scope="session")
def spark(request, tmp_path_factory):
    """Yields a local session with the plugin and all default settings."""
    from pyspark.sql import SparkSession

    import sparkweld
    from tests.helpers.py4j_names import remember_names

    remember_names()
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    # Module functions are pickled by reference: workers import the test modules by name.
    os.environ["PYTHONPATH"] = os.pathsep.join([ROOT, *filter(None, [os.environ.get("PYTHONPATH"), str(pytorch.folder() or "")])])
    builder = SparkSession.builder.master("local[2]").appName("sparkweld-tests")
    for key, value in SETTINGS.items():
        builder = builder.config(key, value)
    builder = builder.config("spark.sql.warehouse.dir", str(tmp_path_factory.mktemp("warehouse")))
    session = sparkweld.configure(builder).getOrCreate()
    session.sparkContext.setLogLevel("WARN")
    request.session.stash[_SESSION], request.session.stash[_BUGS] = session, set()
    yield session
    session.stop()


@pytest.fixture(autouse=True)
def no_bugs(request):
    """Fails a test during which the session logs a new warning of an internal error of SparkWeld."""
    yield
    session = request.session.stash.get(_SESSION, None)
    if session is None or "spark" not in request.fixturenames:
        return
    known = request.session.stash[_BUGS]
    new = [bug for bug in session._jvm.io.sparkweld.support.WarnOnce.bugs() if bug not in known]
    known.update(new)
    assert not new or request.node.get_closest_marker("expects_bugs"), new


@pytest.fixture
def parquet(spark, tmp_path):
    """Writes columns to a Parquet file and returns the DataFrame over it: a columnar scan of one partition, rows in order.

    The reader is given the schema that it would infer, by a job that costs as much as many of the queries.
    """

    def write(columns, *, dictionary=False, name="t", row_group_size=None):
        table = columns if isinstance(columns, pa.Table) else pa.table(columns)
        path = str(tmp_path / f"{name}.parquet")
        pq.write_table(table, path, use_dictionary=dictionary, row_group_size=row_group_size)
        known = all(map(_is_known, table.schema.types))
        schema = StructType([StructField(field.name, spark_type_of(field.type)) for field in table.schema]) if known else None
        return (spark.read if schema is None else spark.read.schema(schema)).parquet(path)

    return write


def _is_known(type: pa.DataType) -> bool:
    """Whether the reader infers the Spark type that `spark_type_of` returns."""
    if type == VECTOR:
        return False
    if pa.types.is_list(type) or pa.types.is_map(type) or pa.types.is_struct(type):
        return all(_is_known(type.field(at).type) for at in range(type.num_fields))
    return type.id in _KNOWN or (pa.types.is_timestamp(type) and type.unit == "us")


@pytest.fixture(scope="session")
def applications():
    """Yields a driver for programs that need application settings: they run one after another, each with its own context."""
    from tests.helpers.drivers import driver

    with driver() as started:
        yield started
