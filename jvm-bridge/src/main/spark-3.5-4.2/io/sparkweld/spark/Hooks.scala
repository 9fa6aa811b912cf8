package io.sparkweld
package spark

import org.apache.spark.sql.{SparkSession, SparkSessionExtensions}
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.catalyst.trees.TreePattern.{EVAL_PYTHON_UDF, EVAL_PYTHON_UDTF}

/**
 * Adds rules to the optimizer's own batches, which repeat them until the plan no longer changes.
 *
 * These lines have no point for rules before the optimizer moves operators.
 */
trait Hooks extends SparkPlans { this: SparkCore with SparkPython =>

  override def injectRuleBeforeOptimizer(extensions: SparkSessionExtensions, rule: SparkSession => Rule[LogicalPlan]): Unit =
    extensions.injectOptimizerRule(rule(_))

  override def containsExtractedPython(plan: LogicalPlan): Boolean = plan.containsAnyPattern(EVAL_PYTHON_UDF, EVAL_PYTHON_UDTF)
}
