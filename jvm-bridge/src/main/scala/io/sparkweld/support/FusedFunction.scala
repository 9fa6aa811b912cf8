package io.sparkweld.support

import org.apache.spark.sql.catalyst.trees.TreeNodeTag
import org.apache.spark.sql.execution.SparkPlan
import org.apache.spark.sql.types.{DataType, StructType}

/**
 * So many UDFs that run as one pipeline in the Python worker: what explain says of its stages, the rows of a block, bytes moved.
 *
 * @param saves nanoseconds a row that it is expected to save where its input comes in Spark's batches, or to cost
 * @param repeats whether it may save calls, which nobody can say before
 * @param metrics the command of the function that tells what the pipelines of a worker have counted
 * @param parts the same with the first and the last kernel in the JVM, where that is asked for
 */
final case class FusedFunction(
    udf: String,
    functions: Int,
    stages: Seq[String],
    block: String,
    moved: String,
    saves: Double,
    repeats: Boolean,
    metrics: Seq[Byte],
    parts: Option[PipelineParts])

/**
 * The commands of a pipeline's parts: `before` its calls (empty: none), which gives a struct of `fields`; `between` the kernels, one
 * for each of `results`; and `after` the calls, one for each function.
 *
 * @param direct which arguments of the functions the calls take as they are
 * @param forms how many forms there are, which NULLs in a batch decide between
 */
final case class PipelineParts(
    before: Seq[Byte],
    fields: StructType,
    direct: Seq[Int],
    between: Seq[Seq[Byte]],
    results: Seq[DataType],
    after: Seq[Seq[Byte]],
    forms: Int,
    stages: Seq[String],
    moved: String)

object FusedFunction {
  private val Tag = TreeNodeTag[Seq[FusedFunction]]("sparkweld.fused")
  private val Original = TreeNodeTag[SparkPlan]("sparkweld.fused.original")

  /** The name of the function that tells what pipelines have counted, which is none of the query's. */
  val Metrics = "sparkweld_metrics"

  def set(node: SparkPlan, fused: Seq[FusedFunction], original: SparkPlan): Unit = {
    node.setTagValue(Tag, fused)
    node.setTagValue(Original, original)
  }

  def of(node: SparkPlan): Seq[FusedFunction] = node.getTagValue(Tag).getOrElse(Nil)

  /** The node before its functions were fused. */
  def original(node: SparkPlan): Option[SparkPlan] = node.getTagValue(Original)
}
