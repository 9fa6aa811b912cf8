package io.sparkweld
package spark

import org.apache.spark.sql.execution.SparkPlan
import org.apache.spark.sql.execution.python.ArrowAggregatePythonExec

/** Reads and creates Spark's node of aggregate UDFs. */
trait AggregateNodes extends SparkLine {
  override def aggregateOf(plan: SparkPlan): Option[PythonAggregate] = plan match {
    case node: ArrowAggregatePythonExec if node.sessionWindowOption.isEmpty =>
      Some(PythonAggregate(node.groupingExpressions, node.aggExpressions, node.resultExpressions, node.evalType)).filter(_.isPlain)
    case _ => None
  }

  override def aggregateNode(aggregate: PythonAggregate, child: SparkPlan): SparkPlan =
    ArrowAggregatePythonExec(aggregate.grouping, aggregate.calls, aggregate.columns, child, aggregate.evalType)
}
