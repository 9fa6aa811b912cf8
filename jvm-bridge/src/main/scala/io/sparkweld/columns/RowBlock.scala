package io.sparkweld
package columns

import scala.collection.mutable.ArrayBuffer

import io.sparkweld.nativelib.NoMemory
import io.sparkweld.spark.{CurrentSpark, IntervalGetter}

import org.apache.spark.sql.catalyst.expressions.UnsafeRow
import org.apache.spark.sql.types._
import org.apache.spark.sql.vectorized.{ColumnarArray, ColumnarMap, ColumnVector}
import org.apache.spark.unsafe.Platform
import org.apache.spark.unsafe.types.{CalendarInterval, UTF8String}

/**
 * Stores unchanged copies of UnsafeRows off-heap.
 *
 * Kernels read each column with one loop of the shim, and strings as views in place; a column that is only passed through costs
 * nothing. Rows without native memory are on the heap, where getters read them.
 *
 * @param fields the number of fields of each row
 * @param capacity the most rows
 */
private[columns] final class RowBlock(val fields: Int, capacity: Int) extends AutoCloseable {
  private val bytes = new ByteStore
  private val addresses = new OffHeapBuffer
  private val row = new UnsafeRow(fields)
  private val onHeap = ArrayBuffer.empty[UnsafeRow] // the rows from the first one without native memory
  private var room = true
  private var count = 0
  private var shown = -1

  def rows: Int = count

  /** Whether all rows are at the addresses in `rowsAddress`. */
  def isNative: Boolean = onHeap.isEmpty

  /** Returns the address of the rows' addresses. */
  def rowsAddress: Long = addresses.address

  /** Forgets all rows. */
  def reset(): Unit = {
    bytes.reset()
    onHeap.clear()
    room = true
    whileRoom(addresses.reserve(capacity * 8L))
    count = 0
    shown = -1
  }

  /** Copies a row, to the heap when there is no native memory. */
  def append(next: UnsafeRow): Unit = {
    whileRoom {
      val at = bytes.put(next.getBaseObject, next.getBaseOffset, next.getSizeInBytes)
      Platform.putLong(null, addresses.address + count * 8L, at)
    }
    if (!room) onHeap += next.copy()
    count += 1
  }

  private def whileRoom(put: => Unit): Unit =
    try if (room) put
    catch { case _: NoMemory => room = false }

  /** Returns row `i`, valid until another row is requested. */
  def apply(i: Int): UnsafeRow = {
    val native = count - onHeap.length
    if (i >= native) return onHeap(i - native)
    if (i != shown) {
      // fields are located from the address alone; only copies of the row need its size
      row.pointTo(null, Platform.getLong(null, addresses.address + i * 8L), 0)
      shown = i
    }
    row
  }

  override def close(): Unit = {
    bytes.close()
    addresses.close()
    onHeap.clear()
    count = 0
  }
}

/** Exposes a field of the rows of a block. */
private[columns] final class RowColumnVector(val block: RowBlock, dataType: DataType, val ordinal: Int)
  extends IntervalGetter(dataType) {

  /** Does nothing: the block owns the memory. */
  override def close(): Unit = ()
  override def closeIfFreeable(): Unit = ()

  override def hasNull: Boolean = (0 until block.rows).exists(isNullAt)
  override def numNulls: Int = (0 until block.rows).count(isNullAt)
  override def isNullAt(row: Int): Boolean = block(row).isNullAt(ordinal)
  override def getBoolean(row: Int): Boolean = block(row).getBoolean(ordinal)
  override def getByte(row: Int): Byte = block(row).getByte(ordinal)
  override def getShort(row: Int): Short = block(row).getShort(ordinal)
  override def getInt(row: Int): Int = block(row).getInt(ordinal)
  override def getLong(row: Int): Long = block(row).getLong(ordinal)
  override def getFloat(row: Int): Float = block(row).getFloat(ordinal)
  override def getDouble(row: Int): Double = block(row).getDouble(ordinal)
  override def getDecimal(row: Int, precision: Int, scale: Int): Decimal = block(row).getDecimal(ordinal, precision, scale)
  override def getUTF8String(row: Int): UTF8String = block(row).getUTF8String(ordinal)
  override def getBinary(row: Int): Array[Byte] = block(row).getBinary(ordinal)
  override protected def interval(row: Int): CalendarInterval = block(row).getInterval(ordinal)

  override def getArray(row: Int): ColumnarArray = throw new UnsupportedOperationException("an array of a block of rows")
  override def getMap(row: Int): ColumnarMap = throw new UnsupportedOperationException("a map of a block of rows")
  override def getChild(child: Int): ColumnVector = throw new UnsupportedOperationException("a struct of a block of rows")
}

private[columns] object RowColumnVector {

  /** Whether a column of this type can read from rows: a column vector has a single getter for it. */
  def supports(dataType: DataType): Boolean = dataType match {
    case BooleanType | ByteType | ShortType | IntegerType | LongType | FloatType | DoubleType | DateType | TimestampType |
        TimestampNTZType | BinaryType | NullType => true
    case CalendarIntervalType => !CurrentSpark.intervalsNeedChildren
    case _: StringType | _: DecimalType | _: DayTimeIntervalType | _: YearMonthIntervalType => true
    case _ => false
  }
}
