package io.sparkweld
package plan

import io.sparkweld.spark.MapEvaluator

import org.apache.spark.{Partition, SparkContext, TaskContext}
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.Attribute
import org.apache.spark.sql.execution.{LeafExecNode, SparkPlan}

/**
 * Runs a node over groups of rows inside a task, as Spark runs it.
 *
 * @param node Spark's node over a [[RowSourceExec]], executed
 */
private[plan] final class GroupEvaluator private (node: RDD[InternalRow]) extends MapEvaluator {
  override def evalRows(partition: Int, input: Iterator[InternalRow]): Iterator[InternalRow] =
    node.iterator(new RowsPartition(partition, input), TaskContext.get())
}

private[plan] object GroupEvaluator {
  /** Returns the evaluator of a node over a [[RowSourceExec]]. */
  def of(node: SparkPlan): GroupEvaluator = {
    val rows = node.execute()
    // a task has the dependencies of an RDD only if they were computed before it was serialized
    def compute(rdd: RDD[_]): Unit = rdd.dependencies.foreach(parent => compute(parent.rdd))
    compute(rows)
    new GroupEvaluator(rows)
  }
}

/** Supplies the rows of a partition that a task has at hand; the rows are part of the partition. */
private[plan] final case class RowSourceExec(output: Seq[Attribute]) extends LeafExecNode {
  override protected def doExecute(): RDD[InternalRow] = new RowSource(sparkContext)
}

private final class RowsPartition(override val index: Int, val rows: Iterator[InternalRow]) extends Partition

private final class RowSource(context: SparkContext) extends RDD[InternalRow](context, Nil) {
  override protected def getPartitions: Array[Partition] = Array.empty

  override def compute(split: Partition, context: TaskContext): Iterator[InternalRow] = split match {
    case partition: RowsPartition => partition.rows
    case other => throw new IllegalStateException(s"partition ${other.index} without rows")
  }
}
