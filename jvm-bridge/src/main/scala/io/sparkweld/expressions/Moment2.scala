package io.sparkweld
package expressions

import org.apache.spark.sql.catalyst.expressions.Expression
import org.apache.spark.sql.catalyst.expressions.aggregate.CentralMomentAgg

/**
 * Sums the squared deviations from the mean of non-NULL doubles, 0 for none: the numerator of Spark's variances.
 *
 * It takes one pass and is numerically stable (Spark's own update and merge).
 */
final case class Moment2(child: Expression) extends CentralMomentAgg(child, nullOnDivideByZero = true) {
  override protected def momentOrder: Int = 2
  override def prettyName: String = "moment2"
  override val evaluateExpression: Expression = m2
  override protected def withNewChildInternal(newChild: Expression): Moment2 = copy(child = newChild)
}
