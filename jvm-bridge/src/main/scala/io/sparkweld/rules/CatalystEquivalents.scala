package io.sparkweld
package rules

import io.sparkweld.compile.FunctionService
import io.sparkweld.contract.Operation
import io.sparkweld.spark.{CurrentSpark, EvalTypes}
import io.sparkweld.support.{ExpressionDecoder, Refusal, UnsupportedExpression}

import org.apache.spark.sql.catalyst.expressions.{Left => _, Right => _, _}
import org.apache.spark.sql.catalyst.expressions.aggregate.AggregateExpression
import org.apache.spark.sql.catalyst.plans.logical.{LocalRelation, LogicalPlan}
import org.apache.spark.sql.catalyst.trees.TreePattern.PYTHON_UDF
import org.apache.spark.sql.internal.SQLConf

/** A scalar UDF as an equivalent Catalyst expression. `operations`: the number of its program's values, for the cost model. */
final case class CatalystEquivalent(expression: Expression, operations: Int, approximate: Seq[String], notes: Seq[String])

/** Translates the scalar pandas UDFs of a logical plan to Catalyst, and decides whether their results depend on batches. */
final class CatalystEquivalents(service: FunctionService, conf: SQLConf) {
  import CatalystEquivalents._

  def of(udf: PythonUDF, below: Seq[LogicalPlan]): Either[Seq[Refusal], CatalystEquivalent] =
    for {
      request <- FunctionRequest.of(Operation.CatalystEquivalent, udf, columnsOf(below), conf)
      reply <- request.answer(service, conf)
      equivalent <- try {
        val results = reply.results.map(new ExpressionDecoder(request.column).decode)
        if (results.map(_.dataType) != Seq(udf.dataType)) {
          throw new UnsupportedExpression(s"results of the types ${results.map(_.dataType.sql).mkString(", ")}")
        }
        Right(CatalystEquivalent(results.head, reply.nodes, reply.kept.map(_.text), reply.notes.distinct))
      } catch {
        case unknown: UnsupportedExpression => Left(Seq(Refusal("SW512", "what" -> s"it contains ${unknown.what}")))
      }
    } yield equivalent

  /**
   * Whether all Python functions of the plan are scalar pandas UDFs that are proved to be row-local, or are `known` to be. Then
   * rows may be removed and regrouped below any of them without an observable difference.
   */
  def batchesDoNotMatter(plan: LogicalPlan, known: PythonUDF => Boolean = _ => false): Boolean =
    !CurrentSpark.containsExtractedPython(plan) && !plan.exists(batchesMatterTo(_, known))

  /** Whether the result of a Python function depends on its batches, and it is above a node for which `starts` holds. */
  def batchesMatterAbove(plan: LogicalPlan, starts: LogicalPlan => Boolean): Boolean =
    plan.exists(node => hasScalars(node) && (starts(node) && batchesMatterWithin(node) ||
      node.children.exists(_.exists(starts)) && batchesMatterTo(node)))

  /** Whether it takes the result of an aggregate of the same node, into which Spark 3.5 merges a projection. */
  private def batchesMatterWithin(node: LogicalPlan): Boolean = node.expressions.flatMap(outermost).exists { udf =>
    val results = udf.collect { case call: AggregateExpression => call -> AttributeReference("result", call.dataType)() }
    val above = udf.transformDown { case call: AggregateExpression => results.find(_._1 eq call).fold[Expression](call)(_._2) }
    results.nonEmpty && !isIndependent(above.asInstanceOf[PythonUDF], node.children :+ LocalRelation(results.map(_._2)))
  }

  private def hasScalars(node: LogicalPlan): Boolean =
    CurrentSpark.runsPython(node) || node.expressions.exists(_.exists(_.isInstanceOf[PythonUDF]))

  private def batchesMatterTo(node: LogicalPlan, known: PythonUDF => Boolean = _ => false): Boolean = {
    val functions = node.expressions.filter(_.containsPattern(PYTHON_UDF))
    CurrentSpark.runsPython(node) || functions.exists(_.exists {
      case _: PythonUDF => false
      case _: PythonFuncExpression => true
      case _ => false
    }) || functions.flatMap(outermost).exists(udf => !known(udf) && !isIndependent(udf, node.children))
  }

  /** Whether it is a scalar pandas UDF, perhaps over others, that is proved to be row-local. */
  def isIndependent(udf: PythonUDF, below: Seq[LogicalPlan]): Boolean =
    !udf.exists { case inside: PythonUDF => inside.evalType != EvalTypes.ScalarPandas; case _ => false } &&
      FunctionRequest.of(Operation.Independent, udf, columnsOf(below), conf).flatMap(_.answer(service, conf)).isRight
}

object CatalystEquivalents {
  /** Returns the UDFs that are no argument of another UDF. */
  def outermost(expression: Expression): Seq[PythonUDF] = expression match {
    case udf: PythonUDF => Seq(udf)
    case other if other.containsPattern(PYTHON_UDF) => other.children.flatMap(outermost)
    case _ => Nil
  }

  /** Returns the columns of the plans, non-nullable where a filter below excludes NULL. */
  def columnsOf(below: Seq[LogicalPlan]): Seq[Attribute] = {
    val notNull = AttributeSet(below.flatMap(_.constraints).collect { case IsNotNull(attribute: Attribute) => attribute })
    below.flatMap(_.output).map(a => if (a.nullable && notNull.contains(a)) a.withNullability(false) else a)
  }
}
