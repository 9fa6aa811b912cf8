package io.sparkweld.columns

import org.apache.spark.sql.catalyst.{InternalRow, ProjectingInternalRow}
import org.apache.spark.sql.catalyst.expressions.{Attribute, UnsafeProjection, UnsafeRow}
import org.apache.spark.sql.execution.python.sparkweld.SparkInternals
import org.apache.spark.sql.execution.vectorized.{OffHeapColumnVector, WritableColumnVector}
import org.apache.spark.sql.types.{StructField, StructType}
import org.apache.spark.sql.vectorized.{ColumnVector, ColumnarBatch}
import org.apache.spark.unsafe.Platform

/**
 * Turns rows into batches: values of fixed width go from the row's words straight into a kernel's layout, all others
 * through Spark's own converter. A batch holds until the next `fill`. Serves one task.
 */
final class RowColumns(attributes: Seq[Attribute], capacity: Int) extends AutoCloseable {
  private val (fixed, other) = attributes.indices.partition(i => isFixed(attributes(i)))
  private val ordinals = fixed.toArray
  private val vectors = ordinals.map(i => new NativeColumnVector(attributes(i).dataType, capacity))
  private val widths = ordinals.map(i => ColumnLayout.width(attributes(i).dataType))
  private val values = vectors.map(_.dataAddress)
  private val nulls = vectors.map(_.nullsAddress)
  private val nullCounts = new Array[Int](ordinals.length)
  private val slots = UnsafeRow.calculateBitSetWidthInBytes(attributes.length)
  private lazy val toUnsafe = UnsafeProjection.create(attributes, attributes)

  private val otherSchema = StructType(other.map { i =>
    StructField(attributes(i).name, attributes(i).dataType, attributes(i).nullable)
  })
  private val otherVectors: Array[WritableColumnVector] =
    if (other.isEmpty) Array.empty else OffHeapColumnVector.allocateColumns(capacity, otherSchema).toArray
  private val otherFields = new ProjectingInternalRow(otherSchema, other.toIndexedSeq)
  private lazy val converter = SparkInternals.converter(otherSchema)

  private val columns: Array[ColumnVector] = {
    val all = new Array[ColumnVector](attributes.length)
    ordinals.indices.foreach(k => all(ordinals(k)) = vectors(k))
    other.indices.foreach(k => all(other(k)) = otherVectors(k))
    all
  }

  /** At most `capacity` of the rows as a batch. */
  def fill(rows: Iterator[InternalRow]): ColumnarBatch = {
    java.util.Arrays.fill(nullCounts, 0)
    otherVectors.foreach(_.reset())
    var count = 0
    while (count < capacity && rows.hasNext) {
      val row = rows.next()
      row match {
        case unsafe: UnsafeRow => take(unsafe, count)
        case any => take(toUnsafe(any), count)
      }
      if (otherVectors.nonEmpty) {
        otherFields.project(row)
        converter.convert(otherFields, otherVectors)
      }
      count += 1
    }
    vectors.indices.foreach(k => vectors(k).setNullCount(nullCounts(k)))
    new ColumnarBatch(columns, count)
  }

  def close(): Unit = {
    vectors.foreach(_.close())
    otherVectors.foreach(_.close())
  }

  /** An UnsafeRow is a bit set of its NULLs, then a word of 8 bytes a field, whose first bytes hold the value. */
  private def take(row: UnsafeRow, at: Int): Unit = {
    val (base, start) = (row.getBaseObject, row.getBaseOffset)
    var k = 0
    while (k < ordinals.length) {
      val ordinal = ordinals(k)
      val isNull = (Platform.getLong(base, start + ((ordinal >> 6) << 3)) >>> (ordinal & 63)) & 1
      Platform.putByte(null, nulls(k) + at, isNull.toByte)
      nullCounts(k) += isNull.toInt
      val word = start + slots + ordinal * 8L
      widths(k) match { // a NULL's word is zero
        case 8 => Platform.putLong(null, values(k) + at * 8L, Platform.getLong(base, word))
        case 4 => Platform.putInt(null, values(k) + at * 4L, Platform.getInt(base, word))
        case 2 => Platform.putShort(null, values(k) + at * 2L, Platform.getShort(base, word))
        case _ => Platform.putByte(null, values(k) + at, Platform.getByte(base, word))
      }
      k += 1
    }
  }

  private def isFixed(attribute: Attribute): Boolean =
    ColumnLayout.supports(attribute.dataType) && !TextViews.holds(attribute.dataType)
}
