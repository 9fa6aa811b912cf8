package io.sparkweld
package plan

import scala.util.control.NonFatal

import io.sparkweld.spark.CurrentSpark
import io.sparkweld.support.WarnOnce

import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.Attribute
import org.apache.spark.sql.catalyst.plans.logical.{LogicalPlan, UnaryNode}
import org.apache.spark.sql.execution.{SparkPlan, UnaryExecNode}
import org.apache.spark.storage.StorageLevel

/**
 * Marks a rewriting that runs the user's functions on other rows than the query does, such as merges of states.
 *
 * The rows for the query's own functions are then no longer available. When Python raises, the original query runs: it returns
 * its rows, or raises its own error.
 *
 * @param original the rewritten subquery; not a child, because it is rarely run
 * @param what the functions, for the warning
 */
final case class Attempt(child: LogicalPlan, original: LogicalPlan, what: String) extends UnaryNode {
  override def output: Seq[Attribute] = child.output
  override protected def withNewChildInternal(newChild: LogicalPlan): LogicalPlan = copy(child = newChild)
}

/** Runs `child` as a job of its own and persists its rows, one per group, so that a failure occurs before any row is returned. */
final case class AttemptExec(child: SparkPlan, @transient original: LogicalPlan, what: String) extends UnaryExecNode {
  override def nodeName: String = "Attempt"
  override def output: Seq[Attribute] = child.output
  override protected def withNewChildInternal(newChild: SparkPlan): SparkPlan = copy(child = newChild)
  override protected def stringArgs: Iterator[Any] = Iterator(what)

  override protected def doExecute(): RDD[InternalRow] = {
    val rows = child.execute().map(_.copy()).persist(StorageLevel.MEMORY_AND_DISK) // until the query releases it
    try {
      sparkContext.runJob(rows, (kept: Iterator[InternalRow]) => kept.foreach(_ => ()))
      rows
    } catch {
      case NonFatal(raised) if CurrentSpark.raisedInPython(raised) =>
        rows.unpersist()
        WarnOnce(s"attempt:$what", s"SparkWeld: a merge, finish or state of $what raised; the query runs as Spark planned it.", raised)
        OriginalQuery(session, original, output)
    }
  }
}
