package io.sparkweld.support

import com.fasterxml.jackson.databind.node.{ArrayNode, ObjectNode}

import io.sparkweld.columns.ColumnLayout
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
 * Encodes Catalyst expressions as the request's EXPR objects.
 *
 * It accepts only the classes in `operator`, over the types that kernels hold; anything else throws UnsupportedExpression. The
 * compile service decides separately whether it can translate an encoded expression.
 *
 * @param column encodes a reference to an attribute, or throws UnsupportedExpression
 * @param field as `column`, for a field of a struct
 * @param words as `column`, for token lists and arrays of scores, which only functions of Spark's ML library take
 * @param stage returns the number of the description of a function of Spark's ML library, or throws UnsupportedExpression
 */
final class ExpressionCodec(
    column: Attribute => ObjectNode,
    field: (Attribute, Int) => ObjectNode,
    words: Attribute => ObjectNode,
    stage: ScalaUDF => Int) {
  import ExpressionCodec._

  def encode(expression: Expression): ObjectNode = expression match {
    case attribute: Attribute => column(attribute)
    case OneVsRest.Score(vector, at) => compound("VectorElement", expression, Seq(vector)).put("at", at)
    case OneVsRest.Largest(scores) => compound("ArgMax", expression, Seq(scores))
    case OneVsRest.Scores(earlier) => compound("Scores", expression, earlier).put("type", Vector)
    case GetStructField(attribute: Attribute, ordinal, _) => field(attribute, ordinal)
    case Alias(child, _) => encode(child)
    case literal: Literal => encodeLiteral(literal)
    case InSet(_, elements) if elements.size > MostValues => throw new UnsupportedExpression(f"a list of ${elements.size}%,d values")
    case In(_, elements) if elements.size > MostValues => throw new UnsupportedExpression(f"a list of ${elements.size}%,d values")
    case InSet(value, elements) =>
      val members = elements.toSeq.map(Literal(_, value.dataType)).sortBy(m => (m.value == null, String.valueOf(m.value)))
      encode(In(value, members))
    case struct: CreateNamedStruct =>
      val node = compound("CreateNamedStruct", struct, struct.valExprs)
      val names = node.putArray("names")
      struct.names.foreach(name => names.add(String.valueOf(name)))
      node
    case AtLeastNNonNulls(n, children) if n == children.size =>
      encode(children.map(present).reduceOption(And(_, _)).getOrElse(Literal(true)))
    case GetArrayItem(array: ScalaUDF, Literal(at: Int, _), _)
        if isMl(array) && array.dataType.asInstanceOf[ArrayType].elementType == DoubleType =>
      compound("VectorElement", expression, array.children).put("stage", stage(array)).put("at", at)
    case udf: ScalaUDF if isMl(udf) => compound("Ml", udf, udf.children).put("stage", stage(udf))
    case If(isNull: IsNull, Literal(null, _), value) if MlStages.isVector(expression.dataType) =>
      val node = compound("VectorUnless", expression, Seq(isNull))
      node.withArray[ArrayNode]("args").add(encode(value))
      node
    case other =>
      if (!isScalar(other.dataType) && !other.isInstanceOf[StringSplit]) throw new UnsupportedExpression(s"${other.prettyName} of type ${other.dataType.sql}")
      refuseArrays(other)
      val op = other match {
        case RoundToWhole(_, direction) => direction
        case _ => operator.getOrElse(other.getClass, throw new UnsupportedExpression(other.prettyName))
      }
      val node = compound(op, other, other.children)
      evalMode(other).foreach {
        case EvalMode.TRY => throw new UnsupportedExpression(s"${other.prettyName} with try_ semantics")
        case mode => node.put("ansi", mode == EvalMode.ANSI)
      }
      zone(other).foreach(node.put("zone", _))
      legacySize(other).foreach(node.put("legacy", _))
      node
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

  private def compound(op: String, expression: Expression, children: Seq[Expression]): ObjectNode = {
    val node = mapper.createObjectNode().put("op", op)
    node.set[ObjectNode]("type", typeOf(expression.dataType))
    node.put("nullable", expression.nullable)
    val args = node.putArray("args")
    children.foreach {
      case attribute: Attribute if TakesWords(op) && isHeld(attribute.dataType) => args.add(words(attribute))
      case child => args.add(encode(child))
    }
    node
  }

  private def encodeLiteral(literal: Literal): ObjectNode = {
    if (!isScalar(literal.dataType) && literal.dataType != NullType) {
      throw new UnsupportedExpression(s"a literal of type ${literal.dataType.sql}")
    }
    val node = mapper.createObjectNode().put("op", "Literal")
    node.set[ObjectNode]("type", typeOf(literal.dataType))
    (literal.value, literal.dataType) match {
      case (null, _) => node.putNull("value")
      case (value: Boolean, BooleanType) => node.put("value", value)
      case (value: Double, DoubleType) => node.put("value", java.lang.Double.toHexString(value))
      case (value: Float, FloatType) => node.put("value", java.lang.Double.toHexString(value.toDouble))
      case (text: UTF8String, _) if text.numBytes > MostStringBytes => throw new UnsupportedExpression(f"a literal of ${text.numBytes}%,d bytes")
      case (text: UTF8String, _) if !CurrentSpark.isValidUtf8(text) => throw new UnsupportedExpression("a literal that is not valid UTF-8")
      case (value, _) => node.put("value", value.toString)
    }
    node
  }
}

object ExpressionCodec {
  /** Literals are sent to the service as text in each request; sending larger ones takes longer than a kernel saves. */
  private val MostStringBytes = 1 << 20
  private val MostValues = 10000

  private val mapper = new com.fasterxml.jackson.databind.ObjectMapper()

  /** Whether the type is that of a kernel's columns. */
  def holds(dataType: DataType): Boolean = ColumnLayout.supports(dataType)

  private def isScalar(dataType: DataType): Boolean = holds(dataType) && !dataType.isInstanceOf[ArrayType]

  /** Returns the compile service's name for the type of a column. */
  def nameOf(dataType: DataType): String = dataType match {
    case ArrayType(element, _) => s"array<${element.typeName}>"
    case other => other.typeName
  }

  /** Returns Spark's JSON of a type: a string for a simple type, an object for a struct; "vector" for an ML vector. */
  def typeOf(dataType: DataType): com.fasterxml.jackson.databind.JsonNode =
    if (MlStages.isVector(dataType)) mapper.getNodeFactory.textNode(Vector) else mapper.readTree(dataType.json)

  /** Operators that take token lists and arrays of scores, and whether columns of a type may be those. */
  private val TakesWords = Set("Ml", "Scores", "ArgMax")
  private def isHeld(dataType: DataType): Boolean = MlStages.holdsWords(dataType) || OneVsRest.holdsScores(dataType)

  /** The type of vectors of Spark's ML library, which a program represents as columns of numbers. */
  private val Vector = "vector"

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
