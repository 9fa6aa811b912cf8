package io.sparkweld.support

import org.apache.spark.sql.catalyst.trees.TreeNodeTag
import org.apache.spark.sql.execution.SparkPlan
import org.apache.spark.sql.types.{DataType, StructType}

/**
 * Describes UDFs that run as one pipeline in the Python worker: its stages for explain, the rows of a block, and the bytes moved.
 *
 * @param functions the number of the UDFs
 * @param saves nanoseconds per row that it should save where its input comes in Spark's batches; negative: cost
 * @param repeats whether it may save repeated calls, which cannot be predicted
 * @param metrics the command of the function that returns the counters of a worker's pipelines
 * @param parts the pipeline with its first and last kernel in the JVM, when that is requested
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
 * The commands of a pipeline that is split between JVM and Python worker. `before`: the kernel before its calls (empty: none),
 * which returns a struct of `fields`. `between`: the Python stage between the kernels, one command per element of `results`.
 * `after`: the kernel after its calls, one command per function.
 *
 * @param direct the arguments of the functions that the calls take unchanged
 * @param forms the number of forms; the NULLs in a batch select one
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
