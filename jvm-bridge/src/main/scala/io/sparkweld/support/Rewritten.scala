package io.sparkweld
package support

import org.apache.spark.sql.catalyst.expressions.{Expression, Literal}
import org.apache.spark.sql.catalyst.trees.TreeNodeTag

/**
 * Records for explain a UDF that was rewritten: replaced by Catalyst expressions, moved by one, or passed constants.
 *
 * It is a tag on the topmost expression, which Spark's rules preserve, because no operator of ours remains in the plan.
 *
 * @param id Spark's number of the call
 * @param kind "expression", "aggregate", "window", "filter"; "late" for UDFs that are computed later; "unread" for columns that a
 * UDF, which stays one, never reads; or `Partial`
 */
final case class Rewritten(id: Long, udf: String, kind: String, what: String, approximate: Seq[String], notes: Seq[String])

object Rewritten {

  /** The kind of aggregates whose groups have states before the shuffle. */
  val Partial = "partial"
  private val Tag = TreeNodeTag[Rewritten]("sparkweld.rewritten")

  def mark(expression: Expression, record: Rewritten): Expression = {
    expression.setTagValue(Tag, record)
    expression
  }

  /** Returns a copy with the record. */
  def marked[E <: Expression](expression: E, record: Rewritten): E = mark(expression.clone(), record).asInstanceOf[E]

  /**
   * Returns the records on an expression and within it.
   *
   * An expression that Spark folds to true or false becomes one object that all queries share, and so may have the record of
   * another query.
   */
  def in(expression: Expression): Seq[Rewritten] =
    expression.collect { case e if (e ne Literal.TrueLiteral) && (e ne Literal.FalseLiteral) => e.getTagValue(Tag) }.flatten
}
