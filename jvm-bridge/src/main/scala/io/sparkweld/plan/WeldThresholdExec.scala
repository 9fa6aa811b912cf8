package io.sparkweld
package plan

import java.util.concurrent.ConcurrentHashMap
import java.util.concurrent.atomic.AtomicLong

import scala.collection.mutable

import org.apache.spark.TaskContext
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, AttributeSet, Expression, UnsafeProjection, UnsafeRow}
import org.apache.spark.sql.execution.{SparkPlan, UnaryExecNode}
import org.apache.spark.sql.execution.vectorized.{ConstantColumnVector, OnHeapColumnVector}
import org.apache.spark.sql.types.DoubleType
import org.apache.spark.sql.vectorized.{ColumnarBatch, ColumnVector}

/**
 * Adds a column `worst` to the child's batches: the worst score that still counts for the WeldTopExec above in this task.
 *
 * It is the worst score taken so far, in the whole task or in the row's group. A row whose score is strictly behind it cannot be
 * among the first, so a kernel need not compute it. Until there are enough scores, and where the worst is NULL, it is a value
 * behind which no score comes; in Spark's order NaN is the largest.
 *
 * @param groups the keys of the groups, over the child's output
 */
final case class WeldThresholdExec(worst: Attribute, descending: Boolean, groups: Seq[Expression], child: SparkPlan)
  extends UnaryExecNode {
  override def nodeName: String = "WeldThreshold"
  override def output: Seq[Attribute] = child.output :+ worst
  override def producedAttributes: AttributeSet = AttributeSet(worst)
  override def supportsColumnar: Boolean = true
  override protected def withNewChildInternal(newChild: SparkPlan): SparkPlan = copy(child = newChild)

  override protected def doExecute(): RDD[InternalRow] =
    throw new UnsupportedOperationException("WeldThresholdExec produces columnar batches for a kernel")

  override protected def doExecuteColumnar(): RDD[ColumnarBatch] = {
    val (id, start) = (worst.exprId.id, if (descending) Double.NegativeInfinity else Double.NaN)
    val (keys, given) = (groups, child.output)
    def all(threshold: Threshold, batch: ColumnarBatch): ColumnVector = {
      val column = new ConstantColumnVector(batch.numRows(), DoubleType)
      column.setDouble(threshold.orElse(start))
      column
    }
    def ofGroups(threshold: Threshold, batch: ColumnarBatch, groupOf: UnsafeProjection): ColumnVector = {
      val rows = batch.numRows()
      val column = new OnHeapColumnVector(rows, DoubleType)
      var row = 0
      while (row < rows) {
        val group = threshold.groups.get(groupOf(batch.getRow(row)))
        column.putDouble(row, if (group == null) start else group.orElse(start))
        row += 1
      }
      column
    }
    child.executeColumnar().mapPartitions { batches =>
      val threshold = Threshold.of(TaskContext.get(), id)
      lazy val groupOf = UnsafeProjection.create(keys, given)
      batches.map { batch =>
        val column = if (threshold.groups.isEmpty) all(threshold, batch) else ofGroups(threshold, batch, groupOf)
        new ColumnarBatch(Array.tabulate[ColumnVector](batch.numCols())(batch.column) :+ column, batch.numRows())
      }
    }
  }
}

/**
 * Holds the worst first key of the rows that a task has taken so far, or of each group. Another thread than that of the task may
 * request batches.
 */
final class Threshold {
  @volatile var worst: Option[Double] = None

  /** Thresholds of the groups, by their keys. */
  lazy val groups = new ConcurrentHashMap[UnsafeRow, Threshold]

  /** Resets it for another partition. */
  def reset(): Unit = {
    worst = None
    groups.clear()
  }

  def orElse(start: Double): Double = worst match {
    case Some(score) => score
    case None => start
  }
}

object Threshold {
  private val all = new ConcurrentHashMap[(Long, Long), Threshold]
  private val shared = mutable.LinkedHashMap.empty[(Int, Int, Long), AtomicLong]
  private val MostShared = 1000

  /** Returns the threshold of a WeldThresholdExec or a WorstSoFar in a task; it is removed when the task ends. */
  def of(context: TaskContext, id: Long): Threshold = {
    val key = (context.taskAttemptId(), id)
    all.computeIfAbsent(key, _ => {
      context.addTaskCompletionListener[Unit](_ => all.remove(key))
      new Threshold
    })
  }

  /** Returns the best rank of a worst key in this executor's tasks of one stage. The oldest entries are evicted. */
  def ofStage(context: TaskContext, id: Long): AtomicLong = shared.synchronized {
    val key = (context.stageId(), context.stageAttemptNumber(), id)
    val best = shared.getOrElseUpdate(key, new AtomicLong(Long.MaxValue))
    if (shared.size > MostShared) shared -= shared.head._1
    best
  }
}
