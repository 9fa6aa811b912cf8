package io.sparkweld
package support

import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.{BooleanNode, NullNode, TextNode}

import io.sparkweld.columns.ColumnLayout
import io.sparkweld.contract
import io.sparkweld.contract.Encoder
import io.sparkweld.expressions.{IeeeDivide, NullIfNaN, RoundToWhole}
import io.sparkweld.ml.{Closure, MlStages, OneVsRest}
import io.sparkweld.spark.CurrentSpark

import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.optimizer.NormalizeNaNAndZero
import org.apache.spark.sql.types._
import org.apache.spark.unsafe.types.UTF8String

/** Reports a Catalyst expression that the request format cannot represent. `what` names it for the refusal. */
final class UnsupportedExpression(val what: String) extends RuntimeException(what)

/**
 * Encodes Catalyst expressions as those of requests.
 *
 * It accepts only the classes in `operator`, over the types that kernels hold; anything else throws UnsupportedExpression. The
 * compile service decides separately whether it can translate an encoded expression.
 *
 * @param column encodes a reference to an attribute, or throws UnsupportedExpression
 * @param field as `column`, for a field of a struct
 * @param presence as `column`, for a column that is NULL where a struct is
 * @param words as `column`, for token lists and arrays of scores, which only functions of Spark's ML library take
 * @param stage returns the number of the description of a function of Spark's ML library, or throws UnsupportedExpression
 */
