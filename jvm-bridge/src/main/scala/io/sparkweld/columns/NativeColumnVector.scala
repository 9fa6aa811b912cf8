package io.sparkweld.columns

import io.sparkweld.nativelib.Shim

import org.apache.spark.sql.types.{DataType, Decimal}
import org.apache.spark.sql.vectorized.{ColumnarArray, ColumnarMap, ColumnVector}
import org.apache.spark.unsafe.Platform
import org.apache.spark.unsafe.types.UTF8String

/**
 * A column that a kernel writes: off-heap, in the kernel's layout (values in their natural width, one null byte a row).
 * Its texts and arrays are views of bytes that are not its own: those of the kernel's inputs, of its constants, or of its arena.
 *
 * The owner reuses it for every batch: it makes room, lets the kernel write, and says how many NULLs there are.
 */
final class NativeColumnVector(dataType: DataType, capacity: Int) extends ColumnVector(dataType) {
  private val width = ColumnLayout.width(dataType)
  private val isText = TextViews.holds(dataType)
  private val element = ListViews.elementOf(dataType)
  private val dataBuffer = new OffHeapBuffer
  private val nullsBuffer = new OffHeapBuffer
  private var data = 0L
  private var nulls = 0L
  private var nullCount = 0
  private var room = 0

  ensureCapacity(capacity)

  /** Address of the first value; changes with `ensureCapacity`. */
  def dataAddress: Long = data

  /** Address of the first null byte; changes with `ensureCapacity`. */
  def nullsAddress: Long = nulls

  /** Makes room for `rows` rows. What was in it is lost when it grows. Throws NoMemory; it then has none. */
  def ensureCapacity(rows: Int): Unit = if (rows > room || data == 0) {
    room = 0
    data = 0
    data = dataBuffer.reserve(rows.toLong * width)
    nulls = nullsBuffer.reserve(rows.toLong)
    room = rows
  }

  /** The number of NULLs among the rows of the batch that was just written. */
  def setNullCount(n: Int): Unit = nullCount = n

  /** Counts the NULLs among the first `rows` rows. */
  private[columns] def countNulls(rows: Int): Unit = nullCount = Shim.countNulls(nulls, rows.toLong).toInt

  /** Rows from `from` on, where they are: they hold as long as this column does. */
  private[columns] def slice(from: Int, rows: Int): NativeColumnVector = {
    val shown = new NativeColumnVector(dataType, 0)
    shown.close() // it owns nothing
    shown.data = data + from.toLong * width
    shown.nulls = nulls + from
    shown.countNulls(rows)
    shown
  }

  override def close(): Unit = {
    dataBuffer.close()
    nullsBuffer.close()
    data = 0
    nulls = 0
    room = 0
  }

  /** Nothing: the owner writes the next batch into it, a reader that is done with a batch must not free it. */
  override def closeIfFreeable(): Unit = ()

  override def hasNull: Boolean = nullCount > 0
  override def numNulls: Int = nullCount
  override def isNullAt(row: Int): Boolean = Platform.getByte(null, nulls + row) != 0

  override def getBoolean(row: Int): Boolean = Platform.getByte(null, data + row) != 0
  override def getByte(row: Int): Byte = Platform.getByte(null, data + row)
  override def getShort(row: Int): Short = Platform.getShort(null, data + row * 2L)
  override def getInt(row: Int): Int = Platform.getInt(null, data + row * 4L)
  override def getLong(row: Int): Long = Platform.getLong(null, data + row * 8L)
  override def getFloat(row: Int): Float = Platform.getFloat(null, data + row * 4L)
  override def getDouble(row: Int): Double = Platform.getDouble(null, data + row * 8L)

  override def getUTF8String(row: Int): UTF8String =
    if (!isText) unsupported("getUTF8String") else if (isNullAt(row)) null else TextViews.text(data, row)
  override def getBinary(row: Int): Array[Byte] =
    if (!isText) unsupported("getBinary") else if (isNullAt(row)) null else TextViews.text(data, row).getBytes

  override def getArray(row: Int): ColumnarArray = element match {
    case None => unsupported("getArray")
    case Some(_) if isNullAt(row) => null
    case Some(of) => ListViews.array(data, row, of)
  }
  override def getMap(row: Int): ColumnarMap = unsupported("getMap")
  override def getDecimal(row: Int, precision: Int, scale: Int): Decimal = unsupported("getDecimal")
  override def getChild(ordinal: Int): ColumnVector = unsupported("getChild")

  private def unsupported(getter: String): Nothing =
    throw new UnsupportedOperationException(s"$getter of a kernel's output column of type ${dataType.catalogString}")
}
