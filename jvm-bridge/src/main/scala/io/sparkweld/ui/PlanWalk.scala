package io.sparkweld
package ui

import scala.collection.mutable

import io.sparkweld.plan.{FilterStep, ProjectStep, PythonStep, WeldExec}
import io.sparkweld.support.Rewritten

import org.apache.spark.sql.catalyst.expressions.PythonUDAF
import org.apache.spark.sql.execution.{InputAdapter, SparkPlan, WholeStageCodegenExec}
import org.apache.spark.sql.execution.adaptive.{AdaptiveSparkPlanExec, QueryStageExec}
import org.apache.spark.sql.execution.columnar.InMemoryTableScanExec
import org.apache.spark.sql.execution.exchange.ReusedExchangeExec

/** Visits every node of a physical plan, also inside adaptive plans, query stages, cached relations and subqueries. */
private[ui] object PlanWalk {

  /** Returns the records of functions that became Catalyst expressions or constants, without duplicates. */
  def rewritten(plan: SparkPlan): Seq[Rewritten] = {
    val found = mutable.LinkedHashSet.empty[Rewritten]
    foreach(plan) {
      case weld: WeldExec => weld.steps.foreach {
          case FilterStep(condition) => found ++= Rewritten.in(condition)
          case ProjectStep(columns) => columns.foreach(found ++= Rewritten.in(_))
          case PythonStep(udfs, _, _, _) => udfs.foreach(found ++= Rewritten.in(_))
          case _ => ()
        }
      case node => node.expressions.foreach(found ++= Rewritten.in(_))
    }
    found.toSeq
  }

  /** Returns the aggregate pandas UDFs that a node runs in Python. */
  def aggregates(node: SparkPlan): Seq[PythonUDAF] = node.expressions.flatMap(_.collect { case udf: PythonUDAF => udf })

  def foreach(plan: SparkPlan)(visit: SparkPlan => Unit): Unit = {
    visit(plan)
    val inside = plan match {
      case adaptive: AdaptiveSparkPlanExec => Seq(adaptive.executedPlan)
      case stage: QueryStageExec => Seq(stage.plan)
      case reused: ReusedExchangeExec => Seq(reused.child)
      case scan: InMemoryTableScanExec => Seq(scan.relation.cachedPlan)
      case codegen: WholeStageCodegenExec => Seq(codegen.child)
      case adapter: InputAdapter => Seq(adapter.child)
      case node => node.children
    }
    (inside ++ plan.subqueries).foreach(foreach(_)(visit))
  }
}
