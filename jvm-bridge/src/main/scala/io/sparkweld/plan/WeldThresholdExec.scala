package io.sparkweld.plan

import java.util.concurrent.ConcurrentHashMap

import org.apache.spark.TaskContext
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, AttributeSet}
import org.apache.spark.sql.execution.{SparkPlan, UnaryExecNode}
import org.apache.spark.sql.execution.vectorized.ConstantColumnVector
import org.apache.spark.sql.types.DoubleType
import org.apache.spark.sql.vectorized.{ColumnarBatch, ColumnVector}

/**
 * The batches of the child with one column more, `worst`: of the scores that the WeldTopExec above has taken in this task, the worst.
 * A row whose score comes strictly behind it cannot be among the first, and so a kernel need not compute it. Until there are enough
 * scores, and where the worst is NULL, it is a number behind which no score comes: in Spark's order NaN is the largest.
 */
final case class WeldThresholdExec(worst: Attribute, descending: Boolean, child: SparkPlan) extends UnaryExecNode {
  override def nodeName: String = "WeldThreshold"
  override def output: Seq[Attribute] = child.output :+ worst
  override def producedAttributes: AttributeSet = AttributeSet(worst)
  override def supportsColumnar: Boolean = true
  override protected def withNewChildInternal(newChild: SparkPlan): SparkPlan = copy(child = newChild)

  override protected def doExecute(): RDD[InternalRow] =
    throw new UnsupportedOperationException("a WeldThresholdExec gives columnar batches to a kernel")

  override protected def doExecuteColumnar(): RDD[ColumnarBatch] = {
    val (id, start) = (worst.exprId.id, if (descending) Double.NegativeInfinity else Double.NaN)
    child.executeColumnar().mapPartitions { batches =>
      val threshold = Threshold.of(TaskContext.get(), id)
      batches.map { batch =>
        val rows = batch.numRows()
        val column = new ConstantColumnVector(rows, DoubleType)
        column.setDouble(threshold.orElse(start))
        val columns = Array.tabulate[ColumnVector](batch.numCols())(batch.column) :+ column
        new ColumnarBatch(columns, rows)
      }
    }
  }
}

/** The worst first key of the rows that a task has taken so far. Batches may be asked for by another thread than that of the task. */
final class Threshold {
  @volatile var worst: Option[Double] = None

  def orElse(start: Double): Double = worst match {
    case Some(score) => score
    case None => start
  }
}

object Threshold {
  private val all = new ConcurrentHashMap[(Long, Long), Threshold]

  /** That of a WeldThresholdExec or a WorstSoFar in a task; gone when the task ends. */
  def of(context: TaskContext, id: Long): Threshold = {
    val key = (context.taskAttemptId(), id)
    all.computeIfAbsent(key, _ => {
      context.addTaskCompletionListener[Unit](_ => all.remove(key))
      new Threshold
    })
  }
}
