package io.sparkweld
package spark

import org.apache.spark.sql.types.DataType
import org.apache.spark.sql.vectorized.ColumnVector
import org.apache.spark.unsafe.types.CalendarInterval

/** Lets a column vector compute its intervals, without children that hold their parts. */
abstract class IntervalGetter(dataType: DataType) extends ColumnVector(dataType) {
  protected def interval(row: Int): CalendarInterval

  override def getInterval(row: Int): CalendarInterval = interval(row)
}
