package io.sparkweld
package plan

import scala.collection.mutable

import io.sparkweld.columns.{ArrowColumns, RegroupedBatches, StringSources}
import io.sparkweld.spark.CurrentSpark

import org.apache.spark.TaskContext
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, AttributeSet, SortOrder}
import org.apache.spark.sql.catalyst.plans.physical.Partitioning
import org.apache.spark.sql.execution.{SparkPlan, UnaryExecNode}
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.sql.internal.SQLConf
import org.apache.spark.sql.vectorized.{ArrowColumnVector, ColumnVector, ColumnarBatch}

/**
 * Joins batches to fewer and larger ones in Arrow's memory, which Spark's node of Python functions sends unchanged.
 *
 * In rows, or in batches of a scan's size, sending the columns to Python costs more than a cheap function itself.
 *
 * It is only put below functions that SparkWeld has fused, which are row-local. Where such a function runs the original, the
 * original must see the batches that it has without SparkWeld: `starts` is true in the first row of each. These are the batches
 * of `child`, or, where Spark would feed rows, end where `limits` says. pandas has other dtypes for the columns `stateful` in a
 * batch with NULLs, so such a batch is not joined. No batch is joined for a node above that needs those of `child`
 * (`keepsBatches`).
 */
final case class ArrowBatchesExec(
    starts: Attribute,
    stateful: Seq[Int],
    limits: Option[BatchLimits],
    child: SparkPlan,
    keepsBatches: Boolean = false)
  extends UnaryExecNode {
  override def nodeName: String = "WeldArrowBatches"
  override def output: Seq[Attribute] = child.output :+ starts
  override def producedAttributes: AttributeSet = AttributeSet(starts)
  override def outputPartitioning: Partitioning = child.outputPartitioning
  override def outputOrdering: Seq[SortOrder] = child.outputOrdering
  override def supportsColumnar: Boolean = true

  override lazy val metrics: Map[String, SQLMetric] = Map(
    "numInputBatches" -> SQLMetrics.createMetric(sparkContext, "number of input batches"),
    "numOutputBatches" -> SQLMetrics.createMetric(sparkContext, "number of output batches"),
    "numOutputRows" -> SQLMetrics.createMetric(sparkContext, "number of output rows"))

  override protected def doExecute(): RDD[InternalRow] =
    throw new UnsupportedOperationException("WeldArrowBatches produces columnar batches")

  override protected def doExecuteColumnar(): RDD[ColumnarBatch] = {
    val (rows, strings) = (limits.fold(0)(_.most), limits.flatMap(_.strings(child.output)))
    val settings = ArrowBatches.Settings(child.output, stateful.toArray, keepsBatches, rows, strings, conf.sessionLocalTimeZone, longMetric("numInputBatches"),
      longMetric("numOutputBatches"), longMetric("numOutputRows"))
    child.executeColumnar().mapPartitions(batches => new ArrowBatches(settings, batches, TaskContext.get()))
  }

  override protected def withNewChildInternal(newChild: SparkPlan): SparkPlan = copy(child = newChild)
}

object ArrowBatches {
  final case class Settings(
      input: Seq[Attribute],
      stateful: Array[Int],
      keepsBatches: Boolean,
      batchRows: Int,
      endingStrings: Option[RegroupedBatches.Strings],
      zone: String,
      inputBatches: SQLMetric,
      outputBatches: SQLMetric,
      outputRows: SQLMetric)

  /** Limits of a batch: rows, bytes of its columns, and bytes of its strings. */
  val Rows: Int = 1 << 15
  val Bytes: Int = 16 << 20
  val StringBytes: Long = 4L << 20

  /**
   * Returns where Spark would end a batch of the rows that it feeds to `node`; None when it cannot be computed from the batches.
   */
  def limitsOf(node: SparkPlan, conf: SQLConf): Option[BatchLimits] =
    Some(BatchLimits.of(node, conf)).filter { limits =>
      limits.most <= Rows && (!limits.byValues || limits.strings(node.children.head.output).nonEmpty)
    }
}

