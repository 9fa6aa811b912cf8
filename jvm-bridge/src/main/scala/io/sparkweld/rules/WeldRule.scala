package io.sparkweld
package rules

import scala.collection.mutable

import io.sparkweld.{SparkWeldConf, SparkWeldRuntime, WeldDriver}
import io.sparkweld.columns.ColumnLayout
import io.sparkweld.compile.{Compiled, FormOrigin, Refused, ServiceCommand}
import io.sparkweld.plan._
import io.sparkweld.spark.{CurrentSpark, EvalTypes}
import io.sparkweld.support.{Backend, CutChain, ExpressionCodec, Refusal, RefusalTags, Rewritten, WarnOnce}

import org.apache.spark.sql.catalyst.expressions.{Attribute, ExprId, PythonUDF}
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.execution.{ProjectExec, SparkPlan}
import org.apache.spark.sql.execution.aggregate.HashAggregateExec
import org.apache.spark.sql.execution.exchange.Exchange
import org.apache.spark.sql.execution.python.{ArrowEvalPythonExec, EvalPythonExec}
import org.apache.spark.sql.types.DoubleType

/**
 * Replaces maximal chains of Project, Filter and Python UDF nodes (ArrowEvalPython, BatchEvalPython) by WeldExec nodes.
 *
 * Rewrites: a chain that the compile service turned into a program. When the service refuses one of its nodes, that node
 * stays Spark's, and the subchains below and above it are tried separately. Exceptions: the plugin's driver half is not
 * running, `spark.sparkweld.enabled` is false, the backend is `python`, or the service refuses; the reason is then recorded on
 * the node for explain. The rule never throws, and costs a plan without a Python UDF one walk over the nodes.
 */
object WeldRule extends Rule[SparkPlan] {

  override def apply(plan: SparkPlan): SparkPlan =
    if (!plan.exists(node => KernelNode.is(node) || PythonTableFunction.is(node) || requiresMerging(node))) plan
    else SparkWeldRuntime.driver match {
      case Some(driver) if Backend.of(conf) != Backend.Python =>
        WarnOnce.guard("the rewriting of a plan", plan)(new ChainRewriter(driver).rewrite(plan))
      case _ => plan
    }

  /**
   * Whether a node is the final aggregate of a rewritten aggregate UDF. Kernels merge it over plain columns too, unless the conf
   * requests expressions: tests/bench/bench_backends.py compares both.
   */
  private[rules] def requiresMerging(node: SparkPlan): Boolean = node match {
    case aggregate: HashAggregateExec =>
      val kinds = Set("aggregate", Rewritten.Partial)
      aggregate.resultExpressions.exists(Rewritten.in(_).exists(made => kinds(made.kind))) && Backend.of(conf) != Backend.Catalyst
    case _ => false
  }
}

/** One node of a chain, divided: the nodes to compile, and above them the nodes that stay in Python. */
private final case class NodeParts(inside: Seq[SparkPlan], outside: Seq[SparkPlan])

/** Applies the rule once. */
private final class ChainRewriter(driver: WeldDriver) {
  private val computedBefore = mutable.Set.empty[ExprId]

  private def conf = WeldRule.conf

  def rewrite(plan: SparkPlan): SparkPlan = visit(plan, wanted = false)

  /** @param wanted whether a partial aggregate here should be merged although no UDF is below it */
  private def visit(plan: SparkPlan, wanted: Boolean): SparkPlan = {
    val links = linksFrom(plan).toIndexedSeq
    if (links.exists(KernelNode.is)) chain(links, rewrite(links.last.children.head))
    else plan match {
      case aggregate: HashAggregateExec if fusible(aggregate) && AggregateLoop.isPartial(aggregate) =>
        val below = linksFrom(aggregate.child).toIndexedSeq
        if (wanted || below.exists(KernelNode.is)) aggregated(aggregate, below)
        else plan.mapChildren(rewrite)
      case SparkBatchesExec(limits, why, child) =>
        val below = rewrite(child)
        if (below eq child) plan else SparkBatchesExec.over(limits, why, below) // it may have become columnar
      case done if FusedFunctions.has(done) || CutChain.isOuter(done) => plan.mapChildren(rewrite)
      case PythonNode(udfs) if !udfs.exists(Rewritten.in(_).exists(_.kind == Rewritten.Partial)) => // none of ours
        RefusalTags.set(plan, Seq(unlinked(udfs)))
        plan.mapChildren(rewrite)
      case PythonTableFunction(udtf) =>
        RefusalTags.set(plan, Refusal("SW309", "udf" -> udtf.name) +: TableFunctions.refusals(udtf))
        plan.mapChildren(rewrite)
      case _ => plan.mapChildren(visit(_, WeldRule.requiresMerging(plan) || wanted && plan.isInstanceOf[Exchange]))
    }
  }

