package io.sparkweld.plan

import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.execution.SparkPlan

/**
 * Hands the rows of a WeldExec, or of a union of such, to an ArrowEvalPython node that stays in Python. Without it that node would take the
 * kernel's batches, whose sizes are not those that it has without SparkWeld, and a UDF that looks at its whole batch
 * would answer otherwise.
 */
final case class RowInputExec(child: SparkPlan) extends SameRows {
  override def nodeName: String = "WeldRowInput"
  override protected def doExecute(): RDD[InternalRow] = child.execute()
  override protected def withNewChildInternal(newChild: SparkPlan): SparkPlan = copy(child = newChild)
}
