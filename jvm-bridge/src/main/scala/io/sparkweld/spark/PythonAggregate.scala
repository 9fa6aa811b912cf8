package io.sparkweld
package spark

import org.apache.spark.sql.catalyst.expressions.{Attribute, NamedExpression, PythonUDAF, PythonUDF}
import org.apache.spark.sql.catalyst.expressions.aggregate.AggregateExpression

/** Holds the parts of a node of aggregate UDFs. `columns`: those of its output, over the keys and `results`. */
final case class PythonAggregate(
    grouping: Seq[NamedExpression],
    calls: Seq[AggregateExpression],
    columns: Seq[NamedExpression],
    evalType: Int) {

  /** Returns the functions, each as a scalar UDF of the same arguments. */
  def udfs: Seq[PythonUDF] = calls.map(_.aggregateFunction).collect { case udf: PythonUDAF =>
    PythonUDF(udf.name, udf.func, udf.dataType, udf.children, udf.evalType, udf.udfDeterministic, udf.resultId)
  }

  def results: Seq[Attribute] = calls.map(_.resultAttribute)

  /** Whether all calls are pandas UDFs of all rows of a group. */
  private[spark] def isPlain: Boolean = evalType == EvalTypes.GroupedAggPandas && calls.forall { call =>
    call.aggregateFunction.isInstanceOf[PythonUDAF] && !call.isDistinct && call.filter.isEmpty
  }
}
