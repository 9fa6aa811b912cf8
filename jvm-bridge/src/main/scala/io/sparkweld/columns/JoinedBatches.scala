package io.sparkweld
package columns

import scala.collection.mutable.ArrayBuffer

import io.sparkweld.nativelib.NoMemory
import io.sparkweld.spark.CurrentSpark

import org.apache.spark.sql.types.DataType
import org.apache.spark.sql.vectorized.{ColumnarBatch, ColumnVector}
import org.apache.spark.unsafe.Platform

/**
 * Joins batches to fewer and larger ones, for a kernel with a high cost per batch.
 *
 * Rows are copied in order.
 *
 * A returned batch is valid until the next one is requested. It has no more rows than all batches before it together: a query for
 * a few rows does not wait for many, and a query that adapts to its first rows does so after few. Serves one task.
 *
 * @param types of the columns, which JoinedBatches.supports
 * @param deciding the columns whose NULLs affect a whole batch: a batch with any is returned unchanged
 * @param most the most rows of a joined batch
 */
final class JoinedBatches(input: Iterator[ColumnarBatch], types: Seq[DataType], deciding: Set[Int], most: Int)
  extends Iterator[ColumnarBatch] with AutoCloseable {
  private val inputs = types.map(InputColumn.of(_, nullable = true)).toArray
  private val columns = types.map(new NativeColumnVector(_, 0)).toArray
  private val widths = types.map(ColumnLayout.width(_).toLong).toArray
  private val capacity = math.min(most.toLong, JoinedBatches.MostBytes / (widths.sum + widths.length)).toInt
  private val strings = new ByteStore
  private var stringBytes = 0L
  private val ends = ArrayBuffer.empty[Int] // of the batches joined in the last one
  private var parts: Iterator[ColumnarBatch] = Iterator.empty
  private var waiting = Option.empty[ColumnarBatch] // of the input
  private var before = 0L
  private var joins = true

  override def hasNext: Boolean = parts.hasNext || waiting.isDefined || input.hasNext

  override def next(): ColumnarBatch =
    if (parts.hasNext) parts.next()
    else {
      val first = waiting.getOrElse(input.next())
      waiting = None
      val room = math.min(capacity.toLong, before).toInt
      ends.clear()
      val made = if (joins && 2L * first.numRows() <= room && whileRoom(binds(first))) join(first, room) else first
      before += made.numRows()
      made
    }

  /** Whether the last batch was joined from several. */
  def isJoined: Boolean = ends.nonEmpty

  /** Stops joining; first returns the batches of the last joined one again, if it was joined. Returns whether it was. */
  def takeApart(): Boolean = {
    joins = false
    val wasJoined = isJoined
    if (wasJoined) parts = (0 +: ends.toSeq).zip(ends).iterator.map { case (from, until) =>
      new ColumnarBatch(columns.map(_.slice(from, until - from): ColumnVector), until - from)
    }
    ends.clear()
    wasJoined
  }

  /** Binds a batch's columns to the inputs; false when it must stay unchanged. */
  private def binds(batch: ColumnarBatch): Boolean = {
    inputs.indices.foreach(i => inputs(i).bind(batch.column(i), batch.numRows()))
    !deciding.exists(inputs(_).hasNull)
  }

  /** Runs `body`; without memory, stops joining for good. */
  private def whileRoom(body: => Boolean): Boolean =
    try body
    catch {
      case _: NoMemory =>
        joins = false
        false
    }

  /** Joins batches from `first`, which is bound to the inputs, to at most `room` rows. */
  private def join(first: ColumnarBatch, room: Int): ColumnarBatch = {
    strings.reset()
    stringBytes = 0
    var next = Option(first).filter(_ => whileRoom { columns.foreach(_.ensureCapacity(room)); true })
    var rows = 0
    while (next.exists(batch => whileRoom { inputs.indices.foreach(copy(_, rows, batch.numRows())); true })) {
      rows += next.get.numRows()
      ends += rows
      CurrentSpark.closeIfFreeable(next.get) // as ColumnarToRow does once a batch is read
      waiting = Option.when(rows < room && stringBytes < JoinedBatches.MostBytes && input.hasNext)(input.next())
      next = waiting.filter(batch => rows + batch.numRows() <= room && whileRoom(binds(batch)))
      if (next.isDefined) waiting = None
    }
    if (rows == 0) first
    else {
      waiting = waiting.orElse(next) // there was no memory for it
      columns.foreach(_.countNulls(rows))
      new ColumnarBatch(columns.toArray[ColumnVector], rows)
    }
  }

  /** Copies the rows of input `i` to its column, from row `from`. */
  private def copy(i: Int, from: Int, rows: Int): Unit = {
    val data = columns(i).dataAddress
    Platform.copyMemory(null, inputs(i).dataAddress, null, data + from * widths(i), rows * widths(i))
    Platform.copyMemory(null, inputs(i).nullsAddress, null, columns(i).nullsAddress + from, rows.toLong)
    if (StringViews.holds(types(i))) {
      var row = from
      while (row < from + rows) {
        val size = StringViews.length(data, row)
        StringViews.put(data, row, strings.put(null, StringViews.address(data, row), size), size)
        stringBytes += size
        row += 1
      }
    }
  }

  override def close(): Unit = {
    inputs.foreach(_.close())
    columns.foreach(_.close())
    strings.close()
  }
}

object JoinedBatches {
  /** Limits the bytes of a batch's columns, and of its strings before its last element. */
  private val MostBytes = 16L << 20

  /** Whether there are columns and all of these types can be copied. */
  def supports(types: Seq[DataType]): Boolean =
    types.nonEmpty && types.forall(of => ColumnLayout.isUnscaled(of) || (ColumnLayout.supports(of) && !ListViews.holds(of)))
}
