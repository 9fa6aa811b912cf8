package io.sparkweld
package columns

import org.apache.spark.sql.types.{DataType, StringType}
import org.apache.spark.unsafe.Platform
import org.apache.spark.unsafe.types.UTF8String

/**
 * Defines the layout of strings in a kernel's column: one view per row, an int64 address and an int64 length in bytes.
 *
 * The bytes are UTF-8, anywhere in memory. The view of a NULL row has length 0.
 */
private[sparkweld] object StringViews {
  val Width = 16

  /** Whether the type is a string that compares by bytes and has no declared length: no collation, no CHAR or VARCHAR. */
  def holds(dataType: DataType): Boolean = dataType == StringType

  def put(views: Long, row: Int, address: Long, length: Int): Unit = {
    Platform.putLong(null, views + row.toLong * Width, address)
    Platform.putLong(null, views + row.toLong * Width + 8, length.toLong)
  }

  def address(views: Long, row: Int): Long = Platform.getLong(null, views + row.toLong * Width)

  def length(views: Long, row: Int): Int = Platform.getLong(null, views + row.toLong * Width + 8).toInt

  /** Returns the row's string without copying it. */
  def text(views: Long, row: Int): UTF8String = UTF8String.fromAddress(null, address(views, row), length(views, row))
}
