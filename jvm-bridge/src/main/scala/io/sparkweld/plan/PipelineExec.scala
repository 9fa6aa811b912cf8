package io.sparkweld
package plan

import io.sparkweld.contract.{Constants, WorkerPipelines}

import org.apache.spark.TaskContext
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Alias, Attribute, NamedExpression, SortOrder}
import org.apache.spark.sql.catalyst.plans.physical.Partitioning
import org.apache.spark.sql.execution.{SparkPlan, UnaryExecNode}
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.sql.vectorized.ColumnarBatch

/**
 * Projects the output of fused Python functions, without the columns that only the functions needed.
 *
 * The batches of ArrowBatchesExec end here: they are freed when the next one is requested.
 *
 * @param columns the projected columns of the child; `output` renames them
 * @param counts the column with the counters of the worker's pipelines since the last batch
 */
final case class PipelineExec(
    columns: Seq[Attribute],
    output: Seq[Attribute],
    udfs: Seq[String],
    counts: Attribute,
    child: SparkPlan)
  extends UnaryExecNode {

  override def nodeName: String = NodeLabel.of("WeldPipeline", udfs)
  override def supportsColumnar: Boolean = true
  override def outputPartitioning: Partitioning = child.outputPartitioning
  override def outputOrdering: Seq[SortOrder] = child.outputOrdering

  override lazy val metrics: Map[String, SQLMetric] = Map(
    "numOutputBatches" -> SQLMetrics.createMetric(sparkContext, "number of output batches"),
    "numOutputRows" -> SQLMetrics.createMetric(sparkContext, "number of output rows"),
    "kernelTime" -> SQLMetrics.createNanoTimingMetric(sparkContext, "time in kernels"),
    "callTime" -> SQLMetrics.createNanoTimingMetric(sparkContext, "time in library calls"),
    "originalRows" -> SQLMetrics.createMetric(sparkContext, "rows run by the original function"),
    "repeatedRows" -> SQLMetrics.createMetric(sparkContext, "rows with the result of an equal row"))

  /** Returns the bytes sent to Python and received from it, in all executions of this plan instance. */
  def moved: (Long, Long) = (child.metrics("pythonDataSent").value, child.metrics("pythonDataReceived").value)

  /** Returns this node merged with a projection above it that only selects or renames columns; None for any other projection. */
  def projected(list: Seq[NamedExpression]): Option[PipelineExec] = {
    val taken = list.map {
      case column: Attribute => Some(column)
      case Alias(column: Attribute, _) => Some(column)
      case _ => None
    }.map(_.map(column => output.indexWhere(_.exprId == column.exprId)).filter(_ >= 0))
    Option.when(!taken.contains(None))(copy(columns = taken.flatten.map(columns), output = list.map(_.toAttribute)))
  }

  /** Returns this node with the batches of the node below the functions. */
  def keepingBatches: PipelineExec = copy(child = child.mapChildren {
    case batches: ArrowBatchesExec => batches.copy(keepsBatches = true)
    case other => other
  })

  override protected def doExecute(): RDD[InternalRow] =
    throw new UnsupportedOperationException("WeldPipeline produces columnar batches; Spark must insert ColumnarToRow above it")

  override protected def doExecuteColumnar(): RDD[ColumnarBatch] = {
    val ordinals = columns.map(column => child.output.indexWhere(_.exprId == column.exprId)).toArray
    val fed = child.children.head.output.size
    val (batches, rows) = (longMetric("numOutputBatches"), longMetric("numOutputRows"))
    val counters = PipelineCounters(child.output.indexWhere(_.exprId == counts.exprId), longMetric("kernelTime"), longMetric("callTime"),
      longMetric("originalRows"), longMetric("repeatedRows"))
    child.executeColumnar().mapPartitions { input =>
      val made = new PipelineBatches(input, ordinals, fed, counters)
      TaskContext.get().addTaskCompletionListener[Unit](_ => made.close())
      made.map { batch =>
        batches += 1
        rows += batch.numRows().toLong
        batch
      }
    }
  }

  override def simpleString(maxFields: Int): String = s"WeldPipeline [${udfs.mkString(", ")}]"

  override protected def withNewChildInternal(newChild: SparkPlan): SparkPlan = copy(child = newChild)
}

/**
 * The metrics that the worker counts: `sparkweld.worker.counts` writes them to the first bytes of the column `at`.
 */
private final case class PipelineCounters(
    at: Int,
    kernelTime: SQLMetric,
    callTime: SQLMetric,
    originalRows: SQLMetric,
    repeatedRows: SQLMetric) {
  def add(batch: ColumnarBatch): Unit = {
    val WorkerPipelines(_, bytes, counters) = Constants.shared.workerPipelines
    if (batch.numRows() >= bytes * counters.size) {
      val column = batch.column(at)
      val numbers = counters.indices.map(i => (0 until bytes).map(k => (column.getByte(bytes * i + k) & 0xffL) << (8 * k)).sum)
      val number = counters.zip(numbers).toMap.withDefaultValue(0L)
      kernelTime += 1000 * number("kernelMicros")
      callTime += 1000 * number("callMicros")
      originalRows += number("originalRows")
      repeatedRows += number("repeatedRows")
    }
  }
}

/** @param fed the number of leading columns, those of ArrowBatchesExec; the functions' node frees its results itself */
private final class PipelineBatches(input: Iterator[ColumnarBatch], ordinals: Array[Int], fed: Int, counters: PipelineCounters)
  extends Iterator[ColumnarBatch] {

  private var current: ColumnarBatch = _

  override def hasNext: Boolean = {
    close()
    input.hasNext
  }

  override def next(): ColumnarBatch = {
    if (!hasNext) throw new NoSuchElementException("no more batches")
    current = input.next()
    counters.add(current)
    new ColumnarBatch(ordinals.map(current.column), current.numRows())
  }

  def close(): Unit = {
    if (current != null) (0 until fed).foreach(current.column(_).close())
    current = null
  }
}
