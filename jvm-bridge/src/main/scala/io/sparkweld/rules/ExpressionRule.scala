package io.sparkweld
package rules

import io.sparkweld.{SparkWeldRuntime, WeldDriver}
import io.sparkweld.support.{Backend, CostModel, Rewritten, WarnOnce}

import org.apache.spark.sql.catalyst.expressions.{Expression, PythonUDF}
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.catalyst.trees.TreePattern.PYTHON_UDF

/**
 * Replaces scalar pandas UDFs by equivalent Catalyst expressions, where these are cheaper than a kernel.
 *
 * Rewrites: UDFs whose operations all have exact equivalents (`udf_compiler.backends.catalyst`), when the cost model says so or
 * `spark.sparkweld.backend` is `catalyst`. Spark then folds, prunes and pushes them as its own. Exceptions: a plan with a
 * Python function whose result depends on its batches, because these would change. Runs once, before Spark pushes operators.
 */
object ExpressionRule extends Rule[LogicalPlan] {

  override def apply(plan: LogicalPlan): LogicalPlan =
    if (!plan.containsPattern(PYTHON_UDF) || plan.isStreaming) plan
    else SparkWeldRuntime.driver match {
      case Some(driver) if Set(Backend.Catalyst, Backend.Auto)(Backend.of(conf)) =>
        WarnOnce.guard("the rewriting of scalar UDFs", plan)(rewrite(plan, driver))
      case _ => plan
    }

  private def rewrite(plan: LogicalPlan, driver: WeldDriver): LogicalPlan = {
    val forced = Backend.of(conf) == Backend.Catalyst
    val equivalents = new CatalystEquivalents(driver.compiler, conf)
    if ((forced || CostModel.mayChooseCatalyst(plan)) && equivalents.batchesDoNotMatter(plan)) {
      plan.transformUpWithPruning(_.containsPattern(PYTHON_UDF)) {
        case node if node.expressions.exists(_.containsPattern(PYTHON_UDF)) =>
          node.mapExpressions(replaced(_, node, equivalents, forced))
      }
    } else plan
  }

  private def replaced(of: Expression, node: LogicalPlan, equivalents: CatalystEquivalents, forced: Boolean): Expression = of match {
    case udf: PythonUDF =>
      equivalents.of(udf, node.children).toOption.flatMap { equivalent =>
        val estimate = CostModel.estimate(equivalent.operations, udf, node)
        Option.when(forced || estimate.catalystIsCheaper) {
          val what = s"${estimate.text}${if (forced) "; forced by spark.sparkweld.backend" else ""}"
          Rewritten.mark(equivalent.expression.clone(), Rewritten(udf.resultId.id, udf.name, "expression", what, equivalent.approximate, equivalent.notes))
        }
      }.getOrElse(udf)
    case other if other.containsPattern(PYTHON_UDF) => other.mapChildren(replaced(_, node, equivalents, forced))
    case other => other
  }
}
