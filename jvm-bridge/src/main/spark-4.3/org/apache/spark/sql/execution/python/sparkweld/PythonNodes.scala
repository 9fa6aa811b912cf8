package org.apache.spark.sql.execution.python.sparkweld

import io.sparkweld.spark.{EvalTypes, MapEvaluator, PythonCall, PythonEvaluator}

import org.apache.spark.{QueryContext, SparkContext, TaskContext}
import org.apache.spark.api.python.{ChainedPythonFunctions, PythonException}
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, PythonUDF}
import org.apache.spark.sql.catalyst.types.DataTypeUtils
import org.apache.spark.sql.classic.SparkSession
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.sql.execution.python._
import org.apache.spark.sql.execution.python.EvalPythonExec.ArgumentMetadata
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.{StructField, StructType}
import org.apache.spark.sql.vectorized.ColumnarBatch

/**
 * Creates the evaluators, metrics and exceptions of Spark 4.3's nodes of Python functions.
 *
 * It is in this package because only code below `org.apache.spark.sql.execution.python` may access the evaluators.
 */
object PythonNodes {

  def evaluator(
      udfs: Seq[PythonUDF],
      childOutput: Seq[Attribute],
      resultAttrs: Seq[Attribute],
      evalType: Int,
      columnarInput: Boolean,
      conf: SQLConf,
      metrics: Map[String, SQLMetric]): PythonEvaluator = {
    val output = childOutput ++ resultAttrs
    val (artifacts, logged) = (PrivateApi.artifactId, loggedSession(conf))
    if (evalType == EvalTypes.Batched) {
      val pickled = new BatchEvalPythonEvaluatorFactory(childOutput, udfs, output, conf.getConf(SQLConf.PYTHON_UDF_MAX_RECORDS_PER_BATCH),
        conf.getConf(SQLConf.PYTHON_UDF_MAX_BYTES_PER_BATCH), metrics, artifacts, logged, conf.pysparkBinaryAsBytes)
      return new NodeEvaluator(pickled, None)
    }
    val settings = PrivateApi.workerSettings(conf)
    val rows = new ArrowEvalPythonEvaluatorFactory(childOutput, udfs, output, conf.arrowMaxRecordsPerBatch, evalType,
      conf.sessionLocalTimeZone, conf.arrowUseLargeVarTypes, settings, metrics, artifacts, logged)
    val columnar = Option.when(columnarInput) {
      val schema = StructType(output.map(a => StructField(a.name, a.dataType, a.nullable)))
      new ColumnarArrowEvalPythonEvaluatorFactory(childOutput, udfs, output, schema, conf.arrowMaxRecordsPerBatch, evalType,
        conf.sessionLocalTimeZone, conf.arrowUseLargeVarTypes, settings, metrics, artifacts, logged)
    }
    new NodeEvaluator(rows, columnar)
  }

  def mapEvaluator(
      function: PythonUDF,
      childOutput: Seq[Attribute],
      output: Seq[Attribute],
      evalType: Int,
      conf: SQLConf,
      metrics: Map[String, SQLMetric]): MapEvaluator = {
    val chain = Seq((ChainedPythonFunctions(Seq(function.func)), function.resultId.id))
    new MapNodeEvaluator(new MapInBatchEvaluatorFactory(output, chain, DataTypeUtils.fromAttributes(childOutput), function.dataType,
      conf.arrowMaxRecordsPerBatch, evalType, conf.sessionLocalTimeZone, conf.arrowUseLargeVarTypes, PrivateApi.workerSettings(conf),
      metrics, PrivateApi.artifactId, loggedSession(conf)))
  }

  def metrics(context: SparkContext): Map[String, SQLMetric] =
    PythonSQLMetrics.pythonSizeMetricsDesc.map { case (k, v) => k -> SQLMetrics.createSizeMetric(context, v) } ++
      PythonSQLMetrics.pythonTimingMetricsDesc.map { case (k, v) => k -> SQLMetrics.createTimingMetric(context, v) } ++
      PythonSQLMetrics.pythonOtherMetricsDesc.map { case (k, v) => k -> SQLMetrics.createMetric(context, v) }

  def exception(error: String): RuntimeException = new PythonException("PYTHON_EXCEPTION",
    Map("msg" -> "An exception was thrown from the Python worker", "traceback" -> error), null, Array.empty[QueryContext], "")

  private def loggedSession(conf: SQLConf): Option[String] =
    if (conf.pythonWorkerLoggingEnabled) SparkSession.getActiveSession.map(_.sessionUUID) else None
}

/** Wraps Spark's evaluators of one node of Python UDFs; the two share the function bytes. */
private final class NodeEvaluator(
    rows: EvalPythonEvaluatorFactory,
    columnar: Option[ColumnarArrowEvalPythonEvaluatorFactory]) extends PythonEvaluator {

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
