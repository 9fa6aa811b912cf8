package io.sparkweld
package spark

import org.apache.spark.sql.{SparkSession, SparkSessionExtensions}
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.catalyst.trees.TreePattern.{EVAL_PYTHON_UDF, EVAL_PYTHON_UDTF}

/**
 * Adds rules to the optimizer's own batches: these lines have no point for rules before the optimizer moves operators.
 *
 * The batches repeat their rules until the plan no longer changes. Those that are added here run in the first pass only.
 */
trait Hooks extends SparkPlans { this: SparkCore with SparkPython =>

  override def injectRuleBeforeOptimizer(extensions: SparkSessionExtensions, rule: SparkSession => Rule[LogicalPlan]): Unit =
    extensions.injectOptimizerRule(session => new FirstPass(rule(session)))

  override def containsExtractedPython(plan: LogicalPlan): Boolean = plan.containsAnyPattern(EVAL_PYTHON_UDF, EVAL_PYTHON_UDTF)
}

/** Runs a rule once. Spark builds the optimizer's rules for each plan, so an instance belongs to one plan. */
private final class FirstPass(rule: Rule[LogicalPlan]) extends Rule[LogicalPlan] {
  private var hasRun = false

  override val ruleName: String = rule.ruleName

  override def apply(plan: LogicalPlan): LogicalPlan = if (hasRun) plan else {
    hasRun = true
    rule(plan)
  }
}
