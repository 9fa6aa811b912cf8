package io.sparkweld
package spark

import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.expressions.aggregate.{AggregateFunction, Sum}

/** Creates and reads arithmetic whose mode is in a `NumericEvalContext`. */
trait Arithmetic extends SparkExpressions {
  private val wraps = NumericEvalContext(EvalMode.LEGACY, allowDecimalPrecisionLoss = true)

  override val wrapping: Map[String, (Expression, Expression) => Expression] = Map(
    "Add" -> (Add(_, _, wraps)),
    "IntegralDivide" -> (IntegralDivide(_, _, wraps)),
    "Multiply" -> (Multiply(_, _, wraps)),
    "Pmod" -> (Pmod(_, _, wraps)),
    "Remainder" -> (Remainder(_, _, wraps)),
    "Subtract" -> (Subtract(_, _, wraps)))

  override def wrappingSum(value: Expression): AggregateFunction = Sum(value, wraps)

  override def evalMode(arithmetic: BinaryArithmetic): EvalMode.Value = arithmetic.evalMode

  override def evalMode(sum: Sum): EvalMode.Value = sum.evalContext.evalMode
}
