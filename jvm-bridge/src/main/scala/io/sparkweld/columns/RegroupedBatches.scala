package io.sparkweld
package columns

import io.sparkweld.nativelib.Shim
import io.sparkweld.spark.CurrentSpark

import org.apache.spark.sql.types.DataType
import org.apache.spark.sql.vectorized.{ColumnVector, ColumnarBatch}
import org.apache.spark.unsafe.Platform

/**
 * Regroups batches to `most` rows each, except the last.
 *
 * Rows are copied in order.
 *
 * A batch ends earlier where its strings are too long. A returned batch is valid until the next one is made. Its memory is not
 * requested from Spark, because a different batch size would change the result. Serves one task.
 *
 * @param types of the columns, which JoinedBatches.supports
 * @param strings the columns whose string bytes count, and their limit
 */
final class RegroupedBatches(input: Iterator[ColumnarBatch], types: Seq[DataType], most: Int, strings: Option[RegroupedBatches.Strings])
  extends Iterator[ColumnarBatch] with AutoCloseable {
  private val inputs = types.map(InputColumn.of(_, nullable = true)).toArray
  private val columns = types.map(new NativeColumnVector(_, 0)).toArray
  private val widths = types.map(ColumnLayout.width).toArray
  private val isString = types.map(StringViews.holds).toArray
  private val selections = new Array[Long](types.length)
  private val bytes = new ByteStore
  private var waiting: ColumnarBatch = _
  private var taken = 0 // number of rows of `waiting` already copied

  override def hasNext: Boolean = {
    while (waiting == null && input.hasNext) {
      val batch = input.next()
      if (batch.numRows() > 0) {
        waiting = batch
        taken = 0
        OffHeapBuffer.unaccounted {
          inputs.indices.foreach(i => selections(i) = inputs(i).bindShown(batch.column(i), batch.numRows()))
        }
      }
    }
    waiting != null
  }

  override def next(): ColumnarBatch = {
    if (!hasNext) throw new NoSuchElementException("no more batches")
    OffHeapBuffer.unaccounted(columns.foreach(_.ensureCapacity(most)))
    bytes.reset()
    var (rows, ended) = (0, false)
    var length = 0L
    while (!ended && rows < most && hasNext) {
      var count = math.min(most - rows, waiting.numRows() - taken)
      strings.foreach { limit =>
        var fit = 0
        while (fit < count && (rows + fit == 0 || length < limit.room(rows + fit))) {
          length += limit.columns.map(i => stringLength(i, taken + fit)).sum
          fit += 1
        }
        ended = fit < count
        count = fit
      }
      OffHeapBuffer.unaccounted(inputs.indices.foreach(copy(_, rows, count)))
      rows += count
      taken += count
      if (taken == waiting.numRows()) {
        CurrentSpark.closeIfFreeable(waiting) // as ColumnarToRow does once a batch is read
        waiting = null
      }
    }
    columns.foreach(_.countNulls(rows))
    new ColumnarBatch(columns.toArray[ColumnVector], rows)
  }

  private def sourceRow(column: Int, row: Int): Int =
    if (selections(column) == 0) row else Platform.getInt(null, selections(column) + 4L * row)

  private def stringLength(column: Int, row: Int): Long = {
    val at = sourceRow(column, row)
    if (Platform.getByte(null, inputs(column).nullsAddress + at) != 0) 0 else StringViews.length(inputs(column).dataAddress, at).toLong
  }

  /** Copies `count` rows of input `i`, from row `taken`, to its column, from row `row`. */
  private def copy(i: Int, row: Int, count: Int): Unit = {
    val (data, nulls) = (columns(i).dataAddress + row.toLong * widths(i), columns(i).nullsAddress + row)
    if (selections(i) == 0) {
      Platform.copyMemory(null, inputs(i).dataAddress + taken.toLong * widths(i), null, data, count.toLong * widths(i))
      Platform.copyMemory(null, inputs(i).nullsAddress + taken, null, nulls, count.toLong)
    } else {
      val ids = selections(i) + 4L * taken
      Shim.gather(widths(i), inputs(i).dataAddress, ids, 0, count.toLong, data)
      Shim.gather(1, inputs(i).nullsAddress, ids, 0, count.toLong, nulls)
    }
    if (isString(i)) copyStrings(columns(i).dataAddress, columns(i).nullsAddress, row, count)
  }

  private def copyStrings(views: Long, nulls: Long, from: Int, count: Int): Unit = {
    var row = from
    while (row < from + count) {
      val size = if (Platform.getByte(null, nulls + row) != 0) 0 else StringViews.length(views, row)
      StringViews.put(views, row, bytes.put(null, StringViews.address(views, row), size), size)
      row += 1
    }
  }

  override def close(): Unit = {
    inputs.foreach(_.close())
    columns.foreach(_.close())
    bytes.close()
  }
}

object RegroupedBatches {
  /**
   * `columns`: the string columns. `room`: the limit on their bytes in a batch of the given row count that may get another row.
   */
  final case class Strings(columns: Array[Int], room: Int => Long)
}