  /** Rewrites the links of a chain (top down) over `base`. */
  private def chain(links: IndexedSeq[SparkPlan], base: SparkPlan): SparkPlan =
    if (links.isEmpty) base else assemble(links.reverse, base, links.filterNot(fusible).toSet)

  /**
   * Rewrites a partial aggregate over the links of a chain, or right over columnar batches. One kernel computes its input, with
   * the keys and arguments; a second kernel, called alternately with the first, merges the results.
   */
  private def aggregated(aggregate: HashAggregateExec, links: IndexedSeq[SparkPlan]): SparkPlan = {
    val base = links.lastOption.map(last => rewrite(last.children.head)).getOrElse(rewrite(aggregate.child))
    val made = for {
      loop <- AggregateLoop.of(aggregate).left.map(Seq(_))
      below <- columnsOf(loop, aggregate, links, base).toRight(Nil)
      merging <- merging(aggregate, loop, below)
    } yield merging
    made match {
      case Right(merging) => merging
      case Left(refusals) =>
        val kept = keep(chain(links, base), aggregate)
        if (refusals.nonEmpty) kept.setTagValue(RefusalTags.Beside, refusals)
        kept
    }
  }

  /** Returns a node with the columns of `loop` in batches, without rows in between. */
  private def columnsOf(
      loop: AggregateLoop, aggregate: HashAggregateExec, links: IndexedSeq[SparkPlan], base: SparkPlan): Option[SparkPlan] = {
    val asTheyAre = links.isEmpty && loop.columns.forall(_.isInstanceOf[Attribute])
    if (asTheyAre) Some(base).filter(_.supportsColumnar)
    else {
      val top = ProjectExec(loop.columns, aggregate.child)
      links.headOption.foreach(top.copyTagsFrom)
      val nodes = (top +: links).reverse
      val made =
        if (nodes.exists(KernelNode.is)) assemble(nodes, base, Set.empty)
        else if (base.supportsColumnar) compile(nodes, base)
        else base
      Some(made).filter(weld => weld.isInstanceOf[WeldExec] && weld.output == top.output)
    }
  }

  private def merging(aggregate: HashAggregateExec, loop: AggregateLoop, below: SparkPlan): Either[Seq[Refusal], SparkPlan] = {
    val service = below match {
      case weld: WeldExec => weld.kernel.origin.service
      case _ => expectedService(aggregate)
    }
    val request = loop.request(service, conf)
    driver.compiler.compile(request, Set.empty, QueryPatience.of(conf)) match {
      case Refused(refusals, _) => Left(refusals)
      case program: Compiled =>
        val types = loop.outputTypes.toArray
        if (program.outputTypes != types.map(_.typeName).toSeq) {
          return Left(Seq(Refusal("SW512", "what" -> "it merges other columns")))
        }
        val ordinals = loop.columns.map(column => below.output.indexWhere(_.exprId == column.exprId)).toArray
        val inputTypes = loop.columns.map(_.dataType).toArray
        val plan = MergePlan(request.key, FormOrigin(service), ordinals, inputTypes, types, loop.keys.size)
        val node = WeldAggregateExec(loop.keys, loop.aggregates, aggregate.output, plan, AggregateLoop.describe(aggregate), below)
        node.copyTagsFrom(aggregate)
        driver.compiler.prefetch(service, program.program, program.hash)
        Right(node)
    }
  }

  private def expectedService(node: SparkPlan): ServiceCommand = ServiceCommand.expected(CurrentSpark.sparkConf(node))

  /** Returns why a node of Python functions is not part of a chain. */
  private def unlinked(udfs: Seq[PythonUDF]): Refusal = {
    val names = udfs.map(_.name).mkString(", ")
    val evalType = udfs.head.evalType
    if (EvalTypes.isKnown(evalType)) Refusal("SW367", "udf" -> names)
    else Refusal("SW301", "udf" -> names, "type" -> evalType.toString)
  }

