package io.sparkweld.plan

import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, UnsafeProjection}
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan
import org.apache.spark.sql.classic.SparkSession
import org.apache.spark.sql.execution.{SparkPlan, SparkStrategy}

/** The query that an operator stands for, run when the operator's own way does not give its answer. */
private[plan] object OriginalQuery {

  /** Its rows, with the columns of `output`. */
  def apply(session: SparkSession, query: LogicalPlan, output: Seq[Attribute]): RDD[InternalRow] =
    planned(session, query, output)((plan, project) => plan.execute().mapPartitions { rows =>
      val made = project()
      rows.map(made)
    })

  /** The same, on the driver. */
  def collected(session: SparkSession, query: LogicalPlan, output: Seq[Attribute]): Array[InternalRow] =
    planned(session, query, output) { (plan, project) =>
      val made = project()
      plan.executeCollect().map(row => made(row).copy())
    }

  private def planned[T](session: SparkSession, query: LogicalPlan, output: Seq[Attribute])(
      run: (SparkPlan, () => UnsafeProjection) => T): T = session.withActive {
    val plan = session.sessionState.executePlan(query).executedPlan
    val columns = plan.output
    val wanted = output.map(column => columns.find(_.exprId == column.exprId).getOrElse(column))
    run(plan, () => UnsafeProjection.create(wanted, columns))
  }
}

/** Operators of SparkWeld in logical plans, which hold the query that they stand for. */
object OriginalStrategy extends SparkStrategy {
  override def apply(plan: LogicalPlan): Seq[SparkPlan] = plan match {
    case Ranked(child, full, rows, score, shown, path) => Seq(RankedExec(planLater(child), full, rows, score, shown, path))
    case Attempt(child, original, what) => Seq(AttemptExec(planLater(child), original, what))
    case _ => Nil
  }
}
