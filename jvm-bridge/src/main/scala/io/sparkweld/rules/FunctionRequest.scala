package io.sparkweld
package rules

import io.sparkweld.compile.FunctionService
import io.sparkweld.contract.{CompileRequest, Operation}
import io.sparkweld.ml.MlStages
import io.sparkweld.spark.{CurrentSpark, EvalTypes}
import io.sparkweld.support.{Refusal, UnsupportedExpression}

import org.apache.spark.sql.catalyst.expressions.{Left => _, Right => _, _}
import org.apache.spark.sql.execution.{FilterExec, SparkPlan}
import org.apache.spark.sql.execution.python.ArrowEvalPythonExec
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.StructType

/** Asks `operation` about UDFs over columns, and maps the columns of the answer to expressions. */
final class FunctionRequest[R] private (operation: Operation[R], val pipeline: Pipeline, input: Seq[Attribute]) {

  /** The columns that the functions read, by their names in the request. */
  val columns: Map[String, Expression] =
    pipeline.request.message.inputs.zip(pipeline.inputs).map { case (named, in) =>
      named.name -> in.path.tail.foldLeft(input(in.path.head): Expression)(GetStructField(_, _))
    }.toMap

  def column(name: String): Expression = columns.getOrElse(name, throw new UnsupportedExpression(s"the column $name"))

  /** Returns the same request with other keys. */
  def having(change: CompileRequest => CompileRequest): FunctionRequest[R] = {
    val request = pipeline.request
    new FunctionRequest(operation, pipeline.copy(request = request.copy(message = change(request.message))), input)
  }

  /** Returns the answer, or the refusals. */
  def answer(service: FunctionService, conf: SQLConf): Either[Seq[Refusal], R] =
    service.answer(operation, pipeline.request, QueryPatience.of(conf))
}

object FunctionRequest {

  /**
   * Builds the request for `udf` over a plan with the columns `input`. The physical request builder makes it, from the node that
   * Spark would plan for the UDF over an empty table.
   */
  def of[R](operation: Operation[R], udf: PythonUDF, input: Seq[Attribute], conf: SQLConf): Either[Seq[Refusal], FunctionRequest[R]] =
    ofAll(operation, Seq(udf), input, conf)

  /** As above, for several UDFs of one node. */
  def ofAll[R](
      operation: Operation[R],
      udfs: Seq[PythonUDF],
      input: Seq[Attribute],
      conf: SQLConf): Either[Seq[Refusal], FunctionRequest[R]] = build(operation, udfs, input, conf)(python => Seq(python))

  /** As above, with a filter above: `predicate` over the results of `udfs`. */
  def ofFilter[R](
      operation: Operation[R],
      udfs: Seq[PythonUDF],
      predicate: Expression,
      input: Seq[Attribute],
      conf: SQLConf): Either[Seq[Refusal], FunctionRequest[R]] =
    build(operation, udfs.distinctBy(_.canonicalized), input, conf) { python =>
      val results = python.udfs.map(_.canonicalized).zip(python.resultAttrs).toMap
      val condition = predicate.transform { case udf: PythonUDF if results.contains(udf.canonicalized) => results(udf.canonicalized) }
      Seq(python, FilterExec(condition, python))
    }

  private def build[R](operation: Operation[R], udfs: Seq[PythonUDF], input: Seq[Attribute], conf: SQLConf)(
      nodes: ArrowEvalPythonExec => Seq[SparkPlan]): Either[Seq[Refusal], FunctionRequest[R]] =
    try {
      // With a kernel, a row whose struct is itself NULL runs in Python; expressions have no such fallback.
      for (udf <- udfs; struct <- udf.references.find(a => a.nullable && a.dataType.isInstanceOf[StructType])) {
        throw new ChainRefused(Refusal("SW305", "udf" -> udf.name, "column" -> struct.name))
      }
      for (udf <- udfs; vector <- udf.references.find(a => MlStages.isVector(a.dataType))) { // expressions read no fields of one
        throw new ChainRefused(Refusal("SW101", "column" -> vector.name, "type" -> vector.dataType.simpleString))
      }
      val results = udfs.map(udf => AttributeReference(udf.name, udf.dataType)(udf.resultId))
      // ArrowEvalPythonExec accepts scalar kinds only; the request has the real kind of each UDF.
      val python = ArrowEvalPythonExec(udfs, results, CurrentSpark.emptyTable(input), EvalTypes.ScalarPandas)
      val appConf = CurrentSpark.activeSparkConf
      val pipeline = new PipelineBuilder(nodes(python), input, None, conf, appConf).build()
      for (in <- pipeline.inputs if in.part.nonEmpty) { // no expression has these arrays
        val column = input(in.path.head)
        throw new ChainRefused(Refusal("SW101", "column" -> column.name, "type" -> column.dataType.simpleString))
      }
      Right(new FunctionRequest(operation, pipeline, input).having(_.copy(op = operation.name)))
    } catch { case refused: ChainRefused => Left(Seq(refused.refusal)) }
}
