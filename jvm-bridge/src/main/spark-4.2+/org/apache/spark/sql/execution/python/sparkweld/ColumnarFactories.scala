package org.apache.spark.sql.execution.python.sparkweld

import org.apache.spark.{PartitionEvaluatorFactory, QueryContext}
import org.apache.spark.api.python.{ChainedPythonFunctions, PythonException}
import org.apache.spark.sql.catalyst.expressions.PythonUDF
import org.apache.spark.sql.catalyst.types.DataTypeUtils
import org.apache.spark.sql.execution.python._
import org.apache.spark.sql.types.{StructField, StructType}
import org.apache.spark.sql.vectorized.ColumnarBatch

/** Creates Spark's evaluator factories in lines that feed columnar batches to scalar functions. */
private[python] abstract class ColumnarFactories {

  def arrow(node: NodeArguments): ArrowEvalPythonEvaluatorFactory =
    new ArrowEvalPythonEvaluatorFactory(node.childOutput, node.udfs, node.output, node.conf.arrowMaxRecordsPerBatch, node.evalType,
      node.conf.sessionLocalTimeZone, node.conf.arrowUseLargeVarTypes, node.settings, node.metrics, node.artifacts,
      LoggedSession.of(node.conf))

  def columnar(node: NodeArguments): Option[PartitionEvaluatorFactory[ColumnarBatch, ColumnarBatch]] = {
    val schema = StructType(node.output.map(a => StructField(a.name, a.dataType, a.nullable)))
    Some(new ColumnarArrowEvalPythonEvaluatorFactory(node.childOutput, node.udfs, node.output, schema,
      node.conf.arrowMaxRecordsPerBatch, node.evalType, node.conf.sessionLocalTimeZone, node.conf.arrowUseLargeVarTypes, node.settings,
      node.metrics, node.artifacts, LoggedSession.of(node.conf)))
  }

  def map(function: PythonUDF, chain: Seq[(ChainedPythonFunctions, Long)], node: NodeArguments): MapInBatchEvaluatorFactory =
    new MapInBatchEvaluatorFactory(node.output, chain, DataTypeUtils.fromAttributes(node.childOutput), function.dataType,
      node.conf.arrowMaxRecordsPerBatch, node.evalType, node.conf.sessionLocalTimeZone, node.conf.arrowUseLargeVarTypes, node.settings,
      node.metrics, node.artifacts, LoggedSession.of(node.conf))

  def exception(error: String): RuntimeException = new PythonException("PYTHON_EXCEPTION",
    Map("msg" -> "An exception was thrown from the Python worker", "traceback" -> error), null, Array.empty[QueryContext], "")
}
