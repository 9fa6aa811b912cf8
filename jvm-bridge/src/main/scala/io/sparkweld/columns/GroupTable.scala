package io.sparkweld.columns

import io.sparkweld.nativelib.{Kernel, Shim}

import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.types.DataType
import org.apache.spark.sql.vectorized.{ColumnVector, ColumnarBatch}
import org.apache.spark.unsafe.Platform

/**
 * The groups that a merging kernel makes: row g of each output column is group g, and a hash table of their numbers lies
 * beside. `sparkweld/kernels/merging.py` says what its state holds. Serves one task; `close` frees its memory.
 *
 * @param types of the keys, which are the first `keys` columns, and of the buffers
 */
final class GroupTable(types: Array[DataType], keys: Int) extends AutoCloseable {
  import GroupTable._

  private val outputs = types.map(new NativeColumnVector(_, 0))
  private val vectors: Array[ColumnVector] = outputs.map(output => output: ColumnVector)
  private val slots = new OffHeapBuffer
  private val texts = new OffHeapBuffer
  private val state = new OffHeapBuffer
  private val room =
    if (keys == 0) 1
    else math.min(MostGroups, Integer.highestOneBit(MostBytes / types.map(ColumnLayout.width(_) + 1).sum))
  private var textBytes = if (types.take(keys).exists(TextViews.holds)) FirstTextBytes else 0L
  private val result = new Array[Long](2 + types.length)
  private var taken = true

  state.reserve(StateBytes)
  outputs.foreach(_.ensureCapacity(room))
  if (keys > 0) slots.reserve(SlotsAGroup * room * 8L)
  texts.reserve(textBytes)

  /** The groups now in the table. */
  def groups: Int = word(0).toInt

  /** The first row of the batch that the last `merge` left. */
  def mergedRows: Int = word(6).toInt

  /**
   * Merges rows of a batch, from row `from`; `inputs` are those that the kernel loads, in its order. It stops at
   * `mergedRows`: when there is no room for the row's group, or, and then this is true, when a checked sum overflows.
   */
  def merge(kernel: Kernel, inputs: Array[InputColumn], rows: Int, from: Int): Boolean = {
    if (taken) clear()
    val columns = new Array[Long](2 * inputs.length + 2 * outputs.length + 1)
    var at = 0
    inputs.foreach { input =>
      columns(at) = input.dataAddress
      columns(at + 1) = input.nullsAddress
      at += 2
    }
    outputs.foreach { output =>
      columns(at) = output.dataAddress
      columns(at + 1) = output.nullsAddress
      at += 2
    }
    columns(at) = state.address
    put(6, from)
    kernel.call(columns, rows, result)
    while (result(1) == 0 && mergedRows < rows && groups == 0) { // the texts of one row's keys have no room
      textBytes = 2 * word(7)
      texts.reserve(textBytes)
      clear()
      kernel.call(columns, rows, result)
    }
    result(1) != 0
  }

  /** The group whose sum overflowed, as a row of the columns. It holds until the next call. */
  def overflowed: InternalRow = new ColumnarBatch(vectors, groups).getRow(word(7).toInt)

  /** All groups as a batch, which holds until the next call; the table starts anew then. */
  def take(): ColumnarBatch = {
    taken = true
    outputs.foreach(output => output.setNullCount(Shim.countNulls(output.nullsAddress, groups.toLong).toInt))
    new ColumnarBatch(vectors, groups)
  }

  override def close(): Unit = {
    outputs.foreach(_.close())
    Seq(slots, texts, state).foreach(_.close())
  }

  private def clear(): Unit = {
    val first = word(6)
    taken = false
    if (keys > 0) Platform.setMemory(slots.address, 0, SlotsAGroup * room * 8L)
    Seq(0L, room.toLong, slots.address, SlotsAGroup * room - 1L, texts.address, texts.address + textBytes, first, 0L)
      .zipWithIndex.foreach { case (value, i) => put(i, value) }
  }

  private def word(i: Int): Long = Platform.getLong(null, state.address + 8L * i)

  private def put(i: Int, value: Long): Unit = Platform.putLong(null, state.address + 8L * i, value)
}

private object GroupTable {
  private val StateBytes = 64L
  private val SlotsAGroup = 2
  private val MostGroups = 1 << 16
  private val MostBytes = 16 << 20
  private val FirstTextBytes = 1L << 20
}
