package io.sparkweld
package columns

import io.sparkweld.spark.ForwardingColumnVector

import org.apache.spark.sql.types.{DataType, Decimal}
import org.apache.spark.sql.vectorized.{ColumnarArray, ColumnarMap}
import org.apache.spark.unsafe.types.{CalendarInterval, UTF8String}

/** Reads every value from a row of another column. It owns nothing. */
abstract class ShownColumnVector(dataType: DataType) extends ForwardingColumnVector(dataType) {
  override def isNullAt(row: Int): Boolean = target.isNullAt(targetRow(row))
  override def getBoolean(row: Int): Boolean = target.getBoolean(targetRow(row))
  override def getByte(row: Int): Byte = target.getByte(targetRow(row))
  override def getShort(row: Int): Short = target.getShort(targetRow(row))
  override def getInt(row: Int): Int = target.getInt(targetRow(row))
  override def getLong(row: Int): Long = target.getLong(targetRow(row))
  override def getFloat(row: Int): Float = target.getFloat(targetRow(row))
  override def getDouble(row: Int): Double = target.getDouble(targetRow(row))
  override def getArray(row: Int): ColumnarArray = target.getArray(targetRow(row))
  override def getMap(row: Int): ColumnarMap = target.getMap(targetRow(row))
  override def getDecimal(row: Int, precision: Int, scale: Int): Decimal = target.getDecimal(targetRow(row), precision, scale)
  override def getUTF8String(row: Int): UTF8String = target.getUTF8String(targetRow(row))
  override def getBinary(row: Int): Array[Byte] = target.getBinary(targetRow(row))
  override protected def interval(row: Int): CalendarInterval = target.getInterval(targetRow(row))
}
