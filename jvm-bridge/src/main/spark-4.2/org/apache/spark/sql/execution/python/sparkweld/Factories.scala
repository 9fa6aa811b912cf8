package org.apache.spark.sql.execution.python.sparkweld

import org.apache.spark.sql.execution.python.BatchEvalPythonEvaluatorFactory

/** Calls the constructors of Spark 4.2's evaluator factories of Python functions. */
private[python] object Factories extends ColumnarFactories {

  def pickled(node: NodeArguments): BatchEvalPythonEvaluatorFactory =
    new BatchEvalPythonEvaluatorFactory(node.childOutput, node.udfs, node.output, node.rowsPerPickle, node.metrics, node.artifacts,
      LoggedSession.of(node.conf), node.conf.pysparkBinaryAsBytes)
}
