package io.sparkweld
package rules

import io.sparkweld.compile.FunctionService
import io.sparkweld.contract.{AggregateReply, Operation, RowColumn, SparkAggregate}
import io.sparkweld.expressions.Moment2
import io.sparkweld.spark.{CurrentSpark, EvalTypes}
import io.sparkweld.support.{ExpressionDecoder, Refusal, Rewritten, UnsupportedExpression}

import scala.collection.mutable

import org.apache.spark.sql.catalyst.expressions.{Left => _, Right => _, _}
import org.apache.spark.sql.catalyst.expressions.aggregate._
import org.apache.spark.sql.catalyst.plans.logical.{LogicalPlan, Project}
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.{DataType, DoubleType, LongType}

/**
 * Expresses an aggregate UDF by Spark's aggregates.
 *
 * @param aggregates each with whether it covers the whole partition of a window, regardless of the frame
 * @param result over attributes that represent the aggregates, by position
 */
final class Reductions private (
    aggregates: Seq[(AggregateExpression, Boolean)],
    places: Seq[Attribute],
    result: Expression,
    record: Rewritten) {

  def dataType: DataType = result.dataType

  /** Returns the expression with the aggregates themselves in place, for an Aggregate node. */
  def expression: Expression = over((aggregate, _) => aggregate)

  /** Returns the expression with the result of `place` for each aggregate. */
  def over(place: (AggregateExpression, Boolean) => Expression): Expression = {
    val made = AttributeMap(places.zip(aggregates).map { case (attribute, (aggregate, whole)) => attribute -> place(aggregate, whole) })
    val replaced = result.transform { case attribute: Attribute if made.contains(attribute) => made(attribute) }
    // A bare aggregate would become a mere attribute, without the record. KnownNotNull is valid: bare results of the service are
    // never NULL.
    val kept = replaced match {
      case bare @ (_: AggregateExpression | _: Attribute) => KnownNotNull(bare)
      case other => other.clone()
    }
    Rewritten.mark(kept, record)
  }
}

object Reductions {

  /** @param slices whether some rows of a window have frames other than the whole partition */
  def of(
      udf: PythonUDAF,
      below: ArgumentPlan,
      kind: String,
      slices: Boolean,
      service: FunctionService,
      conf: SQLConf): Either[Seq[Refusal], Reductions] =
    for {
      plain <- FunctionRequest.of(Operation.Aggregate, below.scalar(udf), below.output, conf)
      request = if (slices) plain.having(_.copy(frames = Some(1))) else plain
      reply <- request.answer(service, conf)
      what = if (kind == "window") "aggregated by Spark's own window operator" else "partial and final aggregation"
      record = Rewritten(udf.resultId.id, udf.name, kind, what, reply.kept.map(_.text), reply.notes.distinct)
      made <- read(below.scalar(udf), below, request, reply, record)
      _ <- Either.cond(made.dataType == udf.dataType, (), Seq(unknown(s"a result of type ${made.dataType.sql}")))
    } yield made

  /** Reads a reply about `udf`. Row values computed by Python functions become columns of `below`. */
  def read(
      udf: PythonUDF,
      below: ArgumentPlan,
      request: FunctionRequest[_],
      reply: AggregateReply,
      record: Rewritten): Either[Seq[Refusal], Reductions] =
    try {
      val values = reply.columns.map(value => value.name -> below.value(udf, value, request.column)).toMap
      val rows = new ExpressionDecoder(name => values.getOrElse(name, request.column(name)))
      val aggregates = reply.aggregates.map(aggregate => (aggregateOf(aggregate, rows), aggregate.states))
      val places = aggregates.map { case (aggregate, _) => AttributeReference("aggregate", aggregate.dataType)() }
      val named = places.indices.map(at => s"aggregate$at").zip(places).toMap
      val result = new ExpressionDecoder(name => named.getOrElse(name, throw new UnsupportedExpression(s"the column $name")))
        .decode(reply.result)
      Right(new Reductions(aggregates, places, result, record))
    } catch { case error: UnsupportedExpression => Left(Seq(unknown(error.what))) }

  private def unknown(what: String) = Refusal("SW512", "what" -> s"it contains $what")

  private def aggregateOf(encoded: SparkAggregate, rows: ExpressionDecoder): AggregateExpression = {
    lazy val value = rows.decode(encoded.expr.getOrElse(throw new UnsupportedExpression(s"an aggregate ${encoded.kind} of nothing")))
    val function: AggregateFunction = encoded.kind match {
      case "rows" => Count(Literal(1))
      case "sum" if value.dataType == LongType || value.dataType == DoubleType => CurrentSpark.wrappingSum(value)
      case "min" => Min(value)
      case "max" => Max(value)
      case "moment2" => Moment2(value)
      case other => throw new UnsupportedExpression(s"an aggregate $other")
    }
    function.toAggregateExpression()
  }
}

/** Builds the plan below an aggregate: a Project with the scalar UDFs among the arguments, and one with row values above it. */
final class ArgumentPlan(child: LogicalPlan) {
  private val computed = mutable.LinkedHashMap.empty[Expression, Alias]
  private val values = mutable.LinkedHashMap.empty[Expression, Alias]

  def plan: LogicalPlan = {
    val arguments = if (computed.isEmpty) child else Project(child.output ++ computed.values, child)
    if (values.isEmpty) arguments else Project(arguments.output ++ values.values, arguments)
  }

  def output: Seq[Attribute] = plan.output

  /** Returns the column of a row value for which the service generated a scalar UDF, in the environment of `udf`. */
  def value(udf: PythonUDF, encoded: RowColumn, column: String => Expression): Attribute = {
    val function = CurrentSpark.withCommand(udf.func, encoded.payload.bytes, Nil)
    val made = PythonUDF(s"${udf.name}, row-local", function, ExpressionDecoder.typeOf(encoded.`type`), encoded.args.map(column),
      EvalTypes.ScalarPandas, udfDeterministic = true)
    values.getOrElseUpdate(made.canonicalized, Alias(made, made.name)()).toAttribute
  }

  /** Returns the aggregate UDF as a scalar one, which requests use. */
  def scalar(udf: PythonUDAF): PythonUDF = {
    val arguments = udf.children.map(_.transformUp {
      case inner: PythonUDF => computed.getOrElseUpdate(inner.canonicalized, Alias(inner, inner.name)()).toAttribute
    })
    PythonUDF(udf.name, udf.func, udf.dataType, arguments, udf.evalType, udf.udfDeterministic, udf.resultId)
  }
}
