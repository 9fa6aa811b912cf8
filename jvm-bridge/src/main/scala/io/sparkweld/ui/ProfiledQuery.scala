package io.sparkweld
package ui

import io.sparkweld.compile.Digests
import io.sparkweld.contract.{BroadcastFile, Encoder}
import io.sparkweld.spark.CurrentSpark

import org.apache.spark.sql.catalyst.expressions.{Alias, Expression, NamedArgumentExpression, PythonUDAF, PythonUDF}
import org.apache.spark.sql.catalyst.plans.logical.{LogicalPlan, Project}
import org.apache.spark.sql.execution.QueryExecution
import org.apache.spark.sql.execution.columnar.InMemoryRelation

import scala.jdk.CollectionConverters._

/** What `sparkweld.profile` must know of a query before it compares rows of two runs. */
final case class QueryFacts(deterministic: Boolean, cached: Boolean, ordered: Seq[String], floatSums: Boolean)

/** A Python function of a query. `type`: JSON of the declared type of its results. `command`: the pickled function. `broadcasts`:
  * those that it reads; none where they are encrypted. */
final class ProfiledFunction(val name: String, val evalType: Int, val `type`: String, val command: Array[Byte],
    val broadcasts: Array[BroadcastFile])

/** Answers questions of `sparkweld.profile` and `sparkweld.cascade.advise` about a query. Python calls it by py4j. */
object ProfiledQuery {
  private val OrderedNodes = Set("GlobalLimit", "LocalLimit", "Offset", "Tail", "Window", "Deduplicate", "FlatMapGroupsInPandas")
  private val OrderedFunctions =
    Set("first", "last", "any_value", "collect_list", "collect_set", "listagg", "mode", "max_by", "min_by", "percentile_approx", "PythonUDAF")
  private val FloatSums = Set("sum", "try_sum", "avg", "try_avg", "stddev_samp", "stddev_pop", "var_samp", "var_pop", "covar_samp",
    "covar_pop", "corr", "skewness", "kurtosis", "regr_slope", "regr_r2", "regr_intercept", "stddev", "variance", "std")

  /** Returns `QueryFacts` as JSON. `ordered`: nodes and functions whose results may depend on the order of rows. */
  def facts(query: QueryExecution): String = {
    val plan = query.optimizedPlan
    val all = plan.collectWithSubqueries { case node => node }
    val called = all.flatMap(_.expressions).flatMap(_.collect { case one => name(one) }).toSet
    val nodes = all.map(_.nodeName).toSet
    val ordered = (nodes & OrderedNodes).toSeq.sorted ++ (called & OrderedFunctions).toSeq.sorted
    Encoder.text(QueryFacts(plan.deterministic, all.exists(_.isInstanceOf[InMemoryRelation]), ordered, (called & FloatSums).nonEmpty))
  }

  private def name(expression: Expression): String = expression match {
    case _: PythonUDAF => "PythonUDAF" // its pretty name is that of the function
    case other => other.prettyName
  }

  /** Returns the functions whose commands are in the query's plan, each command once. */
  def functions(query: QueryExecution): Array[ProfiledFunction] = {
    val found = query.analyzed.collectWithSubqueries { case node => node.expressions }.flatten.flatMap(_.collect { case udf: PythonUDF => udf })
    found.distinctBy(_.func.command).map { udf =>
      val variables = if (CurrentSpark.broadcastsAreEncrypted) Nil else udf.func.broadcastVars.asScala
      val broadcasts = variables.map(variable => BroadcastFile(variable.id, variable.value.path)).toArray
      new ProfiledFunction(udf.name, udf.evalType, udf.dataType.json, Digests.arrayOf(udf.func.command), broadcasts)
    }.toArray
  }

  /** Returns the plan that calls the changed command in place of `command`. */
  def replaced(query: QueryExecution, command: Array[Byte], changed: Array[Byte]): LogicalPlan =
    query.analyzed.transformAllExpressionsWithSubqueries {
      case udf: PythonUDF if isOf(udf, command) => CurrentSpark.withCommand(udf, changed)
    }

  /** Returns the plan of the arguments of a command's first call; null where only a join's condition calls it.
    *
    * A column has the index of its argument as its name, such as "0". That of a named argument has "=" and the name.
    */
  def arguments(query: QueryExecution, command: Array[Byte]): LogicalPlan =
    query.analyzed.collectWithSubqueries {
      case node if node.children.size == 1 => node.expressions.flatMap(_.collect { case udf: PythonUDF if isOf(udf, command) => (udf, node) })
    }.flatten.headOption.map { case (udf, node) =>
      val named = udf.children.zipWithIndex.map {
        case (NamedArgumentExpression(key, value), _) => Alias(value, s"=$key")()
        case (value, at) => Alias(value, at.toString)()
      }
      Project(named, node.children.head)
    }.orNull

  private def isOf(udf: PythonUDF, command: Array[Byte]): Boolean =
    java.util.Arrays.equals(Digests.arrayOf(udf.func.command), command)
}
