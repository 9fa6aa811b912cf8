package io.sparkweld
package support

import org.apache.spark.sql.catalyst.trees.TreeNodeTag
import org.apache.spark.sql.execution.SparkPlan

/**
 * Describes UDFs that run as one pipeline in the Python worker: its stages for explain, the rows of a block, and the bytes moved.
 *
 * @param functions the number of the UDFs
 * @param saves nanoseconds per row that it should save where its input comes in Spark's batches; negative: cost
 * @param repeats whether it may save repeated calls, which cannot be predicted
 * @param metrics the command of the function that returns the counters of a worker's pipelines
 */
final case class FusedFunction(
    udf: String,
    functions: Int,
    stages: Seq[String],
    block: String,
    moved: String,
    saves: Double,
    repeats: Boolean,
    metrics: Seq[Byte])

object FusedFunction {
  private val Tag = TreeNodeTag[Seq[FusedFunction]]("sparkweld.worker")
  private val Original = TreeNodeTag[SparkPlan]("sparkweld.worker.original")

  /** The name of the function that returns the pipelines' counters; it is none of the query's functions. */
  val Metrics = "sparkweld_metrics"

  def set(node: SparkPlan, fused: Seq[FusedFunction], original: SparkPlan): Unit = {
    node.setTagValue(Tag, fused)
    node.setTagValue(Original, original)
  }

  def of(node: SparkPlan): Seq[FusedFunction] = node.getTagValue(Tag).getOrElse(Nil)

  /** Returns the node before its functions were fused. */
  def original(node: SparkPlan): Option[SparkPlan] = node.getTagValue(Original)
}
