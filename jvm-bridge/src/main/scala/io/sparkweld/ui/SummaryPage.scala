package io.sparkweld
package ui

import scala.jdk.CollectionConverters._
import scala.xml.{Node, Text}

import com.fasterxml.jackson.databind.JsonNode

/**
 * Writes the content of the tab SparkWeld as HTML.
 *
 * @param query returns the address of a query in the tab SQL
 * @param details returns the address of a query's page in this tab
 */
final class SummaryPage(summary: QuerySummary, query: Long => String, details: Long => String) {
  private val Most = 200

  def content: Seq[Node] =
    if (summary.queries.isEmpty) <p>No query with Python functions has ended yet.</p>
    else totals ++ functions ++ refusals ++ queries

  /** Writes the page of the only query of the summary. `plan`: the plan that ran, as Spark describes it. */
  def ofQuery(plan: Option[String]): Seq[Node] = summary.queries.headOption.fold(SummaryPage.missing) { one =>
    val head =
      <ul class="list-unstyled">
        <li><strong>Query: </strong><a href={query(one.executionId)}>{one.executionId.toString} in the tab SQL</a></li>
        <li><strong>Duration: </strong>{seconds(one.millis / 1e3)}, {SummaryPage.status(one)}</li>
        <li><strong>Planning: </strong>{seconds(one.planningMillis / 1e3)}</li>
      </ul>
    head ++ functions ++ refusals ++ text("What was fused, and why not", Option(one.explanation)) ++ text("Plan", plan)
  }

  private def text(title: String, of: Option[String]): Seq[Node] = of.filter(_.nonEmpty).toSeq.flatMap { shown =>
    <h4>{title}</h4>
    <pre tabindex="0" role="region" aria-label={title}>{shown}</pre>
  }

  private def totals: Seq[Node] = {
    val (kernel, python) = (summary.kernelNanos / 1e9, summary.pythonMillis / 1e3)
    val most = if (summary.isMeasured) "" else "at most "
    val share = if (kernel + python > 0) f"$most${100 * kernel / (kernel + python)}%.1f %%" else "unknown"
    <ul class="list-unstyled">
      <li><strong>Queries with Python functions: </strong>{number(summary.queries.size)}</li>
      <li><strong>Rows in kernels: </strong>{number(summary.kernelRows)}; <strong>in Python: </strong>{number(summary.pythonRows)}</li>
      <li><strong>Time in kernels: </strong>{seconds(kernel)}; <strong>in Python workers: </strong>{seconds(python)};
        <strong>planning: </strong>{seconds(summary.planningMillis / 1e3)}</li>
      <li><strong>Share of the functions' time that was native: </strong>{share}</li>
    </ul>
  }

  private def functions: Seq[Node] = table("Functions",
    Seq("Function", "Kind", "Where it ran", "Queries", "Rows", "Kernel ns per row", "Time in kernels", "Time in Python", "Wait for kernels",
      "Batches in Python", "Rows with a guard", "Cache hits", "Approximate", "Reasons"),
    summary.functions.map { total =>
      Seq[Seq[Node]](Text(total.function), Text(total.kinds.mkString(", ")),
        Text(SummaryPage.Where.getOrElse(total.where, total.where)), number(total.queries),
        number(total.rows), Text(if (total.rows > total.pythonRows && total.kernelNanos > 0)
          f"${total.kernelNanos.toDouble / (total.rows - total.pythonRows)}%.1f" else ""),
        seconds(total.kernelNanos / 1e9),
        if (total.where == "python" && total.pythonMillis == 0) Text("not measured") else seconds(total.pythonMillis / 1e3),
        seconds(total.loadMillis / 1e3),
        number(total.pythonBatches), number(total.guardedRows),
        Text(if (total.cacheLookups > 0) f"${100.0 * total.cacheHits / total.cacheLookups}%.0f %%" else ""),
        Text(total.approximate.mkString(", ")),
        Text(total.refusals.map(_.path("code").asText).distinct.mkString(", ")))
    })

  private def refusals: Seq[Node] =
    if (summary.refusals.isEmpty) Nil
    else table("What would help most",
      Seq("Time in Python", "Queries", "Functions", "Reason", "Place", "What to do"),
      summary.refusals.map { total =>
        def field(name: String): String = total.refusal.path(name).asText
        Seq[Seq[Node]](seconds(total.pythonMillis / 1e3), number(total.queries), Text(total.functions.mkString("; ")),
          <span><strong>{field("code")}</strong> {field("title")}: {field("message")}</span>, Text(field("place")), Text(field("hint")))
      })

  private def queries: Seq[Node] = table("Queries", Seq("Query", "Duration", "Planning", "Status", "Functions", "More"),
    summary.queries.sortBy(-_.executionId).map { one =>
      val items = one.runs.elements.asScala.map(item).toSeq
      Seq[Seq[Node]](<a href={query(one.executionId)}>{one.executionId.toString}</a>, seconds(one.millis / 1e3),
        seconds(one.planningMillis / 1e3), Text(SummaryPage.status(one)), <ul class="list-unstyled mb-0">{items}</ul>,
        <a href={details(one.executionId)}>plan</a>)
    })

  private def item(run: JsonNode): Node = {
    val where = run.path("where").asText
    val fused = QuerySummary.texts(run, "fused").distinct.diff(QuerySummary.texts(run, "functions"))
    val beside = if (fused.isEmpty) "" else s", fused with ${fused.mkString(", ")}"
    val codes = run.path("refusals").elements.asScala.map(_.path("code").asText).toSeq.distinct
    val why = if (codes.isEmpty) "" else codes.mkString(" (", ", ", ")")
    <li>{QuerySummary.name(run)}: {SummaryPage.Where.getOrElse(where, where)}{why}{beside}</li>
  }

  private def table(title: String, heads: Seq[String], rows: Seq[Seq[Seq[Node]]]): Seq[Node] = {
    val cut = if (rows.size > Most) s"The first $Most of ${rows.size}." else ""
    <h4>{title}</h4>
    <p>{cut}</p>
    <div style="overflow-x: auto" tabindex="0" role="region" aria-label={title}>
      <table class="table table-bordered table-sm table-striped">
        <thead><tr>{heads.map(head => <th scope="col">{head}</th>)}</tr></thead>
        <tbody>{rows.take(Most).map(row => <tr>{row.map(cell => <td style="overflow-wrap: break-word">{cell}</td>)}</tr>)}</tbody>
      </table>
    </div>
  }

  private def number(value: Long): Seq[Node] = Text(f"$value%,d")

  private def seconds(value: Double): Seq[Node] = Text(if (value == 0) "0" else if (value < 0.01) "< 0.01 s" else f"$value%,.2f s")
}

object SummaryPage {
  private val missing: Seq[Node] = <p>This query is not known, or had no Python functions.</p>

  private def status(query: SparkWeldQuery): String = if (query.failed) "failed" else "succeeded"

  private val Where = Map("kernel" -> "kernel", "pipeline" -> "pipeline in Python", "python" -> "Python", "spark" -> "Spark's expressions")
}