final class ExpressionCodec(
    column: Attribute => contract.Expression,
    field: (Attribute, Int) => contract.Expression,
    presence: Attribute => contract.Expression,
    words: Attribute => contract.Expression,
    stage: ScalaUDF => Int) {
  import ExpressionCodec._

  def encode(expression: Expression): contract.Expression = expression match {
    case attribute: Attribute => column(attribute)
    case OneVsRest.Score(vector, at) => compound("VectorElement", expression, Seq(vector)).copy(at = Some(at))
    case OneVsRest.Largest(scores) => compound("ArgMax", expression, Seq(scores))
    case OneVsRest.Scores(earlier) => compound("Scores", expression, earlier).copy(`type` = Vector)
    case GetStructField(attribute: Attribute, ordinal, _) => field(attribute, ordinal)
    case IsNull(Struct(attribute)) => compound("IsNull", expression, Nil, Seq(presence(attribute)))
    case IsNotNull(Struct(attribute)) => compound("IsNotNull", expression, Nil, Seq(presence(attribute)))
    case Alias(child, _) => encode(child)
    case literal: Literal => encodeLiteral(literal)
    case InSet(_, elements) if elements.size > MostValues => throw new UnsupportedExpression(f"a list of ${elements.size}%,d values")
    case In(_, elements) if elements.size > MostValues => throw new UnsupportedExpression(f"a list of ${elements.size}%,d values")
    case InSet(value, elements) =>
      val members = elements.toSeq.map(Literal(_, value.dataType)).sortBy(m => (m.value == null, String.valueOf(m.value)))
      encode(In(value, members))
    case struct: CreateNamedStruct =>
      compound("CreateNamedStruct", struct, struct.valExprs).copy(names = Some(struct.names.map(String.valueOf(_))))
    case AtLeastNNonNulls(n, children) if n == children.size =>
      encode(children.map(present).reduceOption(And(_, _)).getOrElse(Literal(true)))
    case GetArrayItem(array: ScalaUDF, Literal(at: Int, _), _)
        if isMl(array) && array.dataType.asInstanceOf[ArrayType].elementType == DoubleType =>
      compound("VectorElement", expression, array.children).copy(stage = Some(stage(array)), at = Some(at))
    case udf: ScalaUDF if isMl(udf) => compound("Ml", udf, udf.children).copy(stage = Some(stage(udf)))
    case If(isNull: IsNull, Literal(null, _), value) if MlStages.isVector(expression.dataType) =>
      compound("VectorUnless", expression, Seq(isNull), Seq(encode(value)))
    case other =>
      if (!isScalar(other.dataType) && !other.isInstanceOf[StringSplit]) throw new UnsupportedExpression(s"${other.prettyName} of type ${other.dataType.sql}")
      refuseArrays(other)
      val op = other match {
        case RoundToWhole(_, direction) => direction
        case _ => operator.getOrElse(other.getClass, throw new UnsupportedExpression(other.prettyName))
      }
      val ansi = evalMode(other).map {
        case EvalMode.TRY => throw new UnsupportedExpression(s"${other.prettyName} with try_ semantics")
        case mode => mode == EvalMode.ANSI
      }
      compound(op, other, other.children).copy(ansi = ansi, zone = zone(other), legacy = legacySize(other))
  }

  /** Refuses arrays except as arguments of UDFs, NULL tests, and element or membership access. */
  private def refuseArrays(expression: Expression): Unit = expression match {
    case _: IsNull | _: IsNotNull | _: Size | _: GetArrayItem | _: ArrayContains | _: ArrayJoin => ()
    case ElementAt(_, _, None, _) => ()
    case other => other.children.find(_.dataType.isInstanceOf[ArrayType]).foreach { array =>
      throw new UnsupportedExpression(s"${other.prettyName} of ${array.sql} of type ${array.dataType.sql}")
    }
  }

  private def isMl(udf: ScalaUDF): Boolean = Closure.isMl(udf.function)

  /** Returns the condition that AtLeastNNonNulls counts. */
  private def present(child: Expression): Expression = child.dataType match {
    case FloatType | DoubleType => And(IsNotNull(child), Not(IsNaN(child)))
    case _ => IsNotNull(child)
  }

  private def compound(
      op: String,
      expression: Expression,
      children: Seq[Expression],
      last: Seq[contract.Expression] = Nil): contract.Expression = {
    val args = children.map {
      case attribute: Attribute if TakesWords(op) && isHeld(attribute.dataType) => words(attribute)
      case child => encode(child)
    }
    contract.Expression(op, `type` = typeOf(expression.dataType), nullable = Some(expression.nullable), args = Some(args ++ last))
  }

  private def encodeLiteral(literal: Literal): contract.Expression = {
    if (!isScalar(literal.dataType) && literal.dataType != NullType) {
      throw new UnsupportedExpression(s"a literal of type ${literal.dataType.sql}")
    }
    val value = (literal.value, literal.dataType) match {
      case (null, _) => NullNode.instance
      case (value: Boolean, BooleanType) => BooleanNode.valueOf(value)
      case (value: Double, DoubleType) => TextNode.valueOf(java.lang.Double.toHexString(value))
      case (value: Float, FloatType) => TextNode.valueOf(java.lang.Double.toHexString(value.toDouble))
      case (text: UTF8String, _) if text.numBytes > MostStringBytes => throw new UnsupportedExpression(f"a literal of ${text.numBytes}%,d bytes")
      case (text: UTF8String, _) if !CurrentSpark.isValidUtf8(text) => throw new UnsupportedExpression("a literal that is not valid UTF-8")
      case (value, _) => TextNode.valueOf(value.toString)
    }
    contract.Expression("Literal", `type` = typeOf(literal.dataType), value = Some(value))
  }
}

object ExpressionCodec {
  /** Literals are sent to the service as text in each request; sending larger ones takes longer than a kernel saves. */
  private val MostStringBytes = 1 << 20
  private val MostValues = 10000

  /** Whether the type is that of a kernel's columns. */
  def holds(dataType: DataType): Boolean = ColumnLayout.supports(dataType)

  private def isScalar(dataType: DataType): Boolean = holds(dataType) && !dataType.isInstanceOf[ArrayType]

  private object Struct {
    def unapply(expression: Expression): Option[Attribute] = expression match {
      case attribute: Attribute if attribute.dataType.isInstanceOf[StructType] => Some(attribute)
      case _ => None
    }
  }

