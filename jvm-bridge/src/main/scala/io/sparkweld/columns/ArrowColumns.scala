package io.sparkweld
package columns

import io.sparkweld.nativelib.{NoMemory, Shim}
import io.sparkweld.spark.CurrentSpark

import org.apache.arrow.memory.BufferAllocator
import org.apache.arrow.vector._
import org.apache.spark.sql.catalyst.expressions.Attribute
import org.apache.spark.sql.types._
import org.apache.spark.sql.vectorized.{ArrowColumnVector, ColumnVector, ColumnarBatch}
import org.apache.spark.unsafe.Platform

/**
 * Concatenates columns of batches in Arrow's memory.
 *
 * It stores values without Arrow's bounds checks, because it tracks the capacity itself.
 *
 * @param zone the session's time zone, which is part of Arrow's timestamp types
 * @param strings the sources of the strings of the batches' columns
 */
private[sparkweld] final class ArrowColumns(
    attributes: Seq[Attribute],
    zone: String,
    capacity: Int,
    allocator: BufferAllocator,
    strings: StringSources) {
  private val columns: Array[ArrowColumn] = attributes.zipWithIndex.map { case (attribute, i) => column(attribute, i) }.toArray
  private val starts = {
    val vector = new BitVector("starts", allocator)
    vector.allocateNew(capacity)
    new FixedColumn(vector, BooleanType, capacity)
  }
  private var filled = 0

  def rows: Int = filled

  def hasRoomFor(more: Int): Boolean = filled + more <= capacity

  /** Returns the bytes of strings so far. */
  def stringBytes: Long = columns.map(_.stringBytes).sum

  /** Marks the next row as the first one of a batch of Spark's. */
  def start(): Unit = starts.setBit(filled)

  /** Appends `rows` rows of `batch` from row `from`; its first columns are those of `attributes`. */
  def add(batch: ColumnarBatch, from: Int, rows: Int): Unit = {
    var i = 0
    while (i < columns.length) {
      columns(i).add(batch.column(i), from, filled, rows)
      i += 1
    }
    filled += rows
  }

  /** Returns the columns, followed by one that is true where a batch starts. The caller closes them. */
  def vectors: Array[ColumnVector] = (columns :+ starts).map(column => new ArrowColumnVector(column.finish(filled)): ColumnVector)

  private def column(attribute: Attribute, i: Int): ArrowColumn = {
    CurrentSpark.arrowVector(attribute, zone, allocator) match {
      case fixed: BaseFixedWidthVector =>
        fixed.allocateNew(capacity)
        new FixedColumn(fixed, attribute.dataType, capacity)
      case text: BaseVariableWidthVector =>
        text.allocateNew(16L * capacity, capacity)
        new StringSink(text, attribute.dataType == BinaryType, capacity, strings(i))
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

/**
 * Locates the strings and binary values of a task's batches. Without the native library (`native`), values are read one by one.
 */
private[sparkweld] final class StringSources(attributes: Seq[Attribute], native: Boolean) extends AutoCloseable {
  private val sources = attributes.map(_.dataType match {
    case text @ (_: StringType | BinaryType) if native => new StringSource(InputColumn.forRows(text).get)
    case _ => null
  }).toArray

  def apply(i: Int): Option[StringSource] = Option(sources(i))

  /** Binds the next batch. */
  def take(batch: ColumnarBatch): Unit = {
    var i = 0
    while (i < sources.length) {
      if (sources(i) != null) sources(i).take(batch.column(i), batch.numRows())
      i += 1
    }
  }

  override def close(): Unit = sources.foreach(source => if (source != null) source.close())
}

/** Locates the strings of one column: binds views for all rows of a batch at once, if there is memory for these. */
private[columns] final class StringSource(input: InputColumn) {
  private var picked = 0L
  private var found = false

  /** Whether the views of the batch are bound. */
  def isReady: Boolean = found

  def take(column: ColumnVector, rows: Int): Unit = {
    found = false
    try {
      picked = input.bindShown(column, rows)
      found = true
    } catch { case _: NoMemory => input.close() }
  }

  /**
   * Writes the ends of strings, the first of which begins at `used`; returns the last. Throws ArithmeticException past the int32
   * range.
   */
  def writeEnds(from: Int, rows: Int, used: Int, to: Long): Int =
    Math.toIntExact(Shim.stringEnds(views(from), numbers(from), rows.toLong, used.toLong, to))

  def copy(from: Int, rows: Int, to: Long): Unit = Shim.copyStrings(views(from), numbers(from), rows.toLong, to)

  def close(): Unit = input.close()

  private def views(from: Int) = if (picked == 0) input.dataAddress + from.toLong * StringViews.Width else input.dataAddress

  private def numbers(from: Int) = if (picked == 0) 0L else picked + from * 4L
}

private sealed abstract class ArrowColumn(vector: FieldVector, capacity: Int) {
  vector.getValidityBuffer.setOne(0, (capacity + 7L) / 8)
  private val validity = vector.getValidityBufferAddress

  def add(column: ColumnVector, from: Int, at: Int, rows: Int): Unit

  def stringBytes: Long

  def finish(rows: Int): FieldVector

  /** Calls `store` with each non-NULL row's number in the column, and its number relative to `from`. */
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

  override def stringBytes: Long = 0

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

private final class StringSink(vector: BaseVariableWidthVector, bytes: Boolean, capacity: Int, source: Option[StringSource])
  extends ArrowColumn(vector, capacity) {
  private val offsets = vector.getOffsetBufferAddress
  private var used = 0
  Platform.putInt(null, offsets, 0)

  override def stringBytes: Long = used.toLong

  override def finish(rows: Int): FieldVector = {
    vector.setLastSet(rows - 1)
    vector.setValueCount(rows)
    vector
  }

  override def add(column: ColumnVector, from: Int, at: Int, rows: Int): Unit = {
    setNulls(column, from, at, rows)
    source.filter(_.isReady) match {
      case Some(strings) =>
        val end = strings.writeEnds(from, rows, used, offsets + 4L * (at + 1))
        makeRoom(end)
        strings.copy(from, rows, vector.getDataBufferAddress + used)
        used = end
      case None => addEach(column, from, at, rows)
    }
  }

  private def addEach(column: ColumnVector, from: Int, at: Int, rows: Int): Unit = {
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
    makeRoom(total)
    Platform.copyMemory(base, offset, null, vector.getDataBufferAddress + used, size.toLong)
    used = total
  }

  private def makeRoom(bytes: Int): Unit = while (vector.getDataBuffer.capacity() < bytes) vector.reallocDataBuffer(bytes.toLong)
}
