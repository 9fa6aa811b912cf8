package io.sparkweld.support

import org.apache.spark.sql.catalyst.expressions.PythonUDF
import org.apache.spark.sql.catalyst.plans.logical.{Filter, Limit, LogicalPlan, Project, SubqueryAlias}
import org.apache.spark.sql.execution.columnar.InMemoryRelation
import org.apache.spark.sql.execution.datasources.LogicalRelation
import org.apache.spark.sql.execution.datasources.v2.DataSourceV2ScanRelation

/**
 * What one UDF costs on one row as a kernel and as an expression, in nanoseconds. `rows`: its input comes as rows, which a
 * kernel must first turn into columns.
 */
final case class Estimate(operations: Int, rows: Boolean, native: Double, catalyst: Double) {
  def catalystIsCheaper: Boolean = catalyst < native

  def text: String =
    f"$operations operations over ${if (rows) "rows" else "columns"}: $catalyst%.1f ns a row as an expression, $native%.1f ns as a kernel"
}

/**
 * Chooses between a kernel and Catalyst expressions for a UDF that can be both. The constants are measured by
 * tests/bench/bench_backends.py, which prints them (here: 4 million rows on one core of an AMD EPYC, Zen 4, Java 17). What both
 * sides have in common is in neither.
 */
object CostModel {
  /** One operation of a kernel, and of generated Java code. */
  private val KernelOperation = 0.01
  private val CatalystOperation = 0.21

  /**
   * What a row costs beside its operations when it comes out of an operator that works by rows: to become part of a batch and a
   * row again (RowBatches below, WeldRows above), and each column of it that passes. Over batches a kernel costs nothing beside
   * its operations: WeldRows writes its rows faster than ColumnarToRow does those of a scan.
   */
  private val KernelOfRows = 13.5
  private val ThroughColumns = 1.2

  /** Whether some UDF of the plan could be cheaper as an expression; decides before anything is asked of the service. */
  def mayChooseCatalyst(plan: LogicalPlan): Boolean = plan.exists { node =>
    node.expressions.exists(_.exists(_.isInstanceOf[PythonUDF])) && node.children.exists(givesRows)
  }

  def estimate(operations: Int, udf: PythonUDF, node: LogicalPlan): Estimate = {
    val rows = node.children.exists(givesRows)
    val passed = node.children.map(_.output.size).sum
    val conversions = if (rows) KernelOfRows + passed * ThroughColumns else 0.0
    Estimate(operations, rows, operations * KernelOperation + conversions, operations * CatalystOperation)
  }

  /** Whether the plan's rows come out of an operator that works by rows: anything but a scan and what kernels take in. */
  private def givesRows(plan: LogicalPlan): Boolean = plan match {
    case Project(_, child) => givesRows(child)
    case Filter(_, child) => givesRows(child)
    case SubqueryAlias(_, child) => givesRows(child)
    case Limit(_, child) => givesRows(child)
    case _: LogicalRelation | _: InMemoryRelation | _: DataSourceV2ScanRelation => false
    case _ => true
  }
}
