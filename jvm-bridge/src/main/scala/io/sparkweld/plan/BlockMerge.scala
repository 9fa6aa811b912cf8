package io.sparkweld
package plan

import io.sparkweld.columns.{ColumnLayout, GroupTable, InputColumn, NativeColumnVector, OffHeapBuffer, StringArena}
import io.sparkweld.compile.{Lease, LinkedForm}
import io.sparkweld.nativelib.{Kernel, NoMemory}

import org.apache.spark.sql.vectorized.ColumnarBatch

/**
 * A kernel call for one batch, made block by block by [[BlockMerge]].
 *
 * @param columns the kernel's addresses: inputs of the batch, outputs with room for one block
 */
private[plan] final class BlockCall(
    val plan: KernelPlan,
    form: LinkedForm,
    val columns: Array[Long],
    val outputs: Array[NativeColumnVector],
    val arena: StringArena) {

  def kernel: Kernel = form.kernel

  def piecewise: Boolean = form.piecewise

  /** Returns the number of columns that the kernel stores. */
  def stored: Int = form.outputs

  /** Returns the bytes per row of each address, 0 for those that each block overwrites. */
  def steps: Array[Long] =
    form.inputs.flatMap(i => Array(ColumnLayout.width(plan.inputs(i).dataType).toLong, 1L)).padTo(columns.length, 0L)

  /** Returns which stored column marks undecided rows by NULLs; -1: none. */
  def flags: Int = if (plan.flags) outputs.length else -1

  /** Returns the address of the filter's selected row numbers; 0: no filter. */
  def selection: Long = columns(2 * (form.inputs.length + stored))
}

/**
 * Merges a kernel's rows into groups block by block, without materializing batches of them.
 *
 * A block is merged while it is in the CPU cache. It stops at rows that the kernel does not decide, and when the groups overflow.
 * The batch is then made as usual; its first `pending` rows are in groups already, unless they had to be undone.
 */
final class BlockMerge private[plan] (
    plan: MergePlan,
    table: => GroupTable,
    lease: => Option[Lease[LinkedForm]],
    metrics: MergeMetrics)
  extends AutoCloseable {
  private lazy val inputs = plan.inputTypes.map(InputColumn.of(_, nullable = true))
  private val kept = Array.fill(2 * plan.ordinals.length)(new OffHeapBuffer) // a block's rows that a filter selects
  private var on = true
  private var used = false

  /** The number of rows of the next batches that are in groups already. */
  var pending = 0

  /** Stops merging for good. */
  def stop(): Unit = on = false

  /**
   * Whether batches for this form of the kernel may be merged this way. Where a row may make its whole batch run elsewhere, the
   * merge of the batch must then be undone, which only pays for few groups.
   */
  def takes(form: LinkedForm): Boolean = on && lease.isDefined && (form.piecewise || whileRoom(table.isSmall))

  /**
   * Merges the rows of a batch and returns their number; -1 when it stopped before the last, and the merged ones are `pending`.
   */
  private[plan] def merge(call: BlockCall, batch: ColumnarBatch): Int = {
    var taken = -1
    whileRoom { taken = mergeBlocks(call, batch); true }
    taken
  }

  /** Runs `body`; without memory for the groups, stops merging, and the task above handles the rows. */
  private def whileRoom(body: => Boolean): Boolean =
    try body
    catch {
      case _: NoMemory =>
        stop()
        false
    }

  private def mergeBlocks(call: BlockCall, batch: ColumnarBatch): Int = {
    used = true
    val form = lease.get.value
    val entries = 2 * form.inputs.length
    val (addresses, widths, room) = (new Array[Long](entries), new Array[Long](entries), new Array[Long](entries))
    for (k <- form.inputs.indices) {
      val i = form.inputs(k)
      val source = call.plan.layout(plan.ordinals(i))
      if (source < 0) {
        addresses(2 * k) = call.outputs(-source - 1).dataAddress
        addresses(2 * k + 1) = call.outputs(-source - 1).nullsAddress
      } else {
        inputs(i).bind(batch.column(source), batch.numRows())
        addresses(2 * k) = inputs(i).dataAddress
        addresses(2 * k + 1) = inputs(i).nullsAddress
        widths(2 * k) = ColumnLayout.width(plan.inputTypes(i)).toLong
        widths(2 * k + 1) = 1
        if (call.selection != 0) for (e <- 2 * k to 2 * k + 1) room(e) = kept(e).reserve(BlockMerge.Rows * widths(e))
      }
    }
    if (!call.piecewise) table.mark()
    val turn = Array[Long](batch.numRows().toLong, BlockMerge.Rows.toLong, call.selection, call.arena.address, table.state,
      call.flags.toLong, 0, 0, 0)
    val merged = table.addresses(addresses)
    do call.kernel.mergeBlocks(form.kernel, call.columns, call.steps, merged, widths, room, call.stored, turn)
    while (turn(BlockMerge.Why) == BlockMerge.Strings && whileRoom(call.arena.grow()))
    val all = turn(BlockMerge.Why) == BlockMerge.All
    val taken = if (all || call.piecewise) turn(BlockMerge.Merged).toInt else 0
    if (!all && !call.piecewise) table.reset()
    table.rows += taken
    metrics.blockRows += taken
    if (all) metrics.mergedBatches += 1 else pending = taken
    if (all) taken else -1
  }

  override def close(): Unit = if (used) {
    inputs.foreach(_.close())
    kept.foreach(_.close())
  }
}

private object BlockMerge {
  /** Rows of a block: a few columns of them fill at most half of a second-level cache, and amortize the calls of two kernels. */
  val Rows = 2048

  // Indices into the shim's `turn`, and its reasons for stopping.
  private val Merged = 7
  private val Why = 8
  private val All = 0L
  private val Strings = 2L
}
