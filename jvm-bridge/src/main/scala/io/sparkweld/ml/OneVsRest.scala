package io.sparkweld
package ml

import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.expressions.objects.StaticInvoke
import org.apache.spark.sql.catalyst.util.ArrayData
import org.apache.spark.sql.types.{ArrayType, DataType, DoubleType}

/**
 * Matches the Catalyst expressions of OneVsRestModel around its models' functions.
 *
 * Spark writes it in SQL: it appends the second score of each model's raw prediction to an array that starts empty; the
 * prediction is the position of the largest score. The patterns are those of `vector_get`, `array_append` and `array_argmax` of
 * Spark's ML library after the optimizer.
 */
object OneVsRest {

  /** Matches an array of scores: the array before, and the next score; Nil for the empty start. */
  object Scores {
    def unapply(expression: Expression): Option[Seq[Expression]] = expression match {
      case Literal(none: ArrayData, ArrayType(DoubleType, _)) if none.numElements() == 0 => Some(Nil)
      case ArrayInsert(before, Literal(-1, _), next @ Score(_, _), false) if holdsScores(before.dataType) => Some(Seq(before, next))
      case _ => None
    }
  }

  /** Whether columns of this type may be such arrays. */
  def holdsScores(dataType: DataType): Boolean = dataType match {
    case ArrayType(DoubleType, _) => true
    case _ => false
  }

  /** Matches `vector_get(vector, at)`. */
  object Score {
    def unapply(expression: Expression): Option[(Expression, Int)] = expression match {
      case CaseWhen(Seq((LessThan(Literal(at: Int, _), SizeOf(sized)), number)), Some(Cast(_: RaiseError, DoubleType, _, _))) =>
        number match {
          case CaseWhen(Seq((IsDense(vector), GetArrayItem(Field(ofDense, Values), Literal(same: Int, _), _)),
                (GreaterThanOrEqual(found, Literal(0, _)), GetArrayItem(Field(ofSparse, Values), place, _))), Some(Literal(0.0, _)))
              if same == at && Seq(sized, ofDense, ofSparse).forall(_.semanticEquals(vector)) && found.semanticEquals(place) &&
                isPlace(place, vector, at) => Some((vector, at))
          case _ => None
        }
      case _ => None
    }
  }

  /** Matches `array_argmax(scores)` before its cast. */
  object Largest {
    def unapply(expression: Expression): Option[Expression] = expression match {
      case ArrayAggregate(scores, Literal(start: org.apache.spark.sql.catalyst.InternalRow, _),
            LambdaFunction(CaseWhen(Seq((isMore, taken)), Some(kept)), Seq(best, next), _),
            LambdaFunction(GetStructField(last: Expression, 1, _), Seq(result), _))
          if start.numFields == 3 && start.getDouble(0) == Double.NegativeInfinity && start.getInt(1) == -1 && start.getInt(2) == 0 &&
            last.semanticEquals(result) && isGreater(isMore, best, next) &&
            isState(taken, best)(next, field(best, 2)) && isState(kept, best)(field(best, 0), field(best, 1)) => Some(scores)
      case _ => None
    }
  }

  private def isGreater(condition: Expression, best: Expression, next: Expression): Boolean = condition match {
    case And(And(Not(IsNaN(a)), IsNotNull(b)), GreaterThan(c, most)) =>
      Seq(a, b, c).forall(_.semanticEquals(next)) && most.semanticEquals(field(best, 0))
    case _ => false
  }

  /** Whether the next state is (value, place, one score further). */
  private def isState(state: Expression, best: Expression)(value: Expression, place: Expression): Boolean = state match {
    case struct: CreateNamedStruct => struct.valExprs match {
      case Seq(v, p, Add(at, Literal(1, _), _)) =>
        v.semanticEquals(value) && p.semanticEquals(place) && at.semanticEquals(field(best, 2))
      case _ => false
    }
    case _ => false
  }

  private def field(struct: Expression, ordinal: Int): Expression = GetStructField(struct, ordinal)

  // The fields of a stored vector, see VectorUDT.sqlType.
  private val Kind = 0
  private val Length = 1
  private val Indices = 2
  private val Values = 3

  private object Field {
    def unapply(expression: Expression): Option[(Expression, Int)] = expression match {
      case GetStructField(UnwrapUDT(vector), ordinal, _) => Some((vector, ordinal))
      case _ => None
    }
  }

  private object IsDense {
    def unapply(expression: Expression): Option[Expression] = expression match {
      case EqualTo(Field(vector, Kind), Literal(1, _)) => Some(vector)
      case _ => None
    }
  }

  private object SizeOf {
    def unapply(expression: Expression): Option[Expression] = expression match {
      case CaseWhen(Seq((IsDense(a), Size(Field(b, Values), _))), Some(Field(c, Length)))
          if a.semanticEquals(b) && a.semanticEquals(c) => Some(a)
      case _ => None
    }
  }

  /** Whether `place` is the position of the number `at` in a sparse vector. */
  private def isPlace(place: Expression, vector: Expression, at: Int): Boolean = place match {
    case call: StaticInvoke if call.functionName == "binarySearch" => call.arguments match {
        case Seq(indices, Literal(same: Int, _)) =>
          same == at && indices.collectLeaves().forall(_.semanticEquals(vector)) && indices.exists {
            case Field(_, ordinal) => ordinal == Indices
            case _ => false
          }
        case _ => false
      }
    case _ => false
  }
}
