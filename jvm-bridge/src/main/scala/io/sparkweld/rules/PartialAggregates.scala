package io.sparkweld
package rules

import io.sparkweld.compile.FunctionService
import io.sparkweld.contract.{Operation, PartialReply}
import io.sparkweld.spark.{CurrentSpark, EvalTypes}
import io.sparkweld.support.{Refusal, Rewritten}

import org.apache.spark.sql.catalyst.expressions.{Left => _, Right => _, _}
import org.apache.spark.sql.catalyst.expressions.aggregate.{AggregateExpression, Count}
import org.apache.spark.sql.catalyst.plans.logical._
import org.apache.spark.sql.catalyst.types.DataTypeUtils
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types._

/**
 * Rewrites an Aggregate of pandas UDFs annotated with mergeable results to states before the shuffle and results after it.
 *
 * The Aggregate becomes a Project over mapInArrow over a repartitioning by the keys over mapInArrow. The first function makes one
 * state for each group of a task's rows, the second merges them. Where states consist of reductions, Spark aggregates them, and a
 * single mapInArrow finishes them. Exceptions: keys that Spark considers equal although their bits differ (floats, collations),
 * and a UDF without such an annotation.
 */
private[rules] final class PartialAggregates(service: FunctionService, conf: SQLConf) {
  import PartialAggregates._

  def of(aggregate: Aggregate, calls: Seq[AggregateExpression]): Either[Seq[Refusal], LogicalPlan] = {
    val below = new ArgumentPlan(aggregate.child)
    val distinct = calls.distinctBy(_.canonicalized)
    val scalars = distinct.map(call => below.scalar(call.aggregateFunction.asInstanceOf[PythonUDAF]))
    for {
      _ <- aggregate.groupingExpressions.find(key => !isComparedByBits(key.dataType))
        .map(key => Seq(Refusal("SW389", "key" -> key.sql))).toLeft(())
      plain <- FunctionRequest.ofAll(Operation.Partial, scalars, below.output, conf)
      request = plain.having(_.copy(keys = Some(aggregate.groupingExpressions.length)))
      reply <- request.answer(service, conf)
    } yield {
      val rewritten = new Rewriting(aggregate, distinct, scalars, reply)
      rewritten.bySpark(request, below).getOrElse(rewritten.inPython(below.plan))
    }
  }
}

/**
 * Rewrites one Aggregate by the service's reply about its calls. Functions match by position, because Arrow requires distinct
 * names.
 */
private final class Rewriting(aggregate: Aggregate, calls: Seq[AggregateExpression], scalars: Seq[PythonUDF], reply: PartialReply) {
  private val keys = aggregate.groupingExpressions.zipWithIndex.map { case (key, i) => Alias(key, s"key$i")() }
  private val (groups, results) = columns(scalars.map(_.dataType)).splitAt(keys.length)

  /** Makes a state of each group in a task in Python, shuffles the states, and merges them in Python. */
  def inPython(below: LogicalPlan): LogicalPlan = {
    val arguments = scalars.flatMap(_.children).zipWithIndex.map { case (value, i) => Alias(valueOf(value), s"argument$i")() }
    val states = columns(scalars.map(_ => BinaryType))
    val told = record("states of each group before the shuffle, merged after it, by annotation", reply.kept.map(_.text))
    val before = mapped(reply.before.bytes, states, Project(keys ++ arguments, below), told)
    val shuffled =
      if (keys.isEmpty) Repartition(1, shuffle = true, before)
      else RepartitionByExpression(states.take(keys.length), before, None, None)
    asResults(mapped(reply.after.bytes, groups ++ results, shuffled, told))
  }

  /**
   * Lets Spark aggregate the elements of the states, so that Python only finishes them; None where the service does not allow it.
   */
  def bySpark(request: FunctionRequest[_], below: ArgumentPlan): Option[LogicalPlan] = reply.finish.flatMap { finish =>
    val replies = reply.parts.getOrElse(Nil)
    val kept = (replies.flatten.flatMap(_.kept) ++ reply.kept).map(_.text).distinct
    val told = record("states of each group by Spark's own aggregation, finished in Python, by annotation", kept)
    val read = scalars.zip(replies).flatMap { case (udf, parts) => parts.map(Reductions.read(udf, below, request, _, told)) }
    if (replies.size != scalars.size || read.exists(_.isLeft)) None
    else {
      val parts = read.zipWithIndex.collect { case (Right(part), i) => Alias(part.expression, s"part$i")() }
      val rows = Alias(Count(Literal(1)).toAggregateExpression(), "rows")()
      val extra = if (keys.isEmpty) Seq(rows) else Nil // without keys and rows, PySpark returns no row
      val whole = Aggregate(aggregate.groupingExpressions, keys ++ parts ++ extra, below.plan)
      val there =
        if (keys.isEmpty) Project(parts.map(_.toAttribute), Filter(GreaterThan(rows.toAttribute, Literal(0L)), whole)) else whole
      Some(asResults(mapped(finish.bytes, groups ++ results, there, told)))
    }
  }

  private def columns(behindKeys: Seq[DataType]) = (keys.map(_.dataType) ++ behindKeys).zipWithIndex
    .map { case (dataType, i) => AttributeReference(s"_$i", dataType)() }

  private def record(what: String, kept: Seq[String]) =
    Rewritten(scalars.head.resultId.id, scalars.map(_.name).mkString(", "), Rewritten.Partial, what, kept, Nil)

  private def mapped(command: Array[Byte], output: Seq[Attribute], child: LogicalPlan, record: Rewritten): LogicalPlan = {
    val function = CurrentSpark.withCommand(scalars.head.func, command, scalars.map(_.func))
    val udf = PythonUDF(record.udf, function, DataTypeUtils.fromAttributes(output), child.output, EvalTypes.MapArrow, true)
    Rewritten.mark(udf, record)
    CurrentSpark.mapInArrow(udf, output, child)
  }

  /** Returns the Aggregate's own output over the keys and results. */
  private def asResults(made: LogicalPlan): LogicalPlan = {
    val ofCall = calls.map(_.canonicalized: Expression).zip(results).toMap
    val ofKey = aggregate.groupingExpressions.map(_.canonicalized).zip(groups).toMap
    Project(aggregate.aggregateExpressions.map { expression =>
      expression.transformDown {
        case call: AggregateExpression if ofCall.contains(call.canonicalized) => ofCall(call.canonicalized)
        case key if ofKey.contains(key.canonicalized) => ofKey(key.canonicalized)
      } match {
        case same: Attribute => Alias(same, expression.name)(expression.exprId, expression.qualifier)
        case named => named.asInstanceOf[NamedExpression]
      }
    }, made)
  }

  private def valueOf(argument: Expression): Expression = argument match {
    case NamedArgumentExpression(_, value) => value
    case value => value
  }
}

private object PartialAggregates {

  /** Types whose values are equal exactly when their Arrow values are. */
  private def isComparedByBits(dataType: DataType): Boolean = dataType match {
    case BooleanType | ByteType | ShortType | IntegerType | LongType | DateType | TimestampType | TimestampNTZType => true
    case text: StringType => text == StringType
    case _ => false
  }
}
