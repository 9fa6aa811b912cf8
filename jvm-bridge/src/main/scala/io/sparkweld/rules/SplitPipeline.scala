package io.sparkweld.rules

import io.sparkweld.support.{FusedFunction, PipelineParts}

import org.apache.spark.sql.catalyst.expressions.{Alias, Attribute, AttributeReference, Expression, GetStructField, PythonUDF}
import org.apache.spark.sql.execution.{ProjectExec, SparkPlan}
import org.apache.spark.sql.execution.python.ArrowEvalPythonExec
import org.apache.spark.sql.execution.python.sparkweld.SparkInternals
import org.apache.spark.sql.types.{DataType, DoubleType, FloatType, StringType}

/**
 * Splits a pipeline into three stages: nodes for a kernel, functions for the Python worker, and nodes for another kernel.
 *
 * The functions of `node` are all fused and take columns directly. `sparkweld/fused/parts.py` documents what a stage returns for
 * rows that it may not decide, so that no result changes.
 *
 * @param output of all three stages together
 */
private[rules] final class SplitPipeline(node: ArrowEvalPythonExec, record: FusedFunction, val parts: PipelineParts, output: Seq[Attribute]) {
  import SplitPipeline._

  /** The input columns of the functions. */
  val arguments: Seq[Expression] = node.udfs.head.children

  private val struct = AttributeReference("sparkweld_before", parts.fields, nullable = false)()
  private val slots = parts.fields.fields.indices.map(i => Alias(GetStructField(struct, i), parts.fields(i).name)())
  private val results = parts.results.zipWithIndex.map { case (dataType, i) =>
    AttributeReference(s"sparkweld_between$i", dataType, mayBeNull(dataType))()
  }

  /** Returns the nodes of the first kernel over `child`; none when there is no such kernel. */
  def before(child: SparkPlan): IndexedSeq[SparkPlan] =
    if (parts.before.isEmpty) IndexedSeq.empty
    else {
      val udf = function(parts.before, struct, arguments, s"${record.udf} (before its calls)")
      val python = node.copy(udfs = Seq(udf), resultAttrs = Seq(struct), child = child)
      linked(python, ProjectExec(child.output ++ slots, python))
    }

  /** Returns the Python stage over the first kernel. */
  def between(child: SparkPlan): ArrowEvalPythonExec = {
    val taken = slots.dropRight(1).map(_.toAttribute) ++ parts.direct.map(arguments) ++ slots.lastOption.map(_.toAttribute)
    val udfs = parts.between.zip(results).map { case (command, result) => function(command, result, taken, record.udf) }
    val made = node.copy(udfs = udfs, resultAttrs = results, child = child)
    made.copyTagsFrom(node)
    val stays = record.copy(functions = udfs.size, stages = parts.stages, moved = parts.moved)
    FusedFunction.set(made, Seq(stays), FusedFunction.original(node).get)
    made
  }

  /** Returns the nodes of the last kernel over the Python stage. `starts`: see [[io.sparkweld.plan.ArrowBatchesExec]]. */
  def after(pipeline: SparkPlan, starts: Attribute): IndexedSeq[SparkPlan] = {
    val udfs = node.udfs.zip(node.resultAttrs).zip(parts.after).map { case ((udf, result), command) =>
      function(command, result, arguments ++ results :+ starts, s"${udf.name} (after its calls)")
    }
    val python = node.copy(udfs = udfs, child = pipeline)
    linked(python, ProjectExec(output, python))
  }

  private def function(command: Seq[Byte], result: Attribute, taken: Seq[Expression], name: String): PythonUDF = {
    val made = SparkInternals.withCommand(node.udfs.head.func, command.toArray, node.udfs.map(_.func))
    node.udfs.head.copy(name = name, func = made, dataType = result.dataType, children = taken, resultId = result.exprId)
  }

  private def linked(nodes: SparkPlan*): IndexedSeq[SparkPlan] = {
    nodes.foreach(made => node.logicalLink.foreach(made.setLogicalLink))
    nodes.toIndexedSeq
  }
}

private[rules] object SplitPipeline {
  /** Whether a column between stages may be NULL: NaN in numbers of pandas becomes NULL. */
  def mayBeNull(dataType: DataType): Boolean = dataType match {
    case FloatType | DoubleType | StringType => true
    case _ => false
  }
}
