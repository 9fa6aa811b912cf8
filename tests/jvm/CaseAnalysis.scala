package org.apache.spark.sql.execution.python.sparkweld

import io.sparkweld.spark.EvalTypes

import org.apache.spark.api.python.SimplePythonFunction
import org.apache.spark.sql.catalyst.QueryPlanningTracker
import org.apache.spark.sql.catalyst.analysis._
import org.apache.spark.sql.catalyst.catalog.{InMemoryCatalog, SessionCatalog}
import org.apache.spark.sql.catalyst.expressions.{Alias, Expression, PythonUDAF, PythonUDF}
import org.apache.spark.sql.catalyst.optimizer.ReplaceExpressions
import org.apache.spark.sql.catalyst.parser.CatalystSqlParser
import org.apache.spark.sql.catalyst.plans.logical.{LocalRelation, LogicalPlan, Project, SubqueryAlias}
import org.apache.spark.sql.types.{DoubleType, StructType}

/**
 * Analyzes SQL over one empty table `t` without a session. Functions named `py_...` are scalar pandas UDFs that return a double,
 * and functions named `pyagg_...` are aggregate ones.
 */
object CaseAnalysis {
  val table: LocalRelation = LocalRelation(StructType.fromDDL(
    "x double, y double, f float, i int, l bigint, h smallint, b boolean, s string, d date, t timestamp, n decimal(9, 2), " +
      "a array<double>, k int not null"))

  private val analyzer =
    new Analyzer(Catalogs.manager(FakeV2SessionCatalog, new SessionCatalog(new InMemoryCatalog, FunctionRegistry.builtin)))
  private val python = SimplePythonFunction(
    Nil, new java.util.HashMap[String, String], new java.util.ArrayList[String], "python3", "3.13", new java.util.ArrayList, null)

  def plan(text: String): LogicalPlan = analyzed(CatalystSqlParser.parsePlan(text))

  def expression(text: String): Expression =
    analyzed(Project(Seq(Alias(CatalystSqlParser.parseExpression(text), "r")()), table)).expressions match {
      case Seq(Alias(child, _)) => child
      case other => throw new IllegalArgumentException(s"no single expression: $other")
    }

  private def analyzed(plan: LogicalPlan): LogicalPlan = {
    val over = plan.transformUpWithSubqueries { case node: UnresolvedRelation => SubqueryAlias(node.name, table) }
    val called = over.transformAllExpressionsWithSubqueries {
      case call: UnresolvedFunction if call.nameParts.head.startsWith("pyagg_") =>
        PythonUDAF(call.nameParts.head, python, DoubleType, call.arguments, udfDeterministic = true).toAggregateExpression()
      case call: UnresolvedFunction if call.nameParts.head.startsWith("py_") =>
        PythonUDF(call.nameParts.head, python, DoubleType, call.arguments, EvalTypes.ScalarPandas, udfDeterministic = true)
    }
    ReplaceExpressions(EliminateSubqueryAliases(analyzer.executeAndCheck(called, new QueryPlanningTracker)))
  }
}
