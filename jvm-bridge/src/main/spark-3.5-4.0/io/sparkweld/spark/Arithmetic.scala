package io.sparkweld
package spark

import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.expressions.aggregate.{AggregateFunction, Sum}

/** Creates and reads arithmetic whose mode is an argument of its own. */
trait Arithmetic extends SparkExpressions {
  private val wraps = EvalMode.LEGACY

  override val wrapping: Map[String, (Expression, Expression) => Expression] = Map(
    "Add" -> (Add(_, _, wraps)),
    "IntegralDivide" -> (IntegralDivide(_, _, wraps)),
    "Multiply" -> (Multiply(_, _, wraps)),
    "Pmod" -> (Pmod(_, _, wraps)),
    "Remainder" -> (Remainder(_, _, wraps)),
    "Subtract" -> (Subtract(_, _, wraps)))

  override def wrappingSum(value: Expression): AggregateFunction = Sum(value, wraps)

  override def evalMode(arithmetic: BinaryArithmetic): EvalMode.Value = arithmetic match {
    case add: Add => add.evalMode
    case subtract: Subtract => subtract.evalMode
    case multiply: Multiply => multiply.evalMode
    case divide: Divide => divide.evalMode
    case divide: IntegralDivide => divide.evalMode
    case remainder: Remainder => remainder.evalMode
    case pmod: Pmod => pmod.evalMode
    case _ => EvalMode.LEGACY // bitwise operators, which cannot overflow
  }

  override def evalMode(sum: Sum): EvalMode.Value = sum.evalMode
}
