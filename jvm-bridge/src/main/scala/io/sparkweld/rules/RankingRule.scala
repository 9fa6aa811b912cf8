package io.sparkweld
package rules

import java.io.File

import io.sparkweld.{SparkWeldConf, SparkWeldRuntime}
import io.sparkweld.compile.FunctionService
import io.sparkweld.contract.{Constants, Operation}
import io.sparkweld.plan.{Ranked, Shown}
import io.sparkweld.spark.CurrentSpark
import io.sparkweld.support.{Refusal, WarnOnce}

import org.apache.spark.sql.{Dataset, Row}
import org.apache.spark.sql.catalyst.expressions.{Alias, Attribute, Cast, Descending, GreaterThan, IntegerLiteral, Literal, NamedExpression}
import org.apache.spark.sql.catalyst.expressions.{NullsLast, PythonUDF, SortOrder}
import org.apache.spark.sql.catalyst.plans.logical.{Filter, GlobalLimit, LocalLimit, LogicalPlan, Project, Sort}
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.catalyst.trees.TreeNodeTag
import org.apache.spark.sql.catalyst.trees.TreePattern.{LIMIT, PYTHON_UDF}
import org.apache.spark.sql.types.{DoubleType, FloatType}

/**
 * Puts a filter by a certified small model below the scores of a top-K query.
 *
 * {{{
 *   Limit 10                                  Ranked 10
 *     Sort [score DESC]                         Limit 10
 *       Project [id, f(x) score]       ->         Sort [score DESC]
 *         Scan                                      Project [id, f(x) score]
 *                                                     Filter small(x) > limit
 *                                                       Scan
 * }}}
 *
 * Rewrites: `orderBy(score desc).limit(k)`, where the score is a UDF or a column made by one. The UDF must hold exactly
 * the model of a ranking and return its score unchanged. The ranking is in `spark.sparkweld.rankings.path`, or in the folder that
 * `sparkweld.score` names. Spark moves the filter below joins and functions that the small model does not need.
 *
 * Exceptions: there is no such ranking, or it was edited or made with other libraries, or does not serve so few rows. The
 * full model then scores every row, and one warning says why. Ranked does the same when the certificate does not hold for the
 * answer. Runs once, before Spark moves operators.
 */
object RankingRule extends Rule[LogicalPlan] {
  private val certified = new CertifiedModels(Operation.Ranking, Constants.shared.certificates.ranking,
    (request, folder, state) => request.copy(rankings = Some(folder), state = Some(state)))
  private val Named = TreeNodeTag[String]("sparkweld.ranking")
  private val Done = TreeNodeTag[Unit]("sparkweld.ranked")

  /** Marks the query to be answered by candidates of the ranking in a folder. */
  def named(query: Dataset[Row], path: String): Dataset[Row] = {
    val execution = CurrentSpark.queryExecution(query)
    Seq(execution.logical, execution.analyzed).foreach(_.setTagValue(Named, path))
    query
  }

  override def apply(plan: LogicalPlan): LogicalPlan =
    if (!plan.containsAllPatterns(PYTHON_UDF, LIMIT) || plan.isStreaming) plan
    else SparkWeldRuntime.driver match {
      case Some(driver) =>
        WarnOnce.guard("the use of rankings", plan)(rewrite(plan, driver.compiler, SparkWeldConf.RankingsPath.get(conf)))
      case _ => plan
    }

  /** @param path the folder of rankings for queries that name no ranking */
  private[rules] def rewrite(plan: LogicalPlan, service: FunctionService, path: Option[String]): LogicalPlan =
    plan.transformUpWithPruning(_.containsAllPatterns(PYTHON_UDF, LIMIT)) {
      case limit @ GlobalLimit(IntegerLiteral(most), local @ LocalLimit(_, Sorted(above, sort))) if limit.getTagValue(Done).isEmpty =>
        val folder = limit.getTagValue(Named).orElse(path).map(new File(_).getAbsoluteFile)
        // The projection may drop the score, so it is moved above.
        val found = folder.flatMap(ranked(limit.copy(child = local.copy(child = sort)), most, sort, service, _))
        found.map(made => above.fold(made)(project => project.copy(child = made))).getOrElse(limit)
    }

  private def ranked(limit: GlobalLimit, most: Int, sort: Sort, service: FunctionService, folder: File): Option[LogicalPlan] = sort.order match {
    case SortOrder(score: Attribute, Descending, NullsLast, _) +: _ if limit.outputSet.contains(score) =>
      for {
        (project, udf) <- defined(sort.child, score)
        reply <- certified.of(udf, project, service, conf, folder)
        payload <- reply.payload
        path <- reply.path
        fewest <- reply.fewest
        above <- reply.limit
        least <- reply.least
        _ <- served(limit, udf, most, fewest, path, service)
      } yield {
        val small = CurrentSpark.withCommand(udf, payload.bytes).copy(resultId = NamedExpression.newExprId)
        val candidates = GreaterThan(Cast(small, DoubleType), Literal(above))
        val near = limit.transformUp { case one if one eq project => project.copy(child = Filter(candidates, project.child)) }
        val full = limit.clone()
        full.setTagValue(Done, ())
        val shown = Shown(least, reply.most.getOrElse(Double.PositiveInfinity))
        Ranked(near, full, most, score, shown, path)
      }
    case _ => None
  }

  /** Finds the projection that makes the score by a function, below filters and projections that pass it through. */
  private def defined(plan: LogicalPlan, score: Attribute): Option[(Project, PythonUDF)] = plan match {
    case project: Project if project.deterministic => project.projectList.find(_.exprId == score.exprId).flatMap {
        case Alias(udf @ PythonUDF(_, _, DoubleType | FloatType, _, _, true, _), _) => Some((project, udf))
        case Alias(column: Attribute, _) => defined(project.child, column)
        case column: Attribute => defined(project.child, column)
        case _ => None
      }
    case filter: Filter if filter.deterministic => defined(filter.child, score)
    case _ => None
  }

  /**
   * Returns None, with a warning, when the query requests too few rows, or when another function's result may depend on fewer
   * rows.
   */
  private def served(limit: LogicalPlan, score: PythonUDF, most: Int, fewest: Int, path: String, service: FunctionService): Option[Unit] = {
    lazy val equivalents = new CatalystEquivalents(service, conf)
    lazy val others = limit.collect { case node => node.expressions.flatMap(CatalystEquivalents.outermost).map(_ -> node.children) }.flatten
    val why =
      if (most < fewest) Some(s"it serves queries for $fewest rows or more")
      else others.collectFirst {
        case (udf, below) if !udf.semanticEquals(score) && !equivalents.isIndependent(udf, below) =>
          s"${udf.name} may depend on its batch, which would have fewer rows"
      }
    why.foreach(text => certified.warn(Refusal("SW958", "path" -> path, "k" -> most.toString, "why" -> text)))
    Option.when(why.isEmpty)(())
  }

  /**
   * Matches a sort by a column, and the projection without Python functions above it. A Python call in the order becomes a
   * column.
   */
  private object Sorted {
    def unapply(plan: LogicalPlan): Option[(Option[Project], Sort)] = plan match {
      case sort: Sort if sort.global =>
        val made = SortedCalls.byColumns(sort)
        Some((Option.when(made ne sort)(Project(sort.output, made)), made))
      case project @ Project(list, sort: Sort) if sort.global && project.deterministic && !list.exists(_.containsPattern(PYTHON_UDF)) =>
        Some((Some(project), SortedCalls.byColumns(sort)))
      case _ => None
    }
  }
}