  /** Returns the nodes of the chain that starts at `node`, top down. A function of groups is a chain of its own. */
  private def linksFrom(node: SparkPlan): LazyList[SparkPlan] = Step.of(node) match {
    case None => LazyList.empty
    case Some(_: GroupStep) => LazyList(node)
    case _ if FusedFunctions.has(node) || CutChain.isOuter(node) || ComputedArguments.isAdding(node) => LazyList.empty
    case _ if Step.takesGroups(Step.of(node.children.head).toSeq) => LazyList(node)
    case _ => node #:: linksFrom(node.children.head)
  }

  /** Whether a node may be fused, by cheap checks without the service. */
  private def fusible(node: SparkPlan): Boolean = node match {
    case asked if KernelNode.is(asked) => true
    case _ => SparkWeldConf.FusionEnabled.get(conf)
  }

  /** Puts the chain `nodes` (bottom up) over `base`, with every run of nodes that are not `outside` as one kernel if possible. */
  private def assemble(nodes: IndexedSeq[SparkPlan], base: SparkPlan, outside: Set[SparkPlan]): SparkPlan = {
    var child = base
    var rest = nodes
    while (rest.nonEmpty) {
      val run = rest.takeWhile(!outside(_))
      rest = rest.drop(run.length)
      pipelineOver(run, child, rest.headOption) match {
        case Some(pipeline) => child = pipeline
        case None =>
          child = if (run.exists(KernelNode.is)) compile(run, child) else run.foldLeft(child)(keep)
          rest.headOption.foreach(node => child = keep(child, node))
      }
      rest = rest.drop(1)
    }
    child
  }

  /**
   * Returns a pipeline in Python over a kernel of Spark's own projections and filters. The kernel passes columns instead of rows,
   * and computes arguments that are expressions.
   */
  private def pipelineOver(run: IndexedSeq[SparkPlan], child: SparkPlan, above: Option[SparkPlan]): Option[SparkPlan] = above match {
    case Some(python: ArrowEvalPythonExec)
        if FusedFunctions.has(python) && run.nonEmpty && !run.exists(KernelNode.is) && child.supportsColumnar =>
      val functions = new FusedFunctions(driver.compiler, conf)
      functions.lifted(python).flatMap { lifted =>
        val arguments = if (lifted eq python) Nil else Seq(lifted.child)
        compile(run ++ arguments, child) match {
          case weld: WeldExec if weld.output == lifted.child.output => functions.fedFromKernel(lifted, weld, python.output)
          case _ => None
        }
      }
    case _ => None
  }

  /** Returns `node` as Spark planned it, over the new child; its output does not change. */
  private def keep(child: SparkPlan, planned: SparkPlan): SparkPlan = {
    val node = CutChain.whole(planned, child).getOrElse(planned)
    val kept = (node, child) match {
      case (_, same) if (same eq node.children.head) && !Regrouping.isBare(node) => node
      case (_, SparkBatchesExec(_, _, below)) => return keep(below, node) // Spark makes them itself
      case (_, GroupBatchesExec(_, below)) => return keep(below, node)
      case (_, kernel: WeldExec) if CutChain.isOuter(node) => node.withNewChildren(Seq(kernel)) // plain functions see no batches
      case (python: ArrowEvalPythonExec, ours @ (_: WeldExec | _: PipelineExec)) if Regrouping.hasBatchesOf(python, ours) =>
        python.withNewChildren(Seq(SparkBatchesExec.keptBy(ours)))
      case (python: ArrowEvalPythonExec, ours @ (_: WeldExec | _: PipelineExec)) =>
        val fed = if (FusedFunctions.has(python)) new FusedFunctions(driver.compiler, conf).fedFromKernel(python, ours, python.output) else None
        fed.getOrElse(python.withNewChildren(Seq(RowInputExec(ours))))
      case (python: ArrowEvalPythonExec, columnar) if columnar.supportsColumnar && !python.child.supportsColumnar =>
        python.withNewChildren(Seq(RowInputExec(columnar))) // such as a union of kernels
      case _ => node.withNewChildren(Seq(child))
    }
    kept match {
      case python: ArrowEvalPythonExec if FusedFunctions.has(python) => new FusedFunctions(driver.compiler, conf).placed(python)
      case other => other
    }
  }

