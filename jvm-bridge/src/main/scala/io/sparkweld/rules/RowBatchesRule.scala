package io.sparkweld.rules

import io.sparkweld.plan.{RowBatchesExec, WeldExec}
import io.sparkweld.support.WarnOnce

import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.execution.{RowToColumnarExec, SparkPlan}

/**
 * Puts RowBatchesExec in the place of the RowToColumnar nodes that Spark has put below kernels. Only once they are there
 * is it known where rows come in: below a node that gives batches Spark would add no transition of its own.
 */
object RowBatchesRule extends Rule[SparkPlan] {
  override def apply(plan: SparkPlan): SparkPlan =
    if (!plan.exists(_.isInstanceOf[WeldExec])) plan
    else WarnOnce.guard("the rewriting of row inputs", plan)(plan.transformUp {
      case weld: WeldExec => weld.child match {
        case RowToColumnarExec(rows) => weld.copy(child = RowBatchesExec(rows))
        case _ => weld
      }
    })
}
