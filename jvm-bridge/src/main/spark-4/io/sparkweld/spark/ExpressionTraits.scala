package io.sparkweld
package spark

import org.apache.spark.sql.catalyst.expressions.Expression

/** Marks expressions that are NULL when an operand is. */
trait NullPropagating extends Expression {
  override def nullIntolerant: Boolean = true
}

/** Marks expressions that may raise, which the optimizer must not evaluate for other rows. */
trait Throwing extends Expression {
  override lazy val throwable: Boolean = true
}
