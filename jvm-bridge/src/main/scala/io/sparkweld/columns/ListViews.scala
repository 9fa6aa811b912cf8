package io.sparkweld
package columns

import org.apache.spark.sql.types._
import org.apache.spark.sql.vectorized.{ColumnarArray, ColumnarMap, ColumnVector}
import org.apache.spark.unsafe.Platform
import org.apache.spark.unsafe.types.UTF8String

/**
 * Defines the layout of arrays in a kernel's column: one view per row, as for strings.
 *
 * Its address is that of the first element, its length the number n of elements, or ~n when one of them is NULL. Elements have
 * their natural width; strings are views of their own; NULL floats are NaN.
 */
private[sparkweld] object ListViews {
  private val elements =
    Set[DataType](BooleanType, ByteType, ShortType, IntegerType, LongType, FloatType, DoubleType, StringType)

  /** Returns the element type of arrays that kernels support. */
  def elementOf(dataType: DataType): Option[DataType] = dataType match {
    case ArrayType(element, _) if elements(element) => Some(element)
    case _ => None
  }

  def holds(dataType: DataType): Boolean = elementOf(dataType).isDefined

  /** Returns the row's array without copying it. */
  def array(views: Long, row: Int, element: DataType): ColumnarArray =
    new ColumnarArray(elements(views, row, element), 0, StringViews.length(views, row))

  /** Returns the elements of the row's array. `nulls`: the address of their null bytes, 0 when none is NULL. */
  def elements(views: Long, row: Int, element: DataType, nulls: Long = 0): ColumnVector =
    new ElementVector(element, StringViews.address(views, row), nulls)
}

/** Exposes the elements of an array that a kernel made. */
private[columns] final class ElementVector(element: DataType, data: Long, nulls: Long) extends ColumnVector(element) {
  override def close(): Unit = ()
  override def hasNull: Boolean = nulls != 0
  override def numNulls: Int = unsupported("numNulls")
  override def isNullAt(row: Int): Boolean = nulls != 0 && Platform.getByte(null, nulls + row) != 0
  override def getBoolean(row: Int): Boolean = Platform.getByte(null, data + row) != 0
  override def getByte(row: Int): Byte = Platform.getByte(null, data + row)
  override def getShort(row: Int): Short = Platform.getShort(null, data + row * 2L)
  override def getInt(row: Int): Int = Platform.getInt(null, data + row * 4L)
  override def getLong(row: Int): Long = Platform.getLong(null, data + row * 8L)
  override def getFloat(row: Int): Float = Platform.getFloat(null, data + row * 4L)
  override def getDouble(row: Int): Double = Platform.getDouble(null, data + row * 8L)
  override def getArray(row: Int): ColumnarArray = unsupported("getArray")
  override def getMap(row: Int): ColumnarMap = unsupported("getMap")
  override def getDecimal(row: Int, precision: Int, scale: Int): Decimal = unsupported("getDecimal")
  override def getUTF8String(row: Int): UTF8String =
    if (!StringViews.holds(element)) unsupported("getUTF8String") else if (isNullAt(row)) null else StringViews.text(data, row)
  override def getBinary(row: Int): Array[Byte] = unsupported("getBinary")
  override def getChild(ordinal: Int): ColumnVector = unsupported("getChild")

  private def unsupported(getter: String): Nothing =
    throw new UnsupportedOperationException(s"$getter of an element of type ${element.catalogString}")
}
