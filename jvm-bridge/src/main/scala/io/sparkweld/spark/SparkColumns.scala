package io.sparkweld.spark

import org.apache.arrow.memory.{ArrowBuf, BufferAllocator}
import org.apache.arrow.vector.{FieldVector, ValueVector}
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.Attribute
import org.apache.spark.sql.execution.arrow.ArrowWriter
import org.apache.spark.sql.execution.python.sparkweld.PrivateApi
import org.apache.spark.sql.execution.vectorized.WritableColumnVector
import org.apache.spark.sql.types.{DataType, StructField, StructType}

/** Exposes Spark's Arrow vectors and writers, and its conversion of rows to columns. */
trait SparkColumns {

  /** Returns Spark's own writer of Arrow batches with this schema. */
  def arrowWriter(schema: StructType, zone: String, largeStrings: Boolean): ArrowWriter

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

/** Measures the size of an Arrow batch of rows of such columns, as Spark's own writer counts it. */
final class ArrowSize(types: Seq[DataType], inStruct: Boolean, zone: String, largeStrings: Boolean) extends AutoCloseable {
  private val columns = StructType(types.zipWithIndex.map { case (of, i) => StructField(s"_$i", of) })
  private val schema = if (inStruct) StructType(Seq(StructField("struct", columns))) else columns
  private val writer = CurrentSpark.arrowWriter(schema, zone, largeStrings)

  /** Adds a row and returns the new size. */
  def add(row: InternalRow): Long = {
    writer.write(if (inStruct) InternalRow(row) else row)
    writer.sizeInBytes()
  }

  def reset(): Unit = writer.reset()

  override def close(): Unit = writer.root.close()
}
