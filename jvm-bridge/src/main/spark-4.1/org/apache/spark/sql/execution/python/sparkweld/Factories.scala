package org.apache.spark.sql.execution.python.sparkweld

import org.apache.spark.api.python.ChainedPythonFunctions
import org.apache.spark.sql.catalyst.expressions.PythonUDF
import org.apache.spark.sql.catalyst.types.DataTypeUtils
import org.apache.spark.sql.execution.python._

/** Calls the constructors of Spark 4.1's evaluator factories of Python functions. */
private[python] object Factories extends RowFactories {

  def pickled(node: NodeArguments): BatchEvalPythonEvaluatorFactory =
    new BatchEvalPythonEvaluatorFactory(node.childOutput, node.udfs, node.output, node.rowsPerPickle, node.metrics, node.artifacts,
      LoggedSession.of(node.conf), None, node.conf.pysparkBinaryAsBytes)

  def arrow(node: NodeArguments): ArrowEvalPythonEvaluatorFactory =
    new ArrowEvalPythonEvaluatorFactory(node.childOutput, node.udfs, node.output, node.conf.arrowMaxRecordsPerBatch, node.evalType,
      node.conf.sessionLocalTimeZone, node.conf.arrowUseLargeVarTypes, node.settings, node.metrics, node.artifacts,
      LoggedSession.of(node.conf), None)

  def map(function: PythonUDF, chain: Seq[(ChainedPythonFunctions, Long)], node: NodeArguments): MapInBatchEvaluatorFactory =
    new MapInBatchEvaluatorFactory(node.output, chain, DataTypeUtils.fromAttributes(node.childOutput), function.dataType,
      node.conf.arrowMaxRecordsPerBatch, node.evalType, node.conf.sessionLocalTimeZone, node.conf.arrowUseLargeVarTypes, node.settings,
      node.metrics, node.artifacts, LoggedSession.of(node.conf), None)
}
