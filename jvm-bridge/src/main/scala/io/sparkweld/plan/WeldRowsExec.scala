package io.sparkweld.plan

import scala.annotation.tailrec
import scala.jdk.CollectionConverters._

import io.sparkweld.columns.RowWriter

import org.apache.spark.TaskContext
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.UnsafeProjection
import org.apache.spark.sql.execution.{ColumnarToRowTransition, SparkPlan}
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.sql.vectorized.ColumnarBatch

/**
 * The batches of a WeldExec, of a PipelineExec, or of a union with one, as the rows that ColumnarToRow would make of them, written
 * natively.
 */
final case class WeldRowsExec(child: SparkPlan) extends ColumnarToRowTransition with SameRows {
  override def nodeName: String = "WeldRows"
  override protected def withNewChildInternal(newChild: SparkPlan): SparkPlan = copy(child = newChild)

  override lazy val metrics: Map[String, SQLMetric] = Map(
    "numOutputRows" -> SQLMetrics.createMetric(sparkContext, "number of output rows"),
    "numInputBatches" -> SQLMetrics.createMetric(sparkContext, "number of input batches"))

  override protected def doExecute(): RDD[InternalRow] = {
    val attributes = output
    val (outputRows, inputBatches) = (longMetric("numOutputRows"), longMetric("numInputBatches"))
    child.executeColumnar().mapPartitions { batches =>
      val counted = batches.map { batch =>
        outputRows += batch.numRows().toLong
        inputBatches += 1
        batch
      }
      if (WeldTask.linkable()) new WrittenRows(counted, new RowWriter(attributes.map(_.dataType)), TaskContext.get())
      else {
        val toUnsafe = UnsafeProjection.create(attributes, attributes)
        counted.flatMap(_.rowIterator().asScala.map(toUnsafe))
      }
    }
  }
}

object WeldRowsExec {

  /** Whether a node's batches can be written as rows natively. */
  def supports(plan: SparkPlan): Boolean = plan.output.nonEmpty && plan.output.forall(a => RowWriter.supports(a.dataType))
}

/** The rows of batches, one after the other; a row holds until the next is asked for. */
private final class WrittenRows(batches: Iterator[ColumnarBatch], writer: RowWriter, context: TaskContext)
  extends Iterator[InternalRow] {
  private var current: ColumnarBatch = _
  private var rows = 0
  private var at = 0

  context.addTaskCompletionListener[Unit](_ => writer.close())

  override def hasNext: Boolean = at < rows || advance()

  override def next(): InternalRow = {
    if (!hasNext) throw new NoSuchElementException("no more rows")
    at += 1
    writer(at - 1)
  }

  @tailrec private def advance(): Boolean = {
    at = 0
    rows = if (current == null) 0 else writer.fill()
    if (rows > 0) true
    else {
      if (current != null) current.closeIfFreeable() // as ColumnarToRow does once a batch is read
      current = null
      if (!batches.hasNext) false
      else {
        current = batches.next()
        writer.start(current)
        advance()
      }
    }
  }
}
