package io.sparkweld
package spark

import org.apache.spark.sql.types.DataType

/** Forwards the getters that only some lines of Spark have to another row of another column: none in this one. */
abstract class ForwardingColumnVector(dataType: DataType) extends ForwardingBase(dataType)
