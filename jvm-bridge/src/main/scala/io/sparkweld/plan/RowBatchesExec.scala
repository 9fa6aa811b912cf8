package io.sparkweld
package plan

import io.sparkweld.columns.RowColumns

import org.apache.spark.TaskContext
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.execution.{RowToColumnarTransition, SparkPlan}
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.sql.vectorized.ColumnarBatch

/**
 * Converts rows (after a join, an aggregate, an exchange) to the batches of a WeldExec, like RowToColumnar.
 *
 * Its columns need no further conversion. Batches have the size of RowToColumnar's, or end where `limits` says.
 *
 * @param why the functions above need the batches of `limits`, for explain
 */
final case class RowBatchesExec(child: SparkPlan, limits: Option[BatchLimits] = None, why: String = "")
  extends RowToColumnarTransition with SameRows {
  override def nodeName: String = "WeldRowBatches"
  override protected def stringArgs: Iterator[Any] = limits.map(bounds => s"${bounds.most} rows: $why").iterator
  override def supportsColumnar: Boolean = true
  override protected def withNewChildInternal(newChild: SparkPlan): SparkPlan = copy(child = newChild)

  override lazy val metrics: Map[String, SQLMetric] = Map(
    "numInputRows" -> SQLMetrics.createMetric(sparkContext, "number of input rows"),
    "numOutputBatches" -> SQLMetrics.createMetric(sparkContext, "number of output batches"))

  override protected def doExecute(): RDD[InternalRow] = child.execute()

  override protected def doExecuteColumnar(): RDD[ColumnarBatch] = {
    val (attributes, batchRows, bounds) = (Fallback.storedAs(output), limits.fold(conf.columnBatchSize)(_.most), limits)
    val (inputRows, outputBatches) = (longMetric("numInputRows"), longMetric("numOutputBatches"))
    child.execute().mapPartitions { rows =>
      if (rows.isEmpty) Iterator.empty
      else {
        val columns = new RowColumns(attributes, batchRows)
        val meter = bounds.filter(_.byValues).map(new BatchMeter(_, attributes))
        TaskContext.get().addTaskCompletionListener[Unit] { _ =>
          columns.close()
          meter.foreach(_.close())
        }
        new Iterator[ColumnarBatch] {
          override def hasNext: Boolean = rows.hasNext
          override def next(): ColumnarBatch = {
            val batch = meter.fold(columns.fill(rows))(_.fill(columns, rows))
            inputRows += batch.numRows().toLong
            outputBatches += 1
            batch
          }
        }
      }
    }
  }
}
