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
 * tests/bench/bench_backends.py, which prints them (here: one core of an AMD EPYC, Zen 4, Java 17).
 */
object CostModel {
  /** A kernel's own work for one operation, and what calling it costs a row. */
  private val KernelOperation = 0.02
  private val KernelRow = 1.9

  /** An operation of generated Java code. */
  private val CatalystOperation = 0.22

  /**
   * A column of a row-based child into a vector, and a column back into rows: each half of what both took together, with
   * RowBatches below and Spark's own ColumnToRow above, which WeldRows replaces only where whole rows are taken.
   */
  private val RowToColumn = 8.6
  private val ColumnToRow = 8.6

  /** Whether some UDF of the plan could be cheaper as an expression; decides before anything is asked of the service. */
  def mayChooseCatalyst(plan: LogicalPlan): Boolean = plan.exists { node =>
    node.expressions.exists(_.exists(_.isInstanceOf[PythonUDF])) && node.children.exists(givesRows)
  }

  def estimate(operations: Int, udf: PythonUDF, node: LogicalPlan): Estimate = {
    val rows = node.children.exists(givesRows)
    val passed = node.children.map(_.output.size).sum
    val conversions = if (rows) passed * RowToColumn + (passed + 1) * ColumnToRow else 0.0
    Estimate(operations, rows, KernelRow + operations * KernelOperation + conversions, operations * CatalystOperation)
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
