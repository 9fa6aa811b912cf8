package org.apache.spark.sql.execution.python.sparkweld

import io.sparkweld.spark.{EvalTypes, MapEvaluator, PythonCall, PythonEvaluator}

import org.apache.spark.{PartitionEvaluatorFactory, SparkContext, TaskContext}
import org.apache.spark.api.python.ChainedPythonFunctions
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, PythonUDF}
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.sql.execution.python._
import org.apache.spark.sql.execution.python.EvalPythonExec.ArgumentMetadata
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.vectorized.ColumnarBatch

/**
 * Creates the evaluators, metrics and exceptions of Spark's nodes of Python functions.
 *
 * It is in this package because only code below `org.apache.spark.sql.execution.python` may access the evaluators. The folder of
 * a line has `Factories`, which calls their constructors.
 */
object PythonNodes {

  def evaluator(node: NodeArguments, columnarInput: Boolean): PythonEvaluator =
    if (node.evalType == EvalTypes.Batched) new NodeEvaluator(Factories.pickled(node), None)
    else new NodeEvaluator(Factories.arrow(node), if (columnarInput) Factories.columnar(node) else None)

  def mapEvaluator(function: PythonUDF, node: NodeArguments): MapEvaluator = {
    val chain = Seq((ChainedPythonFunctions(Seq(function.func)), function.resultId.id))
    new MapNodeEvaluator(Factories.map(function, chain, node))
  }

  def metrics(context: SparkContext): Map[String, SQLMetric] =
    PythonSQLMetrics.pythonSizeMetricsDesc.map { case (k, v) => k -> SQLMetrics.createSizeMetric(context, v) } ++
      PythonSQLMetrics.pythonTimingMetricsDesc.map { case (k, v) => k -> SQLMetrics.createTimingMetric(context, v) } ++
      PythonSQLMetrics.pythonOtherMetricsDesc.map { case (k, v) => k -> SQLMetrics.createMetric(context, v) }

  def exception(error: String): RuntimeException = Factories.exception(error)
}

/** Holds the arguments of one node of Python functions. `output`: of its child, followed by its own columns. */
final case class NodeArguments(
    udfs: Seq[PythonUDF],
    childOutput: Seq[Attribute],
    output: Seq[Attribute],
    evalType: Int,
    conf: SQLConf,
    metrics: Map[String, SQLMetric]) {
  private[python] def artifacts: Option[String] = PrivateApi.artifactId
  private[python] def settings: Map[String, String] = PrivateApi.workerSettings(conf)
  private[python] def rowsPerPickle: Int = conf.getConf(SQLConf.PYTHON_UDF_MAX_RECORDS_PER_BATCH)
}

/** Wraps Spark's evaluators of one node of Python UDFs; the two share the function bytes. */
private final class NodeEvaluator(
    rows: EvalPythonEvaluatorFactory,
    columnar: Option[PartitionEvaluatorFactory[ColumnarBatch, ColumnarBatch]]) extends PythonEvaluator {

  override def takesColumnarInput: Boolean = columnar.isDefined

  override def evalRows(partition: Int, input: Iterator[InternalRow]): Iterator[InternalRow] =
    rows.createEvaluator().eval(partition, input)

  override def evalBatches(partition: Int, input: Iterator[ColumnarBatch]): Iterator[ColumnarBatch] =
    columnar.get.createEvaluator().eval(partition, input)

  override def evalCall(call: PythonCall, input: Iterator[InternalRow], context: TaskContext): Iterator[InternalRow] = {
    val functions = call.chains.map(chain => (ChainedPythonFunctions(chain.map(_.func)), chain.last.resultId.id))
    val arguments = call.parameters.map(_.map(parameter => ArgumentMetadata(parameter.position, parameter.name)).toArray).toArray
    rows match {
      case arrow: ArrowEvalPythonEvaluatorFactory => arrow.evaluate(functions, arguments, input, call.schema, context)
      case pickled: BatchEvalPythonEvaluatorFactory => pickled.evaluate(functions, arguments, input, call.schema, context)
      case other => throw new IllegalStateException(s"${other.getClass.getName} evaluates no single batch")
    }
  }
}

/** Wraps Spark's evaluator of one mapInPandas or mapInArrow node. */
private final class MapNodeEvaluator(factory: MapInBatchEvaluatorFactory) extends MapEvaluator {
  override def evalRows(partition: Int, input: Iterator[InternalRow]): Iterator[InternalRow] =
    factory.createEvaluator().eval(partition, input)
}
