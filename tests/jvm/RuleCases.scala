package io.sparkweld
package rules

import java.io.File
import java.util.HexFormat

import io.sparkweld.SparkWeldConf
import io.sparkweld.compile.{Frame, FunctionService, Patience, PipelineRequest}
import io.sparkweld.contract.{Encoder, Operation}
import io.sparkweld.plan.Ranked
import io.sparkweld.spark.{CurrentSpark, EvalTypes}
import io.sparkweld.support.{FusedFunction, Refusal, RefusalTags}

import org.apache.spark.sql.catalyst.expressions.{Alias, Attribute, Expression, PythonUDAF, PythonUDF}
import org.apache.spark.sql.catalyst.expressions.aggregate.AggregateExpression
import org.apache.spark.sql.catalyst.plans.logical.{Aggregate, LogicalPlan}
import org.apache.spark.sql.SparkSession
import org.apache.spark.sql.execution.python.ArrowEvalPythonExec
import org.apache.spark.sql.execution.python.sparkweld.CaseAnalysis.{plan, table}
import org.apache.spark.sql.internal.SQLConf

/** Runs rules over plans with a compile service that has one answer. The session only has Spark's settings: no query runs. */
private[rules] object RuleCases {
  private lazy val session = SparkSession.builder().master("local[1]").config("spark.ui.enabled", "false")
    .config("spark.driver.bindAddress", "127.0.0.1").config("spark.driver.host", "127.0.0.1").getOrCreate()

  /** Answers `operation` with a reply in JSON, and all functions are independent of batches. */
  private final class Fixed(operation: Operation[_], json: String) extends FunctionService {
    override def answer[R](asked: Operation[R], request: PipelineRequest, patience: Patience): Either[Seq[Refusal], R] = {
      val reply = if (asked eq operation) json else if (asked eq Operation.Independent) """{"status":"ok"}""" else """{"status":"?"}"""
      require(request.message.op == asked.name)
      Frame(Encoder.read(reply), Nil).answer(asked.decoder)
    }
  }

  /** Returns the text of a case `SQL | REPLY`. */
  def equivalent(text: String): String = asked(text, Operation.CatalystEquivalent) { (plan, service) =>
    val found = for (node <- plan.collect { case node => node }; udf <- node.expressions.flatMap(CatalystEquivalents.outermost)) yield
      new CatalystEquivalents(service, SQLConf.get).of(udf, node.children)
        .fold(reasons, made => s"${made.expression.sql}, ${made.operations} operations, approximate: ${made.approximate.mkString}")
    found.mkString("\n")
  }

  def implied(text: String): String = asked(text, Operation.Implied)((plan, service) => BridgeCases.tree(ImpliedFilters.rewrite(plan, service)))

  def unread(text: String): String = asked(text, Operation.Reads)((plan, service) => BridgeCases.tree(UnreadArguments.rewrite(plan, service)))

  def reductions(text: String): String = asked(text, Operation.Aggregate) { (plan, service) =>
    val found = for (node <- plan.collect { case node => node }; udf <- node.expressions.flatMap(_.collect { case udf: PythonUDAF => udf })) yield {
      val below = new ArgumentPlan(node.children.head)
      Reductions.of(udf, below, "aggregate", slices = false, service, SQLConf.get)
        .fold(reasons, made => s"${made.expression.sql} over ${below.output.map(_.name).mkString(", ")}")
    }
    found.mkString("\n")
  }

  /** As the others, for the functions of one node, which have no kernel. */
  def fused(text: String): String = asked(text, Operation.Fuse) { (plan, service) =>
    val udfs = plan.expressions.flatMap(CatalystEquivalents.outermost).collect { case udf: PythonUDF => udf }
    val results = udfs.map(udf => Alias(udf, udf.name)().toAttribute: Attribute)
    val node = ArrowEvalPythonExec(udfs, results, CurrentSpark.emptyTable(table.output), EvalTypes.ScalarPandas)
    val made = new FusedFunctions(service, SQLConf.get).in(node, Seq(Refusal("SW250")))
    val records = FusedFunction.of(made).map(record => s"${record.udf}: ${record.stages.mkString("; ")}, block ${record.block}")
    val commands = made.udfs.map(udf => s"${udf.name}(${udf.children.map(_.sql).mkString(", ")}) ${HexFormat.of().formatHex(udf.func.command.toArray)}")
    (commands ++ records ++ RefusalTags.get(made).map(_.text)).mkString("\n")
  }

  /** Filters below joins, whatever the number of rows. */
  def joinBounds(text: String): String = asked(text, Operation.Parts) { (plan, service) =>
    SQLConf.withExistingConf(SQLConf.get.clone()) {
      SQLConf.get.setConfString(SparkWeldConf.ScoreBounds.key, "always")
      shown(JoinBounds.rewrite(plan, service))
    }
  }

  def partial(text: String): String = asked(text, Operation.Partial) { (plan, service) =>
    val found = plan.collect { case aggregate: Aggregate =>
      val calls = aggregate.aggregateExpressions.flatMap(_.collect { case call: AggregateExpression => call })
      new PartialAggregates(service, SQLConf.get).of(aggregate, calls).fold(reasons, shown)
    }
    found.mkString("\n")
  }

  /** With a folder of cascades, and with queries compared: shows the commands, and the originals that are remembered. */
  def cascade(text: String): String = asked(text, Operation.Cascade) { (plan, service) =>
    val originals = new FullModels
    val made = CascadeRule.rewrite(plan, service, originals, Some(new File("/nowhere")), isCompared = true)
    val remembered = udfsOf(made).filter(udf => originals.undone(udf) ne udf).map(udf => s"${udf.name} has an original")
    (shown(made) +: remembered).mkString("\n")
  }

  def ranking(text: String): String = asked(text, Operation.Ranking) { (plan, service) =>
    RankingRule.rewrite(plan, service, Some("/nowhere")) match {
      case other if other.collectFirst { case ranked: Ranked => ranked }.isEmpty => shown(other)
      case made =>
        val ranked = made.collectFirst { case ranked: Ranked => ranked }.get
        s"${ranked.rows} rows by ${ranked.score.name}, ${ranked.shown.least} to ${ranked.shown.most}, ${ranked.path}\n${shown(ranked.child)}"
    }
  }

  private def udfsOf(plan: LogicalPlan): Seq[PythonUDF] =
    plan.collect { case node => node.expressions.flatMap(_.collect { case udf: PythonUDF => udf }) }.flatten

  /** Returns a plan with the commands of its functions, in hexadecimal. */
  private def shown(plan: LogicalPlan): String = {
    val commands = udfsOf(plan).map(udf => s"${udf.name} ${HexFormat.of().formatHex(udf.func.command.toArray)}".trim)
    (BridgeCases.tree(plan).stripTrailing +: commands.distinct).mkString("\n")
  }

  private def asked(text: String, operation: Operation[_])(run: (LogicalPlan, FunctionService) => String): String = {
    SparkSession.setActiveSession(session)
    val Array(sql, reply) = text.split('|').map(_.trim)
    run(plan(sql), new Fixed(operation, reply))
  }

  private def reasons(refusals: Seq[Refusal]): String = refusals.map(_.text).mkString("\n")
}
