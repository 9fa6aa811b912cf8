package io.sparkweld.rules

import scala.jdk.CollectionConverters._

import com.fasterxml.jackson.databind.node.ObjectNode

import io.sparkweld.{SparkWeldConf, WeldDriver}
import io.sparkweld.columns.ArrowColumns
import io.sparkweld.compile.PipelineRequest
import io.sparkweld.plan.{ArrowBatchesExec, PipelineExec}
import io.sparkweld.support.{Backend, FusedFunction, Refusal}

import org.apache.spark.sql.catalyst.expressions.{Attribute, AttributeReference, Expression, NamedArgumentExpression, PythonUDF}
import org.apache.spark.sql.execution.SparkPlan
import org.apache.spark.sql.execution.python.ArrowEvalPythonExec
import org.apache.spark.sql.execution.python.sparkweld.{EvalTypes, SparkInternals}
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.types.{BooleanType, ByteType, DataType, IntegerType, LongType, ShortType}

/**
 * Gives a node's UDFs, for which there is no kernel, functions that are fused for the Python worker.
 *
 * What it rewrites: the commands of scalar pandas UDFs that call annotated functions of libraries; a chain of them becomes one.
 * The node, its batches and its columns stay what they were, and each new command holds the old ones, which run where it may
 * not decide. When it must not: the body was refused for something else than a call, or the service is away.
 */
private[rules] final class FusedFunctions(driver: WeldDriver, conf: SQLConf) {
  import FusedFunctions._

  def in(node: ArrowEvalPythonExec, refusals: Seq[Refusal]): ArrowEvalPythonExec =
    if (!isWanted || !refusals.exists(aboutBody) || refusals.exists(aboutService)) node
    else {
      val made = node.udfs.zip(node.resultAttrs).map { case (udf, result) => udf -> fused(node, udf, result) }
      if (made.forall(_._2.isEmpty)) node
      else {
        val rewritten = node.copy(udfs = made.map { case (udf, fused) => fused.fold(udf)(_._1) })
        rewritten.copyTagsFrom(node)
        FusedFunction.set(rewritten, made.flatMap(_._2.map(_._2)))
        rewritten
      }
    }

  private def isWanted = SparkWeldConf.PipelineEnabled.get(conf) && Backend.of(conf) != Backend.Python

  private def fused(node: ArrowEvalPythonExec, udf: PythonUDF, result: Attribute): Option[(PythonUDF, FusedFunction)] =
    for {
      request <- Option.when(udf.evalType == EvalTypes.ScalarPandas)(request(node, udf, result)).flatten
      reply <- driver.compiler.translate(request, SparkWeldConf.CompileTimeout.get(conf)).toOption
    } yield {
      val chain = functions(udf)
      val command = java.util.HexFormat.of().parseHex(reply.path("payload").asText)
      val function = SparkInternals.withCommand(chain.last.func, command, chain.map(_.func))
      val stages = reply.path("stages").elements().asScala.map(_.asText).toSeq
      val record = FusedFunction(chain.map(_.name).mkString(", "), stages, reply.path("block").asText, reply.path("moved").asText)
      (udf.copy(func = function, children = chain.head.children), record)
    }

  /**
   * The node over the batches of its child, or, when all its functions are fused and take columns as they are, over larger ones in
   * Arrow's memory, where no row of it is touched in the JVM.
   */
  def fed(node: ArrowEvalPythonExec): SparkPlan = {
    val places = node.udfs.flatMap(_.children).map(place(node, _))
    val held = node.child.output.forall(column => ArrowColumns.holds(column.dataType))
    if (FusedFunction.of(node).size != node.udfs.size || !SparkInternals.takesColumnarInput(node) || conf.arrowUseLargeVarTypes ||
        !held || places.contains(None)) return node
    val starts = AttributeReference(Starts, BooleanType, nullable = false)()
    val stateful = places.flatten.distinct.filter(i => isStateful(node.child.output(i).dataType))
    val udfs = node.udfs.map(udf => udf.copy(children = udf.children :+ NamedArgumentExpression(Starts, starts)))
    val made = node.copy(udfs = udfs, child = ArrowBatchesExec(starts, stateful, node.child))
    made.copyTagsFrom(node)
    PipelineExec(node.output, node.udfs.map(_.name), made)
  }

  /** Which column of the child an argument is; None for any other expression. */
  private def place(node: ArrowEvalPythonExec, argument: Expression): Option[Int] = argument match {
    case NamedArgumentExpression(_, value) => place(node, value)
    case column: AttributeReference => Some(node.child.output.indexWhere(_.exprId == column.exprId)).filter(_ >= 0)
    case _ => None
  }

  private def request(node: ArrowEvalPythonExec, udf: PythonUDF, result: Attribute): Option[PipelineRequest] =
    try {
      val alone = node.copy(udfs = Seq(udf), resultAttrs = Seq(result))
      val built = new PipelineBuilder(Seq(alone), node.child.output, None, conf, SparkInternals.sparkConf(node)).build().request
      val json = built.json.deepCopy().put("op", "fuse")
      json.get("conf").asInstanceOf[ObjectNode].put("blockRows", SparkWeldConf.PipelineBlockRows.get(conf))
      Some(new PipelineRequest(built.service, json, built.blobs))
    } catch { case _: ChainRefused => None }
}

private[rules] object FusedFunctions {

  /** The argument of a fused function that tells where the batches of Spark start: `sparkweld.fused.function` reads it. */
  private val Starts = "sparkweld_starts"

  /** Whether pandas has another dtype for the column of a batch with NULLs. */
  private def isStateful(dataType: DataType): Boolean = dataType match {
    case ByteType | ShortType | IntegerType | LongType | BooleanType => true
    case _ => false
  }

  /** A refusal of what a function does, which a black-box call may be the cause of. */
  private def aboutBody(refusal: Refusal): Boolean = Seq("SW2", "SW6", "SW8").exists(refusal.code.startsWith)

  private def aboutService(refusal: Refusal): Boolean = Seq("SW4", "SW5").exists(refusal.code.startsWith)

  /** The functions of a chain, innermost first. */
  private def functions(udf: PythonUDF): Seq[PythonUDF] = udf.children match {
    case Seq(inner: PythonUDF) => functions(inner) :+ udf
    case _ => Seq(udf)
  }

  /** Whether a node has fused functions: nothing is left to do for it. */
  def has(node: SparkPlan): Boolean = FusedFunction.of(node).nonEmpty
}
