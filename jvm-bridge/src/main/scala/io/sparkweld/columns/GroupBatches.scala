package io.sparkweld
package columns

import scala.jdk.CollectionConverters._

import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, Expression, UnsafeProjection, UnsafeRow}
import org.apache.spark.sql.execution.GroupedIterator
import org.apache.spark.sql.vectorized.{ColumnarBatch, ColumnVector}

/** A part of a group that is too large for one batch; the next batches have its other rows. */
final class PartOfGroup(columns: Array[ColumnVector], rows: Int) extends ColumnarBatch(columns, rows)

/**
 * Makes one batch of each group of rows with equal keys, which are adjacent, as Spark's nodes over groups find them.
 *
 * A batch is valid until the next one is requested. Serves one task.
 *
 * @param mostRows the most rows of a batch
 * @param mostBytes the bytes of rows after which a batch ends
 */
final class GroupBatches(
    rows: Iterator[InternalRow],
    grouping: Seq[Expression],
    attributes: Seq[Attribute],
    mostRows: Int,
    mostBytes: Long)
  extends Iterator[ColumnarBatch] with AutoCloseable {
  private val toUnsafe = UnsafeProjection.create(attributes, attributes)
  private val groups = GroupedIterator(rows, grouping, attributes)
  private var group: Iterator[InternalRow] = Iterator.empty
  private var capacity = math.min(GroupBatches.FirstRows, mostRows)
  private var columns = new RowColumns(attributes, capacity)
  private var bytes = 0L

  override def hasNext: Boolean = group.hasNext || groups.hasNext

  override def next(): ColumnarBatch = {
    val isRest = group.hasNext
    if (!isRest) group = groups.next()._2
    bytes = 0
    var batch = columns.fill(group.map(unsafe), _ => bytes >= mostBytes)
    while (group.hasNext && capacity < mostRows && bytes < mostBytes) {
      capacity = math.min(capacity.toLong * 4, mostRows.toLong).toInt
      val larger = new RowColumns(attributes, capacity)
      val known = batch.rowIterator().asScala.map(row => toUnsafe(row): InternalRow)
      batch = larger.fill(known ++ group.map(unsafe), _ => bytes >= mostBytes)
      columns.close()
      columns = larger
    }
    val goesOn = group.hasNext
    if (!goesOn) group = Iterator.empty // Spark's iterator of a group has rows of the next one, once that is requested
    if (isRest || goesOn) new PartOfGroup((0 until batch.numCols()).map(batch.column).toArray, batch.numRows()) else batch
  }

  /** Returns the row, and counts its bytes. */
  private def unsafe(row: InternalRow): InternalRow = {
    val made = row match {
      case unsafe: UnsafeRow => unsafe
      case any => toUnsafe(any)
    }
    bytes += made.getSizeInBytes
    made
  }

  override def close(): Unit = columns.close()
}

private object GroupBatches {
  private val FirstRows = 4096
}
