package io.sparkweld
package plan

import io.sparkweld.{SparkWeldConf, SparkWeldRuntime}
import io.sparkweld.spark.CurrentSpark

import org.apache.spark.TaskContext
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Alias, Attribute, AttributeSet, NamedExpression, SortOrder}
import org.apache.spark.sql.catalyst.util.truncatedString
import org.apache.spark.sql.execution.{OrderPreservingUnaryExecNode, PartitioningPreservingUnaryExecNode}
import org.apache.spark.sql.execution.{SparkPlan, UnaryExecNode}
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.sql.vectorized.ColumnarBatch

/**
 * Runs a chain of Project, Filter and ArrowEvalPython nodes (`steps`, bottom up) as one native kernel over columnar batches.
 *
 * `output` is that of the topmost node. Spark's plan comparisons see the original chain, so exchanges and subqueries are reused
 * as without SparkWeld.
 *
 * @param columnarInput whether Spark would feed the first UDF whole batches of the child
 * @param keepsBatches whether the reader of its batches needs those of the child, row for row
 */
final case class WeldExec(
    steps: Seq[Step],
    kernel: KernelPlan,
    summary: KernelSummary,
    columnarInput: Boolean,
    output: Seq[Attribute],
    child: SparkPlan,
    keepsBatches: Boolean = false)
  extends UnaryExecNode with PartitioningPreservingUnaryExecNode with OrderPreservingUnaryExecNode {

  override def supportsColumnar: Boolean = true

  override def producedAttributes: AttributeSet = outputSet -- child.outputSet

  /** Returns the chain that this node replaces. */
  def original: SparkPlan = steps.foldLeft(child)((below, step) => step.over(below))

  override protected def outputExpressions: Seq[NamedExpression] = output.zip(kernel.layout).map {
    case (attribute, source) if source >= 0 =>
      val column = child.output(source)
      if (column.exprId == attribute.exprId) attribute else Alias(column, attribute.name)(attribute.exprId, attribute.qualifier)
    case (attribute, _) => attribute
  }

  override protected def orderingExpressions: Seq[SortOrder] = child.outputOrdering

  override protected def doCanonicalize(): SparkPlan = CanonicalBatches.of(original)

  /** Returns where the rows run that its kernel does not decide. */
  def elsewhere: String = Step.elsewhere(steps.exists {
    case _: PythonStep | _: MapStep | _: GroupStep => true
    case _ => false
  })

  private lazy val pythonMetrics: Map[String, SQLMetric] = CurrentSpark.pythonMetrics(sparkContext)

  override lazy val metrics: Map[String, SQLMetric] = Map(
    "numOutputRows" -> SQLMetrics.createMetric(sparkContext, "number of output rows"),
    "numOutputBatches" -> SQLMetrics.createMetric(sparkContext, "number of output batches"),
    "kernelBatches" -> SQLMetrics.createMetric(sparkContext, "batches run in kernels"),
    "kernelTime" -> SQLMetrics.createNanoTimingMetric(sparkContext, "time in kernels"),
    "compileTime" -> SQLMetrics.createTimingMetric(sparkContext, "time to load kernels"),
    "cacheRows" -> SQLMetrics.createMetric(sparkContext, "feature-cache lookups"),
    "cachedRows" -> SQLMetrics.createMetric(sparkContext, "feature-cache hits"),
    "textRows" -> SQLMetrics.createMetric(sparkContext, "string-cache lookups"),
    "keptTexts" -> SQLMetrics.createMetric(sparkContext, "string-cache hits"),
    "shadowRows" -> SQLMetrics.createMetric(sparkContext, "rows compared with Python"),
    "shadowDifferences" -> SQLMetrics.createMetric(sparkContext, "batches that differ from Python"),
    "watchedRows" -> SQLMetrics.createMetric(sparkContext, "rows scored by cascades"),
    "unsureRows" -> SQLMetrics.createMetric(sparkContext, "rows deferred to the full model"),
    "guardedRows" -> SQLMetrics.createMetric(sparkContext, "rows flagged by guards"),
    "deoptimisedBatches" -> SQLMetrics.createMetric(sparkContext, s"batches run $elsewhere"),
    "otherRows" -> SQLMetrics.createMetric(sparkContext, s"rows of batches run $elsewhere")) ++ pythonMetrics

  override protected def doExecute(): RDD[InternalRow] =
    throw new UnsupportedOperationException("WeldExec produces columnar batches; Spark must insert ColumnarToRow above it")

  /**
   * Whether a node above may take blocks of rows inside the kernel's loop. All stored columns must be for that node and not be
   * compared, and the kernel must need neither large batches nor whole ones.
   */
  def givesBlocks: Boolean = kernel.watched.isEmpty && kernel.nested.isEmpty && kernel.vectors.isEmpty && kernel.batchRows == 0 &&
    !kernel.wholeBatches && !Step.takesGroups(steps) && SparkWeldConf.ShadowFraction.get(conf) == 0

  override protected def doExecuteColumnar(): RDD[ColumnarBatch] =
    tasks((task, batches, partition) => new WeldTask(task, batches, partition, TaskContext.get()))

  /** Applies `make` to this node's task and batches in each partition. */
  private[plan] def executeWith(make: WeldExec.MakeTask): RDD[ColumnarBatch] = executeQuery(tasks(make))

  private def tasks(make: WeldExec.MakeTask): RDD[ColumnarBatch] = {
    def rare(name: String): RareMetric = RareMetric.of(longMetric(name))
    val counters = WeldMetrics(longMetric("numOutputRows"), longMetric("numOutputBatches"), longMetric("kernelBatches"),
      longMetric("kernelTime"), longMetric("compileTime"), rare("cacheRows"), rare("cachedRows"), rare("textRows"),
      rare("keptTexts"), rare("shadowRows"), rare("shadowDifferences"), rare("watchedRows"), rare("unsureRows"),
      rare("guardedRows"), rare("deoptimisedBatches"), rare("otherRows"))
    // UTF8String length is limited to Int.MaxValue.
    val maxStringBytes = math.min(SparkWeldConf.MaxStringBytes.get(conf), Int.MaxValue.toLong)
    val models = kernel.models.map(block => block.digest -> block.broadcast(sparkContext)).toMap
    val fraction = if (Step.isCut(steps)) 0 else SparkWeldConf.ShadowFraction.get(conf) // the chain has no results to compare
    val shadow = ShadowPlan(fraction, summary.approximate.nonEmpty, summary.singlePrecision, summary.udfs.mkString(", "),
      if (fraction > 0) fullModels else None)
    val drifts = kernel.watched.map(new Drift(_))
    drifts.foreach(sparkContext.register)
    val groups = Step.takesGroups(steps)
    // the cost of Python for a group is not that of its rows, which races measure
    val race = Option.when(SparkWeldConf.DropsSlower.get(conf) && fraction == 0 && !groups)(Races.turn(kernel.requestKey))
    // nodes of the original chain are made here, and a node belongs to the session that is active
    val fallback = CurrentSpark.withActive(session)(Fallback.plan(steps, child.output, columnarInput, conf, pythonMetrics))
    val whole = TaskPlan(kernel, fallback, SparkWeldConf.StreamAfter.get(conf), !child.isInstanceOf[PipelineExec], keepsBatches, groups, maxStringBytes,
      SparkWeldConf.CacheChoice.get(conf), shadow, drifts, race, models, counters)
    child.executeColumnar().mapPartitionsWithIndex((partition, batches) => make(whole, batches, partition))
  }

  /** Returns the chain with full models in place of cascades; None where that does not measure the cascade's loss. */
  private def fullModels: Option[FallbackPlan] = {
    val originals = SparkWeldRuntime.driver.map(_.cascades)
    val whole = steps.map {
      case python: PythonStep => python.copy(udfs = python.udfs.map(udf => originals.fold(udf)(_.undone(udf))))
      case other => other
    }
    Option.when(kernel.watched.length == 1 && kernel.watched.head.labels && whole != steps)(
      Fallback.plan(whole, child.output, columnarInput, conf, pythonMetrics))
  }

  override def nodeName: String = NodeLabel.of("Weld", summary.udfs)

  override def simpleString(maxFields: Int): String = {
    val kept = if (summary.approximate.isEmpty) "" else s", kept=[${summary.approximate.mkString(", ")}]"
    val columns = truncatedString(output, "[", ", ", "]", maxFields)
    s"Weld [${summary.udfs.mkString(", ")}] fused=[${summary.fused.mkString(", ")}], " +
      s"program=${summary.hash.take(12)}$kept, output=$columns"
  }

  override def verboseStringWithOperatorId(): String =
    s"""
       |$formattedNodeName
       |UDFs: ${summary.udfs.mkString(", ")}
       |Fused: ${summary.fused.mkString(", ")}
       |Program: ${summary.hash}
       |Kept differences: ${if (summary.approximate.isEmpty) "none" else summary.approximate.mkString(", ")}
       |Guards: ${if (summary.guarded) "yes" else "no"}
       |Batches: ${if (kernel.batchRows > 0) s"joined, up to ${kernel.batchRows} rows" else "as received"}
       |Output: ${output.mkString("[", ", ", "]")}
       |""".stripMargin

  override protected def withNewChildInternal(newChild: SparkPlan): SparkPlan = copy(child = newChild)
}

object WeldExec {
  /** Makes the task for the batches of the child in one partition. */
  type MakeTask = (TaskPlan, Iterator[ColumnarBatch], Int) => Iterator[ColumnarBatch]
}
