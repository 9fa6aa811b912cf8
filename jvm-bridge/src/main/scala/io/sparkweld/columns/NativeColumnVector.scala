package io.sparkweld
package columns

import io.sparkweld.nativelib.Shim

import org.apache.spark.sql.types.{BinaryType, DataType, Decimal}
import org.apache.spark.sql.vectorized.{ColumnarArray, ColumnarMap, ColumnVector}
import org.apache.spark.unsafe.Platform
import org.apache.spark.unsafe.types.UTF8String

/**
 * Stores a column that a kernel writes, off-heap in the kernel's layout (values in natural width, one null byte per row).
 *
 * Its strings and arrays are views of bytes that it does not own: those of the kernel's inputs, constants, or arena. The owner
 * reuses it for every batch: it reserves capacity, lets the kernel write, and sets the number of NULLs.
 */
final class NativeColumnVector(dataType: DataType, capacity: Int) extends ColumnVector(dataType) {
  private val width = ColumnLayout.width(dataType)
  private val isString = StringViews.holds(dataType) || dataType == BinaryType
  private val element = ListViews.elementOf(dataType)
  private val dataBuffer = new OffHeapBuffer
  private val nullsBuffer = new OffHeapBuffer
  private var data = 0L
  private var nulls = 0L
  private var nullCount = 0
  private var room = 0

  ensureCapacity(capacity)

  /** Returns the address of the first value; changes with `ensureCapacity`. */
  def dataAddress: Long = data

  /** Returns the address of the first null byte; changes with `ensureCapacity`. */
  def nullsAddress: Long = nulls

  /** Makes room for `rows` rows. Growing loses the content. Throws NoMemory; it then has no capacity. */
  def ensureCapacity(rows: Int): Unit = if (rows > room || data == 0) {
    room = 0
    data = 0
    data = dataBuffer.reserve(rows.toLong * width)
    nulls = nullsBuffer.reserve(rows.toLong)
    room = rows
  }

  /** Sets the number of NULLs among the rows of the batch that was just written. */
  def setNullCount(n: Int): Unit = nullCount = n

  /** Counts the NULLs among the first `rows` rows. */
  private[columns] def countNulls(rows: Int): Unit = nullCount = Shim.countNulls(nulls, rows.toLong).toInt

  /** Returns rows from `from` as a column without copying; it is valid as long as this one. */
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

  /** Does nothing: the owner writes the next batch into it, so a reader that is done with a batch must not free it. */
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
    if (!isString) unsupported("getUTF8String") else if (isNullAt(row)) null else StringViews.text(data, row)
  override def getBinary(row: Int): Array[Byte] =
    if (!isString) unsupported("getBinary") else if (isNullAt(row)) null else StringViews.text(data, row).getBytes

  override def getArray(row: Int): ColumnarArray = element match {
    case None => unsupported("getArray")
    case Some(_) if isNullAt(row) => null
    case Some(of) => ListViews.array(data, row, of)
  }
  override def getMap(row: Int): ColumnarMap = unsupported("getMap")
  override def getDecimal(row: Int, precision: Int, scale: Int): Decimal =
    if (!ColumnLayout.isUnscaled(dataType)) unsupported("getDecimal")
    else if (isNullAt(row)) null
    else Decimal.createUnsafe(if (width == 4) getInt(row).toLong else getLong(row), precision, scale)
  override def getChild(ordinal: Int): ColumnVector = unsupported("getChild")

  private def unsupported(getter: String): Nothing =
    throw new UnsupportedOperationException(s"$getter of a kernel's output column of type ${dataType.catalogString}")
}
