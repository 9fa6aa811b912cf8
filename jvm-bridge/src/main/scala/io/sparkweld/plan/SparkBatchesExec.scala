package io.sparkweld
package plan

import io.sparkweld.columns.{JoinedBatches, RegroupedBatches}

import org.apache.spark.TaskContext
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.util.truncatedString
import org.apache.spark.sql.execution.SparkPlan
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.sql.vectorized.ColumnarBatch

/**
 * Regroups the rows of a partition into the Arrow batches that Spark would make of them for the Python functions above.
 *
 * pandas has other dtypes in a batch with NULLs, so a row's result may depend on its neighbours. Spark gathers the rows of a
 * filter, a join or a projection across the batches and files of a partition; a kernel over the child's own batches would return
 * different rows.
 *
 * @param why the functions above need them, for explain
 */
final case class SparkBatchesExec(limits: BatchLimits, why: String, child: SparkPlan) extends SameRows {
  override def nodeName: String = "WeldSparkBatches"
  override def supportsColumnar: Boolean = true
  override protected def withNewChildInternal(newChild: SparkPlan): SparkPlan = copy(child = newChild)
  override def simpleString(maxFields: Int): String =
    s"$nodeName ${limits.most} rows: $why, output=${truncatedString(output, "[", ", ", "]", maxFields)}"

  override lazy val metrics: Map[String, SQLMetric] = Map(
    "numOutputBatches" -> SQLMetrics.createMetric(sparkContext, "number of output batches"))

  override protected def doExecute(): RDD[InternalRow] =
    throw new UnsupportedOperationException("WeldSparkBatches produces columnar batches for a kernel")

  override protected def doExecuteColumnar(): RDD[ColumnarBatch] = {
    val (columns, bounds, batches) = (child.output, limits, longMetric("numOutputBatches"))
    child.executeColumnar().mapPartitions { input =>
      val regrouped = new RegroupedBatches(input, columns.map(_.dataType), bounds.most, bounds.strings(columns))
      TaskContext.get().addTaskCompletionListener[Unit](_ => regrouped.close())
      regrouped.map { batch =>
        batches += 1
        batch
      }
    }
  }
}

object SparkBatchesExec {
  /** Returns `plan` with the batches of its child preserved, where these are Spark's and functions above see them. */
  def keptBy(plan: SparkPlan): SparkPlan = plan match {
    case weld: WeldExec if !Step.takesGroups(weld.steps) => weld.copy(keepsBatches = true)
    case pipeline: PipelineExec => pipeline.keepingBatches
    case other => other
  }

  /**
   * Returns the node over `child`: over its rows, when its columns cannot be copied, or do not determine where Spark would end a
   * batch.
   */
  def over(limits: BatchLimits, why: String, child: SparkPlan): SparkBatchesExec = {
    val copies = JoinedBatches.supports(child.output.map(_.dataType)) && (!limits.byValues || limits.strings(child.output).isDefined)
    SparkBatchesExec(limits, why, if (child.supportsColumnar && !copies) RowInputExec(child) else child)
  }
}
