package io.sparkweld
package spark

import org.apache.spark.sql.{SparkSession, SparkSessionExtensions}
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.catalyst.trees.TreePattern.{EVAL_PYTHON_UDF, EVAL_PYTHON_UDTF, TRANSPILED_PYTHON_UDF}

/** Adds rules that run once, before the optimizer moves operators. */
trait Hooks extends SparkPlans { this: SparkCore with SparkPython =>

  override def injectRuleBeforeOptimizer(extensions: SparkSessionExtensions, rule: SparkSession => Rule[LogicalPlan]): Unit =
    extensions.injectPreOperatorOptimizationRule(rule(_))

  override def containsExtractedPython(plan: LogicalPlan): Boolean =
    plan.containsAnyPattern(EVAL_PYTHON_UDF, EVAL_PYTHON_UDTF, TRANSPILED_PYTHON_UDF)
}