  /** Returns the compile service's name for the type of a column. */
  def nameOf(dataType: DataType): String = dataType match {
    case ArrayType(element, _) => s"array<${element.typeName}>"
    case other => other.typeName
  }

  /** Returns Spark's JSON of a type: a string for a simple type, an object for a struct; "vector" for an ML vector. */
  def typeOf(dataType: DataType): JsonNode = if (MlStages.isVector(dataType)) Vector else Encoder.read(dataType.json)

  /** Returns a column of a request. */
  def column(name: String, dataType: DataType, nullable: Boolean): contract.Expression =
    contract.Expression("Column", Some(name), typeOf(dataType), Some(nullable))

  /** Operators that take token lists and arrays of scores, and whether columns of a type may be those. */
  private val TakesWords = Set("Ml", "Scores", "ArgMax")
  private def isHeld(dataType: DataType): Boolean = MlStages.holdsWords(dataType) || OneVsRest.holdsScores(dataType)

  /** The type of vectors of Spark's ML library, which a program represents as columns of numbers. */
  private val Vector: JsonNode = TextNode.valueOf("vector")

  private val operator: Map[Class[_], String] = Seq[Class[_]](
    classOf[And], classOf[Or], classOf[Not], classOf[IsNull], classOf[IsNotNull], classOf[IsNaN],
    classOf[EqualTo], classOf[EqualNullSafe], classOf[LessThan], classOf[LessThanOrEqual],
    classOf[GreaterThan], classOf[GreaterThanOrEqual],
    classOf[Add], classOf[Subtract], classOf[Multiply], classOf[Divide], classOf[Remainder], classOf[UnaryMinus], classOf[Abs],
    classOf[If], classOf[CaseWhen], classOf[Coalesce], classOf[In], classOf[Cast], classOf[Sqrt],
    classOf[Length], classOf[Upper], classOf[Lower], classOf[Concat], classOf[Substring],
    classOf[StringTrim], classOf[StringTrimLeft], classOf[StringTrimRight],
    classOf[StartsWith], classOf[EndsWith], classOf[Contains], classOf[StringSplit],
    classOf[Size], classOf[ElementAt], classOf[GetArrayItem], classOf[ArrayContains], classOf[ArrayJoin],
    classOf[Year], classOf[Quarter], classOf[Month], classOf[DayOfMonth], classOf[DayOfYear], classOf[DayOfWeek], classOf[WeekDay],
    classOf[WeekOfYear], classOf[Hour], classOf[Minute], classOf[Second],
    classOf[KnownNotNull], classOf[KnownFloatingPointNormalized], classOf[NormalizeNaNAndZero],
    classOf[IeeeDivide], classOf[NullIfNaN])
    .map(c => c -> c.getSimpleName).toMap

  /** Returns the time zone of an expression that needs one. */
  private def zone(expression: Expression): Option[String] = expression match {
    case cast: Cast if !Cast.needsTimeZone(cast.child.dataType, cast.dataType) => None
    case clock: TimeZoneAwareExpression => clock.timeZoneId
    case _ => None
  }

  /** Returns whether the size of NULL is -1. */
  private def legacySize(expression: Expression): Option[Boolean] = expression match {
    case size: Size => Some(size.legacySizeOfNull)
    case _ => None
  }

  private def evalMode(expression: Expression): Option[EvalMode.Value] = expression match {
    case arithmetic: BinaryArithmetic => Some(CurrentSpark.evalMode(arithmetic))
    case cast: Cast => Some(cast.evalMode)
    case minus: UnaryMinus => Some(EvalMode.fromBoolean(minus.failOnError))
    case abs: Abs => Some(EvalMode.fromBoolean(abs.failOnError))
    case item: GetArrayItem => Some(EvalMode.fromBoolean(item.failOnError))
    case element: ElementAt => Some(EvalMode.fromBoolean(element.failOnError))
    case _ => None
  }
}
