package io.sparkweld
package plan

import scala.collection.mutable.ArrayBuffer

import io.sparkweld.columns.RowColumns

import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{Attribute, UnsafeProjection}
import org.apache.spark.sql.vectorized.{ColumnarBatch, ColumnVector}

/**
 * Holds a kernel's output rows until the original chain has decided the rows that the kernel flagged.
 *
 * Serves one task.
 *
 * A call of Python costs as much as many batches, so the flagged rows of many batches run together. Rows are returned in order.
 */
private final class HeldRows(output: Seq[Attribute], fallback: Fallback) extends AutoCloseable {
  private val toRow = UnsafeProjection.create(output, output)
  private val rows = ArrayBuffer.empty[InternalRow] // null: flagged
  private val flagged = ArrayBuffer.empty[InternalRow] // in the chain's input format
  private var bytes = 0L
  private val columns = new RowColumns(Fallback.storedAs(output), Fallback.BatchRows)

  def isEmpty: Boolean = rows.isEmpty

  def isFull: Boolean = bytes >= HeldRows.MostBytes || flagged.length >= HeldRows.MostFlagged

  /** Adds the rows of `made`. Where `flags`, if any, are NULL, adds the row of `input` to be decided by the chain instead. */
  def add(made: ColumnarBatch, input: ColumnarBatch, flags: Option[ColumnVector]): Unit = {
    var i = 0
    while (i < made.numRows()) {
      if (flags.exists(_.isNullAt(i))) {
        rows += null
        flagged += fallback.copyOf(input.getRow(i))
      } else {
        val row = toRow(made.getRow(i)).copy()
        bytes += row.getSizeInBytes
        rows += row
      }
      i += 1
    }
  }

  /** Returns all rows as batches, each valid until the next, and empties this object. */
  def take(): Iterator[ColumnarBatch] = {
    val decided = fallback.rows(flagged.toArray)
    if (decided.length != flagged.length) {
      throw new IllegalStateException(s"${decided.length} results of ${flagged.length} rows: a bug in SparkWeld")
    }
    val (held, results) = (rows.toArray.iterator, decided.iterator)
    val merged = held.map(row => if (row == null) results.next() else row)
    rows.clear()
    flagged.clear()
    bytes = 0
    Iterator.continually(()).takeWhile(_ => merged.hasNext).map(_ => columns.fill(merged))
  }

  override def close(): Unit = columns.close()
}

private object HeldRows {
  /** If at most 1 / `Few` of a batch's rows are flagged, they run alone; otherwise the whole batch runs. */
  val Few = 4

  private val MostBytes = 16L << 20
  private val MostFlagged = 10000
}
