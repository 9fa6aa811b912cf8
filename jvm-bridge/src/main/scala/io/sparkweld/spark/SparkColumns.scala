package io.sparkweld
package spark

import org.apache.arrow.memory.{ArrowBuf, BufferAllocator}
import org.apache.arrow.vector.{FieldVector, ValueVector}
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.Attribute
import org.apache.spark.sql.execution.python.sparkweld.PrivateApi
import org.apache.spark.sql.execution.vectorized.WritableColumnVector
import org.apache.spark.sql.types.{DataType, StructField, StructType}
import org.apache.spark.sql.vectorized.{ColumnVector, ColumnarBatch}

/** Exposes Spark's Arrow vectors and writers, and its conversion of rows to columns. */
trait SparkColumns {

  /**
   * Measures Arrow batches of rows of such columns, in lines that limit the bytes of a batch. `inStruct`: the columns are sent as
   * the fields of one struct.
   */
  def arrowSize(types: Seq[DataType], inStruct: Boolean, zone: String, largeStrings: Boolean): ArrowSize

  /** Frees the memory of a batch that is read, as ColumnarToRow of the same Spark does. */
  def closeIfFreeable(batch: ColumnarBatch): Unit

  /** Frees a column of such a batch. */
  def closeIfFreeable(column: ColumnVector): Unit

  /** Whether a column vector of intervals is read from its children, never by its own getter. */
  def intervalsNeedChildren: Boolean

  /** Returns the views in a vector of string views, and the buffers to which they refer; None for any other vector. */
  def stringViews(vector: ValueVector): Option[(ArrowBuf, Seq[ArrowBuf])]

  /** Returns an Arrow allocator for one task, which closes it. */
  final def arrowAllocator(name: String): BufferAllocator = PrivateApi.arrowAllocator(name)

  /** Creates an empty Arrow vector for values of a column, as Spark sends them to Python. */
  final def arrowVector(column: Attribute, zone: String, allocator: BufferAllocator): FieldVector =
    PrivateApi.arrowVector(column, zone, allocator)

  /** Returns a converter that fills column vectors of `schema` from rows. */
  final def rowConverter(schema: StructType): RowConverter = PrivateApi.rowConverter(schema)

  /** Whether Spark has a column vector for values of this type and can fill it from rows. */
  final def hasColumnarForm(dataType: DataType, nullable: Boolean): Boolean =
    PrivateApi.isConvertible(StructType(Seq(StructField("c", dataType, nullable))))
}

/** Appends rows to column vectors of one schema, as Spark's row-to-column transition does. Serializable. */
trait RowConverter extends Serializable {
  def convert(row: InternalRow, vectors: Array[WritableColumnVector]): Unit
}

/** Measures the size of an Arrow batch of rows, as Spark's own writer counts it. */
trait ArrowSize extends AutoCloseable {

  /** Adds a row and returns the new size. */
  def add(row: InternalRow): Long

  def reset(): Unit
}
