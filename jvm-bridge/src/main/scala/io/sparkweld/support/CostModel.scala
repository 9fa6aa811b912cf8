package io.sparkweld
package support

import org.apache.spark.sql.catalyst.expressions.PythonUDF
import org.apache.spark.sql.catalyst.plans.logical.{Filter, Limit, LogicalPlan, Project, SubqueryAlias}
import org.apache.spark.sql.execution.columnar.InMemoryRelation
import org.apache.spark.sql.execution.datasources.LogicalRelation
import org.apache.spark.sql.execution.datasources.v2.DataSourceV2ScanRelation

/**
 * The cost of one UDF per row as a kernel and as an expression, in nanoseconds. `rows`: its input arrives as rows, which a kernel
 * must first convert to columns.
 */
final case class Estimate(operations: Int, rows: Boolean, native: Double, catalyst: Double) {
  def catalystIsCheaper: Boolean = catalyst < native

  def text: String =
    f"$operations operations over ${if (rows) "rows" else "columns"}: $catalyst%.1f ns per row as an expression, $native%.1f ns as a kernel"
}

/**
 * Chooses between a kernel and Catalyst expressions for a UDF that supports both.
 *
 * tests/bench/bench_backends.py measures the constants and prints them (here: 4 million rows on one core of an AMD EPYC, Zen 4,
 * Java 17). Costs common to both sides are excluded.
 */
object CostModel {
  /** Nanoseconds per operation of a kernel, and of generated Java code. */
  private val KernelOperation = 0.01
  private val CatalystOperation = 0.21

  /**
   * Nanoseconds per row beside its operations when the input comes from a row-based operator: to enter a batch and become a row
   * again (RowBatches below, WeldRows above), and for each column that is passed through. Over batches a kernel costs only its
   * operations: WeldRows writes its rows faster than ColumnarToRow writes those of a scan.
   */
  private val KernelOfRows = 13.5
  private val ThroughColumns = 1.2

  /** Whether some UDF of the plan could be cheaper as an expression; decided before any request to the service. */
  def mayChooseCatalyst(plan: LogicalPlan): Boolean = plan.exists { node =>
    node.expressions.exists(_.exists(_.isInstanceOf[PythonUDF])) && node.children.exists(givesRows)
  }

  def estimate(operations: Int, udf: PythonUDF, node: LogicalPlan): Estimate = {
    val rows = node.children.exists(givesRows)
    val passed = node.children.map(_.output.size).sum
    val conversions = if (rows) KernelOfRows + passed * ThroughColumns else 0.0
    Estimate(operations, rows, operations * KernelOperation + conversions, operations * CatalystOperation)
  }

  /** Whether the plan's rows come from a row-based operator: anything but a scan below nodes that kernels fuse. */
  private def givesRows(plan: LogicalPlan): Boolean = plan match {
    case Project(_, child) => givesRows(child)
    case Filter(_, child) => givesRows(child)
    case SubqueryAlias(_, child) => givesRows(child)
    case Limit(_, child) => givesRows(child)
    case _: LogicalRelation | _: InMemoryRelation | _: DataSourceV2ScanRelation => false
    case _ => true
  }
}
