package io.sparkweld
package columns

import io.sparkweld.spark.CurrentSpark

import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, GenericInternalRow, UnsafeProjection, UnsafeRow}
import org.apache.spark.sql.execution.vectorized.{OffHeapColumnVector, WritableColumnVector}
import org.apache.spark.sql.types.{StructField, StructType}
import org.apache.spark.sql.vectorized.{ColumnVector, ColumnarBatch}

/**
 * Converts rows to batches: copies them whole, and exposes columns over the copies.
 *
 * Only nested types (arrays, maps, structs) use Spark's own converter. A batch is valid until the next `fill`. Serves one task.
 */
final class RowColumns(attributes: Seq[Attribute], capacity: Int) extends AutoCloseable {
  private val block = new RowBlock(attributes.length, capacity)
  private lazy val toUnsafe = UnsafeProjection.create(attributes, attributes)

  private val other = attributes.indices.filterNot(i => RowColumnVector.supports(attributes(i).dataType))
  private val otherSchema = StructType(other.map { i =>
    StructField(attributes(i).name, attributes(i).dataType, attributes(i).nullable)
  })
  private val otherVectors: Array[WritableColumnVector] =
    if (other.isEmpty) Array.empty else OffHeapColumnVector.allocateColumns(capacity, otherSchema).toArray
  private val otherValues = new Array[Any](other.length)
  private val otherFields = new GenericInternalRow(otherValues)
  private val otherGetters = other.map(i => InternalRow.getAccessor(attributes(i).dataType)).toArray
  private lazy val converter = CurrentSpark.rowConverter(otherSchema)

  private val columns: Array[ColumnVector] = {
    val converted = other.zip(otherVectors).toMap
    attributes.indices.map(i => converted.getOrElse(i, new RowColumnVector(block, attributes(i).dataType, i))).toArray
  }

  /** Returns at most `capacity` of the rows as a batch. */
  def fill(rows: Iterator[InternalRow]): ColumnarBatch = fill(rows, _ => false)

  /** As above, up to the row with which the batch `isFull`. */
  def fill(rows: Iterator[InternalRow], isFull: InternalRow => Boolean): ColumnarBatch = {
    block.reset()
    otherVectors.foreach(_.reset())
    var ended = false
    while (!ended && block.rows < capacity && rows.hasNext) {
      val row = rows.next()
      ended = isFull(row)
      row match {
        case unsafe: UnsafeRow => block.append(unsafe)
        case any => block.append(toUnsafe(any))
      }
      if (otherVectors.nonEmpty) {
        otherValues.indices.foreach(k => otherValues(k) = otherGetters(k)(row, other(k)))
        converter.convert(otherFields, otherVectors)
      }
    }
    new ColumnarBatch(columns, block.rows)
  }

  override def close(): Unit = {
    block.close()
    otherVectors.foreach(_.close())
  }
}
