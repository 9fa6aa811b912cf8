package io.sparkweld
package plan

import io.sparkweld.compile.FormOrigin
import io.sparkweld.spark.{CurrentSpark, PartialAggregate}

import org.apache.spark.TaskContext
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, AttributeSet, NamedExpression}
import org.apache.spark.sql.catalyst.expressions.aggregate.AggregateExpression
import org.apache.spark.sql.catalyst.util.truncatedString
import org.apache.spark.sql.execution.{PartitioningPreservingUnaryExecNode, SparkPlan, UnaryExecNode}
import org.apache.spark.sql.execution.aggregate.HashAggregateExec
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.sql.types.DataType
import org.apache.spark.sql.vectorized.ColumnarBatch

/** The merging kernel. It reads the child's columns `ordinals`, and returns the `keys` keys, then the buffers. */
final case class MergePlan(
    requestKey: String,
    origin: FormOrigin,
    ordinals: Array[Int],
    inputTypes: Array[DataType],
    outputTypes: Array[DataType],
    keys: Int)

/**
 * Runs a partial HashAggregate whose groups a native kernel merges; its rows are those of the aggregate's buffers.
 *
 * It merges block by block in the loop of the kernel below where possible (`BlockMerge`), else batch by batch. A group may occur
 * more than once, as in Spark's own operator when that spills; the final aggregate merges them.
 *
 * @param grouping the keys, and `aggregates` the calls, over the child's output
 * @param aggregateOutput the output of Spark's own node
 * @param label its description in explain
 */
final case class WeldAggregateExec(
    grouping: Seq[Attribute],
    aggregates: Seq[AggregateExpression],
    aggregateOutput: Seq[Attribute],
    merge: MergePlan,
    label: String,
    child: SparkPlan)
  extends UnaryExecNode with PartitioningPreservingUnaryExecNode {

  override def output: Seq[Attribute] = aggregateOutput

  override def supportsColumnar: Boolean = true

  override def producedAttributes: AttributeSet = outputSet -- child.outputSet

  override protected def outputExpressions: Seq[NamedExpression] = output

  /** Returns the node that this one replaces. */
  def original(below: SparkPlan): SparkPlan = {
    val buffers = aggregates.flatMap(_.aggregateFunction.inputAggBufferAttributes)
    HashAggregateExec(None, isStreaming = false, None, grouping, aggregates, aggregates.map(_.resultAttribute), 0,
      grouping ++ buffers, below)
  }

  override protected def doCanonicalize(): SparkPlan = CanonicalBatches.of(original(child))

  override lazy val metrics: Map[String, SQLMetric] = Map(
    "numOutputRows" -> SQLMetrics.createMetric(sparkContext, "number of output rows"),
    "mergedBatches" -> SQLMetrics.createMetric(sparkContext, "batches aggregated in kernels"),
    "blockRows" -> SQLMetrics.createMetric(sparkContext, "rows aggregated in blocks"),
    "mergeTime" -> SQLMetrics.createNanoTimingMetric(sparkContext, "time in kernels"),
    "fullTables" -> SQLMetrics.createMetric(sparkContext, "group-table overflows"),
    "sparkTasks" -> SQLMetrics.createMetric(sparkContext, "tasks that fell back to Spark's aggregation"),
    "peakMemory" -> SQLMetrics.createSizeMetric(sparkContext, "peak memory"),
    "spillSize" -> SQLMetrics.createSizeMetric(sparkContext, "spill size"),
    "avgHashProbe" -> SQLMetrics.createAverageMetric(sparkContext, "avg hash probes per key"),
    "numTasksFallBacked" -> SQLMetrics.createMetric(sparkContext, "number of sort fallback tasks"))

  override protected def doExecute(): RDD[InternalRow] =
    throw new UnsupportedOperationException("WeldAggregateExec produces columnar batches; Spark must insert ColumnarToRow above it")

  override protected def doExecuteColumnar(): RDD[ColumnarBatch] = {
    val counters = MergeMetrics(longMetric("numOutputRows"), longMetric("mergedBatches"), longMetric("blockRows"),
      longMetric("mergeTime"), longMetric("fullTables"), longMetric("sparkTasks"))
    val own = PartialAggregate(grouping, aggregates, child.output, CurrentSpark.rowConverter(Fallback.schemaOf(output)),
      SQLMetrics.createMetric(sparkContext, "rows"), longMetric("peakMemory"), longMetric("spillSize"),
      longMetric("avgHashProbe"), longMetric("numTasksFallBacked"))
    val task = MergeTaskPlan(merge, own, Fallback.schemaOf(output), counters)
    child match {
      case weld: WeldExec if weld.givesBlocks => weld.executeWith { (chain, batches, partition) =>
          val context = TaskContext.get()
          new MergeTask(task, blocks => new WeldTask(chain, batches, partition, context, merger = Some(blocks)), partition, context)
        }
      case _ => child.executeColumnar().mapPartitionsWithIndex { (partition, batches) =>
          new MergeTask(task, _ => batches, partition, TaskContext.get())
        }
    }
  }

  /** Describes for explain how rows are merged into the groups. */
  def how: String = child match {
    case weld: WeldExec if weld.givesBlocks =>
      s"each block of ${BlockMerge.Rows} rows passes through the kernel below into the groups, without a batch in between"
    case _ => "batch by batch"
  }

  override def simpleString(maxFields: Int): String =
    s"WeldAggregate [$label], output=${truncatedString(output, "[", ", ", "]", maxFields)}"

  override def verboseStringWithOperatorId(): String =
    s"""
       |$formattedNodeName
       |Aggregated in the kernel: $label
       |Rows: $how
       |Output: ${output.mkString("[", ", ", "]")}
       |""".stripMargin

  override protected def withNewChildInternal(newChild: SparkPlan): SparkPlan = copy(child = newChild)
}
