package io.sparkweld
package spark

import org.apache.spark.sql.execution.SparkPlan

/** Leaves aggregate UDFs to Spark, whose results in these lines were never compared. */
trait AggregateNodes extends SparkLine {
  override def aggregateOf(plan: SparkPlan): Option[PythonAggregate] = None

  override def aggregateNode(aggregate: PythonAggregate, child: SparkPlan): SparkPlan =
    throw new IllegalStateException("this line has no aggregates over groups")
}
