package io.sparkweld
package rules

import scala.collection.mutable

import io.sparkweld.compile.{PipelineRequest, ServiceCommand}
import io.sparkweld.contract
import io.sparkweld.contract.{CompileRequest, OrNull, Settings, WorkerDescription}
import io.sparkweld.expressions.Moment2
import io.sparkweld.spark.CurrentSpark
import io.sparkweld.support.{ExpressionCodec, Refusal}

import org.apache.spark.sql.catalyst.expressions.{Left => _, Right => _, _}
import org.apache.spark.sql.catalyst.expressions.aggregate._
import org.apache.spark.sql.execution.aggregate.HashAggregateExec
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types._

/** One buffer of an aggregate, which the merging kernel updates from a column. `column`: index in [[AggregateLoop.columns]]. */
final case class MergedColumn(fn: String, column: Option[Int], dataType: DataType)

/**
 * Describes a partial HashAggregate for the merging kernel.
 *
 * @param columns the output required of the chain below: the keys first, then the distinct arguments
 * @param keys the keys, as columns of that output
 * @param aggregates the aggregates over that output, for Spark's own evaluation
 * @param merged the buffers in the order of the aggregate's output, after the keys
 */
final case class AggregateLoop(
    columns: Seq[NamedExpression],
    keys: Seq[Attribute],
    aggregates: Seq[AggregateExpression],
    merged: Seq[MergedColumn]) {

  /** Returns the types of the output: those of the keys, then those of the buffers. */
  def outputTypes: Seq[DataType] = keys.map(_.dataType) ++ merged.map(_.dataType)

  /** Returns the request for the merging kernel. Its columns are numbered, not named, so that equal shapes share one kernel. */
  def request(service: ServiceCommand, conf: SQLConf): PipelineRequest = {
    val groups = keys.indices.map(i => contract.GroupKey(s"k$i", s"c$i"))
    val merges = merged.zipWithIndex.map { case (MergedColumn(fn, column, _), j) =>
      contract.MergedColumn(s"m$j", fn, OrNull(column.map(i => s"c$i")))
    }
    val message = CompileRequest(
      op = contract.Operation.Compile.name,
      label = "aggregate",
      inputs = columns.zipWithIndex.map { case (column, i) =>
        contract.Input(s"c$i", ExpressionCodec.typeOf(column.dataType), nullable = true, state = "nullable")
      },
      steps = Seq(contract.AggregateStep(groups, merges)),
      outputs = groups.map(_.name) ++ merges.map(_.name),
      filtered = false,
      mayFilter = false,
      conf = Settings(timezone = conf.sessionLocalTimeZone),
      python = WorkerDescription(includes = Nil))
    PipelineRequest(service, message, Nil)
  }
}

object AggregateLoop {

  /** Returns the description of `node` for explain. */
  def describe(node: HashAggregateExec): String = {
    val functions: Seq[Expression] = node.aggregateExpressions.map(_.aggregateFunction)
    val (calls, keys) = (functions.map(_.sql).mkString(", "), node.groupingExpressions.map(bare(_).sql).mkString(", "))
    if (keys.isEmpty) calls else s"$calls by $keys"
  }

  /** Whether `node` aggregates only the rows of its own partition, before a shuffle or another aggregate. */
  def isPartial(node: HashAggregateExec): Boolean =
    !node.isStreaming && node.requiredChildDistributionExpressions.isEmpty && node.aggregateExpressions.nonEmpty &&
      node.aggregateExpressions.forall(_.mode == Partial)