  private def compile(nodes: IndexedSeq[SparkPlan], below: SparkPlan): SparkPlan = {
    val child = nodes.flatMap(Step.of(_)).collectFirst { case groups: GroupStep => GroupBatchesExec(groups.grouping, below) }
      .getOrElse(if (Regrouping.needsBatchesOf(below, nodes)) SparkBatchesExec.keptBy(below) else below)
    val outcome: Either[Seq[Refusal], SparkPlan] =
      try {
        checkConversions(nodes, child)
        val service = Option.when(!nodes.exists(PythonNode.is))(expectedService(nodes.head))
        val regrouped = Regrouping.lastOf(nodes, child)
        val appConf = CurrentSpark.sparkConf(nodes.head)
        val pipeline = new PipelineBuilder(nodes, child.output, service, conf, appConf, regrouped.nonEmpty, wholeBatches = regrouped.isEmpty,
          nullStructs = true).build()
        driver.compiler.compile(pipeline.request, Set.empty, QueryPatience.of(conf)) match {
          case Refused(refusals, _) =>
            val cuts = regrouped.toSeq.flatMap(Regrouping.cuts(nodes, child, _, refusals))
            Either.cond(cuts.nonEmpty, inSparkBatches(nodes, child, cuts), refusals)
          case program: Compiled if regrouped.nonEmpty && program.batchwise.nonEmpty =>
            Right(inSparkBatches(nodes, child, Seq(Regrouping.cut(nodes, child, regrouped.get, conf) -> program.batchwise.get)))
          case program: Compiled =>
            val made = weld(nodes, child, pipeline, program)
            // By these links adaptive execution finds the logical subplan of a query stage. A scan of a cached table inherits the
            // link of the filter above it: once the kernel includes the filter, the link must be the kernel's.
            nodes.last.logicalLink.foreach(made.setLogicalLink)
            Right(made)
        }
      } catch { case refused: ChainRefused => Left(Seq(refused.refusal)) }
    outcome match {
      case Right(weld) => weld
      case Left(refusals) => without(nodes, child, refusals)
    }
  }

  /**
   * Divides the chain at the nodes `cuts`, each with the reason. The rows below each of them are regrouped into the batches that Spark
   * would make for it, so that each batch has the same dtypes as in Spark.
   */
  private def inSparkBatches(nodes: IndexedSeq[SparkPlan], child: SparkPlan, cuts: Seq[(Int, String)]): SparkPlan = {
    val lowest = nodes.take(cuts.head._1)
    val asKernel = lowest.exists(KernelNode.is) || lowest.nonEmpty && child.supportsColumnar && lowest.forall(fusible)
    val below = if (asKernel) compile(lowest, child) else lowest.foldLeft(child)(keep)
    cuts.zip(cuts.tail.map(_._1) :+ nodes.size).foldLeft(below) { case (made, ((from, why), until)) =>
      compile(nodes.slice(from, until), SparkBatchesExec.over(Regrouping.limits(nodes(from), from, conf), why, made))
    }
  }

  /** Rewrites the chain with computed arguments, where that makes kernels, or else without its refused nodes. */
  private def without(nodes: IndexedSeq[SparkPlan], child: SparkPlan, refusals: Seq[Refusal]): SparkPlan =
    ComputedArguments.of(nodes, refusals, computedBefore) match {
      case Some(computed) =>
        val made = assemble(computed.nodes, child, computed.projections)
        if (computed.isUsedIn(made)) {
          computedBefore --= computed.results.map(_.exprId) // the chain above may be rewritten without this plan
          made
        } else {
          val found = computed.refusalsIn(made)
          withoutRefused(nodes, child, if (found.isEmpty) refusals else found)
        }
      case None => withoutRefused(nodes, child, refusals)
    }

