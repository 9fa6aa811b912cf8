package io.sparkweld
package plan

import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.execution.SparkPlan

/**
 * Passes the rows of a WeldExec, or of a union of such nodes, to an ArrowEvalPython node that stays in Python.
 *
 * Otherwise that node would take the kernel's batches, whose sizes differ from those without SparkWeld. A UDF whose result
 * depends on its whole batch would then return other values.
 */
final case class RowInputExec(child: SparkPlan) extends SameRows {
  override def nodeName: String = "WeldRowInput"
  override protected def doExecute(): RDD[InternalRow] = child.execute()
  override protected def withNewChildInternal(newChild: SparkPlan): SparkPlan = copy(child = newChild)
}