/** Makes the batches of one task. The reader of a batch closes it; the remaining ones are freed when the task ends. */
private[plan] final class ArrowBatches(settings: ArrowBatches.Settings, input: Iterator[ColumnarBatch], context: TaskContext)
  extends Iterator[ColumnarBatch] {

  private val allocator = CurrentSpark.arrowAllocator("sparkweld batches")
  private val strings = new StringSources(settings.input, WeldTask.linkable())
  private val made = mutable.Queue.empty[Array[ColumnVector]]
  /** Row limit of the next batch: the first batches are small, for a query that requests few rows. */
  private var limit = 1
  private val most = math.min(ArrowBatches.Rows, ArrowBatches.Bytes / math.max(1, settings.input.map(_.dataType.defaultSize).sum))
  private var waiting: ColumnarBatch = _
  /** Number of rows of `waiting` that are already in batches. */
  private var taken = 0
  /** Number of rows, and of string bytes, of the batch that Spark would be filling. */
  private var filled = 0
  private var stringBytes = 0L

  context.addTaskCompletionListener[Unit](_ => close())

  override def hasNext: Boolean = {
    while (waiting == null && input.hasNext) {
      val batch = input.next()
      settings.inputBatches += 1
      if (batch.numRows() > 0) {
        waiting = batch
        strings.take(batch)
      }
    }
    waiting != null
  }

  override def next(): ColumnarBatch = {
    if (!hasNext) throw new NoSuchElementException("no more batches")
    val columns = if (settings.batchRows == 0) wholeBatches() else batchesOfRows()
    limit = math.max(limit, 2 * columns.rows)
    val vectors = columns.vectors
    while (made.nonEmpty && made.head.forall(isClosed)) made.dequeue()
    made.enqueue(vectors)
    settings.outputBatches += 1
    settings.outputRows += columns.rows.toLong
    new ColumnarBatch(vectors, columns.rows)
  }

  /** Joins batches of the child. */
  private def wholeBatches(): ArrowColumns = {
    val columns = columnsFor(math.max(math.min(limit, most), waiting.numRows()))
    val alone = settings.keepsBatches || hasNulls(waiting)
    do {
      columns.start()
      columns.add(waiting, 0, waiting.numRows())
      done()
    } while (!alone && columns.stringBytes < ArrowBatches.StringBytes && hasNext && columns.hasRoomFor(waiting.numRows()) && !hasNulls(waiting))
    columns
  }

  /** Joins batches of `batchRows` rows; makes a single one where NULLs matter, because they are not known in advance. */
  private def batchesOfRows(): ArrowColumns = {
    val several = if (settings.stateful.isEmpty) math.max(1, math.min(limit, most) / settings.batchRows) else 1
    val columns = columnsFor(several * settings.batchRows)
    do {
      if (filled == 0) columns.start()
      val count = fitting(math.min(settings.batchRows - filled, waiting.numRows() - taken))
      columns.add(waiting, taken, count)
      filled += count
      taken += count
      if (filled == settings.batchRows || settings.endingStrings.exists(strings => stringBytes >= strings.room(filled))) {
        filled = 0
        stringBytes = 0
      }
      if (taken == waiting.numRows()) done()
    } while (hasNext && (filled != 0 || columns.hasRoomFor(settings.batchRows) && columns.stringBytes < ArrowBatches.StringBytes))
    columns
  }

  /** Returns how many of the next `count` rows Spark would still put in the batch that it is filling. */
  private def fitting(count: Int): Int = settings.endingStrings.fold(count) { strings =>
    var fit = 0
    while (fit < count && (filled + fit == 0 || stringBytes < strings.room(filled + fit))) {
      strings.columns.foreach { i =>
        val column = waiting.column(i)
        if (!column.isNullAt(taken + fit)) stringBytes += column.getUTF8String(taken + fit).numBytes()
      }
      fit += 1
    }
    fit
  }

  private def columnsFor(capacity: Int) = new ArrowColumns(settings.input, settings.zone, capacity, allocator, strings)

  private def done(): Unit = {
    CurrentSpark.closeIfFreeable(waiting)
    waiting = null
    taken = 0
  }

  private def isClosed(vector: ColumnVector): Boolean = vector.asInstanceOf[ArrowColumnVector].getValueVector.getBufferSize == 0

  private def hasNulls(batch: ColumnarBatch): Boolean = settings.stateful.exists(batch.column(_).hasNull)

  private def close(): Unit = {
    made.foreach(_.foreach(_.close()))
    made.clear()
    strings.close()
    allocator.close()
  }
}
