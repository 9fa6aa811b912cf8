package io.sparkweld
package rules

import io.sparkweld.SparkWeldRuntime
import io.sparkweld.compile.{FunctionService, Lru}
import io.sparkweld.contract.Operation
import io.sparkweld.spark.{CurrentSpark, EvalTypes}
import io.sparkweld.support.{Backend, Refusal, WarnOnce}

import org.apache.spark.sql.catalyst.expressions.{Attribute, AttributeReference, ExprId, Expression, Inline, Literal}
import org.apache.spark.sql.catalyst.expressions.{NamedArgumentExpression, PythonUDF, PythonUDTF}
import org.apache.spark.sql.catalyst.plans.logical.{Generate, LogicalPlan}
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.catalyst.trees.TreePattern.GENERATE
import org.apache.spark.sql.types.ArrayType

/**
 * Replaces Python table functions of single rows by plain functions that return arrays, from which Spark's `inline` makes rows.
 *
 * Rewrites: functions whose class has no state, and for which the array of a row has a kernel. The plain function has the format
 * of the table function, pickled or over Arrow, so it returns the same rows in Python, too. Exceptions: functions of
 * partitions, with a result of `analyze`, and generators that keep rows without results.
 */
object TableFunctions extends Rule[LogicalPlan] {
  private val refused = new Lru[ExprId, Seq[Refusal]](256)

  /** Returns why a table function was not replaced. */
  def refusals(udtf: PythonUDTF): Seq[Refusal] = refused.get(udtf.resultId).getOrElse(Nil)

  override def apply(plan: LogicalPlan): LogicalPlan =
    if (!plan.containsPattern(GENERATE) || plan.isStreaming) plan
    else SparkWeldRuntime.driver match {
      case Some(driver) if Backend.of(conf) != Backend.Python =>
        WarnOnce.guard("the translation of table functions", plan)(rewrite(plan, driver.compiler))
      case _ => plan
    }

  private[rules] def rewrite(plan: LogicalPlan, service: FunctionService): LogicalPlan =
    plan.transformUpWithPruning(_.containsPattern(GENERATE)) {
      case generate @ Generate(udtf: PythonUDTF, _, false, _, _, child) if isOfRows(udtf) && refused.get(udtf.resultId).isEmpty =>
        call(udtf, child, service) match {
          case Right(rows) => generate.copy(generator = Inline(rows))
          case Left(refusals) =>
            refused.put(udtf.resultId, refusals)
            generate
        }
    }

  /** Whether it is called for each row on its own. PySpark declares none deterministic; the service proves it. */
  private def isOfRows(udtf: PythonUDTF): Boolean =
    EvalTypes.ofTables.contains(udtf.evalType) && !udtf.productIterator.exists {
      case Some(_: Seq[_]) => false // which arguments are tables: without partitions, each of its rows is one struct
      case Some(_) => true // partitions, or the result of `analyze`
      case _ => false
    }

  private def call(udtf: PythonUDTF, child: LogicalPlan, service: FunctionService): Either[Seq[Refusal], PythonUDF] = {
    val rows = ArrayType(udtf.elementSchema, containsNull = false)
    def called(arguments: Seq[Expression]): PythonUDF =
      PythonUDF(udtf.name, udtf.func, rows, arguments, EvalTypes.ofTables(udtf.evalType), udfDeterministic = true)
    val arguments = udtf.children.map(columnOf)
    val input = CatalystEquivalents.columnsOf(Seq(child)) ++ arguments.diff(udtf.children).collect { case made: Attribute => made }
    for {
      request <- FunctionRequest.of(Operation.Table, called(arguments), input, conf)
      reply <- request.answer(service, conf)
      payload <- reply.payload.toRight(Nil)
    } yield CurrentSpark.withCommand(called(udtf.children), payload.bytes)
  }

  /** Returns a column in place of an expression, which Spark will compute below the function. */
  private def columnOf(argument: Expression): Expression = argument match {
    case simple @ (_: Attribute | _: Literal) => simple
    case NamedArgumentExpression(_, _) => argument
    case computed => AttributeReference("argument", computed.dataType, computed.nullable)()
  }
}