  /** Rewrites the chain without its refused nodes; after a refusal of no particular node, all of it stays Spark's. */
  private def withoutRefused(nodes: IndexedSeq[SparkPlan], child: SparkPlan, refusals: Seq[Refusal]): SparkPlan = {
    val uncut = nodes.filterNot(CutChain.isInner)
    if (uncut.size < nodes.size) return if (uncut.exists(KernelNode.is)) compile(uncut, child) else uncut.foldLeft(child)(keep)
    val byNode = refusals.map(refusal => refusal -> refusedNodes(nodes, refusal))
    val everywhere = byNode.collect { case (refusal, Nil) => refusal }
    val parts = nodes.map {
      case python @ PythonNode(_) =>
        val own = byNode.collect { case (refusal, about) if about.contains(python) => refusal }
        if (everywhere.nonEmpty) NodeParts(Nil, Seq(tagged(python, own ++ everywhere)))
        else if (own.isEmpty) NodeParts(Seq(python), Nil)
        else python match {
          case several: EvalPythonExec if child.supportsColumnar => cut(split(several, own))
          case several: EvalPythonExec => split(several, own)
          case one => NodeParts(Nil, Seq(tagged(one, own)))
        }
      case node =>
        val own = byNode.collect { case (refusal, about) if about.contains(node) => refusal }
        val said = if (MlNode.is(node)) own ++ everywhere else own
        if (said.nonEmpty) node.setTagValue(RefusalTags.Beside, said)
        val divided = if (own.nonEmpty && own.forall(_.has("expression")) && everywhere.isEmpty) splitMl(node) else None
        if (divided.nonEmpty) divided.get
        else if (own.nonEmpty || everywhere.nonEmpty) NodeParts(Nil, Seq(node)) else NodeParts(Seq(node), Nil)
    }
    val outside = parts.flatMap(_.outside)
    if (everywhere.nonEmpty) outside.foldLeft(child)(keep)
    else assemble(parts.flatMap(part => part.inside ++ part.outside), child, outside.toSet)
  }

  /**
   * Splits a node into the accepted UDFs and, above them, the refused ones. UDFs of a node are independent of each other; those
   * that stay in Python must see the batches of the original node.
   */
  private def split(node: EvalPythonExec, refusals: Seq[Refusal]): NodeParts = {
    val names = refusals.flatMap(_.udf).toSet
    val inPython = (udf: PythonUDF) => PythonNode.calls(udf, names)
    val exposed = new SharedArguments(driver.compiler, node.child.output, conf).exposed(node.udfs, inPython)
    val (kept, shared) = exposed.unzip
    val (refused, fine) = node.udfs.zip(node.resultAttrs).partition { case (udf, _) => inPython(udf) || kept.exists(_ eq udf) }
    if (fine.isEmpty || refused.isEmpty || refusals.exists(_.udf.isEmpty)) NodeParts(Nil, Seq(tagged(node, refusals ++ shared)))
    else {
      def part(udfs: Seq[(PythonUDF, Attribute)], child: SparkPlan): SparkPlan = {
        val (functions, results) = udfs.unzip
        val made = ChainCuts.withUdfs(node, functions, results, child)
        made.copyTagsFrom(node)
        made
      }
      val inside = part(fine, node.child)
      val outside = tagged(part(refused, inside), refusals ++ shared)
      val order = if (outside.output == node.output) Nil else Seq(ProjectExec(node.output, outside))
      NodeParts(Seq(inside), outside +: order)
    }
  }

  /** Moves the inner functions of the chains in the node that stays in Python into the kernel below it. */
  private def cut(parts: NodeParts): NodeParts = parts.outside.head match {
    case python: EvalPythonExec =>
      new ChainCuts(driver.compiler, conf).of(python).fold(parts) { case (inner, outer) =>
        NodeParts(parts.inside ++ inner, outer +: ProjectExec(python.output, outer) +: parts.outside.tail)
      }
    case _ => parts
  }

  /** Splits a projection into its ML functions, for the kernel, and the unsupported expressions over them, above it. */
  private def splitMl(node: SparkPlan): Option[NodeParts] = node match {
    case project @ MlNode(_) if project.isInstanceOf[ProjectExec] =>
      MlSplit.of(project.asInstanceOf[ProjectExec]).map { case (below, above) => NodeParts(Seq(below), Seq(above)) }
    case _ => None
  }

  /** Returns the node that stays in Python, with fused functions where possible. */
  private def tagged(node: SparkPlan, refusals: Seq[Refusal]): SparkPlan = {
    RefusalTags.set(node, refusals)
    CurrentSpark.aggregateOf(node).toSeq.flatMap(_.calls).map(_.aggregateFunction).foreach { udf =>
      RefusalTags.set(udf, (RefusalTags.get(udf) ++ refusals).distinct) // after why it has no partial aggregation
    }
    node match {
      case arrow: ArrowEvalPythonExec => new FusedFunctions(driver.compiler, conf).in(arrow, refusals)
      case other => other
    }
  }

