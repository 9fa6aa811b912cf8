package io.sparkweld
package support

import scala.util.control.NonFatal

import com.fasterxml.jackson.databind.JsonNode

import io.sparkweld.contract
import io.sparkweld.expressions.{IeeeDivide, NullIfNaN, RaisePython, RoundToWhole}
import io.sparkweld.spark.CurrentSpark

import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.types._
import org.apache.spark.unsafe.types.UTF8String

/**
 * Builds Catalyst expressions from those of replies (`udf_compiler.backends.catalyst`), the reverse of ExpressionCodec.
 *
 * Arithmetic wraps and casts narrow regardless of ANSI mode, so the expressions are total.
 *
 * @param column returns the expression for a column's name
 */
final class ExpressionDecoder(column: String => Expression) {
  import ExpressionDecoder._

  /**
   * Builds an expression. Throws UnsupportedExpression for an unknown operator, and for an expression that rejects its
   * arguments' types or whose type differs from the service's: such a plan would fail the query.
   */
  def decode(encoded: contract.Expression): Expression = {
    val made = build(encoded)
    if (!made.resolved || made.dataType != typeOf(encoded.`type`)) throw new UnsupportedExpression(s"${encoded.op} of other types")
    made
  }

  private def build(encoded: contract.Expression): Expression = {
    lazy val args = encoded.args.getOrElse(Nil).map(decode).toIndexedSeq
    lazy val dataType = typeOf(encoded.`type`)
    encoded.op match {
      case "Column" => column(encoded.name.getOrElse(""))
      case "Literal" => literal(encoded.value, dataType)
      case "Cast" if args.size == 1 => Cast(args(0), dataType, None, EvalMode.LEGACY)
      case "CaseWhen" if args.size >= 2 =>
        val otherwise = if (args.size % 2 == 1) Some(args.last) else None
        CaseWhen(args.grouped(2).collect { case Seq(condition, value) => (condition, value) }.toList, otherwise)
      case "Coalesce" => Coalesce(args)
      case "If" if args.size == 3 => If(args(0), args(1), args(2))
      case "In" if args.nonEmpty => In(args.head, args.tail)
      case "RaisePython" => RaisePython(encoded.error.getOrElse(""), dataType)
      case direction if RoundToWhole.Directions(direction) && args.size == 1 => RoundToWhole(args(0), direction)
      case op if unary.contains(op) && args.size == 1 => unary(op)(args(0))
      case op if binary.contains(op) && args.size == 2 => binary(op)(args(0), args(1))
      case other => throw new UnsupportedExpression(other)
    }
  }
}

object ExpressionDecoder {
  private val unary: Map[String, Expression => Expression] = Map(
    "Abs" -> (Abs(_, failOnError = false)),
    "BitwiseNot" -> (BitwiseNot(_)),
    "DateFromUnixDate" -> (DateFromUnixDate(_)),
    "IsNaN" -> (IsNaN(_)),
    "IsNotNull" -> (IsNotNull(_)),
    "IsNull" -> (IsNull(_)),
    "Not" -> (Not(_)),
    "NullIfNaN" -> (NullIfNaN(_)),
    "Rint" -> (Rint(_)),
    "Sqrt" -> (Sqrt(_)),
    "UnaryMinus" -> (UnaryMinus(_, failOnError = false)),
    "UnixDate" -> (UnixDate(_)))

  private val binary: Map[String, (Expression, Expression) => Expression] = CurrentSpark.wrapping ++ Map[String, (Expression, Expression) => Expression](
    "And" -> (And(_, _)),
    "BitwiseAnd" -> (BitwiseAnd(_, _)),
    "BitwiseOr" -> (BitwiseOr(_, _)),
    "BitwiseXor" -> (BitwiseXor(_, _)),
    "EqualTo" -> (EqualTo(_, _)),
    "GreaterThan" -> (GreaterThan(_, _)),
    "GreaterThanOrEqual" -> (GreaterThanOrEqual(_, _)),
    "IeeeDivide" -> (IeeeDivide(_, _)),
    "LessThan" -> (LessThan(_, _)),
    "LessThanOrEqual" -> (LessThanOrEqual(_, _)),
    "Or" -> (Or(_, _)))

  /** Whether an expression without columns can be built. */
  def accepts(encoded: contract.Expression): Boolean =
    try {
      new ExpressionDecoder(name => throw new UnsupportedExpression(s"the column $name")).decode(encoded)
      true
    } catch { case _: UnsupportedExpression => false }

  /** The types of nearly all nodes. Spark's own JSON reader took most of the decoding time. */
  private val common: Map[String, DataType] =
    Seq[DataType](BooleanType, ByteType, ShortType, IntegerType, LongType, FloatType, DoubleType, StringType, DateType, TimestampType)
      .map(dataType => dataType.typeName -> dataType).toMap

  /** Returns a declared type. Throws UnsupportedExpression when it is none of Spark's. */
  def typeOf(json: JsonNode): DataType = common.getOrElse(json.asText,
    try DataType.fromJson(json.toString)
    catch { case NonFatal(_) => throw new UnsupportedExpression(s"the type $json") })

  /** Throws UnsupportedExpression for a value that the type does not have. */
  private def literal(value: Option[JsonNode], dataType: DataType): Literal = value match {
    case None => Literal(null, dataType)
    case Some(json) =>
      try literalOf(json, dataType)
      catch { case _: NumberFormatException => throw new UnsupportedExpression(s"$json of type ${dataType.sql}") }
  }

  private def literalOf(value: JsonNode, dataType: DataType): Literal = {
    val text = value.asText
    val decoded: Any = dataType match {
      case BooleanType => value.asBoolean
      case ByteType => text.toByte
      case ShortType => text.toShort
      case IntegerType | DateType => text.toInt
      case LongType => text.toLong
      case FloatType => number(text).toFloat
      case DoubleType => number(text)
      case StringType => UTF8String.fromString(text)
      case other => throw new UnsupportedExpression(s"a literal of type ${other.sql}")
    }
    Literal(decoded, dataType)
  }

  /** Parses Python's float.hex: hexadecimal, or nan, inf, -inf. */
  private def number(text: String): Double = text match {
    case "nan" => Double.NaN
    case "inf" => Double.PositiveInfinity
    case "-inf" => Double.NegativeInfinity
    case hexadecimal => java.lang.Double.parseDouble(hexadecimal)
  }
}
