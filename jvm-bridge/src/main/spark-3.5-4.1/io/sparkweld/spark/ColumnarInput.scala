package io.sparkweld
package spark

import org.apache.spark.sql.internal.SQLConf

/** Says whether scalar functions get whole columnar batches, which these lines never do. */
trait ColumnarInput extends SparkPython {
  override def feedsColumnarBatches(conf: SQLConf): Boolean = false
}
