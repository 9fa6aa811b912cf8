package io.sparkweld
package rules

import io.sparkweld.SparkWeldConf
import io.sparkweld.compile.Patience

import org.apache.spark.sql.catalyst.expressions.{Alias, Expression, PythonFuncExpression, ScalaUDF}
import org.apache.spark.sql.catalyst.plans.QueryPlan
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan
import org.apache.spark.sql.execution.SparkPlan
import org.apache.spark.sql.internal.SQLConf

/** Computes the patience of the query to which `plan` belongs. */
private final class QueryPatience(plan: QueryPlan[_], conf: SQLConf) extends Patience {
  private lazy val rows: Option[BigInt] = plan match {
    case logical: LogicalPlan => RowEstimate.atMost(logical)
    case physical: SparkPlan => physical.logicalLink.flatMap(RowEstimate.atMost)
    case _ => None
  }

  override lazy val tiny: Boolean = rows.exists(_ <= SparkWeldConf.TinyRows.get(conf))

  override lazy val calls: Set[Long] = plan match {
    case logical: LogicalPlan => callsOf[LogicalPlan](logical)
    case physical: SparkPlan => callsOf[SparkPlan](physical)
    case _ => Set.empty
  }

  private def callsOf[T <: QueryPlan[T]](of: T): Set[Long] =
    of.collectWithSubqueries { case node => node.expressions.flatMap(QueryPatience.callsIn(_)) }.flatten.toSet

  override def waitMs: Long =
    if (tiny || QueryPatience.last.get.exists(calls(_))) 0L
    else {
      val timeout = SparkWeldConf.CompileTimeout.get(conf)
      if (SparkWeldConf.TinyRows.get(conf) <= 0) timeout
      else rows.fold(timeout)(known => (known / QueryPatience.RowsPerMs).min(timeout).toLong)
    }

  override def gaveUp(): Unit = QueryPatience.last.set(calls)
}

private[rules] object QueryPatience {
  /** Python handles a thousand rows per millisecond, or a hundred times fewer. Waiting may cost half of that time. */
  private val RowsPerMs = 2
  private val current = new ThreadLocal[Option[Patience]] { override def initialValue(): Option[Patience] = None }
  /** The calls of the query that this thread planned when it last waited in vain. */
  private val last = new ThreadLocal[Set[Long]] { override def initialValue(): Set[Long] = Set.empty }

  /** Returns the patience of the running rule. */
  def of(conf: SQLConf): Patience = current.get.getOrElse(Patience.upTo(SparkWeldConf.CompileTimeout.get(conf)))

  def during[T](patience: Patience)(body: => T): T = {
    val before = current.get
    current.set(Some(patience))
    try body
    finally current.set(before)
  }

  /**
   * Returns the ids of calls: Python functions have an id per call; functions of Spark's ML library are identified by their
   * columns.
   */
  private def callsIn(expression: Expression): Seq[Long] = expression.collect {
    case function: PythonFuncExpression => function.resultId.id
    case alias @ Alias(_: ScalaUDF, _) => alias.exprId.id
  }
}
