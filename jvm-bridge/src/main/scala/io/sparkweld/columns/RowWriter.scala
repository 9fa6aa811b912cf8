package io.sparkweld
package columns

import io.sparkweld.nativelib.Shim

import org.apache.spark.sql.catalyst.expressions.UnsafeRow
import org.apache.spark.sql.types._
import org.apache.spark.sql.vectorized.{ColumnVector, ColumnarBatch}
import org.apache.spark.unsafe.Platform

/**
 * Writes batches as UnsafeRows, byte for byte those of an UnsafeProjection.
 *
 * Serves one task.
 *
 * It writes column by column, for as many rows at a time as fit in the CPU cache.
 *
 * {{{
 *   writer.start(batch)
 *   var rows = writer.fill()
 *   while (rows > 0) { (0 until rows).foreach(i => use(writer(i))); rows = writer.fill() }
 * }}}
 *
 * @param types supported by `supports`; at least one
 */
final class RowWriter(types: Seq[DataType]) extends AutoCloseable {
  private val inputs = types.map(InputColumn.forRows(_).get).toArray
  private val forms = types.map(RowWriter.form).toArray
  private val fixed =
    UnsafeRow.calculateBitSetWidthInBytes(types.length) + types.length * 8L +
      forms.count(_ == RowWriter.WideDecimal) * RowWriter.WideDecimalBytes
  private val hasStrings = forms.contains(RowWriter.StringValue)
  private val columns = new OffHeapBuffer
  private val sizes = new OffHeapBuffer
  private val places = new OffHeapBuffer
  private val bytes = new OffHeapBuffer
  private val row = new UnsafeRow(types.length)
  private var batchRows = 0
  private var written = 0
  private var out = 0L

  /** Takes a batch, which must not change until all of its rows are written. Throws NoMemory; it then has no batch. */
  def start(batch: ColumnarBatch): Unit = {
    batchRows = 0
    written = 0
    takeRows(batch)
    batchRows = batch.numRows()
  }

  private def takeRows(batch: ColumnarBatch): Unit = {
    val batchRows = batch.numRows()
    val to = columns.reserve(types.length * RowWriter.ColumnBytes)
    var j = 0
    while (j < inputs.length) {
      bind(j, batch.column(j), batchRows, to + j * RowWriter.ColumnBytes)
      j += 1
    }
    val largest = if (hasStrings) Shim.sizeRows(to, types.length, batchRows.toLong, fixed, sizes.reserve(batchRows * 4L)) else fixed
    if (largest > RowWriter.MaxRowBytes) throw new IllegalArgumentException(
      s"Cannot make a row of $largest bytes, because that exceeds the size limitation ${RowWriter.MaxRowBytes}")
    if (largest <= RowWriter.ChunkBytes && bytes.holds(RowWriter.KeptBytes)) bytes.close() // one long row must not keep memory
    out = bytes.reserve(math.max(largest, RowWriter.ChunkBytes))
    places.reserve(2 * (math.min(batchRows.toLong, RowWriter.ChunkBytes / fixed + 1) + 1) * 4)
  }

  /** Overwrites the previous rows with the next ones, and returns their number; 0 when the batch is done. */
  def fill(): Int = {
    val rows =
      if (written == batchRows) 0
      else Shim.writeRows(columns.address, types.length, if (hasStrings) sizes.address else 0, fixed, written.toLong,
        batchRows.toLong, RowWriter.ChunkBytes, out, places.address).toInt
    written += rows
    rows
  }

  /** Returns row `i` of those that `fill` has written. All share one row object. */
  def apply(i: Int): UnsafeRow = {
    val place = places.address + i * 4L
    val start = Platform.getInt(null, place)
    row.pointTo(null, out + start, Platform.getInt(null, place + 4) - start)
    row
  }

  override def close(): Unit = {
    inputs.foreach(_.close())
    Seq(columns, sizes, places, bytes).foreach(_.close())
  }

  private def bind(j: Int, vector: ColumnVector, batchRows: Int, to: Long): Unit = {
    val input = inputs(j)
    val picked = input.bindShown(vector, batchRows)
    Platform.putLong(null, to, input.dataAddress)
    Platform.putLong(null, to + 8, if (input.hasNull) input.nullsAddress else 0)
    Platform.putLong(null, to + 16, forms(j))
    Platform.putLong(null, to + 24, picked)
  }
}

object RowWriter {

  /** Whether columns of this type can be written: all but nested types. */
  def supports(dataType: DataType): Boolean = dataType match {
    case _: StringType | BinaryType | _: DecimalType => true
    case _ => ColumnLayout.forRows(dataType).isDefined
  }

  // As in rows.c: the width of a value, or one of these.
  private val UnscaledInt = -4L
  private val StringValue = 16L
  private val WideDecimal = 17L
  private val WideDecimalBytes = 16L
  private val ColumnBytes = 32L

  private val ChunkBytes = 128L << 10
  private val KeptBytes = 4L << 20
  private val MaxRowBytes = Int.MaxValue - 15L

  private def form(dataType: DataType): Long = dataType match {
    case _: StringType | BinaryType => StringValue
    case decimal: DecimalType if decimal.precision > Decimal.MAX_LONG_DIGITS => WideDecimal
    case decimal: DecimalType if decimal.precision <= Decimal.MAX_INT_DIGITS => UnscaledInt
    case other => ColumnLayout.forRows(other).get.width.toLong
  }
}
