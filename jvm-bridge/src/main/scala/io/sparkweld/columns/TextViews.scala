package io.sparkweld.columns

import org.apache.spark.sql.types.{DataType, StringType}
import org.apache.spark.unsafe.Platform
import org.apache.spark.unsafe.types.UTF8String

/**
 * How text lies in a kernel's column: one view a row, an int64 address and an int64 length in bytes. The bytes are
 * UTF-8, wherever they lie. The view of a NULL row has the length 0.
 */
private[sparkweld] object TextViews {
  val Width = 16

  /** Strings that compare by their bytes and have no length of their own: no collation, no CHAR or VARCHAR. */
  def holds(dataType: DataType): Boolean = dataType == StringType

  def put(views: Long, row: Int, address: Long, length: Int): Unit = {
    Platform.putLong(null, views + row.toLong * Width, address)
    Platform.putLong(null, views + row.toLong * Width + 8, length.toLong)
  }

  def address(views: Long, row: Int): Long = Platform.getLong(null, views + row.toLong * Width)

  def length(views: Long, row: Int): Int = Platform.getLong(null, views + row.toLong * Width + 8).toInt

  /** The row's text, where it lies. */
  def text(views: Long, row: Int): UTF8String = UTF8String.fromAddress(null, address(views, row), length(views, row))
}
