package io.sparkweld.rules

import io.sparkweld.compile.PipelineRequest
import io.sparkweld.spark.{CurrentSpark, EvalTypes}
import io.sparkweld.support.{Refusal, UnsupportedExpression}

import scala.jdk.CollectionConverters._

import org.apache.spark.sql.catalyst.expressions.{Left => _, Right => _, _}
import org.apache.spark.sql.execution.{FilterExec, SparkPlan}
import org.apache.spark.sql.execution.python.ArrowEvalPythonExec
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.StructType

/** Requests Catalyst expressions for one UDF over columns, and maps the columns of the reply to expressions. */
final class FunctionRequest private (val pipeline: Pipeline, input: Seq[Attribute]) {
  private val columns: Map[String, Expression] = {
    val names = pipeline.request.json.get("inputs").elements().asScala.map(_.get("name").asText).toSeq
    names.zip(pipeline.inputs).map { case (name, in) =>
      name -> in.path.tail.foldLeft(input(in.path.head): Expression)(GetStructField(_, _))
    }.toMap
  }

  /** Returns the same request with an additional number. */
  def saying(name: String, number: Double): FunctionRequest = {
    val whole = pipeline.request
    val request = new PipelineRequest(whole.service, whole.json.deepCopy().put(name, number), whole.blobs)
    new FunctionRequest(pipeline.copy(request = request), input)
  }

  def column(name: String): Expression = columns.getOrElse(name, throw new UnsupportedExpression(s"the column $name"))
}

object FunctionRequest {

  /**
   * Builds the request `op` for `udf` over a plan with the columns `input`. The physical request builder makes it, from the node
   * that Spark would plan for the UDF over an empty table.
   */
  def of(op: String, udf: PythonUDF, input: Seq[Attribute], conf: SQLConf): Either[Seq[Refusal], FunctionRequest] =
    build(op, Seq(udf), input, conf)(python => Seq(python))

  /** As above, and lists the inputs that read only the columns `others`. */
  def of(op: String, udf: PythonUDF, input: Seq[Attribute], conf: SQLConf, others: AttributeSet): Either[Seq[Refusal], FunctionRequest] =
    of(op, udf, input, conf).map { made =>
      val whole = made.pipeline.request
      val json = whole.json.deepCopy()
      val names = json.putArray("others")
      made.columns.foreach { case (name, column) => if (column.references.subsetOf(others)) names.add(name) }
      val request = new PipelineRequest(whole.service, json, whole.blobs)
      new FunctionRequest(made.pipeline.copy(request = request), input)
    }

  /** As above, for several UDFs of one node. */
  def ofAll(op: String, udfs: Seq[PythonUDF], input: Seq[Attribute], conf: SQLConf): Either[Seq[Refusal], FunctionRequest] =
    build(op, udfs, input, conf)(python => Seq(python))

  /** As above, with a filter above: `predicate` over the results of `udfs`. */
  def ofFilter(
      op: String,
      udfs: Seq[PythonUDF],
      predicate: Expression,
      input: Seq[Attribute],
      conf: SQLConf): Either[Seq[Refusal], FunctionRequest] =
    build(op, udfs.distinctBy(_.canonicalized), input, conf) { python =>
      val results = python.udfs.map(_.canonicalized).zip(python.resultAttrs).toMap
      val condition = predicate.transform { case udf: PythonUDF if results.contains(udf.canonicalized) => results(udf.canonicalized) }
      Seq(python, FilterExec(condition, python))
    }

  private def build(op: String, udfs: Seq[PythonUDF], input: Seq[Attribute], conf: SQLConf)(
      nodes: ArrowEvalPythonExec => Seq[SparkPlan]): Either[Seq[Refusal], FunctionRequest] =
    try {
      // With a kernel, a row whose struct is itself NULL runs in Python; expressions have no such fallback.
      for (udf <- udfs; struct <- udf.references.find(a => a.nullable && a.dataType.isInstanceOf[StructType])) {
        throw new ChainRefused(Refusal("SW305", "udf" -> udf.name, "column" -> struct.name))
      }
      val results = udfs.map(udf => AttributeReference(udf.name, udf.dataType)(udf.resultId))
      // ArrowEvalPythonExec accepts scalar kinds only; the request has the real kind of each UDF.
      val python = ArrowEvalPythonExec(udfs, results, CurrentSpark.emptyTable(input), EvalTypes.ScalarPandas)
      val appConf = CurrentSpark.activeSparkConf
      val pipeline = new PipelineBuilder(nodes(python), input, None, conf, appConf).build()
      val json = pipeline.request.json.deepCopy().put("op", op)
      val request = new PipelineRequest(pipeline.request.service, json, pipeline.request.blobs)
      Right(new FunctionRequest(pipeline.copy(request = request), input))
    } catch { case refused: ChainRefused => Left(Seq(refused.refusal)) }
}
