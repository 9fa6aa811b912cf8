package io.sparkweld
package columns

import io.sparkweld.nativelib.{Kernel, NoMemory, Shim}

import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.types.DataType
import org.apache.spark.sql.vectorized.{ColumnVector, ColumnarBatch}
import org.apache.spark.unsafe.Platform

/**
 * Stores the groups that a merging kernel makes: row g of each output column is group g; a hash table maps keys to group numbers.
 *
 * `sparkweld/kernels/codegen/merging.py` documents its state. It serves one task; `close` frees its memory. The constructor, `merge` and
 * `mark` throw NoMemory.
 *
 * @param types of the keys, which are the first `keys` columns, and of the buffers
 */
final class GroupTable(types: Array[DataType], keys: Int) extends AutoCloseable {
  import GroupTable._

  private val outputs = types.map(new NativeColumnVector(_, 0))
  private val vectors: Array[ColumnVector] = outputs.map(output => output: ColumnVector)
  private val slots = new OffHeapBuffer
  private val strings = new OffHeapBuffer
  private val words = new OffHeapBuffer // the state
  private val copies = new OffHeapBuffer // of the content at the mark
  private var marked = Mark(0, 0, 0)
  private val rowBytes = types.map(ColumnLayout.width(_) + 1).sum
  private val room =
    if (keys == 0) 1
    else math.min(MostGroups, Integer.highestOneBit(MostBytes / rowBytes))
  private var stringBytes = if (types.take(keys).exists(StringViews.holds)) FirstStringBytes else 0L
  private val result = new Array[Long](2 + types.length)
  private var taken = true

  try {
    words.reserve(StateBytes)
    outputs.foreach(_.ensureCapacity(room))
    if (keys > 0) slots.reserve(SlotsAGroup * room * 8L)
    strings.reserve(stringBytes)
  } catch {
    case full: NoMemory =>
      close()
      throw full
  }

  /** Returns the number of groups in the table, 0 once they were taken. */
  def groups: Int = if (taken) 0 else word(0).toInt

  /** The number of rows merged since the table was empty. */
  var rows = 0L

  /** The address of the state. */
  def state: Long = words.address

  /**
   * Returns a merging kernel's addresses: of its input columns, then of this table. Empties the table first if its groups were
   * taken.
   */
  def addresses(inputs: Array[Long]): Array[Long] = {
    if (taken) clear()
    inputs ++ outputs.flatMap(output => Array(output.dataAddress, output.nullsAddress)) :+ state
  }

  /** Returns the row of the batch at which the last `merge` stopped. */
  def mergedRows: Int = word(6).toInt

  /**
   * Merges rows of a batch, from row `from`; `inputs` are the kernel's inputs, in its order. It stops at `mergedRows` when the
   * table is full; or when a checked sum overflows, and only then returns true.
   */
  def merge(kernel: Kernel, inputs: Array[InputColumn], numRows: Int, from: Int): Boolean = {
    val columns = addresses(inputs.flatMap(input => Array(input.dataAddress, input.nullsAddress)))
    put(6, from)
    kernel.call(columns, numRows, result)
    while (result(1) == 0 && mergedRows < numRows && groups == 0) { // one row's key strings overflow
      stringBytes = 2 * word(7)
      strings.reserve(stringBytes)
      clear()
      kernel.call(columns, numRows, result)
    }
    rows += mergedRows - from
    result(1) != 0
  }

  /** Returns the group whose sum overflowed, as a row of the columns. It is valid until the next call. */
  def overflowed: InternalRow = new ColumnarBatch(vectors, groups).getRow(word(7).toInt)

  /** Whether the content is small enough to be marked for each batch. */
  def isSmall: Boolean = groups.toLong * rowBytes <= SmallBytes

  /** Remembers the content for `reset`. */
  def mark(): Unit = {
    if (taken) clear()
    marked = Mark(groups, word(4), rows)
    var to = copies.reserve(math.max(groups.toLong * rowBytes, 1L))
    eachColumn { (from, width) =>
      Platform.copyMemory(null, from, null, to, groups.toLong * width)
      to += groups.toLong * width
    }
  }

  /** Undoes the merges since `mark`. */
  def reset(): Unit = {
    var from = copies.address
    eachColumn { (to, width) =>
      Platform.copyMemory(null, from, null, to, marked.groups.toLong * width)
      from += marked.groups.toLong * width
    }
    // Safe with linear probing: no later group lies on the probe path from an earlier group's hash to its slot.
    if (keys > 0) for (slot <- 0L until SlotsAGroup.toLong * room) {
      val at = slots.address + 8 * slot
      if ((Platform.getLong(null, at) & 0xFFFFFFFFL) > marked.groups) Platform.putLong(null, at, 0)
    }
    put(0, marked.groups.toLong)
    put(4, marked.cursor)
    rows = marked.rows
  }

  private def eachColumn(take: (Long, Int) => Unit): Unit = outputs.indices.foreach { i =>
    take(outputs(i).dataAddress, ColumnLayout.width(types(i)))
    take(outputs(i).nullsAddress, 1)
  }

  /** Returns all groups as a batch, which is valid until the next call; that call empties the table. */
  def take(): ColumnarBatch = {
    val count = groups
    taken = true
    outputs.foreach(output => output.setNullCount(Shim.countNulls(output.nullsAddress, count.toLong).toInt))
    new ColumnarBatch(vectors, count)
  }

  override def close(): Unit = {
    outputs.foreach(_.close())
    Seq(slots, strings, words, copies).foreach(_.close())
  }

  private def clear(): Unit = {
    val first = word(6)
    taken = false
    rows = 0
    if (keys > 0) Platform.setMemory(slots.address, 0, SlotsAGroup * room * 8L)
    Seq(0L, room.toLong, slots.address, SlotsAGroup * room - 1L, strings.address, strings.address + stringBytes, first, 0L)
      .zipWithIndex.foreach { case (value, i) => put(i, value) }
  }

  private def word(i: Int): Long = Platform.getLong(null, state + 8L * i)

  private def put(i: Int, value: Long): Unit = Platform.putLong(null, state + 8L * i, value)
}

private object GroupTable {
  private final case class Mark(groups: Int, cursor: Long, rows: Long)

  private val StateBytes = 64L
  private val SlotsAGroup = 2
  private val MostGroups = 1 << 16
  private val MostBytes = 16 << 20
  private val SmallBytes = 32L << 10
  private val FirstStringBytes = 1L << 20
}
