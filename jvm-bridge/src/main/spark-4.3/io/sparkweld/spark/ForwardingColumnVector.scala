package io.sparkweld
package spark

import org.apache.spark.sql.types.DataType
import org.apache.spark.unsafe.types.{BinaryView, TimestampNanosVal}

/** Forwards the getters that only some lines of Spark have to another row of another column. */
abstract class ForwardingColumnVector(dataType: DataType) extends ForwardingBase(dataType) {
  override def getBinaryView(row: Int): BinaryView = target.getBinaryView(targetRow(row))
  override def getTimestampNTZNanos(row: Int): TimestampNanosVal = target.getTimestampNTZNanos(targetRow(row))
  override def getTimestampLTZNanos(row: Int): TimestampNanosVal = target.getTimestampLTZNanos(targetRow(row))
}
