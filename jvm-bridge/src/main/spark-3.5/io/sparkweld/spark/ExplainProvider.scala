package io.sparkweld
package spark

import org.apache.spark.sql.execution.SparkPlan

/** Describes a plan as extensions of Spark 4's `explain` do. Spark 3's `explain` has no extensions. */
trait ExplainProvider {
  def title: String
  def generateExtendedInfo(plan: SparkPlan): String
}
