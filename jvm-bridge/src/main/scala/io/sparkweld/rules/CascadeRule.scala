package io.sparkweld
package rules

import java.io.File

import io.sparkweld.{SparkWeldConf, SparkWeldRuntime}
import io.sparkweld.compile.FunctionService
import io.sparkweld.contract.{Constants, Operation, PayloadReply}
import io.sparkweld.plan.Breakers
import io.sparkweld.spark.CurrentSpark
import io.sparkweld.support.WarnOnce

import org.apache.spark.sql.catalyst.expressions.PythonUDF
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.catalyst.trees.TreePattern.PYTHON_UDF

/**
 * Replaces UDFs that hold a fitted model by UDFs that hold its certified cascade.
 *
 * Rewrites: with `spark.sparkweld.cascades.path` set, each UDF for whose model that folder has a cascade; only its
 * command bytes change. Exceptions: there is no such cascade, or it was edited or made with other libraries. The full model
 * then scores every row, and one warning says why. It also skips a cascade that a comparison with its full model turned off; a
 * UDF that was given such a cascade by the user, by `sparkweld.score` or directly, gets its full model back. Runs once and first,
 * so that all later rules see one function.
 */
object CascadeRule extends Rule[LogicalPlan] {
  /** Remembers the command of a function with a cascade, and the original command. */
  private type Remember = (Array[Byte], Array[Byte]) => Unit

  private val certified = new CertifiedModels(Operation.Cascade, Constants.shared.certificates.cascade,
    (request, folder, state) => request.copy(cascades = Some(folder), state = Some(state)))

  override def apply(plan: LogicalPlan): LogicalPlan =
    if (!plan.containsPattern(PYTHON_UDF)) plan
    else SparkWeldRuntime.driver match {
      case Some(driver) =>
        val folder = SparkWeldConf.CascadesPath.get(conf).map(new File(_).getAbsoluteFile)
        val isCompared = SparkWeldConf.ShadowFraction.get(conf) > 0
        if (folder.isEmpty && !isCompared && !Breakers.someTripped) plan
        else WarnOnce.guard("the use of cascades", plan)(rewrite(plan, driver.compiler, driver.cascades, folder, isCompared))
      case _ => plan
    }

  /** @param originals remembers the full models, if queries with cascades are compared with them */
  private[rules] def rewrite(
      plan: LogicalPlan, service: FunctionService, originals: FullModels, folder: Option[File], isCompared: Boolean): LogicalPlan = {
    val remember = if (isCompared) originals.put _ else (_: Array[Byte], _: Array[Byte]) => ()
    plan.transformUpWithPruning(_.containsPattern(PYTHON_UDF)) {
      case node if node.expressions.exists(_.containsPattern(PYTHON_UDF)) =>
        node.transformExpressionsUpWithPruning(_.containsPattern(PYTHON_UDF)) {
          case udf: PythonUDF =>
            val made = held(udf, node, service, isCompared) match {
              case Some(reply) => full(udf, reply, remember)
              case None => folder.flatMap(command(udf, node, service, _, remember))
            }
            made.fold(udf)(CurrentSpark.withCommand(udf, _))
        }
    }
  }

  /** Returns the command of the function with its cascade; None when it stays unchanged. */
  private def command(
      udf: PythonUDF, node: LogicalPlan, service: FunctionService, folder: File, remember: Remember): Option[Array[Byte]] =
    certified.of(udf, node, service, conf, folder).filterNot(isOff).flatMap { reply =>
      val made = reply.payload.map(_.bytes)
      made.foreach(remember(_, udf.func.command.toArray))
      made
    }

  /** Returns the service's reply about a function that itself holds a cascade, where that matters. */
  private def held(udf: PythonUDF, node: LogicalPlan, service: FunctionService, isCompared: Boolean): Option[PayloadReply] =
    for {
      asked <- Option.when(isCompared || Breakers.someTripped)(udf).filter(FullModels.mayHoldCascade)
      request <- FunctionRequest.of(Operation.FullModel, asked, CatalystEquivalents.columnsOf(node.children), conf).toOption
      reply <- request.answer(service, conf).toOption
      if reply.payload.nonEmpty
    } yield reply

  /**
   * Returns the command with the full model in place of a cascade that is off; None for a cascade that is on, which may be
   * compared.
   */
  private def full(udf: PythonUDF, reply: PayloadReply, remember: Remember): Option[Array[Byte]] = {
    val made = reply.payload.map(_.bytes)
    made.foreach(remember(udf.func.command.toArray, _))
    made.filter(_ => isOff(reply))
  }

  private def isOff(reply: PayloadReply): Boolean =
    reply.paths.exists(_.exists(Breakers.known(_).isDefined))
}
