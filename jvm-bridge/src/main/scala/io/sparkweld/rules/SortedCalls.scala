package io.sparkweld
package rules

import io.sparkweld.{SparkWeldRuntime, WeldDriver}
import io.sparkweld.support.WarnOnce

import org.apache.spark.sql.catalyst.expressions.{Alias, AliasHelper, NamedExpression, PythonUDF}
import org.apache.spark.sql.catalyst.plans.logical.{GlobalLimit, LocalLimit, LogicalPlan, Offset, Project, Sort}
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.catalyst.trees.TreePattern.{LIMIT, PYTHON_UDF, SORT}

/**
 * Rewrites top-K queries ordered by calls of Python functions to order by columns, which the other top-K rules require.
 *
 * {{{
 *   Project [id, s]                          Project [id, s]
 *     Limit 10                                 Limit 10
 *       Sort [f(x) DESC]              ->         Sort [s DESC]
 *         Project [id, x, f(x) s]                  Project [id, x, f(x) s]
 * }}}
 *
 * Rewrites: `orderBy(f(x)).limit(k)`. An equal call in the projection right below becomes the same column: Spark numbers
 * each mention of a call separately, and computes both. Exceptions: over other Python functions, a call whose result
 * depends on its batch, because Spark would give both the same batch; over another limit, below which Spark would compute it.
 * Runs once, before Spark moves operators.
 */
object SortedCalls extends Rule[LogicalPlan] with AliasHelper {
  override def apply(plan: LogicalPlan): LogicalPlan =
    if (!plan.containsAllPatterns(PYTHON_UDF, LIMIT, SORT) || plan.isStreaming) plan
    else SparkWeldRuntime.driver match {
      case Some(driver) =>
        WarnOnce.guard("the search for top-K queries by functions", plan)(rewrite(plan, driver))
      case _ => plan
    }

  private def rewrite(plan: LogicalPlan, driver: WeldDriver): LogicalPlan = {
    lazy val equivalents = new CatalystEquivalents(driver.compiler, conf)
    def sorted(sort: Sort): Option[Sort] = {
      val apart = !sort.child.expressions.exists(_.containsPattern(PYTHON_UDF))
      Option.when(!isLimited(sort.child) && (apart || callsOf(sort).forall(equivalents.isIndependent(_, sort.children))))(byColumns(sort))
        .filter(_ ne sort)
    }
    plan.transformUpWithPruning(_.containsAllPatterns(PYTHON_UDF, LIMIT, SORT)) {
      case limit @ GlobalLimit(_, local @ LocalLimit(_, sort: Sort)) if sort.global =>
        sorted(sort).fold(limit)(made => limit.copy(child = local.copy(child = Project(sort.output, made))))
      case limit @ GlobalLimit(_, local @ LocalLimit(_, project @ Project(_, sort: Sort))) if sort.global =>
        sorted(sort).fold(limit)(made => limit.copy(child = local.copy(child = project.copy(child = made))))
    }
  }

  private def isLimited(plan: LogicalPlan): Boolean = plan match {
    case Project(_, child) => isLimited(child)
    case _: GlobalLimit | _: LocalLimit | _: Offset => true
    case _ => false
  }

  private def callsOf(sort: Sort): Seq[PythonUDF] = sort.order.map(_.child).collect { case udf: PythonUDF if udf.deterministic => udf }

  /** Returns the sort by a column for each call, over the same rows with more columns. */
  private[rules] def byColumns(sort: Sort): Sort = if (callsOf(sort).isEmpty) sort else {
    val (made, list) = sort.child match {
      case project: Project => (getAliasMap(project), project.projectList)
      case _ => (getAliasMap(Nil), Nil)
    }
    val columns = callsOf(sort).map { call =>
      val below = replaceAlias(call, made)
      val known = list.collectFirst { case one @ Alias(udf: PythonUDF, _) if udf.semanticEquals(below) => one.toAttribute }
      call -> known.getOrElse(Alias(call, call.name)())
    }
    val added = columns.map(_._2).collect { case alias: Alias => alias }
    val order = sort.order.map { key =>
      columns.collectFirst { case (call, column: NamedExpression) if call eq key.child => column.toAttribute }
        .fold(key)(column => key.copy(child = column, sameOrderExpressions = Nil))
    }
    sort.copy(order = order, child = if (added.isEmpty) sort.child else Project(sort.child.output ++ added, sort.child))
  }
}
