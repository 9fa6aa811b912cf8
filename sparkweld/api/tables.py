"""Reads tables, and writes outputs atomically: an output appears as a whole or not at all.

An output is written to a sibling and renamed when it is complete. The previous output is moved aside first and deleted last, so
it is never lost. A job that is ended leaves nothing except the previous output.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from sparkweld.errors import UserError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

#: Extension of a file or folder -> format.
EXTENSIONS = {".parquet": "parquet", ".orc": "orc", ".csv": "csv", ".json": "json", ".jsonl": "json"}
FORMATS = ("parquet", "orc", "csv", "json", "table")

_READING = {"csv": {"header": "true", "inferSchema": "true"}}
_WRITING = {"csv": {"header": "true"}}


def format_of(where: str, given: str | None) -> str:
    """Returns the explicit format, else that of the extension; a name without a slash or an extension is a table."""
    if given is not None:
        if given not in FORMATS:
            raise UserError(f"{given} is not a known format: choose one of {', '.join(FORMATS)}")
        return given
    name = where.rstrip("/").lower()
    for end, kind in EXTENSIONS.items():
        if name.endswith((end, *(f"{end}.{packed}" for packed in ("gz", "bz2", "zst", "snappy")))):
            return kind
    return "parquet" if "/" in where else "table"


def read_table(spark: SparkSession, where: str, given: str | None = None) -> DataFrame:
    """Reads the table at a path or of a name.

    For CSV, the first line holds the names, and types are inferred. Raises UserError.
    """
    kind = format_of(where, given)
    try:
        if kind == "table":
            return spark.table(where)
        return spark.read.options(**_READING.get(kind, {})).format(kind).load(where)
    except Exception as error:  # the error of a broken file has no class of its own in Python
        raise UserError(f"the input {where} cannot be read as {kind}: {_line(error)}") from error


class Place(Protocol):
    """A storage location of outputs: names that can be looked up, renamed and deleted."""

    def exists(self, name: str) -> bool: ...

    def rename(self, old: str, new: str) -> None:
        """Renames an output. Raises UserError when it fails."""
        ...

    def delete(self, name: str) -> None:
        """Deletes an output; does nothing when there is none."""
        ...

    def aside(self, name: str, mark: str) -> str:
        """Returns a sibling name."""
        ...

    def begun(self, name: str, mark: str) -> str:
        """Returns where to write the future output of this name.

        It is removed when the application ends, if the place supports that.
        """
        ...

    def done(self, begun: str) -> None:
        """Removes the remains of `begun`."""
        ...


class Tables:
    """The session's catalog as a place."""

    def __init__(self, spark: SparkSession) -> None:
        self._spark = spark

    def exists(self, name: str) -> bool:
        return bool(self._spark.catalog.tableExists(name))

    def rename(self, old: str, new: str) -> None:
        self._spark.sql(f"ALTER TABLE {old} RENAME TO {new}")

    def delete(self, name: str) -> None:
        self._spark.sql(f"DROP TABLE IF EXISTS {name}")

    def aside(self, name: str, mark: str) -> str:
        return f"{name.rstrip('`')}__{mark}" + ("`" if name.endswith("`") else "")

    begun, done = aside, delete


def check_output(spark: SparkSession, where: str, given: str | None = None, *, overwrite: bool = False) -> Place:
    """Returns the place of an output. Raises UserError when something exists there that may not be replaced."""
    kind = format_of(where, given)
    if kind == "table":
        place: Place = Tables(spark)
    else:
        # pyspark-client, for Connect, has no py4j, which this module loads
        from sparkweld.bridge.jvm import Files

        place = Files(spark, where)
    if place.exists(where) and not overwrite:
        raise UserError(f"the output {where} exists already: choose another one, or allow replacing it (--overwrite)")
    return place


def write_table(
    df: DataFrame, where: str, given: str | None = None, *, overwrite: bool = False, partition_by: Sequence[str] = ()
) -> None:
    """Writes `df` and puts it in place as a whole.

    With `overwrite`, the previous output is deleted once the new one is complete.
    """
    place, kind = check_output(df.sparkSession, where, given, overwrite=overwrite), format_of(where, given)
    mark = f"sparkweld_{uuid.uuid4().hex[:12]}"
    writer = df.write.options(**_WRITING.get(kind, {}))
    if partition_by:
        writer = writer.partitionBy(*partition_by)
    new = place.begun(where, mark)
    try:
        if kind == "table":
            writer.saveAsTable(new)
        else:
            writer.format(kind).save(new)
        _put(place, new, where, place.aside(where, f"{mark}_old"), overwrite)
    finally:
        place.done(new)


def _put(place: Place, new: str, where: str, old: str, overwrite: bool) -> None:
    """Renames the new output. The previous one is renamed meanwhile, and restored if that fails."""
    replaced = place.exists(where)
    if replaced and not overwrite:  # something else created it while this output was written
        raise UserError(f"the output {where} was created meanwhile: choose another one, or allow replacing it (--overwrite)")
    if replaced:
        place.rename(where, old)
    try:
        place.rename(new, where)
    except BaseException:
        if replaced:
            place.rename(old, where)
        raise
    if replaced:
        place.delete(old)


def _line(error: Any) -> str:
    return " ".join(str(error).split("JVM stacktrace")[0].split())[:400]
