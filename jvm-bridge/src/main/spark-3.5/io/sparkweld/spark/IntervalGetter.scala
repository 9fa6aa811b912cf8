package io.sparkweld
package spark

import org.apache.spark.sql.types.DataType
import org.apache.spark.sql.vectorized.ColumnVector
import org.apache.spark.unsafe.types.CalendarInterval

/** Ignores how a column vector computes its intervals: Spark 3 always reads them from its children. */
abstract class IntervalGetter(dataType: DataType) extends ColumnVector(dataType) {
  protected def interval(row: Int): CalendarInterval
}
