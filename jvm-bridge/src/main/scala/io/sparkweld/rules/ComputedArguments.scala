package io.sparkweld
package rules

import scala.collection.mutable

import io.sparkweld.plan.{PythonStep, WeldExec}
import io.sparkweld.support.{Refusal, RefusalTags}

import org.apache.spark.sql.catalyst.expressions._
import org.apache.spark.sql.execution.{ProjectExec, SparkPlan}
import org.apache.spark.sql.execution.python.EvalPythonExec

/**
 * Lets Spark compute the arguments that kernels do not compute, in projections below the functions.
 *
 * Rewrites: a node of scalar functions to three: a projection that adds the arguments, the functions of columns, and a projection that
 * drops the arguments. Spark's own node evaluates them once for each row, as the projection does. Exceptions: arguments that are not
 * deterministic, because a kernel may compute rows again, and nodes of other kinds, whose arguments are columns.
 *
 * @param nodes the chain with the new nodes, bottom up
 * @param projections those of `nodes` that add arguments
 * @param names the functions that take the arguments, and `results` what they return
 */
private[rules] final class ComputedArguments private (
    val nodes: IndexedSeq[SparkPlan], val projections: Set[SparkPlan], names: Set[String], results: AttributeSet) {

  /** Returns why a function has no kernel in a plan that was made of `nodes`; None if all have. */
  def refusals(made: SparkPlan): Option[Seq[Refusal]] = {
    val inKernels = made.collect { case weld: WeldExec => weld.steps.collect { case PythonStep(_, computed, _, _) => computed } }.flatten.flatten
    Option.when(!results.subsetOf(AttributeSet(inKernels))) {
      val inPython = made.collect { case node @ PythonNode(udfs) if udfs.exists(_.exists(ComputedArguments.isNamed(_, names))) => node }
      inPython.flatMap(RefusalTags.get(_)).filter(_.udf.exists(names)).map(_.copy(step = None)).distinct
    }
  }
}

private[rules] object ComputedArguments {

  /**
   * Returns the chain with computed arguments; None when these refusals concern no argument that Spark can compute before.
   *
   * @param tried results of functions whose arguments were computed before; those that this call computes join them
   */
  def of(nodes: IndexedSeq[SparkPlan], refusals: Seq[Refusal], tried: mutable.Set[ExprId]): Option[ComputedArguments] = {
    val (ofArguments, others) = refusals.partition(_.has("argument"))
    val names = ofArguments.flatMap(_.udf).toSet -- others.flatMap(_.udf)
    val results = mutable.ArrayBuffer.empty[Attribute]
    val parts = nodes.map {
      case node: EvalPythonExec =>
        val taking = node.udfs.zip(node.resultAttrs).filter { case (udf, result) => takes(udf, names) && !tried(result.exprId) }
        val made = divided(node, taking.map(_._1))
        if (made.size > 1) results ++= taking.map(_._2)
        made
      case node => Seq(node)
    }
    tried ++= results.map(_.exprId)
    Option.when(results.nonEmpty) {
      new ComputedArguments(parts.flatten, parts.filter(_.size > 1).map(_.head).toSet, names, AttributeSet(results))
    }
  }

  private def takes(udf: PythonUDF, names: Set[String]): Boolean = udf.exists(isNamed(_, names))

  /** Returns the nodes that replace a node, bottom up; only itself when the arguments of `taking` are columns. */
  private def divided(node: EvalPythonExec, taking: Seq[PythonUDF]): Seq[SparkPlan] = {
    val columns = mutable.LinkedHashMap.empty[Expression, Alias]
    taking.flatMap(arguments).foreach {
      case computed if !computed.isInstanceOf[Attribute] && !computed.foldable && computed.deterministic =>
        columns.getOrElseUpdate(computed.canonicalized, Alias(computed, s"argument${columns.size}")())
      case _ => ()
    }
    if (columns.isEmpty) Seq(node)
    else {
      val adding = ProjectExec(node.child.output ++ columns.values, node.child)
      // Each function takes the column: a worker hands the functions of a node one object for equal arguments.
      val functions = ChainCuts.withUdfs(node, node.udfs.map(ofColumns(_, columns)), node.resultAttrs, adding)
      functions.copyTagsFrom(node)
      val dropping = ProjectExec(node.output, functions)
      node.logicalLink.foreach(link => Seq(adding, dropping).foreach(_.setLogicalLink(link)))
      Seq(adding, functions, dropping)
    }
  }

  /** Returns the arguments of a chain of functions. */
  private def arguments(udf: PythonUDF): Seq[Expression] = udf.children.map(value).flatMap {
    case inner: PythonUDF => arguments(inner)
    case argument => Seq(argument)
  }

  private def value(argument: Expression): Expression = argument match {
    case NamedArgumentExpression(_, named) => named
    case positional => positional
  }

  private def ofColumns(udf: PythonUDF, columns: mutable.Map[Expression, Alias]): PythonUDF = {
    def replaced(argument: Expression): Expression = argument match {
      case inner: PythonUDF => ofColumns(inner, columns)
      case NamedArgumentExpression(name, named) => NamedArgumentExpression(name, replaced(named))
      case other => columns.get(other.canonicalized).fold(other)(_.toAttribute)
    }
    udf.copy(children = udf.children.map(replaced))
  }

  private def isNamed(expression: Expression, names: Set[String]): Boolean = expression match {
    case udf: PythonUDF => names(udf.name)
    case _ => false
  }
}
