package io.sparkweld.rules

import java.util.HexFormat

import io.sparkweld.{SparkWeldConf, WeldDriver}
import io.sparkweld.compile.PipelineRequest
import io.sparkweld.support.{Refusal, Rewritten}

import com.fasterxml.jackson.databind.JsonNode

import org.apache.spark.sql.catalyst.expressions.{Left => _, Right => _, _}
import org.apache.spark.sql.catalyst.expressions.aggregate.AggregateExpression
import org.apache.spark.sql.catalyst.plans.logical._
import org.apache.spark.sql.catalyst.types.DataTypeUtils
import org.apache.spark.sql.execution.python.sparkweld.{EvalTypes, SparkInternals}
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types._

/**
 * Turns an Aggregate of pandas UDFs, annotated with results that merge, into states before the shuffle and results behind it.
 *
 * What it rewrites: the Aggregate becomes a Project over mapInArrow over a repartitioning by the keys over mapInArrow. The first
 * function makes one state for each group of the rows that a task holds, the second merges them. When it must not: keys that
 * are equal to Spark without being equal to the bit (floats, collations), and a UDF without such an annotation.
 */
private[rules] final class PartialAggregates(driver: WeldDriver, conf: SQLConf) {
  import PartialAggregates._

  def of(aggregate: Aggregate, calls: Seq[AggregateExpression]): Either[Seq[Refusal], LogicalPlan] = {
    val distinct = calls.distinctBy(_.canonicalized)
    val udafs = distinct.map(_.aggregateFunction.asInstanceOf[PythonUDAF])
    val below = new ArgumentPlan(aggregate.child)
    val scalars = udafs.map(below.scalar)
    for {
      _ <- aggregate.groupingExpressions.find(key => !isComparedByBits(key.dataType))
        .map(key => Seq(Refusal("SW389", "key" -> key.sql))).toLeft(())
      built <- FunctionRequest.ofAll("partial", scalars, below.output, conf)
      request = built.pipeline.request
      json = request.json.deepCopy().put("keys", aggregate.groupingExpressions.length)
      reply <- driver.compiler.translate(new PipelineRequest(request.service, json, request.blobs), SparkWeldConf.CompileTimeout.get(conf))
    } yield plan(aggregate, distinct, scalars, below.plan, reply)
  }

  private def plan(
      aggregate: Aggregate,
      calls: Seq[AggregateExpression],
      scalars: Seq[PythonUDF],
      below: LogicalPlan,
      reply: JsonNode): LogicalPlan = {
    // Arrow wants names that differ; the functions go by position.
    val keys = aggregate.groupingExpressions.zipWithIndex.map { case (key, i) => Alias(key, s"key$i")() }
    val arguments = scalars.flatMap(_.children).zipWithIndex.map { case (value, i) => Alias(valueOf(value), s"argument$i")() }
    def columns(behindKeys: Seq[DataType]) = (keys.map(_.dataType) ++ behindKeys).zipWithIndex
      .map { case (dataType, i) => AttributeReference(s"_$i", dataType)() }
    val states = columns(scalars.map(_ => BinaryType))
    val (groups, results) = columns(scalars.map(_.dataType)).splitAt(keys.length)

    val record = Rewritten(scalars.head.resultId.id, scalars.map(_.name).mkString(", "), Rewritten.Partial,
      "states of each group before the shuffle, merged behind it, by annotation", Rewritten.kept(reply), Nil)
    def mapped(command: String, output: Seq[Attribute], child: LogicalPlan): LogicalPlan = {
      val bytes = HexFormat.of().parseHex(reply.path(command).asText)
      val function = SparkInternals.withCommand(scalars.head.func, bytes, scalars.map(_.func))
      val udf = PythonUDF(record.udf, function, DataTypeUtils.fromAttributes(output), child.output, EvalTypes.MapArrow, true)
      Rewritten.mark(udf, record)
      MapInArrow(udf, output, child, isBarrier = false, None)
    }
    val before = mapped("before", states, Project(keys ++ arguments, below))
    val shuffled =
      if (keys.isEmpty) Repartition(1, shuffle = true, before)
      else RepartitionByExpression(states.take(keys.length), before, None, None)
    val after = mapped("after", groups ++ results, shuffled)

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
    }, after)
  }
}

private object PartialAggregates {

  /** Types whose values are equal when, and only when, their Arrow values are. */
  private def isComparedByBits(dataType: DataType): Boolean = dataType match {
    case BooleanType | ByteType | ShortType | IntegerType | LongType | DateType | TimestampType | TimestampNTZType => true
    case text: StringType => text == StringType
    case _ => false
  }

  private def valueOf(argument: Expression): Expression = argument match {
    case NamedArgumentExpression(_, value) => value
    case value => value
  }
}
