package io.sparkweld
package rules

import scala.util.control.NonFatal

import io.sparkweld.SparkWeldRuntime
import io.sparkweld.compile.{CompileReply, Frame, WorkerPaths}
import io.sparkweld.contract.Encoder
import io.sparkweld.plan.{KernelSummary, Step, WeldExec, WeldRowsExec, WeldTopExec}
import io.sparkweld.spark.{CurrentSpark, EvalTypes}
import io.sparkweld.support.ParquetFooter

import org.apache.spark.SparkConf
import org.apache.spark.internal.Logging
import org.apache.spark.sql.catalyst.expressions.{Add, Alias, AttributeReference, Literal, PythonUDF}
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.execution.{ProjectExec, SparkPlan}
import org.apache.spark.sql.execution.python.ArrowEvalPythonExec
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.{DoubleType, IntegerType}

/**
 * Loads the classes that the planning of a first query needs, before there is one.
 *
 * These are some three hundred classes and as many lambdas. It takes the way of a query: it builds the request for a function of two
 * columns, writes it as JSON, reads a reply, and makes the node of a kernel. It asks no service and changes no state.
 */
private[sparkweld] object FirstPlan extends Logging {

  private def rules: Seq[Rule[_]] = Seq(CascadeRule, SortedCalls, RankingRule, AggregateRule, ExpressionRule, ImpliedFilters,
    UnreadArguments, TableFunctions, JoinBounds, LateMaterialization, WeldRule, TopRowsRule, RowBatchesRule, OffHeapScans)

  /** As `load`; never throws: a query would load the rest. */
  def prepare(conf: SparkConf): Unit =
    try {
      val loaded = load(conf)
      logDebug(s"SparkWeld: ready for a first query: $loaded")
    } catch { case problem @ (NonFatal(_) | _: LinkageError) => logDebug("SparkWeld: the classes of the first plan", problem) }

  /** Loads the classes, and describes what it made. */
  def load(conf: SparkConf): String = {
    val nodes = example(conf)
    val table = nodes.head.children.head
    val pipeline = new PipelineBuilder(nodes, table.output, None, SQLConf.get, conf, nullStructs = true).build()
    val reply = CompileReply.read(pipeline.request, Frame(Encoder.read(s"""{"status": "${Frame.Ok}"}"""), Nil), Nil)
    val summary = KernelSummary("", pipeline.udfs, Nil, Nil, singlePrecision = false, Nil, guarded = false)
    val kernel = WeldExec(nodes.flatMap(Step.of(_)), pipeline.plan(flags = false), summary, columnarInput = false, nodes.last.output, table)
    val others = Seq(WeldRowsExec(kernel), WeldTopExec, FusedFunctions, ChainCuts, Regrouping, RowEstimate, QueryPatience, ParquetFooter)
    val rewriters = SparkWeldRuntime.driver.map(new ChainRewriter(_)).toSeq
    val links = nodes.count(node => KernelNode.is(node) || MlNode.is(node) || PythonTableFunction.is(node))
    s"$links links, ${rules.size + others.size + rewriters.size} objects, request ${pipeline.request.key}, reply $reply"
  }

  /** Returns a Python node and a projection above it, bottom up. */
  private def example(conf: SparkConf): Seq[SparkPlan] = {
    val columns = Seq(AttributeReference("x", DoubleType)(), AttributeReference("n", IntegerType)())
    val function = CurrentSpark.function(Array.emptyByteArray, WorkerPaths.defaultPython(conf))
    val udf = PythonUDF("f", function, DoubleType, columns, EvalTypes.ScalarPandas, udfDeterministic = true)
    val result = AttributeReference("f", DoubleType)()
    val python = ArrowEvalPythonExec(Seq(udf), Seq(result), CurrentSpark.emptyTable(columns), EvalTypes.ScalarPandas)
    Seq(python, ProjectExec(Seq(Alias(Add(result, Literal(1.0)), "r")()), python))
  }
}
