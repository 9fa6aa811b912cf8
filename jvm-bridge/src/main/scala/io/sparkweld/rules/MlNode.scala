package io.sparkweld
package rules

import io.sparkweld.ml.MlStages

import org.apache.spark.sql.catalyst.expressions.ScalaUDF
import org.apache.spark.sql.execution.{FilterExec, ProjectExec, SparkPlan}

/** Matches a Project or Filter of Spark's that calls functions of its ML library. */
object MlNode {
  def is(node: SparkPlan): Boolean = unapply(node).isDefined

  def unapply(node: SparkPlan): Option[Seq[ScalaUDF]] = node match {
    case _: ProjectExec | _: FilterExec => Some(node.expressions.flatMap(MlStages.in)).filter(_.nonEmpty)
    case _ => None
  }
}
