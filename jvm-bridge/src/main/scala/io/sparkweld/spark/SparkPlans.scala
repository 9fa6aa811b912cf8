package io.sparkweld
package spark

import org.apache.spark.{SparkConf, SparkContext}
import org.apache.spark.sql.{Dataset, SparkSession, SparkSessionExtensions, SparkSessionExtensionsProvider}
import org.apache.spark.sql.catalyst.expressions.{Attribute, PythonUDF}
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.execution.{QueryExecution, SparkPlan}
import org.apache.spark.sql.execution.python.ArrowEvalPythonExec
import org.apache.spark.sql.execution.python.sparkweld.PrivateApi
import org.apache.spark.sql.execution.ui.SparkListenerSQLExecutionEnd

/** A query at its end, with its duration. */
final case class FinishedQuery(execution: QueryExecution, nanos: Long, failed: Boolean)

/** Exposes sessions, hooks for rules, and nodes of plans whose shape differs between lines of Spark. */
trait SparkPlans { this: SparkCore with SparkPython =>

  /** Returns the query that ended; None where Spark does not pass it on. */
  final def finished(event: SparkListenerSQLExecutionEnd): Option[FinishedQuery] = PrivateApi.finished(event)

  /** A session with access to its state: Spark's own session, not a client's. */
  type Session <: SparkSession

  /** Returns the session of this thread. */
  def activeSession: Session

  /** Runs `body` with this session as that of the thread. */
  def withActive[T](session: Session)(body: => T): T

  /** Returns the execution of a query of Spark's own session. */
  def queryExecution(query: Dataset[_]): QueryExecution

  /** Lets the sessions of this context load the extensions. The jar already names them as a service, for sessions that ask for it. */
  def loadExtensions(context: SparkContext, provider: Class[_ <: SparkSessionExtensionsProvider]): Unit

  /** Adds a rule that runs once, after the analysis and before the optimizer moves operators. */
  def injectRuleBeforeOptimizer(extensions: SparkSessionExtensions, rule: SparkSession => Rule[LogicalPlan]): Unit

  /** Whether a plan contains Python functions that are no PythonUDF expressions any more: extracted to nodes, or transpiled. */
  def containsExtractedPython(plan: LogicalPlan): Boolean

  /** Returns a node without rows. */
  def emptyTable(output: Seq[Attribute]): SparkPlan

  /** Returns a mapInPandas or mapInArrow over `child`, by the kind of the function. */
  def mapNode(function: PythonUDF, output: Seq[Attribute], child: SparkPlan): SparkPlan

  /** Returns the function and the output of a mapInPandas or mapInArrow without barrier mode or a resource profile of its own. */
  def mapOf(plan: SparkPlan): Option[(PythonUDF, Seq[Attribute])]

  /** Returns the parts of a node of grouped aggregate pandas UDFs; None for other nodes, and for groups of session windows. */
  def aggregateOf(plan: SparkPlan): Option[PythonAggregate]

  /** Returns a node of grouped aggregate pandas UDFs over `child`. */
  def aggregateNode(aggregate: PythonAggregate, child: SparkPlan): SparkPlan

  /** Returns a logical mapInArrow over `child`. */
  def mapInArrow(function: PythonUDF, output: Seq[Attribute], child: LogicalPlan): LogicalPlan

  /** Returns the application's configuration, from which the node's session started. */
  final def sparkConf(plan: SparkPlan): SparkConf = sparkConf(plan.session.sparkContext)

  /** As above, for the session of this thread. */
  final def activeSparkConf: SparkConf = sparkConf(activeSession.sparkContext)

  /** Whether Spark would feed this node whole columnar batches, so that its Arrow batches are those of its child. */
  final def takesColumnarInput(node: ArrowEvalPythonExec): Boolean = node.child.supportsColumnar && feedsColumnarBatches(node.conf)

  /** Whether a logical node itself runs a Python function over rows or groups. */
  final def runsPython(plan: LogicalPlan): Boolean = plan.nodeName.matches(".*(Python|Pandas|PySpark|InArrow).*")
}
