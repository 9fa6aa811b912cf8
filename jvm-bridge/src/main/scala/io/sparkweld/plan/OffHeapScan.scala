package io.sparkweld.plan

import org.apache.spark.rdd.RDD
import org.apache.spark.sql.execution.SparkPlan
import org.apache.spark.sql.types.{ArrayType, DataType, MapType, StructType}
import org.apache.spark.sql.vectorized.ColumnarBatch

/**
 * The batches of a kernel's child, off-heap where that is a scan of flat columns, so that the kernel reads them where they lie.
 *
 * It is not turned on for the session: Spark's own functions of arrays (`transform`, `filter`, `exists`, `aggregate`) read elements
 * that are NULL, whose dictionary ids off-heap vectors leave unset, and fail with ArrayIndexOutOfBoundsException.
 */
private[plan] object OffHeapScan {
  private val Key = "spark.sql.columnVector.offheap.enabled"

  def batches(child: SparkPlan): RDD[ColumnarBatch] = {
    val conf = child.session.sessionState.conf
    if (conf.contains(Key) || child.output.exists(column => isNested(column.dataType))) child.executeColumnar()
    else {
      conf.setConfString(Key, "true") // a scan reads it when it makes its RDD
      try child.executeColumnar()
      finally conf.unsetConf(Key)
    }
  }

  private def isNested(dataType: DataType): Boolean = dataType match {
    case _: ArrayType | _: MapType | _: StructType => true
    case _ => false
  }
}
