"""Collects Arrow UDFs over pyarrow.compute."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from tests.corpus.case import arrow_udf, arrow_udf_iterator, map_in_arrow


@arrow_udf("double", "trips", "fare tip")
def arrow_total(fare: pa.Array, tip: pa.Array) -> pa.Array:
    """A sum with NULLs."""
    return pc.add(fare, tip)


@arrow_udf("boolean", "sensors", "celsius")
def arrow_freezing(celsius: pa.Array) -> pa.Array:
    """A comparison with a constant."""
    return pc.less(celsius, pa.scalar(0.0))


@arrow_udf("double", "customers", "income")
def arrow_income(income: pa.Array) -> pa.Array:
    """A default for NULL."""
    return pc.fill_null(income, 0.0)


@arrow_udf("string", "products", "title")
def arrow_lower(title: pa.Array) -> pa.Array:
    """Lower case of UTF-8."""
    return pc.utf8_lower(title)


@arrow_udf("double", "loans", "amount rate")
def arrow_interest(amount: pa.Array, rate: pa.Array) -> pa.Array:
    """Several calls of compute."""
    yearly = pc.divide(pc.multiply(amount, rate), 100.0)
    return pc.if_else(pc.greater(yearly, 5000.0), 5000.0, yearly)


@arrow_udf_iterator("double", "sensors", "x3")
def arrow_scaled(batches: Iterator[pa.Array]) -> Iterator[pa.Array]:
    """A constant factor, set up once."""
    factor = 1.5
    for x in batches:
        yield pc.multiply(x, factor)


@map_in_arrow("id long, doubled double", "sensors", "id x3")
def arrow_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """A computed column in new record batches."""
    for batch in batches:
        doubled = pc.multiply(batch.column("x3"), 2.0)
        yield pa.RecordBatch.from_arrays([batch.column("id"), doubled], names=["id", "doubled"])
