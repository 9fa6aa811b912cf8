package io.sparkweld.rules

import io.sparkweld.{SparkWeldConf, WeldDriver}
import io.sparkweld.expressions.Moment2
import io.sparkweld.support.{ExpressionDecoder, Refusal, Rewritten, UnsupportedExpression}

import com.fasterxml.jackson.databind.JsonNode

import scala.collection.mutable
import scala.jdk.CollectionConverters._

import org.apache.spark.sql.catalyst.expressions.{Left => _, Right => _, _}
import org.apache.spark.sql.catalyst.expressions.aggregate._
import org.apache.spark.sql.catalyst.plans.logical.{LogicalPlan, Project}
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.{DoubleType, LongType}

/**
 * An aggregate UDF as expressions over Spark's aggregates.
 *
 * @param aggregates each with whether it speaks of the whole partition of a window, whatever the frame
 * @param result over attributes that stand for the aggregates, by position
 */
final class Reductions private (
    aggregates: Seq[(AggregateExpression, Boolean)],
    places: Seq[Attribute],
    result: Expression,
    record: Rewritten) {

  /** With the aggregates themselves in place, for an Aggregate node. */
  def expression: Expression = over((aggregate, _) => aggregate)

  /** With what `place` makes of each aggregate. */
  def over(place: (AggregateExpression, Boolean) => Expression): Expression = {
    val made = AttributeMap(places.zip(aggregates).map { case (attribute, (aggregate, whole)) => attribute -> place(aggregate, whole) })
    val replaced = result.transform { case attribute: Attribute if made.contains(attribute) => made(attribute) }
    // A bare aggregate would become a mere attribute, without the record. What the service calls plain is never NULL.
    val kept = replaced match {
      case bare @ (_: AggregateExpression | _: Attribute) => KnownNotNull(bare)
      case other => other.clone()
    }
    Rewritten.mark(kept, record)
  }
}

object Reductions {

  def of(udf: PythonUDAF, below: ArgumentPlan, kind: String, driver: WeldDriver, conf: SQLConf): Either[Seq[Refusal], Reductions] =
    for {
      request <- FunctionRequest.of("aggregate", below.scalar(udf), below.output, conf)
      reply <- driver.compiler.translate(request.pipeline.request, SparkWeldConf.CompileTimeout.get(conf))
      made <- try Right(read(udf, kind, request, reply))
      catch { case unknown: UnsupportedExpression => Left(Seq(Refusal("SW512", "what" -> s"it holds ${unknown.what}"))) }
    } yield made

  private def read(udf: PythonUDAF, kind: String, request: FunctionRequest, reply: JsonNode): Reductions = {
    val rows = new ExpressionDecoder(request.column)
    val aggregates = reply.path("aggregates").elements().asScala.toSeq
      .map(json => (aggregateOf(json, rows), json.path("states").asBoolean))
    val places = aggregates.map { case (aggregate, _) => AttributeReference("aggregate", aggregate.dataType)() }
    val result = new ExpressionDecoder(name => places(name.stripPrefix("aggregate").toInt)).decode(reply.path("result"))
    if (result.dataType != udf.dataType) throw new UnsupportedExpression(s"a result of type ${result.dataType.sql}")
    val what = if (kind == "window") "aggregated by Spark's own window operator" else "partial and final aggregation"
    val record = Rewritten(udf.resultId.id, udf.name, kind, what, Rewritten.kept(reply), Rewritten.notes(reply))
    new Reductions(aggregates, places, result, record)
  }

  private def aggregateOf(json: JsonNode, rows: ExpressionDecoder): AggregateExpression = {
    lazy val value = rows.decode(json.path("expr"))
    val function: AggregateFunction = json.path("kind").asText match {
      case "rows" => Count(Literal(1))
      case "sum" if value.dataType == LongType || value.dataType == DoubleType => Sum(value, ExpressionDecoder.wraps)
      case "min" => Min(value)
      case "max" => Max(value)
      case "moment2" => Moment2(value)
      case other => throw new UnsupportedExpression(s"an aggregate $other")
    }
    function.toAggregateExpression()
  }
}

/** The plan below an aggregate, with the scalar UDFs among the arguments as columns of a Project. */
final class ArgumentPlan(child: LogicalPlan) {
  private val computed = mutable.LinkedHashMap.empty[Expression, Alias]

  def plan: LogicalPlan = if (computed.isEmpty) child else Project(child.output ++ computed.values, child)

  def output: Seq[Attribute] = plan.output

  /** The aggregate UDF as a scalar one, whose form requests speak of. */
  def scalar(udf: PythonUDAF): PythonUDF = {
    val arguments = udf.children.map(_.transformUp {
      case inner: PythonUDF => computed.getOrElseUpdate(inner.canonicalized, Alias(inner, inner.name)()).toAttribute
    })
    PythonUDF(udf.name, udf.func, udf.dataType, arguments, udf.evalType, udf.udfDeterministic, udf.resultId)
  }
}
