package io.sparkweld
package rules

import io.sparkweld.plan.{GroupBatchesExec, PipelineExec, RowBatchesExec, SparkBatchesExec, WeldExec, WeldRowsExec, WeldThresholdExec, WeldTopExec}
import io.sparkweld.support.WarnOnce

import org.apache.spark.sql.catalyst.expressions.{InputFileBlockLength, InputFileBlockStart, InputFileName}
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.execution.{CodegenSupport, ColumnarToRowExec, ProjectExec, RowToColumnarExec, SortExec, SparkPlan, UnionExec}

/**
 * Replaces Spark's transitions between rows and batches around kernels and pipelines by faster ones.
 *
 * RowBatchesExec replaces RowToColumnar below kernels. WeldRowsExec replaces ColumnarToRow above kernels and pipelines, where
 * whole rows are read. The rule runs after Spark has inserted its transitions: a node of ours that converts rows itself would get
 * none. Only then is it known whether an expression reads the current file's name, so that no rows of the next file may be read
 * ahead.
 */
object RowBatchesRule extends Rule[SparkPlan] {
  override def apply(plan: SparkPlan): SparkPlan =
    if (!plan.exists(node => node.isInstanceOf[WeldExec] || node.isInstanceOf[PipelineExec])) plan
    else WarnOnce.guard("the rewriting of rows below and above kernels", plan)(rows(plan.transformUp {
      case weld: WeldExec => weld.child match {
        case RowToColumnarExec(rows) => weld.copy(child = RowBatchesExec(rows))
        case SparkBatchesExec(limits, why, RowToColumnarExec(rows)) => weld.copy(child = RowBatchesExec(rows, Some(limits), why))
        case groups @ GroupBatchesExec(_, RowToColumnarExec(rows)) => weld.copy(child = groups.copy(child = rows))
        case threshold @ WeldThresholdExec(_, _, _, RowToColumnarExec(rows)) => weld.copy(child = threshold.copy(child = RowBatchesExec(rows)))
        case threshold @ WeldThresholdExec(_, _, _, SparkBatchesExec(limits, why, RowToColumnarExec(rows))) =>
          weld.copy(child = threshold.copy(child = RowBatchesExec(rows, Some(limits), why)))
        case _ if weld.kernel.batchRows > 0 && plan.exists(asksForFile) => weld.copy(kernel = weld.kernel.copy(batchRows = 0))
        case _ => weld
      }
      case node if takesWholeRows(node) => node.mapChildren(rows)
    }))

  private def rows(plan: SparkPlan): SparkPlan = plan match {
    case ColumnarToRowExec(batches) if givesKernelBatches(batches) && WeldRowsExec.supports(batches) => WeldRowsExec(batches)
    case ProjectExec(list, ColumnarToRowExec(pipeline: PipelineExec)) if WeldRowsExec.supports(pipeline) =>
      pipeline.projected(list).filter(WeldRowsExec.supports).map(WeldRowsExec(_)).getOrElse(plan)
    case other => other
  }

  private def asksForFile(node: SparkPlan): Boolean = node.expressions.exists(_.exists {
    case _: InputFileName | _: InputFileBlockStart | _: InputFileBlockLength => true
    case _ => false
  })

  private def givesKernelBatches(node: SparkPlan): Boolean = node match {
    case _: WeldExec | _: WeldTopExec | _: PipelineExec => true
    case union: UnionExec => union.children.exists(givesKernelBatches)
    case _ => false
  }

  /**
   * Whether a node reads rows as a whole. Generated code over columns reads only the columns that it needs from the vectors: for
   * an aggregate, a join or a Project, writing whole rows would be wasted. A sort takes rows unchanged.
   */
  private def takesWholeRows(node: SparkPlan): Boolean = node match {
    case _: SortExec => true
    case generated: CodegenSupport => !generated.supportCodegen || !generated.conf.wholeStageEnabled
    case _ => true
  }
}
