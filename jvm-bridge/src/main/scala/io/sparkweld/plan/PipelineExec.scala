package io.sparkweld.plan

import org.apache.spark.TaskContext
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, SortOrder}
import org.apache.spark.sql.catalyst.plans.physical.Partitioning
import org.apache.spark.sql.execution.{SparkPlan, UnaryExecNode}
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.sql.vectorized.ColumnarBatch

/**
 * The columns of fused Python functions and of what lies below them, which are `output`, without those that only the functions
 * needed. The batches of ArrowBatchesExec end here: they are freed when the next one is asked for.
 */
final case class PipelineExec(output: Seq[Attribute], udfs: Seq[String], child: SparkPlan) extends UnaryExecNode {
  override def nodeName: String = "WeldPipeline"
  override def supportsColumnar: Boolean = true
  override def outputPartitioning: Partitioning = child.outputPartitioning
  override def outputOrdering: Seq[SortOrder] = child.outputOrdering

  override lazy val metrics: Map[String, SQLMetric] = Map(
    "numOutputBatches" -> SQLMetrics.createMetric(sparkContext, "number of output batches"),
    "numOutputRows" -> SQLMetrics.createMetric(sparkContext, "number of output rows"))

  override protected def doExecute(): RDD[InternalRow] =
    throw new UnsupportedOperationException("a WeldPipeline gives columnar batches; Spark puts ColumnarToRow above it")

  override protected def doExecuteColumnar(): RDD[ColumnarBatch] = {
    val ordinals = output.map(column => child.output.indexWhere(_.exprId == column.exprId)).toArray
    val fed = child.children.head.output.size
    val (batches, rows) = (longMetric("numOutputBatches"), longMetric("numOutputRows"))
    child.executeColumnar().mapPartitions { input =>
      val made = new PipelineBatches(input, ordinals, fed)
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

/** @param fed how many columns, the first ones, are those of ArrowBatchesExec; the functions' node frees its results itself */
private final class PipelineBatches(input: Iterator[ColumnarBatch], ordinals: Array[Int], fed: Int) extends Iterator[ColumnarBatch] {
  private var current: ColumnarBatch = _

  override def hasNext: Boolean = {
    close()
    input.hasNext
  }

  override def next(): ColumnarBatch = {
    if (!hasNext) throw new NoSuchElementException("no more batches")
    current = input.next()
    new ColumnarBatch(ordinals.map(current.column), current.numRows())
  }

  def close(): Unit = {
    if (current != null) (0 until fed).foreach(current.column(_).close())
    current = null
  }
}
