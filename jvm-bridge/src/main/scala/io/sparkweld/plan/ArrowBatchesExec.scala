package io.sparkweld.plan

import scala.collection.mutable

import io.sparkweld.columns.{ArrowColumns, TextSources}

import org.apache.spark.TaskContext
import org.apache.spark.rdd.RDD
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, AttributeSet, SortOrder}
import org.apache.spark.sql.catalyst.plans.physical.Partitioning
import org.apache.spark.sql.execution.{SparkPlan, UnaryExecNode}
import org.apache.spark.sql.execution.metric.{SQLMetric, SQLMetrics}
import org.apache.spark.sql.execution.python.sparkweld.SparkInternals
import org.apache.spark.sql.vectorized.{ArrowColumnVector, ColumnVector, ColumnarBatch}

/**
 * Batches as fewer and larger ones in Arrow's memory, which Spark's node of Python functions sends as they are: row by row and in
 * batches of the size that a scan gives, a cheap function costs less than its columns' way to Python.
 *
 * It is only put below functions that SparkWeld has fused: they work row by row. Where such a function runs the original, that has
 * to see the batches that it has without SparkWeld: `starts` is true in the first row of each. These are those of `child`, or, where
 * Spark would feed rows, every `batchRows` rows (else 0). pandas has other dtypes for the columns `stateful` in a batch with NULLs, so
 * such a batch stays alone.
 */
final case class ArrowBatchesExec(starts: Attribute, stateful: Seq[Int], batchRows: Int, child: SparkPlan) extends UnaryExecNode {
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
    throw new UnsupportedOperationException("a WeldArrowBatches gives columnar batches")

  override protected def doExecuteColumnar(): RDD[ColumnarBatch] = {
    val settings = ArrowBatches.Settings(child.output, stateful.toArray, batchRows, conf.sessionLocalTimeZone, longMetric("numInputBatches"),
      longMetric("numOutputBatches"), longMetric("numOutputRows"))
    child.executeColumnar().mapPartitions(batches => new ArrowBatches(settings, batches, TaskContext.get()))
  }

  override protected def withNewChildInternal(newChild: SparkPlan): SparkPlan = copy(child = newChild)
}

object ArrowBatches {
  final case class Settings(
      input: Seq[Attribute],
      stateful: Array[Int],
      batchRows: Int,
      zone: String,
      inputBatches: SQLMetric,
      outputBatches: SQLMetric,
      outputRows: SQLMetric)

  /** The most rows of a batch, of its columns' bytes, and bytes of its texts. */
  val Rows: Int = 1 << 15
  val Bytes: Int = 16 << 20
  val TextBytes: Long = 4L << 20
}

/** The batches of one task. Who has read a batch closes it; what is left is freed when the task ends. */
private[plan] final class ArrowBatches(settings: ArrowBatches.Settings, input: Iterator[ColumnarBatch], context: TaskContext)
  extends Iterator[ColumnarBatch] {

  private val allocator = SparkInternals.arrowAllocator("sparkweld batches")
  private val texts = new TextSources(settings.input, WeldTask.linkable())
  private val made = mutable.Queue.empty[Array[ColumnVector]]
  /** Rows that the next batch may have: the first ones are small, for a query that wants few rows. */
  private var limit = 1
  private val most = math.min(ArrowBatches.Rows, ArrowBatches.Bytes / math.max(1, settings.input.map(_.dataType.defaultSize).sum))
  private var waiting: ColumnarBatch = _
  /** Rows of `waiting` that are in batches already. */
  private var taken = 0

  context.addTaskCompletionListener[Unit](_ => close())

  override def hasNext: Boolean = {
    while (waiting == null && input.hasNext) {
      val batch = input.next()
      settings.inputBatches += 1
      if (batch.numRows() > 0) {
        waiting = batch
        texts.take(batch)
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

  /** Some batches of the child. */
  private def wholeBatches(): ArrowColumns = {
    val columns = columnsFor(math.max(math.min(limit, most), waiting.numRows()))
    val alone = hasNulls(waiting)
    do {
      columns.start()
      columns.add(waiting, 0, waiting.numRows())
      done()
    } while (!alone && columns.textBytes < ArrowBatches.TextBytes && hasNext && columns.hasRoomFor(waiting.numRows()) && !hasNulls(waiting))
    columns
  }

  /** Some batches of `batchRows` rows; a single one where NULLs, of which there is no telling before, matter. */
  private def batchesOfRows(): ArrowColumns = {
    val several = if (settings.stateful.isEmpty) math.max(1, math.min(limit, most) / settings.batchRows) else 1
    val columns = columnsFor(several * settings.batchRows)
    do {
      val rest = settings.batchRows - columns.rows % settings.batchRows
      if (rest == settings.batchRows) columns.start()
      val count = math.min(rest, waiting.numRows() - taken)
      columns.add(waiting, taken, count)
      taken += count
      if (taken == waiting.numRows()) done()
    } while (hasNext && columns.hasRoomFor(1) &&
      (columns.textBytes < ArrowBatches.TextBytes || columns.rows % settings.batchRows != 0))
    columns
  }

  private def columnsFor(capacity: Int) = new ArrowColumns(settings.input, settings.zone, capacity, allocator, texts)

  private def done(): Unit = {
    waiting.closeIfFreeable()
    waiting = null
    taken = 0
  }

  private def isClosed(vector: ColumnVector): Boolean = vector.asInstanceOf[ArrowColumnVector].getValueVector.getBufferSize == 0

  private def hasNulls(batch: ColumnarBatch): Boolean = settings.stateful.exists(batch.column(_).hasNull)

  private def close(): Unit = {
    made.foreach(_.foreach(_.close()))
    made.clear()
    texts.close()
    allocator.close()
  }
}
