package io.sparkweld.expressions

import org.apache.spark.sql.catalyst.expressions.Expression
import org.apache.spark.sql.catalyst.expressions.aggregate.CentralMomentAgg

/**
 * The sum of squares about the mean of the doubles that are not NULL, 0 for none: the part of Spark's variances before
 * they divide. One pass, numerically sound (Spark's own update and merge).
 */
final case class Moment2(child: Expression) extends CentralMomentAgg(child, nullOnDivideByZero = true) {
  override protected def momentOrder: Int = 2
  override def prettyName: String = "moment2"
  override val evaluateExpression: Expression = m2
  override protected def withNewChildInternal(newChild: Expression): Moment2 = copy(child = newChild)
}
