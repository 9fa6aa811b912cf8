package io.sparkweld
package rules

import scala.collection.mutable

import io.sparkweld.ml.{Closure, OneVsRest}
import io.sparkweld.support.ExpressionCodec

import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.trees.TreePattern.{HIGH_ORDER_FUNCTION, SCALA_UDF}
import org.apache.spark.sql.execution.ProjectExec

/**
 * Splits a projection that calls functions of Spark's ML library inside unsupported expressions.
 *
 * The functions go below, for a kernel; the other expressions go above, for Spark.
 */
private[rules] object MlSplit {

  /** Returns (below, above). None when nothing would be left above, or when a function is evaluated only in some rows. */
  def of(project: ProjectExec): Option[(ProjectExec, ProjectExec)] = {
    val found = mutable.LinkedHashMap.empty[Expression, Alias]
    val above = project.projectList.map {
      case alias: Alias => Alias(hoisted(alias.child, found), alias.name)(alias.exprId, alias.qualifier, alias.explicitMetadata)
      case other => other
    }
    val passed = AttributeSet(above.flatMap(_.references)) -- AttributeSet(found.values.map(_.toAttribute))
    val below = project.child.output.filter(passed.contains) ++ found.values
    val leaves = above.exists { case Alias(_: Attribute, _) | _: Attribute => false; case _ => true }
    Option.when(found.nonEmpty && leaves) {
      val inner = ProjectExec(below, project.child)
      inner.copyTagsFrom(project)
      (inner, project.copy(projectList = above, child = inner))
    }
  }

  /** Returns `expression` with columns in place of the functions that are evaluated for all rows. */
  private def hoisted(expression: Expression, found: mutable.Map[Expression, Alias]): Expression = expression match {
    case call if isCall(call) => found.getOrElseUpdate(call.canonicalized, Alias(call, "ml")()).toAttribute
    case _: ConditionalExpression | _: And | _: Or => expression
    case other if other.containsAnyPattern(SCALA_UDF, HIGH_ORDER_FUNCTION) => other.mapChildren(hoisted(_, found))
    case other => other
  }

  /** Whether an expression is the result of a function, or an element of one, with a type that kernels support. */
  private def isCall(expression: Expression): Boolean = ExpressionCodec.holds(expression.dataType) && (expression match {
    case udf: ScalaUDF => Closure.isMl(udf.function)
    case GetArrayItem(udf: ScalaUDF, Literal(_: Int, _), _) => Closure.isMl(udf.function)
    case OneVsRest.Largest(_) => true
    case _ => false
  })
}
