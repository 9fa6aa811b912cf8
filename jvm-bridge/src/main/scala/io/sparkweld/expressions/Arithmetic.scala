package io.sparkweld
package expressions

import io.sparkweld.spark.NullPropagating

import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.expressions.codegen.{CodegenContext, ExprCode}
import org.apache.spark.sql.types.{DataType, DoubleType}

/**
 * Divides floats by IEEE 754, as Java and NumPy do: a zero divisor yields an infinity or NaN. Spark's Divide yields NULL or
 * raises. Both operands have the same type.
 */
final case class IeeeDivide(left: Expression, right: Expression) extends BinaryExpression with NullPropagating {
  override def dataType: DataType = left.dataType
  override def prettyName: String = "ieee_divide"

  override protected def nullSafeEval(a: Any, b: Any): Any = (a, b) match {
    case (x: Double, y: Double) => x / y
    case (x: Float, y: Float) => x / y
    case _ => throw new IllegalArgumentException(s"$prettyName of ${left.dataType.sql} and ${right.dataType.sql}")
  }

  override protected def doGenCode(ctx: CodegenContext, ev: ExprCode): ExprCode = defineCodeGen(ctx, ev, (a, b) => s"($a) / ($b)")

  override protected def withNewChildrenInternal(newLeft: Expression, newRight: Expression): Expression =
    copy(left = newLeft, right = newRight)
}

/**
 * Rounds a double to a whole double, as C's `floor`, `ceil` and `trunc` do. It keeps the sign of a zero, NaN and infinities;
 * Spark's floor and ceil return integers.
 */
final case class RoundToWhole(child: Expression, direction: String) extends UnaryExpression with NullPropagating {
  override def dataType: DataType = DoubleType
  override def prettyName: String = direction

  override protected def nullSafeEval(value: Any): Any = RoundToWhole.round(value.asInstanceOf[Double], direction)

  override protected def doGenCode(ctx: CodegenContext, ev: ExprCode): ExprCode = defineCodeGen(ctx, ev, value => direction match {
    case "floor" => s"Math.floor($value)"
    case "ceil" => s"Math.ceil($value)"
    case "trunc" => s"(($value) < 0 ? Math.ceil($value) : Math.floor($value))"
  })

  override protected def withNewChildInternal(newChild: Expression): Expression = copy(child = newChild)
}

object RoundToWhole {
  val Directions: Set[String] = Set("floor", "ceil", "trunc")

  private def round(value: Double, direction: String): Double = direction match {
    case "floor" => math.floor(value)
    case "ceil" => math.ceil(value)
    case "trunc" => if (value < 0) math.ceil(value) else math.floor(value)
  }
}

/** Replaces NaN by NULL, as PySpark does for a NumPy result. */
final case class NullIfNaN(child: Expression) extends UnaryExpression with NullPropagating {
  override def dataType: DataType = child.dataType
  override def nullable: Boolean = true
  override def prettyName: String = "null_if_nan"

  override protected def nullSafeEval(value: Any): Any = value match {
    case double: Double if double.isNaN => null
    case float: Float if float.isNaN => null
    case number => number
  }

  override protected def doGenCode(ctx: CodegenContext, ev: ExprCode): ExprCode = nullSafeCodeGen(ctx, ev, value =>
    s"""
       |if ($value != $value) {
       |  ${ev.isNull} = true;
       |} else {
       |  ${ev.value} = $value;
       |}
       |""".stripMargin)

  override protected def withNewChildInternal(newChild: Expression): Expression = copy(child = newChild)
}
