package io.sparkweld
package spark

import org.apache.spark.sql.types.DataType
import org.apache.spark.sql.vectorized.ColumnVector

/** Names the column and the row that a ForwardingColumnVector forwards to. */
abstract class ForwardingBase(dataType: DataType) extends IntervalGetter(dataType) {

  /** The column whose values this one has. */
  protected def target: ColumnVector

  /** Returns the row of `target` for a row of this column. */
  protected def targetRow(row: Int): Int
}
