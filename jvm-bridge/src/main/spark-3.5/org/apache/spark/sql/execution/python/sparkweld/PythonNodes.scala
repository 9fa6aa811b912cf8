package org.apache.spark.sql.execution.python.sparkweld

import java.io.File

import io.sparkweld.spark.{MapEvaluator, PythonCall, PythonEvaluator}

import org.apache.spark.{ContextAwareIterator, SparkContext, SparkEnv, TaskContext}
import org.apache.spark.api.python.{ChainedPythonFunctions, PythonEvalType, PythonException}
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.types.DataTypeUtils
import org.apache.spark.sql.execution.SparkPlan
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.sql.execution.python._
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.vectorized.ColumnarBatch
import org.apache.spark.util.Utils

/**
 * Creates the evaluators, metrics and exceptions of Spark 3's nodes of Python functions.
 *
 * It is in this package because only code below `org.apache.spark.sql.execution.python` may access the evaluators.
 */
object PythonNodes {

  def evaluator(
      udfs: Seq[PythonUDF],
      results: Seq[Attribute],
      child: SparkPlan,
      evalType: Int,
      metrics: Map[String, SQLMetric]): PythonEvaluator =
    new NodeEvaluator(
      if (evalType == PythonEvalType.SQL_BATCHED_UDF) new PickledNode(udfs, results, child, metrics)
      else new ArrowNode(udfs, results, child, evalType, metrics))

  def mapEvaluator(
      function: PythonUDF,
      childOutput: Seq[Attribute],
      output: Seq[Attribute],
      evalType: Int,
      conf: SQLConf,
      metrics: Map[String, SQLMetric]): MapEvaluator =
    new MapNodeEvaluator(new MapInBatchEvaluatorFactory(output, Seq(ChainedPythonFunctions(Seq(function.func))),
      DataTypeUtils.fromAttributes(childOutput), conf.arrowMaxRecordsPerBatch, evalType, conf.sessionLocalTimeZone,
      conf.arrowUseLargeVarTypes, PrivateApi.workerSettings(conf), metrics, PrivateApi.artifactId))

  def metrics(context: SparkContext): Map[String, SQLMetric] = Map(
    "pythonDataSent" -> SQLMetrics.createSizeMetric(context, "data sent to Python workers"),
    "pythonDataReceived" -> SQLMetrics.createSizeMetric(context, "data returned from Python workers"),
    "pythonNumRowsReceived" -> SQLMetrics.createMetric(context, "number of output rows"))

  def exception(error: String): RuntimeException = new PythonException(error, null)
}

/** Exposes the method of Spark's nodes that runs functions over rows of their arguments. In this line it is a part of the node. */
private trait EvaluatingNode extends EvalPythonExec {
  def run(call: PythonCall, input: Iterator[InternalRow], context: TaskContext): Iterator[InternalRow] = {
    val functions = call.chains.map(chain => ChainedPythonFunctions(chain.map(_.func)))
    val offsets = call.parameters.map(_.map(_.position).toArray).toArray // this line passes no arguments by name
    evaluate(functions, offsets, input, call.schema, context)
  }
}

private final class ArrowNode(
    udfs: Seq[PythonUDF],
    results: Seq[Attribute],
    child: SparkPlan,
    evalType: Int,
    override val pythonMetrics: Map[String, SQLMetric])
  extends ArrowEvalPythonExec(udfs, results, child, evalType) with EvaluatingNode

private final class PickledNode(
    udfs: Seq[PythonUDF],
    results: Seq[Attribute],
    child: SparkPlan,
    override val pythonMetrics: Map[String, SQLMetric])
  extends BatchEvalPythonExec(udfs, results, child) with EvaluatingNode

/** Runs the functions of one of Spark's nodes. */
private final class NodeEvaluator(node: EvaluatingNode) extends PythonEvaluator {

  override def takesColumnarInput: Boolean = false

  /** Queues the rows until their results arrive, as the node does over the rows of a partition. */
  override def evalRows(partition: Int, input: Iterator[InternalRow]): Iterator[InternalRow] = {
    val context = TaskContext.get()
    val queue = HybridRowQueue(context.taskMemoryManager(), new File(Utils.getLocalDir(SparkEnv.get.conf)), node.child.output.length)
    context.addTaskCompletionListener[Unit](_ => queue.close())
    val call = new PythonCall(node.udfs)
    val arguments = MutableProjection.create(call.arguments, node.child.output)
    arguments.initialize(partition)
    val sent = new ContextAwareIterator(context, input).map { row =>
      queue.add(row.asInstanceOf[UnsafeRow])
      arguments(row)
    }
    val joined = new JoinedRow
    val toRow = UnsafeProjection.create(node.output, node.output)
    node.run(call, sent, context).map(results => toRow(joined(queue.remove(), results)))
  }

  override def evalBatches(partition: Int, input: Iterator[ColumnarBatch]): Iterator[ColumnarBatch] =
    throw new IllegalStateException("Spark 3 feeds only rows to Python functions")

  override def evalCall(call: PythonCall, input: Iterator[InternalRow], context: TaskContext): Iterator[InternalRow] =
    node.run(call, input, context)
}

/** Wraps Spark's evaluator of one mapInPandas or mapInArrow node. */
private final class MapNodeEvaluator(factory: MapInBatchEvaluatorFactory) extends MapEvaluator {
  override def evalRows(partition: Int, input: Iterator[InternalRow]): Iterator[InternalRow] =
    factory.createEvaluator().eval(partition, input)
}
