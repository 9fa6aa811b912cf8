package org.apache.spark.sql.execution.python.sparkweld

import org.apache.spark.PartitionEvaluatorFactory
import org.apache.spark.api.python.PythonException
import org.apache.spark.sql.vectorized.ColumnarBatch

/** Creates Spark's evaluator factories in lines that feed only rows to Python functions. */
private[python] abstract class RowFactories {

  def columnar(node: NodeArguments): Option[PartitionEvaluatorFactory[ColumnarBatch, ColumnarBatch]] = None

  def exception(error: String): RuntimeException = new PythonException(error, null)
}