  /** Returns the loop of `node`, which must be partial; or why no kernel can merge it. */
  def of(node: HashAggregateExec): Either[Refusal, AggregateLoop] = {
    val columns = mutable.ArrayBuffer.empty[NamedExpression]
    try {
      node.aggregateExpressions.find(call => call.isDistinct || call.filter.isDefined).foreach(call => refuse(call.sql))
      val keys = node.groupingExpressions.map { key =>
        if (!isKey(key.dataType)) refuse(s"a group by ${key.sql} of type ${key.dataType.sql}")
        columns += key
        key.toAttribute
      }
      def argument(expression: Expression): Int = {
        if (!isMerged(expression.dataType) || !expression.deterministic) refuse(expression.sql)
        val known = columns.indexWhere(bare(_).semanticEquals(expression))
        if (known >= 0) known
        else {
          columns += (expression match {
            case attribute: Attribute => attribute
            case other => Alias(other, "argument")()
          })
          columns.size - 1
        }
      }
      val made = node.aggregateExpressions.map { call =>
        val merged = buffersOf(call.aggregateFunction, argument)
        val wanted = call.aggregateFunction.aggBufferAttributes.map(_.dataType)
        if (merged.map(_.dataType) != wanted) refuse(call.sql)
        (merged, over(call, columns.toList))
      }
      val loop = AggregateLoop(columns.toList, keys, made.map(_._2), made.flatMap(_._1))
      if (loop.outputTypes != node.output.map(_.dataType)) refuse(node.nodeName)
      Right(loop)
    } catch { case refused: ChainRefused => Left(refused.refusal) }
  }

  private def refuse(what: String): Nothing = throw new ChainRefused(Refusal("SW368", "what" -> what))

  private def bare(column: NamedExpression): Expression = column match {
    case Alias(child, _) => child
    case other => other
  }

  private def isMerged(dataType: DataType): Boolean = ExpressionCodec.holds(dataType) && !dataType.isInstanceOf[ArrayType]

  /** Whether values of the type are equal exactly when their bits are. */
  private def isKey(dataType: DataType): Boolean = dataType match {
    case FloatType | DoubleType => false
    case other => isMerged(other)
  }

  /** Returns the buffers of an aggregate function, each with the semantics of Spark's own update expression. */
  private def buffersOf(function: AggregateFunction, argument: Expression => Int): Seq[MergedColumn] = function match {
    case Count(Seq(literal: Literal)) if literal.value != null => Seq(MergedColumn("rows", None, LongType))
    case Count(Seq(child)) if !child.nullable => Seq(MergedColumn("rows", None, LongType))
    case Count(Seq(child)) => Seq(MergedColumn("count", Some(argument(child)), LongType))
    case sum: Sum if isIntegral(sum.child.dataType) => CurrentSpark.evalMode(sum) match {
        case EvalMode.LEGACY => Seq(MergedColumn("sum", Some(argument(sum.child)), LongType))
        case EvalMode.ANSI => Seq(MergedColumn("checked_sum", Some(argument(sum.child)), LongType))
        case _ => refuse(sum.sql)
      }
    case sum: Sum if isFloat(sum.child.dataType) => Seq(MergedColumn("sum", Some(argument(sum.child)), DoubleType))
    case average: Average if isIntegral(average.child.dataType) || isFloat(average.child.dataType) =>
      val column = Some(argument(average.child))
      Seq(MergedColumn("total", column, DoubleType), MergedColumn("count", column, LongType))
    case _: Moment2 | _: VariancePop | _: VarianceSamp | _: StddevPop | _: StddevSamp =>
      val column = Some(argument(function.children.head))
      (0 to 2).map(i => MergedColumn(s"moment$i", column, DoubleType))
    case Min(child) => Seq(MergedColumn("min", Some(argument(child)), child.dataType))
    case Max(child) => Seq(MergedColumn("max", Some(argument(child)), child.dataType))
    case other => refuse(other.sql)
  }

  private def isIntegral(dataType: DataType): Boolean = dataType match {
    case ByteType | ShortType | IntegerType | LongType => true
    case _ => false
  }

  private def isFloat(dataType: DataType): Boolean = dataType == FloatType || dataType == DoubleType

  /** Returns the call with the columns in place of its arguments. */
  private def over(call: AggregateExpression, columns: Seq[NamedExpression]): AggregateExpression = {
    val function = call.aggregateFunction.mapChildren {
      case literal: Literal => literal
      case child => columns.find(bare(_).semanticEquals(child)).map(_.toAttribute).getOrElse(child)
    }
    call.copy(aggregateFunction = function.asInstanceOf[AggregateFunction])
  }
}
