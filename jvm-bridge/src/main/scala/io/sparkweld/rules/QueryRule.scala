package io.sparkweld
package rules

import io.sparkweld.SparkWeldConf

import org.apache.spark.sql.catalyst.plans.QueryPlan
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.execution.SparkPlan

/**
 * Wraps a rule of SparkWeld's with what applies to each query: whether operators leave it to Spark, and its patience with the compile
 * service.
 */
private[sparkweld] final class QueryRule[T <: QueryPlan[T]](rule: Rule[T]) extends Rule[T] {
  override val ruleName: String = rule.ruleName

  override def apply(plan: T): T =
    if (!SparkWeldConf.Enabled.get(conf)) plan
    else if (!Controls.areSet(conf)) changed(plan)
    else Controls.refusal(plan, conf) match {
      case None if Controls.takesShare(conf) => Rollout.inherited(plan)(changed(plan))
      case None => changed(plan)
      case Some(refusal) =>
        plan match {
          case physical: SparkPlan => Controls.record(physical, refusal)
          case _ => () // explain reads the physical plan
        }
        plan
    }

  private def changed(plan: T): T = QueryPatience.during(new QueryPatience(plan, conf))(rule(plan))
}
