package io.sparkweld
package rules

import io.sparkweld.{SparkWeldConf, SparkWeldRuntime}
import io.sparkweld.compile.FunctionService
import io.sparkweld.contract.Operation
import io.sparkweld.spark.EvalTypes
import io.sparkweld.support.{Backend, Rewritten, WarnOnce}

import scala.collection.mutable

import org.apache.spark.sql.catalyst.expressions.{Left => _, Right => _, _}
import org.apache.spark.sql.catalyst.plans.logical.LogicalPlan
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.catalyst.trees.TreeNodeTag
import org.apache.spark.sql.catalyst.trees.TreePattern.PYTHON_UDF

/**
 * Replaces arguments that a pandas UDF never reads by constants.
 *
 * If `f` predicts with trees that split only by `b`, `f(struct(a, b, c))` becomes `f(struct(0.0, b, 0.0))`. Spark then prunes the
 * other columns, down to the scan, and the expressions that compute them.
 *
 * Rewrites: arguments, and fields of structs made for one, that are not among the inputs of the function's program. Exceptions: a
 * program with guards, because Python decides the rows that they flag, and sees all columns; a program that reads columns whose
 * NULLs affect its dtype. Otherwise the program equals the function for every batch. So the function, too, returns the same for
 * other values of the unread inputs, in a kernel and in Python.
 */
object UnreadArguments extends Rule[LogicalPlan] {
  private val Asked = TreeNodeTag[Unit]("sparkweld.unread")
  /** With fewer columns, the request costs more than it may save. */
  private val Fewest = 4

  override def apply(plan: LogicalPlan): LogicalPlan =
    if (!plan.containsPattern(PYTHON_UDF) || plan.isStreaming) plan
    else SparkWeldRuntime.driver match {
      case Some(driver) if SparkWeldConf.PushdownEnabled.get(conf) &&
          Backend.of(conf) != Backend.Python =>
        WarnOnce.guard("the search for columns that no function reads", plan)(rewrite(plan, driver.compiler))
      case _ => plan
    }

  private[rules] def rewrite(plan: LogicalPlan, service: FunctionService): LogicalPlan =
    plan.transformAllExpressionsWithPruning(_.containsPattern(PYTHON_UDF)) {
      case udf: PythonUDF if isNew(udf) => rewritten(udf, service)
    }

  private def isNew(udf: PythonUDF): Boolean =
    udf.evalType == EvalTypes.ScalarPandas && udf.udfDeterministic && udf.getTagValue(Asked).isEmpty

  private def rewritten(udf: PythonUDF, service: FunctionService): PythonUDF = {
    val question = new Question
    val general = withChildren(udf, udf.children.map(question.replaced))
    if (question.values.size < Fewest) udf else withConstants(udf, general, question.values.toMap, service)
  }

  /** @param general the call over columns that represent `values` */
  private def withConstants(
      udf: PythonUDF, general: PythonUDF, values: Map[AttributeReference, Expression], service: FunctionService): PythonUDF = {
    val columns = general.children.flatMap(_.collect { case column: AttributeReference if values.contains(column) => column })
    val read = for {
      request <- FunctionRequest.of(Operation.Reads, general, columns, conf)
      reply <- request.answer(service, conf)
    } yield Option.when(reply.inputs.forall(request.columns.contains)) {
      reply.inputs.flatMap(request.column(_).references.map(_.exprId)).toSet
    }
    // One column stays, so that batches have a length.
    val unread = columns.filterNot(column => read.toOption.flatten.forall(_.contains(column.exprId))).take(columns.size - 1)
    val back = values ++ unread.map(column => column -> Literal.default(column.dataType))
    val made = if (unread.isEmpty) udf else withChildren(udf, general.children.map(_.transform {
      case column: AttributeReference if back.contains(column) => back(column)
    }))
    made.setTagValue(Asked, ())
    if (unread.nonEmpty) {
      Rewritten.mark(made, Rewritten(udf.resultId.id, udf.name, "unread", unread.map(_.name).mkString(", "), Nil, Nil))
    }
    made
  }

  private def withChildren(udf: PythonUDF, children: Seq[Expression]): PythonUDF = {
    val made = udf.copy(children = children)
    made.copyTagsFrom(udf)
    made
  }

  /** Rewrites a call to have a separate column for each value, however the value is computed. */
  private final class Question {
    val values: mutable.ArrayBuffer[(AttributeReference, Expression)] = mutable.ArrayBuffer.empty

    def replaced(argument: Expression): Expression = argument match {
      case NamedArgumentExpression(key, value) => NamedArgumentExpression(key, replaced(value))
      case struct: CreateNamedStruct =>
        val fields = struct.nameExprs.zip(struct.names).zip(struct.valExprs)
        CreateNamedStruct(fields.flatMap { case ((title, name), value) => Seq(title, column(name.toString, value)) })
      case value => column(value match { case named: NamedExpression => named.name; case other => other.prettyName }, value)
    }

    private def column(name: String, value: Expression): Expression =
      if (value.foldable || !value.deterministic) value
      else {
        val made = AttributeReference(name, value.dataType, value.nullable)()
        values += made -> value
        made
      }
  }
}
