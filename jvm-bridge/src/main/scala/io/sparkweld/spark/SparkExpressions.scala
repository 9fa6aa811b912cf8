package io.sparkweld
package spark

import org.apache.spark.sql.catalyst.expressions.{BinaryArithmetic, EvalMode, Expression}
import org.apache.spark.sql.catalyst.expressions.aggregate.{AggregateFunction, Sum}
import org.apache.spark.sql.types.DataType
import org.apache.spark.unsafe.types.UTF8String

/** Exposes the overflow behaviour of arithmetic, and the comparison and validity of strings. */
trait SparkExpressions {

  /** Builders of arithmetic that wraps regardless of ANSI mode, by the names of Catalyst's classes. */
  def wrapping: Map[String, (Expression, Expression) => Expression]

  /** Returns a sum that wraps regardless of ANSI mode. */
  def wrappingSum(value: Expression): AggregateFunction

  /** Returns what the operator does on overflow. */
  def evalMode(arithmetic: BinaryArithmetic): EvalMode.Value

  /** Returns what the sum does on overflow. */
  def evalMode(sum: Sum): EvalMode.Value

  /** Returns an expression that is true where a string is valid UTF-8. */
  def isValidUtf8(column: Expression): Expression

  /** Whether a string is valid UTF-8. */
  def isValidUtf8(value: UTF8String): Boolean

  /** Whether values of the type are equal exactly when their bytes are: no floating point, no collation that ignores case. */
  def isBinaryStable(dataType: DataType): Boolean
}
