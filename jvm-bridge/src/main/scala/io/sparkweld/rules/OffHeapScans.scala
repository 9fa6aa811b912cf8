package io.sparkweld
package rules

import io.sparkweld.plan.{OffHeapParquet, PipelineExec, SparkBatchesExec, WeldAggregateExec, WeldExec, WeldThresholdExec, WeldTopExec}
import io.sparkweld.support.WarnOnce

import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.execution.{FileSourceScanExec, SparkPlan}
import org.apache.spark.sql.execution.datasources.parquet.ParquetFileFormat
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.{ArrayType, DataType, MapType, StructType}

/**
 * Makes Parquet scans right below kernels read into off-heap vectors, which kernels read without a copy.
 *
 * Only these scans change, not the session's setting: over off-heap vectors Spark's own `transform`, `filter`, `exists` and
 * `aggregate` of dictionary-encoded arrays fail with ArrayIndexOutOfBoundsException where an element is NULL. For the same reason
 * scans of nested columns do not change. A value that the user sets for `spark.sql.columnVector.offheap.enabled` takes
 * precedence.
 */
object OffHeapScans extends Rule[SparkPlan] {
  override def apply(plan: SparkPlan): SparkPlan =
    if (conf.contains(SQLConf.COLUMN_VECTOR_OFFHEAP_ENABLED.key) || !plan.exists(isKernelNode)) plan
    else WarnOnce.guard("the choice of off-heap vectors", plan)(plan.transformUp {
      case node if isKernelNode(node) => node.mapChildren {
          case scan: FileSourceScanExec if isSupported(scan) => offHeap(scan)
          case other => other
        }
    })

  private def isKernelNode(node: SparkPlan): Boolean = node match {
    case _: WeldExec | _: WeldAggregateExec | _: WeldThresholdExec | _: WeldTopExec | _: SparkBatchesExec | _: PipelineExec => true
    case _ => false
  }

  /** Whether the scan can change. Subclasses of the format, such as Delta's, may read differently. */
  private def isSupported(scan: FileSourceScanExec): Boolean =
    scan.relation.fileFormat.getClass == classOf[ParquetFileFormat] && scan.supportsColumnar &&
      !scan.output.exists(column => isNested(column.dataType))

  private def isNested(dataType: DataType): Boolean = dataType match {
    case _: ArrayType | _: MapType | _: StructType => true
    case _ => false
  }

  /**
   * Returns the scan with off-heap vectors. An option marks it, too: formats equal their subclasses, and of two equal nodes Spark
   * keeps the old one.
   */
  private def offHeap(scan: FileSourceScanExec): SparkPlan = {
    val options = scan.relation.options + (SQLConf.COLUMN_VECTOR_OFFHEAP_ENABLED.key -> "true")
    val relation = scan.relation.copy(fileFormat = new OffHeapParquet, options = options)(scan.relation.sparkSession)
    val changed = scan.copy(relation = relation)
    changed.copyTagsFrom(scan)
    changed
  }
}
