package io.sparkweld
package plan

import io.sparkweld.spark.CurrentSpark

import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, UnsafeProjection}
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan
import org.apache.spark.sql.execution.{SparkPlan, SparkStrategy}

/** Runs the query that an operator replaces, when the operator cannot answer it. */
private[plan] object OriginalQuery {

  /** Returns its rows, with the columns of `output`. */
  def apply(session: CurrentSpark.Session, query: LogicalPlan, output: Seq[Attribute]): RDD[InternalRow] =
    planned(session, query, output)((plan, project) => plan.execute().mapPartitions { rows =>
      val made = project()
      rows.map(made)
    })

  /** As `apply`, on the driver. */
  def collected(session: CurrentSpark.Session, query: LogicalPlan, output: Seq[Attribute]): Array[InternalRow] =
    planned(session, query, output) { (plan, project) =>
      val made = project()
      plan.executeCollect().map(row => made(row).copy())
    }

  private def planned[T](session: CurrentSpark.Session, query: LogicalPlan, output: Seq[Attribute])(
      run: (SparkPlan, () => UnsafeProjection) => T): T = CurrentSpark.withActive(session) {
    val plan = session.sessionState.executePlan(query).executedPlan
    val columns = plan.output
    val wanted = output.map(column => columns.find(_.exprId == column.exprId).getOrElse(column))
    run(plan, () => UnsafeProjection.create(wanted, columns))
  }
}

/** Plans SparkWeld's logical operators, which hold the query that they replace. */
object OriginalStrategy extends SparkStrategy {
  override def apply(plan: LogicalPlan): Seq[SparkPlan] = plan match {
    case Ranked(child, full, rows, score, shown, path) => Seq(RankedExec(planLater(child), full, rows, score, shown, path))
    case Attempt(child, original, what) => Seq(AttemptExec(planLater(child), original, what))
    case _ => Nil
  }
}
