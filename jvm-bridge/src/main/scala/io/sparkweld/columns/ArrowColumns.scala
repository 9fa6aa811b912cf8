package io.sparkweld.columns

import org.apache.arrow.memory.BufferAllocator
import org.apache.arrow.vector._
import org.apache.spark.sql.catalyst.expressions.Attribute
import org.apache.spark.sql.execution.python.sparkweld.SparkInternals
import org.apache.spark.sql.types._
import org.apache.spark.sql.vectorized.{ArrowColumnVector, ColumnVector, ColumnarBatch}
import org.apache.spark.unsafe.Platform

/**
 * Copies columns of batches, one behind the other, into Arrow's memory. Values are stored without checks of Arrow's: this class
 * knows how much it has room for.
 *
 * @param zone the session's time zone, a part of the type of timestamps in Arrow
 */
private[sparkweld] final class ArrowColumns(attributes: Seq[Attribute], zone: String, capacity: Int, allocator: BufferAllocator) {
  private val columns: Array[ArrowColumn] = attributes.map(column).toArray
  private val starts = {
    val vector = new BitVector("starts", allocator)
    vector.allocateNew(capacity)
    new FixedColumn(vector, BooleanType, capacity)
  }
  private var filled = 0

  def rows: Int = filled

  def hasRoomFor(more: Int): Boolean = filled + more <= capacity

  /** Bytes of texts so far. */
  def textBytes: Long = columns.map(_.textBytes).sum

  /** The next row is the first one of a batch of Spark's. */
  def start(): Unit = starts.setBit(filled)

  /** `rows` rows of `batch`, whose first columns are those of `attributes`, from the row `from` on. */
  def add(batch: ColumnarBatch, from: Int, rows: Int): Unit = {
    var i = 0
    while (i < columns.length) {
      columns(i).add(batch.column(i), from, filled, rows)
      i += 1
    }
    filled += rows
  }

  /** The columns, and behind them one that is true where a batch starts. Whoever has them closes them. */
  def vectors: Array[ColumnVector] = (columns :+ starts).map(column => new ArrowColumnVector(column.finish(filled)): ColumnVector)

  private def column(attribute: Attribute): ArrowColumn = {
    SparkInternals.arrowVector(attribute, zone, allocator) match {
      case fixed: BaseFixedWidthVector =>
        fixed.allocateNew(capacity)
        new FixedColumn(fixed, attribute.dataType, capacity)
      case text: BaseVariableWidthVector =>
        text.allocateNew(16L * capacity, capacity)
        new TextColumn(text, attribute.dataType == BinaryType, capacity)
      case other => throw new IllegalArgumentException(s"a ${other.getClass.getSimpleName} of ${attribute.dataType.sql}")
    }
  }
}

private[sparkweld] object ArrowColumns {
  /** Whether columns of this type can be copied. */
  def holds(dataType: DataType): Boolean = dataType match {
    case BooleanType | ByteType | ShortType | IntegerType | LongType | FloatType | DoubleType | DateType | TimestampType |
        TimestampNTZType | BinaryType => true
    case text: StringType => text == StringType
    case _ => false
  }
}

private sealed abstract class ArrowColumn(vector: FieldVector, capacity: Int) {
  vector.getValidityBuffer.setOne(0, (capacity + 7L) / 8)
  private val validity = vector.getValidityBufferAddress

  def add(column: ColumnVector, from: Int, at: Int, rows: Int): Unit

  def textBytes: Long

  def finish(rows: Int): FieldVector

  /** Calls `store` with the numbers of the rows that are not NULL, in all and from `from` on. */
  protected def foreach(column: ColumnVector, from: Int, rows: Int)(store: (Int, Int) => Unit): Unit = {
    val some = column.hasNull
    var i = 0
    while (i < rows) {
      if (!some || !column.isNullAt(from + i)) store(from + i, i)
      i += 1
    }
  }

  protected def setNulls(column: ColumnVector, from: Int, at: Int, rows: Int): Unit = if (column.hasNull) {
    var i = 0
    while (i < rows) {
      if (column.isNullAt(from + i)) {
        val byte = validity + ((at + i) >> 3)
        Platform.putByte(null, byte, (Platform.getByte(null, byte) & ~(1 << ((at + i) & 7))).toByte)
      }
      i += 1
    }
  }
}

private final class FixedColumn(vector: BaseFixedWidthVector, dataType: DataType, capacity: Int)
  extends ArrowColumn(vector, capacity) {
  private val data = vector.getDataBufferAddress
  if (dataType == BooleanType) vector.getDataBuffer.setZero(0, (capacity + 7L) / 8)

  override def textBytes: Long = 0

  override def finish(rows: Int): FieldVector = {
    vector.setValueCount(rows)
    vector
  }

  override def add(column: ColumnVector, from: Int, at: Int, rows: Int): Unit = {
    setNulls(column, from, at, rows)
    dataType match {
      case DoubleType => foreach(column, from, rows)((row, i) => Platform.putDouble(null, data + 8L * (at + i), column.getDouble(row)))
      case FloatType => foreach(column, from, rows)((row, i) => Platform.putFloat(null, data + 4L * (at + i), column.getFloat(row)))
      case LongType | TimestampType | TimestampNTZType =>
        foreach(column, from, rows)((row, i) => Platform.putLong(null, data + 8L * (at + i), column.getLong(row)))
      case IntegerType | DateType =>
        foreach(column, from, rows)((row, i) => Platform.putInt(null, data + 4L * (at + i), column.getInt(row)))
      case ShortType => foreach(column, from, rows)((row, i) => Platform.putShort(null, data + 2L * (at + i), column.getShort(row)))
      case ByteType => foreach(column, from, rows)((row, i) => Platform.putByte(null, data + at + i, column.getByte(row)))
      case _ => foreach(column, from, rows)((row, i) => if (column.getBoolean(row)) setBit(at + i))
    }
  }

  def setBit(at: Int): Unit =
    Platform.putByte(null, data + (at >> 3), (Platform.getByte(null, data + (at >> 3)) | (1 << (at & 7))).toByte)
}

private final class TextColumn(vector: BaseVariableWidthVector, bytes: Boolean, capacity: Int) extends ArrowColumn(vector, capacity) {
  private val offsets = vector.getOffsetBufferAddress
  private var used = 0
  Platform.putInt(null, offsets, 0)

  override def textBytes: Long = used.toLong

  override def finish(rows: Int): FieldVector = {
    vector.setLastSet(rows - 1)
    vector.setValueCount(rows)
    vector
  }

  override def add(column: ColumnVector, from: Int, at: Int, rows: Int): Unit = {
    setNulls(column, from, at, rows)
    var i = 0
    while (i < rows) {
      if (!column.isNullAt(from + i)) {
        if (bytes) {
          val value = column.getBinary(from + i)
          append(value, Platform.BYTE_ARRAY_OFFSET, value.length)
        } else {
          val value = column.getUTF8String(from + i)
          append(value.getBaseObject, value.getBaseOffset, value.numBytes)
        }
      }
      Platform.putInt(null, offsets + 4L * (at + i + 1), used)
      i += 1
    }
  }

  private def append(base: AnyRef, offset: Long, size: Int): Unit = {
    val total = Math.addExact(used, size)
    while (vector.getDataBuffer.capacity() < total) vector.reallocDataBuffer(total.toLong)
    Platform.copyMemory(base, offset, null, vector.getDataBufferAddress + used, size.toLong)
    used = total
  }
}
