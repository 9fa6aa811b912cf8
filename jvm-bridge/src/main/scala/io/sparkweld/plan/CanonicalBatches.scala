package io.sparkweld
package plan

import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.execution.{ColumnarToRowExec, InputAdapter, SparkPlan}

/**
 * Marks the canonical form of a chain of Spark whose kernel produces batches.
 *
 * Spark 4.0 rejects a ColumnarToRow above a canonical form that produces rows, and so ends the query.
 *
 * @param child the canonical form of Spark's chain
 */
final case class CanonicalBatches(child: SparkPlan) extends SameRows {
  override def supportsColumnar: Boolean = true
  override protected def withNewChildInternal(newChild: SparkPlan): SparkPlan = copy(child = newChild)
  override protected def doExecute(): RDD[InternalRow] = throw new UnsupportedOperationException("a canonical form is only compared")
}

object CanonicalBatches {
  /** Returns the canonical form of a node that replaces `original`. */
  def of(original: SparkPlan): SparkPlan = CanonicalBatches(rows(original))

  /** Returns the canonical form of a plan as Spark's own nodes would have it: chains of Spark produce rows. */
  def rows(plan: SparkPlan): SparkPlan = plan.canonicalized.transformDown {
    case ColumnarToRowExec(CanonicalBatches(child)) => child
    case ColumnarToRowExec(InputAdapter(CanonicalBatches(child))) => InputAdapter(child)
    case CanonicalBatches(child) => child
  }
}
