package io.sparkweld
package rules

import scala.collection.mutable

import io.sparkweld.columns.ColumnLayout
import io.sparkweld.plan.{Fallback, PythonStep, WeldExec}
import io.sparkweld.spark.CurrentSpark
import io.sparkweld.support.{Refusal, RefusalTags}

import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.catalyst.trees.TreeNodeTag
import org.apache.spark.sql.execution.{ProjectExec, SparkPlan}
import org.apache.spark.sql.execution.python.EvalPythonExec
import org.apache.spark.sql.types.ArrayType

/**
 * Lets Spark compute the arguments that kernels do not compute, in projections below the functions.
 *
 * Rewrites: a node of scalar functions to three: a projection that adds the arguments, the functions of columns, and a projection that
 * drops the arguments. Spark's own node evaluates them once for each row, as the projection does. Exceptions: arguments that are not
 * deterministic, because a kernel may compute rows again, types without a columnar form, and nodes of other kinds, whose arguments
 * are columns.
 *
 * @param nodes the chain with the new nodes, bottom up
 * @param projections those of `nodes` that add arguments
 * @param chain the chain without them
 * @param results what the functions return that take the arguments
 */
private[rules] final class ComputedArguments private (
    val nodes: IndexedSeq[SparkPlan], val projections: Set[SparkPlan], chain: IndexedSeq[SparkPlan], val results: AttributeSet) {

  /** Whether a kernel of a plan that was made of `nodes` computes one of the functions. */
  def isUsedIn(made: SparkPlan): Boolean =
    made.exists {
      case weld: WeldExec => weld.steps.exists {
        case PythonStep(_, computed, _, _) => computed.exists(results.contains)
        case _ => false
      }
      case _ => false
    }

  /** Returns why functions of the chain have no kernel in a plan that was made of `nodes`, with their steps in the chain. */
  def refusalsIn(made: SparkPlan): Seq[Refusal] =
    chain.zipWithIndex.flatMap {
      case (node: EvalPythonExec, step) =>
        val own = AttributeSet(node.resultAttrs)
        val inPython = made.collect { case python: EvalPythonExec if python.resultAttrs.exists(own.contains) => python }
        inPython.flatMap(RefusalTags.get(_)).map(_.copy(step = Some(step)))
      case _ => Nil
    }.distinct
}

private[rules] object ComputedArguments {
  /** Marks a projection that adds arguments: the rule may see it again, and kernels below it would change the batches above. */
  private val Adds = TreeNodeTag[Unit]("sparkweld.arguments")

  def isAdding(node: SparkPlan): Boolean = node.getTagValue(Adds).isDefined

  /**
   * Returns the chain with computed arguments; None when these refusals concern no argument that Spark can compute before.
   *
   * @param tried results of functions whose arguments need no other attempt; those of this one join them
   */
  def of(nodes: IndexedSeq[SparkPlan], refusals: Seq[Refusal], tried: mutable.Set[ExprId]): Option[ComputedArguments] = {
    val (ofArguments, others) = refusals.partition(_.has("argument"))
    val names = ofArguments.flatMap(_.udf).toSet -- others.flatMap(_.udf)
    val results = mutable.ArrayBuffer.empty[Attribute]
    val parts = nodes.map {
      case node: EvalPythonExec =>
        val taking = node.udfs.zip(node.resultAttrs).filter { case (udf, result) => PythonNode.calls(udf, names) && !tried(result.exprId) }
        val made = divided(node, taking.map(_._1))
        if (made.size > 1) results ++= taking.map(_._2)
        made
      case node => Seq(node)
    }
    tried ++= results.map(_.exprId)
    Option.when(results.nonEmpty) {
      new ComputedArguments(parts.flatten, parts.filter(_.size > 1).map(_.head).toSet, nodes, AttributeSet(results))
    }
  }

  /** Returns the nodes that replace a node, bottom up; only itself when the arguments of `taking` are columns. */
  private def divided(node: EvalPythonExec, taking: Seq[PythonUDF]): Seq[SparkPlan] = {
    val columns = mutable.LinkedHashMap.empty[Expression, Alias]
    taking.flatMap(SharedArguments.allOf).foreach {
      case computed if !computed.isInstanceOf[Attribute] && computed.deterministic && !isConstant(computed) && isColumnar(computed) =>
        columns.getOrElseUpdate(computed.canonicalized, Alias(computed, s"argument${columns.size}")())
      case _ => ()
    }
    if (columns.isEmpty) Seq(node)
    else {
      val adding = ProjectExec(node.child.output ++ columns.values, node.child)
      adding.setTagValue(Adds, ())
      // Each function takes the column: a worker hands the functions of a node one object for equal arguments.
      val functions = ChainCuts.withUdfs(node, node.udfs.map(ofColumns(_, columns)), node.resultAttrs, adding)
      functions.copyTagsFrom(node)
      val dropping = ProjectExec(node.output, functions)
      node.logicalLink.foreach(link => Seq(adding, dropping).foreach(_.setLogicalLink(link)))
      Seq(adding, functions, dropping)
    }
  }

  /** Whether a kernel has the value as a constant: kernels have none of arrays and decimals. */
  private def isConstant(argument: Expression): Boolean =
    argument.foldable && !argument.dataType.isInstanceOf[ArrayType] && !ColumnLayout.isUnscaled(argument.dataType)

  /** Whether Spark can convert the values to a column; otherwise the refusal would name a column that the user never wrote. */
  private def isColumnar(computed: Expression): Boolean =
    CurrentSpark.hasColumnarForm(Fallback.stored(computed.dataType), computed.nullable)

  private def ofColumns(udf: PythonUDF, columns: mutable.Map[Expression, Alias]): PythonUDF = {
    def replaced(argument: Expression): Expression = argument match {
      case inner: PythonUDF => ofColumns(inner, columns)
      case NamedArgumentExpression(name, named) => NamedArgumentExpression(name, replaced(named))
      case other => columns.get(other.canonicalized).fold(other)(_.toAttribute)
    }
    udf.copy(children = udf.children.map(replaced))
  }
}
