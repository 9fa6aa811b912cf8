package io.sparkweld
package plan

import scala.annotation.tailrec
import scala.jdk.CollectionConverters._

import io.sparkweld.columns.RowWriter
import io.sparkweld.nativelib.NoMemory
import io.sparkweld.spark.CurrentSpark
import io.sparkweld.support.{Refusal, WarnOnce}

import org.apache.spark.TaskContext
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.UnsafeProjection
import org.apache.spark.sql.execution.{ColumnarToRowTransition, SparkPlan}
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.sql.vectorized.ColumnarBatch

/** Converts the batches of a WeldExec, a PipelineExec, or a union with one to the rows of ColumnarToRow, written natively. */
final case class WeldRowsExec(child: SparkPlan) extends ColumnarToRowTransition with SameRows {
  override def nodeName: String = "WeldRows"
  override protected def withNewChildInternal(newChild: SparkPlan): SparkPlan = copy(child = newChild)
  override protected def doCanonicalize(): SparkPlan = CanonicalBatches.rows(child)

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
      lazy val toUnsafe = UnsafeProjection.create(attributes, attributes)
      def converted(batch: ColumnarBatch): Iterator[InternalRow] = batch.rowIterator().asScala.map(toUnsafe)
      if (!WeldTask.linkable()) counted.flatMap(converted)
      else new WrittenRows(counted, new RowWriter(attributes.map(_.dataType)), converted, TaskContext.get())
    }
  }
}

object WeldRowsExec {

  /** Whether a node's batches can be written as rows natively. */
  def supports(plan: SparkPlan): Boolean = plan.output.nonEmpty && plan.output.forall(a => RowWriter.supports(a.dataType))
}

/**
 * Iterates over the rows of batches; a row is valid until the next is requested.
 *
 * @param converted Spark's own conversion of a batch for which there is no native memory
 */
private final class WrittenRows(
    batches: Iterator[ColumnarBatch],
    writer: RowWriter,
    converted: ColumnarBatch => Iterator[InternalRow],
    context: TaskContext)
  extends Iterator[InternalRow] {
  private var others: Iterator[InternalRow] = Iterator.empty
  private var current: ColumnarBatch = _
  private var rows = 0
  private var at = 0

  context.addTaskCompletionListener[Unit](_ => writer.close())

  override def hasNext: Boolean = at < rows || others.hasNext || advance()

  override def next(): InternalRow = {
    if (!hasNext) throw new NoSuchElementException("no more rows")
    if (at == rows) others.next()
    else {
      at += 1
      writer(at - 1)
    }
  }

  private def start(batch: ColumnarBatch): Unit =
    try writer.start(batch)
    catch {
      case full: NoMemory =>
        WarnOnce("memory:rows", s"SparkWeld: Spark converts some batches to rows. ${Refusal("SW341", "reason" -> full.getMessage).text}")
        writer.close()
        others = converted(batch)
    }

  @tailrec private def advance(): Boolean = {
    at = 0
    rows = if (current == null) 0 else writer.fill()
    if (rows > 0 || others.hasNext) true
    else {
      if (current != null) CurrentSpark.closeIfFreeable(current) // as ColumnarToRow does once a batch is read
      current = null
      if (!batches.hasNext) false
      else {
        current = batches.next()
        start(current)
        advance()
      }
    }
  }
}
