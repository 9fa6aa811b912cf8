package io.sparkweld
package rules

import io.sparkweld.compile.FunctionService
import io.sparkweld.contract.Operation
import io.sparkweld.spark.EvalTypes
import io.sparkweld.support.Refusal

import org.apache.spark.sql.catalyst.expressions.{Attribute, Expression, NamedArgumentExpression, PythonUDF}
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types._

/**
 * Finds functions that may read an argument which another function of their node has changed.
 *
 * A worker converts a column once, and hands the same Series, DataFrame, list or dict to all functions of a node that read it,
 * one function after the other.
 */
private[rules] final class SharedArguments(service: FunctionService, input: Seq[Attribute], conf: SQLConf) {

  /** Returns the refusals (SW236) of those of `udfs`, in the order of their node, that must stay in Python because others do. */
  def exposed(udfs: Seq[PythonUDF], inPython: PythonUDF => Boolean): Seq[(PythonUDF, Refusal)] =
    for {
      (udf, at) <- udfs.zipWithIndex if !inPython(udf)
      other <- udfs.take(at).find(other => inPython(other) && sharesWith(udf, other) && !keepsArguments(other))
    } yield udf -> Refusal("SW236", "udf" -> udf.name, "other" -> other.name).copy(udf = Some(udf.name))

  private def sharesWith(udf: PythonUDF, other: PythonUDF): Boolean =
    SharedArguments.argumentsOf(udf).exists(mine => SharedArguments.argumentsOf(other).exists(_.semanticEquals(mine)))

  private def keepsArguments(udf: PythonUDF): Boolean =
    FunctionRequest.of(Operation.KeepsArguments, udf, input, conf).flatMap(_.answer(service, conf)).isRight
}

private[rules] object SharedArguments {

  /** Returns the arguments of a function and of those among its arguments, without the names by which they are passed. */
  def allOf(udf: PythonUDF): Seq[Expression] = udf.children.flatMap {
    case NamedArgumentExpression(_, inner: PythonUDF) => allOf(inner)
    case NamedArgumentExpression(_, argument) => Seq(argument)
    case inner: PythonUDF => allOf(inner)
    case argument => Seq(argument)
  }

  /** Returns the arguments of a function, and of those among its arguments, that are objects which Python code can change. */
  def argumentsOf(udf: PythonUDF): Seq[Expression] = allOf(udf).filter(argument => isMutable(argument.dataType, udf.evalType))

  private def isMutable(dataType: DataType, evalType: Int): Boolean =
    if (EvalTypes.seesBatchState(evalType)) true // a Series or a DataFrame
    else if (evalType == EvalTypes.Batched || evalType == EvalTypes.ArrowBatched) dataType match {
      case BooleanType | DateType | TimestampType | TimestampNTZType | NullType => false
      case _: NumericType | _: StringType => false
      case _ => true // such as a list, a dict, or a bytearray
    } else false // arrays of Arrow
}