  /** Returns the nodes that a refusal concerns: that of its step, unless its UDF is elsewhere; none when it names neither. */
  private def refusedNodes(nodes: IndexedSeq[SparkPlan], refusal: Refusal): Seq[SparkPlan] = {
    val atStep = refusal.step.flatMap(nodes.lift)
    val withUdf = refusal.udf.toSeq.flatMap(udf => nodes.filter(hasUdf(_, udf)))
    if (withUdf.isEmpty || atStep.exists(withUdf.contains)) atStep.toSeq else withUdf
  }

  private def hasUdf(node: SparkPlan, name: String): Boolean = node match {
    case PythonNode(udfs) => udfs.exists(PythonNode.calls(_, Set(name)))
    case _ => false
  }

  private def weld(nodes: IndexedSeq[SparkPlan], child: SparkPlan, pipeline: Pipeline, program: Compiled): SparkPlan = {
    val firsts = program.vectors.scanLeft(pipeline.outputTypes.length)(_ + _.size)
    val vectors = program.vectors.zip(firsts).map { case (shape, first) => VectorOutput(first, shape.size, shape.form) }
    val numbers = Seq.fill(vectors.map(_.size).sum + program.watched.size)(DoubleType.typeName)
    val (given, wanted) = (program.outputTypes, pipeline.outputTypes.map(ExpressionCodec.nameOf).toSeq ++ numbers)
    if (given != wanted) {
      throw new ChainRefused(Refusal("SW512", "what" -> s"its columns are ${given.mkString(", ")}, not ${wanted.mkString(", ")}"))
    }
    pipeline.inputs.map(_.dataType).find(of => !ColumnLayout.isOfFunctions(of) && !ExpressionCodec.holds(of)).foreach { wrong =>
      throw new ChainRefused(Refusal("SW512", "what" -> s"its kernel has a column of type ${wrong.sql}"))
    }
    val columnarInput = nodes.head match {
      case python: ArrowEvalPythonExec => Regrouping.takesBatches(python)
      case _ => false
    }
    val settled = pipeline.copy(request = driver.compiler.settled(pipeline.request, program))
    Breakers.known(settled.request.key).foreach(why => throw new ChainRefused(Refusal("SW956", "why" -> why)))
    if (SparkWeldConf.DropsSlower.get(conf)) Races.refusal(settled.request.key).foreach(why => throw new ChainRefused(why))
    val kernel = settled.plan(program.flags, program.files, program.modules, program.models, vectors, program.watched, program.batchRows,
      wholeBatches = program.batchwise.nonEmpty)
    val summary = KernelSummary(program.hash, pipeline.udfs, program.fused, program.approximate,
      program.singlePrecision, program.notes ++ cutNotes(nodes), program.guarded)
    val node = WeldExec(nodes.map(Step.of(_).get), kernel, summary, columnarInput, nodes.last.output, child)
    node.copyTagsFrom(nodes.last)
    driver.compiler.prefetch(pipeline.request.service, program.program, program.hash)
    node
  }

  /** Returns notes on results that are for functions in Python. */
  private def cutNotes(nodes: Seq[SparkPlan]): Seq[String] = nodes.flatMap(Step.of(_)).collect { case PythonStep(udfs, _, _, true) =>
    s"${udfs.map(_.name).mkString(", ")}: its result goes to a function in Python, which computes rows without a result"
  }

  /** Refuses with SW308 input rows, and results returned from Python, that have no columnar form in Spark. */
  private def checkConversions(nodes: Seq[SparkPlan], child: SparkPlan): Unit = {
    val rows = child match {
      case groups: GroupBatchesExec => groups.output
      case columnar if columnar.supportsColumnar => Nil
      case rows => rows.output
    }
    (rows ++ nodes.last.output).find { column =>
      !CurrentSpark.hasColumnarForm(Fallback.stored(column.dataType), column.nullable) // as RowBatchesExec converts them
    }.foreach { column =>
      throw new ChainRefused(Refusal("SW308", "column" -> column.name, "type" -> column.dataType.sql))
    }
  }
}
