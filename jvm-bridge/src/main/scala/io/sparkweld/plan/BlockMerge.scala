package io.sparkweld.plan

import io.sparkweld.columns.{ColumnLayout, GroupTable, InputColumn, NativeColumnVector, OffHeapBuffer, TextArena}
import io.sparkweld.compile.{Lease, LinkedForm}
import io.sparkweld.nativelib.{Kernel, NoMemory}

import org.apache.spark.sql.vectorized.ColumnarBatch

/**
 * A kernel's call for one batch as [[BlockMerge]] makes it.
 *
 * @param columns the addresses that the kernel takes: the batch's inputs, outputs with room for one block
 */
private[plan] final class BlockCall(
    val plan: KernelPlan,
    form: LinkedForm,
    val columns: Array[Long],
    val outputs: Array[NativeColumnVector],
    val arena: TextArena) {

  def kernel: Kernel = form.kernel

  def piecewise: Boolean = form.piecewise

  /** How many columns the kernel stores. */
  def stored: Int = form.outputs

  /** Bytes that a row adds to each address, 0 for those that a block overwrites. */
  def steps: Array[Long] =
    form.inputs.flatMap(i => Array(ColumnLayout.width(plan.inputs(i).dataType).toLong, 1L)).padTo(columns.length, 0L)

  /** Which stored column says by NULLs what the kernel did not decide; -1: none. */
  def flags: Int = if (plan.flags) outputs.length else -1

  /** Where a filter writes which rows it keeps; 0: there is none. */
  def selection: Long = columns(2 * (form.inputs.length + stored))
}

/**
 * Rows of a kernel into groups without batches of them: a block goes through the kernel, and then into the groups while it is in
 * the cache. It stops at rows that the kernel does not decide, and when the groups have no room. The batch is then made as ever, and
 * its first rows, `pending` of them, are in groups already, unless they had to be taken back.
 */
final class BlockMerge private[plan] (
    plan: MergePlan,
    table: => GroupTable,
    lease: => Option[Lease[LinkedForm]],
    metrics: MergeMetrics)
  extends AutoCloseable {
  private lazy val inputs = plan.inputTypes.map(InputColumn.of(_, nullable = true))
  private val kept = Array.fill(2 * plan.ordinals.length)(new OffHeapBuffer) // a block's rows of them that a filter keeps
  private var on = true
  private var used = false

  /** Rows of the batches to come that are in groups already. */
  var pending = 0

  /** From here on no rows are taken. */
  def stop(): Unit = on = false

  /**
   * Whether rows of batches for this form of the kernel may go this way. Where a row may have its whole batch run elsewhere, what was
   * merged of it must be taken back then, which only pays for few groups.
   */
  def takes(form: LinkedForm): Boolean = on && lease.isDefined && (form.piecewise || whileRoom(table.isSmall))

  /** Takes the rows of a batch, and gives how many; -1 when it stopped before the last, and those that it took are `pending`. */
  private[plan] def merge(call: BlockCall, batch: ColumnarBatch): Int = {
    var taken = -1
    whileRoom { taken = mergeBlocks(call, batch); true }
    taken
  }

  /** Without memory for the groups, the task above sees what becomes of them. */
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
    while (turn(BlockMerge.Why) == BlockMerge.Texts && whileRoom(call.arena.grow()))
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
  /** Rows of a block: a few columns of them fill half of a second-level cache at most, and a call of two kernels is soon paid. */
  val Rows = 2048

  // The shim's words of a turn, and why it stopped.
  private val Merged = 7
  private val Why = 8
  private val All = 0L
  private val Texts = 2L
}
