package io.sparkweld.rules

import java.io.File
import java.util.Base64

import scala.jdk.CollectionConverters._

import io.sparkweld.{SparkWeldConf, SparkWeldRuntime, WeldDriver}
import io.sparkweld.plan.Breakers
import io.sparkweld.support.WarnOnce

import org.apache.spark.sql.catalyst.expressions.PythonUDF
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.catalyst.trees.TreePattern.PYTHON_UDF
import org.apache.spark.sql.execution.python.sparkweld.SparkInternals

/**
 * Turns UDFs that hold a fitted model into UDFs that hold its certified cascade.
 *
 * What it rewrites: with `spark.sparkweld.cascades.path` set, each UDF for whose model that folder has a cascade; its command
 * bytes change and nothing else. When it must not: no such cascade, or one that was edited or made with other libraries; the
 * full model then scores every row, and one warning says why. Nor one that a comparison with its full model turned off. Runs once and first, so that all that follows sees one function.
 */
object CascadeRule extends Rule[LogicalPlan] {
  private val certified = CertifiedModels("cascade", "certificate.json")

  override def apply(plan: LogicalPlan): LogicalPlan =
    if (!plan.containsPattern(PYTHON_UDF)) plan
    else (SparkWeldRuntime.driver, SparkWeldConf.CascadesPath.get(conf)) match {
      case (Some(driver), Some(path)) if SparkWeldConf.Enabled.get(conf) =>
        WarnOnce.guard("the use of cascades", plan)(rewrite(plan, driver, new File(path).getAbsoluteFile))
      case _ => plan
    }

  private def rewrite(plan: LogicalPlan, driver: WeldDriver, folder: File): LogicalPlan =
    plan.transformUpWithPruning(_.containsPattern(PYTHON_UDF)) {
      case node if node.expressions.exists(_.containsPattern(PYTHON_UDF)) =>
        node.transformExpressionsUpWithPruning(_.containsPattern(PYTHON_UDF)) {
          case udf: PythonUDF => command(udf, node, driver, folder).fold(udf)(SparkInternals.withCommand(udf, _))
        }
    }

  /** The bytes that stand for the function with its cascade; None when it stays as it is. */
  private def command(udf: PythonUDF, node: LogicalPlan, driver: WeldDriver, folder: File): Option[Array[Byte]] =
    certified.of(udf, node, driver, conf, folder)
      .filterNot(_.path("paths").elements().asScala.exists(path => Breakers.known(path.asText).isDefined))
      .flatMap { reply =>
        val made = Option(reply.get("payload")).filterNot(_.isNull).map(text => Base64.getDecoder.decode(text.asText))
        if (SparkWeldConf.ShadowFraction.get(conf) > 0) made.foreach(driver.cascades.put(_, udf.func.command.toArray))
        made
      }
}
